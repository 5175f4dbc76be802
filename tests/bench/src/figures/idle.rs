//! Ten thousand connections that asked for ApiVersions once and then say nothing.

use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use esker_harness::proc;
use rustix::process::{Resource, getrlimit};

use super::{Entry, alternate, on, sample};
use crate::client::{Latency, Spec};
use crate::load::{Load, MB, PARTITIONS, paced_producer};
use crate::results::{Figure, lower, told};
use crate::system::{Bench, Broker, Settings, create_topic};
use crate::wire;

const CONNECTIONS: usize = 10_000;
/// Files that this program needs beside them.
const FILES_SPARE: u64 = 500;
/// Given up for others where a broker takes no more connections.
const STEP_BACK: usize = 50;
const WARM_UP_S: f64 = 5.0;
const MEASURE_S: f64 = 12.0;

pub(super) const ENTRIES: &[Entry] = &[Entry {
    name: "idle-connections",
    title: "10,000 idle connections beside a producer of 1 MB/s",
    metrics: &[
        lower("more-mb", "MB").at_most(200.0),
        lower("ack-p99-ratio", "with/without"),
        lower("ack-p99-without-ms", "ms"),
        lower("ack-p99-with-ms", "ms"),
        told("connections", "connections"),
    ],
    by_default: true,
    take,
}];

fn take(bench: &mut Bench, figure: &mut Figure) -> Result<(), String> {
    alternate(bench, figure, |bench, figure, system| {
        let found = on(bench, system, &Settings::default(), |bench, broker, topic| {
            create_topic(&bench.parts, broker, topic, PARTITIONS)?;
            let without = ack(bench, broker, topic)?;
            let before = proc::resident_bytes(broker.pid()).0;
            let idle = open(bench, broker)?;
            let with = ack(bench, broker, topic)?;
            let more = proc::resident_bytes(broker.pid()).0 as f64 - before as f64;
            Ok((without, with, more, idle.len()))
        })?;
        let (without, with, more, connections) = found;
        let mut add = |metric, value| sample(figure, system, metric, value);
        add("more-mb", more / MB);
        add("ack-p99-ratio", with.p99_ms / without.p99_ms);
        add("ack-p99-without-ms", without.p99_ms);
        add("ack-p99-with-ms", with.p99_ms);
        add("connections", connections as f64);
        if connections < CONNECTIONS {
            figure.note(format!(
                "{}: only {connections} connections were opened",
                system.name()
            ));
        }
        Ok(())
    })
}

fn ack(bench: &Bench, broker: &dyn Broker, topic: &str) -> Result<Latency, String> {
    let client = Spec::Produce(paced_producer(broker, topic, PARTITIONS, MB));
    let measured = Load::new(bench, vec![client], WARM_UP_S, MEASURE_S).run(bench, broker)?;
    let latency = measured.outcomes.first().and_then(|outcome| outcome.latency);
    latency.ok_or_else(|| "no record came through while it was measured".to_owned())
}

/// As many as this machine and the broker allow, with room for the producer.
fn open(bench: &Bench, broker: &dyn Broker) -> Result<Vec<TcpStream>, String> {
    let to: SocketAddr = broker
        .bootstrap()
        .parse()
        .map_err(|err| format!("no address: {err}"))?;
    let files = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    let allowed = usize::try_from(files.saturating_sub(FILES_SPARE)).unwrap_or(usize::MAX);
    let mut open = Vec::new();
    while open.len() < CONNECTIONS.min(allowed) {
        match wire::connect(to) {
            Some(stream) => open.push(stream),
            None => break,
        }
    }
    while wire::connect(to).is_none() && !open.is_empty() {
        open.truncate(open.len().saturating_sub(STEP_BACK));
        bench.wait(Duration::from_millis(200))?;
    }
    Ok(open)
}
