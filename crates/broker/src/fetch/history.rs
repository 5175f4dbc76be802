//! Where archived records lie: what the last plans of the metastore said of them.
//!
//! Archived records seldom move, so a reader of history needs one query for hundreds of chunks. What is kept are
//! stretches of extents, several of one partition, because its readers are at different places; and the last manifest
//! that a plan named, in which a reader can go on without a query.
//!
//! What holds:
//! - extents of a stretch lie end to end and each names a chunk; stretches of a partition do not overlap, and
//!   what a later plan says replaces what was said before;
//! - stretches, extents and manifests are bounded: the least recently used go.
//!
//! Nothing fails here. What turns out wrong (an object is gone) is forgotten by who met it, and
//! then the metastore is asked again. That records lie there does not say that a reader may see them: who
//! looks up bounds it by the partition's head.

use std::collections::BTreeMap;

use esker_metastore::{Extent, ManifestRef};
use esker_model::{PartitionKey, TopicKey};
use parking_lot::Mutex;

use super::hot_index::{bytes_from, enough};

/// Stretches of all partitions.
const STRETCHES_MAX: usize = 4_096;

/// Extents of all stretches: some 10 MiB of memory.
const EXTENTS_MAX: usize = 1 << 16;

/// Manifests: one for each partition.
const MANIFESTS_MAX: usize = 4_096;

/// The partition and the offset at which a stretch begins.
type Place = (PartitionKey, i64);

/// Where archived records lie, as far as plans told lately.
pub(crate) struct HistoryPlans {
    stretches: Mutex<Stretches>,
    stretches_max: usize,
    extents_max: usize,
}

#[derive(Default)]
struct Stretches {
    by_place: BTreeMap<Place, Stretch>,
    /// With their last uses.
    manifests: BTreeMap<PartitionKey, (ManifestRef, u64)>,
    /// Extents of all of them.
    extents: usize,
    /// Counts uses: a stretch's last one says how cold it is.
    uses: u64,
}

/// Contiguous archived extents, at least one.
struct Stretch {
    extents: Vec<Extent>,
    used: u64,
}

impl Default for HistoryPlans {
    fn default() -> Self {
        Self::with_limits(STRETCHES_MAX, EXTENTS_MAX)
    }
}

impl HistoryPlans {
    fn with_limits(stretches_max: usize, extents_max: usize) -> Self {
        Self {
            stretches: Mutex::default(),
            stretches_max,
            extents_max,
        }
    }

    /// Takes what a plan said of archived records, and the manifest that it named; its other extents are passed over.
    /// Only to be called after the epoch gate.
    pub(super) fn remember(&self, partition: PartitionKey, plan: &[Extent], manifest: Option<ManifestRef>) {
        if let Some(manifest) = manifest {
            self.stretches.lock().keep_manifest(partition, manifest);
        }
        let joined =
            |a: &Extent, b: &Extent| a.chunk.is_some() && b.chunk.is_some() && a.end_offset == b.base_offset;
        let archived = |extents: &&[Extent]| extents.first().is_some_and(|extent| extent.chunk.is_some());
        let mut said = plan.chunk_by(joined).filter(archived).peekable();
        if said.peek().is_none() {
            return;
        }
        let mut stretches = self.stretches.lock();
        for extents in said {
            stretches.replace(partition, extents);
        }
        stretches.evict(self.stretches_max, self.extents_max);
    }

    /// Contiguous extents, the first of which holds `from`: until `bytes_max` or `extents_max` is reached, or as
    /// far as is known. `None` if `from` is not known.
    pub(super) fn lookup(
        &self,
        partition: PartitionKey,
        from: i64,
        bytes_max: u64,
        extents_max: usize,
    ) -> Option<Vec<Extent>> {
        let mut stretches = self.stretches.lock();
        stretches.uses += 1;
        let used = stretches.uses;
        let upto = (partition, from);
        let (&begin, _) = stretches
            .by_place
            .range((partition, i64::MIN)..=upto)
            .next_back()?;
        let mut found: Vec<Extent> = Vec::new();
        let mut bytes = 0;
        let mut next = from;
        for (_, stretch) in stretches.by_place.range_mut(begin..=(partition, i64::MAX)) {
            let first = stretch
                .extents
                .partition_point(|extent| extent.end_offset <= next);
            let rest = &stretch.extents[first..];
            let joins = rest.first().is_some_and(|extent| {
                extent.base_offset == next || (found.is_empty() && extent.base_offset <= from)
            });
            if !joins || (!found.is_empty() && (bytes >= bytes_max || found.len() >= extents_max)) {
                break;
            }
            let left = (
                bytes_max.saturating_sub(bytes),
                extents_max.saturating_sub(found.len()),
            );
            let taken = &rest[..enough(rest, from, left.0, left.1)];
            stretch.used = used;
            bytes += taken.iter().map(|extent| bytes_from(extent, from)).sum::<u64>();
            next = taken.last()?.end_offset;
            found.extend_from_slice(taken);
        }
        (!found.is_empty()).then_some(found)
    }

    /// The last manifest that a plan named. There may be a newer one; what this one lists is where it was.
    pub(super) fn manifest(&self, partition: PartitionKey) -> Option<ManifestRef> {
        let mut stretches = self.stretches.lock();
        stretches.uses += 1;
        let now = stretches.uses;
        let (manifest, used) = stretches.manifests.get_mut(&partition)?;
        *used = now;
        Some(*manifest)
    }

    /// Forgets what was said of a partition.
    pub(super) fn forget(&self, partition: PartitionKey) {
        let mut stretches = self.stretches.lock();
        stretches.manifests.remove(&partition);
        stretches.remove((partition, i64::MIN), (partition, i64::MAX));
    }

    /// Forgets what was said of the partitions of a deleted topic.
    pub(crate) fn forget_topic(&self, topic: TopicKey) {
        let place = |partition, offset| (PartitionKey { topic, partition }, offset);
        let (first, last) = (place(i32::MIN, i64::MIN), place(i32::MAX, i64::MAX));
        let mut stretches = self.stretches.lock();
        stretches
            .manifests
            .retain(|partition, _| partition.topic != topic);
        stretches.remove(first, last);
    }
}

impl Stretches {
    fn keep_manifest(&mut self, partition: PartitionKey, manifest: ManifestRef) {
        self.uses += 1;
        self.manifests.insert(partition, (manifest, self.uses));
        if self.manifests.len() > MANIFESTS_MAX {
            let by_use = self.manifests.iter().min_by_key(|(_, (_, used))| *used);
            if let Some(coldest) = by_use.map(|(partition, _)| *partition) {
                self.manifests.remove(&coldest);
            }
        }
    }

    /// Removes all that begin in a range of places.
    fn remove(&mut self, first: Place, last: Place) {
        let gone: Vec<Place> = self
            .by_place
            .range(first..=last)
            .map(|(place, _)| *place)
            .collect();
        for place in gone {
            self.take(place);
        }
    }

    fn take(&mut self, place: Place) -> Option<Stretch> {
        let stretch = self.by_place.remove(&place)?;
        self.extents -= stretch.extents.len();
        Some(stretch)
    }

    fn put(&mut self, partition: PartitionKey, extents: &[Extent], used: u64) {
        if let Some(first) = extents.first() {
            self.extents += extents.len();
            let extents = extents.to_vec();
            self.by_place
                .insert((partition, first.base_offset), Stretch { extents, used });
        }
    }

    /// Puts a stretch into the place of all that it overlaps; what those have outside of it stays.
    fn replace(&mut self, partition: PartitionKey, extents: &[Extent]) {
        let (Some(first), Some(last)) = (extents.first(), extents.last()) else {
            return;
        };
        let (begin, end) = (first.base_offset, last.end_offset);
        let reaches_into = |(place, stretch): (&Place, &Stretch)| {
            let last = stretch.extents.last()?;
            (last.end_offset > begin).then_some(*place)
        };
        let overlapped: Vec<Place> = self
            .by_place
            .range((partition, i64::MIN)..(partition, end))
            .rev()
            .map_while(reaches_into)
            .collect();
        for place in overlapped {
            if let Some(Stretch { extents, used }) = self.take(place) {
                let before = extents.partition_point(|extent| extent.end_offset <= begin);
                let behind = extents.partition_point(|extent| extent.base_offset < end);
                self.put(partition, &extents[..before], used);
                self.put(partition, &extents[behind..], used);
            }
        }
        self.uses += 1;
        self.put(partition, extents, self.uses);
    }

    /// Drops the coldest stretches if there are too many; what it frees beyond the limit pays for sorting.
    fn evict(&mut self, stretches_max: usize, extents_max: usize) {
        if self.by_place.len() <= stretches_max && self.extents <= extents_max {
            return;
        }
        let mut by_cold: Vec<_> = self
            .by_place
            .iter()
            .map(|(place, stretch)| (stretch.used, *place))
            .collect();
        by_cold.sort_unstable();
        for (_, place) in by_cold {
            if self.by_place.len() <= stretches_max / 8 * 7 && self.extents <= extents_max / 8 * 7 {
                return;
            }
            self.take(place);
        }
    }
}

#[cfg(test)]
#[path = "history/tests.rs"]
mod tests;
