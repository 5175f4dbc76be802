//! Reading ahead: chunks that a reader of history will want next are fetched while it takes in what it got.
//!
//! What holds:
//! - a request fetches at most [`READ_AHEAD_CHUNKS`] chunks of each of its partitions behind what it read, nearest
//!   ones first, and no more of all of them than a part of the cache: nothing is pushed out by what comes behind;
//! - one agent fetches at most [`READ_AHEADS_AT_ONCE`] chunks at a time in this way, each once, and its memory is
//!   charged like that of readers. Nobody waits: what there is no room for is not fetched;
//! - no query is made for it.
//!
//! A fetch that fails is forgotten: the reader that wants the chunk fetches it again, and says what is wrong. All
//! end with the incarnation.

use std::collections::BTreeSet;
use std::sync::Arc;

use esker_storage::cache::CacheKey;
use parking_lot::Mutex;
use tracing::debug;

use super::plan::Wanted;
use super::read::{ObjectPart, ReadExtent};
use crate::Broker;

/// Chunks of one partition that are fetched before somebody asks for them.
const READ_AHEAD_CHUNKS: usize = 4;

/// Chunks that one agent fetches at a time before somebody asks for them. More are left to their readers.
const READ_AHEADS_AT_ONCE: usize = 8;

/// One part of so many of the cache of archived records is what one request may read ahead.
const CACHE_PART: u64 = 2;

/// The chunks that are being fetched.
#[derive(Default)]
pub(crate) struct ReadAhead {
    under_way: Mutex<BTreeSet<CacheKey>>,
}

impl ReadAhead {
    /// The right to fetch a chunk, unless somebody does or there are too many.
    fn begin(self: &Arc<Self>, key: CacheKey) -> Option<UnderWay> {
        let mut under_way = self.under_way.lock();
        if under_way.len() >= READ_AHEADS_AT_ONCE || !under_way.insert(key) {
            return None;
        }
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

/// Begins to fetch what lies behind what a request read of archive segments.
pub(super) fn begin(broker: &Broker, wanted: &[Wanted], chains: &[Vec<ReadExtent>]) {
    let ahead: Vec<Vec<ObjectPart>> = wanted
        .iter()
        .zip(chains)
        .filter_map(|(wanted, chain)| behind(broker, wanted, chain))
        .collect();
    let mut room = broker.budget.history_cache_bytes / CACHE_PART;
    for depth in 0..READ_AHEAD_CHUNKS {
        for part in ahead.iter().filter_map(|parts| parts.get(depth)) {
            let Some(left) = room.checked_sub(part.bytes) else {
                return;
            };
            room = left;
            if broker.cache.peek(&part.key).is_none() {
                fetch(broker, *part);
            }
        }
    }
}

/// The next chunks behind what was read of a partition, if that ended in a chunk.
fn behind(broker: &Broker, wanted: &Wanted, chain: &[ReadExtent]) -> Option<Vec<ObjectPart>> {
    let last = chain.last().filter(|one| one.bytes.is_ok())?.extent;
    last.chunk?;
    let next = broker
        .history
        .lookup(wanted.partition, last.end_offset, u64::MAX, READ_AHEAD_CHUNKS)?;
    Some(next.iter().map(ObjectPart::of).collect())
}

/// Fetches a chunk into the cache in the background, if there is room for that now.
fn fetch(broker: &Broker, part: ObjectPart) {
    if broker.budget.fetch.is_short() {
        return;
    }
    let Some(under_way) = broker.read_ahead.begin(part.key) else {
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

    #[test]
    fn each_chunk_is_fetched_once_at_a_time_and_few_at_once() {
        let key = |position| {
            let segment = SegmentId {
                kind: SegmentKind::Archive,
                epoch: ClusterEpoch(1),
                incarnation: IncarnationId(Uuid::from_u128(1)),
                seq: 1,
            };
            CacheKey::chunk(segment, position)
        };
        let read_ahead = Arc::new(ReadAhead::default());
        let first = read_ahead.begin(key(0));
        assert!(first.is_some() && read_ahead.begin(key(0)).is_none());
        let others: Vec<_> = (1..20).filter_map(|at| read_ahead.begin(key(at))).collect();
        assert_eq!(others.len(), READ_AHEADS_AT_ONCE - 1);
        drop(first);
        assert!(read_ahead.begin(key(0)).is_some());
        drop(others);
        assert!(read_ahead.under_way.lock().is_empty());
    }
}
