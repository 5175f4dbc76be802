//! Background work leaves others their turn.
//!
//! What holds: after each step, some MiB that were looked through or a request, the worker stands still for as long as the
//! step took. So it takes at most half of a processor, of the bucket and of the metastore, and never for long: producers
//! wait for a step, not for a round. Who is so far behind that the metastore would grow does not stand still. Nobody stands
//! still for longer than [`REST_MAX`]: a process that was stopped for an hour in the middle of a step goes on after that.

use std::sync::Arc;
use std::time::Duration;

use esker_model::seams::{Clock, Instant};

use super::Upkeep;

/// Bytes that are looked through in one step.
const STEP_BYTES: u64 = 2 * 1024 * 1024;

/// The longest rest after a step. One that took longer was not work all the time.
const REST_MAX: Duration = Duration::from_secs(10);

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
            tokio::time::sleep(took.min(REST_MAX)).await;
        }
        self.began = self.clock.now();
    }
}

#[cfg(test)]
mod tests {
    use parking_lot::Mutex;

    use super::*;

    struct Told(Mutex<Instant>);

    impl Clock for Told {
        fn now(&self) -> Instant {
            *self.0.lock()
        }

        fn wall_ms(&self) -> i64 {
            0
        }
    }

    #[tokio::test(start_paused = true)]
    #[allow(
        clippy::disallowed_methods,
        reason = "the runtime's own time is what is measured"
    )]
    async fn a_rest_is_as_long_as_the_step_and_never_long() {
        let clock = Arc::new(Told(Mutex::new(Instant(Duration::ZERO))));
        let mut pace = Pace {
            clock: Arc::clone(&clock) as _,
            hurries: false,
            began: clock.now(),
            bytes: 0,
        };
        let hour = Duration::from_secs(3_600);
        for (took, rests) in [
            (Duration::from_millis(300), Duration::from_millis(300)),
            (hour, REST_MAX),
        ] {
            let now = clock.now().plus(took);
            *clock.0.lock() = now;
            let began = tokio::time::Instant::now();
            pace.step().await;
            assert_eq!(began.elapsed(), rests);
        }
    }
}
