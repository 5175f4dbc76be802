//! One client connection on any byte stream.
//!
//! `read frame → dispatch → reply`, in request order. Produce requests are taken one after the other but
//! answered when their segments are committed, so many of one connection are under way at once; every
//! other request is handled before the next frame is read, as in Kafka. Replies queue in request order.
//!
//! What holds: no more than [`PIPELINE_MAX`](limits::PIPELINE_MAX) replies wait per connection, nor, of those that the memory
//! budget is not charged for, more than [`FREE_REPLY_BYTES`]; a frame's bytes are charged to the budget
//! before they are read, unless it is small; a peer that stalls inside a frame, or does not take its replies,
//! is disconnected, and sooner when others wait for the memory that it holds. A malformed frame closes its own
//! connection and touches nothing else. All limits are in [`limits`].

#[cfg(feature = "benching")]
pub(crate) mod benching;
pub mod limits;
mod pace;
mod queue;
mod read;
pub(crate) mod turns;
mod write;

use std::pin::pin;
use std::sync::Arc;

use bytes::Bytes;
use esker_model::seams::BoxFuture;
use futures::FutureExt;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tracing::{debug, warn};

use crate::Broker;
use crate::budget::{Budget, Reservation};
use crate::config::ListenerConfig;
use crate::context::{ConnectionContext, Principal};
use crate::dispatch;
use crate::metrics::ClosedLabels;
use limits::{FIRST_REQUEST_MAX, FREE_REPLY_BYTES, IDLE_MAX, REPLY_OVERHEAD_BYTES, SLICE_OVERHEAD_BYTES};
use queue::Replies;

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
    /// Held until its size is charged.
    pub turn: Option<OwnedSemaphorePermit>,
}

impl Reply {
    /// A frame, with the memory that it holds.
    pub(crate) fn new(slices: Vec<Bytes>, hold: Option<Reservation>) -> Self {
        Self {
            slices,
            hold,
            turn: None,
        }
    }
}

/// An outcome that may still be under way.
pub(crate) enum Pending {
    /// Known.
    Now(Outcome),
    /// To be waited for, while later requests are taken.
    Later(BoxFuture<'static, Outcome>),
}

impl Pending {
    /// Waits for it.
    async fn outcome(self) -> Outcome {
        match self {
            Self::Now(outcome) => outcome,
            Self::Later(outcome) => outcome.await,
        }
    }

    /// The outcome if it is known by now; else it may still be waited for.
    fn if_ready(self) -> Result<Outcome, Self> {
        match self {
            Self::Now(outcome) => Ok(outcome),
            Self::Later(mut outcome) => outcome.as_mut().now_or_never().ok_or(Self::Later(outcome)),
        }
    }
}

/// An outcome in the queue, with its part of [`FREE_REPLY_BYTES`] until it is written.
pub(crate) struct Queued {
    pending: Pending,
    room: Option<OwnedSemaphorePermit>,
}

impl Queued {
    /// Waits until there is room for it: a small one among those of its connection, any other in the budget.
    async fn new(mut pending: Pending, free: &Arc<Semaphore>, budget: &Budget) -> Self {
        let mut room = None;
        if let Pending::Now(Outcome::Reply(reply)) = &mut pending {
            let bytes: usize = reply.slices.iter().map(Bytes::len).sum();
            let mut own = REPLY_OVERHEAD_BYTES + reply.slices.len() * SLICE_OVERHEAD_BYTES;
            if reply.hold.is_none() && bytes <= FREE_REPLY_BYTES {
                own += bytes;
            } else if reply.hold.is_none() {
                reply.hold = budget.fetch.reserve_at_most(bytes as u64).await;
            }
            reply.turn = None;
            // Many answers may share the charge of one segment: what is their own is limited here.
            let own = own.min(FREE_REPLY_BYTES) as u32;
            room = Arc::clone(free).acquire_many_owned(own).await.ok();
        }
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
    #[error("sent no request for {} s", FIRST_REQUEST_MAX.as_secs())]
    NoRequest,
    #[error("sends a request too slowly")]
    SlowSender,
    #[error("takes a reply too slowly")]
    SlowReader,
}

impl ConnectionEnd {
    /// What the client did, if it is to blame.
    fn blame(&self) -> Option<&'static str> {
        match self {
            Self::Eof | Self::Io(_) | Self::Idle => None,
            Self::Refused(_) => Some("malformed"),
            Self::NoRequest => Some("no_request"),
            Self::SlowSender => Some("slow_sender"),
            Self::SlowReader => Some("slow_reader"),
        }
    }
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
        let replies = Replies::default();
        let reading = pin!(read_requests(self, &context, reader, &replies));
        let writing = pin!(write::write_replies(writer, &replies, &self.budget, &self.turns));
        let end = queue::both(&replies, reading, writing).await;
        self.note_end(&context.peer, &end);
    }

    /// A line for a client that is to blame: one per second, however many there are.
    fn note_end(&self, peer: &str, end: &ConnectionEnd) {
        let Some(reason) = end.blame() else {
            if !matches!(end, ConnectionEnd::Eof) {
                debug!(peer, %end, "connection ended");
            }
            return;
        };
        let labels = ClosedLabels { reason };
        self.metrics.connections_closed.get_or_create(&labels).inc();
        self.refusals
            .tell(|untold| warn!(peer, untold, "closed a connection: {end}"));
    }
}

struct CountedConnection(Arc<Broker>);

impl Drop for CountedConnection {
    fn drop(&mut self) {
        self.0.metrics.connections.dec();
    }
}

/// Takes requests until the connection ends.
async fn read_requests<R: AsyncRead + Unpin>(
    broker: &Arc<Broker>,
    context: &Arc<ConnectionContext>,
    reader: R,
    replies: &Replies,
) -> ConnectionEnd {
    let mut frames = read::FrameReader::new(reader);
    let mut session = dispatch::Session::new(Arc::clone(broker), Arc::clone(context));
    let free = Arc::new(Semaphore::new(FREE_REPLY_BYTES));
    loop {
        // The place in the queue comes first: a full pipeline must not read another frame into memory.
        replies.room().await;
        let frame = match frames.read_frame(&broker.budget).await {
            Ok(frame) => frame,
            Err(end) => return end,
        };
        match session.handle(frame).await {
            Pending::Now(Outcome::Close(reason)) => return ConnectionEnd::Refused(reason),
            Pending::Now(Outcome::Silence) => {}
            pending => replies.add(Queued::new(pending, &free, &broker.budget).await),
        }
    }
}
