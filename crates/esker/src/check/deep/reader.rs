//! Reading the bucket: a few objects at a time, no faster than it may be, counted; waiting while it does not answer.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use esker_metastore::ChunkRange;
use esker_model::seams::Instant;
use esker_model::{ManifestId, SegmentId};
use esker_storage::cache::{CacheKey, MokaCache, SegmentCache};
use esker_storage::cluster_file::{self, ClusterFile};
use esker_storage::{Bucket, StoreError};
use tokio::sync::{Mutex, Semaphore};

use super::progress::Progress;
use crate::failure::{Failure, Outcome};
use crate::settings::secret::SecretUrl;

/// Objects, or chunks, that are read or verified at a time. Ingest segments have up to 64 MiB, chunks usually 4.
pub(super) const READS_AT_ONCE: usize = 4;

/// Chunks that several partitions share stay in memory so far.
const CACHE_BYTES: u64 = 64 << 20;

/// How long a store that does not answer is waited for, and how often it is asked.
pub(super) const PATIENCE: Duration = Duration::from_secs(120);
pub(super) const RETRY: Duration = Duration::from_secs(2);

/// The bucket.
pub(super) struct Reader {
    wire: Arc<Wire>,
    cache: MokaCache,
    slots: Semaphore,
    url: SecretUrl,
}

/// What requests go through.
struct Wire {
    bucket: Bucket,
    bytes_per_second: Option<u64>,
    /// When the next request may begin.
    next: Mutex<Instant>,
    progress: Arc<Progress>,
}

impl Wire {
    /// Waits for a turn to read so many bytes, and as long as they take.
    async fn turn(&self, bytes: u64) {
        let Some(rate) = self.bytes_per_second else { return };
        let takes = Duration::from_secs_f64(bytes as f64 / rate as f64);
        let now = self.bucket.seams().clock.now();
        let over = {
            let mut next = self.next.lock().await;
            *next = (*next).max(now).plus(takes);
            *next
        };
        tokio::time::sleep(over - now).await;
    }

    fn counted(&self, read: Result<Bytes, StoreError>) -> Result<Bytes, StoreError> {
        if let Ok(bytes) = &read {
            self.progress.read(bytes.len() as u64);
        }
        read
    }
}

impl Reader {
    pub(super) fn new(
        bucket: Bucket,
        url: SecretUrl,
        bytes_per_second: Option<u64>,
        progress: Arc<Progress>,
    ) -> Self {
        let next = Mutex::new(bucket.seams().clock.now());
        Self {
            wire: Arc::new(Wire {
                bucket,
                bytes_per_second,
                next,
                progress,
            }),
            cache: MokaCache::new(CACHE_BYTES),
            slots: Semaphore::new(READS_AT_ONCE),
            url,
        }
    }

    /// Does something with what is read by it, when there is room for it.
    pub(super) async fn with_room<T>(&self, work: impl Future<Output = T>) -> T {
        // Nobody closes it.
        let _slot = self.slots.acquire().await;
        work.await
    }

    /// An ingest segment, whole and verified.
    pub(super) async fn segment(&self, id: &SegmentId, bytes: u64) -> Outcome<Result<Bytes, StoreError>> {
        self.wire.turn(bytes).await;
        let read = self.patiently(|| self.wire.bucket.get_segment(id)).await?;
        Ok(self.wire.counted(read))
    }

    /// A manifest, whole and verified.
    pub(super) async fn manifest(&self, id: &ManifestId, bytes: u64) -> Outcome<Result<Bytes, StoreError>> {
        self.wire.turn(bytes).await;
        let read = self.patiently(|| self.wire.bucket.get_manifest(id)).await?;
        Ok(self.wire.counted(read))
    }

    /// A chunk, verified.
    pub(super) async fn chunk(
        &self,
        id: &SegmentId,
        chunk: ChunkRange,
    ) -> Outcome<Result<Bytes, StoreError>> {
        let load = || {
            let (wire, id) = (Arc::clone(&self.wire), *id);
            Box::pin(async move {
                wire.turn(u64::from(chunk.bytes)).await;
                let end = chunk.position.saturating_add(u64::from(chunk.bytes));
                wire.counted(wire.bucket.get_chunk(&id, chunk.position..end, chunk.crc).await)
            })
        };
        let key = CacheKey::chunk(*id, chunk.position);
        self.patiently(|| self.cache.get(key, load())).await
    }

    /// The last bytes of an object of this size.
    pub(super) async fn end(
        &self,
        key: &str,
        object_bytes: u64,
        bytes: u64,
    ) -> Outcome<Result<Bytes, StoreError>> {
        self.range(key, object_bytes.saturating_sub(bytes)..object_bytes)
            .await
    }

    /// A range of an object; nothing of it is verified.
    pub(super) async fn range(&self, key: &str, range: Range<u64>) -> Outcome<Result<Bytes, StoreError>> {
        self.wire.turn(range.end.saturating_sub(range.start)).await;
        let read = self
            .patiently(|| self.wire.bucket.get_range(key, range.clone()))
            .await?;
        Ok(self.wire.counted(read))
    }

    /// The size of an object.
    pub(super) async fn size(&self, key: &str) -> Outcome<Result<u64, StoreError>> {
        let head = self.patiently(|| self.wire.bucket.head(key)).await?;
        Ok(head.map(|object| object.bytes))
    }

    /// `cluster.json`.
    pub(super) async fn cluster_file(&self) -> Outcome<Option<ClusterFile>> {
        let read = self.patiently(|| cluster_file::read(&self.wire.bucket)).await?;
        read.map_err(|error| self.stops(&error))
    }

    /// Asks until the bucket answers. What it answers about an object is for the caller; everything else ends the check.
    async fn patiently<T, F>(&self, mut request: impl FnMut() -> F) -> Outcome<Result<T, StoreError>>
    where
        F: Future<Output = Result<T, StoreError>>,
    {
        let clock = &self.wire.bucket.seams().clock;
        let began = clock.now();
        let mut waited = false;
        loop {
            let answer = match request().await {
                Err(error) if error.is_transient() && clock.now() - began < PATIENCE => {
                    waited = true;
                    self.wire.progress.waits(Some(self.url.scrub(&error.to_string())));
                    tokio::time::sleep(RETRY).await;
                    continue;
                }
                Err(error @ (StoreError::NotFound { .. } | StoreError::Corrupt { .. })) => Err(error),
                Err(error) => return Err(self.stops(&error)),
                Ok(answer) => Ok(answer),
            };
            if waited {
                self.wire.progress.waits(None);
            }
            return Ok(answer);
        }
    }

    fn stops(&self, error: &StoreError) -> Failure {
        Failure::Failed(self.url.scrub(&error.to_string()))
    }
}
