//! How long a record takes: to its acknowledgement on a quiet agent, and to a consumer at 1 MB/s.

use super::{Entry, System, alternate, note_complaint, on, sample};
use crate::client::{Latency, Spec};
use crate::load::{Load, MB, PARTITIONS, RECORD_BYTES, consumer, paced_producer};
use crate::results::{Declared, Figure, lower, told};
use crate::system::{Bench, Settings, create_topic};

const WARM_UP_S: f64 = 5.0;
const END_TO_END_S: f64 = 15.0;
/// One record every 200 ms: 150 of them.
const QUIET_S: f64 = 30.0;
const QUIET_PER_S: f64 = 5.0;

pub(super) const ENTRIES: &[Entry] = &[
    Entry {
        name: "ack-quiet",
        title: "acknowledgement of one record every 200 ms, PUT 20 ms",
        metrics: &[
            lower("p50-ms", "ms").at_most(30.0),
            lower("p99-ms", "ms"),
            told("put-ms", "ms"),
            told("commit-ms", "ms"),
        ],
        by_default: true,
        take: ack_quiet,
    },
    Entry {
        name: "e2e-default",
        title: "from producer to consumer at 1 MB/s over 16 partitions, PUT 20 ms, default flush",
        metrics: &end_to_end_metrics(90.0, 180.0),
        by_default: true,
        take: |bench, figure| end_to_end(bench, figure, &Settings::default()),
    },
    Entry {
        name: "e2e-flush0",
        title: "from producer to consumer at 1 MB/s over 16 partitions, PUT 20 ms, flush_interval_ms=0",
        metrics: &end_to_end_metrics(40.0, 80.0),
        by_default: true,
        take: |bench, figure| {
            let settings = Settings {
                flush_interval_ms: Some(0),
                ..Settings::default()
            };
            end_to_end(bench, figure, &settings)
        },
    },
];

const fn end_to_end_metrics(p50: f64, p99: f64) -> [Declared; 6] {
    [
        lower("p50-ms", "ms").at_most(p50),
        lower("p99-ms", "ms").at_most(p99),
        lower("ack-p50-ms", "ms"),
        lower("ack-p99-ms", "ms"),
        told("mb-per-s", "MB/s"),
        told("broker-cpu", "cores"),
    ]
}

fn ack_quiet(bench: &mut Bench, figure: &mut Figure) -> Result<(), String> {
    alternate(bench, figure, |bench, figure, system| {
        let measured = on(bench, system, &Settings::default(), |bench, broker, topic| {
            create_topic(&bench.parts, broker, topic, 1)?;
            let mut spec = paced_producer(broker, topic, 1, QUIET_PER_S * RECORD_BYTES as f64);
            spec.linger_ms = 0.0;
            Load::new(bench, vec![Spec::Produce(spec)], WARM_UP_S, QUIET_S).run(bench, broker)
        })?;
        let latency = latency(measured.outcomes.first().and_then(|outcome| outcome.latency))?;
        sample(figure, system, "p50-ms", latency.p50_ms);
        sample(figure, system, "p99-ms", latency.p99_ms);
        if system == System::Esker {
            figure.esker("put-ms", measured.used.put_mean_s() * 1000.0);
            figure.esker("commit-ms", measured.used.commit_mean_s() * 1000.0);
        }
        note_complaint(figure, system, &measured);
        Ok(())
    })
}

fn end_to_end(bench: &mut Bench, figure: &mut Figure, settings: &Settings) -> Result<(), String> {
    alternate(bench, figure, |bench, figure, system| {
        let measured = on(bench, system, settings, |bench, broker, topic| {
            create_topic(&bench.parts, broker, topic, PARTITIONS)?;
            let clients = vec![
                Spec::Consume(consumer(broker, topic, PARTITIONS)),
                Spec::Produce(paced_producer(broker, topic, PARTITIONS, MB)),
            ];
            Load::new(bench, clients, WARM_UP_S, END_TO_END_S).run(bench, broker)
        })?;
        let of = |client: usize| latency(measured.outcomes.get(client).and_then(|outcome| outcome.latency));
        let (arrival, ack) = (of(0)?, of(1)?);
        let mut add = |metric, value| sample(figure, system, metric, value);
        add("p50-ms", arrival.p50_ms);
        add("p99-ms", arrival.p99_ms);
        add("ack-p50-ms", ack.p50_ms);
        add("ack-p99-ms", ack.p99_ms);
        add("mb-per-s", measured.mb_per_s(1));
        add("broker-cpu", measured.used.broker_cpu_s / measured.seconds);
        note_complaint(figure, system, &measured);
        Ok(())
    })
}

fn latency(latency: Option<Latency>) -> Result<Latency, String> {
    latency.ok_or_else(|| "no record came through while it was measured".to_owned())
}
