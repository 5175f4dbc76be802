//! Reading ahead: chunks that a reader of history will want next are fetched while it takes in what it got.
//!
//! What holds:
//! - for a reader that goes on where it ended, at most [`WINDOW_BYTES_MAX`](super::readers::WINDOW_BYTES_MAX) behind what it read are fetched, or one
//!   chunk, nearest ones first; half of the cache of archived records is divided among all readers of history: nobody's chunks are
//!   pushed out by what comes behind or by what others read ahead;
//! - one agent fetches at most [`FETCHES_MAX`] chunks at a time in this way, each once, and its memory is charged like
//!   that of readers. Nobody waits: what there is no room for is not fetched;
//! - no query is made for it.
//!
//! A fetch that fails is forgotten: the reader that wants the chunk fetches it again, and says what is wrong. All
//! end with the incarnation.

use std::collections::BTreeMap;
use std::sync::Arc;

use esker_storage::cache::CacheKey;
use parking_lot::Mutex;
use tracing::debug;

use super::plan::Wanted;
use super::read::{ObjectPart, ReadExtent};
use super::readers::Reads;
use crate::Broker;

/// Chunks of one partition that are looked at for one request.
const WINDOW_CHUNKS_MAX: usize = 64;

/// Chunks that one agent fetches at a time before somebody asks for them. More are left to their readers.
const FETCHES_MAX: usize = 64;

/// One part of so many of the cache of archived records is what all readers together may have read ahead.
const CACHE_PART: u64 = 2;

/// The chunks that are being fetched.
#[derive(Default)]
pub(crate) struct ReadAhead {
    under_way: Mutex<BTreeMap<CacheKey, u64>>,
}

impl ReadAhead {
    /// The right to fetch a chunk of so many bytes, unless somebody does or there are too many.
    fn begin(self: &Arc<Self>, key: CacheKey, bytes: u64, bytes_max: u64) -> Option<UnderWay> {
        let mut under_way = self.under_way.lock();
        let so_far: u64 = under_way.values().sum();
        if under_way.len() >= FETCHES_MAX || so_far + bytes > bytes_max || under_way.contains_key(&key) {
            return None;
        }
        under_way.insert(key, bytes);
        Some(UnderWay {
            of: Arc::clone(self),
            key,
        })
    }
}

/// A chunk that is being fetched, until this is dropped.
struct UnderWay {
    of: Arc<ReadAhead>,
    key: CacheKey,
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.of.under_way.lock().remove(&self.key);
    }
}

/// Begins to fetch what lies behind what a request read of archived records.
pub(super) fn begin(broker: &Broker, wanted: &[Wanted], chains: &[Vec<ReadExtent>]) {
    let room = broker.budget.history_cache_bytes / CACHE_PART;
    let ahead: Vec<Vec<ObjectPart>> = wanted
        .iter()
        .zip(chains)
        .filter_map(|(wanted, chain)| behind(broker, wanted, chain, room))
        .collect();
    // Of every partition the nearest first.
    for depth in 0..ahead.iter().map(Vec::len).max().unwrap_or(0) {
        for part in ahead.iter().filter_map(|parts| parts.get(depth)) {
            if broker.cache.peek(&part.key).is_none() {
                fetch(broker, *part, room);
            }
        }
    }
}

/// The next chunks behind what was read of a partition, if that ended in a chunk. `room`: bytes for all readers.
fn behind(broker: &Broker, wanted: &Wanted, chain: &[ReadExtent], room: u64) -> Option<Vec<ObjectPart>> {
    let last = chain.last().filter(|one| one.bytes.is_ok())?.extent;
    last.chunk?;
    let now = broker.seams.clock.now();
    let reads = Reads::of(wanted, &chain.first()?.extent)?;
    let (window, share) = {
        let mut readers = broker.readers.lock();
        let (window, count) = readers.note(reads, last.end_offset, now);
        (window, (room / count).min(readers.room_ahead(&reads, now)))
    };
    let mut bytes = 0;
    let next = broker
        .history
        .lookup(wanted.partition, last.end_offset, window, WINDOW_CHUNKS_MAX)?;
    let parts = next.iter().map_while(ObjectPart::of).take_while(|part| {
        let is_first = bytes == 0;
        bytes += part.bytes;
        bytes <= share && (bytes <= window || is_first)
    });
    Some(parts.collect())
}

/// Fetches a chunk into the cache in the background, if there is room for that now.
fn fetch(broker: &Broker, part: ObjectPart, bytes_max: u64) {
    if broker.budget.fetch.is_short() || broker.budget.history.is_short() {
        return;
    }
    let Some(under_way) = broker.read_ahead.begin(part.key, part.bytes, bytes_max) else {
        return;
    };
    let Some(charge) = broker.pins.try_pin(part.key, part.bytes) else {
        return;
    };
    let (cache, member) = (Arc::clone(&broker.cache), Arc::clone(&broker.member));
    let load = part.read(broker.bucket.clone());
    let task = async move {
        tokio::select! {
            biased;
            _ = member.until_stopped() => {}
            fetched = cache.get(part.key, load) => {
                if let Err(err) = fetched {
                    debug!(%err, "cannot read ahead");
                }
            }
        }
        drop((under_way, charge));
    };
    broker.seams.spawner.spawn("read-ahead", Box::pin(task));
}

#[cfg(test)]
mod tests {
    use esker_model::{ClusterEpoch, IncarnationId, SegmentId, SegmentKind};
    use uuid::Uuid;

    use super::*;

    fn key(position: u64) -> CacheKey {
        let segment = SegmentId {
            kind: SegmentKind::Archive,
            epoch: ClusterEpoch(1),
            incarnation: IncarnationId(Uuid::from_u128(1)),
            seq: 1,
        };
        CacheKey::chunk(segment, position)
    }

    #[test]
    fn each_chunk_is_fetched_once_at_a_time_and_few_at_once() {
        let read_ahead = Arc::new(ReadAhead::default());
        let begin = |position| read_ahead.begin(key(position), 1, 1_000);
        let first = begin(0);
        assert!(first.is_some() && begin(0).is_none());
        let others: Vec<_> = (1..100).filter_map(begin).collect();
        assert_eq!(others.len(), FETCHES_MAX - 1);
        drop(first);
        assert!(begin(0).is_some());
        drop(others);
        assert!(read_ahead.under_way.lock().is_empty());
    }

    #[test]
    fn all_that_is_fetched_at_a_time_fits() {
        let read_ahead = Arc::new(ReadAhead::default());
        let first = read_ahead.begin(key(0), 600, 1_000);
        assert!(first.is_some());
        assert!(read_ahead.begin(key(1), 401, 1_000).is_none());
        let second = read_ahead.begin(key(1), 400, 1_000);
        assert!(second.is_some());
        drop(first);
        assert!(read_ahead.begin(key(2), 600, 1_000).is_some());
    }
}
