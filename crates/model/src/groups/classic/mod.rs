//! Classic groups: JoinGroup, SyncGroup, Heartbeat, LeaveGroup (KIP-345, KIP-394, KIP-559, KIP-814).
//!
//! ```text
//!            a member joins                all joined, or time is up             the leader syncs
//!   Empty ------------------> Preparing ------------------------------> Completing ------------> Stable
//!     ^                        |     ^  a new generation, told by Join      |      an assignment   |
//!     +------ nobody left -----+     +----- a member comes, changes, leaves or is not heard of ----+
//! ```
//!
//! What always holds:
//! - A generation is given once, also across takeovers. Join answers tell a generation that is not kept yet, so what is
//!   kept says up to where generations may have been given ([`StoredClassic::given_up_to`]), and a group that is found
//!   again goes on behind that. Only when that bound is reached must a new generation be kept first.
//! - An assignment is told only after it was kept with its generation ([`Effects::keep`]).
//! - A call is answered once. One whose member comes with a newer call of the same kind is answered 27 (the client comes
//!   again if it is still there), one whose member is removed 25, one whose static member is taken over 82.
//! - Members that are waited for are waited for no longer than the largest rebalance timeout.
//!
//! What whoever runs a group owes it: the effects of a group are carried out in the order in which it gave them, so that an
//! answer does not overtake what an earlier one had to keep; [`ClassicGroup::wake`] is called when
//! [`ClassicGroup::next_wake`] has come. If keeping fails, the group is given up ([`ClassicGroup::abandon`]) and found
//! again from what was kept last: members then hear 22, 25 or 27 and join again.
//!
//! An event costs about the logarithm of the members; only a rebalance visits all of them.

mod commit;
mod deadlines;
mod describe;
mod effects;
mod events;
mod heartbeat;
mod join;
mod leave;
mod rebalance;
mod roster;
mod static_member;
mod stored;
mod sync;
mod wake;

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

pub use describe::{Described, DescribedMember};
pub use effects::{Answer, Effects, JoinRefused, Joined, JoinedMember, Synced};
pub use events::{Join, MemberRef, Sync};
pub use stored::{StoredClassic, StoredClassicMember};

use super::{CallId, GroupError};
use crate::seams::Instant;
use deadlines::Deadlines;
use roster::Roster;

/// The states of a classic group. Shown by Kafka's names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ClassicState {
    /// No members.
    Empty,
    /// Members are waited for to join.
    PreparingRebalance,
    /// The generation is there; its leader's assignment is waited for.
    CompletingRebalance,
    /// Every member has its assignment, or finds it when it asks.
    Stable,
    /// What is said of a group that does not exist; no [`ClassicGroup`] is.
    Dead,
}

impl fmt::Display for ClassicState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "Empty",
            Self::PreparingRebalance => "PreparingRebalance",
            Self::CompletingRebalance => "CompletingRebalance",
            Self::Stable => "Stable",
            Self::Dead => "Dead",
        })
    }
}

/// Where a group stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Empty,
    Preparing {
        /// Until then members may join.
        until: Instant,
        /// The group was Empty before.
        first: Option<FirstRebalance>,
    },
    Completing,
    Stable,
}

/// How the first rebalance of a group waits for more members.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct FirstRebalance {
    /// By how much the wait may still grow.
    rest: Duration,
    /// Members came since the wait began or grew.
    came: bool,
}

/// One classic group. See the module.
#[derive(Debug)]
pub struct ClassicGroup {
    phase: Phase,
    generation: i32,
    /// The highest generation that may have been given, here or by an earlier coordinator.
    given: i32,
    /// Generations up to this one can be given without keeping anything first.
    given_up_to: i32,
    protocol_type: Option<String>,
    protocol: Option<String>,
    /// A member; `None` if there is none, or while the group prepares after its leader went.
    leader: Option<Arc<str>>,
    roster: Roster,
    /// Ids that were given out and not used yet.
    pending: BTreeSet<Arc<str>>,
    /// When the sessions of members and of pending ids end.
    sessions: Deadlines,
    /// Members of this generation that have not asked for their assignment.
    unsynced: BTreeSet<Arc<str>>,
    /// When those are removed; only while there are any.
    sync_until: Option<Instant>,
}

impl Default for ClassicGroup {
    fn default() -> Self {
        Self::new()
    }
}

impl ClassicGroup {
    /// A group that nobody has joined: Empty, generation 0.
    pub fn new() -> Self {
        Self {
            phase: Phase::Empty,
            generation: 0,
            given: 0,
            given_up_to: 0,
            protocol_type: None,
            protocol: None,
            leader: None,
            roster: Roster::default(),
            pending: BTreeSet::new(),
            sessions: Deadlines::default(),
            unsynced: BTreeSet::new(),
            sync_until: None,
        }
    }

    /// Whether it has no members. Ids that were given out may still be pending: there is nothing to lose only if
    /// [`ClassicGroup::next_wake`] is `None` as well.
    pub fn is_empty(&self) -> bool {
        self.phase == Phase::Empty
    }

    /// Its state; never [`ClassicState::Dead`].
    pub fn state(&self) -> ClassicState {
        match self.phase {
            Phase::Empty => ClassicState::Empty,
            Phase::Preparing { .. } => ClassicState::PreparingRebalance,
            Phase::Completing => ClassicState::CompletingRebalance,
            Phase::Stable => ClassicState::Stable,
        }
    }

    /// The generation that was given last.
    pub fn generation(&self) -> i32 {
        self.generation
    }

    /// How many members it has.
    pub fn size(&self) -> usize {
        self.roster.len()
    }

    /// What kind of members it has, or had last.
    pub fn protocol_type(&self) -> Option<&str> {
        self.protocol_type.as_deref()
    }

    /// Bytes that are kept for its members.
    pub fn bytes(&self) -> usize {
        self.roster.bytes()
    }

    /// All calls that wait, for a coordinator that gives the group up. They are the caller's to answer.
    pub fn abandon(&mut self) -> Vec<CallId> {
        self.roster.take_calls()
    }

    /// A member as a request names it: 25 if there is none, 82 if another took over its instance id.
    fn check_member(&self, member_id: &str, instance_id: Option<&str>) -> Result<(), GroupError> {
        if let Some(instance_id) = instance_id {
            match self.roster.of_instance(instance_id) {
                None => return Err(GroupError::UnknownMemberId),
                Some(owner) if &**owner != member_id => return Err(GroupError::FencedInstanceId),
                Some(_) => {}
            }
        }
        if self.roster.get(member_id).is_none() {
            return Err(GroupError::UnknownMemberId);
        }
        Ok(())
    }

    fn is_leader(&self, member_id: &str) -> bool {
        self.leader.as_deref() == Some(member_id)
    }

    /// The answer to a member's JoinGroup or SyncGroup goes out only now: its session begins anew, as the member counts
    /// from here.
    pub fn answered(&mut self, now: Instant, member_id: &str) {
        self.touch(now, member_id);
    }

    /// A member was heard of: its session begins anew. It rests while a call of the member waits; that of a new member
    /// is fixed until the member has its first generation.
    fn touch(&mut self, now: Instant, member_id: &str) {
        let Some(member) = self.roster.get(member_id) else {
            return;
        };
        if member.is_new {
            return;
        }
        if member.join_call().is_some() || member.sync_call.is_some() {
            self.sessions.clear(member_id);
        } else {
            let until = now.plus(member.session_timeout);
            self.sessions.set(member.id.clone(), until);
        }
    }
}
