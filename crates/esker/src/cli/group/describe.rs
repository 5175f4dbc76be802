//! `esker group describe`.

use std::collections::BTreeMap;

use clap::Args;
use esker_model::seams::Seams;
use serde_json::{Value, json};

use super::existing;
use crate::cli::failures::Failures;
use crate::cli::output;
use crate::cli::table::Table;
use crate::cli::target::Target;
use crate::client::group::Coordinator;
use crate::client::group::describe::{Described, Member, Partitions};
use crate::client::group::progress::{Progress, progress};
use crate::failure::Outcome;

#[derive(Debug, Args)]
pub(crate) struct Describe {
    /// The groups
    #[arg(required = true, value_name = "GROUP")]
    groups: Vec<String>,
    /// Show how far the group is in each partition, and who reads it
    #[arg(long)]
    offsets: bool,
    /// Show the state only, without members
    #[arg(long, conflicts_with = "verbose")]
    state: bool,
    /// Show which partitions each member has
    #[arg(long)]
    verbose: bool,
    #[command(flatten)]
    target: Target,
}

pub(super) async fn run(args: &Describe) -> Outcome {
    let mut cluster = args.target.cluster()?;
    let seams = Seams::real();
    let (mut documents, mut failures) = (Vec::new(), Failures::default());
    let mut printed = false;
    for name in &args.groups {
        let (mut coordinator, group) = match existing(&mut cluster, name, &seams).await {
            Ok(found) => found,
            Err(failure) => {
                failures.add(failure);
                continue;
            }
        };
        let offsets = match args.offsets {
            true => match progress(&mut cluster, &mut coordinator, &group).await {
                Ok(offsets) => Some(offsets),
                // The rest of it is worth saying, and so are the other groups.
                Err(error) => {
                    failures.add(format_args!("cannot say how far group {name} is: {error}"));
                    None
                }
            },
            false => None,
        };
        if args.target.json {
            documents.push(document(args, &coordinator, &group, offsets.as_deref()));
            continue;
        }
        if printed {
            output::line("")?;
        }
        printed = true;
        print(args, &coordinator, &group, offsets.as_deref())?;
    }
    if args.target.json {
        output::json(&documents)?;
    }
    failures.outcome()
}

fn print(
    args: &Describe,
    coordinator: &Coordinator,
    group: &Described,
    offsets: Option<&[Progress]>,
) -> Outcome {
    let or_dash = |text: &str| if text.is_empty() { "-" } else { text }.to_owned();
    let place = coordinator.place();
    let mut lines = vec![
        format!("group        {}", group.group),
        format!("type         {}", group.kind),
        format!("state        {}", group.state),
        format!("protocol     {}", or_dash(&group.protocol_type)),
        format!("assignor     {}", or_dash(&group.assignor)),
        format!(
            "coordinator  {}",
            place.map_or("-".to_owned(), |place| format!(
                "{} at {}",
                place.node, place.address
            ))
        ),
        format!("members      {}", group.members.len()),
    ];
    if let Some(epoch) = group.epoch {
        lines.push(format!("epoch        {epoch}"));
    }
    output::lines(&lines)?;
    if !args.state && !group.members.is_empty() {
        output::line("")?;
        output::table(&members(&group.members, args.verbose))?;
    }
    match offsets {
        Some([]) => output::lines(["", "nothing is committed"]),
        Some(offsets) => {
            output::line("")?;
            output::table(&progress_table(offsets, &group.members))
        }
        None => Ok(()),
    }
}

fn members(members: &[Member], verbose: bool) -> Table {
    let text = |member: &Member| -> [String; 5] {
        [
            member.id.clone(),
            member.instance_id.clone().unwrap_or("-".to_owned()),
            member.client_id.clone(),
            member.host.clone(),
            member.partitions().to_string(),
        ]
    };
    if !verbose {
        let mut table = Table::new(&["MEMBER", "INSTANCE", "CLIENT", "HOST", "PARTITIONS"]);
        members.iter().for_each(|member| table.row(text(member)));
        return table;
    }
    let mut table = Table::new(&["MEMBER", "INSTANCE", "CLIENT", "HOST", "PARTITIONS", "ASSIGNMENT"]);
    for member in members {
        let [id, instance, client, host, count] = text(member);
        table.row([id, instance, client, host, count, assignment(&member.assigned)]);
    }
    table
}

/// `orders:0,1 returns:2`.
fn assignment(partitions: &Partitions) -> String {
    let topics = partitions.iter().map(|(topic, indexes)| {
        let indexes: Vec<_> = indexes.iter().map(ToString::to_string).collect();
        format!("{topic}:{}", indexes.join(","))
    });
    let topics: Vec<_> = topics.collect();
    match topics.is_empty() {
        true => "-".to_owned(),
        false => topics.join(" "),
    }
}

fn progress_table(offsets: &[Progress], members: &[Member]) -> Table {
    let mut table = Table::new(&[
        "TOPIC",
        "PARTITION",
        "CURRENT OFFSET",
        "LOG END OFFSET",
        "LAG",
        "MEMBER",
        "HOST",
    ]);
    let number = |number: Option<i64>| number.map_or("-".to_owned(), |number| number.to_string());
    for progress in offsets {
        let reader = progress.reader.and_then(|at| members.get(at));
        table.row([
            progress.of.0.clone(),
            progress.of.1.to_string(),
            number(progress.committed),
            number(progress.end),
            number(progress.lag()),
            reader.map_or("-".to_owned(), |member| member.id.clone()),
            reader.map_or("-".to_owned(), |member| member.host.clone()),
        ]);
    }
    table
}

fn document(
    args: &Describe,
    coordinator: &Coordinator,
    group: &Described,
    offsets: Option<&[Progress]>,
) -> Value {
    let place = coordinator.place();
    let mut document = json!({
        "group": group.group,
        "type": group.kind,
        "state": group.state,
        "protocol_type": group.protocol_type,
        "assignor": group.assignor,
        "epoch": group.epoch,
        "coordinator": place.map(|place| place.node),
        "coordinator_address": place.map(|place| &place.address),
        "member_count": group.members.len(),
    });
    let mut add = |name: &str, value: Value| {
        if let Some(fields) = document.as_object_mut() {
            fields.insert(name.to_owned(), value);
        }
    };
    if !args.state {
        add("members", group.members.iter().map(member_document).collect());
    }
    if args.offsets && offsets.is_none() {
        add("offsets", Value::Null);
    }
    if let Some(offsets) = offsets {
        let row = |progress: &Progress| {
            let reader = progress.reader.and_then(|at| group.members.get(at));
            json!({
                "topic": progress.of.0,
                "partition": progress.of.1,
                "current_offset": progress.committed,
                "log_end_offset": progress.end,
                "lag": progress.lag(),
                "member": reader.map(|member| &member.id),
                "instance": reader.and_then(|member| member.instance_id.as_ref()),
                "client": reader.map(|member| &member.client_id),
                "host": reader.map(|member| &member.host),
            })
        };
        add("offsets", offsets.iter().map(row).collect());
    }
    document
}

fn member_document(member: &Member) -> Value {
    let assigned: BTreeMap<_, _> = member.assigned.iter().collect();
    json!({
        "member": member.id,
        "instance": member.instance_id,
        "client": member.client_id,
        "host": member.host,
        "epoch": member.epoch,
        "topics": member.topics,
        "assignment": assigned,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_known_is_a_dash() {
        let progress = |committed, end| Progress {
            of: ("t".to_owned(), 0),
            committed,
            end,
            reader: None,
        };
        assert_eq!(progress(Some(3), Some(10)).lag(), Some(7));
        // The topic was made anew, or somebody set an offset that it does not have yet.
        assert_eq!(progress(Some(30), Some(10)).lag(), Some(-20));
        assert_eq!(progress(None, Some(10)).lag(), None);
        let text = progress_table(&[progress(Some(3), None)], &[]).render(None);
        let row: Vec<_> = text.lines().nth(1).unwrap().split_whitespace().collect();
        assert_eq!(row, ["t", "0", "3", "-", "-", "-", "-"]);
    }

    #[test]
    fn assignments_are_short() {
        let partitions = Partitions::from([("b".to_owned(), vec![2]), ("a".to_owned(), vec![0, 1])]);
        assert_eq!(assignment(&partitions), "a:0,1 b:2");
        assert_eq!(assignment(&Partitions::new()), "-");
    }
}
