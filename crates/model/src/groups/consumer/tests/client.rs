//! A member as its process sees it.

use std::collections::BTreeSet;

use super::*;

pub(super) type Set = BTreeSet<(TopicUuid, i32)>;

pub(super) fn set(list: &List) -> Set {
    list.iter()
        .flat_map(|(topic, partitions)| partitions.iter().map(|p| (*topic, *p)))
        .collect()
}

pub(super) fn list(set: &Set) -> List {
    let mut topics: BTreeMap<TopicUuid, Vec<i32>> = BTreeMap::new();
    for (topic, partition) in set {
        topics.entry(*topic).or_default().push(*partition);
    }
    topics.into_iter().collect()
}

/// A member's process.
pub(super) struct Client {
    pub(super) number: usize,
    /// Member ids that it had before this one.
    pub(super) lives: usize,
    pub(super) instance: Option<String>,
    pub(super) epoch: i32,
    /// What it reads from, as far as it knows.
    pub(super) holds: Set,
    /// What it was last told to read from.
    pub(super) told: Set,
    /// What it last reported.
    pub(super) reported: Option<Set>,
    pub(super) names: Vec<String>,
    pub(super) regex: String,
    /// An answer did not come: the next heartbeat says everything.
    pub(super) full: bool,
    pub(super) running: bool,
}

impl Client {
    pub(super) fn id(&self) -> String {
        format!("c{}-{}", self.number, self.lives)
    }

    pub(super) fn heartbeat(&mut self) -> Heartbeat {
        let mut heartbeat = keep_alive(&self.id(), self.epoch);
        heartbeat.instance_id.clone_from(&self.instance);
        if self.epoch == 0 || self.full {
            heartbeat.rebalance_timeout = Some(secs(20));
            heartbeat.subscribed_names = Some(self.names.clone());
            heartbeat.subscribed_regex = Some(self.regex.clone());
        }
        if self.epoch == 0 || self.full || self.reported.as_ref() != Some(&self.holds) {
            heartbeat.owned = Some(list(&self.holds));
            self.reported = Some(self.holds.clone());
        }
        heartbeat
    }

    /// It gives up what it is to.
    pub(super) fn revoke(&mut self) {
        self.holds = self.holds.intersection(&self.told).copied().collect();
    }

    /// It begins again, with nothing.
    pub(super) fn drop_all(&mut self) {
        self.holds.clear();
        self.told.clear();
        self.epoch = 0;
    }

    pub(super) fn new_process(&mut self) {
        self.drop_all();
        self.lives += 1;
        self.running = true;
        self.full = true;
    }
}
