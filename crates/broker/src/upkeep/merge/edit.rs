//! A manifest that is being replaced: what goes from its beginning, what comes off its end, what is appended.
//!
//! What holds: the records that stay listed lie end to end, and none at or above the log start goes. Everything that the
//! old manifest needed and the new one does not is named, but for what only a manifest or leaf names that cannot be read:
//! that is left to the sweep. No I/O: leaves are read by the caller.

use esker_metastore::ManifestSummary;
use esker_model::planted::{Mistake, planted};
use esker_model::{ManifestId, ObjectId};
use esker_storage::manifest::{Entry, Leaf, ListedSegment, Manifest};

use crate::config::MergeLimits;

/// A manifest that is being replaced.
#[derive(Debug)]
pub(super) struct Edit {
    pub manifest: Manifest,
    /// What its first leaf lists, if it has leaves.
    first_leaf: Option<Manifest>,
    /// What the old manifest needed and this one does not.
    pub unneeded: Vec<ObjectId>,
    /// Something went from its beginning; holes need no object.
    dropped: bool,
}

impl Edit {
    /// Begins with the manifest as it is.
    pub(super) fn new(manifest: Manifest) -> Self {
        Self {
            manifest,
            first_leaf: None,
            unneeded: Vec::new(),
            dropped: false,
        }
    }

    /// Begins with an empty manifest in place of one that cannot be read, all of which lies below the log start.
    pub(super) fn instead_of_dead(empty: Manifest) -> Self {
        Self {
            dropped: true,
            ..Self::new(empty)
        }
    }

    /// Whether something went from its beginning.
    pub(super) fn has_dropped(&self) -> bool {
        self.dropped
    }

    /// The leaf that has to be looked into, because it comes first.
    pub(super) fn wants_leaf(&self) -> Option<ManifestId> {
        let first = self.manifest.leaves.first()?;
        let is_here = self.first_leaf.as_ref().is_some_and(|leaf| leaf.id == first.id);
        (!is_here).then_some(first.id)
    }

    /// What the first leaf lists.
    pub(super) fn put_leaf(&mut self, leaf: Manifest) {
        self.first_leaf = Some(leaf);
    }

    /// Drops the first leaf, which cannot be read, if all of it lies below the log start: what it lists is not named.
    pub(super) fn drop_dead_leaf(&mut self, log_start: i64) -> bool {
        let dead = |leaf: &&Leaf| leaf.end_offset <= log_start;
        let Some((id, end)) = self
            .manifest
            .leaves
            .first()
            .filter(dead)
            .map(|leaf| (leaf.id, leaf.end_offset))
        else {
            return false;
        };
        self.dropped = true;
        self.unneeded.push(ObjectId::Manifest(id));
        self.manifest.leaves.remove(0);
        self.manifest.base_offset = end;
        true
    }

    /// Drops what lies below the log start as a whole. Stops at a leaf that has to be looked into first.
    pub(super) fn drop_dead(&mut self, log_start: i64) {
        while let Some(first) = self.manifest.leaves.first() {
            let (id, end) = (first.id, first.end_offset);
            let Some(leaf) = self.first_leaf.take_if(|leaf| leaf.id == id) else {
                return;
            };
            let from = self.manifest.base_offset;
            let listed = leaf.entries.iter().filter(|entry| entry.end_offset() > from);
            let (dead, alive): (Vec<&Entry>, Vec<&Entry>) =
                listed.partition(|entry| entry.end_offset() <= log_start);
            self.dropped |= !dead.is_empty();
            self.unneeded.extend(dead.into_iter().filter_map(object));
            if let Some(first) = alive.first() {
                self.manifest.base_offset = from.max(first.base_offset());
                self.first_leaf = Some(leaf);
                return;
            }
            self.dropped = true;
            self.unneeded.push(ObjectId::Manifest(id));
            self.manifest.leaves.remove(0);
            self.manifest.base_offset = end;
        }
        let entries = &mut self.manifest.entries;
        let dead = entries.partition_point(|entry| entry.end_offset() <= log_start);
        self.dropped |= dead > 0;
        for entry in entries.drain(..dead) {
            self.manifest.base_offset = entry.end_offset();
            self.unneeded.extend(object(&entry));
        }
        if planted(Mistake::RemoveListed) && dead > 0 {
            self.unneeded
                .extend(self.manifest.entries.first().and_then(object));
        }
    }

    /// Whether it lists nothing.
    pub(super) fn is_empty(&self) -> bool {
        self.manifest.leaves.is_empty() && self.manifest.entries.is_empty()
    }

    /// Its last entry, if that is a merged segment and not in a leaf; and when the entry before that was archived.
    pub(super) fn last_segment(&self) -> Option<(&ListedSegment, Option<i64>)> {
        let (last, before) = self.manifest.entries.split_last()?;
        match last {
            Entry::Segment(segment) => Some((segment, before.last().map(Entry::archived_ms))),
            Entry::Hole(_) => None,
        }
    }

    /// Takes the last entry off, to be written again together with what follows it.
    pub(super) fn take_last_segment(&mut self) -> Option<ListedSegment> {
        self.last_segment()?;
        match self.manifest.entries.pop()? {
            Entry::Segment(segment) => {
                self.unneeded.push(ObjectId::Segment(segment.id));
                Some(segment)
            }
            Entry::Hole(_) => None,
        }
    }

    /// Appends what follows.
    pub(super) fn append(&mut self, entry: Entry) {
        if self.is_empty() {
            self.manifest.base_offset = entry.base_offset();
        }
        self.manifest.entries.push(entry);
    }

    /// The entries that are to become a leaf of this name, if there are too many.
    pub(super) fn split_leaf(
        &mut self,
        limits: &MergeLimits,
        name: impl FnOnce() -> ManifestId,
    ) -> Option<Manifest> {
        let count = self.manifest.entries.len();
        if count <= limits.manifest_entries {
            return None;
        }
        let oldest = ..limits.leaf_entries.min(count);
        let entries: Vec<Entry> = self.manifest.entries.drain(oldest).collect();
        let first = entries.first()?.base_offset();
        let mut leaf = Manifest::empty(name(), first.max(self.manifest.base_offset));
        leaf.entries = entries;
        Some(leaf)
    }

    /// Lists the leaf that was split off.
    pub(super) fn list_leaf(&mut self, line: Leaf, leaf: Manifest) {
        if self.manifest.leaves.is_empty() {
            self.first_leaf = Some(leaf);
        }
        self.manifest.leaves.push(line);
    }

    /// What the metastore is told. The first leaf has been looked into.
    pub(super) fn summary(&self) -> ManifestSummary {
        let from = self.manifest.base_offset;
        let in_leaf = self.first_leaf.iter().flat_map(|leaf| &leaf.entries);
        let (gone, mut listed): (Vec<&Entry>, Vec<&Entry>) =
            in_leaf.partition(|entry| entry.end_offset() <= from);
        if self.manifest.leaves.is_empty() {
            listed = self.manifest.entries.iter().collect();
        }
        let bytes: u64 = gone.iter().map(|entry| entry.bytes()).sum();
        let objects = gone.iter().filter(|entry| object(entry).is_some()).count() as u64;
        let first = listed.first();
        let timestamp = |entry: &&Entry| match entry.max_timestamp() {
            -1 => entry.archived_ms(),
            timestamp => timestamp,
        };
        ManifestSummary {
            objects: self.manifest.objects().saturating_sub(objects),
            bytes: self.manifest.bytes().saturating_sub(bytes),
            first_end_offset: first.map_or(from, |entry| entry.end_offset()),
            first_bytes: first.map_or(0, |entry| entry.bytes()),
            first_timestamp: first.map_or(0, timestamp),
        }
    }
}

fn object(entry: &Entry) -> Option<ObjectId> {
    match entry {
        Entry::Segment(segment) => Some(ObjectId::Segment(segment.id)),
        Entry::Hole(_) => None,
    }
}
