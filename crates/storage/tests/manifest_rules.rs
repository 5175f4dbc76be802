//! What is no manifest: not written, and not read even where all checksums are right.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use bytes::Bytes;
use esker_model::{LogId, SegmentKind};
use esker_storage::bucket::OBJECT_BYTES_MAX;
use esker_storage::keys::ObjectKind;
use esker_storage::manifest::{Entry, Hole, InvalidManifest, ListedSegment, Manifest};
use esker_storage::segment::SegmentError;
use support::manifests::{LOG, everything, manifest_id};
use support::segments::with_footer;

fn segment(manifest: &mut Manifest, at: usize) -> &mut ListedSegment {
    match &mut manifest.entries[at] {
        Entry::Segment(segment) => segment,
        Entry::Hole(_) => panic!("entry {at} is a hole"),
    }
}

fn hole(manifest: &mut Manifest) -> &mut Hole {
    match &mut manifest.entries[1] {
        Entry::Hole(hole) => hole,
        Entry::Segment(_) => panic!("entry 1 is no hole"),
    }
}

const OTHER: LogId = LogId { partition: 13, ..LOG };

const NEGATIVE: &str = "a partition or an offset is negative";
const OUTSIDE: &str = "its base offset lies outside of what it lists first";
const OTHERS_LEAF: &str = "a leaf is of another partition";
const LEAF_SIZE: &str = "a leaf has a size that no object may have";
const OTHERS_SEGMENT: &str = "a segment is not one that was merged for this partition";
const EMPTY_CHUNK: &str = "a chunk is empty";
const OFFSETS: &str = "its offsets do not fit";
const CHUNKS: &str = "chunks do not fit into their segment";
const HOLE_KIND: &str = "a hole is in a merged segment";
const HOLE_PLACE: &str = "a hole does not fit into its segment";
const EMPTY: &str = "a leaf or an entry is empty, or below offset 0";
const GAP: &str = "leaves and entries do not lie end to end";
const SIZES: &str = "its sizes do not fit";

#[test]
fn what_could_not_be_read_is_not_written() {
    type Edit = fn(&mut Manifest);
    let cases: [(&str, Edit); 33] = [
        (NEGATIVE, |m| m.id.log.partition = -1),
        (NEGATIVE, |m| m.base_offset = -1),
        (OUTSIDE, |m| m.base_offset = 1_509),
        (OUTSIDE, |m| m.base_offset = 1_600),
        (OUTSIDE, |m| {
            m.leaves.clear();
            m.base_offset = (1 << 40) - 1;
        }),
        (OTHERS_LEAF, |m| m.leaves[1].id.log = OTHER),
        (LEAF_SIZE, |m| m.leaves[0].object_bytes = 0),
        (LEAF_SIZE, |m| m.leaves[0].object_bytes = OBJECT_BYTES_MAX + 1),
        (SIZES, |m| m.leaves[0].bytes = 1 << 63),
        (SIZES, |m| m.leaves[0].bytes += (1 << 63) - m.bytes()),
        (SIZES, |m| m.leaves[0].segments = (1 << 63) - 2),
        (SIZES, |m| m.leaves[0].segments = u64::MAX),
        (EMPTY, |m| m.leaves[0].bytes = 0),
        (EMPTY, |m| m.leaves[0].base_offset = -1),
        (EMPTY, |m| m.leaves[0].end_offset = 1_510),
        (GAP, |m| m.leaves[1].base_offset += 1),
        (GAP, |m| m.leaves[1].base_offset -= 1),
        (GAP, |m| m.leaves[1].end_offset -= 1),
        (GAP, |m| drop(m.entries.remove(1))),
        (GAP, |m| m.entries.swap(1, 2)),
        (OTHERS_SEGMENT, |m| {
            segment(m, 0).id.kind = SegmentKind::Merged(OTHER);
        }),
        (OTHERS_SEGMENT, |m| segment(m, 0).id.kind = SegmentKind::Archive),
        (SIZES, |m| segment(m, 0).object_bytes = 1 << 63),
        (EMPTY_CHUNK, |m| segment(m, 2).chunks[1].bytes = 0),
        (EMPTY_CHUNK, |m| segment(m, 2).chunks[1].offsets = 0),
        (EMPTY, |m| segment(m, 2).chunks.clear()),
        (OFFSETS, |m| segment(m, 2).chunks[1].offsets = 1 << 63),
        (CHUNKS, |m| segment(m, 2).object_bytes = 4_273_999),
        (HOLE_KIND, |m| hole(m).segment.kind = SegmentKind::Merged(LOG)),
        (SIZES, |m| hole(m).object_bytes = 1 << 63),
        (HOLE_PLACE, |m| hole(m).position = 20_744),
        (HOLE_PLACE, |m| hole(m).position = u64::MAX),
        (EMPTY, |m| hole(m).bytes = 0),
    ];
    assert!(everything().encode().is_ok());
    for (number, (why, edit)) in cases.into_iter().enumerate() {
        let mut manifest = everything();
        edit(&mut manifest);
        let refused = manifest.encode().map(|_| ());
        assert_eq!(refused, Err(InvalidManifest(why)), "case {number}");
    }
}

#[test]
fn what_just_fits_is_written() {
    type Edit = fn(&mut Manifest);
    let cases: [Edit; 6] = [
        |m| m.base_offset = 1_510,
        |m| m.base_offset = 1_599,
        |m| m.leaves[0].bytes += (1 << 63) - 1 - m.bytes(),
        |m| m.leaves[0].segments += (1 << 63) - 1 - m.objects(),
        |m| segment(m, 2).object_bytes = 4_274_000,
        |m| hole(m).position = 20_743,
    ];
    for (number, edit) in cases.into_iter().enumerate() {
        let mut manifest = everything();
        edit(&mut manifest);
        let encoded = manifest.encode().unwrap();
        assert_eq!(Manifest::decode(&encoded.payload), Ok(manifest), "case {number}");
    }
}

/// A manifest's section, number by number; written without looking at what they mean.
struct Raw {
    partition: i32,
    base_offset: i64,
    gone: u64,
    leaves: u64,
    leaf: RawLeaf,
    entries: u64,
    segment_kind: u8,
    segment_bytes: u64,
    chunks: u64,
    /// Offsets and bytes of each.
    chunk: [(u64, u64); 2],
    hole: RawHole,
    behind: &'static [u8],
}

struct RawLeaf {
    object_bytes: u64,
    offsets: u64,
    bytes: u64,
    segments: u64,
}

struct RawHole {
    object_bytes: u64,
    position: u64,
    bytes: u64,
    offsets: u64,
}

impl Raw {
    /// A right one, with a leaf, a merged segment of two chunks and a hole.
    fn right() -> Self {
        Self {
            partition: 12,
            base_offset: 100,
            gone: 10,
            leaves: 1,
            leaf: RawLeaf {
                object_bytes: 500,
                offsets: 11,
                bytes: 1_000,
                segments: 1,
            },
            entries: 2,
            segment_kind: 1,
            segment_bytes: 400,
            chunks: 2,
            chunk: [(5, 300), (1, 100)],
            hole: RawHole {
                object_bytes: 50,
                position: 10,
                bytes: 40,
                offsets: 3,
            },
            behind: &[],
        }
    }

    fn body(&self) -> Vec<u8> {
        let mut out = LOG.topic.0.as_bytes().to_vec();
        out.extend_from_slice(&self.partition.to_be_bytes());
        out.extend_from_slice(&self.base_offset.to_be_bytes());
        let id = [0; 21];
        let time = [0; 8];
        put(&mut out, &[self.gone, self.leaves]);
        if self.leaves > 0 {
            out.extend_from_slice(&id);
            put(
                &mut out,
                &[self.leaf.object_bytes, self.leaf.offsets, self.leaf.bytes],
            );
            out.extend_from_slice(&time);
            put(&mut out, &[self.leaf.segments]);
        }
        put(&mut out, &[self.entries]);
        if self.entries > 0 {
            out.push(self.segment_kind);
            out.extend_from_slice(&id);
            put(&mut out, &[self.segment_bytes]);
            out.extend_from_slice(&time);
            put(&mut out, &[self.chunks]);
            for (offsets, bytes) in self.chunk {
                put(&mut out, &[offsets, bytes]);
                out.extend_from_slice(&[0; 4 + 8]);
            }
            out.push(2);
            out.extend_from_slice(&id);
            put(&mut out, &[self.hole.object_bytes]);
            out.extend_from_slice(&time);
            put(
                &mut out,
                &[self.hole.position, self.hole.bytes, self.hole.offsets],
            );
            out.extend_from_slice(&time);
        }
        out.extend_from_slice(self.behind);
        out
    }

    fn decode(&self) -> Result<Manifest, SegmentError> {
        let body = self.body();
        let identity = [&[0, 1, 0, 1, 0, 0, 0, 28][..], &[0; 28]].concat();
        let head = [&[0, 8, 0, 1][..], &(body.len() as u32).to_be_bytes()].concat();
        let footer = [identity, head, body].concat();
        Manifest::decode(&with_footer(ObjectKind::Manifest, b"", &footer))
    }
}

fn put(out: &mut Vec<u8>, numbers: &[u64]) {
    for number in numbers {
        let mut left = *number;
        while left >= 0x80 {
            out.push(left as u8 | 0x80);
            left >>= 7;
        }
        out.push(left as u8);
    }
}

const COUNTS: &str = "counts more than it holds";
const NUMBER: &str = "a number does not fit";

#[test]
fn what_should_not_have_been_written_is_not_read() {
    let right = Raw::right().decode().unwrap();
    assert_eq!((right.base_offset, right.leaves[0].base_offset), (100, 90));
    assert_eq!((right.end_offset(), right.objects()), (110, 3));
    type Edit = fn(&mut Raw);
    let cases: [(&str, Edit); 38] = [
        (NEGATIVE, |raw| raw.partition = -1),
        (NEGATIVE, |raw| raw.base_offset = -1),
        (EMPTY, |raw| raw.gone = 101),
        (OFFSETS, |raw| raw.gone = u64::MAX),
        (OUTSIDE, |raw| raw.gone = 11),
        (OUTSIDE, |raw| {
            raw.leaves = 0;
            raw.gone = 6;
        }),
        ("something is gone from nothing", |raw| {
            raw.leaves = 0;
            raw.entries = 0;
        }),
        (COUNTS, |raw| raw.leaves = 5),
        (COUNTS, |raw| raw.leaves = u64::MAX),
        (LEAF_SIZE, |raw| raw.leaf.object_bytes = 0),
        (LEAF_SIZE, |raw| raw.leaf.object_bytes = OBJECT_BYTES_MAX + 1),
        (EMPTY, |raw| raw.leaf.offsets = 0),
        (OFFSETS, |raw| raw.leaf.offsets = 1 << 63),
        (OFFSETS, |raw| raw.leaf.offsets = (1 << 63) - 95),
        (EMPTY, |raw| raw.leaf.bytes = 0),
        (SIZES, |raw| raw.leaf.bytes = (1 << 63) - 440),
        (SIZES, |raw| raw.leaf.segments = u64::MAX),
        (SIZES, |raw| raw.leaf.segments = (1 << 63) - 2),
        (COUNTS, |raw| raw.entries = 3),
        (COUNTS, |raw| raw.entries = u64::MAX),
        ("ends too early", |raw| {
            raw.entries = 3;
            raw.behind = &[2; 30];
        }),
        ("is followed by something else", |raw| raw.entries = 1),
        ("an entry is of no known kind", |raw| raw.segment_kind = 0),
        ("an entry is of no known kind", |raw| raw.segment_kind = 3),
        (CHUNKS, |raw| raw.segment_bytes = 399),
        (SIZES, |raw| raw.segment_bytes = 1 << 63),
        (COUNTS, |raw| raw.chunks = 6),
        (COUNTS, |raw| raw.chunks = u64::MAX),
        (EMPTY_CHUNK, |raw| raw.chunk[0].0 = 0),
        (EMPTY_CHUNK, |raw| raw.chunk[1].1 = 0),
        (OFFSETS, |raw| raw.chunk[0].0 = u64::MAX),
        (NUMBER, |raw| {
            raw.segment_bytes = 1 << 40;
            raw.chunk[0].1 = 1 << 32;
        }),
        (SIZES, |raw| raw.hole.object_bytes = 1 << 63),
        (HOLE_PLACE, |raw| raw.hole.position = 11),
        (HOLE_PLACE, |raw| raw.hole.position = u64::MAX),
        (EMPTY, |raw| raw.hole.bytes = 0),
        (OFFSETS, |raw| raw.hole.offsets = (1 << 63) - 107),
        ("is followed by something else", |raw| raw.behind = &[0]),
    ];
    for (number, (what, edit)) in cases.into_iter().enumerate() {
        let mut raw = Raw::right();
        edit(&mut raw);
        let section = "manifest";
        assert_eq!(
            raw.decode(),
            Err(SegmentError::Malformed { section, what }),
            "case {number}"
        );
    }
}

#[test]
fn a_leaf_is_of_the_manifests_partition() {
    let right = Raw::right().decode().unwrap();
    assert_eq!((right.id.log, right.leaves[0].id.log), (LOG, LOG));
    let Entry::Segment(segment) = &right.entries[0] else {
        panic!("not a segment");
    };
    assert_eq!(segment.id.kind, SegmentKind::Merged(LOG));
}

#[test]
fn an_empty_object_is_no_manifest() {
    assert_eq!(Manifest::decode(&Bytes::new()), Err(SegmentError::TooShort(0)));
    assert!(Manifest::empty(manifest_id(0), 0).encode().is_ok());
}
