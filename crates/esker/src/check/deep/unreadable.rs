//! Objects that the bucket does not give out while it gives out others: a store may answer so for ever when an object is
//! damaged on its disk. That is a finding of that object, and no reason to stop.
//!
//! Bounded: each request is repeated once for some time, and what it met is remembered for the look that confirms it; further
//! requests for the same object are not repeated, and neither are those for others once there are several such objects.
//! What is not repeated here was still tried for ten seconds: the bucket does that by itself.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use esker_storage::StoreError;

use super::reader::{PATIENCE, RETRY};

/// How long a request for an object is repeated after it failed, and the bucket had tried it for ten seconds: half a minute
/// together.
const OBJECT_PATIENCE: Duration = Duration::from_secs(20);

/// After so many such objects, the next ones are not waited for.
const OBJECTS_WAITED_FOR: usize = 3;

/// Requests, and objects, that are remembered. When there are more, those are asked for again.
const REMEMBERED_MAX: usize = 100_000;

/// How long is waited after a first failure, and how often is asked.
#[derive(Clone, Copy)]
pub(super) struct Patience {
    /// For an object that is not given out.
    pub object: Duration,
    /// For a bucket that does not answer at all.
    pub store: Duration,
    /// Between two questions.
    pub retry: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            object: OBJECT_PATIENCE,
            store: PATIENCE,
            retry: RETRY,
        }
    }
}

/// What a request asks for.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Part {
    pub key: String,
    /// Begin and end.
    bytes: (u64, u64),
}

impl Part {
    pub(super) fn whole(key: String) -> Self {
        let bytes = (0, u64::MAX);
        Self { key, bytes }
    }

    pub(super) fn range(key: &str, range: &Range<u64>) -> Self {
        Self {
            key: key.to_owned(),
            bytes: (range.start, range.end),
        }
    }

    /// Its size alone.
    pub(super) fn size(key: &str) -> Self {
        Self::range(key, &(0..0))
    }
}

/// What was not given out so far.
#[derive(Default)]
struct Known {
    parts: BTreeMap<Part, StoreError>,
    objects: BTreeSet<String>,
}

/// What is not given out, for all who read.
#[derive(Default)]
pub(super) struct Unreadable {
    pub patience: Patience,
    known: Mutex<Known>,
}

impl Unreadable {
    #[cfg(test)]
    pub(super) fn with(patience: Patience) -> Self {
        let known = Mutex::default();
        Self { patience, known }
    }

    /// Why this is known not to be given out.
    pub(super) fn why(&self, part: &Part) -> Option<StoreError> {
        self.known().parts.get(part).cloned()
    }

    /// How long a request for an object is repeated after it failed.
    pub(super) fn patience_for(&self, key: &str) -> Duration {
        let known = self.known();
        match known.objects.len() < OBJECTS_WAITED_FOR && !known.objects.contains(key) {
            true => self.patience.object,
            false => Duration::ZERO,
        }
    }

    pub(super) fn remember(&self, part: Part, error: StoreError) {
        let mut known = self.known();
        if known.objects.len() < REMEMBERED_MAX {
            known.objects.insert(part.key.clone());
        }
        if known.parts.len() < REMEMBERED_MAX {
            known.parts.insert(part, error);
        }
    }

    fn known(&self) -> std::sync::MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether an error is about the object itself: it is not there, or its bytes are wrong.
pub(super) fn is_of_object(error: &StoreError) -> bool {
    matches!(error, StoreError::NotFound { .. } | StoreError::Corrupt { .. })
}
