//! The threads that do a local store's file work. They end when the store is dropped.

use std::io;
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{Semaphore, oneshot};

/// Enough that reads do not queue behind the syncs of a few parallel uploads.
const THREADS: usize = 8;
/// Work that waits for a thread; whoever brings more waits before it is queued.
const QUEUE_MAX: usize = 256;
const STACK_BYTES: usize = 256 * 1024;

type Job = Box<dyn FnOnce() + Send>;

pub(super) struct Pool {
    queue: Sender<Job>,
    slots: Arc<Semaphore>,
}

impl Pool {
    pub(super) fn start() -> io::Result<Self> {
        let (queue, jobs) = mpsc::channel::<Job>();
        let jobs = Arc::new(Mutex::new(jobs));
        for index in 0..THREADS {
            let jobs = Arc::clone(&jobs);
            std::thread::Builder::new()
                .name(format!("esker-file-{index}"))
                .stack_size(STACK_BYTES)
                .spawn(move || work(&jobs))?;
        }
        Ok(Self {
            queue,
            slots: Arc::new(Semaphore::new(QUEUE_MAX)),
        })
    }

    /// Runs `work` on one of the threads. It runs to its end even if the caller goes away. `None`: the
    /// thread ended without an answer.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Option<T> {
        let slot = Arc::clone(&self.slots).acquire_owned().await.ok()?;
        let (answer, done) = oneshot::channel();
        let job = Box::new(move || {
            let result = work();
            drop(slot);
            // Nobody may be waiting any more.
            let _ = answer.send(result);
        });
        self.queue.send(job).ok()?;
        done.await.ok()
    }
}

fn work(jobs: &Mutex<Receiver<Job>>) {
    loop {
        let next = jobs.lock().unwrap_or_else(PoisonError::into_inner).recv();
        match next {
            Ok(job) => job(),
            Err(_) => return,
        }
    }
}
