//! Sections: what a footer is made of.
//!
//! A section is its tag (u16), flags (u16, bit 0: required), the length of its body (u32) and the body.
//! A reader skips a section that it does not know, unless it is marked as required: then the segment was
//! written by a later release and must not be read by this one.

use esker_model::{ClusterEpoch, IncarnationId, LogId, ManifestId, SegmentId, SegmentKind};
use uuid::Uuid;

use super::codec::{Decoder, Encoder};
use super::error::SegmentError;
use super::tail::Tail;

const REQUIRED: u16 = 1;

/// The sections that have a meaning. Numbers are never used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u16)]
pub enum SectionTag {
    /// Whose object this is. Required.
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
    /// What a manifest lists. Required there.
    Manifest = 8,
}

impl SectionTag {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Identity => "identity",
            Self::Extents => "extents",
            Self::Receipts => "receipts",
            Self::Markers => "markers",
            Self::Chunks => "chunks",
            Self::Parts => "parts",
            Self::Aborted => "aborted",
            Self::Manifest => "manifest",
        }
    }
}

/// The sections of a footer that nobody took yet.
pub(crate) struct Sections<'a>(Vec<Section<'a>>);

struct Section<'a> {
    tag: u16,
    required: bool,
    body: &'a [u8],
}

/// Verifies a footer's checksum and takes it apart.
pub(crate) fn read<'a>(tail: &Tail, footer: &'a [u8]) -> Result<Sections<'a>, SegmentError> {
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
    pub(crate) fn take(&mut self, tag: SectionTag) -> Result<Option<&'a [u8]>, SegmentError> {
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
    pub(crate) fn required(&mut self, tag: SectionTag) -> Result<&'a [u8], SegmentError> {
        self.take(tag)?.ok_or(SegmentError::MissingSection(tag.name()))
    }

    /// The tags of what nobody took: those that may be skipped.
    pub(crate) fn unknown(self) -> Result<Vec<u16>, SegmentError> {
        let tag = |section: Section<'_>| match section.required {
            true => Err(SegmentError::UnknownSection(section.tag)),
            false => Ok(section.tag),
        };
        self.0.into_iter().map(tag).collect()
    }
}

/// Writes a section that readers must know.
pub(crate) fn required(out: &mut Encoder, tag: SectionTag, body: impl FnOnce(&mut Encoder)) {
    section(out, tag as u16, REQUIRED, body);
}

/// Writes a section that readers may skip.
pub(crate) fn optional(out: &mut Encoder, tag: SectionTag, body: impl FnOnce(&mut Encoder)) {
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

/// What an id says besides what its object is.
#[derive(Clone, Copy)]
pub(crate) struct Identity {
    pub(crate) epoch: ClusterEpoch,
    pub(crate) incarnation: IncarnationId,
    pub(crate) seq: u64,
}

impl Identity {
    /// The segment of that kind.
    pub(crate) fn segment(self, kind: SegmentKind) -> SegmentId {
        SegmentId {
            kind,
            epoch: self.epoch,
            incarnation: self.incarnation,
            seq: self.seq,
        }
    }

    /// The manifest of that partition.
    pub(crate) fn manifest(self, log: LogId) -> ManifestId {
        ManifestId {
            log,
            epoch: self.epoch,
            incarnation: self.incarnation,
            seq: self.seq,
        }
    }
}

impl From<&SegmentId> for Identity {
    fn from(id: &SegmentId) -> Self {
        Self {
            epoch: id.epoch,
            incarnation: id.incarnation,
            seq: id.seq,
        }
    }
}

impl From<&ManifestId> for Identity {
    fn from(id: &ManifestId) -> Self {
        Self {
            epoch: id.epoch,
            incarnation: id.incarnation,
            seq: id.seq,
        }
    }
}

/// Writes whose object it is.
pub(crate) fn encode_identity(id: impl Into<Identity>, out: &mut Encoder) {
    let id = id.into();
    required(out, SectionTag::Identity, |out| {
        out.i32(id.epoch.0);
        out.bytes(id.incarnation.0.as_bytes());
        out.u64(id.seq);
    });
}

/// Reads whose object it is.
pub(crate) fn decode_identity(body: &[u8]) -> Result<Identity, SegmentError> {
    let mut from = Decoder::new(body, "identity");
    let id = Identity {
        epoch: ClusterEpoch(from.i32()?),
        incarnation: IncarnationId(Uuid::from_bytes(from.array()?)),
        seq: from.u64()?,
    };
    from.end()?;
    Ok(id)
}
