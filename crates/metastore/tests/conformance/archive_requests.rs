//! Requests to archive, as the cases write them.

use esker_metastore::*;
use esker_model::{ObjectId, PartitionKey, SegmentId, SegmentKind};

use crate::world::{EPOCH, World, Writer};

/// An archive segment of a writer.
pub fn archive_segment(writer: &Writer, seq: u64) -> SegmentId {
    SegmentId {
        kind: SegmentKind::Archive,
        epoch: EPOCH,
        incarnation: writer.incarnation,
        seq,
    }
}

/// An ingest segment of a writer.
pub fn ingest_segment(writer: &Writer, seq: u64) -> SegmentId {
    SegmentId {
        kind: SegmentKind::Ingest,
        ..archive_segment(writer, seq)
    }
}

/// One extent where these lay, end to end, in an archive segment.
pub fn archived(extents: &[Extent], segment: SegmentId) -> Extent {
    Extent {
        base_offset: extents[0].base_offset,
        end_offset: extents[extents.len() - 1].end_offset,
        segment,
        object_bytes: 9_000_000,
        chunk: Some(ChunkRange {
            position: 1 << 33,
            bytes: u32::MAX,
            crc: 0xfedc_ba98,
        }),
        position: (1 << 33) + 17,
        bytes: extents.iter().map(|extent| extent.bytes).sum(),
        max_timestamp: extents.iter().map(|extent| extent.max_timestamp).max().unwrap(),
        producer: None,
        transactional: false,
    }
}

/// Each extent on its own, in an archive segment.
pub fn each_archived(extents: &[Extent], segment: SegmentId) -> Vec<Extent> {
    extents
        .iter()
        .map(|extent| archived(&[*extent], segment))
        .collect()
}

pub fn request(writer: &Writer, partitions: Vec<(PartitionKey, Vec<Extent>)>) -> ArchiveRequest {
    let archived = |(partition, extents)| ArchivedPartition { partition, extents };
    ArchiveRequest {
        epoch: EPOCH,
        incarnation: writer.incarnation,
        partitions: partitions.into_iter().map(archived).collect(),
    }
}

/// What may go now, all of them segments.
pub async fn unneeded(world: &World) -> Vec<SegmentId> {
    let unneeded = world.store.unneeded(0, 0, 100).await.unwrap().into_iter();
    let segment = |object| match object {
        ObjectId::Segment(segment) => segment,
        ObjectId::Manifest(manifest) => panic!("the manifest {manifest} is no segment"),
    };
    unneeded.map(segment).collect()
}

pub fn objects(segments: &[SegmentId]) -> Vec<ObjectId> {
    segments
        .iter()
        .map(|segment| ObjectId::Segment(*segment))
        .collect()
}

pub async fn forget(world: &World, segments: &[SegmentId]) {
    world.store.forget_objects(&objects(segments)).await.unwrap();
}

/// Archives these extents of a partition.
pub async fn archive(world: &World, writer: &Writer, partition: PartitionKey, extents: Vec<Extent>) {
    let request = request(writer, vec![(partition, extents)]);
    assert_eq!(world.store.archive(&request).await, Ok(vec![true]));
}

/// Archives all that a partition has, to one archive segment.
pub async fn archive_all(world: &World, writer: &Writer, partition: PartitionKey, seq: u64) {
    let archived_to = world.head(partition).await.unwrap().archived_to;
    let extents = world.extents(partition, archived_to).await;
    let extents = each_archived(&extents, archive_segment(writer, seq));
    archive(world, writer, partition, extents).await;
}
