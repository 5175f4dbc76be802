//! Bytes at a pace: when so many of them may have moved.

use std::time::Duration;

use tokio::time::Instant;

/// How often a slowed body goes on.
const STEP_MS: u64 = 20;

/// The pace of one body.
#[derive(Clone, Debug)]
pub(crate) struct Pace {
    bytes_per_s: u64,
    moved: u64,
    began: Instant,
}

impl Pace {
    pub(crate) fn new(bytes_per_s: u64) -> Self {
        Self {
            bytes_per_s,
            moved: 0,
            began: Instant::now(),
        }
    }

    /// Takes so many bytes more, and says when that should be over.
    pub(crate) fn due(&mut self, bytes: u64) -> Instant {
        self.moved += bytes;
        let seconds = self.moved as f64 / self.bytes_per_s as f64;
        self.began + Duration::from_secs_f64(seconds)
    }

    /// What moves in one step.
    pub(crate) fn step_bytes(&self) -> u64 {
        (self.bytes_per_s / (1000 / STEP_MS)).max(1)
    }
}
