//! Writing a manifest: a footer behind no payload, with a section of its own. `docs/format.md` gives every byte.

use bytes::Bytes;
use esker_model::SegmentKind;

use super::check::{InvalidManifest, check};
use super::{Entry, Hole, ListedSegment, Manifest};
use crate::bucket::OBJECT_BYTES_MAX;
use crate::keys::ObjectKind;
use crate::segment::codec::Encoder;
use crate::segment::section::{self, Identity, SectionTag};
use crate::segment::{TAIL_BYTES, Tail};

/// Kinds of entries. Numbers are never used again.
pub(super) const ENTRY_SEGMENT: u8 = 1;
pub(super) const ENTRY_INGEST_HOLE: u8 = 2;
pub(super) const ENTRY_ARCHIVE_HOLE: u8 = 3;

/// A manifest, ready to be put.
#[derive(Clone, Debug)]
pub struct EncodedManifest {
    /// The whole object, tail included.
    pub payload: Bytes,
    /// The last bytes of the object.
    pub tail: [u8; TAIL_BYTES],
}

impl EncodedManifest {
    /// Size of the object.
    pub fn object_bytes(&self) -> u64 {
        self.payload.len() as u64
    }
}

impl Manifest {
    /// Writes it. What could not be read again is refused. The same bytes for the same manifest, whenever and wherever.
    pub fn encode(&self) -> Result<EncodedManifest, InvalidManifest> {
        check(self)?;
        let mut out = Encoder::default();
        section::encode_identity(&self.id, &mut out);
        section::required(&mut out, SectionTag::Manifest, |out| encode_body(self, out));
        let Encoder(mut object) = out;
        let object_bytes = (object.len() + TAIL_BYTES) as u64;
        check_size(object_bytes)?;
        let tail = Tail {
            kind: ObjectKind::Manifest,
            object_bytes,
            footer_bytes: object.len() as u32,
            footer_crc: crc32c::crc32c(&object),
            payload_crc: crc32c::crc32c(&[]),
        }
        .encode();
        object.extend_from_slice(&tail);
        Ok(EncodedManifest {
            payload: Bytes::from(object),
            tail,
        })
    }
}

/// An error if nobody would read an object of so many bytes.
fn check_size(object_bytes: u64) -> Result<(), InvalidManifest> {
    if object_bytes <= OBJECT_BYTES_MAX {
        Ok(())
    } else {
        Err(InvalidManifest("it is larger than an object may be"))
    }
}

fn encode_body(manifest: &Manifest, out: &mut Encoder) {
    let leaf = manifest.leaves.first().map(|leaf| leaf.base_offset);
    let entry = manifest.entries.first().map(Entry::base_offset);
    let first = leaf.or(entry).unwrap_or(manifest.base_offset);
    out.bytes(manifest.id.log.topic.0.as_bytes());
    out.i32(manifest.id.log.partition);
    out.i64(manifest.base_offset);
    out.varint(manifest.base_offset.abs_diff(first));
    out.varint(manifest.leaves.len() as u64);
    for leaf in &manifest.leaves {
        encode_id(&leaf.id, out);
        out.varint(leaf.object_bytes);
        out.varint(leaf.end_offset.abs_diff(leaf.base_offset));
        out.varint(leaf.bytes);
        out.i64(leaf.max_timestamp);
        out.varint(leaf.segments);
    }
    out.varint(manifest.entries.len() as u64);
    for entry in &manifest.entries {
        match entry {
            Entry::Segment(segment) => encode_segment(segment, out),
            Entry::Hole(hole) => encode_hole(hole, out),
        }
    }
}

fn encode_segment(segment: &ListedSegment, out: &mut Encoder) {
    out.u8(ENTRY_SEGMENT);
    encode_id(&segment.id, out);
    out.varint(segment.object_bytes);
    out.i64(segment.archived_ms);
    out.varint(segment.chunks.len() as u64);
    for chunk in &segment.chunks {
        out.varint(chunk.offsets);
        out.varint(u64::from(chunk.bytes));
        out.u32(chunk.crc);
        out.i64(chunk.max_timestamp);
    }
}

fn encode_hole(hole: &Hole, out: &mut Encoder) {
    out.u8(match hole.segment.kind {
        SegmentKind::Archive => ENTRY_ARCHIVE_HOLE,
        _ => ENTRY_INGEST_HOLE,
    });
    encode_id(&hole.segment, out);
    out.varint(hole.object_bytes);
    out.i64(hole.archived_ms);
    out.varint(hole.position);
    out.varint(hole.bytes);
    out.varint(hole.end_offset.abs_diff(hole.base_offset));
    out.i64(hole.max_timestamp);
}

/// Like an identity, but shorter: there are many.
fn encode_id(id: impl Into<Identity>, out: &mut Encoder) {
    let id = id.into();
    out.i32(id.epoch.0);
    out.bytes(id.incarnation.0.as_bytes());
    out.varint(id.seq);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_would_read_is_not_written() {
        assert_eq!(check_size(OBJECT_BYTES_MAX), Ok(()));
        assert!(check_size(OBJECT_BYTES_MAX + 1).is_err());
    }
}
