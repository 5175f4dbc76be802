//! One agent with very many partitions, each with a little now and then.

use super::{Entry, System, on};
use crate::client::Spec;
use crate::load::{Load, MB, paced_producer};
use crate::results::{Figure, lower, told};
use crate::system::{Bench, Settings, create_topic};

const PARTITIONS: i32 = 50_000;
/// So that all partitions get something within a minute.
const RECORDS_PER_S: f64 = 1000.0;
const RECORD_BYTES: usize = 100;
const WARM_UP_S: f64 = 60.0;
const MEASURE_S: f64 = 60.0;

pub(super) const ENTRIES: &[Entry] = &[Entry {
    name: "partitions-50k",
    title: "one agent, one topic of 50,000 partitions, 1,000 records/s over all of them in turn",
    metrics: &[
        lower("ack-p50-ms", "ms"),
        lower("ack-p99-ms", "ms"),
        lower("agent-cpu", "cores"),
        lower("postgres-cpu", "cores"),
        lower("resident-mb", "MB"),
        told("client-cpu", "cores"),
        told("records-per-s", "records/s"),
    ],
    by_default: false,
    take,
}];

fn take(bench: &mut Bench, figure: &mut Figure) -> Result<(), String> {
    for repetition in 0..bench.repetitions {
        eprintln!("  {}: repetition {}", figure.name, repetition + 1);
        let measured = on(
            bench,
            System::Esker,
            &Settings::default(),
            |bench, broker, topic| {
                create_topic(&bench.parts, broker, topic, PARTITIONS)?;
                let mut spec = paced_producer(broker, topic, PARTITIONS, RECORDS_PER_S * RECORD_BYTES as f64);
                spec.record_bytes = RECORD_BYTES;
                spec.rate = Some(RECORDS_PER_S);
                Load::new(bench, vec![Spec::Produce(spec)], WARM_UP_S, MEASURE_S).run(bench, broker)
            },
        )?;
        let Some(outcome) = measured.outcomes.first() else {
            continue;
        };
        if let Some(latency) = outcome.latency {
            figure.esker("ack-p50-ms", latency.p50_ms);
            figure.esker("ack-p99-ms", latency.p99_ms);
        }
        figure.esker("agent-cpu", measured.used.broker_cpu_s / measured.seconds);
        figure.esker("postgres-cpu", measured.used.postgres_cpu_s / measured.seconds);
        figure.esker("resident-mb", measured.resident_bytes as f64 / MB);
        figure.esker("client-cpu", measured.client_cpu_s / measured.seconds);
        figure.esker("records-per-s", outcome.records as f64 / outcome.seconds);
        if let Some(complaint) = measured.complaint() {
            figure.note(complaint);
        }
    }
    Ok(())
}
