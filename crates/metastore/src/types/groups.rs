//! Groups as the metastore keeps them: who coordinates them, what a coordinator must find again, and committed offsets.
//!
//! What a group's and a member's state says is the coordinator's business: bytes here.

use std::sync::Arc;

use bytes::Bytes;
use esker_model::{IncarnationId, PartitionKey, ShardId};

use crate::Result;
use crate::group_rounds::check_shard;

/// Most changes that one [`crate::Groups::write_groups`] carries. More wait for the next call.
pub const GROUP_CHANGES_MAX: usize = 2_000;

/// Most offsets that one [`crate::Groups::write_groups`] carries, unless a single change has more.
pub const GROUP_OFFSETS_MAX: usize = 20_000;

/// The right to coordinate a shard: it ends when somebody else takes the shard, with a higher epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ShardLease {
    /// The shard.
    pub shard: ShardId,
    /// Goes up by one each time the shard is taken.
    pub epoch: i64,
}

/// Who coordinates a shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShardOwner {
    /// The shard, and the epoch in which it was taken last.
    pub lease: ShardLease,
    /// Who took it; `None` if it was given back since, or if whoever took it does not live any more.
    pub incarnation: Option<IncarnationId>,
}

/// A group that a coordinator finds again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredGroup {
    /// Its id.
    pub id: Arc<str>,
    /// What was put last.
    pub state: Bytes,
    /// Its members with what was put last for each, ascending by id.
    pub members: Vec<(Arc<str>, Bytes)>,
}

/// What becomes of a group's own state.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum StateChange {
    /// Nothing.
    #[default]
    Keep,
    /// It is put in the place of what was there, if anything was.
    Put {
        /// The new one.
        state: Bytes,
        /// The group has no members. Since when, the metastore knows: from the first time that this was said on.
        empty: bool,
    },
    /// The group goes, with its members and offsets; those of the change itself, too.
    Delete,
    /// The group goes if no offset is kept for it, once members and offsets of the change itself are made; else nothing
    /// happens to it.
    DeleteWithoutOffsets,
}

/// Where a group goes on reading a partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommittedOffset {
    /// The next record to read.
    pub offset: i64,
    /// Leader epoch of the last record read; -1 if it was not told.
    pub leader_epoch: i32,
    /// What the client keeps with it.
    pub metadata: Arc<str>,
}

/// What is to be kept of one group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupChange {
    /// Who says so. Its shard is the group's ([`esker_model::groups::shard_of`]).
    pub lease: ShardLease,
    /// The group. One that has no state, and gets none here, keeps neither members nor offsets.
    pub group: Arc<str>,
    /// Its own state.
    pub state: StateChange,
    /// Members to put, or to forget, each at most once.
    pub members: Vec<(Arc<str>, Option<Bytes>)>,
    /// Offsets to put, or to forget, each partition at most once.
    pub offsets: Vec<(PartitionKey, Option<CommittedOffset>)>,
}

/// What is to be kept of groups.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupWrites {
    /// Who coordinates them.
    pub incarnation: IncarnationId,
    /// From 1 on; goes up with each attempt of an incarnation. Under a lease, a call that is not higher than one that was
    /// made before comes late: it is refused.
    pub number: u64,
    /// In order: of one group, partition or member the last one stands.
    pub changes: Vec<GroupChange>,
}

/// A question for committed offsets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OffsetsRequest {
    /// The group.
    pub group: Arc<str>,
    /// Of which partitions; `None`: of all.
    pub partitions: Option<Vec<PartitionKey>>,
}

/// What became of offsets whose time was over.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Expired {
    /// As many were found as the call could take: there may be more.
    pub more: bool,
    /// Groups without members for which no offset is kept, ascending.
    pub unused: Vec<Arc<str>>,
}

/// Names a committed offset: whose it is, and of which partition.
pub type OffsetOf = (Arc<str>, PartitionKey);

/// Offsets to forget, if they are old.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ForgetOffsets {
    /// Who coordinates their groups.
    pub incarnation: IncarnationId,
    /// Of all their groups.
    pub lease: ShardLease,
    /// As [`GroupWrites::number`], of the same row of numbers.
    pub number: u64,
    /// How long ago they must have been committed.
    pub age_ms: i64,
    /// Which.
    pub offsets: Vec<OffsetOf>,
}

impl ForgetOffsets {
    /// Errors: `Corrupt` if a group is not of the lease's shard.
    pub(crate) fn check(&self) -> Result<()> {
        let mut groups = self.offsets.iter().map(|(group, _)| group);
        groups.try_for_each(|group| check_shard(self.incarnation, self.lease, group))
    }
}

/// Offsets that were committed, ascending by partition; partitions without one are left out.
pub type CommittedOffsets = Vec<(PartitionKey, CommittedOffset)>;
