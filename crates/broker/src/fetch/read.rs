//! Reading: the bytes of extents.
//!
//! Segments that this agent wrote a moment ago are in memory; others come out of the cache, which fetches
//! each part of an object at most once from the bucket however many ask, and verifies its checksums: an
//! ingest segment as a whole, of an archive segment one chunk. Everything is a slice of memory that is there
//! already.
//!
//! A part that is gone, damaged or out of reach fails the extents that lie in it, and no others.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use esker_metastore::{ChunkRange, Extent};
use esker_model::seams::BoxFuture;
use esker_model::{SegmentId, SegmentKind};
use esker_storage::StoreError;
use esker_storage::bucket::Bucket;
use esker_storage::cache::CacheKey;
use futures::{StreamExt, stream};
use tracing::{error, warn};

use crate::Broker;
use crate::budget::Reservation;

/// Parts of objects that one request reads at a time.
const READS_MAX: usize = 16;

/// No read begins later than this after a request's first.
const READ_PATIENCE: Duration = Duration::from_secs(15);

/// What is loaded at once: a whole ingest segment, or one chunk of an archive segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ObjectPart {
    /// Its name among all that is loaded.
    pub key: CacheKey,
    /// What it takes in memory.
    pub bytes: u64,
    segment: SegmentId,
    chunk: Option<ChunkRange>,
}

impl ObjectPart {
    /// The part in which an extent lies. `None` for records of which it is known that their chunk was damaged.
    pub(super) fn of(extent: &Extent) -> Option<Self> {
        match extent.chunk {
            None if extent.segment.kind != SegmentKind::Ingest => None,
            None => Some(Self {
                key: CacheKey::whole(extent.segment),
                bytes: extent.object_bytes,
                segment: extent.segment,
                chunk: None,
            }),
            Some(chunk) => Some(Self {
                key: CacheKey::chunk(extent.segment, chunk.position),
                bytes: u64::from(chunk.bytes),
                segment: extent.segment,
                chunk: Some(chunk),
            }),
        }
    }

    /// Reads and verifies it.
    pub(super) fn read(self, bucket: Bucket) -> BoxFuture<'static, Result<Bytes, StoreError>> {
        Box::pin(async move {
            match self.chunk {
                None => bucket.get_segment(&self.segment).await,
                Some(chunk) => {
                    let end = chunk.position.saturating_add(u64::from(chunk.bytes));
                    bucket
                        .get_chunk(&self.segment, chunk.position..end, chunk.crc)
                        .await
                }
            }
        })
    }
}

/// Where bytes came from: the label of a metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Source {
    Memory,
    Cache,
    Store,
}

impl Source {
    pub(super) fn label(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Cache => "cache",
            Self::Store => "store",
        }
    }
}

/// Why an extent cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ReadError {
    /// The object is not there: its records may have moved.
    Missing,
    /// The object is not what was written.
    Corrupt,
    /// The bucket does not answer.
    Unavailable,
}

/// An extent with its bytes.
pub(super) struct ReadExtent {
    pub extent: Extent,
    pub bytes: Result<(Vec<Bytes>, Source), ReadError>,
}

/// One extent's bytes with their charge, for a look inside.
pub(super) async fn read_extent(
    broker: &Broker,
    extent: &Extent,
) -> Result<(Vec<Bytes>, Option<Arc<Reservation>>), ReadError> {
    if let Some(slices) = broker
        .recent
        .slices(&extent.segment, extent.position, extent.bytes)
    {
        return Ok((slices, None));
    }
    let part = ObjectPart::of(extent).ok_or(ReadError::Corrupt)?;
    let pin = broker.pins.pin(part.key, part.bytes).await;
    let pin = pin.map_err(|_| ReadError::Unavailable)?;
    let (loaded, _) = load(broker, part).await?;
    Ok((vec![cut(&loaded, extent)?], Some(pin)))
}

/// What was loaded.
pub(super) type Loaded = BTreeMap<CacheKey, Result<(Bytes, Source), ReadError>>;

/// An extent's bytes: the slices given, or cut out of what was loaded.
pub(super) fn place(extent: Extent, slices: Option<Vec<Bytes>>, loaded: &Loaded) -> ReadExtent {
    let part = ObjectPart::of(&extent);
    let bytes = match (slices, part.map(|part| loaded.get(&part.key))) {
        (Some(slices), _) => Ok((slices, Source::Memory)),
        (None, None) => Err(ReadError::Corrupt),
        (None, Some(Some(Ok((part, source))))) => cut(part, &extent).map(|slice| (vec![slice], *source)),
        (None, Some(Some(Err(error)))) => Err(*error),
        (None, Some(None)) => Err(ReadError::Unavailable),
    };
    ReadExtent { extent, bytes }
}

fn cut(part: &Bytes, extent: &Extent) -> Result<Bytes, ReadError> {
    let part_begins = extent.chunk.map_or(0, |chunk| chunk.position);
    let range = extent.position.checked_sub(part_begins).and_then(|begin| {
        let end = begin.checked_add(extent.bytes)?;
        (end <= part.len() as u64).then_some(begin as usize..end as usize)
    });
    match range {
        Some(range) => Ok(part.slice(range)),
        None => {
            error!(segment = %extent.segment, part_begins, "an extent reaches beyond its segment or chunk");
            Err(ReadError::Corrupt)
        }
    }
}

/// Reads parts of objects, some at a time.
pub(super) async fn load_all(broker: &Broker, parts: Vec<ObjectPart>) -> Loaded {
    let deadline = broker.seams.clock.now().plus(READ_PATIENCE);
    stream::iter(parts)
        .map(|part| async move {
            if broker.seams.clock.now() >= deadline {
                return (part.key, Err(ReadError::Unavailable));
            }
            (part.key, load(broker, part).await)
        })
        .buffer_unordered(READS_MAX)
        .collect()
        .await
}

/// One part, from the cache or through it.
async fn load(broker: &Broker, part: ObjectPart) -> Result<(Bytes, Source), ReadError> {
    if broker.damaged.contains(&part.key, broker.seams.clock.now()) {
        return Err(ReadError::Corrupt);
    }
    let fetched = Arc::new(AtomicBool::new(false));
    let fetch = {
        let (read, fetched) = (part.read(broker.bucket.clone()), Arc::clone(&fetched));
        Box::pin(async move {
            fetched.store(true, Ordering::Relaxed);
            read.await
        })
    };
    let (segment, position) = (part.segment, part.key.position);
    match broker.cache.get(part.key, fetch).await {
        Ok(bytes) => {
            let source = if fetched.load(Ordering::Relaxed) {
                Source::Store
            } else {
                Source::Cache
            };
            Ok((bytes, source))
        }
        Err(StoreError::NotFound { .. }) => Err(ReadError::Missing),
        Err(err @ StoreError::Corrupt { .. }) => {
            error!(%segment, position, %err, "a segment is corrupt");
            broker.damaged.note(part.key, broker.seams.clock.now());
            Err(ReadError::Corrupt)
        }
        Err(err) => {
            warn!(%segment, position, %err, "cannot read a segment");
            Err(ReadError::Unavailable)
        }
    }
}
