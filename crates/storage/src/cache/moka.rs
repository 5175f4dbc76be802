//! The cache of real agents: moka, which scales to many threads.

use async_trait::async_trait;
use bytes::Bytes;
use esker_model::seams::BoxFuture;
use futures::FutureExt;
use moka::future::Cache;
use moka::policy::EvictionPolicy;
use rustc_hash::FxBuildHasher;

use super::{CacheKey, ENTRY_BYTES, SegmentCache};
use crate::error::StoreError;

/// A cache on moka. Evicts the least recently used: its frequency sketch would refuse the newest
/// segment, which every consumer at the tail is about to ask for.
pub struct MokaCache(Cache<CacheKey, Bytes, FxBuildHasher>);

impl MokaCache {
    /// A cache of at most `bytes_max`. An entry larger than that is handed out and not kept.
    pub fn new(bytes_max: u64) -> Self {
        let cache = Cache::builder()
            .max_capacity(bytes_max)
            .weigher(|_, bytes: &Bytes| u32::try_from(bytes.len() as u64 + ENTRY_BYTES).unwrap_or(u32::MAX))
            .eviction_policy(EvictionPolicy::lru())
            .build_with_hasher(FxBuildHasher);
        Self(cache)
    }
}

#[async_trait]
impl SegmentCache for MokaCache {
    async fn get(
        &self,
        key: CacheKey,
        load: BoxFuture<'static, Result<Bytes, StoreError>>,
    ) -> Result<Bytes, StoreError> {
        self.0.try_get_with(key, load).await.map_err(|err| (*err).clone())
    }

    fn peek(&self, key: &CacheKey) -> Option<Bytes> {
        self.0.get(key).now_or_never().flatten()
    }

    fn weight(&self) -> u64 {
        self.0.weighted_size()
    }

    async fn invalidate(&self, key: &CacheKey) {
        self.0.invalidate(key).await;
    }

    fn clear(&self) {
        self.0.invalidate_all();
    }
}
