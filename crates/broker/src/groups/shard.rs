//! A shard in the memory of the agent that holds it: its groups, when each wants to be woken, and what is to be written.
//!
//! What holds: a group with something to write is in the queue once; an answer of a group waits while something of the
//! group is not written yet, whatever the answer rests on; a call that was answered, or whose shard is dropped, is gone.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use esker_metastore::{CommittedOffset, ShardLease};
use esker_model::PartitionKey;
use esker_model::collections::FixedMap;
use esker_model::groups::CallId;
use esker_model::groups::classic::{Answer, Effects};
use esker_model::groups::consumer::Keep;
use esker_model::planted::{Mistake, planted};
use esker_model::seams::Instant;
use esker_protocol::ErrorCode;
use tokio::sync::oneshot;

use super::group::Group;
use crate::metrics::{GroupMetrics, ProtocolLabels};

/// Groups of one shard that are in memory; one that comes beyond them is answered 15.
const SHARD_GROUPS_MAX: usize = 20_000;

/// Whether this agent holds a shard.
pub(super) enum Slot {
    /// It does not.
    NotHeld,
    /// It did, or began to, with this lease, which the metastore may still know as its own. Writes and reads of then may
    /// still be under way: the lease is not used again.
    Dropped(ShardLease),
    /// It took it, and reads what is kept of it.
    Loading(ShardLease),
    /// It does.
    Held(Shard),
}

impl Slot {
    /// The lease, if there is one.
    pub(super) fn lease(&self) -> Option<ShardLease> {
        match self {
            Self::NotHeld | Self::Dropped(_) => None,
            Self::Loading(lease) => Some(*lease),
            Self::Held(shard) => Some(shard.lease),
        }
    }

    /// Lets go of it, with all that waits in it.
    pub(super) fn drop_shard(&mut self) {
        *self = match self {
            Self::Held(shard) => Self::Dropped(shard.lease),
            Self::Dropped(lease) | Self::Loading(lease) => Self::Dropped(*lease),
            Self::NotHeld => Self::NotHeld,
        };
    }
}

/// A shard that is held.
pub(super) struct Shard {
    pub(super) lease: ShardLease,
    groups: BTreeMap<Arc<str>, Entry>,
    wakes: BTreeSet<(Instant, Arc<str>)>,
    /// Groups with something to write, in the order in which they are.
    to_write: VecDeque<Arc<str>>,
    calls: FixedMap<CallId, oneshot::Sender<Answer>>,
    /// What its groups keep for members; of all shards together in `all_bytes`.
    bytes: u64,
    all_bytes: Arc<AtomicU64>,
    metrics: GroupMetrics,
}

impl Drop for Shard {
    fn drop(&mut self) {
        self.all_bytes.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// A group, and what is to be done for it.
pub(super) struct Entry {
    pub(super) group: Group,
    wake: Option<Instant>,
    bytes: u64,
    /// [`Group::round`] when it was looked at last.
    round: i32,
    pending: Pending,
    /// Its state was written, or is going to be.
    kept: bool,
    /// A write of it is under way.
    writing: bool,
    queued: bool,
}

/// What is to be written of a group.
#[derive(Default)]
pub(super) struct Pending {
    /// Before everything else: the group goes with all that is kept of it.
    pub(super) delete: bool,
    /// Or goes if no offset is kept for it.
    pub(super) delete_without_offsets: bool,
    /// Its own state.
    pub(super) state: bool,
    /// Members; what is not there any more is forgotten.
    pub(super) members: BTreeSet<Arc<str>>,
    pub(super) offsets: BTreeMap<PartitionKey, Option<CommittedOffset>>,
    /// Who is told when all this, and what is being written, is there.
    pub(super) then: Vec<Waiter>,
}

/// Who waits for a write.
pub(super) enum Waiter {
    /// A JoinGroup or SyncGroup, with its answer.
    Call(oneshot::Sender<Answer>, Answer),
    /// Anything else.
    Written(oneshot::Sender<()>),
}

impl Waiter {
    /// Tells it. Whoever does not listen any more has gone away.
    pub(super) fn tell(self) {
        match self {
            Self::Call(call, answer) => drop(call.send(answer)),
            Self::Written(written) => drop(written.send(())),
        }
    }
}

impl Pending {
    fn is_empty(&self) -> bool {
        !self.delete
            && !self.delete_without_offsets
            && !self.state
            && self.members.is_empty()
            && self.offsets.is_empty()
            && self.then.is_empty()
    }
}

/// How a request ends that something has to be written for.
pub(super) type Written = oneshot::Receiver<()>;

impl Shard {
    /// A shard without groups. `all_bytes`: what is kept in memory for members of all groups of this agent.
    pub(super) fn new(lease: ShardLease, all_bytes: Arc<AtomicU64>, metrics: GroupMetrics) -> Self {
        Self {
            lease,
            groups: BTreeMap::new(),
            wakes: BTreeSet::new(),
            to_write: VecDeque::new(),
            calls: FixedMap::default(),
            bytes: 0,
            all_bytes,
            metrics,
        }
    }

    /// Takes a group as it was kept.
    pub(super) fn restore(&mut self, id: Arc<str>, group: Group) {
        let entry = Entry {
            kept: true,
            round: group.round(),
            ..Entry::new(group)
        };
        self.groups.insert(Arc::clone(&id), entry);
        self.touched(&id);
    }

    /// A group; `None` also for one that is about to go.
    pub(super) fn group(&mut self, id: &str) -> Option<&mut Group> {
        self.groups
            .get_mut(id)
            .map(|entry| &mut entry.group)
            .filter(|group| !group.is_gone())
    }

    /// A group, as it is made by `new` if it is not there.
    pub(super) fn group_or(&mut self, id: &str, new: impl FnOnce() -> Group) -> &mut Group {
        let entry = self
            .groups
            .entry(Arc::from(id))
            .or_insert_with(|| Entry::new(Group::Gone));
        if entry.group.is_gone() {
            entry.group = new();
        }
        &mut entry.group
    }

    /// Puts a group without members into the place of another one: what is kept beside members stays.
    pub(super) fn replace(&mut self, id: &str, group: Group) {
        if let Some(entry) = self.groups.get_mut(id) {
            entry.round = group.round();
            entry.group = group;
        }
    }

    /// Whether there is room for a group that is not there yet.
    pub(super) fn has_room(&self, id: &str) -> bool {
        self.groups.len() < SHARD_GROUPS_MAX || self.groups.contains_key(id)
    }

    /// All groups that are there.
    pub(super) fn groups(&self) -> impl Iterator<Item = (&Arc<str>, &Group)> {
        let all = self.groups.iter().map(|(id, entry)| (id, &entry.group));
        all.filter(|(_, group)| !group.is_gone())
    }

    /// Does what a call leads to of which a classic group was told, and lets it wait for its answer.
    pub(super) fn wait(&mut self, id: &str, call: CallId, effects: Effects) -> oneshot::Receiver<Answer> {
        let (sender, receiver) = oneshot::channel();
        self.calls.insert(call, sender);
        self.heed(id, effects);
        receiver
    }

    /// Does what an event of a classic group leads to.
    pub(super) fn heed(&mut self, id: &str, effects: Effects) {
        let Some(entry) = self.groups.get_mut(id) else {
            return;
        };
        if effects.keep {
            entry.keep_state();
        }
        let waits = entry.is_unwritten() && !planted(Mistake::GroupAnswersEarly);
        for (call, answer) in effects.answers {
            let Some(sender) = self.calls.remove(&call) else {
                continue;
            };
            let waiter = Waiter::Call(sender, answer);
            if waits {
                entry.pending.then.push(waiter);
            } else {
                waiter.tell();
            }
        }
        self.touched(id);
        self.queue(id);
    }

    /// Does what an event of a consumer group leads to. `None`: there is nothing to wait for.
    pub(super) fn keep(&mut self, id: &str, keep: Keep) -> Option<Written> {
        let entry = self.groups.get_mut(id)?;
        if keep.group || (!entry.kept && !keep.members.is_empty()) {
            entry.keep_state();
        }
        entry
            .pending
            .members
            .extend(keep.members.into_iter().map(|(member, _)| member));
        self.touched(id);
        self.when_written(id)
    }

    /// Has offsets written, and forgotten.
    pub(super) fn put_offsets(
        &mut self,
        id: &str,
        offsets: impl IntoIterator<Item = (PartitionKey, Option<CommittedOffset>)>,
    ) -> Option<Written> {
        let entry = self.groups.get_mut(id)?;
        if !entry.kept {
            entry.keep_state();
        }
        entry.pending.offsets.extend(offsets);
        self.when_written(id)
    }

    /// Has a group go, with everything that is kept of it.
    pub(super) fn delete(&mut self, id: &str) -> Option<Written> {
        let entry = self.groups.get_mut(id)?;
        entry.group = Group::Gone;
        entry.kept = false;
        entry.pending = Pending {
            delete: true,
            then: std::mem::take(&mut entry.pending.then),
            ..Pending::default()
        };
        self.touched(id);
        self.when_written(id)
    }

    /// Has a group go if it has no members, nothing is being written of it, and no offset is kept.
    pub(super) fn delete_if_unused(&mut self, id: &str) {
        let Some(entry) = self.groups.get_mut(id) else {
            return;
        };
        if !entry.group.is_gone() && entry.group.is_empty() && !entry.is_unwritten() {
            entry.group = Group::Gone;
            entry.kept = false;
            entry.pending.delete_without_offsets = true;
            self.touched(id);
            self.queue(id);
        }
    }

    /// Told when everything of a group is written. `None`: it is.
    pub(super) fn when_written(&mut self, id: &str) -> Option<Written> {
        let entry = self.groups.get_mut(id)?;
        if !entry.is_unwritten() {
            return None;
        }
        if planted(Mistake::GroupAnswersEarly) {
            self.queue(id);
            return None;
        }
        let (sender, receiver) = oneshot::channel();
        entry.pending.then.push(Waiter::Written(sender));
        self.queue(id);
        Some(receiver)
    }

    /// Groups of which not everything is written.
    pub(super) fn unwritten(&self) -> Vec<Arc<str>> {
        let all = self.groups.iter().filter(|(_, entry)| entry.is_unwritten());
        all.map(|(id, _)| Arc::clone(id)).collect()
    }

    fn queue(&mut self, id: &str) {
        let Some((id, entry)) = self.groups.get_key_value(id) else {
            return;
        };
        if entry.queued || entry.pending.is_empty() {
            return;
        }
        let id = Arc::clone(id);
        self.to_write.push_back(Arc::clone(&id));
        if let Some(entry) = self.groups.get_mut(&id) {
            entry.queued = true;
        }
    }

    /// Whether something is to be written.
    pub(super) fn has_writes(&self) -> bool {
        !self.to_write.is_empty()
    }

    /// Takes what is to be written of the group that has waited longest.
    pub(super) fn next_write(&mut self) -> Option<(Arc<str>, &Group, Pending)> {
        let id = self.to_write.pop_front()?;
        let entry = self.groups.get_mut(&id)?;
        entry.queued = false;
        entry.writing = true;
        Some((id, &entry.group, std::mem::take(&mut entry.pending)))
    }

    /// What was taken is written.
    pub(super) fn written(&mut self, id: &str) {
        if let Some(entry) = self.groups.get_mut(id) {
            entry.writing = false;
            if entry.group.is_gone() && entry.pending.is_empty() {
                self.groups.remove(id);
            }
        }
    }

    /// The limits of a group are others than before.
    pub(super) fn look_again(&mut self, id: &str, now: Instant) {
        if let Some(Group::Consumer(group)) = self.group(id) {
            group.look_again(now);
            self.touched(id);
        }
    }

    /// After each event: counts what the group keeps, wakes it when it wants to be, and forgets one that nothing is kept of
    /// and nobody waits for.
    pub(super) fn touched(&mut self, id: &str) {
        let Some((id, _)) = self.groups.get_key_value(id) else {
            return;
        };
        let id = Arc::clone(id);
        let Some(entry) = self.groups.get_mut(&id) else {
            return;
        };
        let bytes = entry.group.bytes() as u64;
        self.bytes = self.bytes - entry.bytes + bytes;
        self.all_bytes.fetch_add(bytes, Ordering::Relaxed);
        self.all_bytes.fetch_sub(entry.bytes, Ordering::Relaxed);
        entry.bytes = bytes;
        let round = entry.group.round();
        if round > entry.round
            && !entry.group.is_empty()
            && let Some(protocol) = entry.group.protocol()
        {
            let labels = ProtocolLabels { protocol };
            self.metrics.rebalances.get_or_create(&labels).inc();
        }
        entry.round = round;
        let wake = entry.group.next_wake();
        if wake.is_none() && !entry.kept && entry.group.is_empty() && !entry.is_unwritten() {
            if let Some(before) = entry.wake {
                self.wakes.remove(&(before, Arc::clone(&id)));
            }
            self.groups.remove(&id);
            return;
        }
        if wake == entry.wake {
            return;
        }
        if let Some(before) = entry.wake.take() {
            self.wakes.remove(&(before, Arc::clone(&id)));
        }
        entry.wake = wake;
        if let Some(wake) = wake {
            self.wakes.insert((wake, id));
        }
    }

    /// When a group wants to be woken.
    pub(super) fn next_wake(&self) -> Option<Instant> {
        self.wakes.first().map(|(wake, _)| *wake)
    }

    /// A group whose time has come.
    pub(super) fn due(&self, now: Instant) -> Option<Arc<str>> {
        let (wake, id) = self.wakes.first()?;
        (*wake <= now).then(|| Arc::clone(id))
    }
}

impl Entry {
    fn new(group: Group) -> Self {
        Self {
            group,
            wake: None,
            bytes: 0,
            round: 0,
            pending: Pending::default(),
            kept: false,
            writing: false,
            queued: false,
        }
    }

    fn keep_state(&mut self) {
        self.pending.state = true;
        self.kept = true;
    }

    fn is_unwritten(&self) -> bool {
        self.writing || !self.pending.is_empty()
    }
}

/// Waits for a write. 15: it did not come in time, and may still come; 16: the shard was lost meanwhile.
pub(super) async fn until_written(written: Option<Written>) -> Result<(), ErrorCode> {
    let Some(written) = written else {
        return Ok(());
    };
    match tokio::time::timeout(super::WRITE_PATIENCE, written).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(_)) => Err(ErrorCode::NotCoordinator),
        Err(_) => Err(ErrorCode::CoordinatorNotAvailable),
    }
}
