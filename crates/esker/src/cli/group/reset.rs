//! `esker group reset-offsets`: a plan first, and its execution if that was asked for.
//!
//! A group with members is refused, also for the plan: its members would go on from what they have in memory, and commit
//! over what was set. A wanted offset that the log does not have becomes the nearest one that it has.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use clap::Args;
use esker_model::seams::Seams;
use serde_json::json;

use super::written::{self, Asked, To};
use crate::cli::output;
use crate::cli::table::Table;
use crate::cli::target::Target;
use crate::client::group::describe::describe;
use crate::client::group::offsets::{self, Offsets};
use crate::client::group::{Coordinator, progress};
use crate::client::offsets::Place;
use crate::client::{Cluster, TopicPartition};
use crate::failure::{Failure, Outcome, io_reason};

/// Largest file of offsets.
const FILE_BYTES_MAX: u64 = 64 * 1024 * 1024;

#[derive(Debug, Args)]
pub(crate) struct Reset {
    /// The group; it may have no members, or not exist yet
    group: String,
    /// A topic, or some partitions of it; may be repeated
    #[arg(long, value_name = "TOPIC[:PARTITION,...]", value_parser = written::asked)]
    topic: Vec<Asked>,
    /// All partitions that the group committed
    #[arg(long, conflicts_with = "topic")]
    all_topics: bool,
    #[command(flatten)]
    how: How,
    /// Do it; without this only what would be done is shown
    #[arg(long)]
    execute: bool,
    #[command(flatten)]
    target: Target,
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct How {
    /// To the first record (earliest), behind the last (latest), or to an offset
    #[arg(long, value_name = "PLACE", allow_hyphen_values = true, value_parser = written::to)]
    to: Option<To>,
    /// By so many records forward, or back with a minus
    #[arg(long, value_name = "COUNT", allow_hyphen_values = true)]
    shift_by: Option<i64>,
    /// To the first record of this time or later, e.g. 2026-01-31T12:00:00
    #[arg(long, value_name = "TIME", value_parser = written::datetime)]
    to_datetime: Option<i64>,
    /// To the first record of the last so long, e.g. P1D or PT2H30M
    #[arg(long, value_name = "SPAN", allow_hyphen_values = true, value_parser = written::span)]
    by_duration: Option<i64>,
    /// To where it is; behind the last record where nothing is committed
    #[arg(long)]
    to_current: bool,
    /// To the offsets in this file, lines of topic,partition,offset
    #[arg(long, value_name = "FILE", conflicts_with_all = ["topic", "all_topics"])]
    from_file: Option<PathBuf>,
}

/// What becomes of one partition.
#[derive(Debug, PartialEq, Eq)]
struct Change {
    of: TopicPartition,
    before: Option<i64>,
    after: i64,
    /// The offset that was wanted, where the log does not have it.
    wanted: Option<i64>,
}

pub(super) async fn run(args: &Reset) -> Outcome {
    let file = args.how.from_file.as_deref().map(read).transpose()?;
    if args.topic.is_empty() && !args.all_topics && file.is_none() {
        return Err(Failure::Usage(
            "say which offsets: --topic TOPIC, --all-topics or --from-file FILE".to_owned(),
        ));
    }
    let mut cluster = args.target.cluster()?;
    let seams = Seams::real();
    let mut coordinator = Coordinator::new(&args.group, seams.clone());
    refuse_members(&mut cluster, &mut coordinator).await?;
    let committed = offsets::committed(&mut cluster, &mut coordinator, None, false).await?;
    let topics = topics(args, file.as_ref(), &committed);
    let first = progress::find(&mut cluster, &topics, Place::Beginning).await?;
    let last = progress::ends(&mut cluster, &topics).await?;
    let logs = Logs {
        first: &first,
        last: &last,
        committed: &committed,
    };
    let chosen = chosen(args, file.as_ref(), &logs)?;
    let wanted = match (&file, time(args, &seams)) {
        (Some(offsets), _) => offsets.clone(),
        (None, Some(ms)) => progress::find(&mut cluster, &topics, Place::Time(ms)).await?,
        (None, None) => wanted(&args.how, &chosen, &logs)?,
    };
    let changes = plan(&chosen, &wanted, &logs);
    if args.execute {
        let set: Offsets = changes
            .iter()
            .map(|change| (change.of.clone(), change.after))
            .collect();
        let gone = offsets::commit(&mut cluster, &mut coordinator, None, &set).await?;
        let gone: Vec<String> = gone.into_iter().collect();
        let sentence = match gone.as_slice() {
            [] => None,
            [topic] => Some(format!("topic {topic} was")),
            topics => Some(format!("topics {} were", topics.join(", "))),
        };
        if let Some(sentence) = sentence {
            return Err(Failure::Failed(format!(
                "{sentence} deleted meanwhile: the offsets of the others are set"
            )));
        }
    }
    report(args, &changes)
}

async fn refuse_members(cluster: &mut Cluster, coordinator: &mut Coordinator) -> Outcome {
    match describe(cluster, coordinator).await? {
        Some(group) if !group.members.is_empty() => {
            let count = output::counted(group.members.len() as u64, "member");
            Err(Failure::Failed(format!(
                "group {} has {count} and is {}: stop them, then reset its offsets",
                group.group, group.state
            )))
        }
        // A group that is not there yet begins with these offsets.
        _ => Ok(()),
    }
}

fn read(path: &Path) -> Outcome<Offsets> {
    let failed = |reason: String| Failure::Usage(format!("{}: {reason}", path.display()));
    let size = std::fs::metadata(path)
        .map_err(|error| failed(io_reason(&error)))?
        .len();
    if size > FILE_BYTES_MAX {
        return Err(failed("larger than 64 MiB".to_owned()));
    }
    let text = std::fs::read_to_string(path).map_err(|error| failed(io_reason(&error)))?;
    written::csv(&text).map_err(failed)
}

fn time(args: &Reset, seams: &Seams) -> Option<i64> {
    let back = |span: i64| (seams.clock.wall_ms() - span).max(0);
    args.how.to_datetime.or(args.how.by_duration.map(back))
}

fn topics(args: &Reset, file: Option<&Offsets>, committed: &Offsets) -> Vec<String> {
    let from = file.or(args.all_topics.then_some(committed));
    let of_offsets = from
        .into_iter()
        .flat_map(|offsets| offsets.keys().map(|(topic, _)| topic));
    let named = args.topic.iter().map(|asked| &asked.topic);
    let mut topics: Vec<_> = of_offsets.chain(named).cloned().collect();
    topics.sort_unstable();
    topics.dedup();
    topics
}

/// What there is: first and next offsets of the logs, and what is committed.
struct Logs<'a> {
    first: &'a Offsets,
    last: &'a Offsets,
    committed: &'a Offsets,
}

/// The partitions that are meant; each must exist. Of `--all-topics`, those that are gone are left as they are.
fn chosen(args: &Reset, file: Option<&Offsets>, logs: &Logs<'_>) -> Outcome<Vec<TopicPartition>> {
    if args.all_topics {
        let there = logs.committed.keys().filter(|of| logs.last.contains_key(*of));
        let there: Vec<_> = there.cloned().collect();
        return match there.is_empty() {
            true => Err(Failure::Failed(format!(
                "group {} has committed nothing: name topics with --topic",
                args.group
            ))),
            false => Ok(there),
        };
    }
    let mut chosen: Vec<TopicPartition> = file.into_iter().flat_map(|file| file.keys().cloned()).collect();
    for asked in &args.topic {
        let all = logs
            .last
            .keys()
            .filter(|(topic, _)| *topic == asked.topic)
            .cloned();
        let named = asked.partitions.iter().map(|index| (asked.topic.clone(), *index));
        let before = chosen.len();
        match asked.partitions.is_empty() {
            true => chosen.extend(all),
            false => chosen.extend(named),
        }
        if chosen.len() == before {
            return Err(Failure::Failed(format!("there is no topic {}", asked.topic)));
        }
    }
    chosen.sort_unstable();
    chosen.dedup();
    match chosen.iter().find(|of| !logs.last.contains_key(*of)) {
        Some((topic, index)) => Err(Failure::Failed(format!("there is no partition {topic}/{index}"))),
        None => Ok(chosen),
    }
}

/// The offsets that are wanted, whether or not the log has them.
fn wanted(how: &How, chosen: &[TopicPartition], logs: &Logs<'_>) -> Outcome<Offsets> {
    let mut wanted = BTreeMap::new();
    for of in chosen {
        let offset = |offsets: &Offsets| offsets.get(of).copied().unwrap_or_default();
        let committed = logs.committed.get(of).copied();
        let place = match (how.to, how.shift_by) {
            (Some(To::Earliest), _) => offset(logs.first),
            (Some(To::Latest), _) => offset(logs.last),
            (Some(To::Offset(offset)), _) => offset,
            (None, Some(count)) => match committed {
                Some(committed) => committed.saturating_add(count),
                None => {
                    return Err(Failure::Failed(format!(
                        "nothing is committed of {}/{}, so it cannot be shifted: use --to",
                        of.0, of.1
                    )));
                }
            },
            (None, None) => committed.unwrap_or(offset(logs.last)),
        };
        wanted.insert(of.clone(), place);
    }
    Ok(wanted)
}

fn plan(chosen: &[TopicPartition], wanted: &Offsets, logs: &Logs<'_>) -> Vec<Change> {
    let change = |of: &TopicPartition| {
        let offset = |offsets: &Offsets| offsets.get(of).copied().unwrap_or_default();
        let (first, last) = (offset(logs.first), offset(logs.last));
        let wanted = offset(wanted);
        let after = wanted.min(last).max(first);
        Change {
            of: of.clone(),
            before: logs.committed.get(of).copied(),
            after,
            wanted: (after != wanted).then_some(wanted),
        }
    };
    chosen.iter().map(change).collect()
}

fn report(args: &Reset, changes: &[Change]) -> Outcome {
    if args.target.json {
        let list: Vec<_> = changes
            .iter()
            .map(|change| {
                json!({
                    "topic": change.of.0,
                    "partition": change.of.1,
                    "current_offset": change.before,
                    "new_offset": change.after,
                    "wanted_offset": change.wanted.unwrap_or(change.after),
                })
            })
            .collect();
        return output::json(&json!({ "group": args.group, "executed": args.execute, "offsets": list }));
    }
    let mut table = Table::new(&["TOPIC", "PARTITION", "CURRENT OFFSET", "NEW OFFSET", "NOTE"]);
    for change in changes {
        let note = change
            .wanted
            .map(|wanted| format!("the log does not have {wanted}"));
        table.row([
            change.of.0.clone(),
            change.of.1.to_string(),
            change.before.map_or("-".to_owned(), |offset| offset.to_string()),
            change.after.to_string(),
            note.unwrap_or_default(),
        ]);
    }
    output::table(&table)?;
    output::line(match args.execute {
        true => "the offsets are set",
        false => "nothing was changed: --execute does it",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(index: i32) -> TopicPartition {
        ("t".to_owned(), index)
    }

    fn how() -> How {
        How {
            to: None,
            shift_by: None,
            to_datetime: None,
            by_duration: None,
            to_current: false,
            from_file: None,
        }
    }

    fn afters(how: &How, chosen: &[TopicPartition]) -> Outcome<Vec<(i64, Option<i64>)>> {
        let first = Offsets::from([(of(0), 5), (of(1), 0)]);
        let last = Offsets::from([(of(0), 20), (of(1), 10)]);
        let committed = Offsets::from([(of(0), 8)]);
        let logs = Logs {
            first: &first,
            last: &last,
            committed: &committed,
        };
        let changes = plan(chosen, &wanted(how, chosen, &logs)?, &logs);
        Ok(changes
            .iter()
            .map(|change| (change.after, change.wanted))
            .collect())
    }

    #[test]
    fn offsets_stay_within_the_log() {
        let both = [of(0), of(1)];
        let to = |to| How {
            to: Some(to),
            ..how()
        };
        let shift = |count| How {
            shift_by: Some(count),
            ..how()
        };
        let cases = [
            (to(To::Earliest), vec![(5, None), (0, None)]),
            (to(To::Latest), vec![(20, None), (10, None)]),
            (to(To::Offset(15)), vec![(15, None), (10, Some(15))]),
            (to(To::Offset(1)), vec![(5, Some(1)), (1, None)]),
            (
                How {
                    to_current: true,
                    ..how()
                },
                vec![(8, None), (10, None)],
            ),
        ];
        for (how, expected) in cases {
            assert_eq!(afters(&how, &both).unwrap(), expected, "{how:?}");
        }
        assert_eq!(afters(&shift(-2), &both[..1]).unwrap(), [(6, None)]);
        assert_eq!(afters(&shift(-100), &both[..1]).unwrap(), [(5, Some(-92))]);
        assert_eq!(
            afters(&shift(i64::MAX), &both[..1]).unwrap(),
            [(20, Some(i64::MAX))]
        );
        assert!(afters(&shift(1), &both).unwrap_err().to_string().contains("t/1"));
    }
}
