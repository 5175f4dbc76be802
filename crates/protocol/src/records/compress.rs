//! Compression of a record block, in the forms that Java clients write.

use std::io::Write;

use bytes::Bytes;

use super::xerial;
use crate::batch::Codec;

/// zstd level of Kafka's producers.
const ZSTD_LEVEL: i32 = 3;

/// Compresses a record block. The error is what the compressor said; none is known to fail on memory.
pub(super) fn compress(codec: Codec, plain: Bytes) -> Result<Bytes, String> {
    let compressed = match codec {
        Codec::None => return Ok(plain),
        Codec::Gzip => {
            let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
            encoder
                .write_all(&plain)
                .and_then(|()| encoder.finish())
                .map_err(|error| error.to_string())?
        }
        Codec::Snappy => xerial::compress(&plain)?,
        Codec::Lz4 => {
            // Independent blocks of 64 KiB: the only form that old Java consumers read.
            let frame = lz4_flex::frame::FrameInfo::new()
                .block_mode(lz4_flex::frame::BlockMode::Independent)
                .block_size(lz4_flex::frame::BlockSize::Max64KB);
            let mut encoder = lz4_flex::frame::FrameEncoder::with_frame_info(frame, Vec::new());
            encoder.write_all(&plain).map_err(|error| error.to_string())?;
            encoder.finish().map_err(|error| error.to_string())?
        }
        Codec::Zstd => zstd::stream::encode_all(&plain[..], ZSTD_LEVEL).map_err(|error| error.to_string())?,
    };
    Ok(Bytes::from(compressed))
}
