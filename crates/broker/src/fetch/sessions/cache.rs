//! Which sessions there are, and who has to go when there is no room.
//!
//! Room is a number of sessions and a number of bytes. As in KIP-227 a newcomer takes the room of sessions that nobody
//! used for [`EVICTION_AGE`], least recently used first; then of those with fewer partitions than it has, fewest first,
//! unless they were made within that time too. If that is not enough nobody has to go, and there is no room.

use std::collections::BTreeSet;
use std::time::Duration;

use esker_model::collections::FixedMap;
use esker_model::seams::{Instant, Rng};
use esker_protocol::ErrorCode;

use super::partitions::{PARTITION_BYTES, Partitions};

/// For so long after it was used a session is safe from newcomers that are no larger, and after it was made from all of them:
/// `min.incremental.fetch.session.eviction.ms` of KIP-227.
pub(crate) const EVICTION_AGE: Duration = Duration::from_secs(120);

/// Ids drawn for a new session before it is given up. One in two million is taken.
const DRAWS_MAX: usize = 16;

/// What sessions may take.
#[derive(Clone, Copy, Debug)]
pub(super) struct Room {
    pub sessions: usize,
    pub bytes: usize,
}

struct Kept {
    /// The epoch of its next request.
    epoch: i32,
    by_id: bool,
    made: Instant,
    used: Instant,
    size: Size,
    /// `None` while a request uses it.
    partitions: Option<Partitions>,
}

/// How large a session was when it was looked at last.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Size {
    pub partitions: usize,
    pub bytes: usize,
}

impl Size {
    /// Of a session of so many partitions, without its topics.
    pub(super) fn about(partitions: usize) -> Self {
        Self {
            partitions,
            bytes: partitions * PARTITION_BYTES,
        }
    }

    pub(super) fn of(partitions: &Partitions) -> Self {
        Self {
            partitions: partitions.len(),
            bytes: partitions.bytes(),
        }
    }
}

/// The sessions of one agent.
pub(super) struct Cache {
    room: Room,
    sessions: FixedMap<i32, Kept>,
    by_use: BTreeSet<(Instant, i32)>,
    /// Those that a larger one may push out, by number of partitions.
    by_size: BTreeSet<(usize, i32)>,
    total: Size,
    evicted: u64,
}

impl Cache {
    pub(super) fn new(room: Room) -> Self {
        Self {
            room,
            sessions: FixedMap::default(),
            by_use: BTreeSet::new(),
            by_size: BTreeSet::new(),
            total: Size::default(),
            evicted: 0,
        }
    }

    /// Keeps a new session, whose next request has epoch 1. `None` if there is no room.
    pub(super) fn insert(
        &mut self,
        partitions: Partitions,
        by_id: bool,
        now: Instant,
        rng: &dyn Rng,
    ) -> Option<i32> {
        let size = Size::of(&partitions);
        let draw = || rng.below(i32::MAX as u64) as i32 + 1;
        let id = std::iter::repeat_with(draw)
            .take(DRAWS_MAX)
            .find(|id| !self.sessions.contains_key(id))?;
        if !self.make_room(None, size, now) {
            return None;
        }
        let kept = Kept {
            epoch: 1,
            by_id,
            made: now,
            used: now,
            size,
            partitions: Some(partitions),
        };
        self.sessions.insert(id, kept);
        self.enter(id);
        Some(id)
    }

    /// Takes the partitions of a session for one request. Its next request has the next epoch from now on.
    pub(super) fn take(
        &mut self,
        id: i32,
        epoch: i32,
        by_id: bool,
        now: Instant,
    ) -> Result<Partitions, ErrorCode> {
        let kept = self
            .sessions
            .get_mut(&id)
            .ok_or(ErrorCode::FetchSessionIdNotFound)?;
        if kept.epoch != epoch {
            return Err(ErrorCode::InvalidFetchSessionEpoch);
        }
        if kept.by_id != by_id {
            return Err(ErrorCode::FetchSessionTopicIdError);
        }
        // The request before is not answered yet.
        let partitions = kept
            .partitions
            .take()
            .ok_or(ErrorCode::InvalidFetchSessionEpoch)?;
        kept.epoch = next_epoch(epoch);
        self.leave(id);
        if let Some(kept) = self.sessions.get_mut(&id) {
            kept.used = now;
        }
        self.enter(id);
        Ok(partitions)
    }

    /// Counts a session anew that a request has changed. `false`: there is no room for what it became.
    pub(super) fn resize(&mut self, id: i32, size: Size, now: Instant) -> bool {
        if !self.sessions.contains_key(&id) || !self.make_room(Some(id), size, now) {
            return false;
        }
        self.leave(id);
        if let Some(kept) = self.sessions.get_mut(&id) {
            kept.size = size;
        }
        self.enter(id);
        true
    }

    /// Takes back the partitions of a session after the request with this epoch. Whoever was closed or pushed out
    /// meanwhile is gone, even if another one has its id by now.
    pub(super) fn put_back(&mut self, id: i32, epoch: i32, partitions: Partitions) {
        if let Some(kept) = self.sessions.get_mut(&id)
            && kept.partitions.is_none()
            && kept.epoch == next_epoch(epoch)
        {
            kept.partitions = Some(partitions);
        }
    }

    pub(super) fn remove(&mut self, id: i32) {
        self.leave(id);
        self.sessions.remove(&id);
    }

    pub(super) fn total(&self) -> Size {
        self.total
    }

    pub(super) fn len(&self) -> usize {
        self.sessions.len()
    }

    /// Sessions that had to go, so far.
    pub(super) fn evicted(&self) -> u64 {
        self.evicted
    }

    /// Whether there is room for a newcomer, or for what others would have to make way.
    pub(super) fn has_room(&self, size: Size, now: Instant) -> bool {
        self.who_goes(None, size, now).is_some()
    }

    /// Makes room for a newcomer, or for what the session `grown` became.
    fn make_room(&mut self, grown: Option<i32>, size: Size, now: Instant) -> bool {
        let Some(go) = self.who_goes(grown, size, now) else {
            return false;
        };
        self.evicted += go.len() as u64;
        for id in go {
            self.remove(id);
        }
        true
    }

    /// Who has to go; `None` if that would not be enough.
    fn who_goes(&self, grown: Option<i32>, size: Size, now: Instant) -> Option<BTreeSet<i32>> {
        let held = grown
            .and_then(|id| self.sessions.get(&id))
            .map_or(Size::default(), |kept| kept.size);
        let mut sessions = self.sessions.len() + usize::from(grown.is_none());
        let mut bytes = self.total.bytes - held.bytes + size.bytes;
        let fits = |sessions, bytes| sessions <= self.room.sessions && bytes <= self.room.bytes;
        if size.bytes > self.room.bytes {
            return None;
        }
        let stale = self
            .by_use
            .iter()
            .take_while(|(used, _)| now - *used > EVICTION_AGE)
            .map(|(_, id)| *id);
        let smaller = self
            .by_size
            .iter()
            .take_while(|(partitions, _)| *partitions < size.partitions)
            .map(|(_, id)| *id);
        let mut go = BTreeSet::new();
        for id in stale.chain(smaller) {
            if fits(sessions, bytes) {
                break;
            }
            if Some(id) != grown && go.insert(id) {
                sessions -= 1;
                bytes -= self.sessions.get(&id).map_or(0, |kept| kept.size.bytes);
            }
        }
        fits(sessions, bytes).then_some(go)
    }

    /// Counts a session and puts it where it is looked for.
    fn enter(&mut self, id: i32) {
        let Some(kept) = self.sessions.get(&id) else {
            return;
        };
        self.by_use.insert((kept.used, id));
        if kept.used - kept.made > EVICTION_AGE {
            self.by_size.insert((kept.size.partitions, id));
        }
        self.total.partitions += kept.size.partitions;
        self.total.bytes += kept.size.bytes;
    }

    fn leave(&mut self, id: i32) {
        let Some(kept) = self.sessions.get(&id) else {
            return;
        };
        self.by_use.remove(&(kept.used, id));
        self.by_size.remove(&(kept.size.partitions, id));
        self.total.partitions -= kept.size.partitions;
        self.total.bytes -= kept.size.bytes;
    }
}

/// 0 and -1 have a meaning of their own.
fn next_epoch(epoch: i32) -> i32 {
    epoch.checked_add(1).unwrap_or(1)
}

#[cfg(test)]
impl Cache {
    pub(super) fn set_epoch(&mut self, id: i32, epoch: i32) {
        if let Some(kept) = self.sessions.get_mut(&id) {
            kept.epoch = epoch;
        }
    }

    /// Partitions of those that are left of these sessions.
    pub(super) fn left(&self, ids: &[i32]) -> usize {
        let left = ids.iter().filter_map(|id| self.sessions.get(id));
        left.map(|kept| kept.size.partitions).sum()
    }
}
