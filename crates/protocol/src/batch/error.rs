//! Why a batch is refused, and with which error code.

use crate::ErrorCode;
use crate::records::RecordsError;

/// A batch that is not accepted. [`BatchError::code`] is what Kafka 4 answers, except where the variant says otherwise.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BatchError {
    /// `records` is null. Kafka never answers such a request; we do.
    #[error("records are null")]
    NullRecords,
    /// There is no batch at all.
    #[error("no record batch")]
    NoBatch,
    /// A produce may hold one batch per partition (KIP-98).
    #[error("more than one record batch")]
    ManyBatches,
    /// The batch is longer than the bytes that are there.
    #[error("record batch of {expected} bytes is cut off after {found}")]
    CutOff {
        /// Bytes the batch should have; 61 when not even its header is whole.
        expected: usize,
        /// Bytes that are there.
        found: usize,
    },
    /// Message format 0 or 1, gone since Kafka 4.0 (KIP-724).
    #[error("message format {0} is not supported any more")]
    OldMagic(i8),
    /// A magic byte that no format ever had.
    #[error("unknown magic byte {0}")]
    UnknownMagic(i8),
    /// batchLength is smaller than a header.
    #[error("batch length {0} is too small")]
    Length(i32),
    /// zstd in a Produce before v7 (KIP-110).
    #[error("zstd needs Produce version 7")]
    ZstdNotAllowed,
    /// Codec 5, 6 or 7. Kafka answers -1 by accident.
    #[error("unknown compression codec {0}")]
    UnknownCodec(u8),
    /// Clients count offsets from 0.
    #[error("base offset {0} is not 0")]
    BaseOffset(i64),
    /// Over `max.message.bytes`.
    #[error("record batch of {size} bytes is over the limit of {limit}")]
    TooLarge {
        /// Whole batch in bytes.
        size: usize,
        /// The limit in bytes.
        limit: usize,
    },
    /// The checksum does not match: damaged on the way.
    #[error("checksum is {computed:#010x}, header says {stored:#010x}")]
    Crc {
        /// CRC-32C in the header.
        stored: u32,
        /// CRC-32C of the bytes.
        computed: u32,
    },
    /// The header's record count is not positive or contradicts its last offset delta.
    #[error("{record_count} records with last offset delta {last_offset_delta}")]
    Count {
        /// recordCount.
        record_count: i32,
        /// lastOffsetDelta.
        last_offset_delta: i32,
    },
    /// Only the broker writes transaction markers.
    #[error("control batch from a client")]
    Control,
    /// A producer id without a sequence.
    #[error("producer id {producer_id} with base sequence {base_sequence}")]
    Sequence {
        /// producerId.
        producer_id: i64,
        /// baseSequence.
        base_sequence: i32,
    },
    /// The records inside do not add up or do not decompress.
    #[error("records: {0}")]
    Records(#[from] RecordsError),
    /// Offset delta of a record is not its position.
    #[error("record {index} has offset delta {offset_delta}")]
    OffsetDelta {
        /// Position in the batch.
        index: i32,
        /// What the record says.
        offset_delta: i32,
    },
    /// The client set the LogAppendTime bit. Kafka clears it on a topic with CreateTime; we refuse it there, too.
    #[error("LogAppendTime is set by the broker only")]
    LogAppendTimeFromClient,
    /// Timestamps outside the topic's range.
    #[error("{} or more timestamps out of range", records.len())]
    Timestamps {
        /// Positions of the records, rising; at most `RECORD_ERRORS_MAX`. Empty if the batch was not opened.
        records: Vec<i32>,
    },
    /// Records without key on a topic that keeps the last value per key.
    #[error("{} or more records without key", records.len())]
    NullKeys {
        /// Positions of the records, rising; at most `RECORD_ERRORS_MAX`.
        records: Vec<i32>,
    },
}

impl BatchError {
    /// The error code for this partition of the produce.
    pub fn code(&self) -> ErrorCode {
        match self {
            BatchError::UnknownMagic(_) | BatchError::Length(_) | BatchError::Crc { .. } => {
                ErrorCode::CorruptMessage
            }
            BatchError::ZstdNotAllowed => ErrorCode::UnsupportedCompressionType,
            BatchError::TooLarge { .. } => ErrorCode::MessageTooLarge,
            BatchError::LogAppendTimeFromClient | BatchError::Timestamps { .. } => {
                ErrorCode::InvalidTimestamp
            }
            BatchError::NullRecords
            | BatchError::NoBatch
            | BatchError::ManyBatches
            | BatchError::CutOff { .. }
            | BatchError::OldMagic(_)
            | BatchError::UnknownCodec(_)
            | BatchError::BaseOffset(_)
            | BatchError::Count { .. }
            | BatchError::Control
            | BatchError::Sequence { .. }
            | BatchError::Records(_)
            | BatchError::OffsetDelta { .. }
            | BatchError::NullKeys { .. } => ErrorCode::InvalidRecord,
        }
    }

    /// Positions of the records at fault, for `record_errors` of Produce v8+ (KIP-467).
    pub fn record_errors(&self) -> &[i32] {
        match self {
            BatchError::Timestamps { records } | BatchError::NullKeys { records } => records,
            _ => &[],
        }
    }
}
