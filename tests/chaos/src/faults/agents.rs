//! Agents that die, sleep, and are sent away.

use std::time::Duration;

use rustix::process::Signal;

use super::{Outcome, seconds};
use crate::guard::resume_later;
use crate::plan::Fault;
use crate::system::{Agent, READY_LIMIT, System};
use crate::{http, proc};
use esker_harness::stop::Stop;

/// A pause of this length is long: the agent's peers may give it up.
const LONG: Duration = Duration::from_secs(4);

pub(super) fn kill(fault: &Fault, system: &System, stop: &Stop) -> Outcome {
    let Some((at, _claim)) = system.claims.agent_down(fault.agent, false) else {
        return Outcome::LeftOut;
    };
    let agent = &system.agents[at];
    let lasts = seconds(fault.lasts);
    system
        .journal
        .fault(format!("{} is killed, for {lasts}", agent.name));
    let held = agent.kill();
    stop.wait(fault.lasts);
    come_back(agent, "killed", system, stop);
    Outcome::held(held)
}

pub(super) fn drain(fault: &Fault, system: &System, stop: &Stop) -> Outcome {
    let Some((at, _claim)) = system.claims.agent_down(fault.agent, true) else {
        return Outcome::LeftOut;
    };
    let agent = &system.agents[at];
    system.journal.fault(format!("{} is told to end", agent.name));
    let held = agent.drain();
    system.journal.fault(format!("{} has ended", agent.name));
    stop.wait(fault.lasts);
    come_back(agent, "drained", system, stop);
    Outcome::held(held)
}

/// Its claim is kept until it is ready. How long that may take depends on what else is broken: who is not
/// ready after the last fault is told of then.
fn come_back(agent: &Agent, after: &str, system: &System, stop: &Stop) {
    agent.launch();
    system.journal.fault(format!("{} is started again", agent.name));
    agent.wait_ready(&format!("started after it was {after}"), READY_LIMIT, stop);
}

pub(super) fn pause(fault: &Fault, system: &System, stop: &Stop) -> Outcome {
    let Some((at, _claim)) = system.claims.agent_down(fault.agent, fault.lasts > LONG) else {
        return Outcome::LeftOut;
    };
    let agent = &system.agents[at];
    let Some(pid) = agent.pid() else {
        return Outcome::Missed;
    };
    let lasts = seconds(fault.lasts);
    system
        .journal
        .fault(format!("{} is paused, for {lasts}", agent.name));
    let guard = resume_later(&[pid], fault.lasts);
    let held = proc::signal_group(pid, Signal::STOP);
    stop.wait(fault.lasts);
    proc::signal_group(pid, Signal::CONT);
    drop(guard);
    system.journal.fault(format!("{} goes on", agent.name));
    // It may find out only now that it was given up, and begin a new incarnation.
    stop.wait(Duration::from_millis(200));
    if http::get(agent.admin, "/readyz").is_none() {
        agent.wait_ready("resumed", READY_LIMIT, stop);
    }
    Outcome::held(held)
}
