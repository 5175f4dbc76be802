//! The footer of an archive segment: whose it is, its chunks, and its parts with their index.

use bytes::Bytes;
use esker_model::{SegmentId, SegmentKind, TopicUuid};
use uuid::Uuid;

use super::super::codec::{Decoder, Encoder};
use super::super::error::SegmentError;
use super::super::section::{self, SectionTag};
use super::super::tail::Tail;
use super::index::{Chunk, IndexEntry, Part};
use crate::keys::ObjectKind;

/// Smallest sizes of a chunk, of a part and of an index entry: bounds for counts.
const CHUNK_BYTES_MIN: usize = 1 + 4;
const PART_BYTES_MIN: usize = 16 + 4 + 8 + 1 + ENTRY_BYTES_MIN;
const ENTRY_BYTES_MIN: usize = 1 + 1 + 8;

/// What a footer says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ArchiveFooter {
    /// Whose segment this is.
    pub id: SegmentId,
    /// The chunks, back to back from byte 0 to the end of the payload.
    pub chunks: Vec<Chunk>,
    /// The parts, back to back in the same way, ascending by partition; a partition has one at most.
    pub parts: Vec<Part>,
    /// Tags of optional sections that this release does not know.
    pub skipped: Vec<u16>,
}

impl ArchiveFooter {
    /// Reads the footer of a whole object. The payload is not looked at: see [`super::verify`].
    pub fn read(object: &Bytes) -> Result<Self, SegmentError> {
        let tail = Tail::of_object(object)?;
        Self::read_after_tail(&tail, tail.footer(object))
    }

    /// Reads a footer: the `tail.footer_bytes` bytes before the tail.
    pub fn read_after_tail(tail: &Tail, footer: &[u8]) -> Result<Self, SegmentError> {
        if tail.kind != ObjectKind::Merged {
            tail.must_be(ObjectKind::Archive)?;
        }
        let mut sections = section::read(tail, footer)?;
        let payload_bytes = tail.payload_bytes();
        let identity = section::decode_identity(sections.required(SectionTag::Identity)?)?;
        let chunks = decode_chunks(sections.required(SectionTag::Chunks)?, payload_bytes)?;
        let parts = decode_parts(sections.required(SectionTag::Parts)?, payload_bytes)?;
        let kind = match (tail.kind, parts.as_slice()) {
            (ObjectKind::Merged, [part]) => SegmentKind::Merged(part.log()),
            (ObjectKind::Merged, _) => {
                return Err(SegmentError::Malformed {
                    section: "parts",
                    what: "a merged segment is of one partition",
                });
            }
            _ => SegmentKind::Archive,
        };
        Ok(Self {
            id: identity.segment(kind),
            chunks,
            parts,
            skipped: sections.unknown()?,
        })
    }

    /// What it holds of a partition.
    pub fn part(&self, topic: TopicUuid, partition: i32) -> Option<&Part> {
        let key = |part: &Part| (part.topic, part.partition);
        let at = self.parts.binary_search_by_key(&(topic, partition), key).ok()?;
        self.parts.get(at)
    }

    /// The number of the chunk that holds a byte of the payload.
    pub fn chunk_at(&self, position: u64) -> Option<usize> {
        let after = self.chunks.partition_point(|chunk| chunk.position <= position);
        let at = after.checked_sub(1)?;
        let chunk = self.chunks.get(at)?;
        (position - chunk.position < chunk.bytes).then_some(at)
    }
}

/// Writes a footer.
pub(super) fn encode(id: &SegmentId, chunks: &[Chunk], parts: &[Part]) -> Vec<u8> {
    let mut out = Encoder::default();
    section::encode_identity(id, &mut out);
    section::required(&mut out, SectionTag::Chunks, |out| {
        out.varint(chunks.len() as u64);
        for chunk in chunks {
            out.varint(chunk.bytes);
            out.u32(chunk.crc);
        }
    });
    section::required(&mut out, SectionTag::Parts, |out| {
        out.varint(parts.len() as u64);
        for part in parts {
            out.bytes(part.topic.0.as_bytes());
            out.i32(part.partition);
            out.i64(part.base_offset);
            out.varint(part.index.len() as u64);
            for entry in &part.index {
                out.varint(entry.offsets);
                out.varint(entry.bytes);
                out.i64(entry.max_timestamp);
            }
        }
    });
    out.0
}

fn decode_chunks(body: &[u8], payload_bytes: u64) -> Result<Vec<Chunk>, SegmentError> {
    let mut from = Decoder::new(body, "chunks");
    let count = from.count(CHUNK_BYTES_MIN)?;
    let mut chunks = Vec::with_capacity(count);
    let mut position = 0;
    for _ in 0..count {
        let bytes = from.positive(payload_bytes - position)?;
        let crc = from.u32()?;
        chunks.push(Chunk { position, bytes, crc });
        position += bytes;
    }
    if position != payload_bytes {
        return Err(from.malformed("they are shorter than the payload"));
    }
    from.end()?;
    Ok(chunks)
}

fn decode_parts(body: &[u8], payload_bytes: u64) -> Result<Vec<Part>, SegmentError> {
    let mut from = Decoder::new(body, "parts");
    let count = from.count(PART_BYTES_MIN)?;
    let mut parts: Vec<Part> = Vec::new();
    let mut position = 0;
    for _ in 0..count {
        let part = decode_part(&mut from, position, payload_bytes)?;
        let ascends = |last: &Part| (last.topic, last.partition) < (part.topic, part.partition);
        if !parts.last().is_none_or(ascends) {
            return Err(from.malformed("the partitions do not ascend"));
        }
        position += part.bytes();
        parts.push(part);
    }
    if position != payload_bytes {
        return Err(from.malformed("they are shorter than the payload"));
    }
    from.end()?;
    Ok(parts)
}

fn decode_part(from: &mut Decoder<'_>, position: u64, payload_bytes: u64) -> Result<Part, SegmentError> {
    let topic = TopicUuid(Uuid::from_bytes(from.array()?));
    let partition = from.i32()?;
    let base_offset = from.i64()?;
    if partition < 0 || base_offset < 0 {
        return Err(from.malformed("a partition or an offset is negative"));
    }
    let count = from.count(ENTRY_BYTES_MIN)?;
    if count == 0 {
        return Err(from.malformed("a part is empty"));
    }
    let mut index = Vec::with_capacity(count);
    let mut offsets_left = i64::MAX.abs_diff(base_offset);
    let mut bytes_left = payload_bytes - position;
    for _ in 0..count {
        let entry = IndexEntry {
            offsets: from.positive(offsets_left)?,
            bytes: from.positive(bytes_left)?,
            max_timestamp: from.i64()?,
        };
        offsets_left -= entry.offsets;
        bytes_left -= entry.bytes;
        index.push(entry);
    }
    Ok(Part {
        topic,
        partition,
        base_offset,
        position,
        index,
    })
}
