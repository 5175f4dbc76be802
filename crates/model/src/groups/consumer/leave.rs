//! How members go: by themselves, removed by an operator, or fenced because they were silent or too slow.
//!
//! Each goes with its partitions, and the next heartbeat of anybody makes a new target. A static member that will be back
//! stays a member, with its partitions, until its session ends.

use std::sync::Arc;
use std::time::Duration;

use super::heartbeat::{Heartbeat, HeartbeatReply};
use super::member::LEAVE_STATIC;
use super::partitions::Partitions;
use super::stored::MemberState;
use super::{Changes, ConsumerGroup, Keep, SubscribableTopics};
use crate::groups::{GroupError, GroupLimits};
use crate::seams::Instant;

impl ConsumerGroup {
    /// A heartbeat with epoch -1 or -2.
    pub(super) fn leave_by_heartbeat(
        &mut self,
        now: Instant,
        heartbeat: Heartbeat,
        changes: &mut Changes,
    ) -> Result<HeartbeatReply, GroupError> {
        if self.epoch == 0 {
            return Err(GroupError::GroupIdNotFound);
        }
        let id = self.find(&heartbeat.member_id, heartbeat.instance_id.as_deref(), false)?;
        if heartbeat.member_epoch == LEAVE_STATIC {
            self.leave_for_a_while(&id, changes);
        } else {
            self.remove(&id, changes);
            self.raise_epoch(now, changes);
        }
        Ok(HeartbeatReply {
            member_id: heartbeat.member_id,
            member_epoch: heartbeat.member_epoch,
            heartbeat_interval: Duration::ZERO,
            assignment: None,
        })
    }

    /// Removes a member, as LeaveGroup may ask: by its id, or by its instance id with an empty or its own member id.
    ///
    /// There is none: `UnknownMemberId`; the instance id is another member's: `FencedInstanceId`.
    pub fn leave(
        &mut self,
        now: Instant,
        member_id: &str,
        instance_id: Option<&str>,
    ) -> (Result<(), GroupError>, Keep) {
        let mut changes = Changes::default();
        let found = self.find(member_id, instance_id, true);
        let answer = found.map(|id| {
            self.remove(&id, &mut changes);
            self.raise_epoch(now, &mut changes);
        });
        (answer, changes.keep())
    }

    /// Ends the sessions of members that were not heard of, and of those that did not give up in time what they were to.
    pub fn wake(&mut self, now: Instant, _topics: &dyn SubscribableTopics, limits: &GroupLimits) -> Keep {
        let mut changes = Changes::default();
        let mut overdue: Vec<Arc<str>> = Vec::new();
        self.wake_at = None;
        let mut next: Option<Instant> = None;
        for member in self.members.values() {
            let session = member.heard.plus(limits.consumer_session_timeout);
            let first = member
                .revoke_by
                .map_or(session, |revoke_by| revoke_by.min(session));
            if first <= now {
                overdue.push(member.id.clone());
            } else {
                next = Some(next.map_or(first, |next| next.min(first)));
            }
        }
        self.wake_at = next;
        if !overdue.is_empty() {
            self.raise_epoch(now, &mut changes);
        }
        for id in overdue {
            self.remove(&id, &mut changes);
        }
        changes.keep()
    }

    /// The member that is meant.
    fn find(
        &self,
        member_id: &str,
        instance: Option<&str>,
        by_instance: bool,
    ) -> Result<Arc<str>, GroupError> {
        let Some(instance) = instance else {
            let member = self.members.get(member_id).ok_or(GroupError::UnknownMemberId)?;
            return Ok(member.id.clone());
        };
        let holder = self.statics.get(instance).ok_or(GroupError::UnknownMemberId)?;
        let unnamed = by_instance && member_id.is_empty();
        if **holder == *member_id || unnamed {
            Ok(holder.clone())
        } else {
            Err(GroupError::FencedInstanceId)
        }
    }

    /// It gives up what it was to, keeps the rest, and may come again with any member id.
    fn leave_for_a_while(&mut self, id: &Arc<str>, changes: &mut Changes) {
        let Some(member) = self.members.get_mut(id) else {
            return;
        };
        if member.epoch == LEAVE_STATIC {
            return;
        }
        member.epoch = LEAVE_STATIC;
        if member.state == MemberState::Revoking {
            member.state = MemberState::Stable;
        }
        member.revoke_by = None;
        let revoked: Partitions = std::mem::take(&mut member.revoking);
        changes.kept(id);
        for partition in revoked.iter() {
            self.owners.remove(&partition);
        }
    }

    fn remove(&mut self, id: &Arc<str>, changes: &mut Changes) {
        if let Some(member) = self.take(id) {
            self.subscriptions.remove(&member.subscription);
            changes.gone(id);
        }
        if self.members.is_empty() {
            self.wake_at = None;
        }
    }
}
