//! Writes replies in request order, as slices: records are not copied into one buffer, and small replies that
//! are ready together go out together. A peer that takes nothing for [`WRITE_STALL_MAX`] is disconnected, and
//! one that takes less than [`PRESSED_BYTES`] in [`PRESSED_MAX`] of an answer whose memory others wait for.

use std::io::{self, IoSlice};

use bytes::{Buf, Bytes};
use tokio::io::{AsyncWrite, AsyncWriteExt};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::timeout;

use super::limits::{PRESSED_BYTES, PRESSED_MAX, TOGETHER_BYTES, WRITE_STALL_MAX};
use super::pace::Pace;
use super::queue::Replies;
use super::turns::Turns;
use super::{ConnectionEnd, Outcome, Queued, Reply};
use crate::budget::{Budget, Reservation};

/// Slices handed to the system in one call; Linux takes up to 1,024.
const SLICES_MAX: usize = 64;

/// Writes until the queue is closed and empty, or the connection fails. Replies are charged to `budget`.
pub(super) async fn write_replies<W: AsyncWrite + Unpin>(
    mut writer: W,
    replies: &Replies,
    budget: &Budget,
    turns: &Turns,
) -> ConnectionEnd {
    let mut next = replies.next().await;
    while let Some(Queued { pending, room }) = next.take() {
        let mut together = Together::default();
        let mut close = together.add(pending.outcome().await, room);
        // One commit answers many requests: their replies go out in one call.
        while close.is_none()
            && together.has_room()
            && let Some(Queued { pending, room }) = replies.try_next()
        {
            match pending.if_ready() {
                Ok(outcome) => close = together.add(outcome, room),
                Err(pending) => {
                    next = Some(Queued { pending, room });
                    break;
                }
            }
        }
        if let Err(end) = together.write(&mut writer, budget, turns).await {
            return end;
        }
        if let Some(reason) = close {
            return ConnectionEnd::Refused(reason);
        }
        if next.is_none() {
            next = replies.next().await;
        }
    }
    let _ = writer.shutdown().await;
    ConnectionEnd::Eof
}

/// Replies that are written in one go, with what they hold until then.
#[derive(Default)]
struct Together {
    slices: Vec<Bytes>,
    bytes: usize,
    holds: Vec<Reservation>,
    rooms: Vec<OwnedSemaphorePermit>,
}

impl Together {
    /// Adds an outcome; returns the reason if it closes the connection after what was added before.
    fn add(&mut self, outcome: Outcome, room: Option<OwnedSemaphorePermit>) -> Option<String> {
        match outcome {
            Outcome::Silence => {}
            Outcome::Close(reason) => return Some(reason),
            Outcome::Reply(Reply { slices, hold, .. }) => {
                self.bytes += slices.iter().map(Bytes::len).sum::<usize>();
                self.slices.extend(slices);
                self.holds.extend(hold);
                self.rooms.extend(room);
            }
        }
        None
    }

    fn has_room(&self) -> bool {
        self.bytes < TOGETHER_BYTES && self.slices.len() < SLICES_MAX
    }

    async fn write<W: AsyncWrite + Unpin>(
        mut self,
        writer: &mut W,
        budget: &Budget,
        turns: &Turns,
    ) -> Result<(), ConnectionEnd> {
        let turn = turns.begin(self.bytes);
        let slices = &mut self.slices;
        let mut next = 0;
        let mut pace = Pace::new(WRITE_STALL_MAX);
        while next < slices.len() {
            let mut moved = 0;
            let part = async {
                while moved < PRESSED_BYTES && next < slices.len() {
                    let written = write_some(writer, &slices[next..], turn.bytes_max()).await?;
                    moved += written;
                    next = advance(slices, next, written);
                    if turn.is_over(written) {
                        tokio::task::yield_now().await;
                    }
                }
                io::Result::Ok(())
            };
            match timeout(PRESSED_MAX, part).await {
                Ok(written) => {
                    written?;
                    pace = Pace::new(WRITE_STALL_MAX);
                }
                Err(_) if pace.is_too_slow(!self.holds.is_empty() && is_wanted(budget), moved > 0) => {
                    return Err(ConnectionEnd::SlowReader);
                }
                Err(_) => {}
            }
        }
        timeout(WRITE_STALL_MAX, writer.flush())
            .await
            .map_err(|_| ConnectionEnd::SlowReader)??;
        Ok(())
    }
}

/// Whether somebody waits for memory that replies hold: records in them are charged to producers, too.
fn is_wanted(budget: &Budget) -> bool {
    budget.fetch.is_wanted()
        || budget.history.is_wanted()
        || budget.decoded.is_wanted()
        || budget.produce.is_wanted()
}

async fn write_some<W: AsyncWrite + Unpin>(
    writer: &mut W,
    slices: &[Bytes],
    bytes_max: usize,
) -> io::Result<usize> {
    let mut vector = [IoSlice::new(&[]); SLICES_MAX];
    let (mut count, mut bytes) = (0, 0);
    for (place, slice) in vector.iter_mut().zip(slices) {
        if bytes == bytes_max {
            break;
        }
        let part = &slice[..slice.len().min(bytes_max - bytes)];
        *place = IoSlice::new(part);
        bytes += part.len();
        count += 1;
    }
    let written = match &vector[..count] {
        // The usual small reply: the system has less to look at.
        [one] => writer.write(one).await?,
        several => writer.write_vectored(several).await?,
    };
    match written {
        0 if bytes > 0 => Err(io::Error::from(io::ErrorKind::WriteZero)),
        written => Ok(written),
    }
}

/// Drops what was written, so that its memory is free before the rest is; returns the first unwritten slice.
fn advance(slices: &mut [Bytes], mut next: usize, mut written: usize) -> usize {
    while let Some(slice) = slices.get_mut(next) {
        if slice.len() > written {
            slice.advance(written);
            break;
        }
        written -= slice.len();
        *slice = Bytes::new();
        next += 1;
    }
    next
}

#[cfg(test)]
mod tests {
    use std::pin::Pin;
    use std::task::{Context, Poll};

    use tokio::io::AsyncReadExt;
    use tokio::sync::oneshot;

    use super::super::Pending;
    use super::super::limits::{TURN_BYTES, WRITERS_AT_EASE};
    use super::*;

    #[test]
    fn advances_over_whole_and_partial_slices() {
        let mut slices = vec![
            Bytes::from_static(b"ab"),
            Bytes::new(),
            Bytes::from_static(b"cdef"),
        ];
        let next = advance(&mut slices, 0, 3);
        assert_eq!((next, &slices[2][..]), (2, &b"def"[..]));
        assert_eq!(advance(&mut slices, next, 3), 3);
    }

    /// A stream that takes everything and counts the calls.
    #[derive(Default)]
    struct Counted {
        bytes: Vec<u8>,
        calls: usize,
    }

    impl AsyncWrite for Counted {
        fn poll_write(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            bytes: &[u8],
        ) -> Poll<io::Result<usize>> {
            self.calls += 1;
            self.bytes.extend_from_slice(bytes);
            Poll::Ready(Ok(bytes.len()))
        }

        fn poll_write_vectored(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            slices: &[IoSlice<'_>],
        ) -> Poll<io::Result<usize>> {
            self.calls += 1;
            slices
                .iter()
                .for_each(|slice| self.bytes.extend_from_slice(slice));
            Poll::Ready(Ok(slices.iter().map(|slice| slice.len()).sum()))
        }

        fn is_write_vectored(&self) -> bool {
            true
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    fn reply(byte: u8) -> Outcome {
        Outcome::Reply(Reply::new(vec![Bytes::from(vec![byte; 10])], None))
    }

    fn queue_of(outcomes: Vec<Pending>) -> Replies {
        let queue = Replies::default();
        for pending in outcomes {
            queue.add(Queued { pending, room: None });
        }
        queue.close();
        queue
    }

    #[tokio::test]
    async fn replies_that_are_ready_together_are_one_call() {
        let mut stream = Counted::default();
        let (answer, later) = oneshot::channel();
        let later = Pending::Later(Box::pin(async move { later.await.unwrap() }));
        let queue = queue_of(vec![
            Pending::Now(reply(1)),
            Pending::Later(Box::pin(async { reply(2) })),
            later,
            Pending::Now(Outcome::Silence),
            Pending::Now(reply(4)),
        ]);
        let budget = Budget::new(0);
        let answers = async {
            tokio::task::yield_now().await;
            answer.send(reply(3)).ok().unwrap();
        };
        let turns = Turns::default();
        tokio::join!(write_replies(&mut stream, &queue, &budget, &turns), answers);
        let expected: Vec<u8> = [1, 2, 3, 4].into_iter().flat_map(|byte| [byte; 10]).collect();
        assert_eq!((stream.bytes, stream.calls), (expected, 2));
    }

    #[tokio::test]
    async fn large_replies_are_not_gathered() {
        let mut stream = Counted::default();
        let large = || Outcome::Reply(Reply::new(vec![Bytes::from(vec![1; TOGETHER_BYTES - 1])], None));
        let queue = queue_of((0..5).map(|_| Pending::Now(large())).collect());
        write_replies(&mut stream, &queue, &Budget::new(0), &Turns::default()).await;
        assert_eq!((stream.bytes.len(), stream.calls), (5 * (TOGETHER_BYTES - 1), 3));
    }

    #[tokio::test(start_paused = true)]
    async fn a_stall_ends_when_something_is_taken() {
        let (mut client, server) = tokio::io::duplex(PRESSED_BYTES);
        let slices = vec![Bytes::from(vec![1; 4 * PRESSED_BYTES])];
        let queue = queue_of(vec![Pending::Now(Outcome::Reply(Reply::new(slices, None)))]);
        let read = async {
            let mut bytes = vec![0; PRESSED_BYTES];
            for pause in [WRITE_STALL_MAX - PRESSED_MAX, PRESSED_MAX * 2] {
                tokio::time::sleep(pause).await;
                client.read_exact(&mut bytes).await.unwrap();
            }
            client.read_to_end(&mut bytes).await.unwrap()
        };
        let budget = Budget::new(0);
        let turns = Turns::default();
        let (_, rest) = tokio::join!(write_replies(server, &queue, &budget, &turns), read);
        assert_eq!(rest, 2 * PRESSED_BYTES);
    }

    #[tokio::test]
    async fn what_closes_a_connection_comes_after_the_replies_before_it() {
        let mut stream = Counted::default();
        let queue = queue_of(vec![
            Pending::Now(reply(1)),
            Pending::Now(Outcome::Close("why".to_owned())),
            Pending::Now(reply(2)),
        ]);
        let end = write_replies(&mut stream, &queue, &Budget::new(0), &Turns::default()).await;
        assert!(matches!(end, ConnectionEnd::Refused(why) if why == "why"));
        assert_eq!(stream.bytes, [1; 10]);
    }

    #[tokio::test]
    async fn writes_more_slices_than_one_call_takes_through_a_narrow_stream() {
        let (client, server) = tokio::io::duplex(7);
        let slices: Vec<_> = (0..200u8)
            .map(|byte| Bytes::from(vec![byte; usize::from(byte % 5)]))
            .collect();
        let expected: Vec<u8> = slices.iter().flat_map(|slice| slice.to_vec()).collect();
        let queue = queue_of(vec![Pending::Now(Outcome::Reply(Reply::new(slices, None)))]);
        let read = async {
            let mut client = client;
            let mut bytes = Vec::new();
            client.read_to_end(&mut bytes).await.unwrap();
            bytes
        };
        let budget = Budget::new(0);
        let turns = Turns::default();
        let (_, bytes) = tokio::join!(write_replies(server, &queue, &budget, &turns), read);
        assert_eq!(bytes, expected);
    }

    #[tokio::test]
    async fn many_who_write_much_take_turns() {
        for (others, calls) in [(0, 1), (WRITERS_AT_EASE, 4)] {
            let turns = Turns::default();
            let _others: Vec<_> = (0..others).map(|_| turns.begin(usize::MAX)).collect();
            let slices = [1, 3 * TURN_BYTES].map(|bytes| Bytes::from(vec![7; bytes]));
            let reply = Reply::new(slices.to_vec(), None);
            let queue = queue_of(vec![Pending::Now(Outcome::Reply(reply))]);
            let mut stream = Counted::default();
            write_replies(&mut stream, &queue, &Budget::new(0), &turns).await;
            assert_eq!((stream.calls, stream.bytes.len()), (calls, 3 * TURN_BYTES + 1));
        }
    }
}
