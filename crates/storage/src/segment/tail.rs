//! The last 32 bytes of every segment and manifest. Whoever has them can check and read the rest.

use super::codec::{Decoder, Encoder};
use super::error::SegmentError;
use crate::keys::ObjectKind;
use bytes::Bytes;

/// Bytes of a tail.
pub const TAIL_BYTES: usize = 32;
/// The version that this release writes, and the only one it reads.
pub const FORMAT_VERSION: u16 = 1;
/// Kinds of objects. Numbers are never used again.
const KIND_INGEST: u16 = 1;
const KIND_ARCHIVE: u16 = 2;
const KIND_MERGED: u16 = 3;
const KIND_MANIFEST: u16 = 4;
/// The last four bytes.
const MAGIC: [u8; 4] = *b"ESKR";
/// Bytes that the tail's own checksum covers.
const COVERED: usize = 24;

/// What a tail says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tail {
    /// What the object is.
    pub kind: ObjectKind,
    /// Size of the object, this tail included.
    pub object_bytes: u64,
    /// Size of the footer, which ends where the tail begins.
    pub footer_bytes: u32,
    /// CRC-32C of the footer.
    pub footer_crc: u32,
    /// CRC-32C of the payload: everything before the footer.
    pub payload_crc: u32,
}

impl Tail {
    /// Its bytes.
    pub fn encode(&self) -> [u8; TAIL_BYTES] {
        let mut out = Encoder(Vec::with_capacity(TAIL_BYTES));
        out.u64(self.object_bytes);
        out.u32(self.footer_bytes);
        out.u32(self.footer_crc);
        out.u32(self.payload_crc);
        out.u16(FORMAT_VERSION);
        out.u16(match self.kind {
            ObjectKind::Ingest => KIND_INGEST,
            ObjectKind::Archive => KIND_ARCHIVE,
            ObjectKind::Merged => KIND_MERGED,
            ObjectKind::Manifest => KIND_MANIFEST,
        });
        out.u32(crc32c::crc32c(&out.0));
        out.bytes(&MAGIC);
        let mut tail = [0; TAIL_BYTES];
        tail.copy_from_slice(&out.0);
        tail
    }

    /// Reads and checks a tail by itself.
    pub fn decode(bytes: &[u8; TAIL_BYTES]) -> Result<Self, SegmentError> {
        let mut from = Decoder::new(bytes, "tail");
        let object_bytes = from.u64()?;
        let footer_bytes = from.u32()?;
        let footer_crc = from.u32()?;
        let payload_crc = from.u32()?;
        let version = from.u16()?;
        let kind = from.u16()?;
        let crc = from.u32()?;
        if from.array()? != MAGIC {
            return Err(SegmentError::NotASegment);
        }
        if crc != crc32c::crc32c(&bytes[..COVERED]) {
            return Err(SegmentError::TailCrc);
        }
        if version != FORMAT_VERSION {
            return Err(SegmentError::UnknownVersion(version));
        }
        let kind = match kind {
            KIND_INGEST => ObjectKind::Ingest,
            KIND_ARCHIVE => ObjectKind::Archive,
            KIND_MERGED => ObjectKind::Merged,
            KIND_MANIFEST => ObjectKind::Manifest,
            _ => return Err(SegmentError::NotASegment),
        };
        let besides_payload = u64::from(footer_bytes) + TAIL_BYTES as u64;
        if besides_payload > object_bytes {
            return Err(SegmentError::FooterLength(footer_bytes));
        }
        Ok(Self {
            kind,
            object_bytes,
            footer_bytes,
            footer_crc,
            payload_crc,
        })
    }

    /// Reads the tail of a whole object, and checks the object's length.
    pub fn of_object(object: &Bytes) -> Result<Self, SegmentError> {
        Self::at_end(object, object.len() as u64)
    }

    /// The same from the end of an object of so many bytes.
    pub(super) fn at_end(end: &[u8], actual: u64) -> Result<Self, SegmentError> {
        let tail = Self::decode(end.last_chunk().ok_or(SegmentError::TooShort(actual))?)?;
        if tail.object_bytes == actual {
            Ok(tail)
        } else {
            Err(SegmentError::Length {
                stated: tail.object_bytes,
                actual,
            })
        }
    }

    /// The footer's bytes in the whole object, whose length was checked ([`Tail::of_object`]).
    pub(crate) fn footer<'a>(&self, object: &'a [u8]) -> &'a [u8] {
        let start = self.payload_bytes() as usize;
        &object[start..start + self.footer_bytes as usize]
    }

    /// An error unless the object is of that kind.
    pub(crate) fn must_be(&self, kind: ObjectKind) -> Result<(), SegmentError> {
        if self.kind == kind {
            Ok(())
        } else {
            Err(SegmentError::Kind(self.kind))
        }
    }

    /// Size of the payload, which begins the object. The footer follows it.
    pub fn payload_bytes(&self) -> u64 {
        self.object_bytes - u64::from(self.footer_bytes) - TAIL_BYTES as u64
    }
}
