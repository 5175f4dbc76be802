//! Archive segments: the batches of many ingest segments in one object, clustered by partition.
//!
//! ```text
//! | chunks: parts of partitions, back to back | footer: chunks, parts with their index | tail, 32 bytes |
//! ```
//!
//! Batches carry their final base offset and leader epoch, so that what is read is what consumers get. A
//! part holds consecutive offsets of one partition without a hole. It is indexed about every
//! [`INDEX_BYTES`], by offset and by time. Chunks are what is read at a time: at most [`CHUNK_BYTES_MAX`]
//! (one batch that is larger is a chunk by itself), cut between index entries, each with a checksum of its own,
//! and of one partition except that small parts share one.
//!
//! What holds: the same parts and id always give the same bytes; nothing that was read is believed before
//! its checksum and its bounds were checked; a part lies in consecutive chunks.

mod footer;
mod index;
mod write;

pub use footer::ArchiveFooter;
pub use index::{Chunk, IndexEntry, Part, Place};
pub use write::{ArchiveWriter, ArchivedBatch, SealedArchive};

use bytes::Bytes;

use super::{SegmentError, Tail};

/// A new index entry begins after so many bytes.
pub const INDEX_BYTES: u64 = 64 * 1024;

/// Most bytes of a chunk that has more than one batch: one GET.
pub const CHUNK_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// A partition's part begins a chunk of its own where the one before has so many bytes: whoever reads one
/// partition reads little of its neighbours.
pub const SHARED_CHUNK_BYTES: u64 = 64 * 1024;

/// Reads a whole archive segment and verifies all of it: tail, footer, every section, every checksum.
pub fn verify(object: &Bytes) -> Result<ArchiveFooter, SegmentError> {
    let tail = Tail::of_object(object)?;
    let footer = ArchiveFooter::read_after_tail(&tail, tail.footer(object))?;
    for (number, chunk) in footer.chunks.iter().enumerate() {
        let bytes = &object[chunk.position as usize..(chunk.position + chunk.bytes) as usize];
        if crc32c::crc32c(bytes) != chunk.crc {
            return Err(SegmentError::ChunkCrc(number));
        }
    }
    if crc32c::crc32c(&object[..tail.payload_bytes() as usize]) == tail.payload_crc {
        Ok(footer)
    } else {
        Err(SegmentError::PayloadCrc)
    }
}
