//! One connection to one host, as Kafka's clients use it: many requests in flight, answers in their order.
//!
//! A request that gets no answer in time takes the whole connection with it, and so does the end of the
//! stream: everything in flight is then [`Lost`], in the order in which it was sent. Nobody can say what
//! became of it. A closed link stays closed.
//!
//! An answer that breaks the protocol (another correlation id, bytes that are no response) is told to the
//! history as fatal for the client, because it would be for a real one, and closes the link.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use esker_history::What;
use esker_history::event::Life;
use esker_protocol::client::{self, ClientRequest};
use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::{mpsc, oneshot};
use tokio::task::AbortHandle;

use super::ClientContext;
use crate::net::Connection;

/// No answer came, and none will.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Lost;

/// An answer longer than this is none.
const FRAME_BYTES_MAX: usize = 128 << 20;

/// An open connection. Clones are the same connection; the last one to be dropped closes it.
#[derive(Clone)]
pub struct Link(Arc<Shared>);

struct Shared {
    ctx: ClientContext,
    life: Life,
    frames: mpsc::UnboundedSender<Bytes>,
    state: Arc<Mutex<State>>,
    task: AbortHandle,
}

#[derive(Default)]
struct State {
    closed: bool,
    correlation: i32,
    waiting: VecDeque<(i32, oneshot::Sender<Bytes>)>,
}

impl State {
    fn close(&mut self) {
        self.closed = true;
        // Front to back: who asked first learns first.
        for (_, asker) in self.waiting.drain(..) {
            drop(asker);
        }
    }
}

impl Link {
    /// Takes over a connection that was just made.
    pub fn new(ctx: &ClientContext, connection: Connection) -> Self {
        let (frames, queue) = mpsc::unbounded_channel();
        let state = Arc::new(Mutex::new(State::default()));
        let (reader, writer) = tokio::io::split(connection.stream);
        let task = tokio::spawn({
            let (ctx, state) = (ctx.clone(), Arc::clone(&state));
            async move {
                tokio::select! {
                    biased;
                    why = read(reader, &state) => {
                        if let Some(why) = why {
                            protest(&ctx, why);
                        }
                    }
                    () = write(writer, queue) => {}
                }
                state.lock().close();
            }
        });
        Self(Arc::new(Shared {
            ctx: ctx.clone(),
            life: connection.life,
            frames,
            state,
            task: task.abort_handle(),
        }))
    }

    /// The life of the agent at the other end.
    pub fn life(&self) -> Life {
        self.0.life
    }

    /// Whether requests may still be sent.
    pub fn is_open(&self) -> bool {
        !self.0.state.lock().closed
    }

    /// Ends the connection; everything in flight is lost.
    pub fn close(&self) {
        self.0.task.abort();
        self.0.state.lock().close();
    }

    /// Sends a request at once, after those that were sent before, and returns the wait for its answer.
    /// `patience` counts from now.
    pub fn send<R>(
        &self,
        version: i16,
        request: &R,
        patience: Duration,
    ) -> impl Future<Output = Result<R::Response, Lost>> + Send + 'static + use<R>
    where
        R: ClientRequest + 'static,
        R::Response: Send,
    {
        let deadline = tokio::time::Instant::now() + patience;
        let answer = self.enqueue(version, request);
        let link = self.clone();
        async move {
            let answer = answer.ok_or(Lost)?;
            let frame = match tokio::time::timeout_at(deadline, answer).await {
                Ok(Ok(frame)) => frame,
                Ok(Err(_)) => return Err(Lost),
                Err(_) => {
                    link.close();
                    return Err(Lost);
                }
            };
            match client::decode_response::<R>(version, frame) {
                Ok((_, response)) => Ok(response),
                Err(error) => {
                    protest(&link.0.ctx, format!("an answer cannot be read: {error}"));
                    link.close();
                    Err(Lost)
                }
            }
        }
    }

    fn enqueue<R: ClientRequest>(&self, version: i16, request: &R) -> Option<oneshot::Receiver<Bytes>> {
        let (asker, answer) = oneshot::channel();
        let mut state = self.0.state.lock();
        if state.closed {
            return None;
        }
        state.correlation += 1;
        let header = client::request_header::<R>(version, state.correlation, &self.0.ctx.name);
        match client::encode_request(&header, request) {
            Ok(frame) => {
                let correlation = state.correlation;
                state.waiting.push_back((correlation, asker));
                // Fails only when the task has ended; the waiting ones are then dropped by it.
                self.0.frames.send(frame).ok()?;
                Some(answer)
            }
            Err(error) => {
                drop(state);
                protest(&self.0.ctx, format!("a request cannot be written: {error}"));
                None
            }
        }
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Tells the history that an agent broke the protocol.
pub fn protest(ctx: &ClientContext, why: String) {
    ctx.record.tell(ctx.me, What::Fatal { error: -1, why });
}

/// Hands answers to those who wait, until the stream ends. Returns what broke the protocol, if that did.
async fn read(mut stream: impl AsyncRead + Unpin, state: &Mutex<State>) -> Option<String> {
    loop {
        let size = stream.read_i32().await.ok()?;
        let size = match usize::try_from(size) {
            Ok(size) if (4..=FRAME_BYTES_MAX).contains(&size) => size,
            _ => return Some(format!("an answer of {size} bytes")),
        };
        let mut frame = vec![0; size];
        stream.read_exact(&mut frame).await.ok()?;
        let correlation = client::correlation_id(&frame);
        let waiting = state.lock().waiting.pop_front();
        match waiting {
            Some((expected, asker)) if Some(expected) == correlation => {
                // Who asked may have gone away.
                let _ = asker.send(Bytes::from(frame));
            }
            Some((expected, _)) => {
                return Some(format!("answer {correlation:?} came where {expected} belongs"));
            }
            None => return Some(format!("answer {correlation:?} belongs to no request")),
        }
    }
}

/// Writes frames in their order, until the stream ends.
async fn write(mut stream: impl AsyncWrite + Unpin, mut frames: mpsc::UnboundedReceiver<Bytes>) {
    while let Some(frame) = frames.recv().await {
        if stream.write_all(&frame).await.is_err() || stream.flush().await.is_err() {
            return;
        }
    }
}
