//! Consumer groups as rules: an event goes in, effects come out. No I/O, no clock, no task.
//!
//! A group is one of two kinds, by the protocol that its members speak: classic (JoinGroup, SyncGroup), where one member
//! assigns the partitions, or that of KIP-848, where the group does. Whoever runs a group gives it the time with each
//! event, asks it when it wants to be woken, keeps what it is told to keep, and answers the calls that it names.
//!
//! What always holds:
//! - a generation (member epoch) is never given twice, and never goes back;
//! - no two members that know the same generation own the same partition;
//! - a call is answered exactly once;
//! - everything is bounded by [`GroupLimits`] and the constants here.

pub mod classic;
pub mod consumer;
mod limits;
mod shard;

pub use limits::*;
pub use shard::{SHARDS, shard_of};

/// A request that waits for its answer, as whoever runs the group knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CallId(pub u64);

/// Why a group refuses. Each stands for one of Kafka's error codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, thiserror::Error)]
pub enum GroupError {
    /// 22: the member's generation is not the group's.
    #[error("illegal generation")]
    IllegalGeneration,
    /// 23: none of the member's protocols is one that all others have, or it names none.
    #[error("inconsistent group protocol")]
    InconsistentGroupProtocol,
    /// 24: the group's id is empty or too long.
    #[error("invalid group id")]
    InvalidGroupId,
    /// 25: nobody here has that member id.
    #[error("unknown member id")]
    UnknownMemberId,
    /// 26: outside of `group.min.session.timeout.ms` to `group.max.session.timeout.ms`.
    #[error("invalid session timeout")]
    InvalidSessionTimeout,
    /// 27: the member has to join again.
    #[error("rebalance in progress")]
    RebalanceInProgress,
    /// 42: the request contradicts itself.
    #[error("invalid request")]
    InvalidRequest,
    /// 68: the group has members.
    #[error("non-empty group")]
    NonEmptyGroup,
    /// 69: there is no such group, or it is of the other kind.
    #[error("group id not found")]
    GroupIdNotFound,
    /// 79: the member is to come again with the id that it was given (KIP-394).
    #[error("member id required")]
    MemberIdRequired,
    /// 81: `group.max.size` (or `group.consumer.max.size`) is reached.
    #[error("group max size reached")]
    GroupMaxSizeReached,
    /// 82: another member took over the group instance id (KIP-345).
    #[error("fenced instance id")]
    FencedInstanceId,
    /// 86: the group is subscribed to the topic.
    #[error("group subscribed to topic")]
    GroupSubscribedToTopic,
    /// 110: the member's epoch is not the one that the group gave it.
    #[error("fenced member epoch")]
    FencedMemberEpoch,
    /// 111: another member still has the instance id.
    #[error("unreleased instance id")]
    UnreleasedInstanceId,
    /// 112: there is no such server-side assignor.
    #[error("unsupported assignor")]
    UnsupportedAssignor,
    /// 113: as 110, for commits and fetches of offsets.
    #[error("stale member epoch")]
    StaleMemberEpoch,
    /// 128: the regular expression cannot be read, or is too large.
    #[error("invalid regular expression")]
    InvalidRegularExpression,
}
