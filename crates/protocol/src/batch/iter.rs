//! Batches that lie back to back.

use bytes::Bytes;

use super::header::at;
use super::{BATCH_HEADER_BYTES, BatchError, BatchHeader};

/// A whole batch: its header and all its bytes, header included.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    /// The header as it stands in the bytes.
    pub header: BatchHeader,
    /// Exactly the bytes of this batch.
    pub bytes: Bytes,
}

impl Batch {
    /// Splits the first batch off `bytes`; what follows it is left there. Bytes are shared, not copied.
    ///
    /// Errors: see [`BatchHeader::parse`]; [`BatchError::CutOff`] if the batch is longer than `bytes`. Then `bytes`
    /// is unchanged.
    pub fn split_from(bytes: &mut Bytes) -> Result<Batch, BatchError> {
        let header = BatchHeader::parse(bytes)?;
        let expected = header.total_bytes();
        if expected > bytes.len() {
            return Err(BatchError::CutOff {
                expected,
                found: bytes.len(),
            });
        }
        Ok(Batch {
            header,
            bytes: bytes.split_to(expected),
        })
    }

    /// The record block, compressed or not.
    pub fn payload(&self) -> Bytes {
        self.bytes.slice(BATCH_HEADER_BYTES..)
    }

    /// Compares the checksum in the header with the bytes.
    pub fn check_crc(&self) -> Result<(), BatchError> {
        let computed = crc32c::crc32c(&self.bytes[at::ATTRIBUTES..]);
        let stored = self.header.crc;
        if computed == stored {
            Ok(())
        } else {
            Err(BatchError::Crc { stored, computed })
        }
    }
}

/// Iterates over concatenated batches. After an error it ends: nothing behind it can be trusted.
#[derive(Debug, Clone)]
pub struct Batches {
    rest: Bytes,
}

impl Batches {
    /// Batches of `bytes`, from its start.
    pub fn new(bytes: Bytes) -> Self {
        Batches { rest: bytes }
    }
}

impl Iterator for Batches {
    type Item = Result<Batch, BatchError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let batch = Batch::split_from(&mut self.rest);
        if batch.is_err() {
            self.rest.clear();
        }
        Some(batch)
    }
}
