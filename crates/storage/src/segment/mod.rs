//! Ingest segments: many partitions' batches in one immutable object.
//!
//! ```text
//! | batches, as clients sent them, grouped by partition | footer: tagged sections | tail, 32 bytes |
//! ```
//!
//! A reader starts at the tail, which says how long the footer is and carries a CRC-32C of the footer
//! and one of the payload. `docs/format.md` gives every byte; the golden files of the tests pin them.
//!
//! What holds: the same runs, receipts and id always give the same bytes; nothing that was read is
//! believed before its checksum and its bounds were checked; no stored number makes the reader allocate
//! more than a small multiple of the bytes it was given.

pub mod archive;
pub(crate) mod codec;
mod crc;
mod error;
mod extents;
mod footer;
mod receipts;
mod run;
pub(crate) mod section;
pub(crate) mod tail;
mod write;

pub use crc::crc32c_combine;
pub use error::{InvalidRun, SegmentError};
pub use footer::Footer;
pub use receipts::{Receipt, Receipts};
pub use run::{Batch, BatchExtent, Run, RunExtent, RunProducer};
pub use section::SectionTag;
pub use tail::{FORMAT_VERSION, TAIL_BYTES, Tail};
pub use write::{RunPosition, Sealed, SegmentWriter};

use bytes::Bytes;

use crate::slices::Slices;

/// Reads a whole segment and verifies all of it: tail, footer, every section, and the checksum of the
/// payload.
pub fn verify(object: &Bytes) -> Result<Footer, SegmentError> {
    verify_slices(&object.clone().into())
}

/// The same of a segment in slices, of which only the footer is copied.
pub fn verify_slices(object: &Slices) -> Result<Footer, SegmentError> {
    let bytes = object.len() as u64;
    let cut = |range| object.cut(range).ok_or(SegmentError::TooShort(bytes));
    let end = cut(bytes.saturating_sub(TAIL_BYTES as u64)..bytes)?.into_bytes();
    let tail = Tail::at_end(&end, bytes)?;
    let end = cut(tail.payload_bytes()..bytes)?.into_bytes();
    let footer = Footer::read_after_tail(&tail, &end[..tail.footer_bytes as usize])?;
    if cut(0..tail.payload_bytes())?.crc32c() == tail.payload_crc {
        Ok(footer)
    } else {
        Err(SegmentError::PayloadCrc)
    }
}
