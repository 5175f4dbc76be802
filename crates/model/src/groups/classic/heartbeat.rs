//! Heartbeat: 25, 82, then 22; Preparing 27, so that the member joins; else nothing. All but the refusals of a member that
//! is not one of this generation restart the session.

use super::{ClassicGroup, MemberRef, Phase};
use crate::groups::GroupError;
use crate::seams::Instant;

impl ClassicGroup {
    /// A member says that it is there.
    pub fn heartbeat(&mut self, now: Instant, member: &MemberRef, generation: i32) -> Result<(), GroupError> {
        self.check_member(&member.member_id, member.instance_id.as_deref())?;
        if generation != self.generation {
            return Err(GroupError::IllegalGeneration);
        }
        self.touch(now, &member.member_id);
        match self.phase {
            Phase::Preparing { .. } => Err(GroupError::RebalanceInProgress),
            Phase::Completing | Phase::Stable => Ok(()),
            Phase::Empty => Err(GroupError::UnknownMemberId),
        }
    }
}
