//! Does what is planned when its time comes, each fault on a thread of its own.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use crate::faults::{self, Outcome};
use crate::plan::Planned;
use crate::system::System;
use esker_harness::stop::Stop;

/// Most faults at the same time.
const AT_ONCE_MAX: usize = 12;
/// How often it says how far it is.
const SAY_EVERY: Duration = Duration::from_secs(15);

/// Runs the plan to its end, and waits until the last fault is over.
pub(crate) fn run(plan: &[Planned], system: &System, stop: &Stop) {
    let began = system.clock.elapsed();
    let active = AtomicUsize::new(0);
    thread::scope(|scope| {
        let mut said = began;
        for planned in plan {
            let now = system.clock.elapsed();
            if now - said >= SAY_EVERY {
                said = now;
                say(now - began, system, active.load(Ordering::Relaxed));
            }
            if stop.wait((began + planned.at).saturating_sub(now)) {
                break;
            }
            let kind = planned.fault.kind;
            if active.load(Ordering::Relaxed) >= AT_ONCE_MAX {
                system.journal.tally(kind, |tally| tally.left_out += 1);
                continue;
            }
            active.fetch_add(1, Ordering::Relaxed);
            let active = &active;
            let started =
                thread::Builder::new()
                    .name(kind.name().to_owned())
                    .spawn_scoped(scope, move || {
                        let fault = || faults::apply(&planned.fault, system, stop);
                        // A fixture that fails has said why; the run goes on to its end, and fails.
                        match std::panic::catch_unwind(std::panic::AssertUnwindSafe(fault)) {
                            Ok(outcome) => count(outcome, planned, system),
                            Err(_) => system
                                .journal
                                .problem(format!("this run could not go on with: {}", kind.name())),
                        }
                        active.fetch_sub(1, Ordering::Relaxed);
                    });
            if let Err(err) = started {
                system.journal.problem(format!("no thread for a fault: {err}"));
                break;
            }
        }
    });
}

fn count(outcome: Outcome, planned: &Planned, system: &System) {
    system.journal.tally(planned.fault.kind, |tally| match outcome {
        Outcome::Held => tally.held += 1,
        Outcome::Missed => tally.missed += 1,
        Outcome::LeftOut => tally.left_out += 1,
    });
}

fn say(since: Duration, system: &System, active: usize) {
    println!(
        "{:>5.0} s: {} faults took hold, {active} under way",
        since.as_secs_f64(),
        system.journal.held()
    );
}
