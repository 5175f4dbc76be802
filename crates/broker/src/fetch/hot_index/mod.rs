//! The hot index: the recent extents of each partition, in memory, so that the tail is read without a
//! query.
//!
//! What holds: the extents of a partition are contiguous; the index is never jumped. Where this agent
//! does not know what lies between, it forgets the older part rather than leave a hole. High watermark,
//! last stable offset and log start that it reports never go back within an agent's life. Nothing gets in
//! that did not pass the epoch gate: that is the callers' duty.
//!
//! Bounded: [`PARTITION_EXTENTS_MAX`](log::PARTITION_EXTENTS_MAX) per partition, then its oldest extents
//! go; [`EXTENTS_MAX`] in total, then the partitions that nobody touched for longest lose theirs. A head
//! stays as long as its topic exists. Losing extents costs a query, nothing else.

mod log;
mod waiters;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use esker_metastore::{Extent, Head};
use esker_model::collections::FixedMap;
use esker_model::seams::{Clock, Instant, SystemClock};
use esker_model::{PartitionKey, TopicKey};
use parking_lot::Mutex;

use log::{Growth, RecentLog};
use waiters::Waiter;
pub(crate) use waiters::Waiting;

/// Extents in the whole index: some 25 MiB of memory.
pub const EXTENTS_MAX: usize = 1 << 18;

/// Locks. The commit stage and many fetches touch the index at once.
const SHARDS: usize = 16;

/// Recent extents per partition.
pub struct HotIndex {
    clock: Arc<dyn Clock>,
    shards: Vec<Mutex<Shard>>,
    shard_extents_max: usize,
    next_waiter: AtomicU64,
}

#[derive(Default)]
struct Shard {
    partitions: FixedMap<PartitionKey, Entry>,
    /// Extents of all partitions.
    extents: usize,
    /// Counts touches: a partition's last one says how cold it is.
    touches: u64,
}

struct Entry {
    log: RecentLog,
    /// When the head was known to be the metastore's.
    confirmed: Instant,
    touched: u64,
    waiters: BTreeMap<u64, Arc<Waiter>>,
}

/// What the index knows about an offset of a partition.
#[derive(Clone, Debug)]
pub(crate) struct Known {
    /// The partition's head, as far as this agent ever saw it.
    pub head: Head,
    /// When that was the metastore's.
    pub confirmed: Instant,
    /// Contiguous extents, the first of which holds the offset; `None` if the index does not cover it.
    pub extents: Option<Vec<Extent>>,
}

impl Default for HotIndex {
    fn default() -> Self {
        Self::new(Arc::new(SystemClock::new()))
    }
}

impl HotIndex {
    /// An empty index.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self::with_extents_max(clock, EXTENTS_MAX)
    }

    fn with_extents_max(clock: Arc<dyn Clock>, extents_max: usize) -> Self {
        Self {
            clock,
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
            shard_extents_max: extents_max / SHARDS,
            next_waiter: AtomicU64::new(0),
        }
    }

    /// Makes committed extents of one partition visible, ascending by offset, with the head that the
    /// commit left, and wakes those who wait for them. Only to be called after the epoch gate.
    pub fn publish(&self, partition: PartitionKey, extents: &[Extent], head: Head) {
        self.absorb(partition, extents, head, self.clock.now());
    }

    /// As [`HotIndex::publish`], for what a query that began at `read_at` showed. Returns the head as this
    /// agent now reports it.
    pub(crate) fn absorb(
        &self,
        partition: PartitionKey,
        extents: &[Extent],
        head: Head,
        read_at: Instant,
    ) -> Head {
        let mut shard = self.shard(partition).lock();
        let shard = &mut *shard;
        shard.touches += 1;
        let entry = shard.partitions.entry(partition).or_insert_with(|| Entry {
            log: RecentLog::new(head),
            confirmed: read_at,
            touched: 0,
            waiters: BTreeMap::new(),
        });
        let before = entry.log.len();
        let growth = entry.log.absorb(extents, head);
        entry.confirmed = entry.confirmed.max(read_at);
        entry.touched = shard.touches;
        for waiter in entry.waiters.values() {
            waiter.hear(growth);
        }
        let head = entry.log.head();
        shard.extents = shard.extents + entry.log.len() - before;
        if shard.extents > self.shard_extents_max {
            shard.evict(self.shard_extents_max / 8 * 7);
        }
        head
    }

    /// What is known about `from` in a partition; `None` if the partition was never seen.
    pub(crate) fn lookup(
        &self,
        partition: PartitionKey,
        from: i64,
        bytes_max: u64,
        extents_max: usize,
    ) -> Option<Known> {
        let mut shard = self.shard(partition).lock();
        let shard = &mut *shard;
        let entry = shard.partitions.get_mut(&partition)?;
        shard.touches += 1;
        entry.touched = shard.touches;
        Some(Known {
            head: entry.log.head(),
            confirmed: entry.confirmed,
            extents: entry.log.lookup(from, bytes_max, extents_max),
        })
    }

    /// A partition's head as this agent reports it, and when that was the metastore's.
    pub(crate) fn head(&self, partition: PartitionKey) -> Option<(Head, Instant)> {
        let shard = self.shard(partition).lock();
        let entry = shard.partitions.get(&partition)?;
        Some((entry.log.head(), entry.confirmed))
    }

    /// Forgets where a partition's records lie, not how far it came: its objects have moved.
    pub(crate) fn forget_extents(&self, partition: PartitionKey) {
        let mut shard = self.shard(partition).lock();
        let shard = &mut *shard;
        if let Some(entry) = shard.partitions.get_mut(&partition) {
            shard.extents -= entry.log.len();
            entry.log.forget_extents();
        }
    }

    /// Forgets a partition that does not exist any more, and wakes those who wait for it.
    pub(crate) fn forget(&self, partition: PartitionKey) {
        self.shard(partition).lock().remove(partition);
    }

    /// Forgets the partitions of a deleted topic, and wakes those who wait for them.
    pub fn forget_topic(&self, topic: TopicKey) {
        for shard in &self.shards {
            let mut shard = shard.lock();
            let mut gone: Vec<_> = shard
                .partitions
                .keys()
                .filter(|key| key.topic == topic)
                .copied()
                .collect();
            gone.sort_unstable();
            for partition in gone {
                shard.remove(partition);
            }
        }
    }

    /// Registers a request that wants `wanted` more bytes on these partitions, of which it saw the heads
    /// given. `None` if one of them has moved since: look again.
    pub(crate) fn wait(&self, partitions: &[(PartitionKey, Head)], wanted: u64) -> Option<Waiting<'_>> {
        let waiting = Waiting {
            index: self,
            id: self.next_waiter.fetch_add(1, Ordering::Relaxed),
            partitions: partitions.iter().map(|(partition, _)| *partition).collect(),
            waiter: Arc::new(Waiter::new(wanted)),
        };
        for (partition, seen) in partitions {
            let mut shard = self.shard(*partition).lock();
            let entry = shard.partitions.get_mut(partition)?;
            if entry.log.head() != *seen {
                return None;
            }
            entry.waiters.insert(waiting.id, Arc::clone(&waiting.waiter));
        }
        Some(waiting)
    }

    fn unregister(&self, id: u64, partitions: &[PartitionKey]) {
        for partition in partitions {
            if let Some(entry) = self.shard(*partition).lock().partitions.get_mut(partition) {
                entry.waiters.remove(&id);
            }
        }
    }

    fn shard(&self, partition: PartitionKey) -> &Mutex<Shard> {
        // Fibonacci hashing: neighbouring partitions of one topic fall into different shards.
        let key = ((partition.topic.0 as u64) << 32) | u64::from(partition.partition as u32);
        let hash = key.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 60;
        &self.shards[hash as usize % SHARDS]
    }

    /// Extents kept in all.
    pub fn extents(&self) -> usize {
        self.shards.iter().map(|shard| shard.lock().extents).sum()
    }
}

impl Shard {
    fn remove(&mut self, partition: PartitionKey) {
        if let Some(entry) = self.partitions.remove(&partition) {
            self.extents -= entry.log.len();
            for waiter in entry.waiters.values() {
                waiter.hear(Growth::Unknown);
            }
        }
    }

    /// Drops the extents of the coldest partitions until `target` are left. What it frees beyond the limit
    /// pays for sorting.
    fn evict(&mut self, target: usize) {
        let mut by_cold: Vec<_> = self
            .partitions
            .iter()
            .filter(|(_, entry)| entry.log.len() > 0)
            .map(|(partition, entry)| (entry.touched, *partition))
            .collect();
        by_cold.sort_unstable();
        for (_, partition) in by_cold {
            if self.extents <= target {
                return;
            }
            if let Some(entry) = self.partitions.get_mut(&partition) {
                self.extents -= entry.log.len();
                entry.log.forget_extents();
            }
        }
    }
}

/// Bytes of an extent that hold records from `from` on, as far as its offsets tell: an estimate that
/// needs no object.
pub(crate) fn bytes_from(extent: &Extent, from: i64) -> u64 {
    if from <= extent.base_offset {
        return extent.bytes;
    }
    let records = (extent.end_offset - extent.base_offset).max(1) as u128;
    let left = (extent.end_offset - from).max(0) as u128;
    (u128::from(extent.bytes) * left / records) as u64
}

/// How many of these contiguous extents a reader from `from` on is shown: at least one, then until `bytes_max` or
/// `extents_max` is reached.
pub(crate) fn enough(extents: &[Extent], from: i64, bytes_max: u64, extents_max: usize) -> usize {
    let mut bytes = 0;
    let wanted = |(at, extent): &(usize, &Extent)| {
        let wanted = *at == 0 || (bytes < bytes_max && *at < extents_max);
        bytes += bytes_from(extent, from);
        wanted
    };
    extents.iter().enumerate().take_while(wanted).count()
}

const _: () = assert!(log::PARTITION_EXTENTS_MAX <= EXTENTS_MAX / SHARDS / 2);
const _: () = assert!(SHARDS == 16, "the shard is the top four bits of the hash");
