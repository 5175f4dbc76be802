//! Which of the segments that wait a round looks at.
//!
//! What holds: usually the first ones, those that were committed first. Which these are the database's clock says. If it
//! was set back, or if they cannot be read, what can be archived may stand behind more than a round looks at: when a full
//! window lets nothing be archived, the next round looks behind it, up to the end, then at the first ones again. So
//! whatever can be archived is found in one pass over what waits, and what stood before it in the next.

use std::sync::Arc;
use std::time::Duration;

use esker_model::seams::Clock;
use tracing::warn;

use crate::throttled_log::ThrottledLog;

/// How often it is told that others stand in the way.
const TOLD_EVERY: Duration = Duration::from_secs(5 * 60);

pub(super) struct Window {
    /// Segments that stand before it.
    skip: usize,
    /// Something was archived since it left the first ones.
    moved: bool,
    told: ThrottledLog,
}

impl Window {
    pub(super) fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            skip: 0,
            moved: false,
            told: ThrottledLog::new(clock, TOLD_EVERY),
        }
    }

    /// How many segments are passed over.
    pub(super) fn skip(&self) -> usize {
        self.skip
    }

    /// A round looked at so many segments; `full`: there may be more behind them; `moved`: it archived some. Returns
    /// whether there may be more that can be archived now.
    pub(super) fn looked(&mut self, segments: usize, full: bool, moved: bool) -> bool {
        self.moved |= moved;
        match (full, moved) {
            // What was archived does not wait any more: others have moved up.
            (true, true) => true,
            (true, false) => {
                if self.skip == 0 {
                    self.moved = false;
                    self.told.tell(|_| {
                        warn!(
                            segments,
                            "none of the segments that wait longest can be archived now: either their objects cannot be \
                             read, or their records come behind others, because the clock of the metastore's server was \
                             set back (as by a failover); looking at those that wait behind them"
                        );
                    });
                }
                self.skip += segments;
                true
            }
            (false, _) => {
                let again = self.skip > 0 && self.moved;
                self.skip = 0;
                self.moved = false;
                again
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use esker_model::seams::SystemClock;

    use super::*;

    #[tokio::test]
    async fn a_window_moves_on_when_nothing_in_it_moves_and_back_at_the_end() {
        let mut window = Window::new(Arc::new(SystemClock::new()));
        for ((segments, full, moved), (more, skip)) in [
            // As long as all goes well.
            ((9, true, true), (true, 0)),
            ((3, false, true), (false, 0)),
            ((0, false, false), (false, 0)),
            // Something stands in the way, and nothing behind it can be archived.
            ((9, true, false), (true, 9)),
            ((5, true, false), (true, 14)),
            ((3, false, false), (false, 0)),
            // Something can, and what stood before it then.
            ((9, true, false), (true, 9)),
            ((9, true, true), (true, 9)),
            ((0, false, false), (true, 0)),
            ((9, true, true), (true, 0)),
            ((0, false, false), (false, 0)),
        ] {
            assert_eq!(window.looked(segments, full, moved), more);
            assert_eq!(window.skip(), skip);
        }
    }
}
