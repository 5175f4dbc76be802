//! What a byte costs on its way in.

use super::{Entry, System, alternate, note_complaint, on, sample};
use crate::client::Spec;
use crate::load::{Load, PARTITIONS, producer};
use crate::results::{Declared, Figure, higher, lower, told};
use crate::system::{Bench, Settings, create_topic};

const WARM_UP_S: f64 = 5.0;
const MEASURE_S: f64 = 10.0;
const KIB_16: usize = 16 * 1024;
const MB_1: usize = 1_000_000;

pub(super) const ENTRIES: &[Entry] = &[
    Entry {
        name: "produce-1mb",
        title: "CPU of the broker to produce 1 KiB records in 1 MB batches, acks=all",
        metrics: &metrics(0.8),
        by_default: true,
        take: |bench, figure| take(bench, figure, MB_1),
    },
    Entry {
        name: "produce-16k",
        title: "CPU of the broker to produce 1 KiB records in 16 KiB batches, acks=all",
        metrics: &metrics(2.0),
        by_default: true,
        take: |bench, figure| take(bench, figure, KIB_16),
    },
];

const fn metrics(cpu_target: f64) -> [Declared; 7] {
    [
        lower("cpu-s-per-gib", "CPU-s/GiB").at_most(cpu_target),
        higher("mb-per-s", "MB/s"),
        told("batch-bytes", "bytes"),
        told("postgres-cpu-s-per-gib", "CPU-s/GiB"),
        told("store-cpu-s-per-gib", "CPU-s/GiB"),
        told("client-cpu-s-per-gib", "CPU-s/GiB"),
        lower("resident-mib", "MiB"),
    ]
}

fn take(bench: &mut Bench, figure: &mut Figure, batch_bytes: usize) -> Result<(), String> {
    alternate(bench, figure, |bench, figure, system| {
        let measured = on(bench, system, &Settings::default(), |bench, broker, topic| {
            create_topic(&bench.parts, broker, topic, PARTITIONS)?;
            let client = Spec::Produce(producer(broker, topic, PARTITIONS, batch_bytes));
            Load::new(bench, vec![client], WARM_UP_S, MEASURE_S).run(bench, broker)
        })?;
        let (gib, used) = (measured.gib(0), measured.used);
        let mut add = |metric, value| sample(figure, system, metric, value);
        add("cpu-s-per-gib", used.broker_cpu_s / gib);
        add("mb-per-s", measured.mb_per_s(0));
        add("client-cpu-s-per-gib", measured.client_cpu_s / gib);
        add(
            "resident-mib",
            measured.resident_bytes as f64 / f64::from(1 << 20),
        );
        let batch = measured.outcomes.first().and_then(|outcome| outcome.batch_bytes);
        add("batch-bytes", batch.unwrap_or(f64::NAN));
        if system == System::Esker {
            add("postgres-cpu-s-per-gib", used.postgres_cpu_s / gib);
            add("store-cpu-s-per-gib", used.store_cpu_s / gib);
        }
        note_complaint(figure, system, &measured);
        Ok(())
    })
}
