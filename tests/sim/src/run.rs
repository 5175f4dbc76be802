//! One run of one seed, from the first agent's start to the verdict.

mod cast;
mod groups;
mod phases;
mod quiet;

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::panic;
use std::sync::atomic::Ordering;
use std::time::Duration;

use esker_history::event::{Retention, Topic};
use esker_history::{History, Terms, Violation, What, check};

use crate::setup::{Ending, Setup};
use crate::world::clock::BEGINNING_MS;
use crate::world::tally::Counts;

/// So long after the last fault nothing is under way any more that was begun before.
const SETTLED: Duration = Duration::from_secs(40);

/// What became of a run.
pub struct Outcome {
    /// What clients saw.
    pub history: History,
    /// What is broken.
    pub violations: Vec<Violation>,
    /// One number for all that happened: the same for the same seed.
    pub digest: u64,
    /// Figures for people.
    pub figures: Figures,
}

/// What happened in a run, in numbers.
#[derive(Clone, Default, Debug)]
pub struct Figures {
    /// Simulated time.
    pub simulated: Duration,
    /// Requests at the stores.
    pub store_events: u64,
    /// Segments that agents read whole from the bucket.
    pub segment_reads: u64,
    /// Faults that struck.
    pub faults: u64,
    /// Batches acknowledged.
    pub acknowledged: u64,
    /// Records in what readers saw.
    pub records_read: u64,
    /// Partitions whose log start was seen above 0.
    pub shortened: u64,
    /// Events of the history.
    pub events: u64,
    /// What else happened, by group and name.
    pub counts: Counts,
}

thread_local! {
    static PANICS: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

/// Panics inside of runs become violations of the run instead of text on stderr. Once per process.
pub fn catch_panics() {
    let usual = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        if tokio::runtime::Handle::try_current().is_ok() {
            PANICS.with_borrow_mut(|panics| panics.push(info.to_string()));
        } else {
            usual(info);
        }
    }));
}

/// Runs one seed. Errors: the runtime or the database could not be made.
pub fn run(setup: &Setup) -> Result<Outcome, String> {
    PANICS.take();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .map_err(|err| format!("cannot make a runtime: {err}"))?;
    let (world, struck, simulated) = runtime.block_on(async {
        let (world, struck) = phases::simulate(setup).await?;
        let simulated = world.clock().elapsed();
        Ok::<_, String>((world, struck, simulated))
    })?;
    runtime.shutdown_background();
    for what in PANICS.take() {
        world.record.note(What::Stuck {
            why: format!("a task panicked: {what}"),
        });
    }
    let (trace, store_events) = world.trace.digest();
    let mut history = world.record.take();
    tell_retention(&mut history, setup);
    let settled_from_us = history
        .events
        .iter()
        .find(|event| event.what == What::Healed)
        .map(|event| event.at_us + SETTLED.as_micros() as u64);
    let terms = Terms {
        read_through: setup.ending == Ending::ReadThrough,
        settled_from_us,
        database_ms: Some(BEGINNING_MS),
        retention_us: setup.retained_within().map(|within| within.as_micros() as u64),
        ..Terms::default()
    };
    let violations = check(&history, &terms);
    let mut figures = Figures {
        simulated,
        store_events,
        segment_reads: world.segment_reads.load(Ordering::Relaxed),
        faults: struck,
        events: history.events.len() as u64,
        counts: world.tally.counts(),
        ..Figures::default()
    };
    let mut shortened = BTreeSet::new();
    for event in &history.events {
        match &event.what {
            What::Acked { .. } => figures.acknowledged += 1,
            What::Fetched {
                seen,
                log_start,
                partition,
                ..
            } => {
                figures.records_read += seen.iter().map(|seen| u64::from(seen.records.count)).sum::<u64>();
                if *log_start > 0 {
                    shortened.insert(*partition);
                }
            }
            _ => {}
        }
    }
    figures.shortened = shortened.len() as u64;
    groups::count(&history, &mut figures.counts);
    Ok(Outcome {
        digest: digest(trace, &history),
        history,
        violations,
        figures,
    })
}

/// Tells what topics had to keep when they were created: those of a name were all created alike.
fn tell_retention(history: &mut History, setup: &Setup) {
    let churned = setup.admins.iter().flat_map(|admin| &admin.churn);
    let plans: BTreeMap<&str, Retention> = setup
        .topics
        .iter()
        .chain(churned)
        .map(|plan| (plan.name.as_str(), plan.retention))
        .collect();
    let at_us = history.events.last().map_or(0, |event| event.at_us);
    for at in 0..history.topics.len() {
        let retention = plans.get(history.topics[at].name.as_str());
        if let Some(retention) = retention.filter(|retention| **retention != Retention::EVERYTHING) {
            let (topic, retention) = (Topic(at as u32), *retention);
            history.push(at_us, None, What::Created { topic, retention });
        }
    }
}

fn digest(trace: u64, history: &History) -> u64 {
    use std::hash::{Hash, Hasher};
    let mut hasher = std::hash::DefaultHasher::new();
    trace.hash(&mut hasher);
    history.events.hash(&mut hasher);
    hasher.finish()
}
