//! S3 requests, which are what the bucket costs.

use super::{Entry, System, each, on};
use crate::client::{ProduceSpec, Spec};
use crate::load::{Load, MB, PARTITIONS, consumer, paced_producer, producer};
use crate::results::{Declared, Figure, lower, told};
use crate::system::{Bench, Broker, Settings, create_topic};

const WARM_UP_S: f64 = 5.0;
const LOAD_S: f64 = 10.0;
/// A GiB would take 18 minutes: this is extrapolated.
const TRICKLE_S: f64 = 60.0;

pub(super) const ENTRIES: &[Entry] = &[
    Entry {
        name: "requests-load",
        title: "S3 requests per GiB produced at full speed in 1 MB batches and consumed at once",
        metrics: &metrics(300.0),
        by_default: true,
        take: |bench, figure| take(bench, figure, LOAD_S, full_speed),
    },
    Entry {
        name: "requests-trickle",
        title: "S3 requests per GiB produced at 1 MB/s and consumed at once",
        metrics: &metrics(11_000.0),
        by_default: true,
        take: |bench, figure| take(bench, figure, TRICKLE_S, trickle),
    },
];

const fn metrics(target: f64) -> [Declared; 4] {
    [
        lower("requests-per-gib", "requests/GiB").at_most(target),
        told("puts-per-gib", "requests/GiB"),
        told("store-bytes-per-byte", "bytes"),
        told("mb-per-s", "MB/s"),
    ]
}

fn full_speed(broker: &dyn Broker, topic: &str) -> ProduceSpec {
    producer(broker, topic, PARTITIONS, 1_000_000)
}

fn trickle(broker: &dyn Broker, topic: &str) -> ProduceSpec {
    paced_producer(broker, topic, PARTITIONS, MB)
}

fn take(
    bench: &mut Bench,
    figure: &mut Figure,
    measure_s: f64,
    spec: fn(&dyn Broker, &str) -> ProduceSpec,
) -> Result<(), String> {
    each(bench, figure, |bench, figure| {
        let measured = on(
            bench,
            System::Esker,
            &Settings::default(),
            |bench, broker, topic| {
                create_topic(&bench.parts, broker, topic, PARTITIONS)?;
                let clients = vec![
                    Spec::Consume(consumer(broker, topic, PARTITIONS)),
                    Spec::Produce(spec(broker, topic)),
                ];
                Load::new(bench, clients, WARM_UP_S, measure_s).run(bench, broker)
            },
        )?;
        let gib = measured.gib(1);
        figure.esker("requests-per-gib", measured.used.requests / gib);
        figure.esker("puts-per-gib", measured.used.puts / gib);
        figure.esker(
            "store-bytes-per-byte",
            measured.used.store_bytes / (gib * crate::load::GIB),
        );
        figure.esker("mb-per-s", measured.mb_per_s(1));
        let consumed = measured.gib(0) / gib;
        if consumed < 0.9 {
            figure.note(format!(
                "the consumer got only {:.0} % of what was produced meanwhile",
                consumed * 100.0
            ));
        }
        if let Some(complaint) = measured.complaint() {
            figure.note(complaint);
        }
        Ok(())
    })
}
