//! Time. Durations are measured with [`Clock::now`]; [`Clock::wall_ms`] is for the records of clients,
//! for an embedded metastore's clock and for people: an agent orders, stamps and expires nothing by its wall clock.

use std::ops::Sub;
use std::sync::atomic::{AtomicU64, Ordering};
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

/// The system's clocks. Monotonic time is tokio's, so that a paused runtime pauses it as well, and the
/// time for which the machine was suspended, which tokio's clock leaves out: an agent that slept for an
/// hour must know that its confirmations are an hour old.
pub struct SystemClock {
    start: tokio::time::Instant,
    suspended_before_ms: u64,
    /// The most that was measured: measuring may fall short, and time must not go back.
    suspended_ms: AtomicU64,
}

impl SystemClock {
    /// Starts counting now.
    #[allow(clippy::disallowed_methods)]
    pub fn new() -> Self {
        let suspended = suspended_ms();
        Self {
            start: tokio::time::Instant::now(),
            suspended_before_ms: suspended,
            suspended_ms: AtomicU64::new(suspended),
        }
    }

    /// How long the machine has been suspended since this clock was made.
    fn suspended(&self) -> Duration {
        let measured = suspended_ms();
        let most = self
            .suspended_ms
            .fetch_max(measured, Ordering::Relaxed)
            .max(measured);
        Duration::from_millis(most - self.suspended_before_ms)
    }
}

/// Milliseconds for which the machine has been suspended since it was booted; never too many.
#[cfg(target_os = "linux")]
fn suspended_ms() -> u64 {
    use rustix::time::{ClockId, clock_gettime};
    let since_boot = |clock| Duration::try_from(clock_gettime(clock)).unwrap_or_default();
    // In this order a delay between the two makes the difference smaller, not larger.
    let whole = since_boot(ClockId::Boottime);
    let awake = since_boot(ClockId::Monotonic);
    u64::try_from(whole.saturating_sub(awake).as_millis()).unwrap_or(u64::MAX)
}

/// Other systems do not tell; their monotonic clocks may stop while they are suspended.
#[cfg(not(target_os = "linux"))]
fn suspended_ms() -> u64 {
    0
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SystemClock {
    #[allow(clippy::disallowed_methods)]
    fn now(&self) -> Instant {
        let awake = tokio::time::Instant::now().saturating_duration_since(self.start);
        Instant(awake + self.suspended())
    }

    #[allow(clippy::disallowed_methods)]
    fn wall_ms(&self) -> i64 {
        match std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH) {
            Ok(after) => i64::try_from(after.as_millis()).unwrap_or(i64::MAX),
            Err(before) => i64::try_from(before.duration().as_millis()).map_or(i64::MIN, |ms| -ms),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_paused_runtime_pauses_the_clock() {
        let clock = SystemClock::new();
        let begun = clock.now();
        tokio::time::sleep(Duration::from_secs(3600)).await;
        let passed = clock.now() - begun;
        // A machine that does not sleep adds nothing but the coarseness of the measurement.
        assert!(
            passed >= Duration::from_secs(3600) && passed < Duration::from_secs(3601),
            "{passed:?}"
        );
    }
}
