//! Reads what a member owns, and knows how far it came.
//!
//! What holds: a position is known once the group was asked what it committed; it only grows. What a member does not own
//! any more is forgotten.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use esker_history::event::{Partition, Query};
use esker_model::seams::Rng;
use esker_protocol::messages::fetch_response::PartitionData;
use uuid::Uuid;

use super::subscription::ByTopic;
use crate::clients::ClientContext;
use crate::clients::consumer::fetching::{self, Asked, Limits};
use crate::clients::consumer::heard::{Heard, Told};
use crate::clients::metadata::{Cluster, View};
use crate::clients::offsets::{self, Place};

const OUT_OF_RANGE: i16 = 1;
const CORRUPT_MESSAGE: i16 = 2;

/// The longest that a member waits for records, or offsets: its heartbeats wait as long.
const PATIENCE: Duration = Duration::from_secs(2);

/// Metadata is asked at least this often.
const REFRESH_US: u64 = 20_000_000;

/// Most bytes of one answer.
const ANSWER_BYTES: i32 = 1 << 20;

/// How far the reading of a partition came.
struct Position {
    place: Place,
    uuid: Uuid,
    /// What the group committed, as far as the member knows; -1: nothing.
    committed: Option<i64>,
    /// The next offset to be read.
    next: Option<i64>,
    heard: Heard,
}

/// What a member reads.
pub(super) struct Reader {
    ctx: ClientContext,
    cluster: Arc<Cluster>,
    names: Vec<String>,
    view: View,
    find_us: u64,
    positions: BTreeMap<Partition, Position>,
}

impl Reader {
    pub(super) fn new(ctx: &ClientContext, names: Vec<String>) -> Self {
        Self {
            ctx: ctx.clone(),
            cluster: Cluster::new(ctx.clone(), PATIENCE),
            names,
            view: View::default(),
            find_us: 0,
            positions: BTreeMap::new(),
        }
    }

    /// Learns where the topics are, if that is due. Whether all of them are known.
    pub(super) async fn find(&mut self) -> bool {
        let now_us = self.ctx.record.now_us();
        if now_us >= self.find_us {
            let host = self.cluster.any_host();
            match self.cluster.find_through(&host, &self.names).await {
                Ok(view) => {
                    self.view.update(view);
                    self.find_us = now_us + REFRESH_US;
                }
                Err(_) => self.find_us = now_us + 200_000,
            }
        }
        self.names.iter().all(|name| self.view.topic(name).is_some())
    }

    /// Partitions as the history names them.
    pub(super) fn partitions(&self, by_topic: &ByTopic) -> BTreeSet<Partition> {
        let mut all = BTreeSet::new();
        for (name, indexes) in by_topic {
            if let Some(topic) = self.view.topic(name) {
                let topic = topic.topic;
                all.extend(indexes.iter().map(|index| Partition { topic, index: *index }));
            }
        }
        all
    }

    /// The same by topic id.
    pub(super) fn partitions_by_id(&self, topics: &[(Uuid, Vec<i32>)]) -> BTreeSet<Partition> {
        let mut all = ByTopic::new();
        for (id, indexes) in topics {
            let named = self
                .names
                .iter()
                .find(|name| self.view.topic(name).is_some_and(|topic| topic.uuid == *id));
            if let Some(name) = named {
                all.insert(name.clone(), indexes.clone());
            }
        }
        self.partitions(&all)
    }

    /// Partitions as members name them.
    pub(super) fn by_topic(&self, partitions: &BTreeSet<Partition>) -> ByTopic {
        let mut all = ByTopic::new();
        for name in &self.names {
            let Some(topic) = self.view.topic(name) else {
                continue;
            };
            let of = partitions
                .iter()
                .filter(|partition| partition.topic == topic.topic);
            let indexes: Vec<_> = of.map(|partition| partition.index).collect();
            if !indexes.is_empty() {
                all.insert(name.clone(), indexes);
            }
        }
        all
    }

    /// The same by topic id.
    pub(super) fn by_id(&self, partitions: &BTreeSet<Partition>) -> Vec<(Uuid, Vec<i32>)> {
        let all = self.by_topic(partitions).into_iter();
        all.filter_map(|(name, indexes)| Some((self.view.topic(&name)?.uuid, indexes)))
            .collect()
    }

    /// Reads these from now on, and nothing else.
    pub(super) fn assign(&mut self, owned: &BTreeSet<Partition>) {
        self.positions.retain(|partition, _| owned.contains(partition));
        for (name, indexes) in self.by_topic(owned) {
            let Some(topic) = self.view.topic(&name) else {
                continue;
            };
            let (topic, uuid) = (topic.topic, topic.uuid);
            for index in indexes {
                let partition = Partition { topic, index };
                self.positions.entry(partition).or_insert_with(|| Position {
                    place: Place {
                        topic: name.clone(),
                        partition,
                    },
                    uuid,
                    committed: None,
                    next: None,
                    heard: Heard::default(),
                });
            }
        }
    }

    /// What the group has to be asked about.
    pub(super) fn unknown(&self) -> Vec<Place> {
        let unknown = self.positions.values().filter(|one| one.committed.is_none());
        unknown.map(|one| one.place.clone()).collect()
    }

    /// That was answered.
    pub(super) fn begin(&mut self, places: &[Place], committed: &[i64]) {
        for (place, committed) in places.iter().zip(committed) {
            if let Some(position) = self.positions.get_mut(&place.partition) {
                position.committed = Some(*committed);
                position.next = Some(*committed).filter(|next| *next >= 0);
            }
        }
    }

    /// What is to be committed, of these.
    pub(super) fn uncommitted(&self, of: impl Fn(&Partition) -> bool) -> Vec<(Place, i64)> {
        let read = self.positions.values().filter_map(|one| Some((one, one.next?)));
        let read = read.filter(|(one, next)| of(&one.place.partition) && one.committed != Some(*next));
        read.map(|(one, next)| (one.place.clone(), next)).collect()
    }

    /// That was committed.
    pub(super) fn committed(&mut self, kept: &[(Partition, i64)]) {
        for (partition, offset) in kept {
            if let Some(position) = self.positions.get_mut(partition) {
                position.committed = Some(*offset);
            }
        }
    }

    /// Reads once: everything that one host leads, or somebody else.
    pub(super) async fn read(&mut self) {
        self.find().await;
        let stray = (self.ctx.rng.below(8) == 0).then(|| self.cluster.any_host());
        let mut by_host: BTreeMap<String, Vec<Asked>> = BTreeMap::new();
        let mut without = None;
        for (partition, one) in self.positions.iter().filter(|(_, one)| one.committed.is_some()) {
            let Some(leader) = self.view.leader(&one.place.topic, partition.index) else {
                self.find_us = 0;
                continue;
            };
            let host = stray.clone().unwrap_or_else(|| leader.to_owned());
            match one.next {
                Some(from) => by_host.entry(host).or_default().push(Asked {
                    topic: one.place.topic.clone(),
                    uuid: one.uuid,
                    partition: *partition,
                    from,
                }),
                None => without = Some((host, one.place.clone())),
            }
        }
        if let Some((host, place)) = without {
            self.list_start(&host, &place).await;
            return;
        }
        if by_host.is_empty() {
            return;
        }
        let at = self.ctx.rng.below(by_host.len() as u64) as usize;
        if let Some((host, asked)) = by_host.into_iter().nth(at) {
            self.fetch(&host, &asked).await;
        }
    }

    async fn list_start(&mut self, host: &str, place: &Place) {
        let places = std::slice::from_ref(place);
        let listed = offsets::list(&self.cluster, host, places, Query::Earliest).await;
        match (listed.as_deref(), self.positions.get_mut(&place.partition)) {
            (Ok([(0, offset)]), Some(position)) => position.next = Some(*offset),
            _ => self.find_us = 0,
        }
    }

    async fn fetch(&mut self, host: &str, asked: &[Asked]) {
        let limits = Limits {
            by_id: true,
            max_wait: Duration::ZERO,
            min_bytes: 1,
            max_bytes: ANSWER_BYTES,
        };
        let Ok(answer) = fetching::fetch(&self.cluster, host, asked, limits).await else {
            self.find_us = 0;
            return;
        };
        let told = Told {
            by: answer.life,
            by_name: false,
            asked_us: answer.asked_us,
        };
        for (asked, data) in asked.iter().zip(answer.partitions) {
            self.fetched(asked, told, data);
        }
    }

    fn fetched(&mut self, asked: &Asked, told: Told, data: PartitionData) {
        let (error, from, ctx) = (data.error_code, asked.from, &self.ctx);
        let Some(position) = self.positions.get_mut(&asked.partition) else {
            return;
        };
        let read = position.heard.tell(ctx, asked, told, data);
        if let Some(next) = read.next.filter(|next| *next > from) {
            position.next = Some(next);
        } else if error == OUT_OF_RANGE {
            // `auto.offset.reset`: the log begins behind it.
            position.next = None;
        } else if error == CORRUPT_MESSAGE
            && let Some(next) = ctx.record.lost_until(asked.partition, from)
        {
            position.next = Some(next);
        } else if error != 0 {
            self.find_us = 0;
        }
    }
}
