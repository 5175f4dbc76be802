//! A static member that comes back without its member id (KIP-345): after a restart of its process.
//!
//! It takes the place of the member that has its instance id, under a new member id, at once: calls of the old id that
//! wait are answered 82, and whoever still uses the old id with the instance id hears 82 as well. Then
//! - Stable, and the protocol would be chosen again: no rebalance. The new id is kept before it is told. If the member is
//!   the leader it must not assign: it is told so (v9+, KIP-814), or is told the old id as leader (v5-8);
//! - Stable with another protocol, or Completing: a rebalance. (In Completing the leader may know the old id only.)
//! - Preparing: it has joined.
//!
//! That a member comes with an id that nobody has, and with the instance id, is no such return: that is 82.

use std::sync::Arc;

use super::roster::told_bytes;
use super::{ClassicGroup, Effects, Join, Phase};
use crate::groups::{CallId, GroupError};
use crate::seams::Instant;

impl ClassicGroup {
    pub(super) fn take_over(
        &mut self,
        now: Instant,
        call: CallId,
        old: &Arc<str>,
        join: Join,
        effects: &mut Effects,
    ) -> Result<(), GroupError> {
        self.check_unused(&join.new_member_id)?;
        let Some(member) = self.roster.get(old) else {
            return Err(GroupError::UnknownMemberId);
        };
        self.check_bytes(member.told_bytes(), told_bytes(&join))?;

        let id: Arc<str> = Arc::from(&*join.new_member_id);
        let can_skip_assignment = join.can_skip_assignment;
        let leader_before = self.leader.as_deref().unwrap_or_default().to_owned();
        if let Some(earlier) = self.roster.set_join_call(old, None) {
            effects.refuse_join(earlier, GroupError::FencedInstanceId, old.to_string());
        }
        if let Some(mut member) = self.roster.remove(old) {
            if let Some(earlier) = member.sync_call.take() {
                effects.refuse_sync(earlier, GroupError::FencedInstanceId);
            }
            member.id = id.clone();
            member.is_new = false;
            member.update(join);
            self.roster.insert(member);
        }
        if self.is_leader(old) {
            self.leader = Some(id.clone());
        }
        if self.unsynced.remove(old) {
            self.unsynced.insert(id.clone());
        }
        self.sessions.clear(old);

        let stays = self.phase == Phase::Stable
            && self.protocol.is_some()
            && self.roster.elect_protocol(self.leader.as_deref()) == self.protocol;
        if !stays {
            self.roster.set_join_call(&id, Some(call));
            self.rebalance_or_complete(now, effects);
            return Ok(());
        }
        self.touch(now, &id);
        self.keep(effects);
        let is_leader = self.is_leader(&id);
        let mut joined = self.joined(&id, is_leader && can_skip_assignment);
        joined.skip_assignment = is_leader && can_skip_assignment;
        if !can_skip_assignment {
            joined.leader = leader_before;
        }
        effects.joined(call, joined);
        Ok(())
    }
}
