//! Which agent coordinates which group, as the metastore said last.

use std::sync::Arc;

use esker_metastore::ShardOwner;
use esker_model::collections::FixedMap;
use esker_model::groups::shard_of;
use esker_model::{IncarnationId, ShardId};
use parking_lot::RwLock;

/// Who holds each shard.
#[derive(Default)]
pub(crate) struct Owners(RwLock<Arc<FixedMap<i16, IncarnationId>>>);

impl Owners {
    /// Takes what the metastore said.
    pub(super) fn learn(&self, owners: &[ShardOwner]) {
        let held = owners
            .iter()
            .filter_map(|owner| Some((owner.lease.shard.0, owner.incarnation?)));
        *self.0.write() = Arc::new(held.collect());
    }

    /// Who holds a shard; `None`: nobody, as far as is known.
    pub(super) fn holder(&self, shard: ShardId) -> Option<IncarnationId> {
        self.0.read().get(&shard.0).copied()
    }

    /// Who coordinates a group; `None`: nobody, as far as is known.
    pub(crate) fn of(&self, group: &str) -> Option<IncarnationId> {
        self.holder(shard_of(group))
    }
}
