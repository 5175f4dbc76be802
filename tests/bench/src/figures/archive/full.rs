//! Full segments: what archiving costs per GiB.

use std::time::Duration;

use esker_harness::proc;

use super::super::{System, each, note_complaint};
use super::wait::{AT_ONCE, MERGE_AT_ONCE, SERVE, UPKEEP, until_archived, until_merged};
use crate::client::{ProduceSpec, Spec};
use crate::clock::{monotonic_ns, seconds};
use crate::load::{GIB, Load, MB, Measured, RECORD_BYTES, fill, producer};
use crate::results::Figure;
use crate::system::{Bench, Esker, Requests, Settings, Sql, create_topic, end};

const TOPIC: &str = "full";
/// So many that none gets the 64 MiB at which it is merged before its time.
const PARTITIONS: i32 = 64;
const BYTES: usize = 2 << 30;
/// After the last round: until what is not needed is gone.
const REMOVE: Duration = Duration::from_secs(3);

/// How fast the agent is written to that archives what it has in memory, and how long.
const CACHED_MB_PER_S: f64 = 40.0;
const WARM_UP_S: f64 = 12.0;
const MEASURE_S: f64 = 30.0;
const SOME_ROUNDS: Duration = Duration::from_secs(12);

pub(super) fn take(bench: &mut Bench, figure: &mut Figure) -> Result<(), String> {
    each(bench, figure, |bench, figure| {
        apart(bench, figure)?;
        cached(bench, figure)
    })
}

/// What was used up to a moment, or between two.
struct Spent {
    at_ns: u64,
    cpu_s: f64,
    postgres_cpu_s: f64,
    requests: Requests,
}

impl Spent {
    fn so_far(esker: &Esker, pid: u32) -> Self {
        Self {
            at_ns: monotonic_ns(),
            cpu_s: proc::cpu(pid).map_or(0.0, |cpu| cpu.own_s),
            postgres_cpu_s: esker.postgres_cpu_s(),
            requests: esker.requests(),
        }
    }
}

/// By an agent of its own: first only archiving, then only merging.
fn apart(bench: &mut Bench, figure: &mut Figure) -> Result<(), String> {
    let bytes = if bench.quick { BYTES / 4 } else { BYTES };
    let gib = bytes as f64 / GIB;
    let esker = bench.esker(&full_segments(&SERVE))?;
    create_topic(&bench.parts, &esker, TOPIC, PARTITIONS)?;
    fill(&esker, TOPIC, PARTITIONS, bytes)?;
    let mut sql = esker.sql()?;
    let mut until = |more: &[&str], done: fn(&Bench, &mut Sql) -> Result<(), String>| {
        let mut agent = esker.beside("upkeep", &[&UPKEEP[..], &AT_ONCE, more].concat());
        let pid = agent.process().pid();
        let before = Spent::so_far(&esker, pid);
        done(bench, &mut sql)?;
        let took = seconds(before.at_ns, monotonic_ns());
        bench.wait(REMOVE)?;
        let after = Spent::so_far(&esker, pid);
        let resident = proc::resident_bytes(pid).1;
        end(&mut agent)?;
        let requests = after.requests.since(&before.requests);
        let cpus = (
            after.cpu_s - before.cpu_s,
            after.postgres_cpu_s - before.postgres_cpu_s,
        );
        Ok::<_, String>((cpus, requests, took, resident))
    };
    let ((cpu, postgres), requests, took, resident) = until(&[], until_archived)?;
    let archiving = requests.of_work();
    figure.esker("cpu-s-per-gib", cpu / gib);
    figure.esker("postgres-cpu-s-per-gib", postgres / gib);
    figure.esker("requests-per-gib", archiving / gib);
    figure.esker("gets-per-gib", requests.of("get", "ingest") / gib);
    figure.esker("puts-per-gib", requests.of("put", "archive") / gib);
    figure.esker("mb-per-s", bytes as f64 / MB / took);
    figure.esker("resident-mib", resident as f64 / f64::from(1 << 20));
    let ((cpu, _), merging, ..) = until(&MERGE_AT_ONCE, until_merged)?;
    figure.esker("merge-cpu-s-per-gib", cpu / gib);
    figure.esker(
        "requests-with-merging-per-gib",
        (archiving + merging.of_work()) / gib,
    );
    Ok(())
}

/// By the agent that was written to a moment ago: what it uses more than one that does not archive.
fn cached(bench: &mut Bench, figure: &mut Figure) -> Result<(), String> {
    let (without, _) = written_to(bench, figure, &SERVE)?;
    // A round is full after 3 s at this rate. Whether it is, is looked at every second.
    let (with, (archived, requests)) = written_to(bench, figure, &["--archive-interval-ms", "4000"])?;
    let cpu_per_gib = |measured: &Measured| measured.used.broker_cpu_s / measured.gib(0);
    let share = archived / GIB / with.gib(0);
    figure.esker(
        "cached-cpu-s-per-gib",
        (cpu_per_gib(&with) - cpu_per_gib(&without)) / share,
    );
    // What was written as ingest segments would have been without.
    let archiving = requests.of_work() - requests.of("put", "ingest");
    figure.esker("cached-requests-per-gib", archiving / (archived / GIB));
    figure.esker("cached-mb-per-s", with.mb_per_s(0));
    Ok(())
}

/// An agent with these arguments that fills its segments, whatever else the machine does.
fn full_segments(arguments: &[&str]) -> Settings {
    Settings {
        flush_interval_ms: Some(1000),
        ..Settings::with(arguments)
    }
}

/// What was used, and meanwhile: bytes that were archived, S3 requests.
fn written_to(
    bench: &mut Bench,
    figure: &mut Figure,
    arguments: &[&str],
) -> Result<(Measured, (f64, Requests)), String> {
    let esker = bench.esker(&full_segments(arguments))?;
    create_topic(&bench.parts, &esker, TOPIC, PARTITIONS)?;
    let client = Spec::Produce(ProduceSpec {
        rate: Some(CACHED_MB_PER_S * MB / RECORD_BYTES as f64),
        ..producer(&esker, TOPIC, PARTITIONS, 1_000_000)
    });
    let mut load = Load::new(bench, vec![client], WARM_UP_S, MEASURE_S);
    // A quick run, too, waits for the first rounds and sees some.
    load.warm_up = Duration::from_secs_f64(WARM_UP_S);
    load.measure = load.measure.max(SOME_ROUNDS);
    let mut looks = Vec::new();
    let measured = load.run_with(bench, &esker, &mut |_| {
        looks.push((
            esker.agent.metric("esker_archive_bytes_total", ""),
            esker.requests(),
        ));
    })?;
    note_complaint(figure, System::Esker, &measured);
    match looks.as_slice() {
        [(bytes_before, before), (bytes, after)] => {
            Ok((measured, (bytes - bytes_before, after.since(before))))
        }
        _ => Err("it was not looked at twice".to_owned()),
    }
}
