//! Doing what the plan says.
//!
//! A fault claims what it breaks, breaks it, waits, mends it, and says whether it took hold. However a run
//! ends, what was paused goes on and what was killed is started again, or all of it ends with the run.

mod agents;
mod connections;
mod files;
mod frames;
mod memory;
mod postgres;
mod store;

use std::time::Duration;

use crate::plan::{Fault, Kind};
use crate::system::System;
use esker_harness::stop::Stop;

/// What became of a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It took hold.
    Held,
    /// It was done, and nothing of it was to be seen.
    Missed,
    /// It was not done: too much was broken already.
    LeftOut,
}

impl Outcome {
    fn held(held: bool) -> Self {
        if held { Self::Held } else { Self::Missed }
    }
}

/// Does it, from its beginning to its end; `stop` cuts it short.
pub(crate) fn apply(fault: &Fault, system: &System, stop: &Stop) -> Outcome {
    match fault.kind {
        Kind::AgentKilled => agents::kill(fault, system, stop),
        Kind::AgentPaused => agents::pause(fault, system, stop),
        Kind::AgentDrained => agents::drain(fault, system, stop),
        Kind::PostgresCrashed => postgres::crash(fault, system, stop),
        Kind::PostgresPaused => postgres::pause(fault, system, stop),
        Kind::BackendsTerminated => postgres::terminate(fault, system),
        Kind::StorePaused => store::pause(fault, system, stop),
        Kind::ConnectionFlood => connections::flood(fault, system, stop),
        Kind::SlowFrames => memory::slow_frames(fault, system, stop),
        Kind::MemoryFull => memory::fill(fault, system, stop),
        Kind::FilesExhausted => files::exhaust(fault, system, stop),
        _ => store::rule(fault, system, stop),
    }
}

/// A time in words.
fn seconds(time: Duration) -> String {
    format!("{:.2} s", time.as_secs_f64())
}
