use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use esker_metastore::*;
use esker_model::groups::shard_of;
use esker_model::{IncarnationId, PartitionKey, ShardId};

use super::{Reference, State};

pub(super) type Shards = BTreeMap<ShardId, ShardRow>;

#[derive(Clone, Copy, Default)]
pub(super) struct ShardRow {
    epoch: i64,
    /// Who took it last; `None`: it was given back.
    holder: Option<IncarnationId>,
    /// The highest number of a write since then.
    written: u64,
}

#[derive(Clone)]
pub(super) struct GroupRow {
    state: Bytes,
    empty_since_ms: Option<i64>,
    members: BTreeMap<Arc<str>, Bytes>,
    /// With their time.
    offsets: BTreeMap<PartitionKey, (CommittedOffset, i64)>,
}

impl State {
    fn holds(&self, incarnation: IncarnationId, lease: ShardLease) -> bool {
        let row = self.shards.get(&lease.shard);
        let held = row.is_some_and(|row| row.epoch == lease.epoch && row.holder == Some(incarnation));
        held && self.lives(incarnation)
    }

    /// One after the other, without looking ahead.
    fn make(&mut self, change: &GroupChange, now_ms: i64) {
        let group = &change.group;
        match &change.state {
            StateChange::Put { state, empty } => {
                let before = self.groups.remove(group);
                let since = before.as_ref().and_then(|row| row.empty_since_ms);
                let row = GroupRow {
                    state: state.clone(),
                    empty_since_ms: empty.then(|| since.unwrap_or(now_ms)),
                    members: before.as_ref().map(|row| row.members.clone()).unwrap_or_default(),
                    offsets: before.map(|row| row.offsets).unwrap_or_default(),
                };
                self.groups.insert(Arc::clone(group), row);
            }
            StateChange::Delete => {
                self.groups.remove(group);
            }
            StateChange::Keep | StateChange::DeleteWithoutOffsets => {}
        }
        let Some(row) = self.groups.get_mut(group) else {
            return;
        };
        for (id, state) in &change.members {
            match state {
                Some(state) => row.members.insert(Arc::clone(id), state.clone()),
                None => row.members.remove(id),
            };
        }
        for (partition, offset) in &change.offsets {
            match offset {
                Some(offset) => row.offsets.insert(*partition, (offset.clone(), now_ms)),
                None => row.offsets.remove(partition),
            };
        }
        if change.state == StateChange::DeleteWithoutOffsets && row.offsets.is_empty() {
            self.groups.remove(group);
        }
    }
}

#[async_trait]
impl Coordinators for Reference {
    async fn claim_shards(&self, incarnation: IncarnationId, wanted: &[ShardId]) -> Result<Vec<ShardOwner>> {
        let mut state = self.state();
        state.check_fence(incarnation)?;
        for shard in wanted {
            let before = state.shards.get(shard).copied().unwrap_or_default();
            if !before.holder.is_some_and(|holder| state.lives(holder)) {
                let taken = ShardRow {
                    epoch: before.epoch + 1,
                    holder: Some(incarnation),
                    written: 0,
                };
                state.shards.insert(*shard, taken);
            }
        }
        let owner = |(shard, row): (&ShardId, &ShardRow)| ShardOwner {
            lease: ShardLease {
                shard: *shard,
                epoch: row.epoch,
            },
            incarnation: row.holder.filter(|holder| state.lives(*holder)),
        };
        Ok(state.shards.iter().map(owner).collect())
    }

    async fn release_shards(&self, incarnation: IncarnationId, leases: &[ShardLease]) -> Result<()> {
        let mut state = self.state();
        for lease in leases {
            if state.holds(incarnation, *lease)
                && let Some(row) = state.shards.get_mut(&lease.shard)
            {
                row.holder = None;
            }
        }
        Ok(())
    }
}

#[async_trait]
impl Groups for Reference {
    async fn load_groups(
        &self,
        incarnation: IncarnationId,
        lease: ShardLease,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Option<Vec<StoredGroup>>> {
        let state = self.state();
        if !state.holds(incarnation, lease) {
            return Ok(None);
        }
        let groups = state
            .groups
            .iter()
            .filter(|(id, _)| shard_of(id) == lease.shard && after.is_none_or(|after| &***id > after));
        let stored = groups.take(limit).map(|(id, row)| StoredGroup {
            id: Arc::clone(id),
            state: row.state.clone(),
            members: row.members.clone().into_iter().collect(),
        });
        Ok(Some(stored.collect()))
    }

    async fn write_groups(&self, writes: &GroupWrites) -> Result<Vec<bool>> {
        let now_ms = self.now_ms();
        let mut state = self.state();
        let wrong = |change: &GroupChange| change.lease.shard != shard_of(&change.group);
        if writes.changes.iter().any(wrong) {
            return Err(MetastoreError::Corrupt("a group of another shard".to_owned()));
        }
        if i64::try_from(writes.number).is_err() {
            return Err(MetastoreError::Corrupt("a number out of range".to_owned()));
        }
        state.check_fence(writes.incarnation)?;
        let mut made = Vec::new();
        for change in &writes.changes {
            let lease = change.lease;
            let written = state.shards.get(&lease.shard).map_or(0, |row| row.written);
            made.push(state.holds(writes.incarnation, lease) && written < writes.number);
        }
        for (change, _) in writes.changes.iter().zip(&made).filter(|(_, made)| **made) {
            if let Some(row) = state.shards.get_mut(&change.lease.shard) {
                row.written = writes.number;
            }
            state.make(change, now_ms);
        }
        Ok(made)
    }

    async fn committed_offsets(&self, requests: &[OffsetsRequest]) -> Result<Vec<CommittedOffsets>> {
        let state = self.state();
        let answer = |request: &OffsetsRequest| -> CommittedOffsets {
            let Some(row) = state.groups.get(&request.group) else {
                return Vec::new();
            };
            let asked = |partition: &PartitionKey| {
                let partitions = request.partitions.as_ref();
                partitions.is_none_or(|partitions| partitions.contains(partition))
            };
            let offsets = row.offsets.iter().filter(|(partition, _)| asked(partition));
            offsets
                .map(|(partition, (offset, _))| (*partition, offset.clone()))
                .collect()
        };
        Ok(requests.iter().map(answer).collect())
    }

    async fn expire_offsets(
        &self,
        incarnation: IncarnationId,
        lease: ShardLease,
        retention_ms: i64,
        limit: usize,
    ) -> Result<Option<Expired>> {
        let before = self.now_ms() - retention_ms;
        let mut state = self.state();
        if !state.holds(incarnation, lease) {
            return Ok(None);
        }
        let topics: BTreeSet<_> = state.logs.keys().map(|key| key.topic).collect();
        let mut left = limit;
        let mut without = Vec::new();
        for (id, row) in &mut state.groups {
            if shard_of(id) != lease.shard {
                continue;
            }
            let over = row.empty_since_ms.is_some_and(|since| since <= before);
            row.offsets.retain(|partition, (_, at)| {
                let goes = left > 0 && (!topics.contains(&partition.topic) || (over && *at <= before));
                left -= usize::from(goes);
                !goes
            });
            if row.offsets.is_empty() && row.empty_since_ms.is_some() {
                without.push(Arc::clone(id));
            }
        }
        without.truncate(limit);
        Ok(Some(Expired {
            more: left == 0,
            unused: without,
        }))
    }

    async fn old_offsets(
        &self,
        shard: ShardId,
        age_ms: i64,
        after: Option<&OffsetOf>,
        limit: usize,
    ) -> Result<Vec<OffsetOf>> {
        let before = self.now_ms() - age_ms;
        let state = self.state();
        let groups = state.groups.iter();
        let groups = groups.filter(|(id, row)| shard_of(id) == shard && row.empty_since_ms.is_none());
        let all = groups.flat_map(|(id, row)| {
            let old = row.offsets.iter().filter(|(_, (_, at))| *at <= before);
            old.map(|(partition, _)| (Arc::clone(id), *partition))
        });
        let wanted = all.filter(|offset| after.is_none_or(|after| offset > after));
        Ok(wanted.take(limit).collect())
    }

    async fn forget_offsets(&self, forget: &ForgetOffsets) -> Result<bool> {
        let before = self.now_ms() - forget.age_ms;
        let mut state = self.state();
        let lease = forget.lease;
        if forget
            .offsets
            .iter()
            .any(|(group, _)| shard_of(group) != lease.shard)
        {
            return Err(MetastoreError::Corrupt("a group of another shard".to_owned()));
        }
        if i64::try_from(forget.number).is_err() {
            return Err(MetastoreError::Corrupt("a number out of range".to_owned()));
        }
        state.check_fence(forget.incarnation)?;
        let holds = state.holds(forget.incarnation, lease);
        match state.shards.get_mut(&lease.shard) {
            Some(row) if holds && row.written < forget.number => row.written = forget.number,
            _ => return Ok(false),
        }
        for (group, partition) in &forget.offsets {
            if let Some(row) = state.groups.get_mut(group)
                && row.offsets.get(partition).is_some_and(|(_, at)| *at <= before)
            {
                row.offsets.remove(partition);
            }
        }
        Ok(true)
    }
}
