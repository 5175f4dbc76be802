//! `esker topic describe`.

use std::collections::BTreeMap;

use clap::Args;
use esker_model::seams::Seams;
use serde_json::{Value, json};

use crate::cli::output;
use crate::cli::table::Table;
use crate::cli::target::Target;
use crate::client::group::progress::{self, Lag};
use crate::client::offsets::{self, Place};
use crate::client::{Cluster, Topic, admin};
use crate::failure::Outcome;

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

/// Offsets by partition.
type Offsets = BTreeMap<i32, i64>;

/// What is said of one topic.
struct Described {
    topic: Topic,
    first: Offsets,
    next: Offsets,
    /// Configs that are set on the topic.
    set: Vec<(String, String)>,
    /// If they were asked for.
    groups: Option<Vec<Lag>>,
}

pub(super) async fn run(args: &Describe) -> Outcome {
    let mut cluster = args.target.cluster()?;
    let mut documents = Vec::new();
    for (_, topic) in cluster.topics(Some(&args.names), false).await? {
        let described = described(&mut cluster, topic?, args.groups).await?;
        if args.target.json {
            documents.push(document(&cluster, &described));
        } else {
            print(&cluster, &described)?;
        }
    }
    match args.target.json {
        true => output::json(&documents),
        false => Ok(()),
    }
}

async fn described(cluster: &mut Cluster, topic: Topic, groups: bool) -> Outcome<Described> {
    let first = offsets::find(cluster, &topic.name, &topic.partitions, Place::Beginning).await?;
    let next = offsets::find(cluster, &topic.name, &topic.partitions, Place::End).await?;
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
    output::line(&match set.is_empty() {
        true => "configs set: none".to_owned(),
        false => format!("configs set: {}", set.join(", ")),
    })?;
    output::table(&partitions(cluster, described))?;
    match &described.groups {
        Some(groups) if groups.is_empty() => output::line("\nno group committed offsets of it"),
        Some(groups) => {
            let mut table = Table::new(&["GROUP", "STATE", "PARTITIONS", "LAG"]);
            for group in groups {
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

fn partitions(cluster: &Cluster, described: &Described) -> Table {
    let mut table = Table::new(&[
        "PARTITION",
        "FIRST OFFSET",
        "NEXT OFFSET",
        "LEADER",
        "ADDRESS",
        "REPLICAS",
    ]);
    let offset = |offsets: &Offsets, index| offsets.get(&index).map_or("-".to_owned(), ToString::to_string);
    for partition in &described.topic.partitions {
        let replicas: Vec<_> = partition.replicas.iter().map(ToString::to_string).collect();
        table.row([
            partition.index.to_string(),
            offset(&described.first, partition.index),
            offset(&described.next, partition.index),
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
    let mut document = json!({
        "topic": topic.name,
        "id": topic.id.to_string(),
        "internal": topic.internal,
        "configs": configs,
        "partitions": partitions,
    });
    if let (Some(groups), Some(fields)) = (&described.groups, document.as_object_mut()) {
        let group = |group: &Lag| json!({ "group": group.group, "state": group.state, "partitions": group.partitions, "lag": group.lag });
        fields.insert("groups".to_owned(), groups.iter().map(group).collect());
    }
    document
}
