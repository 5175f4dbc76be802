//! Reading the bucket: a few objects at a time, no faster than it may be, counted; waiting while it does not answer. What
//! it does not give out while it gives out `cluster.json` is an error of that object for the caller.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use esker_metastore::ChunkRange;
use esker_model::seams::Instant;
use esker_model::{ManifestId, SegmentId};
use esker_storage::cache::{CacheKey, MokaCache, SegmentCache};
use esker_storage::cluster_file::{self, ClusterFile};
use esker_storage::keys::{manifest_key, object_key};
use esker_storage::{Bucket, StoreError};
use tokio::sync::{Mutex, Semaphore};

use super::progress::Progress;
use super::unreadable::{Part, Unreadable, is_of_object};
use crate::failure::{Failure, Outcome};
use crate::settings::secret::SecretUrl;

/// Objects, or chunks, that are read or verified at a time. Ingest segments have up to 64 MiB, chunks usually 4.
pub(super) const READS_AT_ONCE: usize = 4;

/// Chunks that several partitions share stay in memory so far.
const CACHE_BYTES: u64 = 64 << 20;

/// How long a store that does not answer at all is waited for, and how often it is asked.
pub(super) const PATIENCE: Duration = Duration::from_secs(120);
pub(super) const RETRY: Duration = Duration::from_secs(2);

/// The bucket.
pub(super) struct Reader {
    wire: Arc<Wire>,
    cache: MokaCache,
    slots: Semaphore,
    url: SecretUrl,
    pub(super) unreadable: Unreadable,
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
            unreadable: Unreadable::default(),
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
        let request = || async {
            self.wire.turn(bytes).await;
            self.wire.bucket.get_segment(id).await
        };
        let read = self.of_object(Part::whole(object_key(id)), request).await?;
        Ok(self.wire.counted(read))
    }

    /// A manifest, whole and verified.
    pub(super) async fn manifest(&self, id: &ManifestId, bytes: u64) -> Outcome<Result<Bytes, StoreError>> {
        let request = || async {
            self.wire.turn(bytes).await;
            self.wire.bucket.get_manifest(id).await
        };
        let read = self.of_object(Part::whole(manifest_key(id)), request).await?;
        Ok(self.wire.counted(read))
    }

    /// A chunk, verified.
    pub(super) async fn chunk(
        &self,
        id: &SegmentId,
        chunk: ChunkRange,
    ) -> Outcome<Result<Bytes, StoreError>> {
        let range = chunk.position..chunk.position.saturating_add(u64::from(chunk.bytes));
        let part = Part::range(&object_key(id), &range);
        let load = || {
            let (wire, id, range) = (Arc::clone(&self.wire), *id, range.clone());
            Box::pin(async move {
                wire.turn(u64::from(chunk.bytes)).await;
                wire.counted(wire.bucket.get_chunk(&id, range, chunk.crc).await)
            })
        };
        let key = CacheKey::chunk(*id, chunk.position);
        self.of_object(part, || self.cache.get(key, load())).await
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
        let request = || async {
            self.wire.turn(range.end.saturating_sub(range.start)).await;
            self.wire.bucket.get_range(key, range.clone()).await
        };
        let read = self.of_object(Part::range(key, &range), request).await?;
        Ok(self.wire.counted(read))
    }

    /// The size of an object.
    pub(super) async fn size(&self, key: &str) -> Outcome<Result<u64, StoreError>> {
        let request = || self.wire.bucket.head(key);
        let head = self.of_object(Part::size(key), request).await?;
        Ok(head.map(|object| object.bytes))
    }

    /// `cluster.json`.
    pub(super) async fn cluster_file(&self) -> Outcome<Option<ClusterFile>> {
        let clock = &self.wire.bucket.seams().clock;
        let began = clock.now();
        let mut waited = false;
        loop {
            match cluster_file::read(&self.wire.bucket).await {
                Err(error)
                    if error.is_transient() && clock.now() - began < self.unreadable.patience.store =>
                {
                    waited = true;
                    self.wait(&error).await;
                }
                Err(error) => return Err(self.stops(&error)),
                Ok(file) => {
                    self.no_longer(waited);
                    return Ok(file);
                }
            }
        }
    }

    /// Why something cannot be read of which the bucket said neither that it is missing nor that it is wrong; `None`: it did.
    pub(super) fn cannot_be_read(&self, error: &StoreError) -> Option<String> {
        let sentence = || format!("it cannot be read: {}", self.url.scrub(&error.to_string()));
        (!is_of_object(error)).then(sentence)
    }

    /// Asks for a part of an object until the bucket answers. What it answers about the object is for the caller, and so is
    /// that it gives out `cluster.json` and not this. Everything else ends the check.
    async fn of_object<T, F>(
        &self,
        part: Part,
        mut request: impl FnMut() -> F,
    ) -> Outcome<Result<T, StoreError>>
    where
        F: Future<Output = Result<T, StoreError>>,
    {
        if let Some(error) = self.unreadable.why(&part) {
            return Ok(Err(error));
        }
        let clock = &self.wire.bucket.seams().clock;
        // Before the first failure, it may have waited for its turn.
        let mut failed_at = None;
        let answer = loop {
            let error = match request().await {
                Ok(answer) => break Ok(answer),
                Err(error) if is_of_object(&error) => break Err(error),
                Err(error) => error,
            };
            let now = clock.now();
            let failing = now - *failed_at.get_or_insert(now);
            let mut may_pass = error.is_transient();
            if !may_pass || failing >= self.unreadable.patience_for(&part.key) {
                match cluster_file::read(&self.wire.bucket).await {
                    Ok(Some(_)) => {
                        self.unreadable.remember(part, error.clone());
                        break Err(error);
                    }
                    Ok(None) => {}
                    Err(other) => may_pass |= other.is_transient(),
                }
            }
            if !may_pass || failing >= self.unreadable.patience.store {
                return Err(self.stops(&error));
            }
            self.wait(&error).await;
        };
        self.no_longer(failed_at.is_some());
        Ok(answer)
    }

    async fn wait(&self, error: &StoreError) {
        self.wire.progress.waits(Some(self.url.scrub(&error.to_string())));
        tokio::time::sleep(self.unreadable.patience.retry).await;
    }

    fn no_longer(&self, waited: bool) {
        if waited {
            self.wire.progress.waits(None);
        }
    }

    fn stops(&self, error: &StoreError) -> Failure {
        Failure::Failed(self.url.scrub(&error.to_string()))
    }
}
