//! Archive segments, made by hand, and a metastore that plans to them.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use esker_metastore::{ChunkRange, Extent, Topic};
use esker_model::{ClusterEpoch, IncarnationId, PartitionKey, SegmentId, SegmentKind};
use esker_protocol::batch::BatchHeader;
use esker_storage::keys::object_key;
use esker_storage::segment::archive::{ArchiveWriter, ArchivedBatch};

use super::{Cluster, MoodyMetastore};

/// A partition's part of an archive segment: its first offset and its batches.
pub type PartOf<'t> = (&'t Topic, i32, i64, Vec<Bytes>);

/// What lies where in the archive.
pub type Extents = BTreeMap<PartitionKey, Vec<Extent>>;

pub fn key(topic: &Topic, partition: i32) -> PartitionKey {
    PartitionKey {
        topic: topic.key,
        partition,
    }
}

/// An archive segment that is not in the bucket yet.
pub struct Archive {
    pub id: SegmentId,
    pub object: Vec<u8>,
    pub tail: [u8; 32],
    pub extents: Extents,
}

/// Makes an archive segment. Partitions ascend.
pub fn archive(seq: u64, parts: &[PartOf<'_>]) -> Archive {
    let id = SegmentId {
        kind: SegmentKind::Archive,
        epoch: ClusterEpoch(1),
        incarnation: IncarnationId(uuid::Uuid::from_u128(77)),
        seq,
    };
    let mut writer = ArchiveWriter::new(id);
    for (topic, partition, base_offset, batches) in parts {
        let archived = |bytes: &Bytes| {
            let header = BatchHeader::parse(bytes).unwrap();
            ArchivedBatch {
                records: header.record_count,
                max_timestamp: header.max_timestamp,
                epoch: ClusterEpoch(1),
                bytes: bytes.clone().into(),
            }
        };
        let batches: Vec<_> = batches.iter().map(archived).collect();
        writer
            .push(topic.uuid, *partition, *base_offset, &batches)
            .unwrap();
    }
    let sealed = writer.seal();
    let mut extents = Extents::new();
    for (part, (topic, partition, ..)) in sealed.parts.iter().zip(parts) {
        let extents = extents.entry(key(topic, *partition)).or_default();
        for place in part.places() {
            let in_chunk = sealed
                .chunks
                .partition_point(|chunk| chunk.position <= place.position);
            let chunk = sealed.chunks[in_chunk - 1];
            let range = ChunkRange {
                position: chunk.position,
                bytes: chunk.bytes as u32,
                crc: chunk.crc,
            };
            let (end, bytes) = (place.base_offset + place.entry.offsets as i64, place.entry.bytes);
            match extents.last_mut() {
                Some(Extent {
                    chunk: Some(last),
                    end_offset,
                    bytes: so_far,
                    ..
                }) if *last == range => {
                    *end_offset = end;
                    *so_far += bytes;
                }
                _ => extents.push(Extent {
                    base_offset: place.base_offset,
                    end_offset: end,
                    segment: id,
                    object_bytes: sealed.object_bytes,
                    chunk: Some(range),
                    position: place.position,
                    bytes,
                    max_timestamp: part.max_timestamp(),
                    producer: None,
                    transactional: false,
                }),
            }
        }
    }
    Archive {
        id,
        object: sealed.payload.concat(),
        tail: sealed.tail,
        extents,
    }
}

impl Cluster {
    /// Puts an archive segment into the bucket.
    pub async fn put_archive(&self, archive: &Archive) {
        let deadline = self.seams.clock.now().plus(Duration::from_secs(10));
        let payload = vec![Bytes::from(archive.object.clone())];
        self.bucket
            .put_new(&object_key(&archive.id), payload, archive.tail, deadline)
            .await
            .unwrap();
    }
}

impl MoodyMetastore {
    /// From now on plans name these places of archived records, then those of what lies behind them.
    pub fn plan_archived(&self, archived: Extents) {
        self.mangle_plans(move |requests, plans| {
            for (request, plan) in requests.iter().zip(plans) {
                let Some(archived) = archived.get(&request.partition) else {
                    continue;
                };
                let archived_to = archived.last().unwrap().end_offset;
                if let Some(head) = &mut plan.head {
                    head.archived_to = archived_to;
                }
                let mut all = archived.clone();
                all.extend(
                    plan.extents
                        .iter()
                        .filter(|extent| extent.base_offset >= archived_to),
                );
                all.retain(|extent| extent.end_offset > request.from);
                let mut bytes = 0;
                let enough = all.iter().position(|extent| {
                    bytes += extent.bytes;
                    bytes >= request.bytes_max
                });
                let count = enough.map_or(all.len(), |at| at + 1).min(request.extents_max);
                all.truncate(count);
                plan.extents = all;
            }
        });
    }
}
