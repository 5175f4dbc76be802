//! How long a peer may take for its next bytes, in either direction.
//!
//! A part of what has to move is waited for [`PRESSED_MAX`] at a time; after each such time that was not enough
//! the peer is judged: at once if somebody waits for the memory that it holds, else once it moved nothing for
//! the longest stall that its direction allows.

use std::time::Duration;

use super::limits::PRESSED_MAX;

/// One peer's stalls.
pub(super) struct Pace {
    stalled: Duration,
    stall_max: Duration,
}

impl Pace {
    pub(super) fn new(stall_max: Duration) -> Self {
        Self {
            stalled: Duration::ZERO,
            stall_max,
        }
    }

    /// Whether the peer is too slow, after another [`PRESSED_MAX`] without all of a part: `pressed` if its memory
    /// is waited for, `moved` if some bytes did move.
    pub(super) fn is_too_slow(&mut self, pressed: bool, moved: bool) -> bool {
        self.stalled = if moved {
            Duration::ZERO
        } else {
            self.stalled + PRESSED_MAX
        };
        pressed || self.stalled >= self.stall_max
    }
}
