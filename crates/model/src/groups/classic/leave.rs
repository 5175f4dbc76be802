//! LeaveGroup, of one member or of several (v3+).
//!
//! A member that leaves is removed at once, and the others rebalance. An instance id without a member id removes whoever
//! has it: that is how an administrator removes a static member. A pending id is forgotten. 25 and 82 as everywhere.

use std::sync::Arc;

use super::{ClassicGroup, Effects, MemberRef};
use crate::groups::{GroupError, GroupLimits};
use crate::seams::Instant;

impl ClassicGroup {
    /// Members leave. The results stand in the order of `members`.
    pub fn leave(
        &mut self,
        now: Instant,
        members: &[MemberRef],
        _limits: &GroupLimits,
    ) -> (Vec<Result<(), GroupError>>, Effects) {
        let mut effects = Effects::default();
        let mut left = false;
        let mut forgotten = false;
        let mut results = Vec::with_capacity(members.len());
        for member in members {
            if self.pending.remove(&*member.member_id) {
                self.sessions.clear(&member.member_id);
                forgotten = true;
                results.push(Ok(()));
                continue;
            }
            let id = self.leaving(member);
            if let Ok(id) = &id {
                self.remove(id, GroupError::UnknownMemberId, &mut effects);
                left = true;
            }
            results.push(id.map(|_| ()));
        }
        if left {
            self.rebalance_or_complete(now, &mut effects);
        } else if forgotten {
            self.complete_join_if_all_joined(now, &mut effects);
        }
        (results, effects)
    }

    fn leaving(&self, member: &MemberRef) -> Result<Arc<str>, GroupError> {
        if !member.member_id.is_empty() {
            self.check_member(&member.member_id, member.instance_id.as_deref())?;
            return Ok(Arc::from(&*member.member_id));
        }
        member
            .instance_id
            .as_deref()
            .and_then(|instance_id| self.roster.of_instance(instance_id))
            .cloned()
            .ok_or(GroupError::UnknownMemberId)
    }
}
