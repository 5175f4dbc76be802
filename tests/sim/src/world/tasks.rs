//! The tasks of one process: they run, stand still, or are gone.
//!
//! A process is killed between two polls of its tasks, which is at an await point of one of them; it can be
//! told to die after so many more polls, so that every await point has its turn. A paused process is not
//! polled at all: its timers pass, its connections stay open, and when it goes on it does not know.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use esker_model::seams::{BoxFuture, Spawner};
use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::task::AbortHandle;

/// Finished tasks are forgotten when so many were started since.
const FORGET_EVERY: usize = 128;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Mode {
    Running,
    Paused,
    Dead,
}

struct State {
    mode: Mode,
    parked: Vec<Waker>,
    polls_left: Option<u32>,
    tasks: Vec<AbortHandle>,
    started: usize,
}

/// The tasks of one process.
pub(super) struct Tasks {
    state: Mutex<State>,
    died: Notify,
}

impl Tasks {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self {
            state: Mutex::new(State {
                mode: Mode::Running,
                parked: Vec::new(),
                polls_left: None,
                tasks: Vec::new(),
                started: 0,
            }),
            died: Notify::new(),
        })
    }

    /// Stops polling.
    pub(super) fn pause(&self) {
        let mut state = self.state.lock();
        if state.mode == Mode::Running {
            state.mode = Mode::Paused;
        }
    }

    /// Goes on after a pause.
    pub(super) fn resume(&self) {
        let parked = {
            let mut state = self.state.lock();
            if state.mode == Mode::Paused {
                state.mode = Mode::Running;
            }
            std::mem::take(&mut state.parked)
        };
        parked.into_iter().for_each(Waker::wake);
    }

    /// Dies now.
    pub(super) fn kill(&self) {
        let tasks = {
            let mut state = self.state.lock();
            state.mode = Mode::Dead;
            state.parked.clear();
            std::mem::take(&mut state.tasks)
        };
        tasks.iter().for_each(AbortHandle::abort);
        self.died.notify_waiters();
    }

    /// Dies after so many more polls.
    pub(super) fn kill_after(&self, polls: u32) {
        self.state.lock().polls_left = Some(polls);
    }

    /// Does not die after all.
    pub(super) fn spare(&self) {
        self.state.lock().polls_left = None;
    }

    pub(super) fn is_dead(&self) -> bool {
        self.state.lock().mode == Mode::Dead
    }

    pub(super) fn is_paused(&self) -> bool {
        self.state.lock().mode == Mode::Paused
    }

    /// Waits until the process is dead.
    pub(super) async fn dead(&self) {
        loop {
            let died = self.died.notified();
            if self.is_dead() {
                return;
            }
            died.await;
        }
    }

    pub(super) fn start(self: &Arc<Self>, task: BoxFuture<'static, ()>) {
        if self.is_dead() {
            return;
        }
        let handle = tokio::task::spawn(Task {
            tasks: Arc::clone(self),
            inner: Some(task),
        })
        .abort_handle();
        let mut state = self.state.lock();
        state.started += 1;
        if state.started.is_multiple_of(FORGET_EVERY) {
            state.tasks.retain(|task| !task.is_finished());
        }
        state.tasks.push(handle);
    }

    /// A task was polled and waits again. Whether that was the process's last moment.
    fn polled(&self) -> bool {
        let mut state = self.state.lock();
        match &mut state.polls_left {
            Some(0) => {
                state.polls_left = None;
                true
            }
            Some(left) => {
                *left -= 1;
                false
            }
            None => false,
        }
    }
}

/// As the seam of a broker.
pub(super) struct ProcessSpawner(pub Arc<Tasks>);

impl Spawner for ProcessSpawner {
    fn spawn(&self, _name: &'static str, task: BoxFuture<'static, ()>) {
        self.0.start(task);
    }
}

struct Task {
    tasks: Arc<Tasks>,
    inner: Option<BoxFuture<'static, ()>>,
}

impl Future for Task {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        {
            let mut state = self.tasks.state.lock();
            match state.mode {
                Mode::Dead => {
                    drop(state);
                    self.inner = None;
                    return Poll::Ready(());
                }
                Mode::Paused => {
                    state.parked.push(context.waker().clone());
                    return Poll::Pending;
                }
                Mode::Running => {}
            }
        }
        let Some(inner) = &mut self.inner else {
            return Poll::Ready(());
        };
        let polled = inner.as_mut().poll(context);
        if polled.is_ready() {
            self.inner = None;
        }
        if self.tasks.polled() {
            let tasks = Arc::clone(&self.tasks);
            tasks.kill();
        }
        polled
    }
}
