//! Which cluster a command talks to, and the runtime it does so on.

use std::time::Duration;

use clap::Args;
use esker_model::seams::Seams;

use crate::client::Cluster;
use crate::failure::{Failure, Outcome};
use crate::settings::address::Address;

/// Flags of every command that talks to a cluster.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Connection and output")]
pub(crate) struct Target {
    /// Brokers to ask first, HOST:PORT, separated by commas
    #[arg(
        short = 'b',
        long,
        value_name = "HOST:PORT,...",
        env = "ESKER_BOOTSTRAP_SERVER",
        default_value = "127.0.0.1:9092",
        global = true
    )]
    bootstrap_server: String,
    /// How long to wait for an answer, and to try again, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..=3600), global = true)]
    timeout_seconds: u64,
    /// Print JSON
    #[arg(long, global = true)]
    pub(crate) json: bool,
}

impl Target {
    /// The cluster; nothing is connected yet. Inside a runtime only.
    pub(crate) fn cluster(&self) -> Outcome<Cluster> {
        let mut addresses = Vec::new();
        for address in self
            .bootstrap_server
            .split(',')
            .map(str::trim)
            .filter(|part| !part.is_empty())
        {
            let wrong = |reason| Failure::Usage(format!("--bootstrap-server: {reason}"));
            addresses.push(Address::parse(address).map_err(wrong)?.to_string());
        }
        if addresses.is_empty() {
            return Err(Failure::Usage(
                "--bootstrap-server: there must be at least one HOST:PORT".to_owned(),
            ));
        }
        let deadline = Duration::from_secs(self.timeout_seconds);
        Ok(Cluster::new(addresses, deadline, Seams::real()))
    }
}

/// Runs a client command: one thread is enough.
pub(crate) fn block_on(command: impl Future<Output = Outcome>) -> Outcome {
    run(tokio::runtime::Builder::new_current_thread(), command)
}

/// Runs a client command whose background tasks go on while it waits for its output to be taken.
pub(crate) fn block_on_beside(command: impl Future<Output = Outcome>) -> Outcome {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    builder.worker_threads(1);
    run(builder, command)
}

fn run(mut builder: tokio::runtime::Builder, command: impl Future<Output = Outcome>) -> Outcome {
    let runtime = builder
        .enable_all()
        .build()
        .map_err(|error| Failure::Failed(format!("cannot start: {error}")))?;
    let outcome = runtime.block_on(command);
    // Nothing that is left is worth waiting for, least of all a thread that reads the terminal.
    runtime.shutdown_background();
    outcome
}

/// `NAME=VALUE` of a flag.
pub(crate) fn name_value(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.trim().is_empty() => Ok((name.trim().to_owned(), value.to_owned())),
        _ => Err("write NAME=VALUE".to_owned()),
    }
}
