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
    /// What of `pool` archived records may take.
    history: Arc<Pool>,
    pinned: Mutex<FixedMap<CacheKey, Weak<Reservation>>>,
}

impl SegmentPins {
    /// Charges go to `pool`, those of archived records also to `history`.
    pub(crate) fn new(pool: Arc<Pool>, history: Arc<Pool>) -> Self {
        Self {
            pool,
            history,
            pinned: Mutex::default(),
        }
    }

    /// Shares the charge of a part of an object, or waits for a new one.
    pub(super) async fn pin(&self, part: CacheKey, bytes: u64) -> Result<Arc<Reservation>, TooLarge> {
        if let Some(pin) = self.shared(part) {
            return Ok(pin);
        }
        // In this order: nobody who holds the second charge waits for the first.
        let limit = match part.is_history() {
            true => Some(self.history.reserve(bytes.min(self.history.bytes())).await?),
            false => None,
        };
        let charge = self.pool.reserve(bytes.min(self.pool.bytes())).await?;
        Ok(self.keep(part, charge.sharing(limit.map(Arc::new))))
    }

    /// Shares the charge of a part of an object, or takes a new one if that is free.
    pub(super) fn try_pin(&self, part: CacheKey, bytes: u64) -> Option<Arc<Reservation>> {
        if let Some(pin) = self.shared(part) {
            return Some(pin);
        }
        let limit = match part.is_history() {
            true => Some(self.history.try_reserve(bytes)?),
            false => None,
        };
        let charge = self.pool.try_reserve(bytes)?;
        Some(self.keep(part, charge.sharing(limit.map(Arc::new))))
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

    fn ingest(seq: u64) -> CacheKey {
        CacheKey::whole(SegmentId {
            kind: SegmentKind::Ingest,
            epoch: ClusterEpoch(1),
            incarnation: IncarnationId(Uuid::from_u128(1)),
            seq,
        })
    }

    #[tokio::test]
    async fn responses_that_share_a_segment_share_its_charge() {
        let budget = Budget::new(0);
        let pool = Arc::clone(&budget.fetch);
        let pins = SegmentPins::new(Arc::clone(&pool), budget.history);
        let bytes = pool.bytes() / 2;
        let one = pins.pin(ingest(1), bytes).await.unwrap();
        let same = pins.pin(ingest(1), bytes).await.unwrap();
        assert_eq!(pool.used(), bytes);
        let other = pins.try_pin(ingest(2), bytes).unwrap();
        assert!(pins.try_pin(ingest(3), 1).is_none());
        assert!(pins.try_pin(ingest(1), bytes).is_some());
        drop(one);
        assert_eq!(pool.used(), 2 * bytes);
        drop(same);
        assert_eq!(pool.used(), bytes);
        drop(other);
        assert_eq!(pool.used(), 0);
        // More than the whole share is charged as the whole share, rather than never.
        let huge = pins.pin(ingest(4), u64::MAX).await.unwrap();
        assert_eq!(pool.used(), pool.bytes());
        drop(huge);
    }

    #[tokio::test]
    async fn archived_records_leave_room_for_others() {
        let budget = Budget::new(0);
        let (pool, history) = (Arc::clone(&budget.fetch), Arc::clone(&budget.history));
        let pins = SegmentPins::new(Arc::clone(&pool), Arc::clone(&history));
        let all = pins.pin(id(1), u64::MAX).await;
        assert_eq!((history.used(), pool.used()), (history.bytes(), pool.bytes()));
        drop(all);
        let all = pins.pin(id(1), history.bytes()).await.unwrap();
        assert!(pins.try_pin(id(2), 1).is_none());
        let mut next = Box::pin(pins.pin(id(2), 1));
        assert!(futures::poll!(&mut next).is_pending());
        assert!(pins.try_pin(ingest(3), pool.bytes() - history.bytes()).is_some());
        drop(all);
        assert!(next.await.is_ok());
        assert_eq!((history.used(), pool.used()), (0, 0));
    }
}
