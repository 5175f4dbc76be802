//! Postgres that goes away, stands still, or hangs up.

use std::thread;
use std::time::Duration;

use rustix::process::Signal;

use super::{Outcome, seconds};
use crate::guard::resume_later;
use crate::plan::Fault;
use crate::proc;
use crate::system::System;
use esker_harness::stop::Stop;

const RESUME_TRIES: u32 = 50;
const RESUME_PAUSE: Duration = Duration::from_millis(20);

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
    // Each backend leads a group of its own; the postmaster first, so that it starts no more of them. Who
    // started it stops by itself when it sees its child stopped: it goes on last.
    let mut family = proc::family(pid);
    let mut stopped: Vec<u32> = Vec::new();
    let guard = resume_later(&reversed(&family), fault.lasts);
    for _ in 0..2 {
        for process in family {
            if !stopped.contains(&process) && proc::signal_one(process, Signal::STOP) {
                stopped.push(process);
            }
        }
        // Some may have come meanwhile.
        family = proc::family(pid);
    }
    let held = stopped.iter().any(|process| proc::is_stopped(*process));
    stop.wait(fault.lasts);
    for _ in 0..RESUME_TRIES {
        for process in reversed(&stopped) {
            proc::signal_one(process, Signal::CONT);
        }
        thread::sleep(RESUME_PAUSE);
        if !stopped.iter().any(|process| proc::is_stopped(*process)) {
            break;
        }
    }
    drop(guard);
    system.journal.fault("Postgres goes on");
    Outcome::held(held)
}

fn reversed(processes: &[u32]) -> Vec<u32> {
    processes.iter().rev().copied().collect()
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
