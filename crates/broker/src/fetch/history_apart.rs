//! One cache out of two: chunks of archive segments, and manifests, are kept apart from ingest segments.
//!
//! What holds: whoever reads history from its beginning pushes nothing out that consumers at the tail are about to
//! ask for, nor the other way round. A key belongs to one of the two, so all that holds of a cache holds here.

use async_trait::async_trait;
use bytes::Bytes;
use esker_model::seams::BoxFuture;
use esker_storage::StoreError;
use esker_storage::cache::{CacheKey, SegmentCache};

/// A cache for ingest segments and one for archive segments.
pub struct HistoryApart<C> {
    recent: C,
    history: C,
}

impl<C: SegmentCache> HistoryApart<C> {
    /// Keeps archive segments in `history`, all others in `recent`.
    pub fn new(recent: C, history: C) -> Self {
        Self { recent, history }
    }

    fn of(&self, key: &CacheKey) -> &C {
        if key.is_history() {
            &self.history
        } else {
            &self.recent
        }
    }
}

#[async_trait]
impl<C: SegmentCache> SegmentCache for HistoryApart<C> {
    async fn get(
        &self,
        key: CacheKey,
        load: BoxFuture<'static, Result<Bytes, StoreError>>,
    ) -> Result<Bytes, StoreError> {
        self.of(&key).get(key, load).await
    }

    fn peek(&self, key: &CacheKey) -> Option<Bytes> {
        self.of(key).peek(key)
    }

    fn weight(&self) -> u64 {
        self.recent.weight() + self.history.weight()
    }

    async fn invalidate(&self, key: &CacheKey) {
        self.of(key).invalidate(key).await;
    }

    fn clear(&self) {
        self.recent.clear();
        self.history.clear();
    }
}

#[cfg(test)]
mod tests {
    use esker_model::{ClusterEpoch, IncarnationId, SegmentId, SegmentKind};
    use esker_storage::cache::LruCache;
    use uuid::Uuid;

    use super::*;

    fn key(kind: SegmentKind, position: u64) -> CacheKey {
        let segment = SegmentId {
            kind,
            epoch: ClusterEpoch(1),
            incarnation: IncarnationId(Uuid::from_u128(1)),
            seq: 1,
        };
        CacheKey::chunk(segment, position)
    }

    #[tokio::test]
    async fn history_pushes_out_nothing_but_history() {
        let cache = HistoryApart::new(LruCache::new(10_000), LruCache::new(10_000));
        let put = |key| {
            let load = Box::pin(async { Ok(Bytes::from(vec![7; 4_000])) });
            cache.get(key, load)
        };
        let tail = key(SegmentKind::Ingest, 0);
        put(tail).await.unwrap();
        for position in 0..9 {
            put(key(SegmentKind::Archive, position)).await.unwrap();
        }
        assert!(cache.peek(&tail).is_some());
        assert!(cache.peek(&key(SegmentKind::Archive, 0)).is_none());
        assert!(cache.peek(&key(SegmentKind::Archive, 8)).is_some());
        assert!((12_000..20_000).contains(&cache.weight()));
        cache.invalidate(&tail).await;
        assert!(cache.peek(&tail).is_none());
        cache.clear();
        assert_eq!(cache.weight(), 0);
    }
}
