//! A producer on librdkafka.

use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::Duration;

use rdkafka::client::ClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{DeliveryResult, Message};
use rdkafka::producer::{BaseProducer, BaseRecord, ProducerContext};
use rdkafka::statistics::Statistics;

use super::orders::Orders;
use super::payload::{Payload, age_us};
use super::{Latency, Outcome, ProduceSpec, process};
use crate::clock::{monotonic_ns, seconds};

/// Latencies that are kept; more than a measurement at full speed has.
const LATENCIES_MAX: usize = 20_000_000;
/// How long a record may take before it counts as failed.
const MESSAGE_TIMEOUT_MS: &str = "60000";
/// How long to wait for room or for acknowledgements at a time.
const PAUSE: Duration = Duration::from_millis(1);
/// What is acknowledged is looked at once in so many records at full speed.
const POLL_EVERY: u64 = 64;

#[derive(Default)]
struct Tally {
    measuring: bool,
    records: u64,
    bytes: u64,
    all_records: u64,
    latencies: Vec<u32>,
    errors: u64,
    first_error: Option<String>,
    batches: f64,
    batch_bytes: f64,
    batch_records: f64,
}

struct Context(Mutex<Tally>);

impl Context {
    fn with<T>(&self, change: impl FnOnce(&mut Tally) -> T) -> T {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn fail(&self, why: impl FnOnce() -> String) {
        self.with(|tally| {
            tally.errors += 1;
            if tally.first_error.is_none() {
                tally.first_error = Some(why());
            }
        });
    }
}

impl ClientContext for Context {
    fn stats(&self, statistics: Statistics) {
        self.with(|tally| {
            for topic in statistics.topics.values().filter(|_| tally.measuring) {
                tally.batches += topic.batchsize.cnt as f64;
                tally.batch_bytes += topic.batchsize.sum as f64;
                tally.batch_records += topic.batchcnt.sum as f64;
            }
        });
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.fail(|| format!("{error}: {reason}"));
    }
}

impl ProducerContext for Context {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        match result {
            Ok(message) => self.with(|tally| {
                tally.all_records += 1;
                if !tally.measuring {
                    return;
                }
                let value = message.payload().unwrap_or_default();
                tally.records += 1;
                tally.bytes += value.len() as u64;
                if tally.latencies.len() < LATENCIES_MAX {
                    tally.latencies.extend(age_us(value));
                }
            }),
            Err((error, _)) => self.fail(|| error.to_string()),
        }
    }
}

fn config(spec: &ProduceSpec) -> ClientConfig {
    let mut config = ClientConfig::new();
    config
        .set("bootstrap.servers", &spec.bootstrap)
        .set("acks", "all")
        .set("compression.codec", "none")
        .set("batch.size", spec.batch_bytes.to_string())
        .set("batch.num.messages", "100000")
        .set("message.max.bytes", "2000000")
        .set("linger.ms", spec.linger_ms.to_string())
        .set("enable.idempotence", spec.idempotent.to_string())
        .set("max.in.flight", spec.in_flight.to_string())
        .set("message.timeout.ms", MESSAGE_TIMEOUT_MS)
        .set("statistics.interval.ms", "500");
    config
}

/// Produces until the parent has seen enough, or `records_max` are acknowledged.
pub(super) fn run(spec: &ProduceSpec, orders: &Orders) -> Result<Outcome, String> {
    let context = Context(Mutex::default());
    let producer: BaseProducer<Context> = config(spec)
        .create_with_context(context)
        .map_err(|err| format!("no producer: {err}"))?;
    let context = rdkafka::producer::Producer::context(&producer).clone();
    let mut payload = Payload::new(spec.record_bytes);
    process::say_ready();
    let began = monotonic_ns();
    let tick = Duration::from_millis(spec.tick_ms.max(1));
    let (mut sent, mut from) = (0u64, None);
    while !orders.is_over() {
        if from.is_none() && orders.is_measuring() {
            from = Some(monotonic_ns());
            context.with(|tally| tally.measuring = true);
        }
        if spec.records_max.is_some_and(|max| sent >= max) {
            producer.poll(PAUSE);
            let (done, errors) = context.with(|tally| (tally.all_records, tally.errors));
            if done + errors >= sent {
                break;
            }
            continue;
        }
        if let Some(rate) = spec.rate
            && sent as f64 >= seconds(began, monotonic_ns()) * rate
        {
            producer.poll(tick);
            continue;
        }
        let partition = (sent / spec.in_a_row.max(1)) % u64::try_from(spec.partitions).unwrap_or(1).max(1);
        let record = BaseRecord::<(), [u8]>::to(&spec.topic)
            .partition(i32::try_from(partition).unwrap_or(0))
            .payload(payload.next());
        match producer.send(record) {
            Ok(()) => sent += 1,
            Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), _)) => producer.poll(PAUSE),
            Err((error, _)) => return Err(format!("cannot send: {error}")),
        }
        if spec.rate.is_some() || sent.is_multiple_of(POLL_EVERY) {
            producer.poll(Duration::ZERO);
        }
    }
    let seconds = from.map_or(0.0, |from| seconds(from, monotonic_ns()));
    let tally = context.with(std::mem::take);
    let outcome = Outcome {
        seconds,
        records: tally.records,
        bytes: tally.bytes,
        latency: Latency::of(tally.latencies),
        errors: tally.errors,
        first_error: tally.first_error,
        batch_bytes: (tally.batches > 0.0).then(|| tally.batch_bytes / tally.batches),
        batch_records: (tally.batches > 0.0).then(|| tally.batch_records / tally.batches),
    };
    // What is still on its way is of no interest, and dropping a producer would wait for it.
    std::mem::forget(producer);
    Ok(outcome)
}
