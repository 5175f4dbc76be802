//! Load on a broker, in processes of their own, so that their CPU time is not the broker's: records by librdkafka, members
//! of groups and requests about topics by a client of this program.
//!
//! `spec on the command line → {"ready":true} → "measure\n" on stdin → "stop\n" → {"outcome":{…}}`. A client works
//! from the moment it is ready; what it did between "measure" and "stop" is its outcome. It ends with its parent:
//! when its stdin closes. ([`JavaProducer`] is another program, which does what it is told and ends.)

mod connection;
mod consume;
mod groups;
mod java;
mod orders;
mod payload;
mod process;
mod produce;
mod topics;

use serde::{Deserialize, Serialize};

pub(crate) use groups::{MembersSpec, Protocol, Work};
pub(crate) use java::JavaProducer;
pub(crate) use process::{COMMAND, Client};
pub(crate) use topics::TopicsSpec;

/// What a client does.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum Spec {
    Produce(ProduceSpec),
    Consume(ConsumeSpec),
    Members(MembersSpec),
    Topics(TopicsSpec),
}

/// A producer. Records go to partitions in turn.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct ProduceSpec {
    pub bootstrap: String,
    pub topic: String,
    pub partitions: i32,
    pub record_bytes: usize,
    pub batch_bytes: usize,
    pub linger_ms: f64,
    /// Consecutive records for one partition before it is the next one's turn.
    pub in_a_row: u64,
    pub idempotent: bool,
    /// Requests in flight per connection.
    pub in_flight: u32,
    /// Records per second; as fast as it can be without.
    pub rate: Option<f64>,
    /// How often a producer with a rate sends what is due.
    pub tick_ms: u64,
    /// Ends by itself when so many records are acknowledged.
    pub records_max: Option<u64>,
}

/// A consumer of partitions of a topic, without a group.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct ConsumeSpec {
    pub bootstrap: String,
    pub topic: String,
    /// It reads so many partitions, from this one on.
    pub first_partition: i32,
    pub partitions: i32,
    /// Begins again where a partition began when it has come to its end.
    pub again: bool,
    /// Ends by itself when it got so many records. It connects, but asks for none before "measure".
    pub records_max: Option<u64>,
    /// Takes only processor time that nobody else wants, as if it had a machine of its own.
    pub yields: bool,
}

/// What a client did between "measure" and "stop".
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Outcome {
    pub seconds: f64,
    /// Or answers, of a client that has no records.
    pub records: u64,
    /// Bytes of the records' values.
    pub bytes: u64,
    /// From handing a record to the producer to its acknowledgement, or to its arrival at the consumer; from when a
    /// request was due to its answer.
    pub latency: Option<Latency>,
    /// Records that failed for good, and errors of the connection.
    pub errors: u64,
    pub first_error: Option<String>,
    /// Mean size of the batches that a producer really made, and their mean number of records.
    pub batch_bytes: Option<f64>,
    pub batch_records: Option<f64>,
}

/// Percentiles in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Latency {
    pub count: u64,
    pub p50_ms: f64,
    pub p99_ms: f64,
    pub max_ms: f64,
}

impl Latency {
    /// Of latencies in microseconds, in any order; `None` of none.
    pub(crate) fn of(mut micros: Vec<u32>) -> Option<Self> {
        micros.sort_unstable();
        let at = |share| crate::results::stats::percentile(&micros, share).map(|us| f64::from(us) / 1000.0);
        Some(Self {
            count: micros.len() as u64,
            p50_ms: at(0.5)?,
            p99_ms: at(0.99)?,
            max_ms: at(1.0)?,
        })
    }
}

/// The client's process: does what the spec says and prints its outcome.
pub(crate) fn main(spec: &str) -> Result<(), String> {
    let spec: Spec = serde_json::from_str(spec).map_err(|err| format!("no such client: {err}"))?;
    let orders = orders::Orders::listen()?;
    let outcome = match &spec {
        Spec::Produce(spec) => produce::run(spec, &orders)?,
        Spec::Consume(spec) => consume::run(spec, &orders)?,
        Spec::Members(spec) => groups::run(spec, &orders)?,
        Spec::Topics(spec) => topics::run(spec)?,
    };
    process::say("outcome", &outcome);
    Ok(())
}
