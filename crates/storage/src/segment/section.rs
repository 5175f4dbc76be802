//! Sections: what a footer is made of.
//!
//! A section is its tag (u16), flags (u16, bit 0: required), the length of its body (u32) and the body.
//! A reader skips a section that it does not know, unless it is marked as required: then the segment was
//! written by a later release and must not be read by this one.

use esker_model::{ClusterEpoch, IncarnationId, SegmentId, SegmentKind};
use uuid::Uuid;

use super::codec::{Decoder, Encoder};
use super::error::SegmentError;
use super::tail::Tail;

const REQUIRED: u16 = 1;

/// The sections that have a meaning. Numbers are never used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u16)]
pub enum SectionTag {
    /// Whose segment this is. Required.
    Identity = 1,
    /// The runs of an ingest segment. Required there.
    Extents = 2,
    /// What earlier ingest segments were given.
    Receipts = 3,
    /// Reserved for transaction markers: neither written nor read yet.
    Markers = 4,
    /// The chunks of an archive segment. Required there.
    Chunks = 5,
    /// The parts of an archive segment. Required there.
    Parts = 6,
    /// Reserved for the ranges of aborted transactions in an archive segment: neither written nor read yet.
    Aborted = 7,
}

impl SectionTag {
    const fn name(self) -> &'static str {
        match self {
            Self::Identity => "identity",
            Self::Extents => "extents",
            Self::Receipts => "receipts",
            Self::Markers => "markers",
            Self::Chunks => "chunks",
            Self::Parts => "parts",
            Self::Aborted => "aborted",
        }
    }
}

/// The sections of a footer that nobody took yet.
pub(super) struct Sections<'a>(Vec<Section<'a>>);

struct Section<'a> {
    tag: u16,
    required: bool,
    body: &'a [u8],
}

/// Verifies a footer's checksum and takes it apart.
pub(super) fn read<'a>(tail: &Tail, footer: &'a [u8]) -> Result<Sections<'a>, SegmentError> {
    if footer.len() as u64 != u64::from(tail.footer_bytes) {
        return Err(SegmentError::FooterLength(tail.footer_bytes));
    }
    if crc32c::crc32c(footer) != tail.footer_crc {
        return Err(SegmentError::FooterCrc);
    }
    let mut sections = Vec::new();
    let mut from = Decoder::new(footer, "sections");
    while from.remaining() > 0 {
        let tag = from.u16()?;
        let flags = from.u16()?;
        let bytes = from.u32()? as usize;
        sections.push(Section {
            tag,
            required: flags & REQUIRED != 0,
            body: from.take(bytes)?,
        });
    }
    Ok(Sections(sections))
}

impl<'a> Sections<'a> {
    /// Takes the body of a section, if it is there.
    pub(super) fn take(&mut self, tag: SectionTag) -> Result<Option<&'a [u8]>, SegmentError> {
        let found = |section: &Section<'_>| section.tag == tag as u16;
        let Some(at) = self.0.iter().position(found) else {
            return Ok(None);
        };
        let body = self.0.remove(at).body;
        if self.0.iter().any(found) {
            return Err(Decoder::new(body, "sections").malformed("a section stands there twice"));
        }
        Ok(Some(body))
    }

    /// Takes the body of a section that must be there.
    pub(super) fn required(&mut self, tag: SectionTag) -> Result<&'a [u8], SegmentError> {
        self.take(tag)?.ok_or(SegmentError::MissingSection(tag.name()))
    }

    /// The tags of what nobody took: those that may be skipped.
    pub(super) fn unknown(self) -> Result<Vec<u16>, SegmentError> {
        let tag = |section: Section<'_>| match section.required {
            true => Err(SegmentError::UnknownSection(section.tag)),
            false => Ok(section.tag),
        };
        self.0.into_iter().map(tag).collect()
    }
}

/// Writes a section that readers must know.
pub(super) fn required(out: &mut Encoder, tag: SectionTag, body: impl FnOnce(&mut Encoder)) {
    section(out, tag as u16, REQUIRED, body);
}

/// Writes a section that readers may skip.
pub(super) fn optional(out: &mut Encoder, tag: SectionTag, body: impl FnOnce(&mut Encoder)) {
    section(out, tag as u16, 0, body);
}

fn section(out: &mut Encoder, tag: u16, flags: u16, body: impl FnOnce(&mut Encoder)) {
    out.u16(tag);
    out.u16(flags);
    let length_at = out.0.len();
    out.u32(0);
    body(out);
    let bytes = (out.0.len() - length_at - 4) as u32;
    out.0[length_at..length_at + 4].copy_from_slice(&bytes.to_be_bytes());
}

/// Writes whose segment it is.
pub(super) fn encode_identity(id: &SegmentId, out: &mut Encoder) {
    required(out, SectionTag::Identity, |out| {
        out.i32(id.epoch.0);
        out.bytes(id.incarnation.0.as_bytes());
        out.u64(id.seq);
    });
}

/// Reads whose segment it is, if it is one of that kind.
pub(super) fn decode_identity(body: &[u8], kind: SegmentKind) -> Result<SegmentId, SegmentError> {
    let mut from = Decoder::new(body, "identity");
    let id = SegmentId {
        kind,
        epoch: ClusterEpoch(from.i32()?),
        incarnation: IncarnationId(Uuid::from_bytes(from.array()?)),
        seq: from.u64()?,
    };
    from.end()?;
    Ok(id)
}
