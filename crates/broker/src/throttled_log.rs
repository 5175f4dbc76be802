//! Log lines that clients can cause: at most one per interval, so that nobody can fill a disk by sending.
//! The next line says how many were not told.

use std::sync::Arc;
use std::time::Duration;

use esker_model::seams::{Clock, Instant};
use parking_lot::Mutex;

/// Lets one line through per interval.
pub struct ThrottledLog {
    clock: Arc<dyn Clock>,
    interval: Duration,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    told_at: Option<Instant>,
    untold: u64,
}

impl ThrottledLog {
    /// Lets the first line through, and then one per `interval`.
    pub fn new(clock: Arc<dyn Clock>, interval: Duration) -> Self {
        Self {
            clock,
            interval,
            state: Mutex::default(),
        }
    }

    /// Calls `line` with the number of lines left out since the last one, if it is time for a line.
    pub fn tell(&self, line: impl FnOnce(u64)) {
        let now = self.clock.now();
        let untold = {
            let mut state = self.state.lock();
            if state.told_at.is_some_and(|told| now - told < self.interval) {
                state.untold += 1;
                return;
            }
            state.told_at = Some(now);
            std::mem::take(&mut state.untold)
        };
        line(untold);
    }
}

#[cfg(test)]
mod tests {
    use esker_model::seams::SystemClock;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn one_line_per_interval_says_how_many_were_left_out() {
        let log = ThrottledLog::new(Arc::new(SystemClock::new()), Duration::from_secs(1));
        let mut told = Vec::new();
        for _ in 0..25 {
            log.tell(|untold| told.push(untold));
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        assert_eq!(told, [0, 9, 9]);
    }
}
