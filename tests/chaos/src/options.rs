//! The command line.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, ValueEnum};

use crate::plan::Kind;

/// Breaks a real cluster again and again under real clients, and holds what they saw against Esker's promises.
///
/// Starts three agents, a Postgres that syncs to disk and an S3 server, all of them processes on loopback; lets
/// idempotent and plain producers and consumers of librdkafka and of Apache Kafka's Java client work on them;
/// and does to the processes what a bad day does: kill -9, pauses, drains, shutdowns of the database, lost
/// connections, S3 errors and delays, floods, exhausted memory and file descriptors. Then it heals everything,
/// lets every partition be read through every agent, and judges all that the clients wrote down.
#[derive(Parser, Debug, Clone)]
#[command(after_help = AFTER)]
pub(crate) struct Options {
    /// How long faults are injected, in minutes; setup, reading and judging come on top
    #[arg(long, default_value_t = 20.0, value_parser = minutes)]
    pub minutes: f64,
    /// What the plan of faults is drawn from; printed, and drawn itself if it is left out
    #[arg(long)]
    pub seed: Option<u64>,
    /// The S3 server
    #[arg(long, value_enum, default_value_t = StoreChoice::Ours)]
    pub store: StoreChoice,
    /// Leave the Java clients out
    #[arg(long)]
    pub without_java: bool,
    /// Only faults whose names contain one of these, e.g. `killed,S3`
    #[arg(long, value_delimiter = ',', value_parser = part_of_a_name)]
    pub only: Vec<String>,
    /// Records per second of all producers together, about
    #[arg(long, default_value_t = 2400)]
    pub rate: u64,
    /// Memory budget of each agent, in MiB; small, so that it can be filled
    #[arg(long, default_value_t = 64)]
    pub memory_mib: u64,
    /// Where histories, logs and the summary go [default: chaos/… beside the profile's directory]
    #[arg(long)]
    pub dir: Option<PathBuf>,
    /// Print the plan of faults, and do nothing
    #[arg(long)]
    pub plan: bool,
    /// Judge the histories of an earlier run again: its directory
    #[arg(long, conflicts_with_all = ["plan", "dir"])]
    pub judge: Option<PathBuf>,
}

const AFTER: &str = "\
Needs what scripts/setup installs (ESKER_TEST_* variables: run it with scripts/with-env), and the programs esker \
and esker-s3-server, built in the same profile.

Exit codes: 0 every promise was kept; 1 one was not, or an agent misbehaved; 2 wrong usage, or a part is missing; \
130 interrupted.

Examples:
  make chaos MINUTES=20
  scripts/with-env target/release/esker-chaos --minutes 5 --seed 7
  scripts/with-env target/release/esker-chaos --minutes 1 --store minio --only killed,paused";

/// Which S3 server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum StoreChoice {
    /// The project's own, which fails on command
    Ours,
    /// MinIO, which can only be paused
    Minio,
}

impl Options {
    /// How long faults are injected.
    pub(crate) fn length(&self) -> Duration {
        Duration::from_secs_f64(self.minutes * 60.0)
    }
}

fn part_of_a_name(text: &str) -> Result<String, String> {
    match Kind::ALL.iter().any(|kind| kind.name().contains(text)) {
        true => Ok(text.to_owned()),
        false => Err("no fault has that in its name; --plan prints names".to_owned()),
    }
}

fn minutes(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(minutes) if minutes > 0.0 && minutes <= 24.0 * 60.0 => Ok(minutes),
        _ => Err("a number above 0, and a day at most".to_owned()),
    }
}
