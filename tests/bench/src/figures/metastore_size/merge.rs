//! What the merge job says to the metastore; no bytes are moved.
//!
//! As in `esker_broker::upkeep::merge`: what waits of a partition becomes a merged segment, together with smaller ones
//! before it; the new manifest replaces the old one; what that needed alone is not needed any more.

use esker_metastore::{
    ManifestRef, ManifestSummary, MergeDue, MergeRequest, MergedPartition, Merges, ToMerge,
};
use esker_model::{ClusterEpoch, ManifestId, ObjectId, SegmentKind};

use super::agent::Agent;
use super::archive::ROUND_BYTES;

/// The product's limits: rows of a partition before it is merged, bytes, and a day.
pub(super) const EXTENTS: u64 = 128;
const DUE: MergeDue = MergeDue {
    bytes: 64 << 20,
    extents: EXTENTS,
    age_ms: 24 * 60 * 60 * 1000,
};
const OBJECT_BYTES_MAX: u64 = 64 << 20;
const PARTITIONS_AT_ONCE: usize = 64;
const EXTENTS_MAX: usize = 1_024;
/// About what an entry takes in a manifest.
const ENTRY_BYTES: u64 = 100;

/// A merged segment, as a manifest lists it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Merged {
    seq: u64,
    bytes: u64,
    end_offset: i64,
}

impl Agent {
    /// One pass over all partitions that are due.
    pub(super) fn merge(&mut self) -> Result<(), String> {
        let mut after = None;
        loop {
            let due = self.wait(self.store.merge_candidates(&DUE, after, PARTITIONS_AT_ONCE))?;
            let Some(last) = due.last() else {
                return Ok(());
            };
            after = Some(last.log);
            let mut rest = due.as_slice();
            while !rest.is_empty() {
                // As many as a round has room for.
                let mut bytes = 0;
                let fits = rest.iter().take_while(|one| {
                    bytes += one.bytes;
                    bytes <= ROUND_BYTES
                });
                let (now, later) = rest.split_at(fits.count().max(1));
                rest = later;
                let keys: Vec<_> = now.iter().map(|one| one.partition).collect();
                let found = self.wait(self.store.to_merge(&keys, EXTENTS_MAX))?;
                let request = MergeRequest {
                    epoch: ClusterEpoch(1),
                    incarnation: self.incarnation,
                    partitions: found
                        .into_iter()
                        .flatten()
                        .map(|from| self.merged(from))
                        .collect(),
                };
                if self.wait(self.store.merge(&request))?.contains(&false) {
                    return Err("a partition was not merged".to_owned());
                }
            }
        }
    }

    fn merged(&mut self, from: ToMerge) -> MergedPartition {
        let kind = SegmentKind::Merged(from.log);
        let mut bytes: u64 = from.extents.iter().map(|extent| extent.bytes).sum();
        let mut listed = self
            .listed
            .get_mut(from.partition.partition as usize)
            .map(std::mem::take)
            .unwrap_or_default();
        let mut unneeded = Vec::new();
        while let Some(last) =
            listed.pop_if(|last| last.bytes <= bytes && last.bytes + bytes <= OBJECT_BYTES_MAX)
        {
            bytes += last.bytes;
            unneeded.push(ObjectId::Segment(self.segment(kind, last.seq)));
        }
        self.merged += 1;
        self.manifests += 1;
        let end_offset = from.extents.last().map_or(0, |last| last.end_offset);
        listed.push(Merged {
            seq: self.merged,
            bytes,
            end_offset,
        });
        let first = listed.first().copied();
        let merged = MergedPartition {
            partition: from.partition,
            replaces: from.version,
            extents: from.extents.len() as u64,
            manifest: ManifestRef {
                id: ManifestId {
                    log: from.log,
                    epoch: ClusterEpoch(1),
                    incarnation: self.incarnation,
                    seq: self.manifests,
                },
                object_bytes: ENTRY_BYTES * (1 + listed.len() as u64),
                base_offset: 0,
                end_offset,
            },
            summary: ManifestSummary {
                objects: listed.len() as u64,
                bytes: listed.iter().map(|one| one.bytes).sum(),
                first_end_offset: first.map_or(0, |first| first.end_offset),
                first_bytes: first.map_or(0, |first| first.bytes),
                first_timestamp: 7,
            },
            unneeded,
            lost: Vec::new(),
        };
        if let Some(of) = self.listed.get_mut(from.partition.partition as usize) {
            *of = listed;
        }
        merged
    }
}
