//! How soon a member is to come again: it obeys the interval of each answer.
//!
//! A partition changes hands in steps, and each waits for somebody's next heartbeat: who has too much hears of it there,
//! and who waits for that hears of it at its own. So while a group rebalances its members come sooner than at rest. What
//! they cost meanwhile is bounded: a large group's members come less often, never less often than at rest.

use std::time::Duration;

use super::ConsumerGroup;
use super::member::Member;
use crate::seams::Instant;

/// Between two heartbeats of a member whose group rebalances.
pub(super) const REBALANCING_INTERVAL: Duration = Duration::from_secs(1);

/// Heartbeats a second of all members of one group that rebalances. A group that sends more at rest sends no more now.
pub(super) const REBALANCING_HEARTBEATS_PER_S_MAX: u32 = 500;

impl ConsumerGroup {
    /// When this member is to come again; `at_rest` is the interval of a member that nothing is to be expected for.
    ///
    /// Sooner than that: a member that has not all of its target, and every member for as long as `at_rest` after the
    /// group epoch was raised, since who joins rarely joins alone.
    pub(super) fn next_heartbeat(&self, member: &Member, now: Instant, at_rest: Duration) -> Duration {
        let raised_lately = self
            .raised_at
            .is_some_and(|raised_at| now.since(raised_at) < at_rest);
        if member.is_reconciled(self.assignment_epoch) && !raised_lately {
            return at_rest;
        }
        let members = u32::try_from(self.members.len()).unwrap_or(u32::MAX);
        let together = Duration::from_secs(members.into()) / REBALANCING_HEARTBEATS_PER_S_MAX;
        together.max(REBALANCING_INTERVAL).min(at_rest)
    }
}
