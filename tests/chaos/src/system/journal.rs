//! What was done to the system, for the history; what went wrong with it besides, for the summary.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use esker_history::event::{Event, Life, Memory, What};
use esker_history::{History, LifeInfo};

use crate::clock::Clock;
use crate::plan::Kind;

/// How often each kind of fault was tried.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct Tally {
    /// It took hold.
    pub held: u64,
    /// It was tried and did not take hold.
    pub missed: u64,
    /// It was left out: too much was broken already.
    pub left_out: u64,
}

/// How long an agent took from being started, or resumed, until it was ready.
#[derive(Clone, Debug)]
pub(crate) struct Recovery {
    pub what: String,
    pub at_us: u64,
    pub took: Duration,
}

#[derive(Default)]
pub(crate) struct Notes {
    pub events: Vec<Event>,
    pub lives: Vec<LifeInfo>,
    pub tallies: BTreeMap<Kind, Tally>,
    pub recoveries: Vec<Recovery>,
    /// What must not happen, though no client saw it.
    pub problems: Vec<String>,
    /// By agent: the most memory that was resident.
    pub resident_max: BTreeMap<String, u64>,
}

/// Notes that every thread of the run adds to.
pub(crate) struct Journal {
    clock: Clock,
    notes: Mutex<Notes>,
}

impl Journal {
    pub(crate) fn new(clock: Clock) -> Self {
        Self {
            clock,
            notes: Mutex::default(),
        }
    }

    fn notes(&self) -> MutexGuard<'_, Notes> {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn event(&self, what: What) {
        let at_us = self.clock.now_us();
        self.notes().events.push(Event {
            at_us,
            client: None,
            what,
        });
    }

    /// A fault begins or ends.
    pub(crate) fn fault(&self, what: impl Into<String>) {
        self.event(What::Fault { what: what.into() });
    }

    pub(crate) fn healed(&self) {
        self.event(What::Healed);
    }

    pub(crate) fn memory_used(&self, life: Life, idle: bool, memory: Vec<Memory>) {
        self.event(What::MemoryUsed { life, idle, memory });
    }

    /// An agent begins a life.
    pub(crate) fn life(&self, node: &str) -> Life {
        let began_us = self.clock.now_us();
        let mut notes = self.notes();
        notes.lives.push(LifeInfo {
            node: node.to_owned(),
            began_us,
            ended_us: None,
        });
        Life(notes.lives.len() as u32 - 1)
    }

    /// It ends.
    pub(crate) fn life_ended(&self, life: Life) {
        let now = self.clock.now_us();
        if let Some(info) = self.notes().lives.get_mut(life.0 as usize) {
            info.ended_us = Some(now);
        }
    }

    pub(crate) fn tally(&self, kind: Kind, count: impl FnOnce(&mut Tally)) {
        count(self.notes().tallies.entry(kind).or_default());
    }

    pub(crate) fn recovered(&self, what: impl Into<String>, took: Duration) {
        let at_us = self.clock.now_us();
        self.notes().recoveries.push(Recovery {
            what: what.into(),
            at_us,
            took,
        });
    }

    pub(crate) fn problem(&self, what: impl Into<String>) {
        let what = what.into();
        eprintln!("PROBLEM at {:.1} s: {what}", self.clock.elapsed().as_secs_f64());
        self.notes().problems.push(what);
    }

    pub(crate) fn resident(&self, agent: &str, bytes: u64) {
        let mut notes = self.notes();
        let max = notes.resident_max.entry(agent.to_owned()).or_default();
        *max = bytes.max(*max);
    }

    /// P7, from outside: an agent whose memory was ever larger than that is a problem.
    pub(crate) fn judge_memory(&self, bytes_max: u64) {
        let resident = self.notes().resident_max.clone();
        for (agent, bytes) in resident.into_iter().filter(|(_, bytes)| *bytes > bytes_max) {
            self.problem(format!(
                "{agent} had {} MiB of memory resident: its budget allows for {} MiB",
                bytes >> 20,
                bytes_max >> 20
            ));
        }
    }

    /// How many faults took hold so far.
    pub(crate) fn held(&self) -> u64 {
        self.notes().tallies.values().map(|tally| tally.held).sum()
    }

    /// Everything, moved out: the run is over. Events and lives go into the history.
    pub(crate) fn finish(&self, history: &mut History) -> Notes {
        let mut notes = std::mem::take(&mut *self.notes());
        history.lives = std::mem::take(&mut notes.lives);
        history.events.append(&mut notes.events);
        notes
    }
}
