//! The `esker` command: settings, listeners, HTTP and logs around a broker, and a small client.
//!
//! Exit codes: 0 done; 1 failed; 2 wrong usage or configuration, nothing was started. Every failure is
//! one sentence on stderr; a command about several things says one of each that failed.

mod allocator;
mod bucket;
mod check;
mod cli;
mod client;
mod cost;
mod docs;
mod failure;
mod http;
mod inspect;
mod logging;
mod migrate;
mod openmetrics;
mod plain;
mod plain_http;
mod prices;
mod run;
mod settings;
mod telemetry;
mod upkeep;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    match cli::Cli::parse().run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            for sentence in failure.to_string().lines() {
                eprintln!("esker: {}", plain::plain(sentence));
            }
            failure.exit_code()
        }
    }
}
