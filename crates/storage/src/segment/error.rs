//! Why bytes are not a segment, or not a manifest.

use crate::keys::ObjectKind;

/// Why an object could not be read as a segment or as a manifest.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SegmentError {
    /// Shorter than a tail.
    #[error("{0} bytes are too few for a segment")]
    TooShort(u64),
    /// The last bytes are not a tail's.
    #[error("it does not end like a segment")]
    NotASegment,
    /// The tail's own checksum is wrong.
    #[error("the tail's checksum is wrong")]
    TailCrc,
    /// Written by a later release.
    #[error("format version {0} is not known to this release")]
    UnknownVersion(u16),
    /// An object of another kind.
    #[error("it is another kind of object: {0}")]
    Kind(ObjectKind),
    /// The object is longer or shorter than its tail says.
    #[error("{actual} bytes long, but the tail says {stated}")]
    Length {
        /// What the tail says.
        stated: u64,
        /// What there is.
        actual: u64,
    },
    /// The footer does not fit into the object.
    #[error("the footer of {0} bytes does not fit")]
    FooterLength(u32),
    /// The footer's checksum is wrong.
    #[error("the footer's checksum is wrong")]
    FooterCrc,
    /// The payload's checksum is wrong.
    #[error("the payload's checksum is wrong")]
    PayloadCrc,
    /// The checksum of a chunk is wrong.
    #[error("the checksum of chunk {0} is wrong")]
    ChunkCrc(usize),
    /// A section that must be understood is not known: written by a later release.
    #[error("the required footer section {0} is not known to this release")]
    UnknownSection(u16),
    /// A section is missing that every segment has.
    #[error("the footer has no section for {0}")]
    MissingSection(&'static str),
    /// A section's content makes no sense.
    #[error("the footer's {section}: {what}")]
    Malformed {
        /// Which section.
        section: &'static str,
        /// What is wrong.
        what: &'static str,
    },
}

/// Why runs could not be written as a segment: a programming error of the caller.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a run that a segment can hold: {0}")]
pub struct InvalidRun(pub &'static str);
