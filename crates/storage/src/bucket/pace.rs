//! How fast requests may start: freely, until the store asks for fewer.
//!
//! Additive patience, multiplicative retreat: each answer that asks for fewer requests doubles the gap
//! between two starts (up to a limit), each success shortens it by a tenth. All requests of one bucket
//! share the gap, so that many callers slow down together instead of each finding out for itself.
//! A caller that is cancelled while it waits only leaves its slot unused.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use esker_model::seams::Instant;

/// The first gap after a request for fewer.
const GAP_MIN: Duration = Duration::from_millis(4);
/// The longest gap: four requests per second.
const GAP_MAX: Duration = Duration::from_millis(250);

#[derive(Default)]
struct State {
    gap: Duration,
    next: Option<Instant>,
    retreated: Option<Instant>,
}

/// The gap between two requests of one bucket.
#[derive(Default)]
pub(super) struct Pace(Mutex<State>);

impl Pace {
    /// Takes the next slot: how long to wait before the request may start.
    pub(super) fn slot(&self, now: Instant) -> Duration {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if state.gap.is_zero() {
            state.next = None;
            return Duration::ZERO;
        }
        let start = state.next.filter(|next| *next > now).unwrap_or(now);
        state.next = Some(start.plus(state.gap));
        start - now
    }

    /// The store asked for fewer requests. Answers to requests that were already on their way when the
    /// gap last grew do not make it grow again.
    pub(super) fn throttled(&self, started: Instant, now: Instant) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if state.retreated.is_some_and(|at| started < at) {
            return;
        }
        state.gap = (state.gap * 2).clamp(GAP_MIN, GAP_MAX);
        state.retreated = Some(now);
    }

    /// A request succeeded.
    pub(super) fn succeeded(&self) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
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
    use super::*;

    fn at(ms: u64) -> Instant {
        Instant(Duration::from_millis(ms))
    }

    #[test]
    fn nobody_waits_until_the_store_complains() {
        let pace = Pace::default();
        for _ in 0..100 {
            assert_eq!(pace.slot(at(5)), Duration::ZERO);
        }
        pace.throttled(at(5), at(6));
        assert_eq!(pace.slot(at(10)), Duration::ZERO);
        assert_eq!(pace.slot(at(10)), Duration::from_millis(4));
        assert_eq!(pace.slot(at(10)), Duration::from_millis(8));
    }

    #[test]
    fn one_burst_of_complaints_counts_once_and_success_heals() {
        let pace = Pace::default();
        pace.throttled(at(1), at(10));
        for _ in 0..50 {
            pace.throttled(at(9), at(11));
        }
        pace.slot(at(20));
        assert_eq!(pace.slot(at(20)), Duration::from_millis(4));
        for round in 0..20 {
            pace.throttled(at(100 + round), at(100 + round));
        }
        pace.slot(at(200));
        assert_eq!(pace.slot(at(200)), GAP_MAX);
        for _ in 0..60 {
            pace.succeeded();
        }
        assert_eq!(pace.slot(at(900)), Duration::ZERO);
        assert_eq!(pace.slot(at(900)), Duration::ZERO);
    }
}
