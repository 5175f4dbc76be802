//! What happens because time passes: sessions end, waits are over.
//!
//! All that is due is done in one go, so that a group that was not looked after for a while (a suspended machine)
//! rebalances once and not for each member.

use super::{ClassicGroup, Effects, FirstRebalance, Phase};
use crate::groups::{GroupError, GroupLimits};
use crate::seams::Instant;

impl ClassicGroup {
    /// When [`ClassicGroup::wake`] has something to do. May change with every event.
    pub fn next_wake(&self) -> Option<Instant> {
        let until = match self.phase {
            Phase::Preparing { until, .. } => Some(until),
            _ => None,
        };
        [until, self.sync_until, self.sessions.first()]
            .into_iter()
            .flatten()
            .min()
    }

    /// Does everything whose time has come; nothing if it is called too early.
    pub fn wake(&mut self, now: Instant, limits: &GroupLimits) -> Effects {
        let mut effects = Effects::default();
        self.end_sessions(now, &mut effects);
        if self.sync_until.is_some_and(|until| until <= now) {
            for id in std::mem::take(&mut self.unsynced) {
                self.remove(&id, GroupError::UnknownMemberId, &mut effects);
            }
            self.sync_until = None;
            self.rebalance_or_complete(now, &mut effects);
        }
        if let Phase::Preparing { until, first } = self.phase
            && until <= now
        {
            self.end_wait(now, first, limits, &mut effects);
        }
        effects
    }

    fn end_sessions(&mut self, now: Instant, effects: &mut Effects) {
        let mut removed = false;
        let mut forgotten = false;
        while let Some(id) = self.sessions.take_due(now) {
            if self.pending.remove(&id) {
                forgotten = true;
            } else {
                self.remove(&id, GroupError::UnknownMemberId, effects);
                removed = true;
            }
        }
        if removed {
            self.rebalance_or_complete(now, effects);
        } else if forgotten {
            self.complete_join_if_all_joined(now, effects);
        }
    }

    fn end_wait(
        &mut self,
        now: Instant,
        first: Option<FirstRebalance>,
        limits: &GroupLimits,
        effects: &mut Effects,
    ) {
        if let Some(FirstRebalance { rest, came: true }) = first {
            let more = limits.initial_rebalance_delay.min(rest);
            if !more.is_zero() {
                self.phase = Phase::Preparing {
                    until: now.plus(more),
                    first: Some(FirstRebalance {
                        rest: rest.saturating_sub(more),
                        came: false,
                    }),
                };
                return;
            }
        }
        self.complete_join(now, effects);
    }
}
