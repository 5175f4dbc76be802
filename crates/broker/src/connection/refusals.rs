//! The log line for a connection that was closed for what it sent: at most one per second, so that a
//! hostile peer cannot fill a disk. The next line says how many were not told.

use std::sync::Arc;
use std::time::Duration;

use esker_model::seams::{Clock, Instant};
use parking_lot::Mutex;
use tracing::warn;

const INTERVAL: Duration = Duration::from_secs(1);

/// Counts and tells refused connections.
pub(crate) struct RefusalLog {
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    told_at: Option<Instant>,
    untold: u64,
}

impl RefusalLog {
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            clock,
            state: Mutex::default(),
        }
    }

    /// A connection of `peer` is closed because of `reason`.
    pub(crate) fn refused(&self, peer: &str, reason: &str) {
        let now = self.clock.now();
        let untold = {
            let mut state = self.state.lock();
            if state.told_at.is_some_and(|told| now - told < INTERVAL) {
                state.untold += 1;
                return;
            }
            state.told_at = Some(now);
            std::mem::take(&mut state.untold)
        };
        warn!(peer, untold, "closed a connection: {reason}");
    }
}
