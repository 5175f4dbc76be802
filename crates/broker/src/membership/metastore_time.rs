//! What time it is for the cluster: the metastore's clock, as the last heartbeat told it.
//!
//! Records are stamped, and timestamps of clients judged, by the clock by which records expire. The agent's own wall
//! clock has no say: one that is two hours behind would have its records expire two hours early.
//!
//! What holds: what the metastore told counts from the moment the heartbeat was *sent*. So an agent's idea of the time
//! is ahead of the metastore's clock, by one round trip at most (which [`HEARTBEAT_PATIENCE`] limits), and not behind it
//! but for what the monotonic clock loses until the next heartbeat: nothing expires early. From one heartbeat to the
//! next it may step back by the difference of their round trips.
//! While the metastore is away, time goes on by the monotonic clock; nothing is committed meanwhile. A metastore whose
//! clock was set, or that another server with another clock took over, is followed from the next heartbeat on.

use std::time::Duration;

use esker_model::seams::Instant;

use super::OWN_TIMER;

/// How long a heartbeat may take; then there is time for another one.
pub(super) const HEARTBEAT_PATIENCE: Duration = Duration::from_millis(OWN_TIMER.as_millis() as u64 / 2);

/// An agent's wall clock that differs from the metastore's by more than this is told of.
const WALL_CLOCK_OFF_MAX: Duration = Duration::from_secs(5);

// A slow heartbeat alone is no reason.
const _: () = assert!(HEARTBEAT_PATIENCE.as_millis() < WALL_CLOCK_OFF_MAX.as_millis());

/// The metastore's time, from a heartbeat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MetastoreTime {
    /// When the heartbeat was sent, by the agent's monotonic clock.
    pub sent: Instant,
    /// What the metastore's clock showed after that: milliseconds since 1970-01-01 UTC.
    pub told_ms: i64,
}

impl MetastoreTime {
    /// What the metastore's clock shows at an instant, or a round trip more at most.
    pub(super) fn at(&self, now: Instant) -> i64 {
        let since = i64::try_from(now.since(self.sent).as_millis()).unwrap_or(i64::MAX);
        self.told_ms.saturating_add(since)
    }

    /// What is to be said of a wall clock that shows `wall_ms` at an instant, if it is off.
    pub(super) fn judge_wall_clock(&self, now: Instant, wall_ms: i64) -> Option<String> {
        let metastore_ms = self.at(now);
        let off = Duration::from_millis(wall_ms.abs_diff(metastore_ms));
        if off <= WALL_CLOCK_OFF_MAX {
            return None;
        }
        let side = if wall_ms < metastore_ms {
            "behind"
        } else {
            "ahead of"
        };
        Some(format!(
            "this machine's clock is {} s {side} the metastore's: LogAppendTime and retention go by the metastore's",
            off.as_secs()
        ))
    }
}
