//! The 61 bytes before the records.

use super::{Attributes, BatchError};

/// Bytes before the records.
pub const BATCH_HEADER_BYTES: usize = 61;
/// Bytes that batchLength does not count: base offset and batchLength itself.
pub const LOG_OVERHEAD_BYTES: usize = 12;
/// Smallest batchLength of format v2: a header without records.
pub const BATCH_LENGTH_MIN: i32 = 49;

/// Where each field starts.
pub(crate) mod at {
    pub(crate) const BASE_OFFSET: usize = 0;
    pub(crate) const BATCH_LENGTH: usize = 8;
    pub(crate) const LEADER_EPOCH: usize = 12;
    pub(crate) const MAGIC: usize = 16;
    pub(crate) const CRC: usize = 17;
    pub(crate) const ATTRIBUTES: usize = 21;
    pub(crate) const LAST_OFFSET_DELTA: usize = 23;
    pub(crate) const BASE_TIMESTAMP: usize = 27;
    pub(crate) const MAX_TIMESTAMP: usize = 35;
    pub(crate) const PRODUCER_ID: usize = 43;
    pub(crate) const PRODUCER_EPOCH: usize = 51;
    pub(crate) const BASE_SEQUENCE: usize = 53;
    pub(crate) const RECORD_COUNT: usize = 57;
}

/// All fields of a batch header. Public and plain: a caller may change and [`BatchHeader::write`] them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchHeader {
    /// Offset of the first record; 0 in what clients send.
    pub base_offset: i64,
    /// Bytes from the leader epoch to the end of the batch; at least 49.
    pub batch_length: i32,
    /// Leader epoch at the time of the append.
    pub partition_leader_epoch: i32,
    /// CRC-32C from the attributes to the end.
    pub crc: u32,
    /// Codec and flags.
    pub attributes: Attributes,
    /// Offset of the last record minus the base offset; survives log cleaning.
    pub last_offset_delta: i32,
    /// Milliseconds since 1970 that the records' timestamps are relative to.
    pub base_timestamp: i64,
    /// Largest timestamp; with LogAppendTime that of every record.
    pub max_timestamp: i64,
    /// -1 without idempotence.
    pub producer_id: i64,
    /// -1 without idempotence.
    pub producer_epoch: i16,
    /// Sequence of the first record, -1 without idempotence.
    pub base_sequence: i32,
    /// Records in the batch; 0 is possible after log cleaning.
    pub record_count: i32,
}

/// `N` bytes at a position of the header; the positions are constants inside it.
fn field<const N: usize>(header: &[u8; BATCH_HEADER_BYTES], at: usize) -> [u8; N] {
    let mut bytes = [0; N];
    bytes.copy_from_slice(&header[at..at + N]);
    bytes
}

impl BatchHeader {
    /// Reads the header of a batch that starts at `bytes[0]`. The records need not be there.
    ///
    /// Errors: fewer than 61 bytes, another format than v2, a batchLength below 49.
    pub fn parse(bytes: &[u8]) -> Result<BatchHeader, BatchError> {
        let header = bytes
            .first_chunk::<BATCH_HEADER_BYTES>()
            .ok_or(BatchError::CutOff {
                expected: BATCH_HEADER_BYTES,
                found: bytes.len(),
            })?;
        match i8::from_be_bytes(field(header, at::MAGIC)) {
            2 => {}
            magic @ (0 | 1) => return Err(BatchError::OldMagic(magic)),
            magic => return Err(BatchError::UnknownMagic(magic)),
        }
        let batch_length = i32::from_be_bytes(field(header, at::BATCH_LENGTH));
        if batch_length < BATCH_LENGTH_MIN {
            return Err(BatchError::Length(batch_length));
        }
        Ok(BatchHeader {
            base_offset: i64::from_be_bytes(field(header, at::BASE_OFFSET)),
            batch_length,
            partition_leader_epoch: i32::from_be_bytes(field(header, at::LEADER_EPOCH)),
            crc: u32::from_be_bytes(field(header, at::CRC)),
            attributes: Attributes(i16::from_be_bytes(field(header, at::ATTRIBUTES))),
            last_offset_delta: i32::from_be_bytes(field(header, at::LAST_OFFSET_DELTA)),
            base_timestamp: i64::from_be_bytes(field(header, at::BASE_TIMESTAMP)),
            max_timestamp: i64::from_be_bytes(field(header, at::MAX_TIMESTAMP)),
            producer_id: i64::from_be_bytes(field(header, at::PRODUCER_ID)),
            producer_epoch: i16::from_be_bytes(field(header, at::PRODUCER_EPOCH)),
            base_sequence: i32::from_be_bytes(field(header, at::BASE_SEQUENCE)),
            record_count: i32::from_be_bytes(field(header, at::RECORD_COUNT)),
        })
    }

    /// The 61 bytes of this header.
    pub fn write(&self) -> [u8; BATCH_HEADER_BYTES] {
        let mut out = [0; BATCH_HEADER_BYTES];
        let mut put = |at: usize, bytes: &[u8]| out[at..at + bytes.len()].copy_from_slice(bytes);
        put(at::BASE_OFFSET, &self.base_offset.to_be_bytes());
        put(at::BATCH_LENGTH, &self.batch_length.to_be_bytes());
        put(at::LEADER_EPOCH, &self.partition_leader_epoch.to_be_bytes());
        put(at::MAGIC, &[2]);
        put(at::CRC, &self.crc.to_be_bytes());
        put(at::ATTRIBUTES, &self.attributes.0.to_be_bytes());
        put(at::LAST_OFFSET_DELTA, &self.last_offset_delta.to_be_bytes());
        put(at::BASE_TIMESTAMP, &self.base_timestamp.to_be_bytes());
        put(at::MAX_TIMESTAMP, &self.max_timestamp.to_be_bytes());
        put(at::PRODUCER_ID, &self.producer_id.to_be_bytes());
        put(at::PRODUCER_EPOCH, &self.producer_epoch.to_be_bytes());
        put(at::BASE_SEQUENCE, &self.base_sequence.to_be_bytes());
        put(at::RECORD_COUNT, &self.record_count.to_be_bytes());
        out
    }

    /// Bytes of the whole batch.
    pub fn total_bytes(&self) -> usize {
        // A parsed length is at least 49.
        usize::try_from(self.batch_length).unwrap_or(0) + LOG_OVERHEAD_BYTES
    }

    /// Offset of the last record.
    pub fn last_offset(&self) -> i64 {
        self.base_offset.wrapping_add(i64::from(self.last_offset_delta))
    }

    /// Offset after the last record.
    pub fn next_offset(&self) -> i64 {
        self.last_offset().wrapping_add(1)
    }

    /// Whether a producer with idempotence wrote this batch.
    pub fn has_producer(&self) -> bool {
        self.producer_id >= 0
    }

    /// Sequence of the last record, -1 without idempotence. After `i32::MAX` follows 0, inside a batch too.
    pub fn last_sequence(&self) -> i32 {
        if self.base_sequence < 0 {
            return -1;
        }
        self.base_sequence.wrapping_add(self.last_offset_delta) & i32::MAX
    }
}
