//! Where calls run: on a thread of their own (a file, whose fsync blocks), or in place (memory).
//!
//! The queue is bounded: when it is full, callers wait. A thread that died answers nobody any more:
//! calls under way learn that their outcome is unknown, later ones that the metastore is unavailable.

use std::fs::File;
use std::sync::{Mutex, PoisonError};
use std::thread::JoinHandle;

use tokio::sync::{mpsc, oneshot};

use super::database::Database;
use crate::{MetastoreError, Result};

/// Calls that may wait for the thread. More wait for a place in the queue.
const QUEUE: usize = 256;

type Job = Box<dyn FnOnce(&mut Database) + Send>;

pub(super) enum Executor {
    Inline(Mutex<Database>),
    Thread(Worker),
}

impl Executor {
    pub(super) fn inline(database: Database) -> Self {
        Self::Inline(Mutex::new(database))
    }

    /// Starts the thread. It keeps `lock`, if there is one, until the database is closed.
    pub(super) fn thread(database: Database, lock: Option<File>) -> Result<Self> {
        let (queue, mut jobs) = mpsc::channel::<Job>(QUEUE);
        let run = move || {
            let mut database = database;
            while let Some(job) = jobs.blocking_recv() {
                job(&mut database);
            }
            // The database first: the directory is free only once its files are closed.
            drop(database);
            drop(lock);
        };
        let thread = std::thread::Builder::new()
            .name("esker-sqlite".to_owned())
            .spawn(run)
            .map_err(|error| MetastoreError::Unavailable(format!("cannot start a thread: {error}")))?;
        Ok(Self::Thread(Worker {
            queue: Some(queue),
            thread: Some(thread),
        }))
    }

    pub(super) async fn run<T, F>(&self, call: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&mut Database) -> Result<T> + Send + 'static,
    {
        match self {
            Self::Inline(database) => {
                // After a panic inside a call its transaction was rolled back while unwinding.
                let mut database = database.lock().unwrap_or_else(PoisonError::into_inner);
                call(&mut database)
            }
            Self::Thread(worker) => worker.run(call).await,
        }
    }
}

pub(super) struct Worker {
    /// `None` only while dropping.
    queue: Option<mpsc::Sender<Job>>,
    thread: Option<JoinHandle<()>>,
}

impl Worker {
    async fn run<T, F>(&self, call: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&mut Database) -> Result<T> + Send + 'static,
    {
        let ended = || MetastoreError::Unavailable("the SQLite thread has ended".to_owned());
        let queue = self.queue.as_ref().ok_or_else(ended)?;
        let (reply, answer) = oneshot::channel();
        let job: Job = Box::new(move |database| {
            // Nobody listens any more if the caller went away.
            let _ = reply.send(call(database));
        });
        queue.send(job).await.map_err(|_| ended())?;
        answer.await.unwrap_or_else(|_| {
            Err(MetastoreError::UnknownOutcome(
                "the SQLite thread ended during the call".to_owned(),
            ))
        })
    }
}

impl Drop for Worker {
    /// Waits for the queued calls, so that the directory can be opened again at once.
    fn drop(&mut self) {
        self.queue = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
