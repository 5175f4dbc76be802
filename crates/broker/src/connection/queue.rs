//! The replies of one connection, in request order, between the half that takes requests and the one that writes replies.
//!
//! Both halves are one task, and [`both`] polls them in turn: a reply that was queued is written before the task rests, and
//! nobody has to be woken for that. (A task that wakes itself is queued behind the others, and has the runtime wake another
//! thread to take it: for a small request that costs more than everything else that is done for it.)

use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::Poll;

use parking_lot::Mutex;

use super::limits::PIPELINE_MAX;
use super::{ConnectionEnd, Queued};

/// Replies for which a connection keeps memory when none waits.
const KEPT: usize = 4;

/// The replies that wait, [`PIPELINE_MAX`] at most. Its halves are to be polled by [`both`].
#[derive(Default)]
pub(super) struct Replies(Mutex<Waiting>);

#[derive(Default)]
struct Waiting {
    replies: VecDeque<Queued>,
    /// There will be no more.
    closed: bool,
    /// The writing half has nothing to do.
    idle: bool,
}

impl Replies {
    /// Waits until there is room for another reply. There is one half that adds replies.
    pub(super) async fn room(&self) {
        poll_fn(|_| {
            if self.0.lock().replies.len() < PIPELINE_MAX {
                Poll::Ready(())
            } else {
                Poll::Pending
            }
        })
        .await;
    }

    /// Adds a reply, for which there is room.
    pub(super) fn add(&self, reply: Queued) {
        self.0.lock().replies.push_back(reply);
    }

    /// No reply is added any more.
    pub(super) fn close(&self) {
        self.0.lock().closed = true;
    }

    /// Waits for the next reply; `None`: there is none any more.
    pub(super) async fn next(&self) -> Option<Queued> {
        poll_fn(|_| {
            let mut waiting = self.0.lock();
            let next = waiting.replies.pop_front();
            waiting.idle = next.is_none() && !waiting.closed;
            if waiting.idle {
                waiting.replies.shrink_to(KEPT);
                Poll::Pending
            } else {
                Poll::Ready(next)
            }
        })
        .await
    }

    /// The next reply, if it is there.
    pub(super) fn try_next(&self) -> Option<Queued> {
        self.0.lock().replies.pop_front()
    }

    /// Whether the writing half would have something to do now.
    fn would_write(&self) -> bool {
        let waiting = self.0.lock();
        waiting.idle && (waiting.closed || !waiting.replies.is_empty())
    }
}

/// Runs both halves of a connection until the writing one ends. The reading one may end before that: the client may have
/// closed its sending side only, and what it asked for is still answered. Both are pinned by the caller: a future that is
/// moved into another one takes its room twice, in every connection.
pub(super) async fn both(
    replies: &Replies,
    mut reading: Pin<&mut impl Future<Output = ConnectionEnd>>,
    mut writing: Pin<&mut impl Future<Output = ConnectionEnd>>,
) -> ConnectionEnd {
    let mut read = None;
    poll_fn(|context| {
        loop {
            if let Poll::Ready(written) = writing.as_mut().poll(context) {
                return Poll::Ready(match read.take() {
                    None | Some(ConnectionEnd::Eof) => written,
                    Some(end) => end,
                });
            }
            // After the writing half, which makes the room that this one may wait for.
            if read.is_none()
                && let Poll::Ready(end) = reading.as_mut().poll(context)
            {
                read = Some(end);
                replies.close();
            }
            if !replies.would_write() {
                return Poll::Pending;
            }
        }
    })
    .await
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::{Context, Wake, Waker};

    use tokio::sync::oneshot;

    use super::super::{Outcome, Pending};
    use super::*;

    fn reply() -> Queued {
        Queued {
            pending: Pending::Now(Outcome::Silence),
            room: None,
        }
    }

    /// Counts how often the task is woken.
    #[derive(Default)]
    struct Woken(AtomicUsize);

    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    async fn take_all(replies: &Replies, taken: &AtomicUsize) -> ConnectionEnd {
        while replies.next().await.is_some() {
            taken.fetch_add(1, Ordering::Relaxed);
        }
        ConnectionEnd::Eof
    }

    #[test]
    fn a_reply_is_written_before_the_task_rests_and_wakes_nobody() {
        let (replies, taken, woken) = (
            Replies::default(),
            AtomicUsize::new(0),
            Arc::new(Woken::default()),
        );
        let (_client, request) = oneshot::channel::<()>();
        let reading = pin!(async {
            replies.add(reply());
            replies.add(reply());
            let _ = request.await;
            ConnectionEnd::Eof
        });
        let writing = pin!(take_all(&replies, &taken));
        let mut all = pin!(both(&replies, reading, writing));
        let waker = Waker::from(Arc::clone(&woken));
        assert!(all.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
        assert_eq!(taken.load(Ordering::Relaxed), 2);
        assert_eq!(woken.0.load(Ordering::Relaxed), 0);
    }

    #[tokio::test]
    async fn no_more_replies_wait_than_there_is_room_for() {
        let (replies, taken) = (Replies::default(), AtomicUsize::new(0));
        let most = AtomicUsize::new(0);
        let reading = pin!(async {
            for _ in 0..3 * PIPELINE_MAX {
                replies.room().await;
                replies.add(reply());
                most.fetch_max(replies.0.lock().replies.len(), Ordering::Relaxed);
            }
            ConnectionEnd::Eof
        });
        let end = both(&replies, reading, pin!(take_all(&replies, &taken))).await;
        assert!(matches!(end, ConnectionEnd::Eof));
        assert_eq!(taken.load(Ordering::Relaxed), 3 * PIPELINE_MAX);
        assert_eq!(most.load(Ordering::Relaxed), PIPELINE_MAX);
        assert!(replies.0.lock().replies.capacity() <= PIPELINE_MAX);
    }

    #[tokio::test]
    async fn what_was_asked_before_the_end_is_answered_and_the_end_is_told() {
        let (replies, taken) = (Replies::default(), AtomicUsize::new(0));
        let reading = pin!(async {
            replies.add(reply());
            ConnectionEnd::Idle
        });
        let end = both(&replies, reading, pin!(take_all(&replies, &taken))).await;
        assert!(matches!(end, ConnectionEnd::Idle));
        assert_eq!(taken.load(Ordering::Relaxed), 1);
    }

    #[tokio::test]
    async fn a_connection_that_cannot_be_written_to_ends() {
        let replies = Replies::default();
        let writing = pin!(async { ConnectionEnd::SlowReader });
        let end = both(&replies, pin!(std::future::pending()), writing).await;
        assert!(matches!(end, ConnectionEnd::SlowReader));
    }
}
