//! `esker topic`: create, list, describe, delete and alter topics.

use clap::{Args, Subcommand};
use esker_protocol::ErrorCode;
use serde_json::json;

use super::output;
use super::table::Table;
use super::target::{Target, name_value};
use crate::client::offsets::{self, Place};
use crate::client::{ClientError, Cluster, Topic, admin};
use crate::failure::{Failure, Outcome};

#[derive(Debug, Subcommand)]
pub(crate) enum TopicCommand {
    /// Create a topic
    #[command(
        after_help = "Example:\n  esker topic create orders --partitions 6 --config retention.ms=86400000"
    )]
    Create(Create),
    /// List topics
    #[command(after_help = "Example:\n  esker topic list --json")]
    List {
        #[command(flatten)]
        target: Target,
    },
    /// Describe topics: partitions, leaders and offsets
    #[command(after_help = "Example:\n  esker topic describe orders")]
    Describe {
        /// The topics
        #[arg(required = true)]
        names: Vec<String>,
        #[command(flatten)]
        target: Target,
    },
    /// Delete topics with all their records
    #[command(after_help = "Example:\n  esker topic delete orders")]
    Delete {
        /// The topics
        #[arg(required = true)]
        names: Vec<String>,
        /// Take a topic that does not exist for deleted
        #[arg(long)]
        if_exists: bool,
        #[command(flatten)]
        target: Target,
    },
    /// Raise the number of a topic's partitions
    #[command(
        after_help = "Example:\n  esker topic alter orders --partitions 12\n\nConfigs are altered by `esker config alter topic`."
    )]
    Alter {
        /// The topic
        name: String,
        /// How many partitions it has then; never fewer than now
        #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(i32).range(1..))]
        partitions: i32,
        #[command(flatten)]
        target: Target,
    },
}

#[derive(Debug, Args)]
pub(crate) struct Create {
    /// The topic: letters, digits, `.`, `_` and `-`
    name: String,
    /// How many partitions [default: the broker's]
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(i32).range(1..))]
    partitions: Option<i32>,
    /// How many replicas; Esker's durability does not depend on it [default: the broker's]
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(i16).range(1..))]
    replication_factor: Option<i16>,
    /// A config of the topic; may be repeated
    #[arg(long, value_name = "NAME=VALUE", value_parser = name_value)]
    config: Vec<(String, String)>,
    /// Leave a topic that exists as it is
    #[arg(long)]
    if_not_exists: bool,
    #[command(flatten)]
    target: Target,
}

/// Runs the command.
pub(crate) async fn run(command: TopicCommand) -> Outcome {
    match command {
        TopicCommand::Create(args) => create(args).await,
        TopicCommand::List { target } => list(&target).await,
        TopicCommand::Describe { names, target } => describe(&names, &target).await,
        TopicCommand::Delete {
            names,
            if_exists,
            target,
        } => delete(&names, if_exists, &target).await,
        TopicCommand::Alter {
            name,
            partitions,
            target,
        } => alter(&name, partitions, &target).await,
    }
}

fn is_code(error: &ClientError, wanted: ErrorCode) -> bool {
    matches!(error, ClientError::Refused { code, .. } if *code == wanted.code())
}

async fn create(args: Create) -> Outcome {
    let mut cluster = args.target.cluster()?;
    let (partitions, replicas) = (
        args.partitions.unwrap_or(-1),
        args.replication_factor.unwrap_or(-1),
    );
    let created = admin::create_topic(&mut cluster, &args.name, partitions, replicas, &args.config).await;
    let existed = match &created {
        Err(error) => args.if_not_exists && is_code(error, ErrorCode::TopicAlreadyExists),
        Ok(_) => false,
    };
    if existed {
        return match args.target.json {
            true => output::json(&json!({ "topic": args.name, "created": false })),
            false => output::line(&format!("topic {} exists already", args.name)),
        };
    }
    let created = created?;
    if args.target.json {
        return output::json(&json!({
            "topic": created.name,
            "created": true,
            "partitions": created.partitions,
            "replication_factor": created.replication_factor,
        }));
    }
    match created.partitions {
        ..=0 => output::line(&format!("created topic {}", created.name)),
        1 => output::line(&format!("created topic {} with 1 partition", created.name)),
        count => output::line(&format!("created topic {} with {count} partitions", created.name)),
    }
}

async fn list(target: &Target) -> Outcome {
    let mut cluster = target.cluster()?;
    let mut topics = Vec::new();
    for (_, topic) in cluster.topics(None, false).await? {
        topics.push(topic?);
    }
    topics.sort_by(|a, b| a.name.cmp(&b.name));
    if target.json {
        let list: Vec<_> = topics
            .iter()
            .map(|topic| json!({ "topic": topic.name, "id": topic.id.to_string(), "partitions": topic.partitions.len(), "internal": topic.internal }))
            .collect();
        return output::json(&list);
    }
    let mut table = Table::new(&["TOPIC", "PARTITIONS"]);
    for topic in topics {
        table.row([topic.name, topic.partitions.len().to_string()]);
    }
    output::table(&table)
}

async fn describe(names: &[String], target: &Target) -> Outcome {
    let mut cluster = target.cluster()?;
    let mut documents = Vec::new();
    for (_, topic) in cluster.topics(Some(names), false).await? {
        let topic = topic?;
        let first = offsets::find(&mut cluster, &topic.name, &topic.partitions, Place::Beginning).await?;
        let next = offsets::find(&mut cluster, &topic.name, &topic.partitions, Place::End).await?;
        let configs =
            admin::describe_configs(&mut cluster, &admin::Resource::Topic(topic.name.clone())).await?;
        let set: Vec<_> = configs
            .configs
            .iter()
            .filter(|config| config.config_source == super::config::SOURCE_TOPIC)
            .map(|config| {
                (
                    config.name.to_string(),
                    config.value.as_ref().map(ToString::to_string).unwrap_or_default(),
                )
            })
            .collect();
        if target.json {
            documents.push(document(&cluster, &topic, &first, &next, &set));
            continue;
        }
        let set: Vec<_> = set
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        output::line(&format!("topic {}  id {}", topic.name, topic.id))?;
        output::line(&format!(
            "configs set: {}",
            if set.is_empty() {
                "none".to_owned()
            } else {
                set.join(", ")
            }
        ))?;
        output::table(&partitions(&cluster, &topic, &first, &next))?;
    }
    if target.json {
        output::json(&documents)
    } else {
        Ok(())
    }
}

type Offsets = std::collections::BTreeMap<i32, i64>;

fn partitions(cluster: &Cluster, topic: &Topic, first: &Offsets, next: &Offsets) -> Table {
    let mut table = Table::new(&[
        "PARTITION",
        "FIRST OFFSET",
        "NEXT OFFSET",
        "LEADER",
        "ADDRESS",
        "REPLICAS",
    ]);
    let offset = |offsets: &Offsets, index| offsets.get(&index).map_or("-".to_owned(), ToString::to_string);
    for partition in &topic.partitions {
        let replicas: Vec<_> = partition.replicas.iter().map(ToString::to_string).collect();
        table.row([
            partition.index.to_string(),
            offset(first, partition.index),
            offset(next, partition.index),
            partition.leader.to_string(),
            cluster.address_of(partition.leader).unwrap_or("-").to_owned(),
            replicas.join(","),
        ]);
    }
    table
}

fn document(
    cluster: &Cluster,
    topic: &Topic,
    first: &Offsets,
    next: &Offsets,
    configs: &[(String, String)],
) -> serde_json::Value {
    let partitions: Vec<_> = topic
        .partitions
        .iter()
        .map(|partition| {
            json!({
                "partition": partition.index,
                "first_offset": first.get(&partition.index),
                "next_offset": next.get(&partition.index),
                "leader": partition.leader,
                "leader_address": cluster.address_of(partition.leader),
                "replicas": partition.replicas,
                "in_sync_replicas": partition.in_sync,
            })
        })
        .collect();
    let configs: serde_json::Map<_, _> = configs
        .iter()
        .map(|(name, value)| (name.clone(), json!(value)))
        .collect();
    json!({ "topic": topic.name, "id": topic.id.to_string(), "internal": topic.internal, "configs": configs, "partitions": partitions })
}

async fn delete(names: &[String], if_exists: bool, target: &Target) -> Outcome {
    let mut cluster = target.cluster()?;
    let mut results = Vec::new();
    let mut failed = None;
    for name in names {
        let result = admin::delete_topic(&mut cluster, name).await;
        let gone = match result {
            Ok(()) => true,
            Err(error) if if_exists && is_code(&error, ErrorCode::UnknownTopicOrPartition) => false,
            Err(error) => {
                // The other topics are still deleted; all that failed is said at the end.
                let before = failed
                    .take()
                    .map_or(String::new(), |before: String| format!("{before}; "));
                failed = Some(format!("{before}{error}"));
                continue;
            }
        };
        results.push(json!({ "topic": name, "deleted": gone }));
        if !target.json {
            let done = if gone {
                "deleted topic"
            } else {
                "there is no topic"
            };
            output::line(&format!("{done} {name}"))?;
        }
    }
    if target.json {
        output::json(&results)?;
    }
    failed.map_or(Ok(()), |failed| Err(Failure::Failed(failed)))
}

async fn alter(name: &str, partitions: i32, target: &Target) -> Outcome {
    let mut cluster = target.cluster()?;
    admin::create_partitions(&mut cluster, name, partitions).await?;
    match target.json {
        true => output::json(&json!({ "topic": name, "partitions": partitions })),
        false => output::line(&format!("topic {name} has {partitions} partitions")),
    }
}
