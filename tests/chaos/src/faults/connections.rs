//! Many connections that do nothing.

use std::net::TcpStream;
use std::time::Duration;

use super::{Outcome, seconds};
use crate::plan::Fault;
use crate::system::System;
use esker_harness::stop::Stop;

/// Fewest and most connections of a flood.
const CONNECTIONS: (f64, f64) = (100.0, 1500.0);
/// Longest wait for one of them: the agent may be busy.
const CONNECT_LIMIT: Duration = Duration::from_millis(500);

pub(super) fn flood(fault: &Fault, system: &System, stop: &Stop) -> Outcome {
    let Some((at, _claim)) = system.claims.agent_loaded(fault.agent) else {
        return Outcome::LeftOut;
    };
    let agent = &system.agents[at];
    let count = CONNECTIONS.0 + (CONNECTIONS.1 - CONNECTIONS.0) * fault.strength;
    let mut open: Vec<TcpStream> = Vec::new();
    while open.len() < count as usize && !stop.is_set() {
        match TcpStream::connect_timeout(&agent.kafka, CONNECT_LIMIT) {
            Ok(stream) => open.push(stream),
            Err(_) => break,
        }
    }
    system.journal.fault(format!(
        "{} idle connections to {}, for {}",
        open.len(),
        agent.name,
        seconds(fault.lasts)
    ));
    stop.wait(fault.lasts);
    let held = open.len();
    drop(open);
    system
        .journal
        .fault(format!("the idle connections to {} are closed", agent.name));
    Outcome::held(held >= CONNECTIONS.0 as usize)
}
