//! What agents would write: segments and manifests, with what they would tell the metastore.

use std::sync::atomic::Ordering;

use esker_metastore::*;
use esker_model::{ManifestId, SegmentId, SegmentKind};
use esker_storage::keys::{manifest_key, object_key};
use esker_storage::manifest::{Entry, Hole, Leaf, ListedChunk, ListedSegment, Manifest};
use esker_storage::segment::archive::{ArchiveWriter, ArchivedBatch, Chunk, SealedArchive};
use esker_storage::segment::{Batch, Receipts, Run, SegmentWriter};

use super::world::{EPOCH, WRITER, World, batch};

/// What a merge wrote.
pub(super) struct Merged {
    pub root: ManifestId,
    pub leaf: ManifestId,
    pub segments: Vec<SegmentId>,
}

impl World {
    /// Writes one ingest segment with a run of batches for each of these partitions; returns its id.
    pub(super) async fn ingest(&self, runs: &[(i32, &[i32])]) -> SegmentId {
        let id = self.segment_id(SegmentKind::Ingest);
        let mut writer = SegmentWriter::new(id, Receipts::default());
        let mut commits = Vec::new();
        for (partition, batches) in runs {
            let batches: Vec<Batch> = batches
                .iter()
                .map(|records| Batch::whole(*records, batch(*records, 300)))
                .collect();
            let sizes = batches.iter().map(|batch| RunBatch {
                records: batch.records,
                bytes: batch.len() as u32,
            });
            let sizes = sizes.collect();
            let run = Run {
                topic: self.topic.uuid,
                partition: *partition,
                producer: None,
                transactional: false,
                control: false,
                max_timestamp: 1_700_000_000_000,
                batches,
            };
            let position = writer.push(run).unwrap().position;
            commits.push(RunCommit {
                partition: self.key(*partition),
                producer: None,
                position,
                batches: sizes,
                max_timestamp: 1_700_000_000_000,
                transactional: false,
            });
        }
        let sealed = writer.seal();
        self.put(&object_key(&id), sealed.payload).await;
        let request = CommitRequest {
            epoch: EPOCH,
            incarnation: WRITER,
            settled_through: 0,
            segments: vec![SegmentCommit {
                seq: id.seq,
                object_bytes: sealed.object_bytes,
                runs: commits,
            }],
        };
        self.metastore.commit(request).await.unwrap();
        id
    }

    async fn batches_of(&self, extents: &[Extent]) -> Vec<ArchivedBatch> {
        let mut batches = Vec::new();
        for extent in extents {
            let object = self.bucket.get(&object_key(&extent.segment)).await.unwrap();
            let slice = object.slice(extent.position as usize..(extent.position + extent.bytes) as usize);
            for batch in esker_protocol::batch::Batches::new(slice) {
                let batch = batch.unwrap();
                batches.push(ArchivedBatch {
                    records: batch.header.last_offset_delta + 1,
                    max_timestamp: batch.header.max_timestamp,
                    epoch: EPOCH,
                    bytes: batch.bytes.into(),
                });
            }
        }
        batches
    }

    /// Archives all that these partitions have into one archive segment, each into one chunk; small ones share chunks. Records of
    /// `holes` are said to be unreadable.
    pub(super) async fn archive(&self, partitions: &[i32], holes: &[i32]) -> SegmentId {
        let id = self.segment_id(SegmentKind::Archive);
        let mut writer = ArchiveWriter::new(id);
        let mut taken = Vec::new();
        for partition in partitions {
            let head = self.metastore.heads(&[self.key(*partition)]).await.unwrap()[0].unwrap();
            let extents = self.plan(*partition, head.archived_to).await.extents;
            if !holes.contains(partition) {
                let batches = self.batches_of(&extents).await;
                writer
                    .push(self.topic.uuid, *partition, extents[0].base_offset, &batches)
                    .unwrap();
            }
            taken.push((*partition, extents));
        }
        let sealed = writer.seal();
        let partitions = taken
            .into_iter()
            .map(|(partition, extents)| ArchivedPartition {
                partition: self.key(partition),
                extents: match holes.contains(&partition) {
                    true => extents,
                    false => vec![extent_of(&sealed, partition)],
                },
            })
            .collect();
        if !sealed.parts.is_empty() {
            self.put(&object_key(&id), sealed.payload.clone()).await;
        }
        let request = ArchiveRequest {
            epoch: EPOCH,
            incarnation: WRITER,
            partitions,
        };
        let accepted = self.metastore.archive(&request).await.unwrap();
        assert!(accepted.iter().all(|accepted| *accepted));
        id
    }

    /// Merges each archived extent of a partition into a merged segment of its own: the first `in_leaf` of them are listed
    /// by a leaf. `change` changes the leaf before it is put.
    pub(super) async fn merge(
        &self,
        partition: i32,
        in_leaf: usize,
        change: impl FnOnce(&mut Manifest),
    ) -> Merged {
        self.merge_without(partition, in_leaf, change, 0).await
    }

    /// As [`World::merge`]; the first `unreadable` of the extents become holes.
    pub(super) async fn merge_without(
        &self,
        partition: i32,
        in_leaf: usize,
        change: impl FnOnce(&mut Manifest),
        unreadable: usize,
    ) -> Merged {
        let found = self
            .metastore
            .to_merge(&[self.key(partition)], 1_000)
            .await
            .unwrap();
        let from = found.into_iter().next().unwrap().unwrap();
        let mut entries = Vec::new();
        for (index, extent) in from.extents.iter().enumerate() {
            entries.push(match extent.chunk {
                Some(_) if index >= unreadable => Entry::Segment(self.merged(partition, extent).await),
                _ => Entry::Hole(hole(extent)),
            });
        }
        let name = |seq| ManifestId {
            log: self.log_id(partition),
            epoch: EPOCH,
            incarnation: WRITER,
            seq,
        };
        let seq = self.seqs.fetch_add(2, Ordering::Relaxed);
        let mut root = Manifest::empty(name(seq), 0);
        let mut leaf = Manifest::empty(name(seq + 1), 0);
        leaf.entries = entries.drain(..in_leaf).collect();
        root.entries = entries;
        if in_leaf > 0 {
            let size = leaf.encode().unwrap().object_bytes();
            root.leaves.push(Leaf::of(&leaf, size).unwrap());
            change(&mut leaf);
            self.put(&manifest_key(&leaf.id), vec![leaf.encode().unwrap().payload])
                .await;
        }
        let first = leaf.entries.first().or(root.entries.first()).unwrap();
        let summary = ManifestSummary {
            objects: root.objects(),
            bytes: root.bytes(),
            first_end_offset: first.end_offset(),
            first_bytes: first.bytes(),
            first_timestamp: first.max_timestamp(),
        };
        let encoded = root.encode().unwrap();
        self.put(&manifest_key(&root.id), vec![encoded.payload.clone()])
            .await;
        let request = MergeRequest {
            epoch: EPOCH,
            incarnation: WRITER,
            partitions: vec![MergedPartition {
                partition: self.key(partition),
                replaces: from.version,
                extents: from.extents.len() as u64,
                manifest: ManifestRef {
                    id: root.id,
                    object_bytes: encoded.object_bytes(),
                    base_offset: 0,
                    end_offset: root.end_offset(),
                },
                summary,
                unneeded: Vec::new(),
                lost: Vec::new(),
            }],
        };
        assert_eq!(self.metastore.merge(&request).await, Ok(vec![true]));
        let segments = leaf.entries.iter().chain(&root.entries);
        Merged {
            root: root.id,
            leaf: leaf.id,
            segments: segments
                .filter_map(|entry| match entry {
                    Entry::Segment(segment) => Some(segment.id),
                    Entry::Hole(_) => None,
                })
                .collect(),
        }
    }

    async fn merged(&self, partition: i32, extent: &Extent) -> ListedSegment {
        let id = self.segment_id(SegmentKind::Merged(self.log_id(partition)));
        let mut writer = ArchiveWriter::new(id);
        let batches = self.batches_of(&[*extent]).await;
        writer
            .push(self.topic.uuid, partition, extent.base_offset, &batches)
            .unwrap();
        let sealed = writer.seal();
        self.put(&object_key(&id), sealed.payload.clone()).await;
        ListedSegment {
            id,
            object_bytes: sealed.object_bytes,
            base_offset: extent.base_offset,
            archived_ms: 0,
            chunks: vec![ListedChunk {
                offsets: extent.base_offset.abs_diff(extent.end_offset),
                bytes: sealed.chunks[0].bytes as u32,
                crc: sealed.chunks[0].crc,
                max_timestamp: extent.max_timestamp,
            }],
        }
    }
}

fn hole(extent: &Extent) -> Hole {
    Hole {
        segment: extent.segment,
        object_bytes: extent.object_bytes,
        position: extent.position,
        bytes: extent.bytes,
        base_offset: extent.base_offset,
        end_offset: extent.end_offset,
        max_timestamp: extent.max_timestamp,
        archived_ms: 0,
    }
}

/// The one extent of a partition in an archive segment.
fn extent_of(sealed: &SealedArchive, partition: i32) -> Extent {
    let part = sealed
        .parts
        .iter()
        .find(|part| part.partition == partition)
        .unwrap();
    let before = |chunk: &&Chunk| chunk.position <= part.position;
    let chunk = sealed.chunks.iter().rfind(before).unwrap();
    assert!(part.position + part.bytes() <= chunk.position + chunk.bytes);
    Extent {
        base_offset: part.base_offset,
        end_offset: part.end_offset(),
        segment: sealed.id,
        object_bytes: sealed.object_bytes,
        chunk: Some(ChunkRange {
            position: chunk.position,
            bytes: chunk.bytes as u32,
            crc: chunk.crc,
        }),
        position: part.position,
        bytes: part.bytes(),
        max_timestamp: part.max_timestamp(),
        producer: None,
        transactional: false,
    }
}
