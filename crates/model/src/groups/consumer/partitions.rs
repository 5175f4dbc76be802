//! A set of partitions, as assignments are made of.

use std::collections::BTreeMap;

use crate::TopicUuid;

/// Partitions by topic. Each list is ascending, without repetitions, and not empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Partitions(BTreeMap<TopicUuid, Vec<i32>>);

impl Partitions {
    /// The set of what the list names, in whatever order and however often.
    pub(super) fn from_list(list: Vec<(TopicUuid, Vec<i32>)>) -> Self {
        let mut topics: BTreeMap<TopicUuid, Vec<i32>> = BTreeMap::new();
        for (topic, partitions) in list {
            topics.entry(topic).or_default().extend(partitions);
        }
        topics.retain(|_, partitions| !partitions.is_empty());
        for partitions in topics.values_mut() {
            partitions.sort_unstable();
            partitions.dedup();
        }
        Self(topics)
    }

    pub(super) fn to_list(&self) -> Vec<(TopicUuid, Vec<i32>)> {
        let topics = self.0.iter();
        topics
            .map(|(topic, partitions)| (*topic, partitions.clone()))
            .collect()
    }

    /// Adds partitions of a topic that has none in the set. They must ascend.
    pub(super) fn add(&mut self, topic: TopicUuid, partitions: Vec<i32>) {
        debug_assert!(partitions.is_sorted_by(|a, b| a < b), "{partitions:?}");
        if !partitions.is_empty() {
            self.0.insert(topic, partitions);
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn contains(&self, topic: TopicUuid, partition: i32) -> bool {
        let topic = self.0.get(&topic);
        topic.is_some_and(|partitions| partitions.binary_search(&partition).is_ok())
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (TopicUuid, i32)> {
        let topics = self.0.iter();
        topics.flat_map(|(topic, partitions)| partitions.iter().map(|partition| (*topic, *partition)))
    }

    /// Those that `keep` holds for, and the others.
    pub(super) fn split(&self, mut keep: impl FnMut(TopicUuid, i32) -> bool) -> (Self, Self) {
        let (mut kept, mut others) = (Self::default(), Self::default());
        for (topic, partitions) in &self.0 {
            let (yes, no) = partitions.iter().partition(|partition| keep(*topic, **partition));
            kept.add(*topic, yes);
            others.add(*topic, no);
        }
        (kept, others)
    }

    /// All of both sets.
    pub(super) fn union(&self, other: &Self) -> Self {
        Self::from_list([self.to_list(), other.to_list()].concat())
    }

    /// Whether any of the list is in the set.
    pub(super) fn meets(&self, list: &[(TopicUuid, Vec<i32>)]) -> bool {
        let mut named = list.iter();
        named.any(|(topic, partitions)| partitions.iter().any(|p| self.contains(*topic, *p)))
    }

    /// Whether all of the list is in the set.
    pub(super) fn covers(&self, list: &[(TopicUuid, Vec<i32>)]) -> bool {
        let mut named = list.iter();
        named.all(|(topic, partitions)| partitions.iter().all(|p| self.contains(*topic, *p)))
    }
}
