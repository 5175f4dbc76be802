//! The seams of determinism: time, randomness and spawning.
//!
//! Everything that would make one run differ from the next goes through these traits. A real process
//! uses [`Seams::real`]; a simulation brings its own clock (skewed, jumping), a seeded generator and a
//! spawner that can freeze or drop all tasks of one agent. `tokio::time::sleep` and `timeout` may be
//! used directly: a simulation pauses tokio's own clock.

mod clock;
mod rng;
mod signal;
mod spawn;

use std::sync::Arc;

pub use clock::{Clock, Instant, SystemClock};
pub use rng::{Rng, SeededRng};
pub use signal::Signal;
pub use spawn::{BoxFuture, Spawner, TokioSpawner};

/// The seams that one agent is built with. Cheap to clone.
#[derive(Clone)]
pub struct Seams {
    /// Monotonic and wall time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub rng: Arc<dyn Rng>,
    /// Background tasks.
    pub spawner: Arc<dyn Spawner>,
}

impl Seams {
    /// The seams of a real process: the system's clocks, a generator seeded by the system, tokio's tasks.
    /// Must be called inside a tokio runtime.
    pub fn real() -> Self {
        Self {
            clock: Arc::new(SystemClock::new()),
            rng: Arc::new(SeededRng::from_system()),
            spawner: Arc::new(TokioSpawner::current()),
        }
    }
}
