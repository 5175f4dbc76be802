//! Reads one frame: its size, then its API key, then a place in the memory budget, then its body.
//!
//! The body is read once, into the memory that every later slice of it shares; the memory stays charged
//! until the last slice is dropped. What a sender announces is not believed at once: a large frame is
//! charged whole only after its first [`EARNEST_BYTES`] came, and a sender that stops for [`STALL_MAX`]
//! inside a frame is disconnected, so that a few bytes cannot hold much of the budget for long.

use std::future::Future;
use std::io;

use bytes::{BufMut, Bytes};
use esker_protocol::api_key;
use esker_protocol::frame::{self, API_KEY_BYTES, SIZE_BYTES};
use tokio::io::{AsyncRead, AsyncReadExt};

use super::{ConnectionEnd, EARNEST_BYTES, FRAME_DEADLINE, IDLE_MAX, STALL_MAX};
use crate::budget::{Budget, Reservation, TooLarge};

/// What is read before memory is reserved for the rest.
const START_BYTES: usize = SIZE_BYTES + API_KEY_BYTES;

/// A frame's bytes together with their charge.
struct FrameMemory {
    bytes: Vec<u8>,
    _first: Reservation,
    _rest: Option<Reservation>,
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
    let refused = |err: TooLarge| ConnectionEnd::Refused(err.to_string());
    pool.fits(size as u64).map_err(refused)?;
    let earnest = size.min(EARNEST_BYTES);
    let first = pool.reserve(earnest as u64).await.map_err(refused)?;
    let mut bytes = Vec::with_capacity(earnest);
    bytes.extend_from_slice(&start[SIZE_BYTES..]);
    within_deadline(read_up_to(reader, &mut bytes, earnest)).await?;
    let mut rest = None;
    if size > earnest {
        // Those who wait here hold something already: they may not wait for each other for ever.
        let more =
            within_deadline(async { pool.reserve((size - earnest) as u64).await.map_err(refused) }).await?;
        rest = Some(more);
        bytes.reserve_exact(size - earnest);
        within_deadline(read_up_to(reader, &mut bytes, size)).await?;
    }
    Ok(Bytes::from_owner(FrameMemory {
        bytes,
        _first: first,
        _rest: rest,
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

/// Reads until `bytes` holds `size`, which its capacity must allow for.
async fn read_up_to<R: AsyncRead + Unpin>(
    reader: &mut R,
    bytes: &mut Vec<u8>,
    size: usize,
) -> Result<(), ConnectionEnd> {
    while bytes.len() < size {
        let missing = size - bytes.len();
        let mut left = (&mut *bytes).limit(missing);
        let read = tokio::time::timeout(STALL_MAX, reader.read_buf(&mut left)).await;
        if read.map_err(|_| ConnectionEnd::SlowSender)?? == 0 {
            return Err(cut_off());
        }
    }
    Ok(())
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
