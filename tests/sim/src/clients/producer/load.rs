//! What a producer has to send: bursts of batches with pauses in between, for random partitions.

use std::sync::Arc;
use std::time::Duration;

use esker_history::event::{Batch, Client, Records};
use esker_model::seams::{Rng, SeededRng};

use super::lane::{Lane, Outgoing};

/// Batches of one partition that wait at most: with more the application waits.
const QUEUE_MAX: usize = 20;

/// Makes batches.
pub(super) struct Load {
    me: Client,
    rng: Arc<SeededRng>,
    pause: Duration,
    burst: u64,
    records_max: u64,
    next_record: u64,
    next_batch: u64,
    next_us: u64,
    clock_ms: i64,
}

impl Load {
    /// Begins at once.
    pub(super) fn new(me: Client, rng: Arc<SeededRng>, plan: &crate::clients::ProducerPlan) -> Self {
        Self {
            me,
            rng,
            pause: plan.pause,
            burst: u64::from(plan.burst.max(1)),
            records_max: u64::from(plan.records_max.max(1)),
            next_record: 0,
            next_batch: 0,
            next_us: 0,
            clock_ms: plan.clock_ms,
        }
    }

    /// When the next burst is due.
    pub(super) fn due_us(&self) -> u64 {
        self.next_us
    }

    /// Makes the burst that is due.
    pub(super) fn make(&mut self, lanes: &mut [Lane], now_us: u64) {
        if now_us < self.next_us || lanes.is_empty() {
            return;
        }
        let now_ms = (now_us / 1000).saturating_add_signed(self.clock_ms);
        let burst = 1 + self.rng.below(self.burst);
        for _ in 0..burst {
            let at = self.rng.below(lanes.len() as u64) as usize;
            let count = 1 + self.rng.below(self.records_max);
            let Some(lane) = lanes.get_mut(at) else { continue };
            if lane.home.is_none() || lane.gone > 0 || lane.queue.len() >= QUEUE_MAX {
                continue;
            }
            let name = Batch {
                by: self.me,
                number: self.next_batch,
            };
            let records = Records {
                by: self.me,
                first: self.next_record,
                count: count as u32,
            };
            self.next_batch += 1;
            self.next_record += count;
            lane.queue.push_back(Outgoing::new(name, records, now_us, now_ms));
        }
        // On average the pause for each batch of the burst; at least a little, so that time passes.
        let mean_us = (self.pause.as_micros() as u64).max(500).saturating_mul(burst);
        self.next_us = now_us + mean_us / 4 + self.rng.below(mean_us * 3 / 2);
    }
}
