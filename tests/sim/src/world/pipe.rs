//! A connection: bytes in order in both directions, each way with its delay.
//!
//! While the two ends cannot reach each other nothing arrives, and neither end hears of it: bytes wait, as
//! TCP would send them again. A reset loses what is on its way. An end that is dropped closes the stream;
//! the other end hears of it one way later.

use std::collections::VecDeque;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::{Buf, Bytes};
use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep};

/// Bytes on their way at once; more wait with the writer.
const WINDOW: usize = 256 * 1024;

/// How often an end that cannot be reached looks whether it can.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// What decides how a connection fares.
pub(super) trait Road: Send + Sync {
    /// Whether the ends can reach each other now.
    fn is_open(&self) -> bool;
    /// How long the next bytes take.
    fn way(&self) -> Duration;
}

#[derive(Default)]
struct Way {
    bytes: VecDeque<(Instant, Bytes)>,
    held: usize,
    end: Option<Instant>,
    reader_gone: bool,
    reader: Option<Waker>,
    writer: Option<Waker>,
    last: Option<Instant>,
}

impl Way {
    fn wake(&mut self) {
        if let Some(waker) = self.reader.take() {
            waker.wake();
        }
        if let Some(waker) = self.writer.take() {
            waker.wake();
        }
    }
}

/// The connection itself.
pub(super) struct Wire {
    ways: [Mutex<Way>; 2],
    reset: Mutex<bool>,
    road: Arc<dyn Road>,
}

impl Wire {
    /// A connection over `road`: its two ends.
    pub(super) fn open(road: Arc<dyn Road>) -> (Arc<Self>, End, End) {
        let wire = Arc::new(Self {
            ways: [Mutex::default(), Mutex::default()],
            reset: Mutex::new(false),
            road,
        });
        let end = |side| End {
            wire: Arc::clone(&wire),
            side,
            sleep: None,
        };
        let (near, far) = (end(0), end(1));
        (wire, near, far)
    }

    /// Breaks the connection: both ends get an error, and what was on its way is lost.
    pub(super) fn reset(&self) {
        *self.reset.lock() = true;
        for way in &self.ways {
            let mut way = way.lock();
            way.bytes.clear();
            way.wake();
        }
    }

    fn is_reset(&self) -> bool {
        *self.reset.lock()
    }

    fn arrival(&self, last: Option<Instant>) -> Instant {
        let at = Instant::now() + self.road.way();
        last.map_or(at, |last| last.max(at))
    }
}

/// Connections that can be reset.
#[derive(Default)]
pub(super) struct Wires(Mutex<Vec<Weak<Wire>>>);

impl Wires {
    pub(super) fn add(&self, wire: &Arc<Wire>) {
        let mut wires = self.0.lock();
        wires.retain(|wire| wire.strong_count() > 0);
        wires.push(Arc::downgrade(wire));
    }

    /// Resets those that `picked` says.
    pub(super) fn reset(&self, mut picked: impl FnMut() -> bool) {
        let wires: Vec<_> = self.0.lock().iter().filter_map(Weak::upgrade).collect();
        for wire in wires {
            if picked() {
                wire.reset();
            }
        }
    }
}

/// One end of a connection.
pub(super) struct End {
    wire: Arc<Wire>,
    side: usize,
    sleep: Option<Pin<Box<Sleep>>>,
}

impl End {
    fn outbound(&self) -> &Mutex<Way> {
        &self.wire.ways[self.side]
    }

    fn inbound(&self) -> &Mutex<Way> {
        &self.wire.ways[1 - self.side]
    }

    /// Waits until `at`, and then until the road is open.
    fn poll_arrival(&mut self, at: Instant, context: &mut Context<'_>) -> Poll<()> {
        loop {
            let now = Instant::now();
            let until = if at > now {
                at
            } else if self.wire.road.is_open() {
                self.sleep = None;
                return Poll::Ready(());
            } else {
                now + LOOK_AGAIN
            };
            let sleep = self
                .sleep
                .get_or_insert_with(|| Box::pin(tokio::time::sleep_until(until)));
            if sleep.as_ref().deadline() < now || sleep.is_elapsed() {
                sleep.as_mut().reset(until);
            }
            if sleep.as_mut().poll(context).is_pending() {
                return Poll::Pending;
            }
        }
    }
}

fn broken() -> io::Error {
    io::ErrorKind::ConnectionReset.into()
}

impl AsyncRead for End {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.wire.is_reset() {
            return Poll::Ready(Err(broken()));
        }
        let arrival = {
            let mut way = self.inbound().lock();
            way.reader = Some(context.waker().clone());
            way.bytes.front().map(|(at, _)| *at).or(way.end)
        };
        let Some(at) = arrival else {
            return Poll::Pending;
        };
        if self.poll_arrival(at, context).is_pending() {
            return Poll::Pending;
        }
        let mut way = self.inbound().lock();
        let now = Instant::now();
        let mut taken = 0;
        while into.remaining() > 0 {
            let Some((at, bytes)) = way.bytes.front_mut() else {
                break;
            };
            if *at > now {
                break;
            }
            let count = bytes.len().min(into.remaining());
            into.put_slice(&bytes[..count]);
            bytes.advance(count);
            taken += count;
            if bytes.is_empty() {
                way.bytes.pop_front();
            }
        }
        way.held -= taken;
        if let Some(writer) = way.writer.take() {
            writer.wake();
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for End {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if self.wire.is_reset() {
            return Poll::Ready(Err(broken()));
        }
        let mut way = self.outbound().lock();
        if way.reader_gone || way.end.is_some() {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        let room = WINDOW.saturating_sub(way.held);
        if room == 0 {
            way.writer = Some(context.waker().clone());
            return Poll::Pending;
        }
        let count = bytes.len().min(room);
        let at = self.wire.arrival(way.last);
        way.last = Some(at);
        way.held += count;
        way.bytes.push_back((at, Bytes::copy_from_slice(&bytes[..count])));
        if let Some(reader) = way.reader.take() {
            reader.wake();
        }
        Poll::Ready(Ok(count))
    }

    fn poll_flush(self: Pin<&mut Self>, _context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.close();
        Poll::Ready(Ok(()))
    }
}

impl End {
    fn close(&self) {
        let mut way = self.outbound().lock();
        if way.end.is_none() {
            let at = self.wire.arrival(way.last);
            way.end = Some(at);
            way.wake();
        }
    }
}

impl Drop for End {
    fn drop(&mut self) {
        self.close();
        let mut way = self.inbound().lock();
        way.reader_gone = true;
        way.wake();
    }
}
