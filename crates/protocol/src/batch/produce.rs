//! Is this what one partition of a Produce may hold?
//!
//! Two steps, in the order in which Kafka reports errors: [`single_batch`] needs nothing but the bytes and the API
//! version; between the two the caller looks at topic, acks and transaction; [`check_batch`] needs the topic's rules.
//! Uncompressed batches are walked record by record without allocating. Compressed ones are opened only if the rules
//! ask for it, else their timestamps are judged by the header alone. The bytes are kept as the client sent them.

use bytes::Bytes;

use super::header::at;
use super::{Batch, BatchError, Codec, LOG_OVERHEAD_BYTES, TimestampType};
use crate::limits::{DECOMPRESSED_BYTES_MAX, RECORD_ERRORS_MAX};
use crate::records::{Record, RecordReader, RecordsError, decompress};

/// First Produce version that allows zstd (KIP-110).
const ZSTD_VERSION: i16 = 7;
/// A record without timestamp; passes any range.
const NO_TIMESTAMP: i64 = -1;
/// Smallest length of the oldest message format: below it there is no message of any format.
const LEGACY_LENGTH_MIN: i32 = 14;

/// What a topic demands of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProduceRules {
    /// `max.message.bytes`: largest whole batch in bytes.
    pub max_message_bytes: usize,
    /// `message.timestamp.type`.
    pub timestamp_type: TimestampType,
    /// `message.timestamp.before.max.ms`: how far a timestamp may lie in the past.
    pub timestamp_before_max_ms: i64,
    /// `message.timestamp.after.max.ms`: how far a timestamp may lie in the future.
    pub timestamp_after_max_ms: i64,
    /// Wall clock in milliseconds since 1970.
    pub now_ms: i64,
    /// Every record needs a key: the topic keeps the last value per key. Opens compressed batches.
    pub keys_required: bool,
    /// Open compressed batches, too, and walk their records.
    pub open_compressed: bool,
    /// Bytes that a batch may become when it is opened; [`DECOMPRESSED_BYTES_MAX`] at most.
    pub opened_bytes_max: usize,
}

/// A batch that may be appended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckedBatch {
    /// The batch, exactly its bytes, as the client sent it.
    pub batch: Batch,
    /// Largest timestamp in milliseconds: of the records if they were walked, else what the header says. Where it
    /// differs from the header, Kafka corrects the header: `stamp_max_timestamp`.
    pub max_timestamp_ms: i64,
}

/// Both steps at once, for callers without checks in between.
pub fn check_produce(
    records: Option<Bytes>,
    api_version: i16,
    rules: &ProduceRules,
) -> Result<CheckedBatch, BatchError> {
    check_batch(single_batch(records, api_version)?, rules)
}

/// The one batch in the `records` of a partition. Bytes after it that are no second batch are dropped, as in Kafka.
pub fn single_batch(records: Option<Bytes>, api_version: i16) -> Result<Batch, BatchError> {
    let mut bytes = records.ok_or(BatchError::NullRecords)?;
    match framed_magic(&bytes)? {
        None if bytes.len() < LOG_OVERHEAD_BYTES => return Err(BatchError::NoBatch),
        Some(magic @ (0 | 1)) => return Err(BatchError::OldMagic(magic)),
        // What is not whole fails in the split, and says how much is missing.
        _ => {}
    }
    let batch = Batch::split_from(&mut bytes)?;
    if batch.header.attributes.codec() == Ok(Codec::Zstd) && api_version < ZSTD_VERSION {
        return Err(BatchError::ZstdNotAllowed);
    }
    if matches!(framed_magic(&bytes), Ok(Some(_))) {
        return Err(BatchError::ManyBatches);
    }
    Ok(batch)
}

/// The magic byte of the message or batch, of any format, that lies whole at the start of `bytes`; `None` if what is
/// there is too short.
fn framed_magic(bytes: &[u8]) -> Result<Option<i8>, BatchError> {
    let Some(length) = bytes
        .get(at::BATCH_LENGTH..)
        .and_then(|rest| rest.first_chunk::<4>())
    else {
        return Ok(None);
    };
    let length = i32::from_be_bytes(*length);
    if length < LEGACY_LENGTH_MIN {
        return Err(BatchError::Length(length));
    }
    let Some(magic) = bytes.get(at::MAGIC).map(|byte| byte.cast_signed()) else {
        return Ok(None);
    };
    if !(0..=2).contains(&magic) {
        return Err(BatchError::UnknownMagic(magic));
    }
    let total = usize::try_from(length)
        .unwrap_or(usize::MAX)
        .saturating_add(LOG_OVERHEAD_BYTES);
    Ok((total <= bytes.len()).then_some(magic))
}

/// Checks a batch against the rules of its topic.
pub fn check_batch(batch: Batch, rules: &ProduceRules) -> Result<CheckedBatch, BatchError> {
    let header = &batch.header;
    if header.base_offset != 0 {
        return Err(BatchError::BaseOffset(header.base_offset));
    }
    if header.total_bytes() > rules.max_message_bytes {
        return Err(BatchError::TooLarge {
            size: header.total_bytes(),
            limit: rules.max_message_bytes,
        });
    }
    batch.check_crc()?;
    let (record_count, last_offset_delta) = (header.record_count, header.last_offset_delta);
    if record_count <= 0 || last_offset_delta != record_count - 1 {
        return Err(BatchError::Count {
            record_count,
            last_offset_delta,
        });
    }
    if header.attributes.is_control() {
        return Err(BatchError::Control);
    }
    if header.has_producer() && header.base_sequence < 0 {
        let (producer_id, base_sequence) = (header.producer_id, header.base_sequence);
        return Err(BatchError::Sequence {
            producer_id,
            base_sequence,
        });
    }
    let codec = header.attributes.codec().map_err(BatchError::UnknownCodec)?;
    if header.attributes.timestamp_type() == TimestampType::LogAppendTime {
        return Err(BatchError::LogAppendTimeFromClient);
    }
    let max_timestamp_ms = if codec == Codec::None || rules.keys_required || rules.open_compressed {
        let payload = decompress(
            codec,
            batch.payload(),
            rules.opened_bytes_max.min(DECOMPRESSED_BYTES_MAX),
        )?;
        walk(&batch, &payload, rules)?
    } else {
        if !in_range(header.base_timestamp, rules) || !in_range(header.max_timestamp, rules) {
            return Err(BatchError::Timestamps { records: Vec::new() });
        }
        header.max_timestamp
    };
    Ok(CheckedBatch {
        batch,
        max_timestamp_ms,
    })
}

/// Whether a timestamp may be stored under these rules.
fn in_range(timestamp_ms: i64, rules: &ProduceRules) -> bool {
    if rules.timestamp_type == TimestampType::LogAppendTime || timestamp_ms == NO_TIMESTAMP {
        return true;
    }
    let age = rules.now_ms.saturating_sub(timestamp_ms);
    age <= rules.timestamp_before_max_ms && age.saturating_neg() <= rules.timestamp_after_max_ms
}

/// Walks the records and returns their largest timestamp.
fn walk(batch: &Batch, payload: &[u8], rules: &ProduceRules) -> Result<i64, BatchError> {
    let mut reader = RecordReader::new(payload);
    let mut max_timestamp = NO_TIMESTAMP;
    let mut late = Vec::new();
    let mut keyless = Vec::new();
    for index in 0..batch.header.record_count {
        let record: Record<'_> = reader.next_record(&batch.header)?;
        if record.offset_delta != index {
            return Err(BatchError::OffsetDelta {
                index,
                offset_delta: record.offset_delta,
            });
        }
        max_timestamp = max_timestamp.max(record.timestamp);
        if !in_range(record.timestamp, rules) && late.len() < RECORD_ERRORS_MAX {
            late.push(index);
        }
        if rules.keys_required && record.key.is_none() && keyless.len() < RECORD_ERRORS_MAX {
            keyless.push(index);
        }
    }
    if reader.remaining() > 0 {
        return Err(RecordsError::LeftOver(reader.remaining()).into());
    }
    if !late.is_empty() {
        return Err(BatchError::Timestamps { records: late });
    }
    if !keyless.is_empty() {
        return Err(BatchError::NullKeys { records: keyless });
    }
    Ok(max_timestamp)
}
