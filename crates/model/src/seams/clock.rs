//! Time. Durations are measured with [`Clock::now`]; [`Clock::wall_ms`] is for record timestamps and
//! people only: nothing is ordered or expired by an agent's wall clock.

use std::ops::Sub;
use std::time::Duration;

/// A point on an agent's own monotonic clock, counted from an arbitrary start.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Instant(pub Duration);

impl Instant {
    /// Time from `earlier` to `self`; zero if `earlier` is later.
    pub fn since(self, earlier: Instant) -> Duration {
        self.0.saturating_sub(earlier.0)
    }

    /// This point moved forward.
    pub fn plus(self, by: Duration) -> Instant {
        Instant(self.0.saturating_add(by))
    }
}

impl Sub for Instant {
    type Output = Duration;

    fn sub(self, earlier: Instant) -> Duration {
        self.since(earlier)
    }
}

/// Where an agent reads the time.
pub trait Clock: Send + Sync {
    /// Monotonic time.
    fn now(&self) -> Instant;
    /// Milliseconds since 1970-01-01 UTC; may jump in either direction.
    fn wall_ms(&self) -> i64;
}

/// The system's clocks. Monotonic time is tokio's, so that a paused runtime pauses it as well.
pub struct SystemClock {
    start: tokio::time::Instant,
}

impl SystemClock {
    /// Starts counting now.
    #[allow(clippy::disallowed_methods)]
    pub fn new() -> Self {
        Self {
            start: tokio::time::Instant::now(),
        }
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SystemClock {
    #[allow(clippy::disallowed_methods)]
    fn now(&self) -> Instant {
        Instant(tokio::time::Instant::now().saturating_duration_since(self.start))
    }

    #[allow(clippy::disallowed_methods)]
    fn wall_ms(&self) -> i64 {
        match std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH) {
            Ok(after) => i64::try_from(after.as_millis()).unwrap_or(i64::MAX),
            Err(before) => i64::try_from(before.duration().as_millis()).map_or(i64::MIN, |ms| -ms),
        }
    }
}
