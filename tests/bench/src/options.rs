//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

/// Measures Esker, and Apache Kafka beside it on the same machine, as a client and the kernel see them.
///
/// Starts real parts on loopback (the project's S3 server with 20 ms per PUT, a Postgres that syncs to disk, an
/// agent, Apache Kafka), loads them with librdkafka in processes of its own, and reads CPU time from the kernel,
/// requests from the S3 server, and latency from the send times inside the records.
#[derive(Parser, Debug)]
#[command(name = "esker-bench", after_help = AFTER)]
pub(crate) struct Options {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Subcommand, Debug)]
pub(crate) enum Command {
    /// Take figures, print the table, and leave the results as a file
    Run(Run),
    /// Set two runs side by side: ratios B/A, and what moved beyond both spreads
    Compare {
        /// The results to compare with
        a: PathBuf,
        /// The newer results
        b: PathBuf,
    },
    /// Draw one SVG per figure, with the target and Apache Kafka marked
    Plot {
        /// Results of a run
        file: PathBuf,
        /// Where the drawings go
        dir: PathBuf,
    },
    /// Print the table of a run again
    Show {
        /// Results of a run
        file: PathBuf,
    },
    /// Say which figures there are
    List,
    /// One load generator; the other commands start it
    #[command(name = crate::client::COMMAND, hide = true)]
    Client { spec: String },
}

#[derive(Args, Debug)]
pub(crate) struct Run {
    /// Only these figures, by name, e.g. `produce-1mb,consume-tail`; also those that are not taken by default
    #[arg(long, value_delimiter = ',')]
    pub only: Vec<String>,
    /// How often each figure is taken; the table has the median and the spread
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=100))]
    pub repetitions: u32,
    /// Leave Apache Kafka out
    #[arg(long)]
    pub without_kafka: bool,
    /// Short measurements, to see that everything works; the numbers are worth little
    #[arg(long)]
    pub quick: bool,
    /// Where the results go [default: bench/SECONDS.json beside the profile's directory]
    #[arg(long)]
    pub out: Option<PathBuf>,
}

const AFTER: &str = "\
Needs what scripts/setup installs (ESKER_TEST_* variables: run it with scripts/with-env), and the programs esker \
and esker-s3-server, built in the same profile.

Exit codes: 0 done (also when a target was missed); 1 a figure failed; 2 wrong usage, or a part is missing; 130 \
interrupted.

Examples:
  make bench
  make bench ARGS=\"--only produce-1mb,produce-16k --repetitions 5 --out before.json\"
  make bench-compare A=before.json B=after.json
  scripts/with-env target/release/esker-bench plot before.json docs/figures";
