//! The machine's monotonic clock, which all processes read the same: send times travel inside records.

use rustix::time::{ClockId, clock_gettime};

/// Nanoseconds of the monotonic clock.
pub(crate) fn monotonic_ns() -> u64 {
    read(ClockId::Monotonic)
}

/// Seconds since 1970, for the heading of a report.
pub(crate) fn unix_seconds() -> u64 {
    read(ClockId::Realtime) / 1_000_000_000
}

/// Seconds between two readings of the monotonic clock.
pub(crate) fn seconds(from_ns: u64, to_ns: u64) -> f64 {
    to_ns.saturating_sub(from_ns) as f64 / 1e9
}

fn read(clock: ClockId) -> u64 {
    let now = clock_gettime(clock);
    u64::try_from(now.tv_sec).unwrap_or(0) * 1_000_000_000 + u64::try_from(now.tv_nsec).unwrap_or(0)
}
