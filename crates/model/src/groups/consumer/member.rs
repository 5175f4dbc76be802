//! One member.

use std::sync::Arc;
use std::time::Duration;

use super::assign::Assignor;
use super::partitions::Partitions;
use super::stored::{MemberState, StoredConsumerMember};
use super::subscription::{Subscription, Subscriptions};
use crate::TopicUuid;
use crate::groups::GroupError;
use crate::seams::Instant;

/// The epoch of a heartbeat that leaves.
pub(super) const LEAVE: i32 = -1;

/// The epoch of a static member that leaves and will be back; also its epoch until then.
pub(super) const LEAVE_STATIC: i32 = -2;

pub(super) struct Member {
    pub(super) id: Arc<str>,
    pub(super) instance: Option<Arc<str>>,
    pub(super) rack: Option<Arc<str>>,
    pub(super) client_id: Arc<str>,
    pub(super) client_host: Arc<str>,
    pub(super) rebalance_timeout: Duration,
    pub(super) subscription: Arc<Subscription>,
    pub(super) assignor: Option<Assignor>,
    /// The last epoch that it was given, 0 before the first, or [`LEAVE_STATIC`].
    pub(super) epoch: i32,
    pub(super) previous_epoch: i32,
    pub(super) state: MemberState,
    /// What it was told that it owns.
    pub(super) assigned: Partitions,
    /// What it was told to give up and has not reported gone. Empty unless it is `Revoking`.
    pub(super) revoking: Partitions,
    /// What it is to own.
    pub(super) target: Partitions,
    /// When its session began or was last prolonged.
    pub(super) heard: Instant,
    /// When it is fenced unless it has given up what it is to.
    pub(super) revoke_by: Option<Instant>,
}

impl Member {
    /// Judges the epoch that a member comes with.
    ///
    /// Its own, or 0 to begin again: fine. The one before, with nothing that it does not own: the answer with the new
    /// epoch was lost. Anything else: `FencedMemberEpoch`.
    pub(super) fn check_epoch(
        &self,
        epoch: i32,
        owned: Option<&[(TopicUuid, Vec<i32>)]>,
    ) -> Result<(), GroupError> {
        let lost = epoch < self.epoch
            && epoch == self.previous_epoch
            && owned.is_some_and(|owned| self.assigned.covers(owned));
        if epoch == 0 || epoch == self.epoch || lost {
            Ok(())
        } else {
            Err(GroupError::FencedMemberEpoch)
        }
    }

    /// Whether it has all that the target of this epoch gives it.
    pub(super) fn is_reconciled(&self, assignment_epoch: i32) -> bool {
        self.state == MemberState::Stable && self.epoch == assignment_epoch
    }

    /// What nobody else may have.
    pub(super) fn owned(&self) -> impl Iterator<Item = (TopicUuid, i32)> {
        self.assigned.iter().chain(self.revoking.iter())
    }

    /// Bytes of what it brought along.
    pub(super) fn bytes(&self) -> usize {
        let optional = [&self.instance, &self.rack];
        let optional: usize = optional
            .iter()
            .filter_map(|text| text.as_ref())
            .map(|text| text.len())
            .sum();
        self.id.len() + optional + self.client_id.len() + self.client_host.len() + self.subscription.bytes
    }

    pub(super) fn stored(&self) -> StoredConsumerMember {
        StoredConsumerMember {
            member_id: self.id.clone(),
            instance_id: self.instance.clone(),
            rack: self.rack.clone(),
            client_id: self.client_id.clone(),
            client_host: self.client_host.clone(),
            rebalance_timeout: self.rebalance_timeout,
            subscribed_names: self.subscription.names.clone(),
            subscribed_regex: self.subscription.regex.clone(),
            assignor: self.assignor.map(|assignor| assignor.name().to_owned()),
            member_epoch: self.epoch,
            previous_epoch: self.previous_epoch,
            state: self.state,
            assigned: self.assigned.to_list(),
            revoking: self.revoking.to_list(),
            target: self.target.to_list(),
        }
    }

    /// The member as it was kept; its timers begin now.
    pub(super) fn restore(
        stored: StoredConsumerMember,
        subscriptions: &mut Subscriptions,
        now: Instant,
    ) -> Self {
        let subscription = Subscription::new(stored.subscribed_names, stored.subscribed_regex);
        let subscription = subscriptions.add(subscription);
        let revokes = stored.state == MemberState::Revoking;
        Self {
            id: stored.member_id,
            instance: stored.instance_id,
            rack: stored.rack,
            client_id: stored.client_id,
            client_host: stored.client_host,
            rebalance_timeout: stored.rebalance_timeout,
            subscription,
            assignor: stored.assignor.as_deref().and_then(Assignor::named),
            epoch: stored.member_epoch,
            previous_epoch: stored.previous_epoch,
            state: stored.state,
            assigned: Partitions::from_list(stored.assigned),
            revoking: Partitions::from_list(stored.revoking),
            target: Partitions::from_list(stored.target),
            heard: now,
            revoke_by: revokes.then(|| now.plus(stored.rebalance_timeout)),
        }
    }
}
