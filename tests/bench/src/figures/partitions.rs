//! One agent with very many partitions, each with a little now and then.

use super::{Entry, System, each, on};
use crate::client::{Latency, Spec};
use crate::load::{Load, MB, paced_producer};
use crate::results::{Figure, lower, told};
use crate::system::{Bench, Settings, create_topic};

/// One request may ask for 10,000 partitions.
const TOPICS: u32 = 5;
const PARTITIONS: i32 = 10_000;
/// Of each producer, one per topic: all partitions get something within a minute.
const RECORDS_PER_S: f64 = 200.0;
/// Librdkafka looks at all its partitions whenever it wakes up: rarely, lest the clients take the machine.
const TICK_MS: u64 = 50;
const RECORD_BYTES: usize = 100;
const WARM_UP_S: f64 = 60.0;
const MEASURE_S: f64 = 60.0;

pub(super) const ENTRIES: &[Entry] = &[Entry {
    name: "partitions-50k",
    title: "one agent, 5 topics of 10,000 partitions, 1,000 records/s over all of them in turn",
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
    each(bench, figure, |bench, figure| {
        let measured = on(
            bench,
            System::Esker,
            &Settings::default(),
            |bench, broker, topic| {
                let mut clients = Vec::new();
                for number in 1..=TOPICS {
                    let topic = format!("{topic}-{number}");
                    create_topic(&bench.parts, broker, &topic, PARTITIONS)?;
                    let mut spec = paced_producer(broker, &topic, PARTITIONS, 0.0);
                    spec.record_bytes = RECORD_BYTES;
                    spec.rate = Some(RECORDS_PER_S);
                    spec.tick_ms = TICK_MS;
                    clients.push(Spec::Produce(spec));
                }
                Load::new(bench, clients, WARM_UP_S, MEASURE_S).run(bench, broker)
            },
        )?;
        // Of the producer that fared worst.
        let worst = |of: fn(Latency) -> f64| {
            let latencies = measured.outcomes.iter().filter_map(|outcome| outcome.latency);
            latencies.map(of).fold(f64::NAN, f64::max)
        };
        figure.esker("ack-p50-ms", worst(|latency| latency.p50_ms));
        figure.esker("ack-p99-ms", worst(|latency| latency.p99_ms));
        figure.esker("agent-cpu", measured.used.broker_cpu_s / measured.seconds);
        figure.esker("postgres-cpu", measured.used.postgres_cpu_s / measured.seconds);
        figure.esker("resident-mb", measured.resident_bytes as f64 / MB);
        figure.esker("client-cpu", measured.client_cpu_s / measured.seconds);
        let outcomes = measured.outcomes.iter();
        let rate = outcomes
            .map(|outcome| outcome.records as f64 / outcome.seconds)
            .sum();
        figure.esker("records-per-s", rate);
        if let Some(complaint) = measured.complaint() {
            figure.note(complaint);
        }
        Ok(())
    })
}
