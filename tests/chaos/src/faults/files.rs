//! An agent that may open no more files.

use std::net::TcpStream;
use std::time::Duration;

use rustix::process::{Pid, Resource, Rlimit, prlimit};

use super::{Outcome, seconds};
use crate::plan::Fault;
use crate::proc;
use crate::system::System;
use esker_harness::stop::Stop;

/// So many files more than it has open the agent may open: few enough to be used up at once.
const SPARE: u64 = 4;
/// Connections beyond the limit, which wait in the system's queue.
const BEYOND: u64 = 16;
const CONNECT_LIMIT: Duration = Duration::from_millis(300);

/// Lowers the limit to a little above what is open, and opens connections up to it.
pub(super) fn exhaust(fault: &Fault, system: &System, stop: &Stop) -> Outcome {
    let Some((at, _claim)) = system.claims.agent_loaded(fault.agent) else {
        return Outcome::LeftOut;
    };
    let agent = &system.agents[at];
    let Some(process) = agent.pid() else {
        return Outcome::Missed;
    };
    let Some(pid) = i32::try_from(process).ok().and_then(Pid::from_raw) else {
        return Outcome::Missed;
    };
    let limit = proc::open_files(process) as u64 + SPARE;
    let Ok(before) = lower(pid, limit) else {
        return Outcome::Missed;
    };
    let lasts = seconds(fault.lasts);
    system
        .journal
        .fault(format!("{} may open {SPARE} files more, for {lasts}", agent.name));
    let open: Vec<TcpStream> = (0..SPARE + BEYOND)
        .filter_map(|_| TcpStream::connect_timeout(&agent.kafka, CONNECT_LIMIT).ok())
        .collect();
    let mut held = false;
    let began = system.clock.elapsed();
    while system.clock.elapsed() - began < fault.lasts && !stop.wait(Duration::from_millis(50)) {
        held |= proc::open_files(process) as u64 >= limit;
    }
    let _ = prlimit(Some(pid), Resource::Nofile, before);
    drop(open);
    system
        .journal
        .fault(format!("{} may open files again", agent.name));
    Outcome::held(held)
}

/// Lowers the limit of open files; returns what it was.
fn lower(pid: Pid, limit: u64) -> Result<Rlimit, rustix::io::Errno> {
    // The upper bound stays: only the one in force is lowered, which can be raised again.
    let maximum = prlimit_of(pid)?;
    let lowered = Rlimit {
        current: Some(limit),
        maximum,
    };
    prlimit(Some(pid), Resource::Nofile, lowered)
}

/// The upper bound of a process's open files, from the kernel's account of it.
fn prlimit_of(pid: Pid) -> Result<Option<u64>, rustix::io::Errno> {
    let path = format!("/proc/{}/limits", pid.as_raw_nonzero());
    let limits = std::fs::read_to_string(path).map_err(|_| rustix::io::Errno::SRCH)?;
    let line = limits.lines().find(|line| line.starts_with("Max open files"));
    let bound = line.and_then(|line| line.split_whitespace().nth(4));
    Ok(bound.and_then(|bound| bound.parse().ok()))
}
