//! Clients that behave like the real ones, as far as it matters for what a broker may answer.
//!
//! Each runs until the run is over and writes what it sees into the history. None knows the inside of an
//! agent: they speak Kafka's protocol over a [`crate::net::Network`].

pub mod admin;
pub mod alterer;
pub mod connection;
pub mod consumer;
pub mod deleter;
pub mod groups;
pub mod lister;
pub mod metadata;
mod offsets;
pub mod payload;
pub mod probe;
pub mod producer;
pub mod reader;

use std::sync::Arc;
use std::time::Duration;

use esker_history::event::{Client, Retention};
use esker_model::seams::{Rng, SeededRng};
use esker_protocol::batch::Codec;
use tokio::sync::watch;

use crate::net::Network;
use crate::record::Recorder;

pub use admin::run_admin;
pub use alterer::run_alterer;
pub use consumer::run_consumer;
pub use deleter::run_deleter;
pub use lister::run_lister;
pub use probe::probe;
pub use producer::run_producer;
pub use reader::read_through;

/// How far a run has come.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Phase {
    /// Everybody works, things break.
    Load,
    /// Nothing breaks any more. Producers make nothing new, but get rid of what they have.
    Flush,
    /// All producers are done. Consumers read up to the end of the log.
    Drain,
    /// Everybody stops.
    Over,
}

/// What every client is given.
#[derive(Clone)]
pub struct ClientContext {
    /// Who it is in the history.
    pub me: Client,
    /// Its name on the wire (`client.id`).
    pub name: String,
    /// Its own randomness.
    pub rng: Arc<SeededRng>,
    /// The way to the agents.
    pub network: Network,
    /// Hosts to begin with.
    pub bootstrap: Vec<String>,
    /// The history.
    pub record: Recorder,
    /// How far the run has come.
    pub phase: watch::Receiver<Phase>,
}

impl ClientContext {
    /// Does nothing for a while, at most until there is no load any more.
    async fn stand_still(&self, time: Duration) {
        let end = tokio::time::Instant::now() + time;
        while *self.phase.borrow() == Phase::Load && tokio::time::Instant::now() < end {
            tokio::time::sleep(LOOK).await;
        }
    }
}

/// How long a client other than a producer waits for an answer, besides the time that it grants the agent.
const PATIENCE: Duration = Duration::from_secs(15);

/// How often a client looks how far the run has come. It does not wait to be told: a watch wakes those who
/// wait for it in an order that follows from no seed.
const LOOK: Duration = Duration::from_millis(50);

/// Waits until the run has come so far.
async fn until(run: watch::Receiver<Phase>, phase: Phase) {
    while *run.borrow() < phase {
        tokio::time::sleep(LOOK).await;
    }
}

/// A pause of `mean` on average, drawn by a client.
fn pause(rng: &SeededRng, mean: Duration) -> Duration {
    let mean_us = (mean.as_micros() as u64).max(500);
    Duration::from_micros(mean_us / 4 + rng.below(mean_us * 3 / 2))
}

/// How a producer behaves.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ProducerKind {
    /// Idempotent librdkafka: up to five batches per partition in flight, sent again in order after an error,
    /// a timeout or a lost connection, to whoever is the leader then. 45 for the oldest is fatal.
    Librdkafka,
    /// Idempotent Java client: up to five in flight, but one at a time while one is being repeated; a new
    /// epoch after a batch was given up or got 45.
    Java,
    /// No idempotence: repeats what failed, up to five in flight. Records may come twice, never get lost.
    Plain,
    /// No idempotence, acks=1, gives up after one attempt.
    Careless,
}

/// A producer's task.
#[derive(Clone, Debug)]
pub struct ProducerPlan {
    /// How it behaves.
    pub kind: ProducerKind,
    /// Where it writes: topic names and the partitions of each.
    pub topics: Vec<(String, Vec<i32>)>,
    /// Names topics by id (Produce 13) or by name (Produce 9).
    pub by_id: bool,
    /// Mean pause between two batches.
    pub pause: Duration,
    /// Most batches made in one burst.
    pub burst: u32,
    /// Most records in a batch.
    pub records_max: u32,
    /// Most bytes of padding in a record.
    pub padding_max: u32,
    /// How batches are compressed.
    pub codec: Codec,
    /// The request's timeout, and how long the client waits for an answer (a little longer).
    pub request_timeout: Duration,
    /// A batch that is not acknowledged after this is given up (`delivery.timeout.ms`, librdkafka's
    /// `message.timeout.ms`); a careless producer does not wait so long.
    pub delivery_timeout: Duration,
    /// The mean time after which its process dies and another one takes its place, while there is load.
    pub lives_for: Option<Duration>,
    /// How far its clock is off.
    pub clock_ms: i64,
}

/// A consumer's task.
#[derive(Clone, Debug)]
pub struct ConsumerPlan {
    /// What it reads: topic names and the partitions of each.
    pub topics: Vec<(String, Vec<i32>)>,
    /// Fetch 13 (topics by id), or Fetch 12 (by name).
    pub by_id: bool,
    /// Begins at the earliest offset, or at the end; and goes on there when its own is out of range
    /// (`auto.offset.reset`).
    pub from_start: bool,
    /// Starts over from the earliest offset now and then: as ListOffsets says, as the last Fetch said, or from 0.
    pub rewinds: bool,
    /// `fetch.max.wait.ms`.
    pub max_wait: Duration,
    /// `fetch.min.bytes`.
    pub min_bytes: i32,
    /// `fetch.max.bytes` and `max.partition.fetch.bytes`.
    pub max_bytes: i32,
    /// Mean pause between two fetches; zero for the tail.
    pub pause: Duration,
    /// Asks any agent rather than the one that Metadata names.
    pub wanders: bool,
}

/// The task of somebody who asks for offsets.
#[derive(Clone, Debug)]
pub struct ListerPlan {
    /// What it asks about.
    pub topics: Vec<(String, Vec<i32>)>,
    /// Mean pause between two questions.
    pub pause: Duration,
}

/// A topic.
#[derive(Clone, Debug)]
pub struct TopicPlan {
    /// Its name.
    pub name: String,
    /// Its number of partitions.
    pub partitions: i32,
    /// What it has to keep when it is created.
    pub retention: Retention,
}

/// The configs of a topic that has to keep so much, with their values.
pub fn configs(retention: Retention) -> [(&'static str, String); 2] {
    let ms = retention.ms.unwrap_or(-1);
    let bytes = retention.bytes.map_or(-1, |bytes| bytes as i64);
    [
        ("retention.ms", ms.to_string()),
        ("retention.bytes", bytes.to_string()),
    ]
}

/// The task of somebody who creates and deletes topics.
#[derive(Clone, Debug)]
pub struct AdminPlan {
    /// Topics that come and go.
    pub churn: Vec<TopicPlan>,
    /// Mean pause between two changes.
    pub pause: Duration,
}

/// The task of somebody who deletes records.
#[derive(Clone, Debug)]
pub struct DeleterPlan {
    /// Whose: topic names and the partitions of each.
    pub topics: Vec<(String, Vec<i32>)>,
    /// Mean pause between two requests.
    pub pause: Duration,
}

/// The task of somebody who alters what topics have to keep.
#[derive(Clone, Debug)]
pub struct AltererPlan {
    /// Topics, with what each has to keep after the faults.
    pub topics: Vec<(String, Retention)>,
    /// Mean pause between two changes.
    pub pause: Duration,
}
