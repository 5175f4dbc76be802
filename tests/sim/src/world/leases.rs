//! Who coordinates groups, as the metastore has it.

use std::collections::{BTreeMap, BTreeSet};

use esker_history::What;
use esker_history::event::Flaw;
use esker_metastore::{GroupWrites, ShardLease, ShardOwner};
use esker_model::groups::shard_of;
use esker_model::{IncarnationId, ShardId};
use parking_lot::Mutex;

use super::World;

/// The leases of shards that have groups.
#[derive(Default)]
pub(super) struct Leases(Mutex<State>);

#[derive(Default)]
struct State {
    watched: BTreeSet<ShardId>,
    /// The last lease of each shard.
    epochs: BTreeMap<ShardId, i64>,
    /// Who wrote under a lease.
    writers: BTreeMap<ShardLease, IncarnationId>,
}

impl World {
    /// Leases of the shards of these groups are counted.
    pub fn watch_groups<'a>(&self, groups: impl Iterator<Item = &'a str>) {
        self.leases.0.lock().watched.extend(groups.map(shard_of));
    }

    /// An agent took shards, and was told who has them all.
    pub(super) fn shards_claimed(&self, owners: &[ShardOwner]) {
        let state = &mut *self.leases.0.lock();
        let watched = owners
            .iter()
            .filter(|owner| state.watched.contains(&owner.lease.shard));
        for owner in watched {
            let ShardLease { shard, epoch } = owner.lease;
            let before = state.epochs.insert(shard, epoch);
            if before.is_some_and(|before| before < epoch) {
                self.tally.count("groups", "takeovers", 1);
            }
        }
    }

    /// An agent wrote what groups have to keep.
    pub(super) fn groups_written(&self, writes: &GroupWrites, made: &[bool]) {
        let by = writes.incarnation;
        for (change, made) in writes.changes.iter().zip(made) {
            if !made {
                self.tally.count("groups", "writes refused", 1);
                continue;
            }
            let writers = &mut self.leases.0.lock().writers;
            let first = *writers.entry(change.lease).or_insert(by);
            if first != by {
                let what = format!("{first} and {by} both wrote under {:?}", change.lease);
                let flaw = Flaw::Shared;
                self.record.note(What::Audited { flaw, what });
            }
        }
    }
}
