//! Deterministic simulation: real brokers, real Kafka frames, and everything else under one seed.
//!
//! One run is one seed: several agents, a metastore on SQLite in memory, an object store, a network and
//! clients that behave like the real ones, on one thread, with time that moves only when nobody has anything
//! to do. The seed decides who does what, how long everything takes and what breaks. What the clients saw is
//! a history, which `esker_history` holds against the promises.

#![allow(
    clippy::disallowed_methods,
    reason = "the simulator brings its own runtime, whose clock and tasks follow the seed"
)]

pub mod audit;
pub mod clients;
pub mod log;
pub mod net;
#[cfg(feature = "planted")]
pub mod planted;
pub mod record;
pub mod run;
pub mod setup;
pub mod world;
