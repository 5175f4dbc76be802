//! Whole runs: one seed repeats itself, and a few seeds keep every promise. Thousands of them: `make sim`.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a failure here is a failed test; the fresh seed comes from the clock"
)]

use std::time::UNIX_EPOCH;

use esker_history::report;
use esker_sim::run::{self, Outcome};
use esker_sim::setup::{Ending, Setup};
use esker_sim::world::weather::Weather;

fn run(seed: u64) -> Outcome {
    run::run(&Setup::of(seed)).unwrap()
}

#[track_caller]
fn keeps_every_promise(seed: u64) {
    let outcome = run(seed);
    if let Some(violation) = outcome.violations.first() {
        panic!(
            "seed {seed}:\n{}\nreplay it with: make sim SEED={seed}",
            report::tell(violation, &outcome.history)
        );
    }
    assert!(
        !outcome.history.events.is_empty(),
        "seed {seed}: nobody did anything"
    );
}

#[test]
fn a_seed_repeats_itself() {
    // Among them one that alters retention, one whose topics do not keep everything, and one that deletes records.
    for seed in [3, 11, 14, 15] {
        let (one, other) = (run(seed), run(seed));
        let events = one.history.events.iter().zip(&other.history.events);
        if let Some((one, other)) = events.into_iter().find(|(one, other)| one != other) {
            panic!("seed {seed} first differs here:\n{one:?}\n{other:?}");
        }
        assert_eq!(
            one.digest, other.digest,
            "seed {seed}: something that no client sees differs"
        );
    }
    assert_ne!(run(3).digest, run(4).digest, "seeds make no difference");
}

/// P6: who reads at the tail of the agent that takes the writes, and whoever reads again what was written a
/// moment ago, costs no read of the bucket.
#[test]
fn the_tail_costs_no_reads() {
    for seed in 1..=4 {
        let mut setup = Setup::of(seed);
        setup.agents.truncate(1);
        setup.late_agents = 0;
        // Where there is upkeep agents begin anew before everything is read.
        setup.agents.iter_mut().for_each(|agent| agent.upkeep = None);
        setup.ending = Ending::ReadThrough;
        setup.faults.kinds.clear();
        setup.faults.weather = Weather::fair();
        setup.faults.forget_after = None;
        setup.faults.begins_in_trouble = false;
        let outcome = run::run(&setup).unwrap();
        let figures = outcome.figures;
        assert_eq!(outcome.violations, [], "seed {seed}");
        assert!(
            figures.records_read > figures.acknowledged,
            "seed {seed}: {figures:?}"
        );
        assert_eq!(figures.segment_reads, 0, "seed {seed}: {figures:?}");
    }
}

#[test]
fn a_few_seeds_keep_every_promise() {
    for seed in 1..=6 {
        keeps_every_promise(seed);
    }
}

#[test]
fn a_fresh_seed_keeps_every_promise() {
    let since = std::time::SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let seed = since.as_nanos() as u64 % 1_000_000_000;
    println!("seed {seed}");
    keeps_every_promise(seed);
}
