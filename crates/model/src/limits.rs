//! Every limit that more than one crate must know, by name. What happens at a limit stands beside it.
//!
//! Limits of the wire (frame sizes, array lengths) live in `esker_protocol::limits`; limits of one
//! stage live at the top of that stage. Settings may lower or raise some of these; the constants are
//! the defaults.

use std::time::Duration;

/// A hot segment is sealed when its payload reaches this many bytes (setting `segment_bytes`).
pub const SEGMENT_BYTES: u64 = 8 * 1024 * 1024;

/// Smallest and largest value accepted for `segment_bytes`.
pub const SEGMENT_BYTES_RANGE: (u64, u64) = (64 * 1024, 64 * 1024 * 1024);

/// Segments that one commit call may carry. More wait for the next call.
pub const COMMIT_SEGMENTS_MAX: usize = 64;

/// Runs that one commit call may carry, unless a single segment has more.
pub const COMMIT_RUNS_MAX: usize = 20_000;

/// Extents that one plan may return for one partition. A longer range is planned again from its end.
pub const PLAN_EXTENTS_MAX: usize = 512;

/// Partitions that one metastore query may ask for. Longer lists are cut into several queries.
pub const QUERY_PARTITIONS_MAX: usize = 10_000;

/// T of the epoch gate: acknowledgements need a read of `cluster.json` that began less than this ago.
pub const EPOCH_GATE: Duration = Duration::from_secs(10);

/// How often `cluster.json` is read again.
pub const EPOCH_READ_INTERVAL: Duration = Duration::from_secs(3);

/// How often an agent renews its registration.
pub const HEARTBEAT_INTERVAL: Duration = Duration::from_secs(1);

/// An agent whose last heartbeat is older than this, by the database's clock, is fenced by its peers.
pub const LIVENESS_TIMEOUT: Duration = Duration::from_secs(6);

/// A run older than this is dropped, never committed; its producer gets a retriable error.
pub const PRODUCE_AGE_MAX: Duration = Duration::from_secs(25);

/// Most partitions of one topic, and most partitions one CreateTopics request may add.
pub const TOPIC_PARTITIONS_MAX: i32 = 10_000;

/// Groups that have configs of their own; to set one of another group is refused. Each agent knows all of them.
pub const GROUP_CONFIGS_MAX: usize = 10_000;

/// Longest value of a config, in bytes.
pub const CONFIG_VALUE_BYTES_MAX: usize = 4096;

const _: () = assert!(EPOCH_READ_INTERVAL.as_millis() * 3 <= EPOCH_GATE.as_millis());
const _: () = assert!(HEARTBEAT_INTERVAL.as_millis() * 3 <= LIVENESS_TIMEOUT.as_millis());
