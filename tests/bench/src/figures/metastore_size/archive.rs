//! What the archive job and the remove job say to the metastore; no bytes are moved.
//!
//! As in `esker_broker::upkeep`: a round takes what waits when that is enough, packs it into archive segments, one
//! stretch for each partition, and releases the ingest segments. What was released goes after the grace.

use esker_metastore::{ArchiveRequest, ArchivedPartition, Archives, ChunkRange, Extent, Removals};
use esker_model::{ClusterEpoch, PartitionKey, SegmentKind};

use super::agent::Agent;

/// An agent's round with the default of `memory_bytes`, 1 GiB.
pub(super) const ROUND_BYTES: u64 = 128 << 20;
/// Of one archive segment.
pub(super) const OBJECT_BYTES_MAX: u64 = 64 << 20;
pub(super) const OBJECT_PARTITIONS_MAX: usize = 256;
/// The defaults of `archive_interval_ms` and `archive_grace_ms`.
const INTERVAL_MS: i64 = 300_000;
pub(super) const GRACE_MS: i64 = 600_000;
/// Limits of a round, and of a page of removals.
const SEGMENTS_MAX: usize = 2_000;
const PAGE: usize = 1_000;

impl Agent {
    /// Archives as many rounds as there is enough for.
    pub(super) fn archive(&mut self) -> Result<(), String> {
        loop {
            let waiting = self.wait(self.store.waiting_segments(0, ROUND_BYTES, SEGMENTS_MAX))?;
            let bytes: u64 = waiting.iter().map(|segment| segment.object_bytes).sum();
            let age_ms = waiting.first().map_or(0, |oldest| oldest.age_ms);
            if bytes < ROUND_BYTES && waiting.len() < SEGMENTS_MAX && age_ms < INTERVAL_MS {
                return Ok(());
            }
            let ids: Vec<_> = waiting.iter().map(|segment| segment.id).collect();
            let found = self.wait(self.store.unarchived(&ids))?;
            for partitions in self.pack(found) {
                let request = ArchiveRequest {
                    epoch: ClusterEpoch(1),
                    incarnation: self.incarnation,
                    partitions,
                };
                let archived = self.wait(self.store.archive(&request))?;
                if archived.contains(&false) {
                    return Err("a partition was not archived".to_owned());
                }
            }
            if self.wait(self.store.release(&ids))?.contains(&false) {
                return Err("a segment was not released".to_owned());
            }
        }
    }

    /// One stretch for each partition: here they are all shorter than a chunk may be. By archive segment.
    fn pack(&mut self, found: Vec<(PartitionKey, Extent)>) -> Vec<Vec<ArchivedPartition>> {
        let mut packed: Vec<Vec<ArchivedPartition>> = Vec::new();
        let mut position = 0;
        for of_one in found.chunk_by(|(a, _), (b, _)| a == b) {
            let [(partition, first), ..] = of_one else {
                continue;
            };
            let bytes: u64 = of_one.iter().map(|(_, extent)| extent.bytes).sum();
            let is_full = packed
                .last()
                .is_none_or(|last| last.len() >= OBJECT_PARTITIONS_MAX);
            if is_full || position + bytes > OBJECT_BYTES_MAX {
                self.archive += 1;
                position = 0;
                packed.push(Vec::new());
            }
            let extent = Extent {
                end_offset: of_one.last().map_or(0, |(_, extent)| extent.end_offset),
                segment: self.segment(SegmentKind::Archive, self.archive),
                object_bytes: OBJECT_BYTES_MAX,
                chunk: Some(ChunkRange {
                    position,
                    bytes: bytes as u32,
                    crc: 0,
                }),
                position,
                bytes,
                ..*first
            };
            position += bytes;
            if let Some(partitions) = packed.last_mut() {
                partitions.push(ArchivedPartition {
                    partition: *partition,
                    extents: vec![extent],
                });
            }
        }
        packed
    }

    /// Forgets what was released so long ago, and empties buckets.
    pub(super) fn remove(&mut self) -> Result<(), String> {
        loop {
            let gone = self.wait(self.store.unneeded(GRACE_MS, 0, PAGE))?;
            self.wait(self.store.forget_objects(&gone))?;
            if gone.len() < PAGE {
                break;
            }
        }
        self.wait(self.store.empty_buckets())?;
        Ok(())
    }
}
