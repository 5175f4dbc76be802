//! The partitions of a session: what is asked of each, and what its client was told of it last.
//!
//! What holds: a partition is in a session once; those that gave records go behind the others, so that all come to
//! their turn where a response cannot hold everything; a partition with an error is told again with each answer, and
//! once more when the error is gone. A name is copied out of its request: a session keeps no frame alive.
//!
//! Cost per partition: [`PARTITION_BYTES`] of memory; a lookup of O(log n) for each that a request names; nothing for
//! those that it does not name, until they are read.

use std::collections::BTreeMap;
use std::sync::Arc;

use esker_protocol::StrBytes;
use esker_protocol::fetch_response::FetchPartitionParts;
use esker_protocol::messages::fetch_request::{FetchPartition, FetchTopic, ForgottenTopic};
use uuid::Uuid;

use crate::topics::TopicState;

/// Bytes that a session counts for each of its partitions: the entry, its place in the order and its key in a tree that
/// may be half full.
pub(in crate::fetch) const PARTITION_BYTES: usize = 112;

/// Bytes that a session counts for each topic, beside two times its name.
const TOPIC_BYTES: usize = 208;

const _: () = assert!(size_of::<Entry>() + size_of::<u32>() + 2 * size_of::<Key>() <= PARTITION_BYTES);
const _: () = assert!(size_of::<Topic>() + 2 * size_of::<(TopicName, u32)>() <= TOPIC_BYTES);

/// What a client wants of a partition, as it said last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::fetch) struct Ask {
    /// First offset wanted.
    pub from: i64,
    /// Most bytes of an answer; as the client sent it, so possibly negative.
    pub bytes_max: i32,
    /// The leader epoch that the client knows; negative if it knows none.
    pub leader_epoch: i32,
}

impl From<&FetchPartition> for Ask {
    fn from(asked: &FetchPartition) -> Self {
        Self {
            from: asked.fetch_offset,
            bytes_max: asked.partition_max_bytes,
            leader_epoch: asked.current_leader_epoch,
        }
    }
}

/// The offsets that a client was told last: high watermark, last stable offset, log start.
type Told = [i64; 3];

/// The client was told nothing yet, or an error.
const NOTHING: Told = [-1; 3];

/// A topic's place in `topics`, and the index of a partition.
type Key = (u32, i32);

#[derive(Debug)]
struct Entry {
    key: Key,
    ask: Ask,
    told: Told,
}

/// How requests name a topic: by id, or else by name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct TopicName {
    id: Uuid,
    name: StrBytes,
}

/// A topic of a session.
#[derive(Default)]
pub(in crate::fetch) struct Topic {
    /// Empty in sessions by id.
    pub name: StrBytes,
    /// Nil in sessions by name.
    pub id: Uuid,
    /// The topic as it was in the version of the catalog that is given beside it.
    pub known: Option<(i64, Arc<TopicState>)>,
    /// Its partitions in the session. 0: the place is free.
    partitions: u32,
}

/// The partitions of one session.
#[derive(Default)]
pub(in crate::fetch) struct Partitions {
    topics: Vec<Topic>,
    free_topics: Vec<u32>,
    by_topic: BTreeMap<TopicName, u32>,
    names_bytes: usize,
    entries: Vec<Entry>,
    free_entries: Vec<u32>,
    /// Places in `entries` in the order of answers.
    order: Vec<u32>,
    by_key: BTreeMap<Key, u32>,
    /// Places in `order` of those that gave records to the answer that is being made, ascending.
    gave: Vec<u32>,
}

impl Partitions {
    /// The partitions that a request names; of one named twice what it says last.
    pub(in crate::fetch) fn new(topics: &[FetchTopic]) -> Self {
        let mut partitions = Self::default();
        partitions.add(topics);
        partitions
    }

    /// How many there are.
    pub(in crate::fetch) fn len(&self) -> usize {
        self.order.len()
    }

    /// Bytes of memory, about, and never too few.
    pub(in crate::fetch) fn bytes(&self) -> usize {
        // Vectors have room for twice as much as they hold at most; what they hold already is the smaller half.
        let entries = self.entries.capacity().max(self.entries.len());
        entries * PARTITION_BYTES + self.topics.capacity() * TOPIC_BYTES + 2 * self.names_bytes
    }

    /// Takes up what a request says: partitions that are new or are asked for otherwise, then those to be forgotten.
    pub(in crate::fetch) fn update(&mut self, topics: &[FetchTopic], forgotten: &[ForgottenTopic]) {
        self.add(topics);
        if !forgotten.is_empty() {
            self.forget(forgotten);
        }
    }

    fn add(&mut self, topics: &[FetchTopic]) {
        for topic in topics.iter().filter(|topic| !topic.partitions.is_empty()) {
            let at = self.topic_place(&topic.topic, topic.topic_id);
            for partition in &topic.partitions {
                self.ask((at, partition.partition), partition.into());
            }
        }
    }

    fn topic_place(&mut self, name: &StrBytes, id: Uuid) -> u32 {
        let wanted = TopicName {
            id,
            name: name.clone(),
        };
        if let Some(at) = self.by_topic.get(&wanted) {
            return *at;
        }
        let name = StrBytes::from_string(name.to_string());
        let at = self.free_topics.pop().unwrap_or_else(|| {
            self.topics.push(Topic::default());
            place(self.topics.len() - 1)
        });
        self.names_bytes += name.len();
        self.topics[at as usize] = Topic {
            name: name.clone(),
            id,
            known: None,
            partitions: 0,
        };
        self.by_topic.insert(TopicName { id, name }, at);
        at
    }

    fn ask(&mut self, key: Key, ask: Ask) {
        if let Some(at) = self.by_key.get(&key) {
            self.entries[*at as usize].ask = ask;
            return;
        }
        let entry = Entry {
            key,
            ask,
            told: NOTHING,
        };
        let at = match self.free_entries.pop() {
            Some(at) => {
                self.entries[at as usize] = entry;
                at
            }
            None => {
                self.entries.push(entry);
                place(self.entries.len() - 1)
            }
        };
        self.by_key.insert(key, at);
        self.order.push(at);
        self.topics[key.0 as usize].partitions += 1;
    }

    fn forget(&mut self, forgotten: &[ForgottenTopic]) {
        let before = self.free_entries.len();
        for topic in forgotten {
            let name = TopicName {
                id: topic.topic_id,
                name: topic.topic.0.clone(),
            };
            let Some(at) = self.by_topic.get(&name).copied() else {
                continue;
            };
            for partition in &topic.partitions {
                if let Some(entry) = self.by_key.remove(&(at, *partition)) {
                    self.free_entries.push(entry);
                    self.topics[at as usize].partitions -= 1;
                }
            }
            if self.topics[at as usize].partitions == 0 {
                self.by_topic.remove(&name);
                self.names_bytes -= name.name.len();
                self.topics[at as usize] = Topic::default();
                self.free_topics.push(at);
            }
        }
        self.free_entries[before..].sort_unstable();
        let gone = &self.free_entries[before..];
        if !gone.is_empty() {
            self.order.retain(|at| gone.binary_search(at).is_err());
        }
    }

    /// The topics; a place may be free, and nothing points to it then.
    pub(in crate::fetch) fn topics_mut(&mut self) -> impl Iterator<Item = &mut Topic> {
        self.topics.iter_mut()
    }

    /// Topic's place, index and what is asked, in the order of answers.
    pub(in crate::fetch) fn asks(&self) -> impl Iterator<Item = (usize, i32, Ask)> {
        self.order.iter().map(|at| {
            let entry = &self.entries[*at as usize];
            (entry.key.0 as usize, entry.key.1, entry.ask)
        })
    }

    /// Whether what is now known of the partition at `place` in the order of answers is news to the client: records, an
    /// error, other offsets. The client counts as told. To be called with ascending places.
    pub(in crate::fetch) fn is_news(&mut self, place: usize, part: &FetchPartitionParts) -> bool {
        let Some(entry) = self.order.get(place).map(|at| &mut self.entries[*at as usize]) else {
            return true;
        };
        let gives = part.records.iter().any(|slice| !slice.is_empty());
        if gives {
            self.gave.push(place as u32);
        }
        let now = match part.error.is_error() {
            // The offsets with the next answer that has none are news whatever they are.
            true => NOTHING,
            false => [
                part.high_watermark,
                part.last_stable_offset,
                part.log_start_offset,
            ],
        };
        let before = std::mem::replace(&mut entry.told, now);
        gives || part.error.is_error() || before != now
    }

    /// An answer is complete: those that gave records go behind the others.
    pub(in crate::fetch) fn rotate(&mut self) {
        let gave = std::mem::take(&mut self.gave);
        let Some(first) = gave.first().copied() else {
            return;
        };
        let moved: Vec<u32> = gave.iter().map(|place| self.order[*place as usize]).collect();
        let mut to = first as usize;
        let mut next = gave.iter().peekable();
        for place in first..self.order.len() as u32 {
            if next.next_if(|gave| **gave == place).is_none() {
                self.order[to] = self.order[place as usize];
                to += 1;
            }
        }
        self.order[to..].copy_from_slice(&moved);
    }

    /// An answer is complete that is a session's first: as in Kafka everybody stays where the request had it.
    pub(in crate::fetch) fn stay(&mut self) {
        self.gave = Vec::new();
    }
}

/// A request's frame is far too small for so many partitions that their places would not fit.
fn place(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}
