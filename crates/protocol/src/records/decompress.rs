//! Decompression with a cap on the output.

use std::io::Read;

use bytes::Bytes;

use super::{RecordsError, xerial};
use crate::batch::Codec;
use crate::limits::ZSTD_WINDOW_LOG_MAX;

/// The record block behind a codec, at most `limit` bytes of it. `Codec::None` shares the input and has no limit.
///
/// Memory stays within a small multiple of `limit`, and for zstd the window that the frame asks for (up to
/// 2^[`ZSTD_WINDOW_LOG_MAX`] bytes, touched only as far as output reaches).
pub fn decompress(codec: Codec, block: Bytes, limit: usize) -> Result<Bytes, RecordsError> {
    match codec {
        Codec::None => Ok(block),
        // Several members may follow each other, as in Java's GZIPInputStream.
        Codec::Gzip => read_capped(codec, flate2::read::MultiGzDecoder::new(&block[..]), limit),
        Codec::Lz4 => read_capped(codec, lz4_flex::frame::FrameDecoder::new(&block[..]), limit),
        Codec::Zstd => {
            let mut decoder = zstd::stream::read::Decoder::with_buffer(&block[..])
                .map_err(|error| failed(codec, &error))?;
            decoder
                .window_log_max(ZSTD_WINDOW_LOG_MAX)
                .map_err(|error| failed(codec, &error))?;
            read_capped(codec, decoder, limit)
        }
        Codec::Snappy => xerial::decompress(&block, limit),
    }
}

fn failed(codec: Codec, error: &std::io::Error) -> RecordsError {
    RecordsError::Decompress {
        codec,
        reason: error.to_string(),
    }
}

/// Reads to the end, or one byte past the limit.
fn read_capped(codec: Codec, source: impl Read, limit: usize) -> Result<Bytes, RecordsError> {
    let mut out = Vec::new();
    let cap = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
    source
        .take(cap)
        .read_to_end(&mut out)
        .map_err(|error| failed(codec, &error))?;
    if out.len() > limit {
        Err(RecordsError::TooLarge { limit })
    } else {
        Ok(Bytes::from(out))
    }
}
