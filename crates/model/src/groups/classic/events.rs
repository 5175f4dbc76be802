//! What members ask of a group.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

/// JoinGroup.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Join {
    /// Empty if the member has none yet.
    pub member_id: String,
    /// `group.instance.id` of a static member (KIP-345, v5+).
    pub instance_id: Option<String>,
    /// Its client id.
    pub client_id: Arc<str>,
    /// Where it comes from.
    pub client_host: Arc<str>,
    /// How long nothing may be heard of it.
    pub session_timeout: Duration,
    /// How long it may take to join, and then to sync; v0: the session timeout.
    pub rebalance_timeout: Duration,
    /// `consumer`, `connect` and so on.
    pub protocol_type: String,
    /// The assignors it knows, the one it likes best first, each with its metadata. Of a name that is there twice the
    /// first one counts.
    pub protocols: Vec<(String, Bytes)>,
    /// A new dynamic member is told its id first (KIP-394, v4+).
    pub id_required: bool,
    /// A static leader that comes back can be told not to assign (KIP-814, v9+).
    pub can_skip_assignment: bool,
    /// The id that the member gets if it needs one, drawn by whoever runs the group; at most
    /// [`MEMBER_ID_BYTES_MAX`](crate::groups::MEMBER_ID_BYTES_MAX) bytes.
    pub new_member_id: String,
    /// Why it joins, as it says (v8+). Changes nothing.
    pub reason: Option<String>,
}

/// SyncGroup.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sync {
    /// Who asks.
    pub member_id: String,
    /// As in [`Join::instance_id`].
    pub instance_id: Option<String>,
    /// The generation that its Join was answered with.
    pub generation: i32,
    /// What it takes the group's protocol type for (KIP-559, v5+).
    pub protocol_type: Option<String>,
    /// What it takes the group's protocol for (KIP-559, v5+).
    pub protocol: Option<String>,
    /// What the leader gives to each member id. Passed on as it is; members that are left out get an empty one.
    pub assignments: Vec<(String, Bytes)>,
}

/// A member as Heartbeat, LeaveGroup and OffsetCommit name it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MemberRef {
    /// Its id; empty to remove a static member by its instance id alone.
    pub member_id: String,
    /// As in [`Join::instance_id`].
    pub instance_id: Option<String>,
}
