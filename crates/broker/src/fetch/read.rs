//! The second stage: the bytes of extents.
//!
//! Segments that this agent wrote a moment ago are in memory; others come out of the cache, which fetches
//! each whole object from the bucket at most once however many ask. Everything is a slice of memory that
//! is there already.
//!
//! Memory: a slice keeps its whole segment alive, so that is what is charged. All responses that read
//! from one segment share one charge ([`SegmentPins`]). A request waits for its first charge while it
//! holds nothing, and takes further ones only if they are free: so requests cannot wait for each other,
//! and when memory is short responses become smaller.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use bytes::Bytes;
use esker_metastore::Extent;
use esker_model::SegmentId;
use esker_model::collections::FixedMap;
use esker_storage::StoreError;
use esker_storage::cache::CacheKey;
use futures::{StreamExt, stream};
use parking_lot::Mutex;
use tracing::{error, warn};

use super::hot_index::bytes_from;
use crate::Broker;
use crate::budget::{Pool, Reservation, TooLarge};

/// Segments that one request reads from cache and bucket.
const SEGMENTS_MAX: usize = 64;

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

/// What a request wants to read of one partition.
#[derive(Clone, Copy)]
pub(super) struct Chain<'a> {
    /// Contiguous extents.
    pub extents: &'a [Extent],
    /// The first offset wanted.
    pub from: i64,
    /// About so many bytes; the first extent is read in any case.
    pub bytes: u64,
}

/// An extent with its bytes.
pub(super) struct ReadExtent {
    pub extent: Extent,
    pub bytes: Result<(Vec<Bytes>, Source), ReadError>,
}

/// What was read for a request: for each chain its first extents, as many as memory allows.
pub(super) struct Gathered {
    pub chains: Vec<Vec<ReadExtent>>,
    /// To be held until the response is written.
    pub hold: Option<Reservation>,
}

/// The charges of segments that responses hold on to.
pub(crate) struct SegmentPins {
    pool: Arc<Pool>,
    pinned: Mutex<FixedMap<SegmentId, Weak<Reservation>>>,
}

impl SegmentPins {
    /// Charges go to `pool`.
    pub(crate) fn new(pool: Arc<Pool>) -> Self {
        Self { pool, pinned: Mutex::default() }
    }

    /// Shares the charge of a segment, or waits for a new one.
    async fn pin(&self, segment: SegmentId, bytes: u64) -> Result<Arc<Reservation>, TooLarge> {
        if let Some(pin) = self.shared(segment) {
            return Ok(pin);
        }
        let charge = self.pool.reserve(bytes.min(self.pool.bytes())).await?;
        Ok(self.keep(segment, charge))
    }

    /// Shares the charge of a segment, or takes a new one if that is free.
    fn try_pin(&self, segment: SegmentId, bytes: u64) -> Option<Arc<Reservation>> {
        self.shared(segment).or_else(|| Some(self.keep(segment, self.pool.try_reserve(bytes)?)))
    }

    fn shared(&self, segment: SegmentId) -> Option<Arc<Reservation>> {
        self.pinned.lock().get(&segment)?.upgrade()
    }

    fn keep(&self, segment: SegmentId, charge: Reservation) -> Arc<Reservation> {
        let mut pinned = self.pinned.lock();
        if let Some(theirs) = pinned.get(&segment).and_then(Weak::upgrade) {
            return theirs;
        }
        if pinned.len() == pinned.capacity() {
            pinned.retain(|_, pin| pin.strong_count() > 0);
        }
        let pin = Arc::new(charge);
        pinned.insert(segment, Arc::downgrade(&pin));
        pin
    }
}

/// Reads the beginnings of chains. With `held`, what this request holds already, it does not wait for
/// memory.
pub(super) async fn gather(broker: &Broker, chains: &[Chain<'_>], held: Option<Reservation>) -> Gathered {
    let chosen: Vec<&[Extent]> = chains.iter().map(choose).collect();
    let mut hold = charge_recent(broker, chains, &chosen, held).await;
    let mut pins: BTreeMap<SegmentId, Arc<Reservation>> = BTreeMap::new();
    let mut to_load = Vec::new();
    let mut planned = Vec::with_capacity(chains.len());
    for extents in chosen {
        let mut places = Vec::with_capacity(extents.len());
        for extent in extents {
            if let Some(slices) = broker.recent.slices(&extent.segment, extent.position, extent.bytes) {
                places.push((*extent, Some(slices)));
                continue;
            }
            if !pins.contains_key(&extent.segment) {
                let pin = match (hold.is_none() && pins.is_empty(), pins.len() < SEGMENTS_MAX) {
                    (true, _) => broker.pins.pin(extent.segment, extent.object_bytes).await.ok(),
                    (false, true) => broker.pins.try_pin(extent.segment, extent.object_bytes),
                    (false, false) => None,
                };
                let Some(pin) = pin else { break };
                pins.insert(extent.segment, pin);
                to_load.push(extent.segment);
            }
            places.push((*extent, None));
        }
        planned.push(places);
    }
    let loaded = load_all(broker, to_load).await;
    if !pins.is_empty() {
        let own = hold.take().or_else(|| broker.budget.fetch.try_reserve(0));
        hold = own.map(|own| own.sharing(pins.into_values()));
    }
    let chains = planned
        .into_iter()
        .map(|places| places.into_iter().map(|(extent, slices)| place(extent, slices, &loaded)).collect())
        .collect();
    Gathered { chains, hold }
}

/// Charges what will come from recent segments. Its frames are charged to producers; this keeps slow
/// consumers from holding on to more of them than the readers' share.
async fn charge_recent(
    broker: &Broker,
    chains: &[Chain<'_>],
    chosen: &[&[Extent]],
    held: Option<Reservation>,
) -> Option<Reservation> {
    let of_chain = |(chain, extents): (&Chain<'_>, &&[Extent])| {
        let recent = extents.iter().filter(|extent| broker.recent.contains(&extent.segment));
        recent.map(|extent| bytes_from(extent, chain.from)).sum::<u64>().min(chain.bytes)
    };
    let bytes: u64 = chains.iter().zip(chosen).map(of_chain).sum();
    let pool = &broker.budget.fetch;
    match (bytes, held) {
        (0, held) => held,
        (bytes, None) => pool.reserve(bytes.min(pool.bytes())).await.ok(),
        (bytes, Some(held)) => Some(match pool.try_reserve(bytes) {
            Some(more) => held.sharing([Arc::new(more)]),
            // The plan changed under this request: a moment's excess, bounded by the first charge.
            None => held,
        }),
    }
}

/// One extent's bytes with their charge, for a look inside.
pub(super) async fn read_extent(
    broker: &Broker,
    extent: &Extent,
) -> Result<(Vec<Bytes>, Option<Arc<Reservation>>), ReadError> {
    if let Some(slices) = broker.recent.slices(&extent.segment, extent.position, extent.bytes) {
        return Ok((slices, None));
    }
    let pin = broker.pins.pin(extent.segment, extent.object_bytes).await;
    let pin = pin.map_err(|_| ReadError::Unavailable)?;
    let (object, _) = load(broker, extent.segment).await?;
    Ok((vec![cut(&object, extent)?], Some(pin)))
}

/// The first extents of a chain that hold as many bytes as are wanted.
fn choose<'a>(chain: &Chain<'a>) -> &'a [Extent] {
    let mut bytes = 0;
    let count = chain
        .extents
        .iter()
        .take_while(|extent| {
            let wanted = bytes < chain.bytes || bytes == 0;
            bytes += bytes_from(extent, chain.from).max(1);
            wanted
        })
        .count();
    &chain.extents[..count]
}

type Loaded = BTreeMap<SegmentId, Result<(Bytes, Source), ReadError>>;

fn place(extent: Extent, slices: Option<Vec<Bytes>>, loaded: &Loaded) -> ReadExtent {
    let bytes = match (slices, loaded.get(&extent.segment)) {
        (Some(slices), _) => Ok((slices, Source::Memory)),
        (None, Some(Ok((object, source)))) => cut(object, &extent).map(|slice| (vec![slice], *source)),
        (None, Some(Err(error))) => Err(*error),
        (None, None) => Err(ReadError::Unavailable),
    };
    ReadExtent { extent, bytes }
}

fn cut(object: &Bytes, extent: &Extent) -> Result<Bytes, ReadError> {
    let end = extent.position.checked_add(extent.bytes).filter(|end| *end <= object.len() as u64);
    match end {
        Some(end) => Ok(object.slice(extent.position as usize..end as usize)),
        None => {
            error!(segment = %extent.segment, "an extent reaches beyond its segment");
            Err(ReadError::Corrupt)
        }
    }
}

async fn load_all(broker: &Broker, segments: Vec<SegmentId>) -> Loaded {
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
            let source = if fetched.load(Ordering::Relaxed) { Source::Store } else { Source::Cache };
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

#[cfg(test)]
mod tests {
    use esker_model::{ClusterEpoch, IncarnationId};
    use uuid::Uuid;

    use super::*;
    use crate::budget::Budget;

    fn id(seq: u64) -> SegmentId {
        SegmentId { epoch: ClusterEpoch(1), incarnation: IncarnationId(Uuid::from_u128(1)), seq }
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

    #[test]
    fn reads_as_many_extents_as_are_wanted_and_at_least_one() {
        let extent = |base: i64| Extent {
            base_offset: base,
            end_offset: base + 10,
            segment: id(1),
            object_bytes: 1000,
            position: 0,
            bytes: 100,
            max_timestamp: -1,
            producer: None,
            transactional: false,
        };
        let extents = [extent(0), extent(10), extent(20)];
        let count = |from, bytes| choose(&Chain { extents: &extents, from, bytes }).len();
        assert_eq!((count(0, 0), count(0, 1), count(0, 100), count(0, 101), count(0, 1000)), (1, 1, 1, 2, 3));
        // Half of the first extent was read before.
        assert_eq!((count(5, 50), count(5, 100)), (1, 2));
        assert_eq!(choose(&Chain { extents: &[], from: 0, bytes: 10 }).len(), 0);
    }
}
