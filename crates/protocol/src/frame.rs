//! The size prefix of a request.
//!
//! A frame is an i32 size and that many bytes: header and body. A size that fails here closes the connection
//! without a reply, as in Kafka. The limit depends on the API, which is known two bytes later: so check
//! [`frame_size`] first, read the key with [`peek_api_key`], and check [`check_size`] before reserving memory.

use crate::limits::{CONTROL_REQUEST_BYTES_MAX, REQUEST_BYTES_MAX};
use crate::versions::api_key;

/// Bytes of the size prefix.
pub const SIZE_BYTES: usize = 4;

/// Bytes after the size prefix that [`peek_api_key`] needs.
pub const API_KEY_BYTES: usize = 2;

/// Why a frame is not read. Always: close the connection, no reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// The size is zero or negative.
    #[error("request size {0} is not positive")]
    NotPositive(i32),
    /// The size is above the limit that holds for this request.
    #[error("request of {size} bytes is over the limit of {limit}")]
    TooLarge {
        /// Announced size in bytes.
        size: usize,
        /// The limit in bytes.
        limit: usize,
    },
}

/// The size in bytes of what follows the prefix, at most [`REQUEST_BYTES_MAX`].
pub fn frame_size(prefix: i32) -> Result<usize, FrameError> {
    match usize::try_from(prefix) {
        Ok(0) | Err(_) => Err(FrameError::NotPositive(prefix)),
        Ok(size) if size > REQUEST_BYTES_MAX => Err(FrameError::TooLarge {
            size,
            limit: REQUEST_BYTES_MAX,
        }),
        Ok(size) => Ok(size),
    }
}

/// The API key at the start of a frame's content; `None` when fewer than two bytes are there.
pub fn peek_api_key(content: &[u8]) -> Option<i16> {
    content
        .first_chunk::<API_KEY_BYTES>()
        .map(|bytes| i16::from_be_bytes(*bytes))
}

/// Largest frame in bytes for an API key, known or not.
pub fn size_limit(key: i16) -> usize {
    if key == api_key::PRODUCE {
        REQUEST_BYTES_MAX
    } else {
        CONTROL_REQUEST_BYTES_MAX
    }
}

/// Checks a frame's size once its API key is known.
pub fn check_size(size: usize, key: i16) -> Result<(), FrameError> {
    let limit = size_limit(key);
    if size > limit {
        Err(FrameError::TooLarge { size, limit })
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_at_and_around_the_limits() {
        assert_eq!(frame_size(0), Err(FrameError::NotPositive(0)));
        assert_eq!(frame_size(-1), Err(FrameError::NotPositive(-1)));
        assert_eq!(frame_size(i32::MIN), Err(FrameError::NotPositive(i32::MIN)));
        assert_eq!(frame_size(1), Ok(1));
        assert_eq!(frame_size(104_857_600), Ok(104_857_600));
        assert!(frame_size(104_857_601).is_err());
        assert!(frame_size(i32::MAX).is_err());
    }

    #[test]
    fn only_produce_may_be_large() {
        assert_eq!(peek_api_key(&[0]), None);
        assert_eq!(peek_api_key(&[0, 18, 9]), Some(18));
        assert_eq!(check_size(REQUEST_BYTES_MAX, 0), Ok(()));
        assert_eq!(check_size(CONTROL_REQUEST_BYTES_MAX, 1), Ok(()));
        assert!(check_size(CONTROL_REQUEST_BYTES_MAX + 1, 1).is_err());
        assert!(check_size(CONTROL_REQUEST_BYTES_MAX + 1, -7).is_err());
    }
}
