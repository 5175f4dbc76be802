//! Records by time, for ListOffsets: a timestamp names a record, not a batch (KIP-79, KIP-734).
//!
//! Both look at every record until they know, since a client's maxTimestamp in the header may be wrong; only with
//! LogAppendTime is it every record's. A batch that decompresses to more than [`DECOMPRESSED_BYTES_MAX`], or not at all,
//! is an error: it may have been stored, since produce does not open it. Results are (offset delta, timestamp in milliseconds).

use super::{OpenBatch, RecordsError};
use crate::batch::{Batch, TimestampType};
use crate::limits::DECOMPRESSED_BYTES_MAX;

/// The first record with a timestamp at or after `timestamp_ms`; `None` if the batch has none.
pub fn find_by_timestamp(batch: &Batch, timestamp_ms: i64) -> Result<Option<(i32, i64)>, RecordsError> {
    let header = &batch.header;
    if header.attributes.timestamp_type() == TimestampType::LogAppendTime
        && header.max_timestamp < timestamp_ms
    {
        return Ok(None);
    }
    for record in OpenBatch::open(batch, DECOMPRESSED_BYTES_MAX)?.records() {
        let record = record?;
        if record.timestamp >= timestamp_ms {
            return Ok(Some((record.offset_delta, record.timestamp)));
        }
    }
    Ok(None)
}

/// The first of the records with the largest timestamp; `None` for a batch that log cleaning emptied.
pub fn max_timestamp_record(batch: &Batch) -> Result<Option<(i32, i64)>, RecordsError> {
    let mut best: Option<(i32, i64)> = None;
    for record in OpenBatch::open(batch, DECOMPRESSED_BYTES_MAX)?.records() {
        let record = record?;
        if best.is_none_or(|(_, timestamp)| record.timestamp > timestamp) {
            best = Some((record.offset_delta, record.timestamp));
        }
    }
    Ok(best)
}
