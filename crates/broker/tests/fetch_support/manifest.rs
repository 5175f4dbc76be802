//! Merged segments and manifests, made by hand, and a metastore that plans to them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use esker_metastore::{ManifestRef, Topic};
use esker_model::{ClusterEpoch, IncarnationId, LogId, ManifestId, PartitionKey, SegmentId, SegmentKind};
use esker_protocol::batch::BatchHeader;
use esker_storage::keys::{manifest_key, object_key};
use esker_storage::manifest::{Entry, Leaf, ListedChunk, ListedSegment, Manifest};
use esker_storage::segment::archive::{ArchiveWriter, ArchivedBatch};

use super::{Cluster, MoodyMetastore};

const INCARNATION: IncarnationId = IncarnationId(uuid::Uuid::from_u128(78));

pub fn log(topic: &Topic, partition: i32) -> LogId {
    LogId {
        topic: topic.uuid,
        partition,
    }
}

fn manifest_id(log: LogId, seq: u64) -> ManifestId {
    ManifestId {
        log,
        epoch: ClusterEpoch(1),
        incarnation: INCARNATION,
        seq,
    }
}

/// The name of a manifest's leaf: the first is 1.
pub fn leaf_id(log: LogId, seq: u64, number: u64) -> ManifestId {
    manifest_id(log, seq + 1_000 * number)
}

/// What the metastore says, by partition: to be changed while agents read.
#[derive(Clone, Default)]
pub struct Named(Arc<Mutex<BTreeMap<PartitionKey, ManifestRef>>>);

impl Named {
    pub fn name(&self, partition: PartitionKey, manifest: ManifestRef) {
        self.0.lock().unwrap().insert(partition, manifest);
    }
}

impl Cluster {
    /// Puts a merged segment with these batches into the bucket. They have one record each.
    pub async fn put_merged(&self, log: LogId, seq: u64, base_offset: i64, batches: &[Bytes]) -> Entry {
        let id = SegmentId {
            kind: SegmentKind::Merged(log),
            epoch: ClusterEpoch(1),
            incarnation: INCARNATION,
            seq,
        };
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
        let mut writer = ArchiveWriter::new(id);
        writer
            .push(log.topic, log.partition, base_offset, &batches)
            .unwrap();
        let sealed = writer.seal();
        let places: Vec<_> = sealed.parts[0].places().collect();
        let chunks = sealed.chunks.iter().map(|chunk| {
            let inside = chunk.position..chunk.position + chunk.bytes;
            ListedChunk {
                offsets: places
                    .iter()
                    .filter(|place| inside.contains(&place.position))
                    .map(|place| place.entry.offsets)
                    .sum(),
                bytes: chunk.bytes as u32,
                crc: chunk.crc,
                max_timestamp: 0,
            }
        });
        let entry = Entry::Segment(ListedSegment {
            id,
            object_bytes: sealed.object_bytes,
            base_offset,
            archived_ms: 0,
            chunks: chunks.collect(),
        });
        self.put_object(&object_key(&id), sealed.payload.concat(), sealed.tail)
            .await;
        entry
    }

    /// Puts a manifest of these entries into the bucket, the first so many of them in a leaf of its own.
    pub async fn put_manifest(&self, log: LogId, seq: u64, entries: &[Entry], in_leaf: usize) -> ManifestRef {
        let in_leaves = if in_leaf > 0 { vec![in_leaf] } else { vec![] };
        self.put_manifest_with_leaves(log, seq, entries, &in_leaves).await
    }

    /// The same with so many entries in each of its leaves.
    pub async fn put_manifest_with_leaves(
        &self,
        log: LogId,
        seq: u64,
        entries: &[Entry],
        in_leaves: &[usize],
    ) -> ManifestRef {
        let mut root = Manifest::empty(manifest_id(log, seq), entries[0].base_offset());
        let mut rest = entries;
        for (number, in_leaf) in (1..).zip(in_leaves) {
            let (older, newer) = rest.split_at(*in_leaf);
            let leaf = Manifest {
                entries: older.to_vec(),
                ..Manifest::empty(leaf_id(log, seq, number), older[0].base_offset())
            };
            let object_bytes = self.put_encoded(&leaf).await;
            root.leaves.push(Leaf::of(&leaf, object_bytes).unwrap());
            rest = newer;
        }
        root.entries = rest.to_vec();
        ManifestRef {
            id: root.id,
            object_bytes: self.put_encoded(&root).await,
            base_offset: root.base_offset,
            end_offset: root.end_offset(),
        }
    }

    async fn put_encoded(&self, manifest: &Manifest) -> u64 {
        let encoded = manifest.encode().unwrap();
        let bytes = encoded.object_bytes();
        self.put_object(
            &manifest_key(&manifest.id),
            encoded.payload.to_vec(),
            encoded.tail,
        )
        .await;
        bytes
    }

    async fn put_object(&self, key: &str, object: Vec<u8>, tail: [u8; 32]) {
        let deadline = self.seams.clock.now().plus(Duration::from_secs(10));
        self.bucket
            .put_new(key, vec![Bytes::from(object)], tail, deadline)
            .await
            .unwrap();
    }

    /// Flips a bit of an object.
    pub async fn damage(&self, key: &str) {
        let mut object = self.bucket.get(key).await.unwrap().to_vec();
        object[10] ^= 1;
        let tail = object[object.len() - 32..].try_into().unwrap();
        self.bucket.delete(key).await.unwrap();
        self.put_object(key, object, tail).await;
    }
}

impl MoodyMetastore {
    /// From now on plans name the manifests that are said later: nothing else is archived.
    pub fn plan_manifests(&self) -> Named {
        let named = Named::default();
        let says = named.clone();
        self.mangle_plans(move |requests, plans| {
            let says = says.0.lock().unwrap();
            for (request, plan) in requests.iter().zip(plans) {
                let Some(manifest) = says.get(&request.partition) else {
                    continue;
                };
                if let Some(head) = &mut plan.head {
                    head.archived_to = manifest.end_offset;
                }
                let lists = (manifest.base_offset..manifest.end_offset).contains(&request.from);
                plan.manifest = lists.then_some(*manifest);
                plan.extents
                    .retain(|extent| extent.base_offset >= manifest.end_offset);
            }
        });
        named
    }
}
