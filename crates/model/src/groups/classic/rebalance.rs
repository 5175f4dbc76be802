//! How a group comes to its next generation.
//!
//! - A group that was Empty waits `group.initial.rebalance.delay.ms`, as long again while members come, at most for the
//!   first member's rebalance timeout: members that start together shall not rebalance one after the other.
//! - Any other waits until all members have joined and no id is pending, at most for the largest rebalance timeout.
//! - Then dynamic members that have not joined are removed. Static ones stay, until their session ends or they do not
//!   sync: they may just be restarting. If only such are left, the wait begins again.
//! - Without members the group is Empty, in a generation of its own, and that is kept. With members it is Completing: each
//!   is told the generation and has the largest rebalance timeout to ask for its assignment. Who does not is removed, and
//!   the group prepares again; the leader is one of them.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::{ClassicGroup, Effects, FirstRebalance, JoinedMember, Phase};
use crate::groups::{GroupError, GroupLimits};
use crate::planted::{Mistake, planted};
use crate::seams::Instant;

/// How many generations can be given until one must be kept before it is told. A takeover skips what is left of them.
const GENERATIONS_AHEAD: i32 = 100;

/// Least time between two looks for a static member that has joined.
const STATIC_WAIT_MIN: Duration = Duration::from_secs(1);

impl ClassicGroup {
    /// From Empty, after the first member was added.
    pub(super) fn begin_first_rebalance(&mut self, now: Instant, limits: &GroupLimits) {
        let delay = limits.initial_rebalance_delay;
        self.phase = Phase::Preparing {
            until: now.plus(delay),
            first: Some(FirstRebalance {
                rest: self.roster.rebalance_timeout().saturating_sub(delay),
                came: false,
            }),
        };
    }

    /// Members or what they say have changed.
    pub(super) fn rebalance_or_complete(&mut self, now: Instant, effects: &mut Effects) {
        match self.phase {
            Phase::Completing | Phase::Stable => self.prepare(now, effects),
            Phase::Preparing { .. } => self.complete_join_if_all_joined(now, effects),
            Phase::Empty => {}
        }
    }

    fn prepare(&mut self, now: Instant, effects: &mut Effects) {
        if self.phase == Phase::Completing {
            for id in self.roster.ids() {
                let call = self
                    .roster
                    .get_mut(&id)
                    .and_then(|member| member.sync_call.take());
                if let Some(call) = call {
                    effects.refuse_sync(call, GroupError::RebalanceInProgress);
                    self.touch(now, &id);
                }
            }
        }
        self.unsynced.clear();
        self.sync_until = None;
        self.phase = Phase::Preparing {
            until: now.plus(self.roster.rebalance_timeout()),
            first: None,
        };
        self.complete_join_if_all_joined(now, effects);
    }

    /// Completes the join if nobody is waited for. The first rebalance is over only when its time is up.
    pub(super) fn complete_join_if_all_joined(&mut self, now: Instant, effects: &mut Effects) {
        if !matches!(self.phase, Phase::Preparing { first: None, .. }) {
            return;
        }
        let all = self.roster.joining() == self.roster.len();
        if all && (self.pending.is_empty() || self.roster.is_empty()) {
            self.complete_join(now, effects);
        }
    }

    /// Preparing is over: whoever has joined makes up the next generation.
    pub(super) fn complete_join(&mut self, now: Instant, effects: &mut Effects) {
        let absent: Vec<Arc<str>> = self
            .roster
            .iter()
            .filter(|member| member.join_call().is_none() && member.instance_id.is_none())
            .map(|member| member.id.clone())
            .collect();
        for id in absent {
            self.remove(&id, GroupError::UnknownMemberId, effects);
        }
        if self.roster.is_empty() {
            self.next_generation();
            self.phase = Phase::Empty;
            self.protocol = None;
            self.keep(effects);
            return;
        }
        if self.roster.joining() == 0 {
            self.phase = Phase::Preparing {
                until: now.plus(self.roster.rebalance_timeout().max(STATIC_WAIT_MIN)),
                first: None,
            };
            return;
        }
        self.begin_generation(now, effects);
    }

    fn begin_generation(&mut self, now: Instant, effects: &mut Effects) {
        let leader = self.leader.as_deref().and_then(|id| self.roster.get(id));
        if leader.is_none_or(|leader| leader.join_call().is_none()) {
            self.leader = self
                .roster
                .iter()
                .find(|member| member.join_call().is_some())
                .map(|member| member.id.clone());
        }
        self.next_generation();
        self.protocol = self.roster.elect_protocol(self.leader.as_deref());
        self.phase = Phase::Completing;
        if self.generation > self.given_up_to {
            self.keep(effects);
        }
        let ids = self.roster.ids();
        for id in &ids {
            if !planted(Mistake::SyncDoesNotWait) {
                self.roster.set_assignment(id, Bytes::new());
            }
            if let Some(call) = self.roster.set_join_call(id, None) {
                let joined = self.joined(id, self.is_leader(id));
                effects.joined(call, joined);
            }
            if let Some(member) = self.roster.get_mut(id) {
                member.is_new = false;
            }
            self.touch(now, id);
        }
        self.sync_until = Some(now.plus(self.roster.rebalance_timeout()));
        self.unsynced = ids.into_iter().collect();
    }

    /// 2^31 generations are more than a group lives to see; should it, it stays at the last one.
    fn next_generation(&mut self) {
        self.generation = self.given.saturating_add(1);
        self.given = self.generation;
    }

    /// The group is to be kept, and with it room for more generations.
    pub(super) fn keep(&mut self, effects: &mut Effects) {
        effects.keep = true;
        self.given_up_to = self.given.saturating_add(GENERATIONS_AHEAD);
    }

    /// A member is no more; its calls hear `error`. The caller sees to it that the group rebalances.
    pub(super) fn remove(&mut self, id: &str, error: GroupError, effects: &mut Effects) {
        let Some(member) = self.roster.remove(id) else {
            return;
        };
        if let Some(call) = member.join_call() {
            effects.refuse_join(call, error, String::new());
        }
        if let Some(call) = member.sync_call {
            effects.refuse_sync(call, error);
        }
        self.sessions.clear(id);
        self.has_synced(id);
        // The next one is found when the generation begins, not at each removal of many.
        if self.is_leader(id) {
            self.leader = None;
        }
    }

    /// All members, as the leader is told.
    pub(super) fn joined_members(&self) -> Vec<JoinedMember> {
        self.roster
            .iter()
            .map(|member| JoinedMember {
                member_id: member.id.to_string(),
                instance_id: member.instance_id.as_deref().map(str::to_owned),
                metadata: member.metadata(self.protocol.as_deref()),
            })
            .collect()
    }
}
