//! The charges of segments and chunks that responses hold on to.
//!
//! A slice keeps all alive that was loaded with it, so that is what is charged, once however many responses read
//! from it. A charge ends with the last response that shares it. Keeping somebody waiting who holds a
//! charge already could make two requests wait for each other: only the first is waited for.

use std::sync::{Arc, Weak};

use esker_model::collections::FixedMap;
use esker_storage::cache::CacheKey;
use parking_lot::Mutex;

use crate::budget::{Pool, Reservation, TooLarge};

/// The charges of segments and chunks that responses hold on to.
pub(crate) struct SegmentPins {
    pool: Arc<Pool>,
    pinned: Mutex<FixedMap<CacheKey, Weak<Reservation>>>,
}

impl SegmentPins {
    /// Charges go to `pool`.
    pub(crate) fn new(pool: Arc<Pool>) -> Self {
        Self {
            pool,
            pinned: Mutex::default(),
        }
    }

    /// Shares the charge of a part of an object, or waits for a new one.
    pub(super) async fn pin(&self, part: CacheKey, bytes: u64) -> Result<Arc<Reservation>, TooLarge> {
        if let Some(pin) = self.shared(part) {
            return Ok(pin);
        }
        let charge = self.pool.reserve(bytes.min(self.pool.bytes())).await?;
        Ok(self.keep(part, charge))
    }

    /// Shares the charge of a part of an object, or takes a new one if that is free.
    pub(super) fn try_pin(&self, part: CacheKey, bytes: u64) -> Option<Arc<Reservation>> {
        self.shared(part)
            .or_else(|| Some(self.keep(part, self.pool.try_reserve(bytes)?)))
    }

    fn shared(&self, part: CacheKey) -> Option<Arc<Reservation>> {
        self.pinned.lock().get(&part)?.upgrade()
    }

    fn keep(&self, part: CacheKey, charge: Reservation) -> Arc<Reservation> {
        let mut pinned = self.pinned.lock();
        if let Some(theirs) = pinned.get(&part).and_then(Weak::upgrade) {
            return theirs;
        }
        if pinned.len() == pinned.capacity() {
            pinned.retain(|_, pin| pin.strong_count() > 0);
        }
        let pin = Arc::new(charge);
        pinned.insert(part, Arc::downgrade(&pin));
        pin
    }
}

#[cfg(test)]
mod tests {
    use esker_model::{ClusterEpoch, IncarnationId, SegmentId, SegmentKind};
    use uuid::Uuid;

    use super::*;
    use crate::budget::Budget;

    fn id(position: u64) -> CacheKey {
        let segment = SegmentId {
            kind: SegmentKind::Archive,
            epoch: ClusterEpoch(1),
            incarnation: IncarnationId(Uuid::from_u128(1)),
            seq: 1,
        };
        CacheKey::chunk(segment, position)
    }

    #[tokio::test]
    async fn responses_that_share_a_segment_share_its_charge() {
        let pool = Arc::clone(&Budget::new(0).fetch);
        let pins = SegmentPins::new(Arc::clone(&pool));
        let bytes = pool.bytes() / 2;
        let one = pins.pin(id(1), bytes).await.unwrap();
        let same = pins.pin(id(1), bytes).await.unwrap();
        assert_eq!(pool.used(), bytes);
        let other = pins.try_pin(id(2), bytes).unwrap();
        assert!(pins.try_pin(id(3), 1).is_none());
        assert!(pins.try_pin(id(1), bytes).is_some());
        drop(one);
        assert_eq!(pool.used(), 2 * bytes);
        drop(same);
        assert_eq!(pool.used(), bytes);
        drop(other);
        assert_eq!(pool.used(), 0);
        // More than the whole share is charged as the whole share, rather than never.
        let huge = pins.pin(id(4), u64::MAX).await.unwrap();
        assert_eq!(pool.used(), pool.bytes());
        drop(huge);
    }
}
