//! Objects that this incarnation wrote and that nothing refers to: rounds failed, or others were faster.
//!
//! What holds: an object is a leftover as long as nobody was asked to refer to it, and again when it is known that
//! nothing ever will. In between its fate is the metastore's: whoever stops there leaves it to the sweep, as does
//! whoever ends. So no leftover is referred to, and deleting one twice, or late, does no harm. One that cannot be
//! deleted is counted, told now and then, and tried again behind the others.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use esker_model::ObjectId;
use esker_model::seams::{Clock, Instant};
use esker_storage::StoreError;
use esker_storage::bucket::DELETE_AT_ONCE;
use esker_storage::keys::key_of;
use parking_lot::Mutex;
use tracing::warn;

use super::Upkeep;

/// Leftovers that are remembered; what comes on top is left to the sweep.
const LEFTOVERS_MAX: usize = 10_000;

/// A put that gave up may land later than this agent believes: what it wrote is deleted so much later.
const LANDED_AFTER: Duration = Duration::from_secs(120);

/// The longest time between two rounds.
const EVERY_MAX: Duration = Duration::from_secs(30);

/// The time between two warnings that something cannot be deleted.
const WARN_EVERY: Duration = Duration::from_secs(10 * 60);

/// What this incarnation has to delete, by when.
pub(crate) struct Leftovers {
    clock: Arc<dyn Clock>,
    waiting: Mutex<VecDeque<(Instant, ObjectId)>>,
}

impl Leftovers {
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            clock,
            waiting: Mutex::default(),
        }
    }

    /// Has objects go that nothing refers to, and nothing ever will.
    pub(super) fn add(&self, objects: impl IntoIterator<Item = ObjectId>) {
        self.add_after(Duration::ZERO, objects);
    }

    fn add_after(&self, after: Duration, objects: impl IntoIterator<Item = ObjectId>) {
        let due = self.clock.now().plus(after);
        let mut waiting = self.waiting.lock();
        let room = LEFTOVERS_MAX.saturating_sub(waiting.len());
        waiting.extend(objects.into_iter().take(room).map(|object| (due, object)));
    }

    /// Those that are due, as many as are deleted with one request.
    fn due(&self) -> Vec<ObjectId> {
        let now = self.clock.now();
        let mut waiting = self.waiting.lock();
        let mut due = Vec::new();
        waiting.retain(|(at, object)| {
            let take = *at <= now && due.len() < DELETE_AT_ONCE;
            if take {
                due.push(*object);
            }
            !take
        });
        due
    }
}

/// An object that was put, or is being put, and that nobody was asked to refer to yet.
#[must_use]
pub(super) struct Unoffered {
    object: ObjectId,
    of: Arc<Leftovers>,
    landed: bool,
    offered: bool,
}

impl Unoffered {
    /// It is about to be put.
    pub(super) fn new(object: ObjectId, of: &Arc<Leftovers>) -> Self {
        Self {
            object,
            of: Arc::clone(of),
            landed: false,
            offered: false,
        }
    }

    /// It is in the bucket.
    pub(super) fn landed(mut self) -> Self {
        self.landed = true;
        self
    }

    /// Somebody is asked to refer to it.
    pub(super) fn offer(mut self) -> ObjectId {
        self.offered = true;
        self.object
    }
}

impl Drop for Unoffered {
    fn drop(&mut self) {
        if !self.offered {
            let after = if self.landed { Duration::ZERO } else { LANDED_AFTER };
            self.of.add_after(after, [self.object]);
        }
    }
}

/// Deletes leftovers until the incarnation ends.
pub(super) async fn run(upkeep: Upkeep) {
    let mut warned: Option<Instant> = None;
    while upkeep.pause((upkeep.interval / 4).min(EVERY_MAX)).await {
        loop {
            let due = upkeep.leftovers.due();
            if due.is_empty() {
                break;
            }
            let keys: Vec<String> = due.iter().map(key_of).collect();
            let (left, failure) = match upkeep.bucket.delete_many(&keys).await {
                Ok(outcomes) => failed(&due, outcomes),
                Err(err) => (due.clone(), Some(err)),
            };
            if let Some(err) = failure {
                upkeep.metrics.remove.failures.inc();
                let now = upkeep.seams.clock.now();
                if warned.is_none_or(|at| now.since(at) >= WARN_EVERY) {
                    warned = Some(now);
                    warn!(%err, objects = left.len(), "objects that were written for nothing cannot be deleted now");
                }
                upkeep.leftovers.add(left);
                break;
            }
        }
    }
}

/// Those that were not deleted, and why the first of them was not.
fn failed(due: &[ObjectId], outcomes: Vec<Result<(), StoreError>>) -> (Vec<ObjectId>, Option<StoreError>) {
    let (mut left, mut failure) = (Vec::new(), None);
    for (object, outcome) in due.iter().zip(outcomes) {
        if let Err(err) = outcome {
            left.push(*object);
            failure.get_or_insert(err);
        }
    }
    (left, failure)
}

#[cfg(test)]
mod tests {
    use esker_model::{ClusterEpoch, IncarnationId, SegmentId, SegmentKind};
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

    fn object(seq: u64) -> ObjectId {
        ObjectId::Segment(SegmentId {
            kind: SegmentKind::Archive,
            epoch: ClusterEpoch(1),
            incarnation: IncarnationId(Uuid::from_u128(1)),
            seq,
        })
    }

    #[test]
    fn what_was_not_offered_is_due_and_what_may_still_land_is_due_later() {
        let hand = Arc::new(Hand::default());
        let leftovers = Arc::new(Leftovers::new(Arc::clone(&hand) as _));
        drop(Unoffered::new(object(1), &leftovers));
        drop(Unoffered::new(object(2), &leftovers).landed());
        assert_eq!(Unoffered::new(object(3), &leftovers).landed().offer(), object(3));
        leftovers.add([object(4)]);
        assert_eq!(leftovers.due(), [object(2), object(4)]);
        assert_eq!(leftovers.due(), []);
        *hand.0.lock() = LANDED_AFTER;
        assert_eq!(leftovers.due(), [object(1)]);
    }

    #[test]
    fn few_are_deleted_at_a_time_and_not_all_are_remembered() {
        let leftovers = Leftovers::new(Arc::new(Hand::default()));
        leftovers.add((0..LEFTOVERS_MAX as u64 + 5).map(object));
        for _ in 0..LEFTOVERS_MAX / DELETE_AT_ONCE {
            assert_eq!(leftovers.due().len(), DELETE_AT_ONCE);
        }
        assert_eq!(leftovers.due(), []);
    }
}
