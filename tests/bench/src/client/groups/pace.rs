//! When requests are due, and how late they are answered.
//!
//! Time counts from when a request was due, not from when it was sent: one that waits for an answer to the one before is
//! late, and so is what never was sent because nothing was answered any more.

use std::time::Duration;

/// Requests at equal intervals, one after the other. Times are nanoseconds of the monotonic clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Pace {
    due_ns: u64,
    interval_ns: u64,
}

impl Pace {
    /// The first one is due an interval after `from_ns`.
    pub(super) fn from(from_ns: u64, interval: Duration) -> Self {
        let interval_ns = u64::try_from(interval.as_nanos()).unwrap_or(u64::MAX).max(1);
        Self {
            due_ns: from_ns.saturating_add(interval_ns),
            interval_ns,
        }
    }

    /// That of the `at`th of `of` that share each interval evenly, beginning with `from_ns`.
    pub(super) fn spread(from_ns: u64, interval: Duration, at: usize, of: usize) -> Self {
        let Self { interval_ns, .. } = Self::from(from_ns, interval);
        let share = u128::from(interval_ns) * at as u128 / of.max(1) as u128;
        let share = u64::try_from(share).unwrap_or(u64::MAX);
        Self {
            due_ns: from_ns.saturating_add(share),
            interval_ns,
        }
    }

    /// How long until the next one is due; `None` if it is.
    pub(super) fn wait(&self, now_ns: u64) -> Option<Duration> {
        let left = self.due_ns.saturating_sub(now_ns);
        (left > 0).then(|| Duration::from_nanos(left))
    }

    /// What was due is answered: microseconds since it was due. The next one is due an interval after that.
    pub(super) fn answered(&mut self, now_ns: u64) -> u32 {
        let age = age_us(self.due_ns, now_ns);
        self.due_ns = self.due_ns.saturating_add(self.interval_ns);
        age
    }

    /// Microseconds since each one was due that is not answered.
    pub(super) fn overdue(self, now_ns: u64) -> impl Iterator<Item = u32> {
        let dues = std::iter::successors(Some(self.due_ns), move |due| due.checked_add(self.interval_ns));
        dues.take_while(move |due| *due < now_ns)
            .map(move |due| age_us(due, now_ns))
    }
}

fn age_us(due_ns: u64, now_ns: u64) -> u32 {
    u32::try_from(now_ns.saturating_sub(due_ns) / 1000).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;
    const INTERVAL: Duration = Duration::from_secs(3);

    #[test]
    fn those_that_share_an_interval_are_due_one_after_the_other() {
        let all: Vec<_> = (0..3)
            .map(|at| Pace::spread(10 * SECOND, INTERVAL, at, 3))
            .collect();
        let waits: Vec<_> = all.iter().map(|pace| pace.wait(10 * SECOND)).collect();
        assert_eq!(
            waits,
            [None, Some(Duration::from_secs(1)), Some(Duration::from_secs(2))]
        );
        let mut first = all[0];
        assert_eq!(first.answered(10 * SECOND), 0);
        assert_eq!(first, Pace::from(10 * SECOND, INTERVAL));
        assert_eq!(first.wait(12 * SECOND), Some(Duration::from_secs(1)));
        assert_eq!(first.wait(20 * SECOND), None);
    }

    #[test]
    fn a_late_answer_makes_the_next_ones_late_until_they_catch_up() {
        let mut pace = Pace::from(0, INTERVAL);
        assert_eq!(pace.answered(3 * SECOND + 5_000), 5);
        // Due at 6 s; the answer takes 7 s, so that two more are due already.
        assert_eq!(pace.answered(13 * SECOND), 7_000_000);
        assert_eq!(pace.answered(13 * SECOND), 4_000_000);
        assert_eq!(pace.answered(13 * SECOND), 1_000_000);
        assert_eq!(pace.wait(13 * SECOND), Some(Duration::from_secs(2)));
    }

    #[test]
    fn what_is_not_answered_is_not_forgotten() {
        let pace = Pace::from(0, INTERVAL);
        assert_eq!(pace.overdue(3 * SECOND).count(), 0);
        let ages: Vec<_> = pace.overdue(10 * SECOND).collect();
        assert_eq!(ages, [7_000_000, 4_000_000, 1_000_000]);
    }
}
