//! A thousand topics at once, and what it takes to tell of all of them.

use super::{Entry, System, alternate, on, sample};
use crate::client::{Client, Spec, TopicsSpec};
use crate::results::{Figure, lower, told};
use crate::system::{Bench, Settings};

const TOPICS: usize = 1000;
const PARTITIONS: i32 = 10;
/// Apache Kafka takes at most 10,000 records of its own in one request: topics and partitions together.
const KAFKA_AT_ONCE: usize = TOPICS / 2;
const REQUESTS: usize = 50;

pub(super) const ENTRIES: &[Entry] = &[Entry {
    name: "topics-1000",
    title: "1,000 topics of 10 partitions created in one request, then asked for: 10,000 partitions in one answer",
    metrics: &[
        lower("create-s", "s").at_most(3.0),
        lower("metadata-p50-ms", "ms").at_most(20.0),
        lower("metadata-p99-ms", "ms"),
        told("partitions", "partitions"),
    ],
    by_default: true,
    take,
}];

fn take(bench: &mut Bench, figure: &mut Figure) -> Result<(), String> {
    alternate(bench, figure, |bench, figure, system| {
        let outcome = on(bench, system, &Settings::default(), |_, broker, topic| {
            let spec = TopicsSpec {
                bootstrap: broker.bootstrap(),
                name: topic.to_owned(),
                topics: TOPICS,
                partitions: PARTITIONS,
                at_once: match system {
                    System::Esker => TOPICS,
                    System::Kafka => KAFKA_AT_ONCE,
                },
                requests: REQUESTS,
                // An Esker ends with what is measured.
                delete: system == System::Kafka,
            };
            Client::start(&Spec::Topics(spec))?.finish()
        })?;
        let latency = outcome.latency.ok_or("no request for metadata was answered")?;
        sample(figure, system, "create-s", outcome.seconds);
        sample(figure, system, "metadata-p50-ms", latency.p50_ms);
        sample(figure, system, "metadata-p99-ms", latency.p99_ms);
        sample(figure, system, "partitions", outcome.records as f64);
        if system == System::Kafka {
            figure.note("Kafka: created in two requests, which it takes; the times are added");
        }
        Ok(())
    })
}
