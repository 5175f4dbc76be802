//! `esker topic describe`.

use std::collections::BTreeMap;

use clap::Args;
use esker_model::seams::Seams;
use serde_json::{Value, json};

use crate::cli::failures::Failures;
use crate::cli::output;
use crate::cli::table::Table;
use crate::cli::target::Target;
use crate::client::group::progress::{self, Lag, Lags};
use crate::client::offsets::{self, Place};
use crate::client::sizes::{self, Sizes};
use crate::client::{Cluster, Result, Topic, admin};
use crate::failure::Outcome;
use crate::settings::size;

#[derive(Debug, Args)]
pub(crate) struct Describe {
    /// The topics
    #[arg(required = true)]
    names: Vec<String>,
    /// Show the groups that committed offsets, and how far behind they are
    #[arg(long)]
    groups: bool,
    #[command(flatten)]
    target: Target,
}

/// Instead of a size.
const UNKNOWN: &str = "unknown";

/// Offsets by partition.
type Offsets = BTreeMap<i32, i64>;

/// What is said of one topic.
struct Described {
    topic: Topic,
    first: Offsets,
    next: Offsets,
    /// Or why nobody said them: everything else is worth saying all the same.
    sizes: Result<Sizes>,
    /// Configs that are set on the topic.
    set: Vec<(String, String)>,
    /// If they were asked for.
    groups: Option<Lags>,
}

pub(super) async fn run(args: &Describe) -> Outcome {
    let mut cluster = args.target.cluster()?;
    let (mut documents, mut failures) = (Vec::new(), Failures::default());
    let mut printed = false;
    for (_, topic) in cluster.topics(Some(&args.names), false).await? {
        let described = match topic {
            Ok(topic) => described(&mut cluster, topic, args.groups).await,
            Err(error) => Err(error),
        };
        let described = match described {
            Ok(described) => described,
            Err(error) => {
                failures.add(error);
                continue;
            }
        };
        for failure in described.groups.iter().flat_map(|groups| &groups.failures) {
            failures.add(failure);
        }
        if args.target.json {
            documents.push(document(&cluster, &described));
            continue;
        }
        if printed {
            output::line("")?;
        }
        printed = true;
        print(&cluster, &described)?;
    }
    // Of nothing that was found, only what failed is said.
    if args.target.json && (!documents.is_empty() || failures.is_empty()) {
        output::json(&documents)?;
    }
    failures.outcome()
}

async fn described(cluster: &mut Cluster, topic: Topic, groups: bool) -> Result<Described> {
    let first = offsets::find(cluster, &topic.name, &topic.partitions, Place::Beginning).await?;
    let next = offsets::find(cluster, &topic.name, &topic.partitions, Place::End).await?;
    let sizes = sizes::find(cluster, &topic.name, &topic.partitions).await;
    let configs = admin::describe_configs(cluster, &admin::Resource::Topic(topic.name.clone())).await?;
    let set = configs
        .configs
        .iter()
        .filter(|config| config.config_source == crate::cli::config::SOURCE_TOPIC)
        .map(|config| {
            let value = config.value.as_ref().map(ToString::to_string);
            (config.name.to_string(), value.unwrap_or_default())
        })
        .collect();
    let groups = match groups {
        true => Some(progress::lags(cluster, &Seams::real(), &topic.name, &next).await?),
        false => None,
    };
    Ok(Described {
        topic,
        first,
        next,
        sizes,
        set,
        groups,
    })
}

fn print(cluster: &Cluster, described: &Described) -> Outcome {
    let topic = &described.topic;
    output::line(&format!("topic {}  id {}", topic.name, topic.id))?;
    let set: Vec<_> = described
        .set
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    match set.as_slice() {
        [] => output::line("configs set: none")?,
        [one] => output::line(&format!("configs set: {one}"))?,
        several => {
            output::line("configs set:")?;
            output::lines(several.iter().map(|one| format!("  {one}")))?;
        }
    }
    output::line(&format!(
        "size: {}",
        total(&described.sizes, topic.partitions.len())
    ))?;
    output::table(&partitions(cluster, described))?;
    match &described.groups {
        Some(groups) if groups.lags.is_empty() && groups.failures.is_empty() => {
            output::lines(["", "no group committed offsets of it"])
        }
        Some(groups) => {
            let mut table = Table::new(&["GROUP", "STATE", "PARTITIONS", "LAG"]);
            for group in &groups.lags {
                table.row([
                    group.group.clone(),
                    group.state.clone().unwrap_or("-".to_owned()),
                    group.partitions.to_string(),
                    group.lag.to_string(),
                ]);
            }
            output::line("")?;
            output::table(&table)
        }
        None => Ok(()),
    }
}

fn known(sizes: &Result<Sizes>, index: i32) -> Option<u64> {
    sizes.as_ref().ok()?.get(&index).copied()
}

/// The size of the whole topic, as far as it is known.
fn total(sizes: &Result<Sizes>, partitions: usize) -> String {
    let sizes = match sizes {
        Ok(sizes) => sizes,
        Err(error) => return format!("{UNKNOWN}: {error}"),
    };
    let bytes = size::show(sizes.values().sum());
    match partitions - sizes.len().min(partitions) {
        0 => bytes,
        unknown if unknown == partitions => UNKNOWN.to_owned(),
        unknown => format!(
            "at least {bytes}; that of {} is {UNKNOWN}",
            output::counted(unknown as u64, "partition")
        ),
    }
}

fn partitions(cluster: &Cluster, described: &Described) -> Table {
    let mut table = Table::new(&[
        "PARTITION",
        "FIRST OFFSET",
        "NEXT OFFSET",
        "SIZE",
        "LEADER",
        "ADDRESS",
        "REPLICAS",
    ]);
    let offset = |offsets: &Offsets, index| offsets.get(&index).map_or("-".to_owned(), ToString::to_string);
    for partition in &described.topic.partitions {
        let bytes = known(&described.sizes, partition.index);
        let replicas: Vec<_> = partition.replicas.iter().map(ToString::to_string).collect();
        table.row([
            partition.index.to_string(),
            offset(&described.first, partition.index),
            offset(&described.next, partition.index),
            bytes.map_or(UNKNOWN.to_owned(), size::show),
            partition.leader.to_string(),
            cluster.address_of(partition.leader).unwrap_or("-").to_owned(),
            replicas.join(","),
        ]);
    }
    table
}

fn document(cluster: &Cluster, described: &Described) -> Value {
    let topic = &described.topic;
    let partitions: Vec<_> = topic
        .partitions
        .iter()
        .map(|partition| {
            json!({
                "partition": partition.index,
                "first_offset": described.first.get(&partition.index),
                "next_offset": described.next.get(&partition.index),
                "bytes": known(&described.sizes, partition.index),
                "leader": partition.leader,
                "leader_address": cluster.address_of(partition.leader),
                "replicas": partition.replicas,
                "in_sync_replicas": partition.in_sync,
            })
        })
        .collect();
    let configs: serde_json::Map<_, _> = described
        .set
        .iter()
        .map(|(name, value)| (name.clone(), json!(value)))
        .collect();
    let sizes = topic
        .partitions
        .iter()
        .map(|partition| known(&described.sizes, partition.index));
    let bytes: Option<u64> = sizes.sum();
    let mut document = json!({
        "topic": topic.name,
        "id": topic.id.to_string(),
        "internal": topic.internal,
        // Of all partitions, or of none.
        "bytes": bytes,
        "bytes_error": described.sizes.as_ref().err().map(ToString::to_string),
        "configs": configs,
        "partitions": partitions,
    });
    if let (Some(groups), Some(fields)) = (&described.groups, document.as_object_mut()) {
        let group = |group: &Lag| json!({ "group": group.group, "state": group.state, "partitions": group.partitions, "lag": group.lag });
        fields.insert("groups".to_owned(), groups.lags.iter().map(group).collect());
    }
    document
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::ClientError;

    #[test]
    fn the_size_of_a_topic_says_what_it_leaves_out() {
        let of =
            |sizes: &[u64], partitions| total(&Ok((0..).zip(sizes.iter().copied()).collect()), partitions);
        assert_eq!(of(&[1024, 512], 2), "1.5 KiB");
        assert_eq!(of(&[0, 0], 2), "0 B");
        assert_eq!(of(&[], 2), "unknown");
        assert_eq!(of(&[1024], 2), "at least 1 KiB; that of 1 partition is unknown");
        assert_eq!(of(&[1024], 3), "at least 1 KiB; that of 2 partitions is unknown");
        let refused = Err(ClientError::Input("not asked".to_owned()));
        assert_eq!(total(&refused, 2), "unknown: not asked");
    }
}
