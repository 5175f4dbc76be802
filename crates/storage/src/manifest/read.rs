//! Reading a manifest: numbers first, then what they mean.

use bytes::Bytes;
use esker_model::{ClusterEpoch, IncarnationId, LogId, SegmentKind, TopicUuid};
use uuid::Uuid;

use super::check::{InvalidManifest, check};
use super::write::{ENTRY_ARCHIVE_HOLE, ENTRY_INGEST_HOLE, ENTRY_SEGMENT};
use super::{Entry, Hole, Leaf, ListedChunk, ListedSegment, Manifest};
use crate::keys::ObjectKind;
use crate::segment::codec::Decoder;
use crate::segment::section::{self, Identity, SectionTag};
use crate::segment::{SegmentError, Tail};

/// Smallest sizes of an id, a leaf, an entry (a hole) and a chunk: bounds for counts.
const ID_BYTES_MIN: usize = 4 + 16 + 1;
const LEAF_BYTES_MIN: usize = ID_BYTES_MIN + 1 + 1 + 1 + 8 + 1;
const ENTRY_BYTES_MIN: usize = 1 + ID_BYTES_MIN + 1 + 8 + 1 + 1 + 1 + 8;
const CHUNK_BYTES_MIN: usize = 1 + 1 + 4 + 8;

impl Manifest {
    /// Reads a whole object and verifies all of it: tail, length, footer, every section, every rule.
    pub fn decode(object: &Bytes) -> Result<Self, SegmentError> {
        let tail = Tail::of_object(object)?;
        tail.must_be(ObjectKind::Manifest)?;
        if tail.payload_bytes() != 0 || tail.payload_crc != crc32c::crc32c(&[]) {
            return Err(SegmentError::Malformed {
                section: SectionTag::Manifest.name(),
                what: "there is a payload before it",
            });
        }
        let mut sections = section::read(&tail, tail.footer(object))?;
        let identity = section::decode_identity(sections.required(SectionTag::Identity)?)?;
        let body = sections.required(SectionTag::Manifest)?;
        let manifest = decode_body(body, identity, sections.unknown()?)?;
        check(&manifest).map_err(|InvalidManifest(what)| malformed(what))?;
        Ok(manifest)
    }
}

fn malformed(what: &'static str) -> SegmentError {
    SegmentError::Malformed {
        section: SectionTag::Manifest.name(),
        what,
    }
}

fn decode_id(from: &mut Decoder<'_>) -> Result<Identity, SegmentError> {
    Ok(Identity {
        epoch: ClusterEpoch(from.i32()?),
        incarnation: IncarnationId(Uuid::from_bytes(from.array()?)),
        seq: from.varint()?,
    })
}

/// Reads numbers and adds offsets up; what they mean is not looked at: see [`check`].
fn decode_body(body: &[u8], identity: Identity, skipped: Vec<u16>) -> Result<Manifest, SegmentError> {
    let mut from = Decoder::new(body, SectionTag::Manifest.name());
    let log = LogId {
        topic: TopicUuid(Uuid::from_bytes(from.array()?)),
        partition: from.i32()?,
    };
    let base_offset = from.i64()?;
    let gone = from.varint()?;
    let mut offset = base_offset
        .checked_sub_unsigned(gone)
        .ok_or_else(|| from.malformed("its offsets do not fit"))?;
    let count = from.count(LEAF_BYTES_MIN)?;
    let mut leaves = Vec::with_capacity(count);
    for _ in 0..count {
        let leaf = decode_leaf(&mut from, log, offset)?;
        offset = leaf.end_offset;
        leaves.push(leaf);
    }
    let count = from.count(ENTRY_BYTES_MIN)?;
    let mut entries = Vec::with_capacity(count);
    for _ in 0..count {
        let entry = decode_entry(&mut from, log, offset)?;
        offset = entry.end_offset();
        entries.push(entry);
    }
    if gone != 0 && leaves.is_empty() && entries.is_empty() {
        return Err(from.malformed("something is gone from nothing"));
    }
    from.end()?;
    Ok(Manifest {
        id: identity.manifest(log),
        base_offset,
        leaves,
        entries,
        skipped,
    })
}

fn decode_leaf(from: &mut Decoder<'_>, log: LogId, base_offset: i64) -> Result<Leaf, SegmentError> {
    Ok(Leaf {
        id: decode_id(from)?.manifest(log),
        object_bytes: from.varint()?,
        base_offset,
        end_offset: decode_end(from, base_offset)?,
        bytes: from.varint()?,
        max_timestamp: from.i64()?,
        segments: from.varint()?,
    })
}

fn decode_entry(from: &mut Decoder<'_>, log: LogId, base_offset: i64) -> Result<Entry, SegmentError> {
    match from.u8()? {
        ENTRY_SEGMENT => decode_segment(from, log, base_offset).map(Entry::Segment),
        ENTRY_INGEST_HOLE => decode_hole(from, SegmentKind::Ingest, base_offset).map(Entry::Hole),
        ENTRY_ARCHIVE_HOLE => decode_hole(from, SegmentKind::Archive, base_offset).map(Entry::Hole),
        _ => Err(from.malformed("an entry is of no known kind")),
    }
}

fn decode_segment(
    from: &mut Decoder<'_>,
    log: LogId,
    base_offset: i64,
) -> Result<ListedSegment, SegmentError> {
    let id = decode_id(from)?.segment(SegmentKind::Merged(log));
    let object_bytes = from.varint()?;
    let archived_ms = from.i64()?;
    let count = from.count(CHUNK_BYTES_MIN)?;
    let mut chunks = Vec::with_capacity(count);
    for _ in 0..count {
        chunks.push(ListedChunk {
            offsets: from.varint()?,
            bytes: u32::try_from(from.varint()?).map_err(|_| from.malformed("a number does not fit"))?,
            crc: from.u32()?,
            max_timestamp: from.i64()?,
        });
    }
    Ok(ListedSegment {
        id,
        object_bytes,
        base_offset,
        archived_ms,
        chunks,
    })
}

fn decode_hole(from: &mut Decoder<'_>, kind: SegmentKind, base_offset: i64) -> Result<Hole, SegmentError> {
    let segment = decode_id(from)?.segment(kind);
    let object_bytes = from.varint()?;
    let archived_ms = from.i64()?;
    let position = from.varint()?;
    let bytes = from.varint()?;
    Ok(Hole {
        segment,
        object_bytes,
        position,
        bytes,
        base_offset,
        end_offset: decode_end(from, base_offset)?,
        max_timestamp: from.i64()?,
        archived_ms,
    })
}

/// Reads how many offsets are covered.
fn decode_end(from: &mut Decoder<'_>, base_offset: i64) -> Result<i64, SegmentError> {
    let offsets = from.varint()?;
    base_offset
        .checked_add_unsigned(offsets)
        .ok_or_else(|| from.malformed("its offsets do not fit"))
}
