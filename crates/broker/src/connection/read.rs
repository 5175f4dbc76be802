//! Reads one frame: its size, then its API key, then a place in the memory budget, then its body.
//!
//! The body is read once, into the memory that every later slice of it shares; the memory stays charged
//! until the last slice is dropped. What a sender announces is not believed: the frame is charged for its first
//! [`FRAME_STEPS`] only, as the bytes come, and for the whole after them; at once only if the sender's last frame
//! was not much smaller. The steps have shares of their own, so nobody who waits for memory holds some that
//! others wait for in the same place, and waiting has no deadline. A sender that stops for [`STALL_MAX`] inside a frame is disconnected, and one that sends slower than
//! [`PRESSED_BYTES`] in [`PRESSED_MAX`] while others wait for its memory.
//!
//! A sender that does not wait for its answers costs one call to the system per frame: the beginning of the
//! next frame is read with the end of this one. So does one that sends small frames: up to [`SMALL_FRAME_BYTES`] are read
//! before it is known what they are.

use std::future::{Future, poll_fn};
use std::io;
use std::pin::Pin;
use std::task::{Poll, ready};

use bytes::{BufMut, Bytes};
use esker_protocol::api_key;
use esker_protocol::frame::{self, API_KEY_BYTES, SIZE_BYTES};
use tokio::io::{AsyncRead, AsyncReadExt, ReadBuf};
use tokio::time::timeout;

use super::ConnectionEnd;
use super::limits::{
    BELIEVED_PART, FIRST_REQUEST_MAX, FRAME_DEADLINE, FRAME_STEPS, FREE_FRAME_BYTES, IDLE_MAX, PRESSED_BYTES,
    PRESSED_MAX, PRODUCE_OVERHEAD_BYTES, SMALL_FRAME_BYTES, STALL_MAX, TRICKLE_FRAME_BYTES,
};
use super::pace::Pace;
use crate::budget::{Budget, Pool, Reservation, TooLarge};

/// What is read before memory is reserved for the rest.
const START_BYTES: usize = SIZE_BYTES + API_KEY_BYTES;

/// A frame's bytes together with their charge.
struct FrameMemory {
    bytes: Vec<u8>,
    _charge: Option<Reservation>,
}

impl AsRef<[u8]> for FrameMemory {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

/// Reads the frames of one connection.
pub(super) struct FrameReader<R> {
    reader: R,
    /// What came of the next frames, at most [`SMALL_FRAME_BYTES`].
    begun: Vec<u8>,
    /// Size of the last frame.
    last: Option<usize>,
}

impl<R: AsyncRead + Unpin> FrameReader<R> {
    pub(super) fn new(reader: R) -> Self {
        Self {
            reader,
            begun: Vec::new(),
            last: None,
        }
    }

    /// Reads the next frame, without its size prefix; the first of a connection is waited for less long.
    /// Waiting for memory is not held against the sender; the bytes before and after have a deadline each.
    pub(super) async fn read_frame(&mut self, budget: &Budget) -> Result<Bytes, ConnectionEnd> {
        self.await_frame().await?;
        let Start { size, key } = match Start::of(&self.begun)? {
            Some(start) => start,
            None => within_deadline(self.read_start()).await?,
        };
        frame::check_size(size, key).map_err(|err| ConnectionEnd::Refused(err.to_string()))?;
        let (pool, begun, overhead) = if key == api_key::PRODUCE {
            (&budget.produce, &budget.produce_begun, PRODUCE_OVERHEAD_BYTES)
        } else {
            (&budget.control, &budget.control_begun, 0)
        };
        let charged = (size + overhead) as u64;
        pool.fits(charged).map_err(refused)?;
        let mut bytes = Vec::new();
        let mut step_charge = None;
        if !self.is_believed(size, pool) {
            // The least step saves memory where it is short; elsewhere it would only cost a copy.
            let first = usize::from(!pool.is_short() && !begun.steps()[1].is_short());
            for (step, share) in FRAME_STEPS.into_iter().zip(begun.steps()).skip(first) {
                if size <= step {
                    break;
                }
                step_charge = Some(share.reserve(step as u64).await.map_err(refused)?);
                self.read_step(&mut bytes, step, step, share).await?;
            }
        }
        let charge = if overhead == 0 && size <= FREE_FRAME_BYTES {
            None
        } else if overhead > 0 && size <= TRICKLE_FRAME_BYTES {
            Some(reserve_small(budget, charged).await?)
        } else {
            Some(pool.reserve(charged).await.map_err(refused)?)
        };
        drop(step_charge);
        // Where the frame ends, one call may as well read how the next one begins.
        self.read_step(&mut bytes, size, size + START_BYTES, pool).await?;
        self.begun.extend_from_slice(&bytes[size..]);
        bytes.truncate(size);
        self.last = Some(size);
        Ok(Bytes::from_owner(FrameMemory {
            bytes,
            _charge: charge,
        }))
    }

    /// Reads until `bytes`, which begin with what came with the size, are `size` at least and `room` at most;
    /// they are charged to `pool`.
    async fn read_step(
        &mut self,
        bytes: &mut Vec<u8>,
        size: usize,
        room: usize,
        pool: &Pool,
    ) -> Result<(), ConnectionEnd> {
        bytes.reserve_exact(room - bytes.len());
        if bytes.is_empty() {
            let came = self.begun.len().min(SIZE_BYTES + size);
            bytes.extend(self.begun.drain(..came).skip(SIZE_BYTES));
        }
        if bytes.len() >= size {
            return Ok(());
        }
        within_deadline(read_up_to(&mut self.reader, bytes, size, room, pool)).await
    }

    /// Waits for the first byte.
    async fn await_frame(&mut self) -> Result<(), ConnectionEnd> {
        if !self.begun.is_empty() {
            return Ok(());
        }
        let (limit, silent) = match self.last {
            None => (FIRST_REQUEST_MAX, ConnectionEnd::NoRequest),
            Some(_) => (IDLE_MAX, ConnectionEnd::Idle),
        };
        let bytes_max = match self.last {
            Some(last) if last > SMALL_FRAME_BYTES => START_BYTES,
            _ => SMALL_FRAME_BYTES,
        };
        match timeout(limit, self.read_begun(bytes_max)).await {
            Err(_) => Err(silent),
            Ok(Err(err)) => Err(err.into()),
            Ok(Ok(0)) => Err(ConnectionEnd::Eof),
            Ok(Ok(_)) => Ok(()),
        }
    }

    async fn read_start(&mut self) -> Result<Start, ConnectionEnd> {
        loop {
            if let Some(start) = Start::of(&self.begun)? {
                return Ok(start);
            }
            if self.read_begun(START_BYTES - self.begun.len()).await? == 0 {
                return Err(cut_off());
            }
        }
    }

    /// Reads so many bytes at most, in one call. There is no memory for them while they are waited for.
    async fn read_begun(&mut self, bytes_max: usize) -> io::Result<usize> {
        poll_fn(|context| {
            let mut room = [0; SMALL_FRAME_BYTES];
            let mut came = ReadBuf::new(&mut room[..bytes_max]);
            ready!(Pin::new(&mut self.reader).poll_read(context, &mut came))?;
            self.begun.extend_from_slice(came.filled());
            Poll::Ready(Ok(came.filled().len()))
        })
        .await
    }

    /// Whether the sender is believed to have a frame of that size: it sent half as much the last time. Not one that
    /// few senders could fill a share with.
    fn is_believed(&self, size: usize, pool: &Pool) -> bool {
        let small = size as u64 <= pool.bytes() / BELIEVED_PART;
        small && self.last.is_some_and(|last| size <= last * 2)
    }
}

fn refused(err: TooLarge) -> ConnectionEnd {
    ConnectionEnd::Refused(err.to_string())
}

/// Charges a small frame with records; it waits only if there is no memory in its own share either.
async fn reserve_small(budget: &Budget, bytes: u64) -> Result<Reservation, ConnectionEnd> {
    let free = budget
        .produce
        .try_reserve(bytes)
        .or_else(|| budget.trickle.try_reserve(bytes));
    match free {
        Some(charge) => Ok(charge),
        None => budget.produce.reserve(bytes).await.map_err(refused),
    }
}

async fn within_deadline<T>(
    read: impl Future<Output = Result<T, ConnectionEnd>>,
) -> Result<T, ConnectionEnd> {
    timeout(FRAME_DEADLINE, read)
        .await
        .map_err(|_| ConnectionEnd::SlowSender)?
}

/// Reads until `bytes` holds `size` at least, and `room` at most, which its capacity must allow for. `pool` is
/// what it is charged to.
async fn read_up_to<R: AsyncRead + Unpin>(
    reader: &mut R,
    bytes: &mut Vec<u8>,
    size: usize,
    room: usize,
    pool: &Pool,
) -> Result<(), ConnectionEnd> {
    while bytes.len() < size {
        let part = size.min(bytes.len() + PRESSED_BYTES);
        let mut pace = Pace::new(STALL_MAX);
        loop {
            let before = bytes.len();
            match timeout(PRESSED_MAX, read_part(reader, bytes, part, room)).await {
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

/// Reads until `bytes` holds `part` at least, and `room` at most. What it read is kept when it is dropped.
async fn read_part<R: AsyncRead + Unpin>(
    reader: &mut R,
    bytes: &mut Vec<u8>,
    part: usize,
    room: usize,
) -> Result<(), ConnectionEnd> {
    while bytes.len() < part {
        let free = room - bytes.len();
        let mut left = (&mut *bytes).limit(free);
        if reader.read_buf(&mut left).await? == 0 {
            return Err(cut_off());
        }
    }
    Ok(())
}

fn cut_off() -> ConnectionEnd {
    io::Error::from(io::ErrorKind::UnexpectedEof).into()
}

/// How a frame begins.
struct Start {
    size: usize,
    key: i16,
}

impl Start {
    /// That of the frame that `begun` begins with; `None` if that is too little.
    fn of(begun: &[u8]) -> Result<Option<Self>, ConnectionEnd> {
        let Some((prefix, rest)) = begun.split_first_chunk::<SIZE_BYTES>() else {
            return Ok(None);
        };
        let size = frame::frame_size(i32::from_be_bytes(*prefix));
        let size = size.map_err(|err| ConnectionEnd::Refused(err.to_string()))?;
        // A frame too short for an API key must not wait for more bytes than it has.
        if size < API_KEY_BYTES {
            return Err(ConnectionEnd::Refused(format!(
                "a request of {size} bytes has no header"
            )));
        }
        let key = rest.first_chunk::<API_KEY_BYTES>().copied();
        Ok(key.map(|key| Self {
            size,
            key: i16::from_be_bytes(key),
        }))
    }
}

#[cfg(test)]
mod tests {
    use std::pin::Pin;
    use std::task::{Context, Poll};
    use std::time::Duration;

    use tokio::io::{AsyncWriteExt, ReadBuf};

    use super::*;

    /// A stream that gives at most `at_once` bytes per call, and counts the calls.
    struct Stream {
        bytes: Vec<u8>,
        at_once: usize,
        calls: usize,
    }

    impl AsyncRead for Stream {
        fn poll_read(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            buffer: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            self.calls += 1;
            let count = self.at_once.min(buffer.remaining()).min(self.bytes.len());
            buffer.put_slice(&self.bytes[..count]);
            self.bytes.drain(..count);
            Poll::Ready(Ok(()))
        }
    }

    /// A frame of this API, of `size` bytes after its size.
    fn frame(key: i16, size: usize) -> Vec<u8> {
        let mut frame = (size as i32).to_be_bytes().to_vec();
        frame.extend_from_slice(&key.to_be_bytes());
        frame.extend((API_KEY_BYTES..size).map(|place| place as u8));
        frame
    }

    async fn read_all(sizes: &[(i16, usize)], at_once: usize, budget: &Budget) -> usize {
        let frames: Vec<_> = sizes.iter().map(|(key, size)| frame(*key, *size)).collect();
        let mut reader = FrameReader::new(Stream {
            bytes: frames.concat(),
            at_once,
            calls: 0,
        });
        for expected in frames {
            let frame = reader.read_frame(budget).await.unwrap();
            assert_eq!(frame, expected[SIZE_BYTES..]);
        }
        let calls = reader.reader.calls;
        assert!(matches!(reader.read_frame(budget).await, Err(ConnectionEnd::Eof)));
        calls
    }

    #[tokio::test]
    async fn frames_are_whole_however_they_come() {
        let sizes = [
            (0, 2),
            (18, 2),
            (0, 5_000),
            (3, 70_000),
            (0, 200_000),
            (0, 3),
            (18, 1_024),
        ];
        for at_once in [1, 5, 7, 4_096, usize::MAX] {
            read_all(&sizes, at_once, &Budget::new(0)).await;
        }
    }

    #[tokio::test]
    async fn frames_that_follow_each_other_are_read_in_one_call_each() {
        let frames = [(0, 16_000); 10];
        assert_eq!(read_all(&frames, usize::MAX, &Budget::new(0)).await, 11);
    }

    #[tokio::test]
    async fn small_frames_are_read_in_one_call_each() {
        let size = SMALL_FRAME_BYTES - SIZE_BYTES;
        for size in [2, 60, size] {
            let calls = read_all(&[(12, size); 10], SIZE_BYTES + size, &Budget::new(0)).await;
            assert_eq!(calls, 10, "{size} bytes");
        }
        // Those that come together, in fewer.
        let together = SMALL_FRAME_BYTES / (SIZE_BYTES + 60);
        let calls = read_all(&vec![(12, 60); 2 * together], usize::MAX, &Budget::new(0)).await;
        assert_eq!(calls, 2);
    }

    #[tokio::test]
    async fn where_memory_is_short_only_what_the_sender_had_before_is_believed() {
        let budget = Budget::new(0);
        let share = budget.produce.bytes();
        let _others = budget.produce.reserve(share * 4 / 5).await.unwrap();
        let sizes = [(0, 9_000), (0, 18_000), (0, 36_001)];
        // The start; then steps of 4 KiB and the rest; all at once; 4 KiB and the rest.
        assert_eq!(read_all(&sizes, usize::MAX, &budget).await, 1 + 2 + 1 + 2);
    }

    #[tokio::test]
    async fn a_frame_that_is_large_for_the_share_comes_in_steps_always() {
        let budget = Budget::new(0);
        let large = (budget.produce.bytes() / BELIEVED_PART) as usize;
        let _others = budget
            .produce
            .reserve(budget.produce.bytes() * 4 / 5)
            .await
            .unwrap();
        let calls = read_all(&[(0, large), (0, large), (0, large + 1)], usize::MAX, &budget).await;
        assert_eq!(calls, 1 + 3 + 1 + 3);
    }

    /// A sender whose frames grow to more than twice the last, and come in two parts.
    async fn growing(budget: &Budget, before: usize, size: usize) -> Result<Bytes, ConnectionEnd> {
        let (mut client, server) = tokio::io::duplex(1 << 20);
        let mut reader = FrameReader::new(server);
        let sending = async {
            let next = frame(0, size);
            let (most, rest) = next.split_at(before * 2);
            client.write_all(&frame(0, before)).await.unwrap();
            client.write_all(most).await.unwrap();
            tokio::time::sleep(Duration::from_secs(1)).await;
            client.write_all(rest).await.unwrap();
            client
        };
        let reading = async {
            drop(reader.read_frame(budget).await?);
            reader.read_frame(budget).await
        };
        tokio::join!(sending, reading).1
    }

    #[tokio::test(start_paused = true)]
    async fn frames_that_grow_do_not_wait_for_each_other() {
        let budget = Budget::new(0);
        // Together they want three times of what there is, and hold two thirds of their frames at most.
        let (before, size) = (400_000, 1_000_000);
        let count = 3 * budget.produce.bytes() as usize / size;
        let senders = (0..count).map(|_| async { growing(&budget, before, size).await.map(drop) });
        let ends = timeout(Duration::from_secs(60), futures::future::join_all(senders))
            .await
            .expect("they wait for each other");
        assert!(
            ends.iter().all(Result::is_ok),
            "{:?}",
            ends.iter().find(|end| end.is_err())
        );
    }

    /// A sender whose first frame comes in two parts.
    async fn honest(key: i16, size: usize, budget: &Budget) -> Result<Bytes, ConnectionEnd> {
        let (mut client, server) = tokio::io::duplex(4 << 20);
        let mut reader = FrameReader::new(server);
        let sending = async {
            let frame = frame(key, size);
            client.write_all(&frame[..10]).await.unwrap();
            tokio::time::sleep(Duration::from_millis(100)).await;
            client.write_all(&frame[10..]).await.unwrap();
            client
        };
        tokio::join!(sending, reader.read_frame(budget)).1
    }

    #[tokio::test(start_paused = true)]
    async fn frames_that_have_begun_do_not_wait_for_each_other() {
        let budget = &Budget::new(0);
        for (key, pool) in [(3, &budget.control), (0, &budget.produce)] {
            // Their first steps alone would fill the share; and some frames need nearly all of it.
            let share = pool.bytes() as usize;
            let small = vec![3 * FRAME_STEPS[1]; 2 * share / FRAME_STEPS[1]];
            let sizes = small.into_iter().chain([share * 9 / 10; 4]);
            let senders = sizes.map(|size| async move { honest(key, size, budget).await.map(drop) });
            let ends = timeout(Duration::from_secs(20), futures::future::join_all(senders)).await;
            let ends = ends.expect("they wait for each other");
            assert!(ends.iter().all(Result::is_ok), "{ends:?}");
            assert_eq!(pool.used(), 0);
        }
    }

    #[tokio::test]
    async fn a_frame_that_breaks_off_is_an_error() {
        for cut in [1, 4, 5, 6, 7, 4_999] {
            let mut bytes = frame(0, 10);
            bytes.extend_from_slice(&frame(0, 5_000)[..cut]);
            let mut reader = FrameReader::new(Stream {
                bytes,
                at_once: usize::MAX,
                calls: 0,
            });
            let budget = Budget::new(0);
            reader.read_frame(&budget).await.unwrap();
            assert!(
                matches!(reader.read_frame(&budget).await, Err(ConnectionEnd::Io(_))),
                "{cut}"
            );
        }
    }
}
