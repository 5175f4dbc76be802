//! One producer on one partition: how far latency limits it.

use super::{Entry, System, alternate, note_complaint, on, sample};
use crate::client::{JavaProducer, ProduceSpec, Spec};
use crate::load::{IN_FLIGHT_UNLIMITED, Load, MB, RECORD_BYTES, producer};
use crate::results::{Figure, higher, told};
use crate::system::{Bench, Settings, Usage, create_topic};

const WARM_UP_S: f64 = 4.0;
const MEASURE_S: f64 = 8.0;
const BATCH_BYTES: usize = 16 * 1024;
/// Records of 1 KiB in a full batch.
const BATCH_RECORDS: f64 = 15.0;
/// What an idempotent producer may have.
const IN_FLIGHT_IDEMPOTENT: u32 = 5;

pub(super) const ENTRIES: &[Entry] = &[
    Entry {
        name: "one-partition-16k",
        title: "one producer, one partition, 16 KiB batches, requests in flight unlimited, PUT 20 ms",
        metrics: &[
            higher("mb-per-s", "MB/s").at_least(50.0),
            told("batch-bytes", "bytes"),
        ],
        by_default: true,
        take: unlimited,
    },
    Entry {
        name: "one-partition-idempotent",
        title: "the same with Kafka's own producer and idempotence (5 in flight), flush_interval_ms=0",
        metrics: &[
            higher("share-of-bound", "share").at_least(0.8),
            higher("mb-per-s", "MB/s"),
            told("bound-mb-per-s", "MB/s"),
            told("put-ms", "ms"),
            told("commit-ms", "ms"),
        ],
        by_default: true,
        take: idempotent,
    },
    Entry {
        name: "one-partition-librdkafka",
        title: "the same with librdkafka, which then has one batch in flight",
        metrics: &[
            higher("share-of-bound", "share"),
            higher("mb-per-s", "MB/s"),
            told("bound-mb-per-s", "MB/s"),
            told("batch-bytes", "bytes"),
            told("put-ms", "ms"),
            told("commit-ms", "ms"),
        ],
        by_default: true,
        take: librdkafka,
    },
];

fn unlimited(bench: &mut Bench, figure: &mut Figure) -> Result<(), String> {
    take(bench, figure, &Settings::default(), |spec| {
        spec.in_flight = IN_FLIGHT_UNLIMITED;
    })
}

/// Each upload begins at once.
fn at_once() -> Settings {
    Settings {
        flush_interval_ms: Some(0),
        ..Settings::default()
    }
}

fn idempotent(bench: &mut Bench, figure: &mut Figure) -> Result<(), String> {
    let Some(jars) = bench.parts.kafka.clone() else {
        figure.note("needs Apache Kafka's jars".to_owned());
        return Ok(());
    };
    alternate(bench, figure, |bench, figure, system| {
        // Either takes some ten seconds.
        let records = match system {
            System::Esker => 30_000,
            System::Kafka => 700_000,
        };
        let producer = JavaProducer {
            batch_bytes: BATCH_BYTES,
            records: if bench.quick { records / 5 } else { records },
        };
        let (rate, used) = on(bench, system, &at_once(), |bench, broker, topic| {
            create_topic(&bench.parts, broker, topic, 1)?;
            let before = broker.usage();
            let rate = producer.run(bench, &jars, broker, topic)?;
            Ok((rate * RECORD_BYTES as f64 / MB, broker.usage().since(&before)))
        })?;
        sample(figure, system, "mb-per-s", rate);
        if system == System::Esker {
            note_bound(figure, rate, &used, IN_FLIGHT_IDEMPOTENT, BATCH_RECORDS);
        }
        Ok(())
    })
}

fn librdkafka(bench: &mut Bench, figure: &mut Figure) -> Result<(), String> {
    take(bench, figure, &at_once(), |spec| {
        spec.idempotent = true;
        spec.in_flight = IN_FLIGHT_IDEMPOTENT;
    })
}

/// The bound of a producer that may have so many batches in flight, and which share of it was reached. In bytes of
/// values, as the rate is.
fn note_bound(figure: &mut Figure, rate: f64, used: &Usage, in_flight: u32, batch_records: f64) {
    let (put_s, commit_s) = (used.put_mean_s(), used.commit_mean_s());
    let batch_mb = batch_records * RECORD_BYTES as f64 / MB;
    let bound = f64::from(in_flight) * batch_mb / (put_s + commit_s);
    figure.esker("share-of-bound", rate / bound);
    figure.esker("bound-mb-per-s", bound);
    figure.esker("put-ms", put_s * 1000.0);
    figure.esker("commit-ms", commit_s * 1000.0);
}

fn take(
    bench: &mut Bench,
    figure: &mut Figure,
    settings: &Settings,
    change: impl Fn(&mut ProduceSpec),
) -> Result<(), String> {
    alternate(bench, figure, |bench, figure, system| {
        let measured = on(bench, system, settings, |bench, broker, topic| {
            create_topic(&bench.parts, broker, topic, 1)?;
            let mut spec = producer(broker, topic, 1, BATCH_BYTES);
            change(&mut spec);
            Load::new(bench, vec![Spec::Produce(spec)], WARM_UP_S, MEASURE_S).run(bench, broker)
        })?;
        let rate = measured.mb_per_s(0);
        let outcome = measured.outcomes.first();
        let batch_bytes = outcome.and_then(|outcome| outcome.batch_bytes);
        let batch_records = outcome.and_then(|outcome| outcome.batch_records);
        sample(figure, system, "mb-per-s", rate);
        sample(figure, system, "batch-bytes", batch_bytes.unwrap_or(f64::NAN));
        if system == System::Esker && figure.name == "one-partition-librdkafka" {
            note_bound(figure, rate, &measured.used, 1, batch_records.unwrap_or(f64::NAN));
        }
        note_complaint(figure, system, &measured);
        Ok(())
    })
}
