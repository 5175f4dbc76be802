//! One number for everything that happened: two runs of one seed must end with the same.

use std::hash::Hasher;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;

/// A running hash over events, in order. The hasher's keys are fixed.
pub struct Trace {
    hasher: Mutex<std::hash::DefaultHasher>,
    events: AtomicU64,
}

impl Default for Trace {
    fn default() -> Self {
        Self {
            hasher: Mutex::new(std::hash::DefaultHasher::new()),
            events: AtomicU64::new(0),
        }
    }
}

impl Trace {
    /// Something happened at this time: who, what, and how it ended.
    pub fn add(&self, at_us: u64, who: &str, what: &str, detail: u64) {
        let mut hasher = self.hasher.lock();
        hasher.write_u64(at_us);
        hasher.write(who.as_bytes());
        hasher.write(what.as_bytes());
        hasher.write_u64(detail);
        self.events.fetch_add(1, Ordering::Relaxed);
    }

    /// The number so far, and how many events are in it.
    pub fn digest(&self) -> (u64, u64) {
        (self.hasher.lock().finish(), self.events.load(Ordering::Relaxed))
    }
}
