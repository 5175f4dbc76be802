//! One client connection on any byte stream.
//!
//! `read frame → dispatch → reply`, in request order. Produce requests are taken one after the other but
//! answered when their segments are committed, so many of one connection are under way at once; every
//! other request is handled before the next frame is read, as in Kafka. Replies queue in request order.
//!
//! What holds: no more than [`PIPELINE_MAX`] replies wait per connection, nor, of those that the memory
//! budget is not charged for, more than [`WAITING_BYTES_MAX`] and one; a frame's bytes are charged to the
//! budget before they are read; a peer that stalls inside a frame, or does not take its replies, is
//! disconnected. A malformed frame closes its own connection and touches nothing else.

mod read;
mod write;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use esker_model::seams::BoxFuture;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tracing::{debug, warn};

use crate::Broker;
use crate::budget::Reservation;
use crate::config::ListenerConfig;
use crate::context::{ConnectionContext, Principal};
use crate::dispatch;

/// Replies that may wait on one connection; at the limit its next frame is not read. Librdkafka sends up
/// to 1,000,000 requests ahead, so the limit must not throttle a fast producer: 1,024 requests of 16 KiB
/// cover 80 ms at 200 MB/s.
pub const PIPELINE_MAX: usize = 1024;

/// Bytes of replies that may wait on one connection, charged ones left aside; at the limit its next frame is
/// not read. Much may be asked for in a few bytes, and whoever asks need not take it.
pub const WAITING_BYTES_MAX: usize = 1024 * 1024;

/// A connection without a request is closed after this (`connections.max.idle.ms`).
pub const IDLE_MAX: Duration = Duration::from_secs(600);

/// A frame must be complete this long after its first byte.
pub const FRAME_DEADLINE: Duration = Duration::from_secs(30);

/// A sender inside a frame must send some bytes within this time.
pub const STALL_MAX: Duration = Duration::from_secs(5);

/// Bytes of a frame that must have come before all of it is charged to the memory budget.
pub const EARNEST_BYTES: usize = 64 * 1024;

/// A peer must take some bytes of a reply within this time.
pub const WRITE_STALL_MAX: Duration = Duration::from_secs(60);

/// What a request leads to.
pub(crate) enum Outcome {
    /// Send this frame.
    Reply(Reply),
    /// Send nothing (acks=0).
    Silence,
    /// Close the connection; the reason is for the log.
    Close(String),
}

/// A whole response frame.
pub(crate) struct Reply {
    /// The bytes in order.
    pub slices: Vec<Bytes>,
    /// Memory that is charged until they are written.
    pub hold: Option<Reservation>,
}

/// An outcome that may still be under way.
pub(crate) enum Pending {
    /// Known.
    Now(Outcome),
    /// To be waited for, while later requests are taken.
    Later(BoxFuture<'static, Outcome>),
}

/// An outcome in the queue, with its part of [`WAITING_BYTES_MAX`] until it is written.
pub(crate) struct Queued {
    pending: Pending,
    room: Option<OwnedSemaphorePermit>,
}

impl Queued {
    /// Waits until what is queued already leaves room for this one.
    async fn new(pending: Pending, waiting: &Arc<Semaphore>) -> Self {
        let room = match &pending {
            Pending::Now(Outcome::Reply(Reply { slices, hold: None })) => {
                let bytes: usize = slices.iter().map(Bytes::len).sum();
                let bytes = bytes.min(WAITING_BYTES_MAX) as u32;
                Arc::clone(waiting).acquire_many_owned(bytes).await.ok()
            }
            _ => None,
        };
        Self { pending, room }
    }
}

/// Why a connection ended, for the log.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConnectionEnd {
    #[error("closed by the client")]
    Eof,
    #[error("{0}")]
    Io(#[from] std::io::Error),
    #[error("{0}")]
    Refused(String),
    #[error("idle for {} s", IDLE_MAX.as_secs())]
    Idle,
    #[error("sent nothing for {} s, or not all within {} s, inside a request", STALL_MAX.as_secs(), FRAME_DEADLINE.as_secs())]
    SlowSender,
    #[error("took no byte of a reply for {} s", WRITE_STALL_MAX.as_secs())]
    SlowReader,
}

impl Broker {
    /// Serves one connection until either side ends it. Dropping the future closes the connection.
    pub async fn serve<S>(self: &Arc<Self>, stream: S, listener: Arc<ListenerConfig>, peer: String)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send,
    {
        let context = Arc::new(ConnectionContext {
            listener,
            principal: Principal::anonymous(),
            peer,
        });
        self.metrics.connections.inc();
        let _count = CountedConnection(Arc::clone(self));
        let (reader, writer) = tokio::io::split(stream);
        let (replies, queue) = mpsc::channel(PIPELINE_MAX);
        let reading = read_requests(self, &context, reader, replies);
        let writing = write::write_replies(writer, queue);
        tokio::pin!(reading, writing);
        let end = tokio::select! {
            biased;
            end = &mut writing => end,
            end = &mut reading => {
                // The client may have closed its sending side only: what it asked is still answered.
                let _ = writing.await;
                end
            }
        };
        match end {
            ConnectionEnd::Eof => {}
            end => debug!(peer = %context.peer, %end, "connection ended"),
        }
    }
}

struct CountedConnection(Arc<Broker>);

impl Drop for CountedConnection {
    fn drop(&mut self) {
        self.0.metrics.connections.dec();
    }
}

fn log_refused(broker: &Broker, context: &ConnectionContext, reason: &str) {
    broker
        .refusals
        .tell(|untold| warn!(peer = %context.peer, untold, "closed a connection: {reason}"));
}

/// Takes requests until the connection ends. When this returns, the reply queue is closed.
async fn read_requests<R: AsyncRead + Unpin>(
    broker: &Arc<Broker>,
    context: &Arc<ConnectionContext>,
    mut reader: R,
    replies: mpsc::Sender<Queued>,
) -> ConnectionEnd {
    let mut session = dispatch::Session::new(Arc::clone(broker), Arc::clone(context));
    let waiting = Arc::new(Semaphore::new(WAITING_BYTES_MAX));
    loop {
        // The place in the queue comes first: a full pipeline must not read another frame into memory.
        let Ok(place) = replies.reserve().await else {
            return ConnectionEnd::Eof;
        };
        let frame = match read::read_frame(&mut reader, &broker.budget).await {
            Ok(frame) => frame,
            Err(ConnectionEnd::Refused(reason)) => {
                log_refused(broker, context, &reason);
                return ConnectionEnd::Refused(reason);
            }
            Err(end) => return end,
        };
        match session.handle(frame).await {
            Pending::Now(Outcome::Close(reason)) => {
                log_refused(broker, context, &reason);
                return ConnectionEnd::Refused(reason);
            }
            Pending::Now(Outcome::Silence) => {}
            pending => place.send(Queued::new(pending, &waiting).await),
        }
    }
}
