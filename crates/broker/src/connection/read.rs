//! Reads one frame: its size, then its API key, then a place in the memory budget, then its body.
//!
//! The body is read once, into the memory that every later slice of it shares; the memory stays charged
//! until the last slice is dropped.

use std::future::Future;
use std::io;

use bytes::{BufMut, Bytes};
use esker_protocol::api_key;
use esker_protocol::frame::{self, API_KEY_BYTES, SIZE_BYTES};
use tokio::io::{AsyncRead, AsyncReadExt};

use super::{ConnectionEnd, FRAME_DEADLINE, IDLE_MAX};
use crate::budget::{Budget, Reservation};

/// What is read before memory is reserved for the rest.
const START_BYTES: usize = SIZE_BYTES + API_KEY_BYTES;

/// A frame's bytes together with their charge.
struct FrameMemory {
    bytes: Vec<u8>,
    _charge: Reservation,
}

impl AsRef<[u8]> for FrameMemory {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

/// Reads the next frame, without its size prefix. Waiting for memory is not held against the sender; the
/// bytes before and after have a deadline each.
pub(super) async fn read_frame<R: AsyncRead + Unpin>(
    reader: &mut R,
    budget: &Budget,
) -> Result<Bytes, ConnectionEnd> {
    let mut start = [0; START_BYTES];
    let first = tokio::time::timeout(IDLE_MAX, reader.read(&mut start))
        .await
        .map_err(|_| ConnectionEnd::Idle)??;
    if first == 0 {
        return Err(ConnectionEnd::Eof);
    }
    within_deadline(read_start(reader, &mut start, first)).await?;
    let size = size_of(&start)?;
    let key = i16::from_be_bytes([start[SIZE_BYTES], start[SIZE_BYTES + 1]]);
    frame::check_size(size, key).map_err(|err| ConnectionEnd::Refused(err.to_string()))?;
    let pool = if key == api_key::PRODUCE {
        &budget.produce
    } else {
        &budget.control
    };
    let charge = pool
        .reserve(size as u64)
        .await
        .map_err(|err| ConnectionEnd::Refused(err.to_string()))?;
    let bytes = within_deadline(read_body(reader, &start[SIZE_BYTES..], size)).await?;
    Ok(Bytes::from_owner(FrameMemory {
        bytes,
        _charge: charge,
    }))
}

async fn within_deadline<T>(
    read: impl Future<Output = Result<T, ConnectionEnd>>,
) -> Result<T, ConnectionEnd> {
    tokio::time::timeout(FRAME_DEADLINE, read)
        .await
        .map_err(|_| ConnectionEnd::SlowSender)?
}

async fn read_start<R: AsyncRead + Unpin>(
    reader: &mut R,
    start: &mut [u8; START_BYTES],
    mut have: usize,
) -> Result<(), ConnectionEnd> {
    while have < START_BYTES {
        if have >= SIZE_BYTES {
            // A frame too short for an API key must not wait for more bytes than it has.
            size_of(start)?;
        }
        match reader.read(&mut start[have..]).await? {
            0 => return Err(cut_off()),
            more => have += more,
        }
    }
    Ok(())
}

async fn read_body<R: AsyncRead + Unpin>(
    reader: &mut R,
    start: &[u8],
    size: usize,
) -> Result<Vec<u8>, ConnectionEnd> {
    let mut bytes = Vec::with_capacity(size);
    bytes.extend_from_slice(start);
    while bytes.len() < size {
        let left = size - bytes.len();
        if reader.read_buf(&mut (&mut bytes).limit(left)).await? == 0 {
            return Err(cut_off());
        }
    }
    Ok(bytes)
}

fn cut_off() -> ConnectionEnd {
    io::Error::from(io::ErrorKind::UnexpectedEof).into()
}

fn size_of(start: &[u8; START_BYTES]) -> Result<usize, ConnectionEnd> {
    let prefix = i32::from_be_bytes([start[0], start[1], start[2], start[3]]);
    let size = frame::frame_size(prefix).map_err(|err| ConnectionEnd::Refused(err.to_string()))?;
    if size < API_KEY_BYTES {
        return Err(ConnectionEnd::Refused(format!(
            "a request of {size} bytes has no header"
        )));
    }
    Ok(size)
}
