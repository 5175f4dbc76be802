//! Postgres that goes away, stands still, or hangs up.

use rustix::process::Signal;

use super::{Outcome, seconds};
use crate::guard::resume_later;
use crate::plan::Fault;
use crate::proc;
use crate::stop::Stop;
use crate::system::System;

pub(super) fn crash(fault: &Fault, system: &System, stop: &Stop) -> Outcome {
    let Some(_claim) = system.claims.postgres() else {
        return Outcome::LeftOut;
    };
    let lasts = seconds(fault.lasts);
    system
        .journal
        .fault(format!("Postgres is shut down at once, for {lasts}"));
    system.postgres.crash();
    stop.wait(fault.lasts);
    let began = system.clock.elapsed();
    system.postgres.resume();
    let took = system.clock.elapsed().saturating_sub(began);
    system
        .journal
        .recovered("Postgres started after it was shut down", took);
    system.journal.fault("Postgres runs again");
    Outcome::Held
}

pub(super) fn pause(fault: &Fault, system: &System, stop: &Stop) -> Outcome {
    let Some(_claim) = system.claims.postgres() else {
        return Outcome::LeftOut;
    };
    let Some(pid) = system.postgres.pid() else {
        return Outcome::Missed;
    };
    let lasts = seconds(fault.lasts);
    system.journal.fault(format!("Postgres is paused, for {lasts}"));
    // Each backend leads a group of its own; the postmaster first, so that it starts no more of them.
    let mut stopped = proc::family(pid);
    let guard = resume_later(&stopped, fault.lasts);
    stopped.retain(|process| proc::signal_one(*process, Signal::STOP));
    for process in proc::family(pid) {
        if !stopped.contains(&process) && proc::signal_one(process, Signal::STOP) {
            stopped.push(process);
        }
    }
    let held = stopped.iter().any(|process| proc::is_stopped(*process));
    stop.wait(fault.lasts);
    for process in &stopped {
        proc::signal_one(*process, Signal::CONT);
    }
    drop(guard);
    system.journal.fault("Postgres goes on");
    Outcome::held(held)
}

/// Cuts some or all connections of the agents.
pub(super) fn terminate(fault: &Fault, system: &System) -> Outcome {
    let Some(_claim) = system.claims.postgres() else {
        return Outcome::LeftOut;
    };
    let share = if fault.strength > 0.6 { 1.0 } else { fault.strength };
    system.journal.fault(format!(
        "{:.0} % of the database connections are cut",
        share * 100.0
    ));
    Outcome::held(system.postgres.terminate(share) > 0)
}
