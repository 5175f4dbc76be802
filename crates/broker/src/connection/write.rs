//! Writes replies in request order, as slices: records are not copied into one buffer. A peer that takes
//! nothing for [`WRITE_STALL_MAX`] is disconnected, and one that takes less than [`PRESSED_BYTES`] in
//! [`PRESSED_MAX`] of an answer whose memory others wait for.

use std::io::{self, IoSlice};

use bytes::{Buf, Bytes};
use tokio::io::{AsyncWrite, AsyncWriteExt};
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::limits::{PRESSED_BYTES, PRESSED_MAX, WRITE_STALL_MAX};
use super::pace::Pace;
use super::{ConnectionEnd, Outcome, Pending, Queued, Reply};
use crate::budget::Budget;

/// Slices handed to the system in one call; Linux takes up to 1,024.
const SLICES_MAX: usize = 64;

/// Writes until the queue is closed and empty, or the connection fails. Replies are charged to `budget`.
pub(super) async fn write_replies<W: AsyncWrite + Unpin>(
    mut writer: W,
    mut queue: mpsc::Receiver<Queued>,
    budget: &Budget,
) -> ConnectionEnd {
    while let Some(Queued { pending, room }) = queue.recv().await {
        let outcome = match pending {
            Pending::Now(outcome) => outcome,
            Pending::Later(outcome) => outcome.await,
        };
        match outcome {
            Outcome::Silence => {}
            Outcome::Close(reason) => return ConnectionEnd::Refused(reason),
            Outcome::Reply(reply) => {
                if let Err(end) = write_reply(&mut writer, reply, budget).await {
                    return end;
                }
                drop(room);
            }
        }
    }
    let _ = writer.shutdown().await;
    ConnectionEnd::Eof
}

async fn write_reply<W: AsyncWrite + Unpin>(
    writer: &mut W,
    reply: Reply,
    budget: &Budget,
) -> Result<(), ConnectionEnd> {
    let Reply { mut slices, hold, .. } = reply;
    let mut next = 0;
    let mut pace = Pace::new(WRITE_STALL_MAX);
    while next < slices.len() {
        let mut moved = 0;
        let part = async {
            while moved < PRESSED_BYTES && next < slices.len() {
                let written = write_some(writer, &slices[next..]).await?;
                moved += written;
                next = advance(&mut slices, next, written);
            }
            io::Result::Ok(())
        };
        match timeout(PRESSED_MAX, part).await {
            Ok(written) => written?,
            Err(_) if pace.is_too_slow(hold.is_some() && is_wanted(budget), moved > 0) => {
                return Err(ConnectionEnd::SlowReader);
            }
            Err(_) => {}
        }
    }
    timeout(WRITE_STALL_MAX, writer.flush())
        .await
        .map_err(|_| ConnectionEnd::SlowReader)??;
    drop(hold);
    Ok(())
}

/// Whether somebody waits for memory that replies hold: records in them are charged to producers, too.
fn is_wanted(budget: &Budget) -> bool {
    budget.fetch.is_wanted() || budget.decoded.is_wanted() || budget.produce.is_wanted()
}

async fn write_some<W: AsyncWrite + Unpin>(writer: &mut W, slices: &[Bytes]) -> io::Result<usize> {
    let mut vector = [IoSlice::new(&[]); SLICES_MAX];
    let count = slices.len().min(SLICES_MAX);
    for (place, slice) in vector.iter_mut().zip(slices) {
        *place = IoSlice::new(slice);
    }
    match writer.write_vectored(&vector[..count]).await? {
        0 if slices.iter().take(count).any(|slice| !slice.is_empty()) => {
            Err(io::Error::from(io::ErrorKind::WriteZero))
        }
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

    #[tokio::test]
    async fn writes_more_slices_than_one_call_takes_through_a_narrow_stream() {
        let (client, server) = tokio::io::duplex(7);
        let slices: Vec<_> = (0..200u8)
            .map(|byte| Bytes::from(vec![byte; usize::from(byte % 5)]))
            .collect();
        let expected: Vec<u8> = slices.iter().flat_map(|slice| slice.to_vec()).collect();
        let (sender, queue) = mpsc::channel(1);
        let read = async {
            use tokio::io::AsyncReadExt;
            let mut client = client;
            let mut bytes = Vec::new();
            client.read_to_end(&mut bytes).await.unwrap();
            bytes
        };
        let write = async {
            let pending = Pending::Now(Outcome::Reply(Reply::new(slices, None)));
            sender.send(Queued { pending, room: None }).await.ok().unwrap();
            drop(sender);
        };
        let budget = Budget::new(0);
        let (_, bytes, ()) = tokio::join!(write_replies(server, queue, &budget), read, write);
        assert_eq!(bytes, expected);
    }
}
