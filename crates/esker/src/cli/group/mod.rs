//! `esker group`: looking after consumer groups, of any broker.

mod describe;
mod list;
mod remove;
mod reset;
mod written;

use clap::{Args, Subcommand};
use esker_model::seams::Seams;

use super::target::Target;
use crate::client::Cluster;
use crate::client::group::Coordinator;
use crate::client::group::describe::{Described, describe};
use crate::failure::{Failure, Outcome};
use written::Asked;

#[derive(Debug, Subcommand)]
pub(crate) enum GroupCommand {
    /// List groups, of all brokers
    #[command(after_help = "Example:\n  esker group list --state Stable,Empty")]
    List(list::List),
    /// Describe groups: state and members; with --offsets how far they are
    #[command(after_help = "Example:\n  esker group describe billing --offsets")]
    Describe(describe::Describe),
    /// Delete groups without members, and the offsets that they committed
    #[command(after_help = "Example:\n  esker group delete billing")]
    Delete {
        /// The groups
        #[arg(required = true, value_name = "GROUP")]
        groups: Vec<String>,
        #[command(flatten)]
        target: Target,
    },
    /// Set committed offsets of a group without members; shows what would be done, and does it with --execute
    #[command(
        after_help = "Example:\n  esker group reset-offsets billing --topic orders --to earliest --execute\n\nA day back, two partitions only:\n  esker group reset-offsets billing --topic orders:0,1 --by-duration P1D"
    )]
    ResetOffsets(reset::Reset),
    /// Forget what a group committed of topics that no member reads
    #[command(after_help = "Example:\n  esker group delete-offsets billing --topic orders")]
    DeleteOffsets {
        /// The group
        group: String,
        /// A topic, or some partitions of it; may be repeated
        #[arg(long, required = true, value_name = "TOPIC[:PARTITION,...]", value_parser = written::asked)]
        topic: Vec<Asked>,
        #[command(flatten)]
        target: Target,
    },
    /// Remove members from a group; one that still runs comes back
    #[command(after_help = "Example:\n  esker group remove-member billing --instance-id billing-1")]
    RemoveMember {
        /// The group
        group: String,
        #[command(flatten)]
        who: Who,
        #[command(flatten)]
        target: Target,
    },
}

/// Which members.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub(crate) struct Who {
    /// The static member with this instance id; may be repeated
    #[arg(long, value_name = "ID")]
    instance_id: Vec<String>,
    /// All members
    #[arg(long)]
    all: bool,
}

/// Runs the command.
pub(crate) async fn run(command: GroupCommand) -> Outcome {
    match command {
        GroupCommand::List(args) => list::run(&args).await,
        GroupCommand::Describe(args) => describe::run(&args).await,
        GroupCommand::Delete { groups, target } => remove::groups(&groups, &target).await,
        GroupCommand::ResetOffsets(args) => reset::run(&args).await,
        GroupCommand::DeleteOffsets { group, topic, target } => {
            remove::offsets(&group, &topic, &target).await
        }
        GroupCommand::RemoveMember { group, who, target } => remove::members(&group, &who, &target).await,
    }
}

/// A group that must exist.
async fn existing(cluster: &mut Cluster, group: &str, seams: &Seams) -> Outcome<(Coordinator, Described)> {
    let mut coordinator = Coordinator::new(group, seams.clone());
    match describe(cluster, &mut coordinator).await? {
        Some(described) => Ok((coordinator, described)),
        None => Err(Failure::Failed(format!(
            "there is no group {group}; `esker group list` shows those there are"
        ))),
    }
}
