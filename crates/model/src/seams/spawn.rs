//! Background tasks.

use std::future::Future;
use std::pin::Pin;

/// A future on the heap.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Where an agent starts its background tasks. A task ends when its future ends or the agent dies;
/// nobody waits for it, so a task that matters reports through a channel.
pub trait Spawner: Send + Sync {
    /// Starts `task`. `name` is for people who look at a running agent.
    fn spawn(&self, name: &'static str, task: BoxFuture<'static, ()>);
}

/// Tasks of a tokio runtime.
pub struct TokioSpawner(tokio::runtime::Handle);

impl TokioSpawner {
    /// Spawns on the runtime this is called in.
    pub fn current() -> Self {
        Self(tokio::runtime::Handle::current())
    }
}

impl Spawner for TokioSpawner {
    fn spawn(&self, _name: &'static str, task: BoxFuture<'static, ()>) {
        self.0.spawn(task);
    }
}
