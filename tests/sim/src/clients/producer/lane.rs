//! One partition as a producer sees it: what waits, and what is on the wire.
//!
//! What holds: the queue is in the order in which the batches were made, whatever was sent again; a batch is
//! in the queue or on the wire, never in both. Its name and records never change; its identity and bytes may
//! only where the policy gives it a new one.

use std::collections::VecDeque;

use bytes::Bytes;
use esker_history::event::{Batch, Identity, Partition, Records, Topic};
use uuid::Uuid;

/// A batch that is not done with.
#[derive(Clone, Debug)]
pub(super) struct Outgoing {
    /// Its name.
    pub(super) name: Batch,
    /// What it carries.
    pub(super) records: Records,
    /// When it was made.
    pub(super) made_us: u64,
    /// The same by its client's clock.
    pub(super) made_ms: u64,
    /// Given when it is first sent by an idempotent producer.
    pub(super) identity: Option<Identity>,
    /// As it was last sent.
    pub(super) bytes: Option<Bytes>,
    /// How often it was sent.
    pub(super) attempts: u32,
    /// Not sent before.
    pub(super) ready_us: u64,
    /// Given up while it is on the wire: the answer is noted and changes nothing.
    pub(super) abandoned: bool,
    /// Came back to be sent again.
    pub(super) retried: bool,
    /// Has another identity than when it was first sent.
    pub(super) renamed: bool,
}

impl Outgoing {
    /// A batch that was just made.
    pub(super) fn new(name: Batch, records: Records, now_us: u64, now_ms: u64) -> Self {
        Self {
            name,
            records,
            made_us: now_us,
            made_ms: now_ms,
            identity: None,
            bytes: None,
            attempts: 0,
            ready_us: 0,
            abandoned: false,
            retried: false,
            renamed: false,
        }
    }

    /// Gives it an identity; its bytes have to be made again.
    pub(super) fn identify(&mut self, identity: Identity) {
        self.renamed |= self.identity.is_some();
        self.identity = Some(identity);
        self.bytes = None;
    }

    /// Sequence of its first record.
    pub(super) fn first_sequence(&self) -> Option<i32> {
        self.identity.map(|identity| identity.first_sequence)
    }

    /// The sequence after its last record.
    pub(super) fn next_sequence(&self) -> Option<i32> {
        Some(advance(self.first_sequence()?, self.records.count))
    }
}

/// Sequences count from 0 to `i32::MAX` and go on at 0.
pub(super) fn advance(sequence: i32, by: u32) -> i32 {
    esker_model::sequence::advance(sequence, i64::from(by))
}

/// The topic that a lane leads to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Home {
    /// Its id.
    pub(super) uuid: Uuid,
    /// Its name in the history.
    pub(super) topic: Topic,
}

/// One partition of one topic name.
#[derive(Debug)]
pub(super) struct Lane {
    /// Name of the topic.
    pub(super) topic: String,
    /// Index of the partition.
    pub(super) index: i32,
    /// The topic behind the name, as Metadata last said.
    pub(super) home: Option<Home>,
    /// Not on the wire, oldest first.
    pub(super) queue: VecDeque<Outgoing>,
    /// On the wire, in the order of sending.
    pub(super) wire: Vec<Outgoing>,
    /// The topics that it led to before.
    pub(super) past: Vec<Uuid>,
    /// How many answers of Metadata in a row said that there is no such topic.
    pub(super) gone: u32,
}

impl Lane {
    /// An empty lane.
    pub(super) fn new(topic: &str, index: i32) -> Self {
        Self {
            topic: topic.to_owned(),
            index,
            home: None,
            past: Vec::new(),
            queue: VecDeque::new(),
            wire: Vec::new(),
            gone: 0,
        }
    }

    /// The partition in the history.
    pub(super) fn partition(&self) -> Option<Partition> {
        let topic = self.home?.topic;
        let index = self.index;
        Some(Partition { topic, index })
    }

    /// Nothing waits and nothing is on the wire.
    pub(super) fn is_idle(&self) -> bool {
        self.queue.is_empty() && self.wire.is_empty()
    }

    /// Puts a batch back where it belongs.
    pub(super) fn requeue(&mut self, batch: Outgoing) {
        let number = batch.name.number;
        let at = self.queue.partition_point(|other| other.name.number < number);
        self.queue.insert(at, batch);
    }

    /// Takes the batch of this number from the wire.
    pub(super) fn take_from_wire(&mut self, number: u64) -> Option<Outgoing> {
        let at = self.wire.iter().position(|batch| batch.name.number == number)?;
        Some(self.wire.remove(at))
    }

    /// Takes what has waited in the queue since before `made_us` or longer.
    pub(super) fn take_made_before(&mut self, made_us: u64) -> Vec<Outgoing> {
        // The queue is in the order of making.
        let old = self.queue.partition_point(|batch| batch.made_us <= made_us);
        self.queue.drain(..old).collect()
    }
}
