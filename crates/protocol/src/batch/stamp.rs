//! Rewriting the header fields that a broker owns and the checksum covers: LogAppendTime and the largest timestamp.
//!
//! The records are neither copied nor read. CRCs are linear: the checksum of the new bytes is the old one xor the
//! difference of the two headers' checksums, moved past the bytes that follow. That needs a handful of 32x32 bit
//! matrix products instead of a pass over the payload, and it requires that the old checksum was right: stamp only
//! what [`super::check_batch`] accepted. A wrong one stays wrong, it is not covered up.

use bytes::Bytes;

use super::header::at;
use super::{Attributes, BATCH_HEADER_BYTES, Batch, TimestampType};

/// The batch as a topic with LogAppendTime stores it: bit 3 set, maxTimestamp = `now_ms`.
/// Returns [new header, the untouched records].
pub fn stamp_log_append_time(batch: &Batch, now_ms: i64) -> [Bytes; 2] {
    rewrite(
        batch,
        batch
            .header
            .attributes
            .with_timestamp_type(TimestampType::LogAppendTime),
        now_ms,
    )
}

/// The batch with the right largest timestamp, where the client's header had a wrong one.
/// Returns [new header, the untouched records].
pub fn stamp_max_timestamp(batch: &Batch, max_timestamp_ms: i64) -> [Bytes; 2] {
    rewrite(batch, batch.header.attributes, max_timestamp_ms)
}

fn rewrite(batch: &Batch, attributes: Attributes, max_timestamp: i64) -> [Bytes; 2] {
    let old = batch.header.write();
    let mut header = batch.header;
    header.attributes = attributes;
    header.max_timestamp = max_timestamp;
    let new = header.write();
    let payload = batch.payload();
    let difference = crc32c::crc32c(&old[at::ATTRIBUTES..]) ^ crc32c::crc32c(&new[at::ATTRIBUTES..]);
    header.crc = match payload.len() {
        // Nothing to move past; the combination would then leave its second operand out.
        0 => difference ^ header.crc,
        bytes => crc32c::crc32c_combine(difference, header.crc, bytes),
    };
    debug_assert_eq!(new.len(), BATCH_HEADER_BYTES);
    [Bytes::copy_from_slice(&header.write()), payload]
}
