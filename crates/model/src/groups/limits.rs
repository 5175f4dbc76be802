//! The limits of groups, by Kafka's names where Kafka has one.

use std::time::Duration;

/// Longest group id in bytes; a longer one is answered 24. Kafka has no limit of its own; a database's index has.
pub const GROUP_ID_BYTES_MAX: usize = 1024;

/// Longest member id and group instance id in bytes. A longer instance id is answered 42; the client id that a member
/// id begins with is cut.
pub const MEMBER_ID_BYTES_MAX: usize = 512;

/// Bytes of metadata (or of an assignment) that a group keeps for one member; more is answered 42.
pub const MEMBER_METADATA_BYTES_MAX: usize = 1 << 20;

/// Bytes of metadata and assignments that a group keeps for all its members; who comes beyond that is answered 81.
pub const GROUP_BYTES_MAX: usize = 64 << 20;

/// Protocols that a classic member may name; more is answered 42.
pub const MEMBER_PROTOCOLS_MAX: usize = 100;

/// Topics that a member may subscribe to by name; more is answered 42.
pub const SUBSCRIBED_TOPICS_MAX: usize = 20_000;

/// Longest regular expression of a subscription in bytes, and its compiled size; beyond it is answered 128.
pub const REGEX_BYTES_MAX: usize = 4096;
/// See [`REGEX_BYTES_MAX`].
pub const REGEX_COMPILED_BYTES_MAX: usize = 1 << 20;

/// Ids that were given out and not used yet (KIP-394) are kept for the session timeout, at most so many for a group:
/// who comes beyond that is answered 81.
pub const PENDING_MEMBERS_MAX: usize = 10_000;

/// How long a member that has not been given its first generation may take to be there: Kafka's own constant.
pub const NEW_MEMBER_JOIN_TIMEOUT: Duration = Duration::from_secs(5 * 60);

/// How long a member of KIP-848 may take to give partitions up if what it says makes no sense: what Kafka's own consumer
/// says unless it is told otherwise.
pub const REBALANCE_TIMEOUT_DEFAULT: Duration = Duration::from_secs(5 * 60);

/// The settings of groups: Kafka's names, defaults and bounds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupLimits {
    /// `group.min.session.timeout.ms`.
    pub min_session_timeout: Duration,
    /// `group.max.session.timeout.ms`.
    pub max_session_timeout: Duration,
    /// `group.initial.rebalance.delay.ms`.
    pub initial_rebalance_delay: Duration,
    /// `group.max.size`, of classic groups.
    pub max_size: usize,
    /// `group.consumer.max.size`.
    pub consumer_max_size: usize,
    /// `group.consumer.session.timeout.ms`.
    pub consumer_session_timeout: Duration,
    /// `group.consumer.heartbeat.interval.ms`, of members of a group at rest.
    pub consumer_heartbeat_interval: Duration,
    /// `offset.metadata.max.bytes`, which Kafka counts in characters of Java: UTF-16 code units, each of which takes three
    /// bytes at most here.
    pub offset_metadata_units: usize,
    /// `offsets.retention.minutes`.
    pub offsets_retention: Duration,
}

impl Default for GroupLimits {
    fn default() -> Self {
        Self {
            min_session_timeout: Duration::from_secs(6),
            max_session_timeout: Duration::from_secs(30 * 60),
            initial_rebalance_delay: Duration::from_secs(3),
            max_size: i32::MAX as usize,
            consumer_max_size: i32::MAX as usize,
            consumer_session_timeout: Duration::from_secs(45),
            consumer_heartbeat_interval: Duration::from_secs(5),
            offset_metadata_units: 4096,
            offsets_retention: Duration::from_secs(7 * 24 * 3600),
        }
    }
}
