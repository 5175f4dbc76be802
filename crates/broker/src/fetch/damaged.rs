//! Parts of objects that turned out damaged a moment ago.
//!
//! A client that meets damaged records asks for them again and again, ten times a second by default, and each time they
//! would be read from the bucket several times before that is believed. What is known here is believed for
//! [`BELIEVED_FOR`], then the bucket is asked again: somebody may have repaired it.
//!
//! What holds: at most [`DAMAGED_MAX`] are known. Beyond that they are read each time.

use std::time::Duration;

use esker_model::collections::FixedMap;
use esker_model::seams::Instant;
use esker_storage::cache::CacheKey;
use parking_lot::Mutex;

/// How long a part is not read again.
pub(super) const BELIEVED_FOR: Duration = Duration::from_secs(5);

/// Parts that are known.
const DAMAGED_MAX: usize = 1_024;

/// Parts that turned out damaged, and when.
#[derive(Default)]
pub(crate) struct Damaged(Mutex<FixedMap<CacheKey, Instant>>);

impl Damaged {
    /// Whether a part turned out damaged a moment ago.
    pub(super) fn contains(&self, part: &CacheKey, now: Instant) -> bool {
        let noted = self.0.lock().get(part).copied();
        noted.is_some_and(|noted| now.since(noted) < BELIEVED_FOR)
    }

    /// Notes that a part is damaged.
    pub(super) fn note(&self, part: CacheKey, now: Instant) {
        let mut damaged = self.0.lock();
        if damaged.len() >= DAMAGED_MAX {
            damaged.retain(|_, noted| now.since(*noted) < BELIEVED_FOR);
        }
        if damaged.len() < DAMAGED_MAX {
            damaged.insert(part, now);
        }
    }
}

#[cfg(test)]
mod tests {
    use esker_model::{ClusterEpoch, IncarnationId, SegmentId, SegmentKind};
    use uuid::Uuid;

    use super::*;

    fn part(position: u64) -> CacheKey {
        let segment = SegmentId {
            kind: SegmentKind::Archive,
            epoch: ClusterEpoch(1),
            incarnation: IncarnationId(Uuid::from_u128(1)),
            seq: 1,
        };
        CacheKey::chunk(segment, position)
    }

    #[test]
    fn what_is_damaged_is_believed_for_a_while_and_few_are_known() {
        let (damaged, now) = (Damaged::default(), Instant(Duration::from_secs(7)));
        for position in 0..=DAMAGED_MAX as u64 {
            assert!(!damaged.contains(&part(position), now));
            damaged.note(part(position), now);
        }
        assert!(damaged.contains(&part(DAMAGED_MAX as u64 - 1), now));
        assert!(!damaged.contains(&part(DAMAGED_MAX as u64), now));
        let later = now.plus(BELIEVED_FOR);
        assert!(!damaged.contains(&part(0), later));
        damaged.note(part(DAMAGED_MAX as u64), later);
        assert!(damaged.contains(&part(DAMAGED_MAX as u64), later));
        assert_eq!(damaged.0.lock().len(), 1);
    }
}
