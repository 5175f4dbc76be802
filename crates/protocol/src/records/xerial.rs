//! Snappy as Kafka clients write it.
//!
//! Two forms are in use. Java, and whoever follows it, writes the framing of snappy-java: a 16-byte header (magic
//! `82 SNAPPY 00`, version, oldest compatible version), then blocks, each an i32 length and a raw snappy block.
//! librdkafka and others write one raw block. The magic tells them apart: read as a raw block they would
//! start with a copy from before the first byte, which no encoder writes.

use bytes::Bytes;

use super::RecordsError;
use crate::batch::Codec;
use crate::wire::Reader;

const MAGIC: [u8; 8] = *b"\x82SNAPPY\0";
const HEADER_BYTES: usize = 16;
const VERSION: [u8; 8] = [0, 0, 0, 1, 0, 0, 0, 1];
/// Uncompressed bytes per block, as snappy-java cuts them.
const BLOCK_BYTES: usize = 32 * 1024;
/// The most that a byte of raw snappy can become: a copy of 64 bytes takes 3 bytes.
const EXPANSION_MAX: usize = 22;

fn failed(reason: impl ToString) -> RecordsError {
    RecordsError::Decompress {
        codec: Codec::Snappy,
        reason: reason.to_string(),
    }
}

/// Decompresses either form.
pub(super) fn decompress(block: &[u8], limit: usize) -> Result<Bytes, RecordsError> {
    let mut out = Vec::new();
    if block.starts_with(&MAGIC) {
        let mut reader = Reader::new(block);
        reader.take(HEADER_BYTES).map_err(failed)?;
        while reader.remaining() > 0 {
            let length = reader.i32().map_err(failed)?;
            let length = usize::try_from(length).map_err(|_| failed("negative block length"))?;
            append_raw(reader.take(length).map_err(failed)?, limit, &mut out)?;
        }
    } else {
        append_raw(block, limit, &mut out)?;
    }
    Ok(Bytes::from(out))
}

/// Decompresses one raw block. Its declared size is believed only as far as its length can bear it out.
fn append_raw(raw: &[u8], limit: usize, out: &mut Vec<u8>) -> Result<(), RecordsError> {
    let declared = snap::raw::decompress_len(raw).map_err(failed)?;
    if declared > limit.saturating_sub(out.len()) {
        return Err(RecordsError::TooLarge { limit });
    }
    if declared > raw.len().saturating_mul(EXPANSION_MAX) {
        return Err(failed("declared size is impossible"));
    }
    let at = out.len();
    out.resize(at + declared, 0);
    let written = snap::raw::Decoder::new()
        .decompress(raw, &mut out[at..])
        .map_err(failed)?;
    out.truncate(at + written);
    Ok(())
}

/// Compresses in the framing of snappy-java.
pub(super) fn compress(plain: &[u8]) -> Result<Vec<u8>, String> {
    let mut out = Vec::with_capacity(HEADER_BYTES + plain.len() / 2);
    out.extend_from_slice(&MAGIC);
    out.extend_from_slice(&VERSION);
    let mut encoder = snap::raw::Encoder::new();
    for chunk in plain.chunks(BLOCK_BYTES) {
        let raw = encoder.compress_vec(chunk).map_err(|error| error.to_string())?;
        let length = i32::try_from(raw.len()).map_err(|error| error.to_string())?;
        out.extend_from_slice(&length.to_be_bytes());
        out.extend_from_slice(&raw);
    }
    Ok(out)
}
