//! What belongs to one partition: merged segments, and manifests with all there is.

use bytes::Bytes;
use esker_model::{LogId, ManifestId, SegmentId, SegmentKind, TopicUuid};
use esker_storage::keys::{manifest_key, object_key};
use esker_storage::manifest::{Entry, Hole, Leaf, ListedChunk, ListedSegment, Manifest};
use esker_storage::segment::TAIL_BYTES;
use esker_storage::segment::archive::{ArchiveWriter, ArchivedBatch};
use uuid::Uuid;

use super::{batches, seed};
use crate::Seed;
use crate::segment_footer::{kind, segment_id};

/// Whose merged segments and manifests these are.
const LOG: LogId = LogId {
    topic: TopicUuid(Uuid::from_u128(4)),
    partition: 6,
};

fn merged_id() -> SegmentId {
    SegmentId {
        kind: SegmentKind::Merged(LOG),
        ..segment_id()
    }
}

pub(super) fn merged_and_manifests() -> Vec<Seed> {
    let mut seeds = merged_seeds();
    seeds.extend(manifest_seeds());
    seeds
}

fn merged_seeds() -> Vec<Seed> {
    let mut writer = ArchiveWriter::new(merged_id());
    let batch = ArchivedBatch {
        records: 7,
        max_timestamp: 5,
        epoch: merged_id().epoch,
        bytes: Bytes::from(vec![1; 100]).into(),
    };
    let batches = vec![batch; 2];
    writer.push(LOG.topic, LOG.partition, 1 << 33, &batches).unwrap();
    let object = Bytes::from(writer.seal().payload.concat());
    let key = object_key(&merged_id());
    vec![
        seed("merged", &[&[kind::OBJECT], &object]),
        seed("merged-key", &[&[kind::KEY], key.as_bytes()]),
    ]
}

fn manifest_seeds() -> Vec<Seed> {
    let mut seeds = Vec::new();
    let (leaf, manifest) = (leaf(), manifest());
    let empty = Manifest::empty(leaf.id, 77);
    for (name, manifest) in [("", &manifest), ("-leaf", &leaf), ("-empty", &empty)] {
        let object = manifest.encode().unwrap().payload;
        // Behind the identity, and a head of its own.
        let section = &object[8 + 28 + 8..object.len() - TAIL_BYTES];
        seeds.push(seed(format!("manifest{name}"), &[&[kind::OBJECT], &object]));
        seeds.push(seed(
            format!("manifest-section{name}"),
            &[&[kind::MANIFEST_SECTION], section],
        ));
    }
    let key = manifest_key(&manifest.id);
    seeds.push(seed("manifest-key", &[&[kind::KEY], key.as_bytes()]));
    seeds
}

/// Merged segments and a hole; some of the first one's records are gone.
fn leaf() -> Manifest {
    let SegmentId {
        epoch,
        incarnation,
        seq,
        ..
    } = segment_id();
    let id = ManifestId {
        log: LOG,
        epoch,
        incarnation,
        seq,
    };
    let chunk = |offsets, bytes| ListedChunk {
        offsets,
        bytes,
        crc: 0xe306_9283,
        max_timestamp: batches::TIMESTAMP,
    };
    let segment = |base_offset, chunks: Vec<ListedChunk>| {
        Entry::Segment(ListedSegment {
            id: merged_id(),
            object_bytes: 9_000_000,
            base_offset,
            archived_ms: batches::TIMESTAMP,
            chunks,
        })
    };
    let hole = Entry::Hole(Hole {
        segment: segment_id(),
        object_bytes: 1_000,
        position: 100,
        bytes: 500,
        base_offset: 1_310,
        end_offset: 1_400,
        max_timestamp: -1,
        archived_ms: 7,
    });
    Manifest {
        entries: vec![
            segment(1_000, vec![chunk(300, 4_194_304), chunk(10, 70)]),
            hole,
            segment(1_400, vec![chunk(1, 1), chunk(1 << 40, 4_000_000), chunk(5, 5)]),
        ],
        ..Manifest::empty(id, 1_300)
    }
}

/// The same behind two leaves.
fn manifest() -> Manifest {
    let leaf = leaf();
    let line = |base_offset, end_offset| Leaf {
        base_offset,
        end_offset,
        ..Leaf::of(&leaf, 300).unwrap()
    };
    Manifest {
        leaves: vec![line(0, 600), line(600, 1_000)],
        base_offset: 12,
        ..leaf.clone()
    }
}
