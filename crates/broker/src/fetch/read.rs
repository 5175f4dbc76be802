//! Reading: the bytes of extents.
//!
//! Segments that this agent wrote a moment ago are in memory; others come out of the cache, which fetches
//! each whole object from the bucket at most once however many ask, and verifies its checksums. Everything
//! is a slice of memory that is there already.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use esker_metastore::Extent;
use esker_model::SegmentId;
use esker_storage::StoreError;
use esker_storage::cache::CacheKey;
use futures::{StreamExt, stream};
use tracing::{error, warn};

use crate::Broker;
use crate::budget::Reservation;

/// Segments that one request reads at a time.
const READS_MAX: usize = 8;

/// No read begins later than this after a request's first.
const READ_PATIENCE: Duration = Duration::from_secs(15);

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
    let pin = broker.pins.pin(extent.segment, extent.object_bytes).await;
    let pin = pin.map_err(|_| ReadError::Unavailable)?;
    let (object, _) = load(broker, extent.segment).await?;
    Ok((vec![cut(&object, extent)?], Some(pin)))
}

/// Segments by id.
pub(super) type Loaded = BTreeMap<SegmentId, Result<(Bytes, Source), ReadError>>;

/// An extent's bytes: the slices given, or cut out of what was loaded.
pub(super) fn place(extent: Extent, slices: Option<Vec<Bytes>>, loaded: &Loaded) -> ReadExtent {
    let bytes = match (slices, loaded.get(&extent.segment)) {
        (Some(slices), _) => Ok((slices, Source::Memory)),
        (None, Some(Ok((object, source)))) => cut(object, &extent).map(|slice| (vec![slice], *source)),
        (None, Some(Err(error))) => Err(*error),
        (None, None) => Err(ReadError::Unavailable),
    };
    ReadExtent { extent, bytes }
}

fn cut(object: &Bytes, extent: &Extent) -> Result<Bytes, ReadError> {
    let end = extent
        .position
        .checked_add(extent.bytes)
        .filter(|end| *end <= object.len() as u64);
    match end {
        Some(end) => Ok(object.slice(extent.position as usize..end as usize)),
        None => {
            error!(segment = %extent.segment, "an extent reaches beyond its segment");
            Err(ReadError::Corrupt)
        }
    }
}

/// Reads segments, some at a time.
pub(super) async fn load_all(broker: &Broker, segments: Vec<SegmentId>) -> Loaded {
    let deadline = broker.seams.clock.now().plus(READ_PATIENCE);
    stream::iter(segments)
        .map(|segment| async move {
            if broker.seams.clock.now() >= deadline {
                return (segment, Err(ReadError::Unavailable));
            }
            (segment, load(broker, segment).await)
        })
        .buffer_unordered(READS_MAX)
        .collect()
        .await
}

/// One whole segment, from the cache or through it.
async fn load(broker: &Broker, segment: SegmentId) -> Result<(Bytes, Source), ReadError> {
    let fetched = Arc::new(AtomicBool::new(false));
    let fetch = {
        let (bucket, fetched) = (broker.bucket.clone(), Arc::clone(&fetched));
        Box::pin(async move {
            fetched.store(true, Ordering::Relaxed);
            bucket.get_segment(&segment).await
        })
    };
    match broker.cache.get(CacheKey::whole(segment), fetch).await {
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
            error!(%segment, %err, "a segment is corrupt");
            Err(ReadError::Corrupt)
        }
        Err(err) => {
            warn!(%segment, %err, "cannot read a segment");
            Err(ReadError::Unavailable)
        }
    }
}
