//! Reads one frame: its size, then its API key, then a place in the memory budget, then its body.
//!
//! The body is read once, into the memory that every later slice of it shares; the memory stays charged
//! until the last slice is dropped. What a sender announces is not believed: memory is charged in
//! [`FRAME_STEPS`], as the bytes come. A sender that stops for [`STALL_MAX`] inside a frame is disconnected,
//! and one that sends slower than [`PRESSED_BYTES`] in [`PRESSED_MAX`] while others wait for its memory.

use std::future::Future;
use std::io;

use bytes::{BufMut, Bytes};
use esker_protocol::api_key;
use esker_protocol::frame::{self, API_KEY_BYTES, SIZE_BYTES};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::time::timeout;

use super::ConnectionEnd;
use super::limits::{
    FIRST_REQUEST_MAX, FRAME_DEADLINE, FRAME_STEPS, FREE_FRAME_BYTES, IDLE_MAX, PRESSED_BYTES, PRESSED_MAX,
    PRODUCE_OVERHEAD_BYTES, STALL_MAX, TRICKLE_FRAME_BYTES,
};
use super::pace::Pace;
use crate::budget::{Budget, Pool, Reservation, TooLarge};

/// What is read before memory is reserved for the rest.
const START_BYTES: usize = SIZE_BYTES + API_KEY_BYTES;

/// A frame's bytes together with their charges.
struct FrameMemory {
    bytes: Vec<u8>,
    _charges: Vec<Reservation>,
}

impl AsRef<[u8]> for FrameMemory {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

/// Reads the next frame, without its size prefix; the `first` of a connection is waited for less long.
/// Waiting for memory is not held against the sender; the bytes before and after have a deadline each.
pub(super) async fn read_frame<R: AsyncRead + Unpin>(
    reader: &mut R,
    budget: &Budget,
    first: bool,
) -> Result<Bytes, ConnectionEnd> {
    let mut start = [0; START_BYTES];
    let (limit, silent) = match first {
        true => (FIRST_REQUEST_MAX, ConnectionEnd::NoRequest),
        false => (IDLE_MAX, ConnectionEnd::Idle),
    };
    let have = timeout(limit, reader.read(&mut start))
        .await
        .map_err(|_| silent)??;
    if have == 0 {
        return Err(ConnectionEnd::Eof);
    }
    within_deadline(read_start(reader, &mut start, have)).await?;
    let size = size_of(&start)?;
    let key = i16::from_be_bytes([start[SIZE_BYTES], start[SIZE_BYTES + 1]]);
    frame::check_size(size, key).map_err(|err| ConnectionEnd::Refused(err.to_string()))?;
    let (pool, overhead, free) = if key == api_key::PRODUCE {
        (&budget.produce, PRODUCE_OVERHEAD_BYTES, false)
    } else {
        (&budget.control, 0, size <= FREE_FRAME_BYTES)
    };
    let refused = |err: TooLarge| ConnectionEnd::Refused(err.to_string());
    pool.fits((size + overhead) as u64).map_err(refused)?;
    let mut charges = Vec::new();
    let mut bytes = Vec::new();
    let mut held = 0;
    let small = overhead > 0 && size <= TRICKLE_FRAME_BYTES;
    // The first step saves memory where it is short; elsewhere it would only cost a copy.
    let steps = &FRAME_STEPS[usize::from(!free && !pool.is_short())..];
    for step in steps.iter().copied().chain([size]) {
        let step = step.min(size);
        if step == held {
            continue;
        }
        if held > 0 {
            // Those who wait here hold something already: they may not wait for each other for ever.
            let more = async { pool.reserve((step - held) as u64).await.map_err(refused) };
            charges.push(within_deadline(more).await?);
        } else if let Some(charge) = small.then(|| trickle(budget, step + overhead)).flatten() {
            charges.push(charge);
        } else if !free {
            charges.push(pool.reserve((step + overhead) as u64).await.map_err(refused)?);
        }
        bytes.reserve_exact(step - bytes.len());
        if held == 0 {
            bytes.extend_from_slice(&start[SIZE_BYTES..]);
        }
        within_deadline(read_up_to(reader, &mut bytes, step, pool)).await?;
        held = step;
    }
    Ok(Bytes::from_owner(FrameMemory {
        bytes,
        _charges: charges,
    }))
}

/// The charge of a small frame with records, if it need not wait.
fn trickle(budget: &Budget, bytes: usize) -> Option<Reservation> {
    let bytes = bytes as u64;
    budget
        .produce
        .try_reserve(bytes)
        .or_else(|| budget.trickle.try_reserve(bytes))
}

async fn within_deadline<T>(
    read: impl Future<Output = Result<T, ConnectionEnd>>,
) -> Result<T, ConnectionEnd> {
    timeout(FRAME_DEADLINE, read)
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

/// Reads until `bytes` holds `size`, which its capacity must allow for. `pool` is what it is charged to.
async fn read_up_to<R: AsyncRead + Unpin>(
    reader: &mut R,
    bytes: &mut Vec<u8>,
    size: usize,
    pool: &Pool,
) -> Result<(), ConnectionEnd> {
    while bytes.len() < size {
        let part = size.min(bytes.len() + PRESSED_BYTES);
        let mut pace = Pace::new(STALL_MAX);
        loop {
            let before = bytes.len();
            match timeout(PRESSED_MAX, read_part(reader, bytes, part, size)).await {
                Ok(read) => break read?,
                Err(_) if pace.is_too_slow(pool.is_wanted(), bytes.len() > before) => {
                    return Err(ConnectionEnd::SlowSender);
                }
                Err(_) => {}
            }
        }
    }
    Ok(())
}

/// Reads until `bytes` holds `part` at least, and `size` at most. What it read is kept when it is dropped.
async fn read_part<R: AsyncRead + Unpin>(
    reader: &mut R,
    bytes: &mut Vec<u8>,
    part: usize,
    size: usize,
) -> Result<(), ConnectionEnd> {
    while bytes.len() < part {
        let missing = size - bytes.len();
        let mut left = (&mut *bytes).limit(missing);
        if reader.read_buf(&mut left).await? == 0 {
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
