//! Who sits where in a group, as only the simulator sees it, and whether the members may go.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use esker_history::What;
use esker_history::event::{Life, Partition};
use esker_history::group::{InGroup, Member};
use parking_lot::Mutex;

use crate::clients::ClientContext;

/// The seats of one group.
#[derive(Debug)]
pub struct Board {
    seats: Vec<Mutex<State>>,
    dismissed: AtomicBool,
    orphaned: AtomicBool,
}

#[derive(Default, Debug)]
struct State {
    member: Option<Member>,
    owned: BTreeSet<Partition>,
    owes_join: bool,
    leaves: bool,
}

impl Board {
    pub(super) fn new(seats: usize) -> Arc<Self> {
        Arc::new(Self {
            seats: (0..seats).map(|_| Mutex::default()).collect(),
            dismissed: AtomicBool::new(false),
            orphaned: AtomicBool::new(false),
        })
    }

    /// The seat with this number.
    pub fn seat(self: &Arc<Self>, number: usize) -> Seat {
        Seat {
            board: Arc::clone(self),
            number,
        }
    }

    /// What each seat owns.
    pub(super) fn owned(&self) -> Vec<BTreeSet<Partition>> {
        self.seats.iter().map(|seat| seat.lock().owned.clone()).collect()
    }

    /// The members that sit there, were told what they own, and are not on their way out.
    pub(super) fn members(&self) -> BTreeSet<String> {
        let members = self.seats.iter().filter_map(|seat| {
            let state = seat.lock();
            let member = state.member.as_ref().filter(|_| !state.leaves)?;
            Some(member.id.clone())
        });
        members.collect()
    }

    /// Whether partitions may be nobody's until the next rebalance: a static member gave some up for others, and its
    /// process ended before it joined again, which would have handed them on. Its successor takes its place without a
    /// rebalance and knows nothing of that. It is the same with Kafka.
    pub(super) fn may_have_orphans(&self) -> bool {
        self.orphaned.load(Ordering::Relaxed)
    }

    /// The members may go.
    pub(super) fn dismiss(&self) {
        self.dismissed.store(true, Ordering::Relaxed);
    }
}

/// One seat.
#[derive(Clone)]
pub struct Seat {
    board: Arc<Board>,
    number: usize,
}

impl Seat {
    /// Its number among those of the group.
    pub(super) fn number(&self) -> usize {
        self.number
    }

    pub(super) fn is_dismissed(&self) -> bool {
        self.board.dismissed.load(Ordering::Relaxed)
    }

    fn with<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        change(&mut self.board.seats[self.number].lock())
    }

    /// What it reads.
    pub(super) fn owned(&self) -> BTreeSet<Partition> {
        self.with(|state| state.owned.clone())
    }

    /// It was told that it owns these. What it had before and does not own any more it still reads.
    pub(super) fn told(
        &self,
        ctx: &ClientContext,
        member: &Member,
        partitions: &BTreeSet<Partition>,
        (asked_us, by): (u64, Life),
    ) {
        self.with(|state| {
            state.member = Some(member.clone());
            state.owned.extend(partitions.iter().copied());
        });
        let owns = InGroup::Owns {
            member: member.clone(),
            partitions: partitions.iter().copied().collect(),
            asked_us,
            by: Some(by),
        };
        ctx.record.tell(ctx.me, What::InGroup(owns));
    }

    /// It stops reading everything but these.
    pub(super) fn keep(&self, ctx: &ClientContext, partitions: &BTreeSet<Partition>) {
        let member = self.with(|state| {
            let before = state.owned.len();
            state.owned.retain(|partition| partitions.contains(partition));
            state.member.clone().filter(|_| state.owned.len() < before)
        });
        if let Some(member) = member {
            let keeps = InGroup::Keeps {
                member,
                partitions: self.owned().into_iter().collect(),
            };
            ctx.record.tell(ctx.me, What::InGroup(keeps));
        }
    }

    /// Whether its member, a static one, has to join again so that others get what it gave up.
    pub(super) fn owes_join(&self, owes: bool) {
        self.with(|state| state.owes_join = owes);
    }

    /// It is going to leave, which takes its time.
    pub(super) fn leaves(&self) {
        self.with(|state| state.leaves = true);
    }

    /// Nobody sits there.
    pub(super) fn vacate(&self, ctx: &ClientContext) {
        self.give_up(ctx);
        let owed = self.with(|state| {
            state.member = None;
            state.leaves = false;
            std::mem::take(&mut state.owes_join)
        });
        if owed {
            self.board.orphaned.store(true, Ordering::Relaxed);
        }
    }

    /// It stops reading.
    pub(super) fn give_up(&self, ctx: &ClientContext) {
        self.keep(ctx, &BTreeSet::new());
    }
}
