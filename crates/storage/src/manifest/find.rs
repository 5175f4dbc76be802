//! What a manifest says altogether, and where a record lies.
//!
//! To find an offset, look for a leaf first ([`Manifest::leaf_for`]), then among the entries ([`Manifest::places`]). To
//! find a time, take the first leaf that may hold it ([`Manifest::leaf_for_time`]), look into that one with
//! [`Manifest::find_time`], and where nothing is found go on from the leaf's end; when no leaf is left, look here.

use super::{Entry, Leaf, Manifest, Place};

impl Manifest {
    /// Offset after the last record.
    pub fn end_offset(&self) -> i64 {
        let leaf = self.leaves.last().map(|leaf| leaf.end_offset);
        let entry = self.entries.last().map(Entry::end_offset);
        entry.or(leaf).unwrap_or(self.base_offset)
    }

    /// Bytes of all batches that it lists, in leaves and entries, those of the first that are gone included.
    pub fn bytes(&self) -> u64 {
        let leaves = self.leaves.iter().map(|leaf| leaf.bytes);
        let entries = self.entries.iter().map(Entry::bytes);
        leaves.chain(entries).fold(0, u64::saturating_add)
    }

    /// Objects that are there because it lists them: merged segments, leaves, and the merged segments in those.
    pub fn objects(&self) -> u64 {
        let leaves = self.leaves.iter().map(|leaf| leaf.segments.saturating_add(1));
        let is_segment = |entry: &&Entry| matches!(entry, Entry::Segment(_));
        let segments = self.entries.iter().filter(is_segment).count() as u64;
        leaves.fold(segments, u64::saturating_add)
    }

    /// Largest record timestamp, -1 if there is none. What is gone from the first leaf counts, what is gone from the
    /// first entry does not.
    pub fn max_timestamp(&self) -> i64 {
        let leaves = self.leaves.iter().map(|leaf| leaf.max_timestamp);
        let places = self.places(self.base_offset).map(|place| place.max_timestamp);
        leaves.chain(places).max().unwrap_or(-1)
    }

    /// The leaf with the first record, from an offset on, that is listed; `None` if that one is among the entries.
    pub fn leaf_for(&self, offset: i64) -> Option<&Leaf> {
        self.leaves_from(offset).first()
    }

    /// The first leaf that may hold a record, from an offset on, of this time or a later one.
    pub fn leaf_for_time(&self, timestamp: i64, from: i64) -> Option<&Leaf> {
        self.leaves_from(from)
            .iter()
            .find(|leaf| leaf.max_timestamp >= timestamp)
    }

    /// Where the records of the entries lie, in order. The first place is the one that holds `from`, or the first that
    /// is listed above it. Leaves are not looked into.
    pub fn places(&self, from: i64) -> impl Iterator<Item = Place> {
        let from = from.max(self.base_offset);
        let after = self.entries.partition_point(|entry| entry.base_offset() <= from);
        let entries = self.entries.get(after.saturating_sub(1)..).unwrap_or_default();
        let is_before = move |place: &Place| place.end_offset <= from;
        entries.iter().flat_map(Entry::places).skip_while(is_before)
    }

    /// The first place of the entries that may hold a record, from an offset on, of this time or a later one.
    pub fn find_time(&self, timestamp: i64, from: i64) -> Option<Place> {
        self.places(from).find(|place| place.max_timestamp >= timestamp)
    }

    fn leaves_from(&self, offset: i64) -> &[Leaf] {
        let before = self.leaves.partition_point(|leaf| leaf.end_offset <= offset);
        self.leaves.get(before..).unwrap_or_default()
    }
}
