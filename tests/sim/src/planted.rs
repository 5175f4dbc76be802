//! Planted mistakes: how many seeds it takes until one is caught.

use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicU64, Ordering};

use esker_history::Promise;
use esker_model::planted::{Mistake, plant};

use crate::run;
use crate::setup::Setup;
use crate::setup::groups::Crowd;

/// A mistake was caught.
#[derive(Clone, Debug)]
pub struct Caught {
    /// By this seed.
    pub seed: u64,
    /// How many seeds that took.
    pub seeds: u64,
    /// The promise that the first violation breaks.
    pub promise: Promise,
    /// The rule that says so.
    pub rule: &'static str,
}

/// How many groups runs have that look for a mistake: many, if it is one of groups.
pub fn crowd(mistake: Mistake) -> Crowd {
    match mistake {
        Mistake::FormerMemberCommits
        | Mistake::LateGroupWrite
        | Mistake::GroupAnswersEarly
        | Mistake::SyncDoesNotWait
        | Mistake::GiveTwice => Crowd::Many,
        _ => Crowd::Some,
    }
}

/// Whether a seed fails with nothing planted too: then what it found is not the mistake.
fn fails_without(seed: u64, crowd: Crowd, mistake: Mistake) -> bool {
    plant(None);
    let clean = run::run(&Setup::with(seed, crowd)).is_ok_and(|outcome| outcome.violations.is_empty());
    plant(Some(mistake));
    !clean
}

/// Runs seeds from `from` on with a planted mistake until one is caught; `None` if none of `seeds` is.
pub fn hunt(mistake: Mistake, from: u64, seeds: u64, threads: usize) -> Option<Caught> {
    let crowd = crowd(mistake);
    let next = AtomicU64::new(0);
    let first: Mutex<Option<Caught>> = Mutex::new(None);
    let known = || first.lock().unwrap_or_else(PoisonError::into_inner).clone();
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                plant(Some(mistake));
                loop {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    // Seeds below the one that caught it may still be under way.
                    if at >= seeds || known().is_some_and(|caught| caught.seeds <= at) {
                        return;
                    }
                    let seed = from.wrapping_add(at);
                    let Ok(outcome) = run::run(&Setup::with(seed, crowd)) else {
                        continue;
                    };
                    let Some(violation) = outcome.violations.first() else {
                        continue;
                    };
                    if fails_without(seed, crowd, mistake) {
                        continue;
                    }
                    let caught = Caught {
                        seed,
                        seeds: at + 1,
                        promise: violation.promise,
                        rule: violation.rule,
                    };
                    let mut first = first.lock().unwrap_or_else(PoisonError::into_inner);
                    if first.as_ref().is_none_or(|known| known.seeds > caught.seeds) {
                        *first = Some(caught);
                    }
                }
            });
        }
    });
    known()
}
