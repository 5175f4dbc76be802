//! Groups as their members meet them. The helpers here are shared by the tests of each subject.

mod client;
mod cost;
mod errors;
mod intervals;
mod limits;
mod metadata;
mod offsets;
mod random;
mod rebalance;
mod statics;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use uuid::Uuid;

use super::*;
use crate::groups::{GroupError, GroupLimits};

/// Partitions by topic, as on the wire.
pub(super) type List = Vec<(TopicUuid, Vec<i32>)>;

/// A catalog that the test changes.
#[derive(Clone, Default)]
pub(super) struct Topics {
    topics: BTreeMap<String, (TopicUuid, i32)>,
    version: i64,
    created: u128,
}

impl Topics {
    pub(super) fn of(topics: &[(&str, i32)]) -> Self {
        let mut catalog = Self::default();
        for (name, partitions) in topics {
            catalog.set(name, *partitions);
        }
        catalog
    }

    /// Creates the topic, or gives it that many partitions.
    pub(super) fn set(&mut self, name: &str, partitions: i32) -> TopicUuid {
        self.version += 1;
        self.created += 1;
        let new = (TopicUuid(Uuid::from_u128(self.created)), partitions);
        let topic = self.topics.entry(name.to_owned()).or_insert(new);
        topic.1 = partitions;
        topic.0
    }

    pub(super) fn remove(&mut self, name: &str) {
        self.version += 1;
        self.topics.remove(name);
    }

    pub(super) fn id(&self, name: &str) -> TopicUuid {
        self.topics[name].0
    }
}

impl SubscribableTopics for Topics {
    fn topic(&self, name: &str) -> Option<(TopicUuid, i32)> {
        self.topics.get(name).copied()
    }

    fn name(&self, id: TopicUuid) -> Option<Arc<str>> {
        let mut topics = self.topics.iter();
        topics
            .find(|(_, topic)| topic.0 == id)
            .map(|(name, _)| Arc::from(name.as_str()))
    }

    fn each(&self, visit: &mut dyn FnMut(&str)) {
        self.topics.keys().for_each(|name| visit(name));
    }

    fn version(&self) -> i64 {
        self.version
    }
}

pub(super) fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

pub(super) fn at(at: u64) -> Instant {
    Instant(secs(at))
}

/// A heartbeat that joins.
pub(super) fn join(member: &str, names: &[&str]) -> Heartbeat {
    Heartbeat {
        rebalance_timeout: Some(secs(300)),
        subscribed_names: Some(names.iter().map(|name| (*name).to_owned()).collect()),
        owned: Some(Vec::new()),
        ..keep_alive(member, 0)
    }
}

/// A heartbeat that says nothing new.
pub(super) fn keep_alive(member: &str, epoch: i32) -> Heartbeat {
    Heartbeat {
        member_id: member.to_owned(),
        member_epoch: epoch,
        client_id: Arc::from("client"),
        client_host: Arc::from("/10.0.0.1"),
        ..Heartbeat::default()
    }
}

/// A heartbeat that says what the member owns.
pub(super) fn owning(member: &str, epoch: i32, owned: &List) -> Heartbeat {
    Heartbeat {
        owned: Some(owned.clone()),
        ..keep_alive(member, epoch)
    }
}

/// The same as a static member.
pub(super) fn as_static(heartbeat: Heartbeat, instance: &str) -> Heartbeat {
    Heartbeat {
        instance_id: Some(instance.to_owned()),
        ..heartbeat
    }
}

/// A group with its topics and its time.
pub(super) struct World {
    pub(super) group: ConsumerGroup,
    pub(super) topics: Topics,
    pub(super) limits: GroupLimits,
    pub(super) now: Instant,
}

impl World {
    pub(super) fn new(topics: &[(&str, i32)]) -> Self {
        Self {
            group: ConsumerGroup::new(),
            topics: Topics::of(topics),
            limits: GroupLimits::default(),
            now: at(1000),
        }
    }

    pub(super) fn send(&mut self, heartbeat: Heartbeat) -> (Result<HeartbeatReply, GroupError>, Keep) {
        self.group
            .heartbeat(self.now, heartbeat, &self.topics, &self.limits)
    }

    /// A heartbeat that is answered.
    pub(super) fn beat(&mut self, heartbeat: Heartbeat) -> HeartbeatReply {
        self.send(heartbeat).0.unwrap()
    }

    /// A heartbeat that is refused, and changes nothing.
    pub(super) fn refused(&mut self, heartbeat: Heartbeat) -> GroupError {
        let before = self.snapshot();
        let (answer, keep) = self.send(heartbeat);
        assert!(keep.is_empty(), "{keep:?}");
        assert_eq!(self.snapshot(), before);
        answer.unwrap_err()
    }

    pub(super) fn snapshot(&self) -> (StoredConsumerGroup, Vec<StoredConsumerMember>) {
        let members = self.group.members.keys();
        let members = members.map(|id| self.group.stored_member(id).unwrap());
        (self.group.stored(), members.collect())
    }

    pub(super) fn pass(&mut self, time: Duration) -> Keep {
        self.now = self.now.plus(time);
        self.group.wake(self.now, &self.topics, &self.limits)
    }

    pub(super) fn assigned(&self, member: &str) -> List {
        self.group.stored_member(member).unwrap().assigned
    }

    /// Two members that share four partitions, in epoch 2.
    pub(super) fn pair() -> Self {
        let mut world = Self::new(&[("t", 4)]);
        let all = world.beat(join("a", &["t"])).assignment.unwrap();
        world.beat(join("b", &["t"]));
        let less = world.beat(owning("a", 1, &all)).assignment.unwrap();
        world.beat(owning("a", 1, &less));
        world.beat(keep_alive("b", 2));
        assert_eq!(world.group.state(), ConsumerState::Stable);
        world
    }
}
