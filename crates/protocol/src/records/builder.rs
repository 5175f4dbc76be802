//! Building record batches: the command line's producer, transaction markers, tests.
//!
//! A builder takes records and makes one batch of format v2 with a right checksum. It checks only what it needs to
//! write a readable batch; in particular it lets a test give gaps and odd header fields.

use bytes::{BufMut, Bytes, BytesMut};

use super::compress::compress;
use crate::batch::{
    Attributes, BATCH_HEADER_BYTES, BatchHeader, Codec, LOG_OVERHEAD_BYTES, TimestampType, at,
};
use crate::wire::{put_varint, put_varlong};

/// Why no batch was built.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BuildError {
    /// The batch or a part of it is longer than its i32 length field can say.
    #[error("record batch is too large")]
    TooLarge,
    /// The compressor failed.
    #[error("{codec} compression failed: {reason}")]
    Compress {
        /// The codec.
        codec: Codec,
        /// What the compressor said.
        reason: String,
    },
}

/// Collects records for one batch.
#[derive(Debug, Clone)]
pub struct BatchBuilder {
    codec: Codec,
    header: BatchHeader,
    records: BytesMut,
    scratch: BytesMut,
    oversized: bool,
}

impl Default for BatchBuilder {
    fn default() -> Self {
        BatchBuilder::new()
    }
}

impl BatchBuilder {
    /// An empty batch as a client without idempotence sends it: offsets from 0, leader epoch -1, no producer, not
    /// compressed.
    pub fn new() -> Self {
        BatchBuilder {
            codec: Codec::None,
            header: BatchHeader {
                base_offset: 0,
                batch_length: 0,
                partition_leader_epoch: -1,
                crc: 0,
                attributes: Attributes::default(),
                last_offset_delta: -1,
                base_timestamp: -1,
                max_timestamp: -1,
                producer_id: -1,
                producer_epoch: -1,
                base_sequence: -1,
                record_count: 0,
            },
            records: BytesMut::new(),
            scratch: BytesMut::new(),
            oversized: false,
        }
    }

    /// Compresses the records.
    #[must_use]
    pub fn codec(mut self, codec: Codec) -> Self {
        self.codec = codec;
        self.header.attributes = self.header.attributes.with_codec(codec);
        self
    }

    /// Sets the base offset.
    #[must_use]
    pub fn base_offset(mut self, base_offset: i64) -> Self {
        self.header.base_offset = base_offset;
        self
    }

    /// Sets the leader epoch.
    #[must_use]
    pub fn leader_epoch(mut self, leader_epoch: i32) -> Self {
        self.header.partition_leader_epoch = leader_epoch;
        self
    }

    /// Sets producer id, producer epoch and the sequence of the first record.
    #[must_use]
    pub fn producer(mut self, producer_id: i64, producer_epoch: i16, base_sequence: i32) -> Self {
        self.header.producer_id = producer_id;
        self.header.producer_epoch = producer_epoch;
        self.header.base_sequence = base_sequence;
        self
    }

    /// Marks the batch as part of a transaction.
    #[must_use]
    pub fn transactional(mut self) -> Self {
        self.header.attributes = self.header.attributes.transactional();
        self
    }

    /// Marks the batch as a transaction marker.
    #[must_use]
    pub fn control(mut self) -> Self {
        self.header.attributes = self.header.attributes.control();
        self
    }

    /// Stamps the batch with LogAppendTime: every record then has this time.
    #[must_use]
    pub fn log_append_time(mut self, timestamp_ms: i64) -> Self {
        self.header.attributes = self
            .header
            .attributes
            .with_timestamp_type(TimestampType::LogAppendTime);
        self.header.max_timestamp = timestamp_ms;
        self
    }

    /// Appends a record at the next offset.
    #[must_use]
    pub fn record(
        self,
        timestamp_ms: i64,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        headers: &[(&[u8], Option<&[u8]>)],
    ) -> Self {
        let next = self.header.last_offset_delta.wrapping_add(1);
        self.record_at(next, timestamp_ms, key, value, headers)
    }

    /// Appends a record at an offset delta of the caller's choice: batches with gaps, as log cleaning leaves them.
    #[must_use]
    pub fn record_at(
        mut self,
        offset_delta: i32,
        timestamp_ms: i64,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        headers: &[(&[u8], Option<&[u8]>)],
    ) -> Self {
        if self.header.record_count == 0 {
            self.header.base_timestamp = timestamp_ms;
        }
        if self.header.attributes.timestamp_type() == TimestampType::CreateTime {
            self.header.max_timestamp = self.header.max_timestamp.max(timestamp_ms);
        }
        self.header.last_offset_delta = offset_delta;
        self.header.record_count = self.header.record_count.wrapping_add(1);
        let mut body = std::mem::take(&mut self.scratch);
        body.clear();
        body.put_u8(0);
        put_varlong(&mut body, timestamp_ms.wrapping_sub(self.header.base_timestamp));
        put_varint(&mut body, offset_delta);
        self.put_nullable(&mut body, key);
        self.put_nullable(&mut body, value);
        let count = self.length(headers.len());
        put_varint(&mut body, count);
        for (key, value) in headers {
            self.put_nullable(&mut body, Some(key));
            self.put_nullable(&mut body, *value);
        }
        let length = self.length(body.len());
        put_varint(&mut self.records, length);
        self.records.put_slice(&body);
        self.scratch = body;
        self
    }

    /// Records appended so far.
    pub fn record_count(&self) -> i32 {
        self.header.record_count
    }

    /// Bytes of the batch as it would be without compression.
    pub fn plain_bytes(&self) -> usize {
        BATCH_HEADER_BYTES + self.records.len()
    }

    fn put_nullable(&mut self, out: &mut BytesMut, bytes: Option<&[u8]>) {
        match bytes {
            Some(bytes) => {
                let length = self.length(bytes.len());
                put_varint(out, length);
                out.put_slice(bytes);
            }
            None => put_varint(out, -1),
        }
    }

    /// Remembers a length that does not fit, so that appending stays free of errors.
    fn length(&mut self, length: usize) -> i32 {
        i32::try_from(length).unwrap_or_else(|_| {
            self.oversized = true;
            0
        })
    }

    /// The batch with lengths and checksum set.
    pub fn build(self) -> Result<Bytes, BuildError> {
        if self.oversized {
            return Err(BuildError::TooLarge);
        }
        let codec = self.codec;
        let payload = compress(codec, self.records.freeze())
            .map_err(|reason| BuildError::Compress { codec, reason })?;
        let total = BATCH_HEADER_BYTES + payload.len();
        let mut header = self.header;
        header.batch_length = i32::try_from(total - LOG_OVERHEAD_BYTES).map_err(|_| BuildError::TooLarge)?;
        let mut out = BytesMut::with_capacity(total);
        out.put_slice(&header.write());
        out.put_slice(&payload);
        let crc = crc32c::crc32c(&out[at::ATTRIBUTES..]);
        out[at::CRC..at::ATTRIBUTES].copy_from_slice(&crc.to_be_bytes());
        Ok(out.freeze())
    }
}
