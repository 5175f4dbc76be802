//! The way of one member from what it owns to its target.
//!
//! It first gives up what is not its target any more, and stays in its epoch until it reports that gone. Then it goes to
//! the target's epoch and gets what is free; what others still have it gets when they gave it up. A partition is free
//! when no member has it assigned or is still to give it up: so it never has two owners.

use std::sync::Arc;

use super::stored::MemberState;
use super::{Changes, ConsumerGroup, SubscribableTopics};
use crate::TopicUuid;
use crate::collections::FixedSet;
use crate::planted::{Mistake, planted};
use crate::seams::Instant;

impl ConsumerGroup {
    /// Takes a member one step further. `owned` is what it says it owns; `None` if it does not say. Whether it is
    /// assigned anything else than before.
    pub(super) fn reconcile(
        &mut self,
        id: &str,
        owned: Option<&[(TopicUuid, Vec<i32>)]>,
        subscription_changed: bool,
        now: Instant,
        topics: &dyn SubscribableTopics,
        changes: &mut Changes,
    ) -> bool {
        let Some(member) = self.members.get(id) else {
            return false;
        };
        match member.state {
            MemberState::Stable if member.epoch == self.assignment_epoch => false,
            MemberState::Revoking if owned.is_none_or(|owned| member.revoking.meets(owned)) => {
                subscription_changed && self.revoke_unsubscribed(id, now, topics, changes)
            }
            MemberState::Stable | MemberState::Revoking | MemberState::Waiting => {
                self.advance(id, owned, now, changes)
            }
        }
    }

    /// From what it was told that it owns towards its target. What it was to give up, it has.
    fn advance(
        &mut self,
        id: &str,
        owned: Option<&[(TopicUuid, Vec<i32>)]>,
        now: Instant,
        changes: &mut Changes,
    ) -> bool {
        let Some(member) = self.members.get_mut(id) else {
            return false;
        };
        let before = (member.epoch, member.state);
        let (kept, gone) = member
            .assigned
            .split(|topic, partition| member.target.contains(topic, partition));
        let owners = &self.owners;
        let (assigned, taken) = member.target.split(|topic, partition| {
            owners
                .get(&(topic, partition))
                .is_none_or(|owner| **owner == *id || planted(Mistake::GiveTwice))
        });
        let was_assigned = member.assigned.clone();
        let was_revoking = std::mem::take(&mut member.revoking);
        if !gone.is_empty() && owned.is_none_or(|owned| gone.meets(owned)) {
            member.state = MemberState::Revoking;
            member.assigned = kept;
            member.revoking = gone;
            member.revoke_by = Some(now.plus(member.rebalance_timeout));
        } else {
            if member.epoch != self.assignment_epoch {
                member.previous_epoch = member.epoch;
                member.epoch = self.assignment_epoch;
            }
            member.state = match taken.is_empty() {
                true => MemberState::Stable,
                false => MemberState::Waiting,
            };
            member.assigned = assigned;
            member.revoke_by = None;
        }
        let told = member.assigned != was_assigned;
        let same_sets = !told && member.revoking == was_revoking;
        if same_sets && before == (member.epoch, member.state) {
            return false;
        }
        changes.kept(&member.id);
        let wake = member.revoke_by;
        if !same_sets {
            for partition in was_assigned.iter().chain(was_revoking.iter()) {
                self.owners.remove(&partition);
            }
            let id: Arc<str> = member.id.clone();
            self.owners
                .extend(member.owned().map(|partition| (partition, id.clone())));
        }
        self.wake_by(wake);
        told
    }

    /// It still has to give partitions up, and now those of topics that it is not subscribed to any more as well.
    fn revoke_unsubscribed(
        &mut self,
        id: &str,
        now: Instant,
        topics: &dyn SubscribableTopics,
        changes: &mut Changes,
    ) -> bool {
        let Some(member) = self.members.get_mut(id) else {
            return false;
        };
        let subscribed = self.subscriptions.topics_of(&member.subscription, topics);
        let subscribed: FixedSet<TopicUuid> = subscribed.into_values().map(|(topic, _)| topic).collect();
        let (kept, gone) = member.assigned.split(|topic, _| subscribed.contains(&topic));
        if gone.is_empty() {
            return false;
        }
        member.assigned = kept;
        member.revoking = member.revoking.union(&gone);
        member.revoke_by = Some(now.plus(member.rebalance_timeout));
        changes.kept(&member.id);
        let wake = member.revoke_by;
        self.wake_by(wake);
        true
    }
}
