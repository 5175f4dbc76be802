//! `esker cost`: what a workload costs in a month, line by line, as Esker, as Apache Kafka on disks and as Amazon MSK.
//!
//! `flags (or what agents counted) → workload → bills → report`. Nothing but the agents of `--from-metrics` is asked, and
//! nothing is changed. docs/cost.md has every formula; the examples there are run by a test.

mod bill;
mod esker;
mod kafka;
mod live;
mod report;
mod scrape;
#[cfg(test)]
mod tests;
mod units;
mod workload;

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use crate::cli::{block_on, print_json, print_lines};
use crate::failure::{Failure, Outcome};
use crate::prices::Prices;
use crate::settings::size;
use report::Report;
use workload::{Workload, at_least, rate, span};

const LOAD: &str = "Workload";
const SETTINGS: &str = "Settings that decide about requests";
const KAFKA: &str = "What it is compared with";
const LIVE: &str = "A live cluster";

/// Most partitions, zones and agents that are believed: more is a mistake in a flag.
const COUNT_MAX: u32 = 1_000_000;

#[derive(Debug, Args)]
pub(crate) struct CostArgs {
    /// What producers write in a second, before compression
    #[arg(long, value_name = "RATE", default_value = "50MiB/s", value_parser = rate, help_heading = LOAD)]
    write_rate: u64,
    /// How often each byte is read while it is new: the number of consumer groups, as a rule
    #[arg(long, value_name = "TIMES", default_value_t = 3.0, help_heading = LOAD)]
    fan_out: f64,
    /// How long records are kept, e.g. 30d
    #[arg(long, value_name = "TIME", default_value = "7d", value_parser = span, help_heading = LOAD)]
    retention: f64,
    /// What is kept of each partition at most
    #[arg(long, value_name = "SIZE", value_parser = size::parse, help_heading = LOAD)]
    retention_bytes: Option<u64>,
    /// How many times smaller producers make records by compressing them
    #[arg(long, value_name = "TIMES", default_value_t = 1.0, help_heading = LOAD)]
    compression_ratio: f64,
    /// Size of producers' record batches, before compression
    #[arg(long, value_name = "SIZE", default_value = "16KiB", value_parser = size::parse, help_heading = LOAD)]
    batch_bytes: u64,
    /// Partitions that are written to
    #[arg(long, value_name = "COUNT", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=i64::from(COUNT_MAX)), help_heading = LOAD)]
    partitions: u32,
    /// What is read of history in a second
    #[arg(long, value_name = "RATE", default_value = "0", value_parser = rate, help_heading = LOAD)]
    history_rate: u64,
    /// Availability zones with clients and machines
    #[arg(long, value_name = "COUNT", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=100), help_heading = LOAD)]
    zones: u32,
    /// segment_bytes of the agents
    #[arg(long, value_name = "SIZE", default_value = "8MiB", value_parser = size::parse, help_heading = SETTINGS)]
    segment_bytes: u64,
    /// flush_interval_ms of the agents; with 0 nothing bounds the uploads, so that only a live cluster can tell
    #[arg(long, value_name = "MILLISECONDS", default_value_t = 100, value_parser = clap::value_parser!(u64).range(0..=60_000), help_heading = SETTINGS)]
    flush_interval_ms: u64,
    /// Agents [default: as many as the workload needs]
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..=i64::from(COUNT_MAX)), help_heading = SETTINGS)]
    agents: Option<u32>,
    /// Replicas that Kafka keeps of each partition
    #[arg(long, value_name = "COUNT", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=100), help_heading = KAFKA)]
    replication: u32,
    /// How long Kafka keeps records on its own disks before tiered storage has them alone [default: as long as all]
    #[arg(long, value_name = "TIME", value_parser = span, help_heading = KAFKA)]
    kafka_local_retention: Option<f64>,
    /// TOML file with prices [default: AWS us-east-1, on demand]
    #[arg(long, value_name = "FILE", env = "ESKER_PRICES_FILE", hide_env_values = true, help_heading = KAFKA)]
    prices: Option<PathBuf>,
    /// Measure instead of assuming: metrics of all agents, e.g. http://agent-1:9644/metrics
    #[arg(long, value_name = "URL,...", value_delimiter = ',', conflicts_with_all = ["write_rate", "fan_out", "history_rate", "agents", "compression_ratio"], help_heading = LIVE)]
    from_metrics: Vec<String>,
    /// How long to measure
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = span, requires = "from_metrics", help_heading = LIVE)]
    interval: f64,
    /// Take the mean since each agent was started, at once
    #[arg(long, requires = "from_metrics", conflicts_with = "interval", help_heading = LIVE)]
    since_start: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Runs the command.
pub(crate) fn run(args: &CostArgs) -> Outcome {
    let prices = match &args.prices {
        Some(path) => Prices::read(path).map_err(|error| Failure::Usage(error.to_string()))?,
        None => Prices::builtin(),
    };
    let load = workload(args)?;
    if args.from_metrics.is_empty() {
        let esker = esker::bill(&load, &prices)?;
        return print(args.json, &load, None, &prices, esker);
    }
    block_on(async {
        let interval = Duration::from_secs_f64(args.interval);
        let measured = live::measure(&args.from_metrics, interval, args.since_start).await?;
        let load = live::workload(&load, &measured);
        let esker = live::bill(&load, &measured, &prices);
        print(args.json, &load, Some(&measured), &prices, esker)
    })
}

fn print(
    as_json: bool,
    load: &Workload,
    measured: Option<&live::Measured>,
    prices: &Prices,
    esker: bill::Bill,
) -> Outcome {
    let bills = [esker, kafka::on_disks(load, prices), kafka::msk(load, prices)];
    let report = Report {
        load,
        measured,
        prices,
        bills: &bills,
    };
    match as_json {
        true => print_json(&report.json()),
        false => print_lines(&report.text()),
    }
}

fn workload(args: &CostArgs) -> Outcome<Workload> {
    let ratio = at_least("compression-ratio", args.compression_ratio, 1.0)?;
    let write = args.write_rate as f64;
    if args.write_rate == 0 || args.batch_bytes == 0 || args.segment_bytes == 0 {
        let flag = match (args.write_rate, args.batch_bytes) {
            (0, _) => "write-rate",
            (_, 0) => "batch-bytes",
            _ => "segment-bytes",
        };
        return Err(Failure::Usage(format!(
            "--{flag} is 0: there is nothing to compute"
        )));
    }
    if args.flush_interval_ms == 0 && args.from_metrics.is_empty() {
        return Err(Failure::Usage(
            "with --flush-interval-ms 0 nothing bounds the uploads: measure a live cluster with --from-metrics".to_owned(),
        ));
    }
    Ok(Workload {
        write: write / ratio,
        batches: write / args.batch_bytes as f64,
        fan_out: at_least("fan-out", args.fan_out, 0.0)?,
        history: args.history_rate as f64,
        retention: args.retention,
        retention_bytes: args.retention_bytes.map(|bytes| bytes as f64),
        kept: None,
        partitions: f64::from(args.partitions),
        zones: f64::from(args.zones),
        segment_bytes: args.segment_bytes as f64,
        flush_interval: args.flush_interval_ms.max(1) as f64 / 1_000.0,
        agents: args.agents.map(f64::from),
        replication: f64::from(args.replication),
        kafka_local: args.kafka_local_retention.unwrap_or(args.retention),
    })
}
