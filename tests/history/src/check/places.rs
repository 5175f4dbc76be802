//! Partitions by a dense number, and what a request by name may have been answered for.
//!
//! A request by topic id concerns that topic and no other. A request by name concerns whatever bears the
//! name when the agent looks; agents may know the former bearer a moment longer. What may be concluded:
//!
//! - an *ack* or an *offset* (ListOffsets) rests on the metastore, which has nothing of a topic that is
//!   gone. The client knew the topic from the metastore too, so every former bearer was gone by then. As
//!   long as nobody had asked for the topic's deletion when the answer came, the answer is about it;
//! - a *Fetch* may be served from an agent's memory of a former bearer. Only if the name never had another
//!   bearer, the answer is surely about this topic. (One that came and went without any client seeing it
//!   has no records: what it shows contradicts nothing, but it may well be *unknown* or have *no such
//!   offset*. Errors by name are judged only where nobody creates or deletes topics of the name.)

use std::collections::BTreeMap;

use crate::History;
use crate::event::Partition;

/// Largest index of a partition in a history.
pub(crate) const INDEX_MAX: i32 = 1 << 20;

/// One partition of one topic.
pub(crate) struct Place {
    pub partition: Partition,
    /// The partitions with this index of all topics of that name.
    pub family: usize,
    /// When the topic's deletion was asked for; `u64::MAX` if it was not.
    deleted_from_us: u64,
    /// No other topic ever had the name.
    pub only_bearer: bool,
    /// Nor can one have had it that no client ever saw: nobody creates or deletes topics of that name.
    steady: bool,
}

impl Place {
    /// Whether an ack or a listed offset that came at `at_us` is surely about this partition.
    pub(crate) fn answers_by_name(&self, at_us: u64) -> bool {
        at_us < self.deleted_from_us
    }

    /// Whether fetched records that came at `at_us` are surely those of this partition.
    pub(crate) fn shows(&self, by_name: bool, at_us: u64) -> bool {
        !by_name || (self.only_bearer && at_us < self.deleted_from_us)
    }

    /// Whether the topic may be gone, at some time.
    pub(crate) fn is_deleted(&self) -> bool {
        self.deleted_from_us != u64::MAX
    }

    /// Whether the name surely meant this topic all the time.
    pub(crate) fn is_steady(&self) -> bool {
        self.steady
    }
}

/// All partitions that occur.
pub(crate) struct Places {
    list: Vec<Place>,
    /// By topic and index of the partition; `u32::MAX`: none yet.
    of_topic: Vec<Vec<u32>>,
    topics: Vec<TopicFacts>,
    families: BTreeMap<(usize, i32), usize>,
}

struct TopicFacts {
    name: usize,
    deleted_from_us: u64,
    only_bearer: bool,
    steady: bool,
}

impl Places {
    pub(crate) fn new(history: &History) -> Self {
        let mut names: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
        for topic in &history.topics {
            let next = names.len();
            names.entry(&topic.name).or_insert((next, 0)).1 += 1;
        }
        let topics = history
            .topics
            .iter()
            .map(|topic| {
                let (name, bearers) = names.get(topic.name.as_str()).copied().unwrap_or_default();
                TopicFacts {
                    name,
                    deleted_from_us: topic.deleted_from_us.unwrap_or(u64::MAX),
                    only_bearer: bearers == 1,
                    steady: bearers == 1
                        && topic.created_from_us.is_none()
                        && topic.deleted_from_us.is_none(),
                }
            })
            .collect();
        Self {
            list: Vec::new(),
            of_topic: vec![Vec::new(); history.topics.len()],
            topics,
            families: BTreeMap::new(),
        }
    }

    /// The number of a partition, whose topic is in the history and whose index is within
    /// [`INDEX_MAX`]: events that name another one are not judged.
    pub(crate) fn place(&mut self, partition: Partition) -> usize {
        let (topic, index) = (partition.topic.0 as usize, partition.index.max(0) as usize);
        let known = &mut self.of_topic[topic];
        if known.len() <= index {
            known.resize(index + 1, u32::MAX);
        }
        if known[index] == u32::MAX {
            known[index] = self.list.len() as u32;
            let facts = &self.topics[topic];
            let next = self.families.len();
            let family = *self.families.entry((facts.name, partition.index)).or_insert(next);
            self.list.push(Place {
                partition,
                family,
                deleted_from_us: facts.deleted_from_us,
                only_bearer: facts.only_bearer,
                steady: facts.steady,
            });
        }
        known[index] as usize
    }

    /// The number of a partition that has one.
    pub(crate) fn find(&self, partition: Partition) -> Option<usize> {
        let known = self.of_topic.get(partition.topic.0 as usize)?;
        let place = known.get(usize::try_from(partition.index).ok()?)?;
        (*place != u32::MAX).then_some(*place as usize)
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.list.len()
    }

    /// A partition by its number.
    pub(crate) fn get(&self, place: usize) -> &Place {
        &self.list[place]
    }
}
