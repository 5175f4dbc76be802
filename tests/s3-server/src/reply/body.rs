//! The body of an answer: slices of what is stored, as they are, or bent by a fault.

use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use tokio::task::JoinHandle;
use tokio::time::Sleep;

use crate::counts::Counts;
use crate::pace::Pace;
use crate::store::{BlobFile, FILE_CHUNK_BYTES};

/// What a body that is cut off waits, so that what went before has left.
const FLUSH: Duration = Duration::from_millis(50);

/// A part of a body.
#[derive(Clone, Debug)]
pub(crate) enum Piece {
    Memory(Bytes),
    File {
        file: Arc<BlobFile>,
        offset: u64,
        bytes: u64,
    },
}

impl Piece {
    fn bytes(&self) -> u64 {
        match self {
            Self::Memory(bytes) => bytes.len() as u64,
            Self::File { bytes, .. } => *bytes,
        }
    }
}

/// What a fault does to a body.
#[derive(Clone, Debug, Default)]
pub(crate) struct Shape {
    pub(crate) bytes_per_s: Option<u64>,
    /// Ends after so many bytes; half of them for `Some(None)`.
    pub(crate) cut: Option<Option<u64>>,
    /// Which bit is wrong, modulo the body's bits.
    pub(crate) flip: Option<u64>,
}

/// A body on its way out.
pub(crate) struct ReplyBody {
    pieces: VecDeque<Piece>,
    /// The piece being sent.
    ready: Bytes,
    reading: Option<JoinHandle<io::Result<Bytes>>>,
    sleep: Option<Pin<Box<Sleep>>>,
    bytes: u64,
    sent: u64,
    pace: Option<Pace>,
    cut_at: Option<u64>,
    flushed: bool,
    flip: Option<(u64, u8)>,
    counts: Arc<Counts>,
}

impl ReplyBody {
    pub(crate) fn new(pieces: Vec<Piece>, shape: Shape, counts: Arc<Counts>) -> Self {
        let bytes = pieces.iter().map(Piece::bytes).sum();
        let cut_at = shape.cut.map(|at| at.unwrap_or(bytes / 2));
        let flip = shape.flip.filter(|_| bytes > 0);
        Self {
            pieces: pieces.into(),
            ready: Bytes::new(),
            reading: None,
            sleep: None,
            bytes,
            sent: 0,
            pace: shape.bytes_per_s.map(Pace::new),
            cut_at: cut_at.filter(|at| *at < bytes),
            flushed: false,
            flip: flip.map(|dice| ((dice >> 3) % bytes, 1 << (dice & 7))),
            counts,
        }
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Makes `self.ready` hold something, unless there is nothing left.
    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.ready.is_empty() {
            if let Some(reading) = &mut self.reading {
                let read = ready!(Pin::new(reading).poll(context));
                self.reading = None;
                self.ready = read.map_err(io::Error::other)??;
                continue;
            }
            match self.pieces.pop_front() {
                None => break,
                Some(Piece::Memory(bytes)) => self.ready = bytes,
                Some(Piece::File { file, offset, bytes }) => {
                    let now = bytes.min(FILE_CHUNK_BYTES as u64);
                    if bytes > now {
                        self.pieces.push_front(Piece::File {
                            file: Arc::clone(&file),
                            offset: offset + now,
                            bytes: bytes - now,
                        });
                    }
                    let read = move || file.read_at(offset, now as usize);
                    self.reading = Some(tokio::task::spawn_blocking(read));
                }
            }
        }
        Poll::Ready(Ok(()))
    }

    /// The bytes that go out next.
    fn take(&mut self) -> Bytes {
        let mut bytes_max = self.ready.len() as u64;
        if let Some(pace) = &self.pace {
            bytes_max = bytes_max.min(pace.step_bytes());
        }
        if let Some(cut_at) = self.cut_at {
            bytes_max = bytes_max.min(cut_at - self.sent);
        }
        let mut bytes = self.ready.split_to(bytes_max as usize);
        if let Some(pace) = &mut self.pace {
            let due = pace.due(bytes.len() as u64);
            self.sleep = Some(Box::pin(tokio::time::sleep_until(due)));
        }
        if let Some((at, mask)) = self.flip
            && let Some(at) = at.checked_sub(self.sent)
            && at < bytes.len() as u64
        {
            let mut wrong = bytes.to_vec();
            wrong[at as usize] ^= mask;
            bytes = wrong.into();
        }
        self.sent += bytes.len() as u64;
        self.counts.sent(bytes.len() as u64);
        bytes
    }
}

impl Body for ReplyBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let body = &mut *self;
        if let Some(sleep) = &mut body.sleep {
            ready!(sleep.as_mut().poll(context));
            body.sleep = None;
        }
        if body.cut_at == Some(body.sent) {
            if body.flushed {
                return Poll::Ready(Some(Err(io::Error::other("the body is cut off here"))));
            }
            body.flushed = true;
            let sleep = body.sleep.insert(Box::pin(tokio::time::sleep(FLUSH)));
            ready!(sleep.as_mut().poll(context));
        }
        if let Err(err) = ready!(body.poll_ready(context)) {
            return Poll::Ready(Some(Err(err)));
        }
        if body.ready.is_empty() {
            return Poll::Ready(None);
        }
        Poll::Ready(Some(Ok(Frame::data(body.take()))))
    }

    fn is_end_stream(&self) -> bool {
        self.sent == self.bytes
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.bytes - self.sent)
    }
}
