//! The footer of an ingest segment: whose it is, its runs, and what earlier segments were given.

use bytes::Bytes;
use esker_model::{SegmentId, SegmentKind};

use super::codec::Encoder;
use super::error::SegmentError;
use super::extents;
use super::receipts::{self, Receipts};
use super::run::{Run, RunExtent};
use super::section::{self, SectionTag};
use super::tail::Tail;
use crate::keys::ObjectKind;

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
        Self::read_after_tail(&tail, tail.footer(object))
    }

    /// Reads a footer that was fetched by itself: the `tail.footer_bytes` bytes before the tail.
    pub fn read_after_tail(tail: &Tail, footer: &[u8]) -> Result<Self, SegmentError> {
        tail.must_be(ObjectKind::Ingest)?;
        let mut sections = section::read(tail, footer)?;
        let identity = section::decode_identity(sections.required(SectionTag::Identity)?)?;
        let runs = extents::decode(sections.required(SectionTag::Extents)?, tail.payload_bytes())?;
        let receipts = sections.take(SectionTag::Receipts)?;
        let receipts = receipts.map(receipts::decode).transpose()?;
        Ok(Self {
            id: identity.segment(SegmentKind::Ingest),
            runs,
            receipts: receipts.unwrap_or_default(),
            skipped: sections.unknown()?,
        })
    }
}

/// Writes a footer.
pub(super) fn encode(id: &SegmentId, runs: &[Run], receipts: &Receipts) -> Vec<u8> {
    let mut out = Encoder::default();
    section::encode_identity(id, &mut out);
    section::required(&mut out, SectionTag::Extents, |out| extents::encode(runs, out));
    section::optional(&mut out, SectionTag::Receipts, |out| {
        receipts::encode(receipts, out)
    });
    out.0
}
