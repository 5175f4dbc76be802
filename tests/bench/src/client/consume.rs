//! A consumer on librdkafka.

use std::time::Duration;

use rdkafka::client::ClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::KafkaError;
use rdkafka::message::Message;
use rdkafka::{Offset, TopicPartitionList};
use rustix::process::nice;

use super::orders::Orders;
use super::payload::age_us;
use super::{ConsumeSpec, Latency, Outcome, process};
use crate::clock::{monotonic_ns, seconds};

const LATENCIES_MAX: usize = 20_000_000;
const PAUSE: Duration = Duration::from_millis(100);
/// How soon an order to begin is noticed.
const LOOK: Duration = Duration::from_millis(1);
/// How long the first answer of a broker may take.
const PATIENCE: Duration = Duration::from_secs(10);

struct Quiet;

impl ClientContext for Quiet {}
impl ConsumerContext for Quiet {}

/// Consumes until the parent has seen enough, or it got `records_max`.
pub(super) fn run(spec: &ConsumeSpec, orders: &Orders) -> Result<Outcome, String> {
    if spec.yields {
        // Before the client's threads begin, which inherit it.
        nice(19).map_err(|err| format!("cannot lower the priority: {err}"))?;
    }
    let failed = |err: KafkaError| format!("no consumer: {err}");
    let consumer: BaseConsumer<Quiet> = ClientConfig::new()
        .set("bootstrap.servers", &spec.bootstrap)
        .set("group.id", "esker-bench")
        .set("enable.auto.commit", "false")
        .set("enable.partition.eof", spec.again.to_string())
        .create_with_context(Quiet)
        .map_err(failed)?;
    let mut all = TopicPartitionList::new();
    for partition in spec.first_partition..spec.first_partition + spec.partitions {
        all.add_partition_offset(&spec.topic, partition, Offset::Beginning)
            .map_err(failed)?;
    }
    if spec.records_max.is_some() {
        // Connected, so that what is measured is reading.
        consumer
            .fetch_metadata(Some(&spec.topic), PATIENCE)
            .map_err(failed)?;
        process::say_ready();
        while !orders.is_measuring() && !orders.is_over() {
            consumer.poll(LOOK);
        }
        consumer.assign(&all).map_err(failed)?;
    } else {
        consumer.assign(&all).map_err(failed)?;
        process::say_ready();
    }
    let mut outcome = Outcome::default();
    let mut latencies = Vec::new();
    let mut from = None;
    while !orders.is_over() && spec.records_max.is_none_or(|max| outcome.records < max) {
        if from.is_none() && orders.is_measuring() {
            from = Some(monotonic_ns());
            outcome = Outcome::default();
        }
        match consumer.poll(PAUSE) {
            None => {}
            Some(Ok(message)) => {
                let value = message.payload().unwrap_or_default();
                outcome.records += 1;
                outcome.bytes += value.len() as u64;
                if from.is_some() && !spec.again && latencies.len() < LATENCIES_MAX {
                    latencies.extend(age_us(value));
                }
            }
            Some(Err(KafkaError::PartitionEOF(partition))) => {
                // Zero: do not wait for it.
                let again = consumer.seek(&spec.topic, partition, Offset::Beginning, Duration::ZERO);
                again.map_err(|err| format!("cannot begin again: {err}"))?;
            }
            Some(Err(error)) => {
                outcome.errors += 1;
                outcome.first_error.get_or_insert_with(|| error.to_string());
            }
        }
    }
    outcome.seconds = from.map_or(0.0, |from| seconds(from, monotonic_ns()));
    outcome.latency = Latency::of(latencies);
    // It would leave a group that it never joined.
    std::mem::forget(consumer);
    Ok(outcome)
}
