//! Record batches, format v2 (KIP-98): read, check, stamp and patch without opening or copying the records.
//!
//! ```text
//!  0  i64 baseOffset            21  i16 attributes        43  i64 producerId
//!  8  i32 batchLength           23  i32 lastOffsetDelta   51  i16 producerEpoch
//! 12  i32 partitionLeaderEpoch  27  i64 baseTimestamp     53  i32 baseSequence
//! 16  i8  magic = 2             35  i64 maxTimestamp      57  i32 recordCount
//! 17  u32 crc                                             61  records
//! ```
//!
//! `batchLength` counts from byte 12; the CRC-32C covers byte 21 to the end. So base offset and leader epoch can be
//! set when a batch is read, without touching the rest: [`patch_on_read`]. What a client sent is judged by
//! [`check_produce`]; its errors name the Kafka error code to answer. Nothing here panics on any bytes.
//!
//! Source: <https://kafka.apache.org/documentation/#recordbatch>.

mod attributes;
mod error;
mod header;
mod iter;
mod patch;
mod produce;
mod stamp;

pub use attributes::{Attributes, Codec, TimestampType};
pub use error::BatchError;
pub use header::{BATCH_HEADER_BYTES, BATCH_LENGTH_MIN, BatchHeader, LOG_OVERHEAD_BYTES};
pub use iter::{Batch, Batches};
pub use patch::{PATCH_BYTES, patch_on_read, patch_run};
pub use produce::{CheckedBatch, ProduceRules, check_batch, check_produce, single_batch};
pub use stamp::{stamp_log_append_time, stamp_max_timestamp};

pub(crate) use header::at;

#[cfg(test)]
mod tests;
