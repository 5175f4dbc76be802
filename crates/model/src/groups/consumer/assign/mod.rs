//! The assignors: who is to own which partition. Pure: the same question always has the same answer.
//!
//! Each covers every partition of every subscribed topic exactly once, and gives nobody a partition of a topic that it
//! is not subscribed to.

mod mixed;
mod range;
mod uniform;

use std::collections::BTreeMap;

use super::partitions::Partitions;
use crate::TopicUuid;
use crate::collections::FixedMap;

/// An assignor of the group's side, by Kafka's names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Assignor {
    /// As many partitions for each as for any other, and as few moves as that allows.
    Uniform,
    /// Ranges of each topic, so that equally numbered partitions of equally large topics meet in one member.
    Range,
}

impl Assignor {
    /// All of them; the first is the default.
    pub const ALL: [Assignor; 2] = [Assignor::Uniform, Assignor::Range];

    /// The one with this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|assignor| assignor.name() == name)
    }

    /// Kafka's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Uniform => "uniform",
            Self::Range => "range",
        }
    }

    /// The partitions of each member, in the order of `task.members`.
    pub(super) fn assign(self, task: &Task<'_>) -> Vec<Partitions> {
        let plan = match self {
            Self::Range => range::plan(task),
            Self::Uniform if task.is_homogeneous() => uniform::plan(task),
            Self::Uniform => mixed::plan(task),
        };
        plan.into_partitions(task)
    }
}

/// What an assignor is asked.
#[derive(Default)]
pub(super) struct Task<'a> {
    /// The topics that anybody is subscribed to, and how many partitions they have.
    pub(super) topics: Vec<(TopicUuid, i32)>,
    /// The different subscriptions: indices of topics, ascending.
    pub(super) subscriptions: Vec<Vec<usize>>,
    /// The members, by id.
    pub(super) members: Vec<Candidate<'a>>,
}

/// A member, as assignors see it.
pub(super) struct Candidate<'a> {
    pub(super) id: &'a str,
    pub(super) instance: Option<&'a str>,
    /// The index of its subscription.
    pub(super) subscription: usize,
    /// What it was to own until now.
    pub(super) current: &'a Partitions,
}

impl Task<'_> {
    /// Whether all members are subscribed to the same topics.
    fn is_homogeneous(&self) -> bool {
        self.subscriptions.is_sorted_by(|a, b| a == b)
    }

    /// The topics that a member is subscribed to.
    fn topics_of(&self, member: usize) -> &[usize] {
        &self.subscriptions[self.members[member].subscription]
    }

    /// The members of each topic, in the order given.
    fn subscribers(&self, order: &[usize]) -> Subscribers {
        let mut subscriptions = vec![Vec::new(); self.topics.len()];
        for (subscription, topics) in self.subscriptions.iter().enumerate() {
            for topic in topics {
                subscriptions[*topic].push(subscription);
            }
        }
        let mut lists = Vec::new();
        let mut places: BTreeMap<Vec<usize>, usize> = BTreeMap::new();
        let topics = subscriptions.into_iter().map(|with_topic| {
            *places.entry(with_topic).or_insert_with_key(|with_topic| {
                let has_topic = |member: &&usize| {
                    let subscription = &self.members[**member].subscription;
                    with_topic.binary_search(subscription).is_ok()
                };
                lists.push(order.iter().filter(has_topic).copied().collect());
                lists.len() - 1
            })
        });
        Subscribers {
            topics: topics.collect(),
            lists,
        }
    }
}

/// The members of each topic. Topics of the same subscriptions share a list: most groups have few.
struct Subscribers {
    /// The list of each topic.
    topics: Vec<usize>,
    lists: Vec<Vec<usize>>,
}

impl Subscribers {
    fn of(&self, topic: usize) -> &[usize] {
        &self.lists[self.topics[topic]]
    }
}

/// An assignment in the making: for each topic, who owns each partition.
struct Plan(Vec<Vec<Option<usize>>>);

impl Plan {
    /// Nobody owns anything.
    fn empty(task: &Task<'_>) -> Self {
        let topics = task.topics.iter();
        Self(
            topics
                .map(|(_, partitions)| vec![None; usize::try_from(*partitions).unwrap_or(0)])
                .collect(),
        )
    }

    /// Everybody keeps what it has of the topics that it is subscribed to.
    fn kept(task: &Task<'_>) -> Self {
        let mut plan = Self::empty(task);
        let topics = task.topics.iter().enumerate();
        let index: FixedMap<TopicUuid, usize> = topics.map(|(index, (topic, _))| (*topic, index)).collect();
        for (member, candidate) in task.members.iter().enumerate() {
            for (topic, partition) in candidate.current.iter() {
                let Some(topic) = index.get(&topic) else { continue };
                let owner = usize::try_from(partition)
                    .ok()
                    .and_then(|p| plan.0[*topic].get_mut(p));
                if let Some(owner @ None) = owner
                    && task.topics_of(member).binary_search(topic).is_ok()
                {
                    *owner = Some(member);
                }
            }
        }
        plan
    }

    /// How many partitions each member has.
    fn loads(&self, task: &Task<'_>) -> Vec<usize> {
        let mut loads = vec![0; task.members.len()];
        for member in self.0.iter().flatten().flatten() {
            loads[*member] += 1;
        }
        loads
    }

    fn into_partitions(self, task: &Task<'_>) -> Vec<Partitions> {
        let mut assignments = vec![Partitions::default(); task.members.len()];
        for ((topic, _), owners) in task.topics.iter().zip(self.0) {
            let partitions = (0..).zip(owners);
            let mut owned: Vec<(usize, i32)> = partitions
                .filter_map(|(partition, owner)| Some((owner?, partition)))
                .collect();
            owned.sort_unstable();
            for of_one in owned.chunk_by(|a, b| a.0 == b.0) {
                let partitions = of_one.iter().map(|(_, partition)| *partition).collect();
                assignments[of_one[0].0].add(*topic, partitions);
            }
        }
        assignments
    }
}

#[cfg(test)]
#[path = "../tests/assign.rs"]
mod tests;
