//! Those who wait for a partition to grow.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use esker_model::PartitionKey;
use esker_model::planted::{Mistake, planted};
use tokio::sync::Notify;

use super::HotIndex;
use super::log::Growth;

/// One request that waits for bytes on any of its partitions.
pub(super) struct Waiter {
    /// Bytes that are still wanted before it is worth waking up.
    wanted: AtomicU64,
    wake: Notify,
}

impl Waiter {
    pub(super) fn new(wanted: u64) -> Self {
        Self {
            wanted: AtomicU64::new(wanted.max(1)),
            wake: Notify::new(),
        }
    }

    /// Hears what a partition grew by.
    pub(super) fn hear(&self, growth: Growth) {
        let bytes = match growth {
            Growth::None => return,
            Growth::Bytes(bytes) => bytes,
            Growth::Unknown => u64::MAX,
        };
        let left = |wanted: u64| Some(wanted.saturating_sub(bytes));
        let before = self
            .wanted
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, left);
        if before.is_ok_and(|before| before <= bytes) && !planted(Mistake::DropWakeUp) {
            self.wake.notify_one();
        }
    }
}

/// A registered waiter. Dropping it ends the registration.
pub(crate) struct Waiting<'a> {
    pub(super) index: &'a HotIndex,
    pub(super) id: u64,
    pub(super) partitions: Vec<PartitionKey>,
    pub(super) waiter: Arc<Waiter>,
}

impl Waiting<'_> {
    /// Waits until the wanted bytes are there, or something changed that has to be looked at.
    pub(crate) async fn woken(&self) {
        self.waiter.wake.notified().await;
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.index.unregister(self.id, &self.partitions);
    }
}
