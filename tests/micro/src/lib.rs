//! The stages of the data path, each by itself, on inputs that mirror the load.
//!
//! `stages` holds them, `inputs` what they work on. Two programs run them: `benches/stages.rs` takes times, and
//! `esker-micro count` runs one stage with nothing around it, so that its instructions can be counted.
//!
//! What holds: a stage calls what the product calls (`esker_broker::benching` says how), on one thread, with the
//! product's allocator (`make micro` gives it the product's settings); what it needs is made before it is measured,
//! and what it leaves is dropped after; each run says how much came out, and that is compared with what must come
//! out.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a failure here is a failed measurement"
)]

pub mod agent;
mod inputs;
pub mod stages;

use tikv_jemallocator::Jemalloc;

#[global_allocator]
static ALLOCATOR: Jemalloc = Jemalloc;

/// Work that can be repeated.
pub trait Stage {
    /// What one run does.
    fn work(&self) -> Work;

    /// Makes the input of the next run, and drops what the last one left. Not measured.
    fn prepare(&mut self);

    /// One run, on what was prepared. Returns how much came out.
    fn run(&mut self) -> u64;
}

/// How much one run does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Work {
    /// Bytes of records that pass through; 0 where the cost does not depend on them.
    pub bytes: u64,
    /// How many `item`s are handled.
    pub items: u64,
    pub item: &'static str,
    /// What a run must return.
    pub comes_out: u64,
}

/// The one function that is measured. `scripts/micro-counts` knows it by its name.
#[inline(never)]
pub fn measured(stage: &mut dyn Stage) -> u64 {
    let came_out = stage.run();
    // Not a tail call: it would leave this function before the stage ends.
    std::hint::black_box(came_out)
}

/// Runs a stage so many times.
pub fn repeat(stage: &mut dyn Stage, times: u64) {
    let expected = stage.work().comes_out;
    for _ in 0..times {
        stage.prepare();
        assert_eq!(measured(stage), expected, "something else came out");
    }
}

#[cfg(test)]
mod tests;
