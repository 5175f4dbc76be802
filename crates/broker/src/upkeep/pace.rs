//! Background work leaves others their turn.
//!
//! What holds: after each step, some MiB that were looked through or a request, the worker stands still for as long as the
//! step took. So it takes at most half of a processor, of the bucket and of the metastore, and never for long: producers
//! wait for a step, not for a round. Who is so far behind that the metastore would grow does not stand still.

use std::sync::Arc;

use esker_model::seams::{Clock, Instant};

use super::Upkeep;

/// Bytes that are looked through in one step.
const STEP_BYTES: u64 = 2 * 1024 * 1024;

/// The pace of one round.
pub(in crate::upkeep) struct Pace {
    clock: Arc<dyn Clock>,
    hurries: bool,
    began: Instant,
    bytes: u64,
}

impl Pace {
    /// From now on.
    pub(in crate::upkeep) fn new(upkeep: &Upkeep, hurries: bool) -> Self {
        let clock = Arc::clone(&upkeep.seams.clock);
        Self {
            began: clock.now(),
            clock,
            hurries,
            bytes: 0,
        }
    }

    /// So many bytes were looked through.
    pub(in crate::upkeep) async fn looked_through(&mut self, bytes: u64) {
        self.bytes += bytes;
        if self.bytes >= STEP_BYTES {
            self.step().await;
        }
    }

    /// A step has ended.
    pub(in crate::upkeep) async fn step(&mut self) {
        self.bytes = 0;
        let took = self.clock.now().since(self.began);
        if self.hurries || took.is_zero() {
            tokio::task::yield_now().await;
        } else {
            tokio::time::sleep(took).await;
        }
        self.began = self.clock.now();
    }
}
