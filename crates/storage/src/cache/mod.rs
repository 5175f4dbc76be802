//! Segments in memory, in front of the bucket.
//!
//! What holds: for one key, at most one load runs at a time, however many ask; what it gives goes to all
//! of them. Errors go to those who waited and are not remembered. The cache is weighed in bytes; the
//! least recently used entries leave first. A key never stands for other bytes later, so nothing is ever
//! stale and nothing needs to expire.
//!
//! A caller may stop waiting at any time: the load goes on for the others, and a load that nobody waits
//! for any more is dropped.

mod lru;
mod moka;

use async_trait::async_trait;
use bytes::Bytes;
use esker_model::planted::{Mistake, planted};
use esker_model::seams::BoxFuture;
use esker_model::{IncarnationId, ManifestId, ObjectId, SegmentId, SegmentKind};

pub use self::lru::LruCache;
pub use self::moka::MokaCache;
use crate::error::StoreError;

/// What an entry weighs beyond its bytes: key, pointers, bookkeeping.
const ENTRY_BYTES: u64 = 200;

/// Part of an object. Never used again for other bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct CacheKey {
    /// The object.
    pub object: ObjectId,
    /// Where in it the part begins. Ingest segments and manifests are kept whole: 0.
    pub position: u64,
}

impl CacheKey {
    /// A whole ingest segment.
    pub fn whole(segment: SegmentId) -> Self {
        let mut segment = segment;
        if planted(Mistake::CacheKeyTooShort) {
            segment.incarnation = IncarnationId(uuid::Uuid::nil());
        }
        Self::chunk(segment, 0)
    }

    /// The chunk of an archive segment that begins there.
    pub fn chunk(segment: SegmentId, position: u64) -> Self {
        Self {
            object: ObjectId::Segment(segment),
            position,
        }
    }

    /// A manifest.
    pub fn manifest(id: ManifestId) -> Self {
        Self {
            object: ObjectId::Manifest(id),
            position: 0,
        }
    }

    /// Whether it holds archived records, or says where they lie.
    pub fn is_history(&self) -> bool {
        match self.object {
            ObjectId::Segment(segment) => segment.kind != SegmentKind::Ingest,
            ObjectId::Manifest(_) => true,
        }
    }
}

/// Segments in memory.
#[async_trait]
pub trait SegmentCache: Send + Sync {
    /// The bytes of `key`: from memory, from a load that somebody else began, or from `load`.
    async fn get(
        &self,
        key: CacheKey,
        load: BoxFuture<'static, Result<Bytes, StoreError>>,
    ) -> Result<Bytes, StoreError>;

    /// The bytes of `key`, if they are in memory now. Counts as a use. Never waits: an entry that is just
    /// being written may be missed.
    fn peek(&self, key: &CacheKey) -> Option<Bytes>;

    /// What all entries weigh, in bytes. May lag behind by an instant.
    fn weight(&self) -> u64;

    /// Forgets one entry.
    async fn invalidate(&self, key: &CacheKey);

    /// Forgets everything.
    fn clear(&self);
}
