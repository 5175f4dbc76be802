//! One clock for everything of a run: the machine's monotonic one, which every process reads the same.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// Counts from the beginning of a run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    start_ns: u64,
}

impl Clock {
    /// Begins now.
    pub(crate) fn start() -> Self {
        Self {
            start_ns: monotonic_ns(),
        }
    }

    /// The beginning, for other processes.
    pub(crate) fn start_ns(self) -> u64 {
        self.start_ns
    }

    /// Microseconds since the beginning.
    pub(crate) fn now_us(self) -> u64 {
        monotonic_ns().saturating_sub(self.start_ns) / 1000
    }

    /// Time since the beginning.
    pub(crate) fn elapsed(self) -> Duration {
        Duration::from_micros(self.now_us())
    }
}

fn monotonic_ns() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    u64::try_from(now.tv_sec).unwrap_or(0) * 1_000_000_000 + u64::try_from(now.tv_nsec).unwrap_or(0)
}
