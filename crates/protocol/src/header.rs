//! Request headers v1 and v2, response headers v0 and v1.
//!
//! The decoder is our own: the one of the message crate panics on short frames and refuses client ids that are not
//! UTF-8, which Kafka accepts. A header that does not parse, or names an API version that we do not serve, closes
//! the connection without a reply; the one exception is an unknown version of ApiVersions, which is answered with
//! [`crate::response::encode_unsupported_api_versions`] (KIP-511).
//!
//! Source: <https://kafka.apache.org/protocol#protocol_messages>.

use bytes::{BufMut, Bytes, BytesMut};

use crate::versions::{self, api_key};
use crate::wire::{Reader, WireError};

/// What precedes every request body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestHeader {
    /// Which API; always one of the version table.
    pub api_key: i16,
    /// Version of the request body, and of the response body.
    pub api_version: i16,
    /// Chosen by the client, repeated in the response.
    pub correlation_id: i32,
    /// Name the client gives itself. Bytes that are not UTF-8 became U+FFFD; null stays `None`, which Kafka treats
    /// like an empty name.
    pub client_id: Option<String>,
}

/// A frame whose header was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Incoming {
    /// A request that we serve; the body is a slice of the frame.
    Request(RequestHeader, Bytes),
    /// ApiVersions in a version that we do not know. Its body is not parsed.
    UnsupportedApiVersions(RequestHeader),
}

/// Why a header is refused. Always: close the connection, no reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HeaderError {
    /// The frame ends inside the header, or a length in it is impossible.
    #[error("request header is cut off or malformed")]
    Malformed,
    /// An API or a version that the table does not serve.
    #[error("API key {api_key} version {api_version} is not served")]
    NotServed {
        /// Key as it came.
        api_key: i16,
        /// Version as it came.
        api_version: i16,
    },
}

impl From<WireError> for HeaderError {
    fn from(_: WireError) -> Self {
        HeaderError::Malformed
    }
}

/// Splits a frame (without its size prefix) into header and body.
pub fn decode_request_header(frame: Bytes) -> Result<Incoming, HeaderError> {
    let mut reader = Reader::new(&frame);
    let api_key = reader.i16()?;
    let api_version = reader.i16()?;
    let served = versions::is_served(api_key, api_version);
    if !served && api_key != api_key::API_VERSIONS {
        return Err(HeaderError::NotServed { api_key, api_version });
    }
    let correlation_id = reader.i32()?;
    // The length of the client id stays an i16 in flexible headers, too.
    let client_id = match reader.i16()? {
        -1 => None,
        len => {
            let bytes = reader.take(usize::try_from(len).map_err(|_| HeaderError::Malformed)?)?;
            Some(String::from_utf8_lossy(bytes).into_owned())
        }
    };
    if versions::request_header_version(api_key, api_version) >= 2 {
        skip_tags(&mut reader)?;
    }
    let body_at = frame.len() - reader.remaining();
    let header = RequestHeader {
        api_key,
        api_version,
        correlation_id,
        client_id,
    };
    if !served {
        return Ok(Incoming::UnsupportedApiVersions(header));
    }
    Ok(Incoming::Request(header, frame.slice(body_at..)))
}

/// No header tag is defined; unknown ones are skipped without keeping anything.
fn skip_tags(reader: &mut Reader<'_>) -> Result<(), HeaderError> {
    for _ in 0..reader.unsigned_varint()? {
        reader.unsigned_varint()?;
        let size = reader.unsigned_varint()? as usize;
        reader.take(size)?;
    }
    Ok(())
}

/// Size in bytes of the response header to a request.
pub fn response_header_bytes(request: &RequestHeader) -> usize {
    if versions::response_header_version(request.api_key, request.api_version) >= 1 {
        5
    } else {
        4
    }
}

/// Appends the response header of the right version: the correlation id and, in v1, an empty tag section.
pub fn put_response_header(out: &mut BytesMut, request: &RequestHeader) {
    out.put_i32(request.correlation_id);
    if versions::response_header_version(request.api_key, request.api_version) >= 1 {
        out.put_u8(0);
    }
}

#[cfg(test)]
mod tests;
