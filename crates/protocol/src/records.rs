//! Opening record batches: decompress, iterate, find records by time; and building batches.
//!
//! Used where a broker has to look inside (ListOffsets by timestamp, topics that need keys) and by the command line.
//! Decompression is a bounded stream: a declared size is never trusted, and output beyond the caller's limit is an
//! error, not memory. Iteration borrows from the decompressed block and allocates nothing. Duplicate header keys, null
//! keys and null values come out as they went in.
//!
//! A damaged block ends the iteration with an error after the records before it.
//!
//! Source: <https://kafka.apache.org/documentation/#record>.

mod builder;
mod compress;
mod decompress;
mod error;
mod record;
mod search;
mod xerial;

pub use builder::{BatchBuilder, BuildError};
pub use decompress::decompress;
pub use error::RecordsError;
pub use record::{Header, Headers, Record, RecordReader};
pub use search::{find_by_timestamp, max_timestamp_record};

use bytes::Bytes;

use crate::batch::{Batch, BatchHeader};

/// A batch whose record block is decompressed.
#[derive(Debug, Clone)]
pub struct OpenBatch {
    header: BatchHeader,
    payload: Bytes,
}

impl OpenBatch {
    /// Decompresses the records of a batch, up to `limit` bytes. An uncompressed batch is shared, not copied, and
    /// has no limit. The checksum is not looked at: see [`Batch::check_crc`].
    pub fn open(batch: &Batch, limit: usize) -> Result<OpenBatch, RecordsError> {
        let codec = batch
            .header
            .attributes
            .codec()
            .map_err(RecordsError::UnknownCodec)?;
        Ok(OpenBatch {
            header: batch.header,
            payload: decompress(codec, batch.payload(), limit)?,
        })
    }

    /// The header of the batch.
    pub fn header(&self) -> &BatchHeader {
        &self.header
    }

    /// The records, in order.
    pub fn records(&self) -> Records<'_> {
        Records {
            header: &self.header,
            reader: RecordReader::new(&self.payload),
            left: self.header.record_count,
        }
    }
}

/// Iterator over the records of an [`OpenBatch`]; ends after the first error.
#[derive(Debug, Clone)]
pub struct Records<'a> {
    header: &'a BatchHeader,
    reader: RecordReader<'a>,
    left: i32,
}

impl<'a> Iterator for Records<'a> {
    type Item = Result<Record<'a>, RecordsError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.left <= 0 {
            return None;
        }
        self.left -= 1;
        let record = self.reader.next_record(self.header);
        if record.is_err() {
            self.left = 0;
        }
        Some(record)
    }
}

#[cfg(test)]
mod tests;
