//! Clocks: the world's, which is right, and each machine's, which is not.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use esker_model::seams::{Clock, Instant};

/// 2026-01-01, when every simulation begins.
pub const BEGINNING_MS: i64 = 1_767_225_600_000;

/// Time since the world began, as the runtime's paused clock has it.
#[derive(Clone)]
pub struct WorldClock(tokio::time::Instant);

impl WorldClock {
    /// Begins now.
    pub fn start() -> Self {
        Self(tokio::time::Instant::now())
    }

    /// Time since the beginning.
    pub fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }
}

/// The clocks of one machine. Its monotonic clock runs a little too fast or too slow and may jump forward
/// (a suspended machine); its wall clock is off and may jump in both directions.
pub struct MachineClock {
    world: WorldClock,
    drift_ppm: i64,
    suspended_us: AtomicU64,
    wall_offset_ms: AtomicI64,
}

impl MachineClock {
    /// A machine whose clocks are right.
    pub fn exact(world: WorldClock) -> Self {
        Self::new(world, 0, 0)
    }

    /// A machine whose clock gains `drift_ppm` microseconds in a second and whose wall clock is off.
    pub fn new(world: WorldClock, drift_ppm: i64, wall_offset_ms: i64) -> Self {
        Self {
            world,
            drift_ppm,
            suspended_us: AtomicU64::new(0),
            wall_offset_ms: AtomicI64::new(wall_offset_ms),
        }
    }

    /// The machine was suspended for so long.
    pub fn suspend(&self, time: Duration) {
        self.suspended_us
            .fetch_add(time.as_micros() as u64, Ordering::Relaxed);
    }

    /// Somebody set the wall clock.
    pub fn set_wall_offset(&self, ms: i64) {
        self.wall_offset_ms.store(ms, Ordering::Relaxed);
    }
}

impl Clock for MachineClock {
    fn now(&self) -> Instant {
        let elapsed = self.world.elapsed().as_micros() as i64;
        let drifted = elapsed + elapsed / 1000 * self.drift_ppm / 1000;
        // Some life before the first moment, so that subtracting never meets zero.
        let shown = 3_600_000_000 + drifted.max(0) as u64 + self.suspended_us.load(Ordering::Relaxed);
        Instant(Duration::from_micros(shown))
    }

    fn wall_ms(&self) -> i64 {
        BEGINNING_MS + self.world.elapsed().as_millis() as i64 + self.wall_offset_ms.load(Ordering::Relaxed)
    }
}
