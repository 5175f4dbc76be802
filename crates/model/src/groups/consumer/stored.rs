//! What a group keeps, as plain data: enough for another agent to go on with it.
//!
//! The timers are not kept: they begin again where the group is taken over. What a regular expression stands for is not
//! kept either: it is looked up again, and only if the answer is not the former one there is a new epoch.

use std::sync::Arc;
use std::time::Duration;

use crate::TopicUuid;

/// A group without its members.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoredConsumerGroup {
    /// Raised whenever the members, what they subscribe to, or the topics change; from 1.
    pub group_epoch: i32,
    /// The group epoch that the members' targets were made for.
    pub assignment_epoch: i32,
    /// A hash of the subscribed topics, their ids and partitions, as they were when the epoch was last looked at.
    pub metadata_hash: i64,
}

/// How far a member is on its way to its target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MemberState {
    /// It has what its epoch gives it.
    Stable,
    /// It was told to give partitions up and has not reported them gone.
    Revoking,
    /// Others still have partitions of its target.
    Waiting,
}

/// One member, with its assignment and its target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredConsumerMember {
    /// The member's id.
    pub member_id: Arc<str>,
    /// The group instance id of a static member (KIP-345).
    pub instance_id: Option<Arc<str>>,
    /// The rack that it says it is in.
    pub rack: Option<Arc<str>>,
    /// The client id of its last heartbeat.
    pub client_id: Arc<str>,
    /// The address of its last heartbeat.
    pub client_host: Arc<str>,
    /// How long it may take to give partitions up.
    pub rebalance_timeout: Duration,
    /// The topics that it names, ascending.
    pub subscribed_names: Vec<Arc<str>>,
    /// The regular expression that it subscribes to.
    pub subscribed_regex: Option<Arc<str>>,
    /// The assignor that it would like.
    pub assignor: Option<String>,
    /// The epoch that it was given, or -2: a static member that will be back.
    pub member_epoch: i32,
    /// The epoch before that.
    pub previous_epoch: i32,
    /// See there.
    pub state: MemberState,
    /// What it was told that it owns.
    pub assigned: Vec<(TopicUuid, Vec<i32>)>,
    /// What it was told to give up and has not reported gone.
    pub revoking: Vec<(TopicUuid, Vec<i32>)>,
    /// What it is to own.
    pub target: Vec<(TopicUuid, Vec<i32>)>,
}
