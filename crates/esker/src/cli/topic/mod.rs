//! `esker topic`: create, list, describe, delete and alter topics.

mod describe;

use clap::{Args, Subcommand};
use esker_protocol::ErrorCode;
use serde_json::json;

use super::failures::Failures;
use super::output;
use super::table::Table;
use super::target::{Target, name_value};
use crate::client::admin;
use crate::client::group::is_code;
use crate::failure::Outcome;

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
    /// Describe topics: partitions with their leaders, offsets and sizes
    #[command(
        after_help = "Example:\n  esker topic describe orders --groups\n\nSIZE is that of the stored record batches; `unknown` if the broker cannot tell it now.\nHow far a group is in each partition: `esker group describe GROUP --offsets`."
    )]
    Describe(describe::Describe),
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
        TopicCommand::Describe(args) => describe::run(&args).await,
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

async fn delete(names: &[String], if_exists: bool, target: &Target) -> Outcome {
    let mut cluster = target.cluster()?;
    let (mut results, mut failures) = (Vec::new(), Failures::default());
    for name in names {
        let result = admin::delete_topic(&mut cluster, name).await;
        let gone = match result {
            Ok(()) => true,
            Err(error) if if_exists && is_code(&error, ErrorCode::UnknownTopicOrPartition) => false,
            Err(error) => {
                failures.add(error);
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
    failures.outcome()
}

async fn alter(name: &str, partitions: i32, target: &Target) -> Outcome {
    let mut cluster = target.cluster()?;
    admin::create_partitions(&mut cluster, name, partitions).await?;
    match target.json {
        true => output::json(&json!({ "topic": name, "partitions": partitions })),
        false => output::line(&format!("topic {name} has {partitions} partitions")),
    }
}
