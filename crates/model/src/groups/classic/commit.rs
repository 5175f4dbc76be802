//! Who may commit offsets.
//!
//! - Without a generation, while the group is Empty: anybody (a consumer that assigns itself, an admin client).
//! - A member of the current generation (25, 82, 22), also while the group prepares: that is when it gives up what it
//!   read. In Completing 27: it has heard of the generation, but not what it owns there.
//! - Without a generation, id and instance id while the group has members: 25.
//!
//! A commit restarts the member's session.

use super::{ClassicGroup, MemberRef, Phase};
use crate::groups::GroupError;
use crate::seams::Instant;

impl ClassicGroup {
    /// Whether a commit is accepted. `generation` is negative, and the member's ids are empty, if it comes from no member.
    pub fn check_commit(
        &mut self,
        now: Instant,
        member: &MemberRef,
        generation: i32,
    ) -> Result<(), GroupError> {
        if generation < 0 && self.phase == Phase::Empty {
            return Ok(());
        }
        self.check_member(&member.member_id, member.instance_id.as_deref())?;
        if generation != self.generation {
            return Err(GroupError::IllegalGeneration);
        }
        self.touch(now, &member.member_id);
        if self.phase == Phase::Completing {
            return Err(GroupError::RebalanceInProgress);
        }
        Ok(())
    }
}
