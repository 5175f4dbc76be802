//! What Postgres' locks must guarantee, tried with pauses forced between the statements of functions.
//!
//! The simulator and the shared suite run one transaction at a time: they cannot see a lock that is too
//! weak, too strong, or taken too late. Here two or more connections meet at chosen points, and what
//! they leave is checked against the model. Each check is itself checked: functions with a planted
//! mistake are installed, and the checker must find it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods
)]

use esker_harness::throwaway_postgres as server;

mod archive_checker;
mod archiving;
mod checker;
mod configuring;
mod coordinating;
mod coordinating_storm;
mod functions;
mod meetings;
mod merging;
mod moving;
mod operations;
mod planted;
mod storm;
mod sweeping;
mod world;
