//! The footer: tagged sections between payload and tail.
//!
//! A section is its tag (u16), flags (u16, bit 0: required), the length of its body (u32) and the body.
//! A reader skips a section that it does not know, unless it is marked as required: then the segment was
//! written by a later release and must not be read by this one.

use bytes::Bytes;
use esker_model::{ClusterEpoch, IncarnationId, SegmentId};
use uuid::Uuid;

use super::codec::{Decoder, Encoder};
use super::error::SegmentError;
use super::extents;
use super::receipts::{self, Receipts};
use super::run::{Run, RunExtent};
use super::tail::Tail;

const REQUIRED: u16 = 1;

/// The sections that have a meaning. Numbers are never used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u16)]
pub enum SectionTag {
    /// Whose segment this is. Required.
    Identity = 1,
    /// The runs. Required.
    Extents = 2,
    /// What earlier segments were given.
    Receipts = 3,
    /// Reserved for transaction markers: neither written nor read yet.
    Markers = 4,
}

/// What a footer says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Footer {
    /// Whose segment this is.
    pub id: SegmentId,
    /// The runs, in the order of their positions.
    pub runs: Vec<RunExtent>,
    /// What earlier segments were given; empty if the segment says nothing about them.
    pub receipts: Receipts,
    /// Tags of optional sections that this release does not know.
    pub skipped: Vec<u16>,
}

impl Footer {
    /// Reads the footer of a whole object. The payload is not looked at: see [`super::verify`].
    pub fn read(object: &Bytes) -> Result<Self, SegmentError> {
        let tail = Tail::of_object(object)?;
        let start = tail.payload_bytes() as usize;
        let end = start + tail.footer_bytes as usize;
        Self::read_after_tail(&tail, &object[start..end])
    }

    /// Reads a footer that was fetched by itself: the `tail.footer_bytes` bytes before the tail.
    pub fn read_after_tail(tail: &Tail, footer: &[u8]) -> Result<Self, SegmentError> {
        if footer.len() as u64 != u64::from(tail.footer_bytes) {
            return Err(SegmentError::FooterLength(tail.footer_bytes));
        }
        if crc32c::crc32c(footer) != tail.footer_crc {
            return Err(SegmentError::FooterCrc);
        }
        let mut id = None;
        let mut runs = None;
        let mut found_receipts = None;
        let mut skipped = Vec::new();
        let mut from = Decoder::new(footer, "sections");
        while from.remaining() > 0 {
            let tag = from.u16()?;
            let flags = from.u16()?;
            let bytes = from.u32()? as usize;
            let body = from.take(bytes)?;
            let first = if tag == SectionTag::Identity as u16 {
                id.replace(decode_identity(body)?).is_none()
            } else if tag == SectionTag::Extents as u16 {
                runs.replace(extents::decode(body, tail.payload_bytes())?)
                    .is_none()
            } else if tag == SectionTag::Receipts as u16 {
                found_receipts.replace(receipts::decode(body)?).is_none()
            } else if flags & REQUIRED != 0 {
                return Err(SegmentError::UnknownSection(tag));
            } else {
                skipped.push(tag);
                true
            };
            if !first {
                return Err(from.malformed("a section stands there twice"));
            }
        }
        Ok(Self {
            id: id.ok_or(SegmentError::MissingSection("identity"))?,
            runs: runs.ok_or(SegmentError::MissingSection("extents"))?,
            receipts: found_receipts.unwrap_or_default(),
            skipped,
        })
    }
}

/// Writes a footer.
pub(super) fn encode(id: &SegmentId, runs: &[Run], receipts: &Receipts) -> Vec<u8> {
    let mut out = Encoder::default();
    section(&mut out, SectionTag::Identity as u16, REQUIRED, |out| {
        out.i32(id.epoch.0);
        out.bytes(id.incarnation.0.as_bytes());
        out.u64(id.seq);
    });
    section(&mut out, SectionTag::Extents as u16, REQUIRED, |out| {
        extents::encode(runs, out)
    });
    section(&mut out, SectionTag::Receipts as u16, 0, |out| {
        receipts::encode(receipts, out)
    });
    out.0
}

pub(super) fn section(out: &mut Encoder, tag: u16, flags: u16, body: impl FnOnce(&mut Encoder)) {
    out.u16(tag);
    out.u16(flags);
    let length_at = out.0.len();
    out.u32(0);
    body(out);
    let bytes = (out.0.len() - length_at - 4) as u32;
    out.0[length_at..length_at + 4].copy_from_slice(&bytes.to_be_bytes());
}

fn decode_identity(body: &[u8]) -> Result<SegmentId, SegmentError> {
    let mut from = Decoder::new(body, "identity");
    let id = SegmentId {
        epoch: ClusterEpoch(from.i32()?),
        incarnation: IncarnationId(Uuid::from_bytes(from.array()?)),
        seq: from.u64()?,
    };
    from.end()?;
    Ok(id)
}
