//! Who of a request's readers of history has its turn.
//!
//! A consumer gets a part of each chunk at a time. If it reads more partitions than the cache of archived records holds
//! chunks, each chunk would be gone before its next part is asked for, and be fetched again and again. So a request is given
//! archived records of as many partitions as there is room for, the same ones for [`TURN`], then others. The rest get
//! nothing meanwhile.
//!
//! What holds: a request that has something to read reads something; everybody comes to its turn. Half of the cache is
//! divided among all places that are read; those who read the same read it together.

use std::collections::BTreeSet;
use std::time::Duration;

use esker_model::seams::Instant;
use esker_protocol::ErrorCode;
use esker_storage::cache::CacheKey;

use super::plan::{self, Found};
use super::read::ObjectPart;
use crate::Broker;

/// How long the same partitions of a request are read, if not all can be: long enough to read some chunks of each.
const TURN: Duration = Duration::from_secs(2);

/// One part of so many of the cache of archived records is divided among those who take turns.
const CACHE_PART: u64 = 2;

/// Nobody takes turns as long as what is read at the moment takes less than this part of it.
const CROWDED_PARTS: (u64, u64) = (3, 4);

/// Takes from the request what is not read this time.
pub(super) fn take(broker: &Broker, found: &mut [Result<Found, ErrorCode>]) {
    let (at, parts): (Vec<usize>, Vec<(CacheKey, u64)>) = found
        .iter()
        .enumerate()
        .filter_map(|(at, found)| Some((at, first_part(found)?)))
        .unzip();
    let cache = broker.budget.history_cache_bytes;
    let here = parts.len() as u64;
    let places = broker.readers.lock().places().max(here).max(1);
    let bytes: u64 = parts.iter().map(|(_, bytes)| bytes).sum();
    let at_the_moment = bytes / here.max(1) * places;
    if at_the_moment <= cache / CROWDED_PARTS.1 * CROWDED_PARTS.0 {
        return;
    }
    let room = cache / CACHE_PART * here / places;
    let left_out = left_out(&parts, room, broker.seams.clock.now());
    plan::leave_out(found, left_out.into_iter().map(|part| at[part]));
}

/// The chunk of archived records in which a reader stands, and its bytes.
fn first_part(found: &Result<Found, ErrorCode>) -> Option<(CacheKey, u64)> {
    let first = found.as_ref().ok()?.extents.first()?;
    let part = ObjectPart::of(first).filter(|part| part.key.is_history())?;
    Some((part.key, part.bytes))
}

/// Whose turn it is not.
fn left_out(parts: &[(CacheKey, u64)], room: u64, now: Instant) -> Vec<usize> {
    let mut keys = BTreeSet::new();
    let chunks = parts.iter().filter(|(key, _)| keys.insert(*key));
    let bytes: u64 = chunks.map(|(_, bytes)| bytes).sum();
    if bytes <= room {
        return Vec::new();
    }
    let count = parts.len() as u64;
    let at_once = (room * count / bytes).max(1);
    let turn = now.0.as_secs() / TURN.as_secs();
    let first = (turn % count * at_once % count) as usize;
    let (mut taken, mut so_far) = (BTreeSet::new(), 0);
    let mut left_out = Vec::new();
    for at in (first..parts.len()).chain(0..first) {
        let (key, bytes) = parts[at];
        if taken.contains(&key) {
            continue;
        }
        if so_far + bytes <= room || taken.is_empty() {
            so_far += bytes;
            taken.insert(key);
        } else {
            left_out.push(at);
        }
    }
    left_out
}

#[cfg(test)]
mod tests {
    use esker_model::{ClusterEpoch, IncarnationId, SegmentId, SegmentKind};
    use uuid::Uuid;

    use super::*;

    fn parts(chunks: &[u64]) -> Vec<(CacheKey, u64)> {
        let segment = SegmentId {
            kind: SegmentKind::Archive,
            epoch: ClusterEpoch(1),
            incarnation: IncarnationId(Uuid::from_u128(1)),
            seq: 1,
        };
        let part = |chunk: &u64| (CacheKey::chunk(segment, *chunk), 4);
        chunks.iter().map(part).collect()
    }

    fn at(seconds: u64) -> Instant {
        Instant(Duration::from_secs(seconds))
    }

    #[test]
    fn everybody_reads_if_there_is_room() {
        assert_eq!(left_out(&[], 0, at(0)), [0; 0]);
        assert_eq!(left_out(&parts(&[1]), 0, at(0)), [0; 0]);
        assert_eq!(left_out(&parts(&[1, 2, 3]), 12, at(9)), [0; 0]);
        // Those who stand in one chunk take room once.
        assert_eq!(left_out(&parts(&[1, 2, 2, 1, 2]), 8, at(9)), [0; 0]);
    }

    #[test]
    fn everybody_comes_to_its_turn() {
        let parts = parts(&[0, 1, 2, 3, 4]);
        let read = |seconds| {
            let out = left_out(&parts, 8, at(seconds));
            (0..5).filter(|at| !out.contains(at)).collect::<Vec<_>>()
        };
        assert_eq!((read(0), read(1)), (vec![0, 1], vec![0, 1]));
        assert_eq!((read(2), read(4)), (vec![2, 3], vec![0, 4]));
        assert_eq!((read(6), read(8), read(10)), (vec![1, 2], vec![3, 4], vec![0, 1]));
    }
}
