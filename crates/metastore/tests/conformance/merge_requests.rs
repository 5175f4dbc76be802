//! Requests to merge, as the cases write them.

use esker_metastore::*;
use esker_model::{LogId, ManifestId, ObjectId, PartitionKey, SegmentId, SegmentKind};

use crate::archive_requests::{archive_segment, unneeded};
use crate::world::{EPOCH, World, Writer};

/// Everything is due.
pub const ALL_DUE: MergeDue = MergeDue {
    bytes: 1,
    extents: 1,
    age_ms: 0,
};

/// A manifest of a writer.
pub fn manifest_id(writer: &Writer, log: LogId, seq: u64) -> ManifestId {
    ManifestId {
        log,
        epoch: EPOCH,
        incarnation: writer.incarnation,
        seq,
    }
}

/// A merged segment of a writer.
pub fn merged_segment(writer: &Writer, log: LogId, seq: u64) -> SegmentId {
    SegmentId {
        kind: SegmentKind::Merged(log),
        ..archive_segment(writer, seq)
    }
}

pub async fn to_merge(world: &World, partition: PartitionKey) -> ToMerge {
    let found = world.store.to_merge(&[partition], 1_000).await.unwrap();
    found.into_iter().next().unwrap().unwrap()
}

/// A manifest in the place of the present one, with the first `count` of the extents that wait.
pub fn merged(writer: &Writer, from: &ToMerge, count: usize, seq: u64) -> MergedPartition {
    let taken = &from.extents[..count];
    let old = from.manifest.filter(|old| old.end_offset > from.log_start);
    let first = old
        .map(|old| old.base_offset)
        .or(taken.first().map(|first| first.base_offset));
    let last = taken
        .last()
        .map(|last| last.end_offset)
        .or(old.map(|old| old.end_offset));
    let base_offset = first.unwrap_or(from.log_start).min(from.log_start);
    MergedPartition {
        partition: from.partition,
        replaces: from.version,
        extents: count as u64,
        manifest: ManifestRef {
            id: manifest_id(writer, from.log, seq),
            object_bytes: 1_000 + seq,
            base_offset,
            end_offset: last.unwrap_or(base_offset),
        },
        summary: ManifestSummary {
            objects: 3,
            bytes: 500,
            first_end_offset: base_offset + 10,
            first_bytes: 100,
            first_timestamp: 7,
        },
        unneeded: Vec::new(),
        lost: Vec::new(),
    }
}

pub fn merge_request(writer: &Writer, partitions: Vec<MergedPartition>) -> MergeRequest {
    MergeRequest {
        epoch: EPOCH,
        incarnation: writer.incarnation,
        partitions,
    }
}

/// Merges the first `count` extents of a partition; returns what the manifest is now.
pub async fn merge(
    world: &World,
    writer: &Writer,
    partition: PartitionKey,
    count: usize,
    seq: u64,
) -> ManifestRef {
    let new = merged(writer, &to_merge(world, partition).await, count, seq);
    let manifest = new.manifest;
    let request = merge_request(writer, vec![new]);
    assert_eq!(world.store.merge(&request).await, Ok(vec![true]));
    manifest
}

/// What may go now, sorted.
pub async fn all_unneeded(world: &World) -> Vec<ObjectId> {
    let mut all = world.store.unneeded(0, 0, 1_000).await.unwrap();
    all.sort_unstable();
    all
}

/// As [`unneeded`], without ingest segments.
pub async fn unneeded_archives(world: &World) -> Vec<SegmentId> {
    let all = unneeded(world).await.into_iter();
    all.filter(|id| id.kind == SegmentKind::Archive).collect()
}
