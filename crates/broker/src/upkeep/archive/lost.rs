//! Segments that cannot be read, until they are given up.
//!
//! What holds: a segment is given up when [`LOOKS_MIN`] looks at it failed, spread over the time that is given for it,
//! and none succeeded in between. A bucket that shows an old state for a while, or nothing, loses no records so. One that
//! does not answer for an object is given longer than one that says that it is missing or damaged, and is not asked for it
//! all the time. Time is the agent's own. What was noted ends with the incarnation: the next one begins anew.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use esker_model::SegmentId;
use esker_model::seams::{Clock, Instant};

/// The longest time between the first look that failed and the one after which a segment is given up that is missing or
/// damaged.
const MISSING_GIVEN_UP_AFTER: Duration = Duration::from_secs(5 * 60);

/// The same of one for which the bucket does not answer, although it answers for others.
const SILENT_GIVEN_UP_AFTER: Duration = Duration::from_secs(60 * 60);

/// The bucket is left alone with such a segment for one part of so many of that time: a look may take ten seconds.
const RESTS: u32 = 16;

/// Looks that have to fail.
const LOOKS_MIN: u32 = 3;

/// Segments that are remembered; what comes on top is given up later.
const SEGMENTS_MAX: usize = 20_000;

/// Nobody looked for so long: others archived it, or its topic is gone.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(60 * 60);

struct Suspect {
    first: Instant,
    /// The last one that counts.
    last: Instant,
    looks: u32,
    /// The last one.
    asked: Instant,
}

/// What is known of such segments.
pub(super) struct Lost {
    clock: Arc<dyn Clock>,
    given_up_after: Duration,
    suspects: BTreeMap<SegmentId, Suspect>,
}

/// The outcome of looks that failed.
pub(super) struct Looked {
    /// How many of the segments failed for the first time.
    pub new: usize,
    /// Those that failed often enough.
    pub given_up: BTreeSet<SegmentId>,
}

impl Lost {
    /// Those that are missing or damaged, where segments are archived `interval` after they were written: their loss is
    /// told no faster than that.
    pub(super) fn missing(clock: Arc<dyn Clock>, interval: Duration) -> Self {
        Self::after(clock, interval.min(MISSING_GIVEN_UP_AFTER))
    }

    /// Those for which the bucket does not answer.
    pub(super) fn silent(clock: Arc<dyn Clock>, interval: Duration) -> Self {
        Self::after(clock, interval.saturating_mul(12).min(SILENT_GIVEN_UP_AFTER))
    }

    fn after(clock: Arc<dyn Clock>, given_up_after: Duration) -> Self {
        Self {
            clock,
            given_up_after,
            suspects: BTreeMap::new(),
        }
    }

    /// Whether a look at it failed.
    pub(super) fn suspects(&self, segment: &SegmentId) -> bool {
        self.suspects.contains_key(segment)
    }

    /// Whether it is too early to look again.
    pub(super) fn is_resting(&self, segment: &SegmentId) -> bool {
        let suspect = self.suspects.get(segment);
        suspect.is_some_and(|suspect| self.clock.now().since(suspect.asked) < self.given_up_after / RESTS)
    }

    /// A segment is there.
    pub(super) fn was_read(&mut self, segment: &SegmentId) {
        self.suspects.remove(segment);
    }

    /// Notes that these segments could not be read just now.
    pub(super) fn look<'a>(&mut self, failed: impl Iterator<Item = &'a SegmentId>) -> Looked {
        let now = self.clock.now();
        self.suspects
            .retain(|_, suspect| now.since(suspect.last) < FORGOTTEN_AFTER);
        // Looks that follow each other at once are one.
        let apart = self.given_up_after / (LOOKS_MIN + 1);
        let mut looked = Looked {
            new: 0,
            given_up: BTreeSet::new(),
        };
        for segment in failed {
            let Some(suspect) = self.suspects.get_mut(segment) else {
                if self.suspects.len() < SEGMENTS_MAX {
                    looked.new += 1;
                    let suspect = Suspect {
                        first: now,
                        last: now,
                        looks: 1,
                        asked: now,
                    };
                    self.suspects.insert(*segment, suspect);
                }
                continue;
            };
            suspect.asked = now;
            if now.since(suspect.last) >= apart {
                suspect.last = now;
                suspect.looks = suspect.looks.saturating_add(1);
            }
            if suspect.looks >= LOOKS_MIN && now.since(suspect.first) >= self.given_up_after {
                looked.given_up.insert(*segment);
            }
        }
        looked
    }
}

#[cfg(test)]
mod tests {
    use esker_model::{ClusterEpoch, IncarnationId, SegmentKind};
    use parking_lot::Mutex;
    use uuid::Uuid;

    use super::*;

    #[derive(Default)]
    struct Hand(Mutex<Duration>);

    impl Clock for Hand {
        fn now(&self) -> Instant {
            Instant(*self.0.lock())
        }

        fn wall_ms(&self) -> i64 {
            0
        }
    }

    fn segment(seq: u64) -> SegmentId {
        SegmentId {
            kind: SegmentKind::Ingest,
            epoch: ClusterEpoch(1),
            incarnation: IncarnationId(Uuid::from_u128(1)),
            seq,
        }
    }

    struct Looking(Arc<Hand>, Lost);

    impl Looking {
        fn every(interval: Duration) -> Self {
            let hand = Arc::new(Hand::default());
            Self(Arc::clone(&hand), Lost::missing(hand, interval))
        }

        /// Whether the first segment is given up by a look so much later.
        fn fails(&mut self, seconds: u64) -> bool {
            *self.0.0.lock() += Duration::from_secs(seconds);
            !self.1.look([segment(1)].iter()).given_up.is_empty()
        }
    }

    #[test]
    fn a_segment_is_given_up_after_several_looks_over_minutes() {
        let mut looking = Looking::every(Duration::from_secs(3_600));
        for (seconds, given_up) in [
            (0, false),
            (100, false),
            (100, false),
            (99, false),
            (1, true),
            (9, true),
        ] {
            assert_eq!(looking.fails(seconds), given_up);
        }
        // Two are not enough, however long it takes.
        let mut looking = Looking::every(Duration::from_secs(3_600));
        for (seconds, given_up) in [(0, false), (1_000, false), (1, false), (75, true)] {
            assert_eq!(looking.fails(seconds), given_up);
        }
    }

    #[test]
    fn one_that_was_there_once_begins_anew_and_so_does_one_that_nobody_asked_for() {
        let mut looking = Looking::every(Duration::from_secs(3_600));
        for _ in 0..3 {
            assert!(!looking.fails(149));
            assert!(!looking.fails(149));
            looking.1.was_read(&segment(1));
        }
        assert!(!looking.fails(200));
        assert!(!looking.fails(200));
        assert!(!looking.fails(FORGOTTEN_AFTER.as_secs()));
        assert!(!looking.fails(200));
        assert!(looking.fails(200));
    }

    #[test]
    fn who_does_not_answer_is_given_longer_and_left_alone_meanwhile() {
        let hand = Arc::new(Hand::default());
        let mut silent = Lost::silent(Arc::clone(&hand) as Arc<dyn Clock>, Duration::from_secs(3_600));
        let (mut looks, mut given_up) = (0, false);
        while !given_up {
            assert!(!silent.is_resting(&segment(1)));
            given_up = !silent.look([segment(1)].iter()).given_up.is_empty();
            looks += 1;
            assert!(silent.is_resting(&segment(1)) && !silent.is_resting(&segment(2)));
            *hand.0.lock() += SILENT_GIVEN_UP_AFTER / RESTS;
        }
        assert_eq!((looks, hand.0.lock().as_secs()), (17, 3_600 + 225));
        silent.was_read(&segment(1));
        assert!(!silent.is_resting(&segment(1)));
    }

    #[test]
    fn what_is_archived_soon_is_given_up_soon_and_not_all_are_remembered() {
        let mut looking = Looking::every(Duration::from_secs(4));
        for (seconds, given_up) in [(0, false), (1, false), (1, false), (2, true)] {
            assert_eq!(looking.fails(seconds), given_up);
        }
        let all: Vec<SegmentId> = (0..SEGMENTS_MAX as u64 + 9).map(segment).collect();
        assert_eq!(looking.1.look(all.iter()).new, SEGMENTS_MAX - 1);
        assert_eq!(looking.1.look(all.iter()).new, 0);
    }
}
