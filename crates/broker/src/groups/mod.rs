//! Consumer groups: those that this agent coordinates.
//!
//! Groups are spread over shards ([`esker_model::groups::shard_of`]). An agent coordinates the shards that it took in the
//! metastore; what it knows of their groups is in memory, read when it took them, and kept by [`writer`] whenever it must
//! be found again. What a group does is decided by the rules of [`esker_model::groups`]; nothing of that is here.
//!
//! What holds:
//! - a request is answered by the shard's holder only, and only while this agent is current
//!   ([`Membership::is_current`]); everybody else answers 16, while it is being read 14;
//! - what an answer rests on was written before it goes out, and answers of one group go out in their order: whoever takes
//!   the shard over finds all that anybody was told;
//! - heartbeats cost no statement; writes of all groups of an agent meet in one at a time;
//! - a shard whose lease is lost, or whose agent is not current any more, is dropped with all that waits in it: those who
//!   wait are answered 16 and look for the new coordinator.

mod counted;
mod expire;
mod group;
mod keeper;
mod members;
pub(crate) mod offsets;
mod owners;
pub(crate) mod requests;
mod shard;
mod stored;
mod timer;
mod topics;
mod unread;
mod writer;

use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use esker_metastore::{Metastore, ShardLease};
use esker_model::ShardId;
use esker_model::groups::{CallId, GROUP_ID_BYTES_MAX, GroupLimits, SHARDS, shard_of};
use esker_model::seams::{Instant, Seams};
use esker_protocol::ErrorCode;
use parking_lot::{Mutex, MutexGuard};
use tokio::sync::Notify;

use crate::membership::Membership;
use crate::metrics::GroupMetrics;
use crate::topics::{Catalog, group_configs};
use group::Group;
use owners::Owners;
use shard::{Shard, Slot};
use timer::Alarm;

pub(crate) use keeper::GROUPS_COORDINATED;

/// How long a request waits for what it has written, or has to be written before its answer.
pub(super) const WRITE_PATIENCE: Duration = Duration::from_secs(5);

/// The groups of one agent.
pub(crate) struct Groups {
    pub(super) limits: GroupLimits,
    member: Arc<Membership>,
    metastore: Arc<dyn Metastore>,
    catalog: Arc<Catalog>,
    seams: Seams,
    metrics: GroupMetrics,
    /// By shard.
    slots: Vec<Mutex<Slot>>,
    owners: Owners,
    calls: AtomicU64,
    /// The number of the next attempt to write.
    writes: AtomicU64,
    /// What is kept in memory for members of all groups.
    bytes: Arc<AtomicU64>,
    bytes_max: u64,
    /// No shard is taken any more.
    draining: AtomicBool,
    /// There is something to write.
    to_write: Notify,
    /// Of which the writer is to forget some.
    old_offsets: Mutex<Option<unread::Old>>,
    alarm: Alarm,
}

/// What groups are built on.
pub(crate) struct On {
    pub(crate) limits: GroupLimits,
    pub(crate) member: Arc<Membership>,
    pub(crate) metastore: Arc<dyn Metastore>,
    pub(crate) catalog: Arc<Catalog>,
    pub(crate) seams: Seams,
    pub(crate) metrics: GroupMetrics,
    /// Memory in bytes for what members tell of themselves; who joins beyond it is answered 15.
    pub(crate) bytes_max: u64,
    /// Whether this agent serves clients; if not, it coordinates nothing.
    pub(crate) serves: bool,
}

impl Groups {
    /// Starts to take shards, and everything else that goes on by itself.
    pub(crate) fn start(on: On) -> Arc<Self> {
        let slots = (0..SHARDS).map(|_| Mutex::new(Slot::NotHeld));
        let groups = Arc::new(Self {
            limits: on.limits,
            member: on.member,
            metastore: on.metastore,
            catalog: on.catalog,
            seams: on.seams,
            metrics: on.metrics,
            slots: slots.collect(),
            owners: Owners::default(),
            calls: AtomicU64::new(0),
            writes: AtomicU64::new(1),
            bytes: Arc::default(),
            bytes_max: on.bytes_max,
            draining: AtomicBool::new(false),
            to_write: Notify::new(),
            old_offsets: Mutex::default(),
            alarm: Alarm::default(),
        });
        groups.catalog.on_groups({
            // The catalog outlives the groups, and must not keep them.
            let groups = Arc::downgrade(&groups);
            move |ids| {
                if let Some(groups) = groups.upgrade() {
                    groups.look_again(ids);
                }
            }
        });
        let spawner = Arc::clone(&groups.seams.spawner);
        spawner.spawn(
            "group shards",
            Box::pin(keeper::keep(Arc::clone(&groups), on.serves)),
        );
        spawner.spawn("group writes", Box::pin(writer::write(Arc::clone(&groups))));
        spawner.spawn("group timers", Box::pin(timer::wake(Arc::clone(&groups))));
        spawner.spawn("group offsets", Box::pin(expire::expire(Arc::clone(&groups))));
        groups
    }

    /// The agent that coordinates a group, as far as this one knows.
    pub(crate) fn owners(&self) -> &Owners {
        &self.owners
    }

    /// What holds for a group of KIP-848: its configs, and where they say nothing the settings of this agent.
    fn limits_of(&self, group: &str) -> Cow<'_, GroupLimits> {
        group_configs::limits(&self.limits, self.catalog.group(group))
    }

    /// Has sessions of groups judged by the configs that they have now.
    fn look_again(&self, groups: &[Arc<str>]) {
        let now = self.seams.clock.now();
        for group in groups {
            if let Some(mut slot) = self.slot(shard_of(group))
                && let Slot::Held(shard) = &mut *slot
            {
                shard.look_again(group, now);
                self.heed(shard);
            }
        }
    }

    /// A number for a request that waits for its answer.
    fn next_call(&self) -> CallId {
        CallId(self.calls.fetch_add(1, Ordering::Relaxed))
    }

    /// A number for an attempt to write, higher than all before.
    fn next_write(&self) -> u64 {
        self.writes.fetch_add(1, Ordering::Relaxed)
    }

    /// Whether there is memory for another member.
    fn has_memory(&self) -> bool {
        self.bytes.load(Ordering::Relaxed) < self.bytes_max
    }

    /// Whether every group is somebody's, so that the lists of all agents together leave none out. 15: nobody coordinates
    /// some of them yet, after their agent died or gave them back; 14: this agent is reading some.
    fn leave_none_out(&self) -> Result<(), ErrorCode> {
        let live = self.member.live();
        let nobody_can = !keeper::somebody_can(&live);
        for shard in keeper::shards() {
            match self.slot(shard).as_deref() {
                Some(Slot::Held(_)) => continue,
                Some(Slot::Loading(_)) => return Err(ErrorCode::CoordinatorLoadInProgress),
                Some(Slot::NotHeld | Slot::Dropped(_)) | None => {}
            }
            let holder = self.owners.holder(shard);
            // Not by this agent: its slot would say so.
            let mut others = live.iter().filter(|agent| agent.node_id != self.member.node_id());
            let is_held = others.any(|agent| Some(agent.incarnation) == holder);
            if !is_held && !nobody_can {
                return Err(ErrorCode::CoordinatorNotAvailable);
            }
        }
        Ok(())
    }

    fn slot(&self, shard: ShardId) -> Option<MutexGuard<'_, Slot>> {
        Some(self.slots.get(usize::try_from(shard.0).ok()?)?.lock())
    }

    /// Lets a request at the shard of a group. 24: there can be no such group; 16: another agent coordinates it; 14: this
    /// one, soon.
    fn with_shard<R>(&self, group: &str, act: impl FnOnce(&mut Shard, Instant) -> R) -> Result<R, ErrorCode> {
        if group.len() > GROUP_ID_BYTES_MAX {
            return Err(ErrorCode::InvalidGroupId);
        }
        if !self.member.is_current() {
            return Err(ErrorCode::NotCoordinator);
        }
        let now = self.seams.clock.now();
        let mut slot = self.slot(shard_of(group)).ok_or(ErrorCode::NotCoordinator)?;
        match &mut *slot {
            Slot::NotHeld | Slot::Dropped(_) => Err(ErrorCode::NotCoordinator),
            Slot::Loading(_) => Err(ErrorCode::CoordinatorLoadInProgress),
            Slot::Held(shard) => {
                let result = act(shard, now);
                self.heed(shard);
                Ok(result)
            }
        }
    }

    /// An answer goes out to a member that may have waited for it for long: it was not silent for as long.
    fn answered(&self, group: &str, member_id: &str) {
        // Who coordinates the group by now, if another one does, lets its sessions begin anew.
        let _ = self.with_shard(group, |shard, now| {
            match shard.group(group) {
                Some(Group::Classic(group)) => group.answered(now, member_id),
                Some(Group::Consumer(group)) => group.answered(now, member_id),
                Some(Group::Gone) | None => {}
            }
            shard.touched(group);
        });
    }

    /// Has done what a shard has to be done for.
    fn heed(&self, shard: &Shard) {
        if shard.has_writes() {
            self.to_write.notify_one();
        }
        if let Some(wake) = shard.next_wake() {
            self.alarm.set(wake);
        }
    }

    /// All shards that are held.
    fn each_shard(&self, mut visit: impl FnMut(&mut Shard)) {
        for slot in &self.slots {
            if let Slot::Held(shard) = &mut *slot.lock() {
                visit(shard);
                self.heed(shard);
            }
        }
    }

    /// Drops a shard if it is held, or being read, with this lease. Those who wait in it are answered 16.
    fn drop_shard(&self, lease: ShardLease) {
        if let Some(mut slot) = self.slot(lease.shard)
            && slot.lease() == Some(lease)
        {
            slot.drop_shard();
        }
    }

    /// Leases of the shards that are held or being read.
    fn leases(&self) -> Vec<ShardLease> {
        self.slots.iter().filter_map(|slot| slot.lock().lease()).collect()
    }
}
