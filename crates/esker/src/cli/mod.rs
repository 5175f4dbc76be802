//! The command line: what can be typed, and what runs then.
//!
//! Commands that speak Kafka's protocol live in files of their own; the ones that start or prepare an
//! agent live in `run`, `migrate` and `check`.

pub(crate) mod age;
mod cluster;
mod config;
mod consume;
mod failures;
mod flags;
mod group;
mod output;
mod produce;
mod record_format;
mod table;
mod target;
mod topic;
mod upkeep;

#[cfg(test)]
mod tests;

use clap::{CommandFactory, Parser, Subcommand};

use crate::failure::Outcome;

pub(crate) use flags::{SettingsArgs, environment};
pub(crate) use output::{counted, json as print_json};
pub(crate) use target::block_on;

/// Commands by what they are for; a test compares it with the real list.
const GROUPS: &str = "\
Run:
  dev          One process, nothing else needed: SQLite and a local directory
  agent        One stateless agent on a shared metastore and bucket
  migrate      Bring the metastore's schema up to date
  bucket       Create and configure the bucket of a cluster
  check        Look at metastore, bucket and addresses before an agent starts, or at all records
  inspect      Print any object of the bucket in words

Use (any broker that speaks Kafka's protocol):
  produce      Write records, one per line of the input
  consume      Read records
  topic        Create, list, describe, delete and alter topics
  group        List, describe and delete consumer groups, and set their offsets
  config       Describe and alter configs of topics, groups and brokers
  cluster      Describe the cluster, its agents and their background work

Plan:
  cost         What a workload, or a live cluster, costs in a month, beside Apache Kafka

Else:
  completions  Print completions for a shell
  help         Print this or the help of a command";

const TEMPLATE: &str = "{about}\n\n{usage-heading} {usage}{after-help}\n\nOptions:\n{options}";

/// A Kafka-protocol broker whose only state is a bucket and a database
#[derive(Debug, Parser)]
#[command(name = "esker", version, after_help = GROUPS, help_template = TEMPLATE, disable_help_subcommand = false)]
pub(crate) struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// One process, nothing else needed: SQLite and a local directory; topics are created on first use
    #[command(after_help = "Example:\n  esker dev --data-dir /tmp/esker --kafka-addr 127.0.0.1:9092")]
    Dev(SettingsArgs<true>),
    /// One stateless agent on a shared metastore and bucket
    #[command(
        after_help = "Example:\n  esker agent --advertised-addr kafka-1.example.com:9092 \\\n    --metastore-url postgres://esker:password@db/esker --bucket-url s3://bucket/esker"
    )]
    Agent(SettingsArgs<false>),
    /// Bring the metastore's schema up to date; safe to repeat and to run beside live agents
    #[command(after_help = "Example:\n  esker migrate --metastore-url postgres://esker:password@db/esker")]
    Migrate(crate::migrate::MigrateArgs),
    /// Create and configure the bucket of a cluster
    #[command(
        subcommand,
        after_help = "Example:\n  esker bucket init --bucket-url s3://bucket/esker"
    )]
    Bucket(crate::bucket::BucketCommand),
    /// Look at metastore, bucket and addresses as an agent with the same settings would, or with --deep at all
    /// records; one line per finding, exit code 1 if one of them is bad
    #[command(
        after_help = "Example:\n  esker check --config esker.toml\n\nEverything that is stored, beside live agents:\n  esker check --deep --config esker.toml --bytes-per-second 50MiB\n\nHealth check of a container:\n  esker check --ready --admin-addr 127.0.0.1:9644"
    )]
    Check(crate::check::CheckArgs),
    /// Print any object of the bucket in words; exit code 1 unless it is whole
    #[command(
        override_usage = "esker inspect [OPTIONS] [segment|manifest] <OBJECT>\n       esker inspect [OPTIONS] --file <FILE> [segment|manifest] [OBJECT]\n       esker inspect [OPTIONS] --list [START]",
        after_help = "Example:\n  esker inspect cluster.json --bucket-url s3://bucket/esker\n\nBy its URL, which has to be a segment's:\n  esker inspect segment s3://bucket/esker/archive/1/33d/0011…/00000000000000000042\n\nIs a copy whole, and the object that it should be?\n  esker inspect archive/1/33d/0011…/00000000000000000042 --file COPY\n\nWhat is there?\n  esker inspect --list archive/ --data-dir ./esker-data"
    )]
    Inspect(crate::inspect::InspectArgs),
    /// Create, list, describe, delete and alter topics
    #[command(
        subcommand,
        after_help = "Example:\n  esker topic create orders --partitions 6 --config retention.ms=86400000"
    )]
    Topic(topic::TopicCommand),
    /// Write records, one per line of the input
    #[command(
        after_help = "Example:\n  printf 'key:value\\n' | esker produce orders --key-separator : --compression zstd"
    )]
    Produce(produce::ProduceArgs),
    /// Read records
    #[command(
        after_help = "Example:\n  esker consume orders --from beginning --until-end --format json\n\nShared with other members of a group, from where it stopped:\n  esker consume orders --group billing"
    )]
    Consume(consume::ConsumeArgs),
    /// Describe the cluster, its agents and their background work
    #[command(
        subcommand,
        after_help = "Example:\n  esker cluster describe --bootstrap-server 127.0.0.1:9092"
    )]
    Cluster(cluster::ClusterCommand),
    /// List, describe and delete consumer groups, and set their offsets
    #[command(subcommand, after_help = "Example:\n  esker group describe billing --offsets")]
    Group(group::GroupCommand),
    /// List, describe and alter configs of topics, groups and brokers
    #[command(
        subcommand,
        after_help = "Example:\n  esker config alter topic orders --set retention.ms=86400000"
    )]
    Config(config::ConfigCommand),
    /// What a workload, or a live cluster, costs in a month, line by line, beside Apache Kafka on disks and Amazon MSK
    #[command(
        after_help = "Example:\n  esker cost --write-rate 50MiB/s --fan-out 3 --retention 30d --zones 3\n\nWhat a live cluster costs:\n  esker cost --from-metrics http://agent-1:9644/metrics,http://agent-2:9644/metrics --interval 5min"
    )]
    Cost(crate::cost::CostArgs),
    /// Print completions for a shell
    #[command(after_help = "Example:\n  esker completions bash > /etc/bash_completion.d/esker")]
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Print a page of the documentation's reference
    #[command(hide = true, after_help = "Example:\n  esker docs configuration")]
    Docs(crate::docs::DocsArgs),
}

impl Cli {
    /// Runs what was typed.
    pub(crate) fn run(self) -> Outcome {
        match self.command {
            Command::Dev(args) => crate::run::start(&args.layers()?),
            Command::Agent(args) => crate::run::start(&args.layers()?),
            Command::Migrate(args) => crate::migrate::run(&args),
            Command::Bucket(command) => crate::bucket::run(&command),
            Command::Check(args) => crate::check::run(&args),
            Command::Inspect(args) => crate::inspect::run(&args),
            Command::Topic(command) => target::block_on(topic::run(command)),
            Command::Produce(args) => target::block_on(produce::run(args)),
            Command::Consume(args) => target::block_on_beside(consume::run(args)),
            Command::Cluster(command) => target::block_on(cluster::run(command)),
            Command::Group(command) => target::block_on(group::run(command)),
            Command::Config(command) => target::block_on(config::run(command)),
            Command::Cost(args) => crate::cost::run(&args),
            Command::Completions { shell } => completions(shell),
            Command::Docs(args) => crate::docs::run(&args),
        }
    }
}

/// Prints lines for whoever started a process.
pub(crate) fn print_lines(lines: &[String]) -> Outcome {
    output::lines(lines)
}

/// Prints text as it is.
pub(crate) fn print_text(text: &str) -> Outcome {
    output::write(text.as_bytes())
}

fn completions(shell: clap_complete::Shell) -> Outcome {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "esker", &mut script);
    output::write(&script)
}
