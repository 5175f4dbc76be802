//! Consumer groups of KIP-848: the group assigns the partitions, its members follow one heartbeat at a time.
//!
//! A heartbeat passes these stages: is it well formed and from a member (`heartbeat`, `join`); what does it change; is
//! there a new group epoch, and what is its target (`target`, made by an assignor of `assign`); one step of this member
//! towards its target (`reconcile`); when it is to come again (`pace`). Everything is one call: whoever runs the group
//! keeps what [`Keep`] names, in one transaction, and then sends the answer.
//!
//! What always holds:
//! - no partition is assigned to two members, or to one while another has not reported it gone, or was not fenced for
//!   being silent or too slow;
//! - a group epoch has one target, which covers every partition of the subscribed topics once;
//! - a member's epoch only rises, and a member that comes again under its id is given a higher one than before;
//! - a heartbeat that is refused changes nothing.
//!
//! On failure: an answer that was lost is given again to the member that comes with its former epoch. A group that is
//! restored from what was last kept goes on where it was: who was told something knows no more than what was kept.

mod assign;
mod describe;
mod heartbeat;
mod join;
mod leave;
mod member;
mod offsets;
mod pace;
mod partitions;
mod pattern;
mod reconcile;
mod stored;
mod subscription;
mod target;

use std::collections::BTreeMap;
use std::sync::Arc;

pub use self::assign::Assignor;
pub use self::describe::{ConsumerState, Described, DescribedMember};
pub use self::heartbeat::{Heartbeat, HeartbeatReply, is_blank};
pub use self::stored::{MemberState, StoredConsumerGroup, StoredConsumerMember};

use self::member::Member;
use self::subscription::Subscriptions;
use crate::TopicUuid;
use crate::collections::FixedMap;
use crate::seams::Instant;

#[cfg(test)]
mod tests;

/// What a group can see of topics: the catalog of whoever runs it.
pub trait SubscribableTopics {
    /// The id of the topic with this name, and how many partitions it has.
    fn topic(&self, name: &str) -> Option<(TopicUuid, i32)>;
    /// The name of the topic with this id.
    fn name(&self, id: TopicUuid) -> Option<Arc<str>>;
    /// Shows the name of every topic.
    fn each(&self, visit: &mut dyn FnMut(&str));
    /// Changes whenever any of this changes.
    fn version(&self) -> i64;
}

/// What must be kept before the answer goes out, all of it or none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Keep {
    /// The group itself.
    pub group: bool,
    /// Members, each once; false: it is gone.
    pub members: Vec<(Arc<str>, bool)>,
}

impl Keep {
    /// Whether there is nothing to keep.
    pub fn is_empty(&self) -> bool {
        !self.group && self.members.is_empty()
    }
}

/// What an event changed so far.
#[derive(Default)]
struct Changes {
    group: bool,
    members: BTreeMap<Arc<str>, bool>,
}

impl Changes {
    fn kept(&mut self, member: &Arc<str>) {
        self.members.insert(member.clone(), true);
    }

    fn gone(&mut self, member: &Arc<str>) {
        self.members.insert(member.clone(), false);
    }

    fn keep(self) -> Keep {
        Keep {
            group: self.group,
            members: self.members.into_iter().collect(),
        }
    }
}

/// A consumer group of KIP-848.
#[derive(Default)]
pub struct ConsumerGroup {
    epoch: i32,
    /// When that was raised last; not known of a group that was restored.
    raised_at: Option<Instant>,
    assignment_epoch: i32,
    metadata_hash: i64,
    members: BTreeMap<Arc<str>, Member>,
    /// The members with an instance id, by it.
    statics: BTreeMap<Arc<str>, Arc<str>>,
    /// Who has a partition assigned, or is still to give it up.
    owners: FixedMap<(TopicUuid, i32), Arc<str>>,
    subscriptions: Subscriptions,
    /// Bytes that the members brought along.
    bytes: usize,
    /// Nothing happens by itself before; it may be that nothing happens then either.
    wake_at: Option<Instant>,
}

impl ConsumerGroup {
    /// A group that nobody has joined yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// The group as it was kept. Sessions begin now, and so do the timers of members that are to give partitions up.
    pub fn restore(group: StoredConsumerGroup, members: Vec<StoredConsumerMember>, now: Instant) -> Self {
        let mut restored = Self {
            epoch: group.group_epoch,
            assignment_epoch: group.assignment_epoch,
            metadata_hash: group.metadata_hash,
            // How long sessions are is known with the first event.
            wake_at: (!members.is_empty()).then_some(now),
            ..Self::default()
        };
        for stored in members {
            let member = Member::restore(stored, &mut restored.subscriptions, now);
            let id = member.id.clone();
            restored.bytes += member.bytes();
            restored
                .owners
                .extend(member.owned().map(|partition| (partition, id.clone())));
            if let Some(instance) = &member.instance {
                restored.statics.insert(instance.clone(), id.clone());
            }
            restored.members.insert(id, member);
        }
        restored
    }

    /// The group as it is to be kept, without its members.
    pub fn stored(&self) -> StoredConsumerGroup {
        StoredConsumerGroup {
            group_epoch: self.epoch,
            assignment_epoch: self.assignment_epoch,
            metadata_hash: self.metadata_hash,
        }
    }

    /// A member as it is to be kept.
    pub fn stored_member(&self, id: &str) -> Option<StoredConsumerMember> {
        self.members.get(id).map(Member::stored)
    }

    /// When [`ConsumerGroup::wake`] is to be called; never, as long as nothing else happens, if `None`. Sooner than
    /// something happens, at times: heartbeats prolong sessions without moving it.
    pub fn next_wake(&self) -> Option<Instant> {
        self.wake_at
    }

    /// The limits are others than before: whether sessions are over is to be looked at again.
    pub fn look_again(&mut self, now: Instant) {
        if !self.members.is_empty() {
            self.wake_by(Some(now));
        }
    }

    /// Whether it has no members.
    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// How many members it has.
    pub fn size(&self) -> usize {
        self.members.len()
    }

    /// The epoch in which partitions were given out last.
    pub fn assignment_epoch(&self) -> i32 {
        self.assignment_epoch
    }

    /// Bytes that are kept for its members, without their assignments.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Whether any member is subscribed to the topic, by its name or by an expression.
    pub fn is_subscribed(&self, topic: &str) -> bool {
        self.subscriptions.include(topic)
    }

    /// Whether every expression was matched with topics: before, [`ConsumerGroup::is_subscribed`] has to read them.
    pub fn has_matched(&self) -> bool {
        self.subscriptions.have_matched()
    }

    /// Sees to it that the group is woken by then.
    fn wake_by(&mut self, at: Option<Instant>) {
        if let Some(at) = at {
            self.wake_at = Some(self.wake_at.map_or(at, |before| before.min(at)));
        }
    }
}
