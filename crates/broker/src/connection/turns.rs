//! Who writes much takes turns, where many do: a thread that hands megabytes to the system serves nobody else
//! meanwhile, and a small request would wait for one such call of every reader. Few readers write without a
//! pause, which is cheaper.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::limits::{TURN_BYTES, WRITERS_AT_EASE};

/// The connections that have more than [`TURN_BYTES`] to write.
#[derive(Default)]
pub(crate) struct Turns {
    writers: AtomicUsize,
}

impl Turns {
    /// A connection writes so many bytes, until what this returns is dropped.
    pub(super) fn begin(&self, bytes: usize) -> Turn<'_> {
        if bytes <= TURN_BYTES {
            return Turn(None);
        }
        self.writers.fetch_add(1, Ordering::Relaxed);
        Turn(Some(self))
    }
}

/// One connection that writes.
pub(super) struct Turn<'a>(Option<&'a Turns>);

impl Turn<'_> {
    /// Most bytes of the next call.
    pub(super) fn bytes_max(&self) -> usize {
        if self.is_crowded() { TURN_BYTES } else { usize::MAX }
    }

    /// Whether it is for others to go on, after a call that wrote so much.
    pub(super) fn is_over(&self, written: usize) -> bool {
        written >= TURN_BYTES && self.is_crowded()
    }

    fn is_crowded(&self) -> bool {
        self.0
            .is_some_and(|turns| turns.writers.load(Ordering::Relaxed) > WRITERS_AT_EASE)
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        if let Some(turns) = self.0 {
            turns.writers.fetch_sub(1, Ordering::Relaxed);
        }
    }
}
