//! `esker cluster`: the cluster and its agents, as any broker tells them; and their background work, as the metastore
//! does.

use clap::Subcommand;
use serde_json::json;

use super::output;
use super::table::Table;
use super::target::Target;
use super::upkeep::{self, UpkeepArgs};
use crate::client::admin;
use crate::failure::Outcome;

#[derive(Debug, Subcommand)]
pub(crate) enum ClusterCommand {
    /// Describe the cluster: id, controller, number of agents and topics
    #[command(after_help = "Example:\n  esker cluster describe")]
    Describe {
        #[command(flatten)]
        target: Target,
    },
    /// List the live agents: node id, address and zone
    #[command(after_help = "Example:\n  esker cluster agents --json")]
    Agents {
        #[command(flatten)]
        target: Target,
    },
    /// Show what background work has before it and who does it. Asks the metastore, not a broker
    #[command(
        after_help = "Example:\n  esker cluster upkeep --metastore-url postgres://esker:password@db/esker\n\nAn agent tells the same at GET /upkeep on its admin_addr."
    )]
    Upkeep(UpkeepArgs),
}

/// Runs the command.
pub(crate) async fn run(command: ClusterCommand) -> Outcome {
    match command {
        ClusterCommand::Describe { target } => describe(&target).await,
        ClusterCommand::Agents { target } => agents(&target).await,
        ClusterCommand::Upkeep(args) => upkeep::run(args).await,
    }
}

async fn describe(target: &Target) -> Outcome {
    let mut cluster = target.cluster()?;
    let described = admin::describe_cluster(&mut cluster).await?;
    let topics = cluster.topics(None, false).await?;
    let partitions: usize = topics
        .iter()
        .filter_map(|(_, topic)| topic.as_ref().ok())
        .map(|topic| topic.partitions.len())
        .sum();
    if target.json {
        return output::json(&json!({
            "cluster_id": described.cluster_id.to_string(),
            "controller": described.controller_id.0,
            "agents": described.brokers.len(),
            "topics": topics.len(),
            "partitions": partitions,
        }));
    }
    output::line(&format!("cluster     {}", described.cluster_id.as_str()))?;
    output::line(&format!("controller  {}", described.controller_id.0))?;
    output::line(&format!("agents      {}", described.brokers.len()))?;
    output::line(&format!(
        "topics      {} with {partitions} partitions",
        topics.len()
    ))
}

async fn agents(target: &Target) -> Outcome {
    let mut cluster = target.cluster()?;
    let mut agents = admin::describe_cluster(&mut cluster).await?.brokers;
    agents.sort_by_key(|agent| agent.broker_id.0);
    if target.json {
        let list: Vec<_> = agents
            .iter()
            .map(|agent| {
                json!({
                    "node": agent.broker_id.0,
                    "host": agent.host.to_string(),
                    "port": agent.port,
                    "zone": agent.rack.as_ref().map(ToString::to_string),
                })
            })
            .collect();
        return output::json(&list);
    }
    let mut table = Table::new(&["NODE", "ADDRESS", "ZONE"]);
    for agent in agents {
        table.row([
            agent.broker_id.0.to_string(),
            format!("{}:{}", agent.host.as_str(), agent.port),
            agent.rack.as_ref().map_or("-".to_owned(), ToString::to_string),
        ]);
    }
    output::table(&table)
}
