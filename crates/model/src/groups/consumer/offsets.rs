//! Who may commit and fetch offsets.

use super::ConsumerGroup;
use crate::groups::GroupError;

impl ConsumerGroup {
    /// Whether a commit may come from this member in this epoch.
    ///
    /// Without a member (epoch -1): only while there are no members. Unknown: `UnknownMemberId`. Not its epoch:
    /// `StaleMemberEpoch`. Kafka does not look at the instance id here, and neither does this. A transactional commit
    /// that names no member is not asked about.
    pub fn check_commit(
        &mut self,
        member_id: &str,
        _instance_id: Option<&str>,
        member_epoch: i32,
    ) -> Result<(), GroupError> {
        if member_epoch < 0 && self.members.is_empty() {
            return Ok(());
        }
        self.check_member(member_id, member_epoch)
    }

    /// Whether a fetch of offsets may come from this member in this epoch; without a member (epoch -1, no id) always.
    ///
    /// Unknown: `UnknownMemberId`. Not its epoch: `StaleMemberEpoch`.
    pub fn check_fetch(&self, member_id: &str, member_epoch: i32) -> Result<(), GroupError> {
        if member_id.is_empty() && member_epoch < 0 {
            return Ok(());
        }
        self.check_member(member_id, member_epoch)
    }

    fn check_member(&self, member_id: &str, member_epoch: i32) -> Result<(), GroupError> {
        match self.members.get(member_id) {
            None => Err(GroupError::UnknownMemberId),
            Some(member) if member.epoch != member_epoch => Err(GroupError::StaleMemberEpoch),
            Some(_) => Ok(()),
        }
    }
}
