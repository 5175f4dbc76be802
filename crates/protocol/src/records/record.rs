//! One record: a view into the decompressed block.
//!
//! ```text
//! varint length, then in so many bytes: i8 attributes, varlong timestampDelta, varint offsetDelta,
//! varint key length (-1 null), key, varint value length (-1 null), value,
//! varint header count, and per header: varint key length, key, varint value length (-1 null), value
//! ```
//!
//! A record is accepted only if its parts fill its length exactly.

use super::RecordsError;
use crate::batch::{BatchHeader, TimestampType};
use crate::wire::{Reader, WireError};

impl From<WireError> for RecordsError {
    fn from(_: WireError) -> Self {
        RecordsError::Malformed
    }
}

/// A record of a batch. Borrows key, value and headers.
#[derive(Debug, Clone, Copy)]
pub struct Record<'a> {
    /// Offset minus the base offset of the batch.
    pub offset_delta: i32,
    /// Offset in the partition, as far as the batch's base offset is right.
    pub offset: i64,
    /// Milliseconds since 1970; with LogAppendTime the batch's largest.
    pub timestamp: i64,
    /// Key, `None` for null.
    pub key: Option<&'a [u8]>,
    /// Value, `None` for null.
    pub value: Option<&'a [u8]>,
    headers: Headers<'a>,
}

impl<'a> Record<'a> {
    /// The headers, in order, with duplicates.
    pub fn headers(&self) -> Headers<'a> {
        self.headers
    }
}

/// One record header (KIP-82).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header<'a> {
    /// Key; UTF-8 by convention, not checked.
    pub key: &'a [u8],
    /// Value, `None` for null.
    pub value: Option<&'a [u8]>,
}

/// Iterator over the headers of a record.
#[derive(Debug, Clone, Copy)]
pub struct Headers<'a> {
    reader: Reader<'a>,
    left: i32,
}

impl<'a> Headers<'a> {
    fn read_one(&mut self) -> Result<Header<'a>, RecordsError> {
        let key = nullable(&mut self.reader)?.ok_or(RecordsError::Malformed)?;
        Ok(Header {
            key,
            value: nullable(&mut self.reader)?,
        })
    }
}

impl<'a> Iterator for Headers<'a> {
    type Item = Header<'a>;

    fn next(&mut self) -> Option<Header<'a>> {
        if self.left <= 0 {
            return None;
        }
        self.left -= 1;
        // The reader of the record parsed all of them already; a failure cannot occur and would end the headers.
        self.read_one().ok()
    }
}

/// Bytes behind a varint length, -1 for null.
fn nullable<'a>(reader: &mut Reader<'a>) -> Result<Option<&'a [u8]>, RecordsError> {
    match reader.varint()? {
        -1 => Ok(None),
        length => {
            let length = usize::try_from(length).map_err(|_| RecordsError::Malformed)?;
            Ok(Some(reader.take(length)?))
        }
    }
}

/// Reads records one after the other from a decompressed block.
#[derive(Debug, Clone, Copy)]
pub struct RecordReader<'a> {
    reader: Reader<'a>,
}

impl<'a> RecordReader<'a> {
    /// Reads from the start of a decompressed record block.
    pub fn new(payload: &'a [u8]) -> Self {
        RecordReader {
            reader: Reader::new(payload),
        }
    }

    /// Bytes behind the records read so far.
    pub fn remaining(&self) -> usize {
        self.reader.remaining()
    }

    /// The next record. `header` gives base offset, base timestamp and timestamp type; sums wrap, as in Java.
    pub fn next_record(&mut self, header: &BatchHeader) -> Result<Record<'a>, RecordsError> {
        let length = usize::try_from(self.reader.varint()?).map_err(|_| RecordsError::Malformed)?;
        let mut body = Reader::new(self.reader.take(length)?);
        body.u8()?;
        let timestamp_delta = body.varlong()?;
        let offset_delta = body.varint()?;
        let key = nullable(&mut body)?;
        let value = nullable(&mut body)?;
        let count = body.varint()?;
        if count < 0 {
            return Err(RecordsError::Malformed);
        }
        let headers = Headers {
            reader: Reader::new(body.rest()),
            left: count,
        };
        let mut walk = headers;
        for _ in 0..count {
            walk.read_one()?;
        }
        if walk.reader.remaining() > 0 {
            return Err(RecordsError::Malformed);
        }
        let timestamp = match header.attributes.timestamp_type() {
            TimestampType::CreateTime => header.base_timestamp.wrapping_add(timestamp_delta),
            TimestampType::LogAppendTime => header.max_timestamp,
        };
        let offset = header.base_offset.wrapping_add(i64::from(offset_delta));
        Ok(Record {
            offset_delta,
            offset,
            timestamp,
            key,
            value,
            headers,
        })
    }
}
