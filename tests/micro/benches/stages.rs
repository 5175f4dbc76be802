//! Times of the stages: `make micro`. Each sample is one run, with its input made before.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a failure here is a failed measurement"
)]

use std::cell::RefCell;

use divan::Bencher;
use divan::counter::{BytesCount, ItemsCount};
use esker_micro::{measured, stages};

fn main() {
    divan::main();
}

/// All, but for what needs a Postgres where there is none.
fn names() -> Vec<&'static str> {
    let postgres = esker_harness::postgres::find_programs();
    if let Err(why) = &postgres {
        eprintln!("micro: commits on Postgres are left out: {why}");
    }
    let entries = stages::STAGES.iter();
    entries
        .filter(|entry| !entry.needs_postgres || postgres.is_ok())
        .map(|entry| entry.name)
        .collect()
}

#[divan::bench(args = names(), sample_count = 100, sample_size = 1)]
fn stage(bencher: Bencher<'_, '_>, name: &str) {
    let entry = stages::find(name).expect("a stage of that name");
    let stage = RefCell::new((entry.build)());
    let work = stage.borrow().work();
    let bencher = bencher
        .with_inputs(|| stage.borrow_mut().prepare())
        .counter(ItemsCount::new(work.items));
    // Work that was refused would look fast.
    let run = |()| assert_eq!(measured(&mut **stage.borrow_mut()), work.comes_out, "{name}");
    if work.bytes > 0 {
        bencher
            .counter(BytesCount::new(work.bytes))
            .bench_local_values(run);
    } else {
        bencher.bench_local_values(run);
    }
}
