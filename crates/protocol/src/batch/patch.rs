//! Setting the base offset and leader epoch of a stored batch when it is read.
//!
//! Both lie before the checksummed part, so the rest of the batch goes out as it is stored.

use bytes::{BufMut, Bytes, BytesMut};

use super::header::at;
use super::{BatchError, BatchHeader};

/// Bytes that are written anew: base offset, batchLength (repeated), leader epoch.
pub const PATCH_BYTES: usize = at::MAGIC;

fn put_patch(out: &mut BytesMut, header: &BatchHeader, base_offset: i64, leader_epoch: i32) {
    out.put_i64(base_offset);
    out.put_i32(header.batch_length);
    out.put_i32(leader_epoch);
}

fn parse_whole(bytes: &[u8]) -> Result<BatchHeader, BatchError> {
    let header = BatchHeader::parse(bytes)?;
    if header.total_bytes() > bytes.len() {
        return Err(BatchError::CutOff {
            expected: header.total_bytes(),
            found: bytes.len(),
        });
    }
    Ok(header)
}

/// The batch at the start of `bytes` with these offsets: [patched 16 bytes, the untouched rest of the batch]. Bytes
/// after the batch are not returned.
///
/// Errors: no whole batch of format v2. The checksum is not looked at.
pub fn patch_on_read(bytes: &Bytes, base_offset: i64, leader_epoch: i32) -> Result<[Bytes; 2], BatchError> {
    let header = parse_whole(bytes)?;
    let mut patch = BytesMut::with_capacity(PATCH_BYTES);
    put_patch(&mut patch, &header, base_offset, leader_epoch);
    Ok([patch.freeze(), bytes.slice(PATCH_BYTES..header.total_bytes())])
}

/// Patches concatenated batches whose offsets follow each other densely from `base_offset`, and appends two slices per
/// batch to `out`. Returns the offset after the last batch.
///
/// Errors: as [`patch_on_read`], for any of them; `out` is then unchanged.
pub fn patch_run(
    bytes: &Bytes,
    base_offset: i64,
    leader_epoch: i32,
    out: &mut Vec<Bytes>,
) -> Result<i64, BatchError> {
    // First pass: lengths only, so that the second can share one buffer and cannot fail.
    let mut count = 0;
    let mut at = 0;
    while at < bytes.len() {
        at += parse_whole(&bytes[at..])?.total_bytes();
        count += 1;
    }
    let mut patches = BytesMut::with_capacity(count * PATCH_BYTES);
    out.reserve(2 * count);
    let mut next_offset = base_offset;
    let mut at = 0;
    while at < bytes.len() {
        let header = parse_whole(&bytes[at..])?;
        put_patch(&mut patches, &header, next_offset, leader_epoch);
        out.push(patches.split().freeze());
        out.push(bytes.slice(at + PATCH_BYTES..at + header.total_bytes()));
        next_offset = next_offset
            .wrapping_add(i64::from(header.last_offset_delta))
            .wrapping_add(1);
        at += header.total_bytes();
    }
    Ok(next_offset)
}
