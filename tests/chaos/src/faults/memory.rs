//! Loads on an agent's memory budget.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use super::{Outcome, frames, seconds};
use crate::plan::Fault;
use crate::system::{Agent, LOAD_TOPIC, System};
use esker_harness::stop::Stop;

const CONNECT_LIMIT: Duration = Duration::from_millis(500);
/// How often slow senders send a byte, and the budget is looked at.
const BEAT: Duration = Duration::from_millis(100);
/// A slow sender's frame.
const SLOW_FRAME_BYTES: i32 = 8 * 1024 * 1024;
/// Of which it sends all but this.
const NEVER_SENT: usize = 256 * 1024;
/// What one load sends at most, so that a long run fits on a disk.
const LOAD_BYTES_MAX: usize = 40 * 1024 * 1024;
/// Share of the budget for producers that counts as full.
const FULL: f64 = 0.75;

/// Clients that announce large frames, send nearly all of them, and then a byte now and then.
pub(super) fn slow_frames(fault: &Fault, system: &System, stop: &Stop) -> Outcome {
    let Some((at, _claim)) = system.claims.agent_loaded(fault.agent) else {
        return Outcome::LeftOut;
    };
    let agent = &system.agents[at];
    let count = 2 + (fault.strength * 10.0) as usize;
    let lasts = seconds(fault.lasts);
    system.journal.fault(format!(
        "{count} large frames are sent slowly to {}, for {lasts}",
        agent.name
    ));
    let mut senders: Vec<Sender> = (0..count)
        .filter_map(|_| {
            let mut frame = frames::announcement(SLOW_FRAME_BYTES);
            frame.resize(SLOW_FRAME_BYTES as usize - NEVER_SENT, 0);
            Sender::new(agent, frame)
        })
        .collect();
    let mut fullest = 0.0f64;
    let began = system.clock.elapsed();
    while system.clock.elapsed() - began < fault.lasts && !stop.wait(BEAT) {
        senders.retain_mut(|sender| sender.push().is_ok() && (!sender.is_through() || sender.drip().is_ok()));
        fullest = fullest.max(fullness(agent));
    }
    drop(senders);
    system.journal.fault(format!(
        "the slow senders to {} are gone; {:.0} % of its budget were in use",
        agent.name,
        fullest * 100.0
    ));
    Outcome::held(fullest > FULL / 4.0)
}

/// Large batches on many connections at once, faster than they can be stored.
pub(super) fn fill(fault: &Fault, system: &System, stop: &Stop) -> Outcome {
    let Some((at, _claim)) = system.claims.agent_loaded(fault.agent) else {
        return Outcome::LeftOut;
    };
    let agent = &system.agents[at];
    system
        .journal
        .fault(format!("large batches are sent to {} at once", agent.name));
    let count = LOAD_BYTES_MAX / frames::VALUE_BYTES_MAX;
    let frame = frames::produce(LOAD_TOPIC, frames::VALUE_BYTES_MAX, 1);
    let mut senders: Vec<Sender> = (0..count)
        .filter_map(|_| Sender::new(agent, frame.clone()))
        .collect();
    let mut fullest = 0.0f64;
    let began = system.clock.elapsed();
    while system.clock.elapsed() - began < fault.lasts && !stop.is_set() {
        senders.retain_mut(|sender| sender.push().is_ok());
        fullest = fullest.max(fullness(agent));
        stop.wait(Duration::from_millis(5));
    }
    drop(senders);
    system.journal.fault(format!(
        "the large batches to {} are over; {:.0} % of its budget were in use",
        agent.name,
        fullest * 100.0
    ));
    Outcome::held(fullest >= FULL)
}

/// How much of its budget for producers an agent uses.
fn fullness(agent: &Agent) -> f64 {
    let memory = agent.memory().unwrap_or_default();
    let produce = memory.iter().find(|share| share.r#use == "produce");
    produce.map_or(0.0, |share| share.used as f64 / share.max.max(1) as f64)
}

/// One connection and what is still to be sent on it. Never waits.
struct Sender {
    stream: TcpStream,
    bytes: Vec<u8>,
    sent: usize,
}

impl Sender {
    fn new(agent: &Agent, bytes: Vec<u8>) -> Option<Self> {
        let stream = TcpStream::connect_timeout(&agent.kafka, CONNECT_LIMIT).ok()?;
        stream.set_nonblocking(true).ok()?;
        Some(Self {
            stream,
            bytes,
            sent: 0,
        })
    }

    fn is_through(&self) -> bool {
        self.sent == self.bytes.len()
    }

    /// Sends what the connection takes now; fails when it is closed.
    fn push(&mut self) -> std::io::Result<()> {
        let mut ignored = [0; 1024];
        match self.stream.read(&mut ignored) {
            Ok(0) => return Err(ErrorKind::ConnectionReset.into()),
            Ok(_) => {}
            Err(err) if err.kind() == ErrorKind::WouldBlock => {}
            Err(err) => return Err(err),
        }
        while !self.is_through() {
            match self.stream.write(&self.bytes[self.sent..]) {
                Ok(count) => self.sent += count,
                Err(err) if err.kind() == ErrorKind::WouldBlock => break,
                Err(err) => return Err(err),
            }
        }
        Ok(())
    }

    /// One byte more.
    fn drip(&mut self) -> std::io::Result<()> {
        match self.stream.write(&[0]) {
            Err(err) if err.kind() != ErrorKind::WouldBlock => Err(err),
            _ => Ok(()),
        }
    }
}
