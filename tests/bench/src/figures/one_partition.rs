//! One producer on one partition: how far latency limits it.

use super::{Entry, System, alternate, note_complaint, on, sample};
use crate::client::{ProduceSpec, Spec};
use crate::load::{IN_FLIGHT_UNLIMITED, Load, MB, RECORD_BYTES, producer};
use crate::results::{Figure, higher, told};
use crate::system::{Bench, Settings, create_topic};

const WARM_UP_S: f64 = 4.0;
const MEASURE_S: f64 = 8.0;
const BATCH_BYTES: usize = 16 * 1024;
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
        title: "the same with idempotence (5 in flight), flush_interval_ms=0",
        metrics: &[
            higher("share-of-bound", "share").at_least(0.8),
            higher("mb-per-s", "MB/s"),
            told("bound-mb-per-s", "MB/s"),
            told("batch-bytes", "bytes"),
            told("put-ms", "ms"),
            told("commit-ms", "ms"),
        ],
        by_default: true,
        take: idempotent,
    },
];

fn unlimited(bench: &mut Bench, figure: &mut Figure) -> Result<(), String> {
    take(bench, figure, &Settings::default(), |spec| {
        spec.in_flight = IN_FLIGHT_UNLIMITED;
    })
}

fn idempotent(bench: &mut Bench, figure: &mut Figure) -> Result<(), String> {
    let settings = Settings {
        flush_interval_ms: Some(0),
        ..Settings::default()
    };
    take(bench, figure, &settings, |spec| {
        spec.idempotent = true;
        spec.in_flight = IN_FLIGHT_IDEMPOTENT;
    })
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
        if system == System::Esker {
            let (put_s, commit_s) = (measured.used.put_mean_s(), measured.used.commit_mean_s());
            // In bytes of values, as the rate is.
            let batch_mb = batch_records.unwrap_or(f64::NAN) * RECORD_BYTES as f64 / MB;
            let bound = f64::from(IN_FLIGHT_IDEMPOTENT) * batch_mb / (put_s + commit_s);
            figure.esker("share-of-bound", rate / bound);
            figure.esker("bound-mb-per-s", bound);
            figure.esker("put-ms", put_s * 1000.0);
            figure.esker("commit-ms", commit_s * 1000.0);
        }
        note_complaint(figure, system, &measured);
        Ok(())
    })
}
