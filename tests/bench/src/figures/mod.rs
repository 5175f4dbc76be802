//! The figures of a run, by name. Names are stable: runs are compared by them.

mod archive;
mod beside;
mod consume;
mod copies;
mod dev;
mod groups;
mod history;
mod idle;
mod latency;
mod metastore;
mod metastore_size;
mod one_partition;
mod partitions;
mod produce;
mod requests;
mod topics;

use crate::load::Measured;
use crate::results::{Declared, Figure};
use crate::system::{Bench, Broker, Settings, delete_topic};

/// A figure that can be taken.
pub(crate) struct Entry {
    pub name: &'static str,
    pub title: &'static str,
    pub metrics: &'static [Declared],
    /// Whether a run without `--only` takes it.
    pub by_default: bool,
    pub take: fn(&mut Bench, &mut Figure) -> Result<(), String>,
}

/// All figures, in the order in which they are taken.
pub(crate) const ALL: &[&[Entry]] = &[
    produce::ENTRIES,
    consume::ENTRIES,
    one_partition::ENTRIES,
    requests::ENTRIES,
    latency::ENTRIES,
    dev::ENTRIES,
    idle::ENTRIES,
    groups::HEARTBEATS,
    groups::COMMITS,
    groups::JOINS,
    topics::ENTRIES,
    metastore::ENTRIES,
    copies::ENTRIES,
    archive::ENTRIES,
    beside::ENTRIES,
    history::ENTRIES,
    metastore_size::ENTRIES,
    partitions::ENTRIES,
];

pub(crate) fn all() -> impl Iterator<Item = &'static Entry> {
    ALL.iter().copied().flatten()
}

/// Who is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum System {
    Esker,
    Kafka,
}

impl System {
    fn name(self) -> &'static str {
        match self {
            Self::Esker => "Esker",
            Self::Kafka => "Kafka",
        }
    }
}

/// Takes each repetition, of what there is on Esker alone.
fn each(
    bench: &mut Bench,
    figure: &mut Figure,
    mut take: impl FnMut(&mut Bench, &mut Figure) -> Result<(), String>,
) -> Result<(), String> {
    for repetition in 0..bench.repetitions {
        eprintln!("  {}: repetition {}", figure.name, repetition + 1);
        take(bench, figure)?;
    }
    Ok(())
}

/// Takes each repetition on both systems, in turn and in changing order, so that noise hits both alike.
fn alternate(
    bench: &mut Bench,
    figure: &mut Figure,
    mut take: impl FnMut(&mut Bench, &mut Figure, System) -> Result<(), String>,
) -> Result<(), String> {
    for repetition in 0..bench.repetitions {
        let mut order = [System::Esker, System::Kafka];
        if repetition % 2 == 1 {
            order.reverse();
        }
        for system in order {
            if system == System::Esker || bench.has_kafka() {
                eprintln!(
                    "  {}: repetition {}, {}",
                    figure.name,
                    repetition + 1,
                    system.name()
                );
                take(bench, figure, system)?;
            }
        }
    }
    Ok(())
}

/// Works on one of the systems: a fresh Esker with the given settings, or the run's Apache Kafka.
fn on<T>(
    bench: &mut Bench,
    system: System,
    settings: &Settings,
    work: impl FnOnce(&Bench, &dyn Broker, &str) -> Result<T, String>,
) -> Result<T, String> {
    let topic = format!("bench-{}", bench.number());
    match system {
        System::Esker => {
            let esker = bench.esker(settings)?;
            work(bench, &esker, &topic)
        }
        System::Kafka => {
            let kafka = bench.kafka()?.ok_or("there is no Apache Kafka in this run")?;
            let result = work(bench, kafka.as_ref(), &topic);
            delete_topic(&bench.parts, kafka.as_ref(), &topic);
            result
        }
    }
}

/// Says what failed at the clients.
fn note_complaint(figure: &mut Figure, system: System, measured: &Measured) {
    if let Some(complaint) = measured.complaint() {
        figure.note(format!("{}: {complaint}", system.name()));
    }
}

/// Adds a sample of the system that it was taken on.
fn sample(figure: &mut Figure, system: System, metric: &str, value: f64) {
    match system {
        System::Esker => figure.esker(metric, value),
        System::Kafka => figure.kafka(metric, value),
    }
}
