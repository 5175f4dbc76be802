//! Why records cannot be read.

use crate::batch::Codec;

/// A record block that does not decompress or does not parse.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RecordsError {
    /// Codec 5, 6 or 7.
    #[error("unknown compression codec {0}")]
    UnknownCodec(u8),
    /// The compressed block is damaged.
    #[error("{codec} block does not decompress: {reason}")]
    Decompress {
        /// Codec of the batch.
        codec: Codec,
        /// What the decompressor said.
        reason: String,
    },
    /// More output than the caller allows.
    #[error("records take more than {limit} bytes decompressed")]
    TooLarge {
        /// The limit in bytes.
        limit: usize,
    },
    /// A record goes beyond the end of the block, or a length in it is impossible.
    #[error("malformed record")]
    Malformed,
    /// The block holds more bytes than the records that the header counts.
    #[error("{0} bytes after the last record")]
    LeftOver(usize),
}
