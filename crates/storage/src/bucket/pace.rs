//! How fast requests may start: freely, until the store asks for fewer.
//!
//! Additive patience, multiplicative retreat: each answer that asks for fewer requests doubles the gap
//! between two starts (up to a limit), each success shortens it by a tenth. All requests of one bucket
//! share the gap, so that many callers slow down together instead of each finding out for itself.
//!
//! Callers wait in a line. Who is cancelled or cannot wait any longer leaves it and takes nothing with
//! them: as long as anybody waits, a request starts after every gap. Slots given out ahead of time would be
//! lost with those who give up, and if enough do and come back, no request is sent at all, none succeeds,
//! and the gap stays as long as it is after the store has recovered.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use esker_model::seams::{Clock, Instant};

/// The first gap after a request for fewer.
const GAP_MIN: Duration = Duration::from_millis(4);
/// The longest gap: four requests per second.
const GAP_MAX: Duration = Duration::from_millis(250);

#[derive(Default)]
struct State {
    gap: Duration,
    started: Option<Instant>,
    retreated: Option<Instant>,
}

/// The gap between two requests of one bucket.
#[derive(Default)]
pub(super) struct Pace {
    state: Mutex<State>,
    /// Held by the first in line. Fair.
    line: tokio::sync::Mutex<()>,
}

impl Pace {
    /// Waits until a request may start. `false`: that would be at `deadline` or later.
    pub(super) async fn turn(&self, clock: &dyn Clock, deadline: Instant) -> bool {
        if self.is_free() {
            return true;
        }
        let first_in_line = async {
            let _first = self.line.lock().await;
            loop {
                let wait = self.start(clock.now());
                if wait.is_zero() {
                    return;
                }
                tokio::time::sleep(wait).await;
            }
        };
        let patience = deadline - clock.now();
        !patience.is_zero() && tokio::time::timeout(patience, first_in_line).await.is_ok()
    }

    fn is_free(&self) -> bool {
        self.state
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .gap
            .is_zero()
    }

    /// Starts a request, if the gap since the last one is over; else how long it still is.
    fn start(&self, now: Instant) -> Duration {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let next = state.started.map_or(now, |started| started.plus(state.gap));
        if next <= now {
            state.started = Some(now);
        }
        next - now
    }

    /// The store asked for fewer requests. Answers to requests that were already on their way when the
    /// gap last grew do not make it grow again.
    pub(super) fn throttled(&self, started: Instant, now: Instant) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.retreated.is_some_and(|at| started < at) {
            return;
        }
        state.gap = (state.gap * 2).clamp(GAP_MIN, GAP_MAX);
        state.retreated = Some(now);
    }

    /// A request succeeded.
    pub(super) fn succeeded(&self) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if !state.gap.is_zero() {
            state.gap = state.gap * 9 / 10;
            if state.gap < GAP_MIN / 4 {
                state.gap = Duration::ZERO;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use esker_model::seams::SystemClock;

    use super::*;

    fn at(ms: u64) -> Instant {
        Instant(Duration::from_millis(ms))
    }

    /// A pace whose gap is the longest.
    fn slowest(now: Instant) -> Pace {
        let pace = Pace::default();
        for round in 0..20 {
            let now = now.plus(Duration::from_nanos(round));
            pace.throttled(now, now);
        }
        pace
    }

    /// How long a caller with that much patience waited; `None` if it gave up.
    async fn turn(pace: &Pace, clock: &SystemClock, patience: Duration) -> Option<Duration> {
        let began = clock.now();
        let got = pace.turn(clock, began.plus(patience)).await;
        got.then(|| clock.now() - began)
    }

    const LONG: Duration = Duration::from_secs(60);

    #[tokio::test(start_paused = true)]
    async fn nobody_waits_until_the_store_complains() {
        let (pace, clock) = (Pace::default(), SystemClock::new());
        for _ in 0..100 {
            assert_eq!(turn(&pace, &clock, LONG).await, Some(Duration::ZERO));
        }
        pace.throttled(clock.now(), clock.now());
        assert_eq!(turn(&pace, &clock, LONG).await, Some(Duration::ZERO));
        assert_eq!(turn(&pace, &clock, LONG).await, Some(GAP_MIN));
        assert_eq!(turn(&pace, &clock, LONG).await, Some(GAP_MIN));
    }

    #[test]
    fn one_burst_of_complaints_counts_once_and_success_heals() {
        let pace = Pace::default();
        pace.throttled(at(1), at(10));
        for _ in 0..50 {
            pace.throttled(at(9), at(11));
        }
        assert_eq!(pace.start(at(20)), Duration::ZERO);
        assert_eq!(pace.start(at(20)), GAP_MIN);
        let pace = slowest(at(100));
        assert_eq!(pace.start(at(200)), Duration::ZERO);
        assert_eq!(pace.start(at(200)), GAP_MAX);
        for _ in 0..60 {
            pace.succeeded();
        }
        assert!(pace.is_free());
    }

    #[tokio::test(start_paused = true)]
    async fn who_gives_up_takes_no_turn_from_the_others() {
        let clock = SystemClock::new();
        let pace = slowest(clock.now());
        // Far more callers than turns, each of which asks again as soon as it gave up.
        let callers = (0..50).map(|_| async {
            let mut turns = 0;
            while clock.now() < at(20_000) {
                turns += u32::from(turn(&pace, &clock, GAP_MAX * 8).await.is_some());
            }
            turns
        });
        let turns: u32 = futures::future::join_all(callers).await.into_iter().sum();
        // 20 s with a turn every quarter of a second, and the one without a wait.
        assert!((78..=90).contains(&turns), "{turns}");
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_in_line_goes_on_sooner_when_requests_succeed() {
        let clock = SystemClock::new();
        let pace = slowest(clock.now());
        let began = clock.now();
        for _ in 0..60 {
            assert!(turn(&pace, &clock, LONG).await.is_some());
            pace.succeeded();
        }
        let took = clock.now() - began;
        assert!(took < Duration::from_millis(2_700), "{took:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_deadline_that_is_over_gets_no_turn() {
        let clock = SystemClock::new();
        let pace = slowest(clock.now());
        assert_eq!(turn(&pace, &clock, LONG).await, Some(Duration::ZERO));
        assert_eq!(turn(&pace, &clock, Duration::ZERO).await, None);
        assert_eq!(turn(&pace, &clock, GAP_MAX / 2).await, None);
        assert_eq!(turn(&pace, &clock, GAP_MAX).await, Some(GAP_MAX / 2));
    }
}
