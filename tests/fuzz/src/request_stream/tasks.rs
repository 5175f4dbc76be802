//! The broker's background tasks, kept so that one that panics fails the input, and one that never ends is found.

use std::sync::Mutex;

use esker_model::seams::{BoxFuture, Spawner};
use tokio::runtime::{Handle, Runtime};
use tokio::task::JoinHandle;

/// The broker's background tasks.
pub(super) struct Tasks {
    runtime: Handle,
    started: Mutex<Vec<(&'static str, JoinHandle<()>)>>,
}

impl Spawner for Tasks {
    fn spawn(&self, name: &'static str, task: BoxFuture<'static, ()>) {
        let handle = self.runtime.spawn(task);
        self.started.lock().unwrap().push((name, handle));
    }
}

impl Tasks {
    /// Tasks of this runtime; none yet.
    pub(super) fn on(runtime: &Runtime) -> Self {
        Self {
            runtime: runtime.handle().clone(),
            started: Mutex::default(),
        }
    }

    /// Panics if a task did.
    pub(super) async fn check(&self) {
        let ended: Vec<_> = {
            let mut started = self.started.lock().unwrap();
            started
                .extract_if(.., |(_, handle)| handle.is_finished())
                .collect()
        };
        for (name, handle) in ended {
            assert!(handle.await.is_ok(), "the task {name} panicked");
        }
    }

    pub(super) async fn any_left(&self) -> bool {
        self.check().await;
        !self.started.lock().unwrap().is_empty()
    }

    pub(super) fn names(&self) -> Vec<&'static str> {
        let started = self.started.lock().unwrap();
        started.iter().map(|(name, _)| *name).collect()
    }
}
