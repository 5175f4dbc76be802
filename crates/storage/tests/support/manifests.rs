//! Manifests for tests. Every byte follows from the arguments.

use esker_model::{ClusterEpoch, IncarnationId, LogId, ManifestId, SegmentId, SegmentKind, TopicUuid};
use esker_storage::manifest::{Entry, Hole, Leaf, ListedChunk, ListedSegment, Manifest};
use proptest::prelude::*;
use uuid::Uuid;

use super::segments::segment_id;

pub const LOG: LogId = LogId {
    topic: TopicUuid(Uuid::from_u128(0x1112_1314_1516_4718_991a_1b1c_1d1e_1f20)),
    partition: 12,
};

/// When what these manifests list was archived.
const ARCHIVED_MS: i64 = 1_700_000_100_000;

pub fn manifest_id(seq: u64) -> ManifestId {
    let SegmentId {
        epoch, incarnation, ..
    } = segment_id(seq);
    ManifestId {
        log: LOG,
        epoch,
        incarnation,
        seq,
    }
}

pub fn merged_id(seq: u64) -> SegmentId {
    SegmentId {
        kind: SegmentKind::Merged(LOG),
        ..segment_id(seq)
    }
}

/// A chunk with the latest timestamp so many milliseconds after a fixed time.
pub fn chunk(offsets: u64, bytes: u32, later_ms: i64) -> ListedChunk {
    ListedChunk {
        offsets,
        bytes,
        crc: bytes.wrapping_mul(0x9e37_79b9),
        max_timestamp: 1_700_000_000_000 + later_ms,
    }
}

pub fn segment(seq: u64, base_offset: i64, chunks: Vec<ListedChunk>) -> Entry {
    let bytes: u64 = chunks.iter().map(|chunk| u64::from(chunk.bytes)).sum();
    Entry::Segment(ListedSegment {
        id: merged_id(seq),
        object_bytes: bytes + 300,
        base_offset,
        archived_ms: ARCHIVED_MS,
        chunks,
    })
}

pub fn hole(base_offset: i64, end_offset: i64) -> Entry {
    Entry::Hole(Hole {
        segment: segment_id(42),
        object_bytes: 29_743,
        position: 20_270,
        bytes: 9_000,
        base_offset,
        end_offset,
        max_timestamp: -1,
        archived_ms: ARCHIVED_MS + 5,
    })
}

/// The older records: without leaves, and with some that are gone from its first entry.
pub fn leaf() -> Manifest {
    Manifest {
        entries: vec![
            segment(7, 1_000, vec![chunk(500, 4_194_304, 0), chunk(40, 70, 9)]),
            segment(8, 1_540, vec![chunk(60, 4_000_000, 7)]),
        ],
        ..Manifest::empty(manifest_id(20), 1_510)
    }
}

/// One in an archive segment.
pub fn archive_hole(base_offset: i64, end_offset: i64) -> Entry {
    let mut entry = hole(base_offset, end_offset);
    if let Entry::Hole(hole) = &mut entry {
        hole.segment.kind = SegmentKind::Archive;
    }
    entry
}

/// A manifest with all there is: leaves of which the first is partly gone, merged segments, holes.
pub fn everything() -> Manifest {
    let first = Leaf::of(&leaf(), 321).unwrap();
    let second = Leaf {
        id: ManifestId {
            epoch: ClusterEpoch(2),
            incarnation: IncarnationId(Uuid::from_u128(u128::MAX)),
            ..manifest_id(u64::MAX)
        },
        object_bytes: 70_000,
        base_offset: first.end_offset,
        end_offset: 1 << 40,
        bytes: 1 << 42,
        max_timestamp: -1,
        segments: 0,
    };
    Manifest {
        leaves: vec![first, second],
        entries: vec![
            segment(9, 1 << 40, vec![chunk(1, 1, 20), chunk(1 << 32, u32::MAX, 10)]),
            hole((1 << 40) + 1 + (1 << 32), 1 << 41),
            segment(300, 1 << 41, vec![chunk(7, 4_194_000, 30), chunk(3, 80_000, 25)]),
            archive_hole((1 << 41) + 10, (1 << 41) + 12),
        ],
        ..Manifest::empty(manifest_id(21), 1_520)
    }
}

fn timestamp() -> impl Strategy<Value = i64> {
    prop_oneof![Just(-1), 0i64..50, any::<i64>()]
}

fn any_id() -> impl Strategy<Value = SegmentId> {
    (any::<i32>(), any::<u128>(), any::<u64>()).prop_map(|(epoch, incarnation, seq)| SegmentId {
        kind: SegmentKind::Ingest,
        epoch: ClusterEpoch(epoch),
        incarnation: IncarnationId(Uuid::from_u128(incarnation)),
        seq,
    })
}

fn any_leaf() -> impl Strategy<Value = Leaf> {
    let sizes = (1..1_000_000u64, 1..1u64 << 45, 0..1u64 << 30);
    (any_id(), sizes, 1..1i64 << 45, timestamp()).prop_map(|(id, sizes, offsets, max_timestamp)| Leaf {
        id: ManifestId {
            log: LOG,
            epoch: id.epoch,
            incarnation: id.incarnation,
            seq: id.seq,
        },
        object_bytes: sizes.0,
        base_offset: 0,
        end_offset: offsets,
        bytes: sizes.1,
        max_timestamp,
        segments: sizes.2,
    })
}

fn any_entry() -> impl Strategy<Value = Entry> {
    let offsets = || prop_oneof![1..20u64, 1..1u64 << 45];
    let chunk = (offsets(), 1..=u32::MAX, any::<u32>(), timestamp());
    let chunk = chunk.prop_map(|(offsets, bytes, crc, max_timestamp)| ListedChunk {
        offsets,
        bytes,
        crc,
        max_timestamp,
    });
    let chunks = prop::collection::vec(chunk, 1..6);
    let segment =
        (any_id(), 0..1u64 << 40, any::<i64>(), chunks).prop_map(|(id, more, archived_ms, chunks)| {
            let mut listed = ListedSegment {
                id: SegmentId {
                    kind: SegmentKind::Merged(LOG),
                    ..id
                },
                object_bytes: 0,
                base_offset: 0,
                archived_ms,
                chunks,
            };
            listed.object_bytes = listed.bytes() + more;
            Entry::Segment(listed)
        });
    let sizes = (0..1u64 << 40, 1..1u64 << 40, 0..1u64 << 40);
    let kind = prop_oneof![Just(SegmentKind::Ingest), Just(SegmentKind::Archive)];
    let in_segment = (kind, any_id()).prop_map(|(kind, id)| SegmentId { kind, ..id });
    let hole = (in_segment, sizes, offsets(), timestamp(), any::<i64>()).prop_map(
        |(segment, (position, bytes, more), offsets, max_timestamp, archived_ms)| {
            Entry::Hole(Hole {
                segment,
                object_bytes: position + bytes + more,
                position,
                bytes,
                base_offset: 0,
                end_offset: offsets as i64,
                max_timestamp,
                archived_ms,
            })
        },
    );
    prop_oneof![3 => segment, 1 => hole]
}

/// Any manifest that can be written.
pub fn any_manifest() -> impl Strategy<Value = Manifest> {
    let leaves = prop::collection::vec(any_leaf(), 0..5);
    let entries = prop::collection::vec(any_entry(), 0..8);
    let first = prop_oneof![Just(0), 0..1i64 << 60];
    (any_id(), first, leaves, entries, any::<u64>()).prop_map(|(id, first, leaves, entries, gone)| {
        let id = ManifestId {
            log: LOG,
            epoch: id.epoch,
            incarnation: id.incarnation,
            seq: id.seq,
        };
        let mut manifest = Manifest::empty(id, first);
        for leaf in leaves {
            let base_offset = manifest.end_offset();
            manifest.leaves.push(Leaf {
                base_offset,
                end_offset: base_offset + leaf.end_offset,
                ..leaf
            });
        }
        for mut entry in entries {
            let base_offset = manifest.end_offset();
            match &mut entry {
                Entry::Segment(segment) => segment.base_offset = base_offset,
                Entry::Hole(hole) => {
                    hole.base_offset = base_offset;
                    hole.end_offset += base_offset;
                }
            }
            manifest.entries.push(entry);
        }
        let end = manifest.leaves.first().map(|leaf| leaf.end_offset);
        if let Some(end) = end.or(manifest.entries.first().map(Entry::end_offset)) {
            manifest.base_offset += (gone % (end - first) as u64) as i64;
        }
        manifest
    })
}
