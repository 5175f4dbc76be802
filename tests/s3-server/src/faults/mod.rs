//! What goes wrong on command.
//!
//! [`Rule`]s are added, listed and removed while the server runs, over the control listener or through
//! [`Faults`]. Each request asks once, before its body is read, for its [`Fate`].
//!
//! What holds: a rule draws from a generator of its own, seeded from the server's seed and the rule's place
//! in the list, once for each request that it matches. So the n-th request that a rule matches meets the same
//! fate in every run with the same seed and rules, however requests interleave.

mod json;
mod rule;

use std::time::Duration;

use parking_lot::Mutex;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

pub use json::{RuleJson, RuleStatus};
pub use rule::{ErrorAnswer, Kind, Rule};

use crate::action::Action;

/// What is to happen to one request.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Fate {
    /// Time to let pass first.
    pub(crate) delay: Duration,
    /// The pace of the body that goes in or out.
    pub(crate) bytes_per_s: Option<u64>,
    /// What is done instead of a proper answer.
    pub(crate) outcome: Option<Kind>,
    /// A number for what is random about the outcome.
    pub(crate) dice: u64,
    /// What was decided, for the counts.
    pub(crate) kinds: Vec<&'static str>,
}

#[derive(Debug)]
struct Entry {
    id: u64,
    rule: Rule,
    random: StdRng,
    matched: u64,
    done: u64,
}

#[derive(Debug)]
struct State {
    seed: u64,
    next_id: u64,
    entries: Vec<Entry>,
}

/// The rules in force.
#[derive(Debug)]
pub struct Faults(Mutex<State>);

fn generator(seed: u64, place: usize) -> StdRng {
    StdRng::seed_from_u64(seed ^ (place as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15))
}

impl Faults {
    pub(crate) fn new(seed: u64) -> Self {
        Self(Mutex::new(State {
            seed,
            next_id: 1,
            entries: Vec::new(),
        }))
    }

    /// Adds a rule behind the others; returns its id.
    pub fn add(&self, rule: Rule) -> u64 {
        self.0.lock().add(rule)
    }

    /// Puts these rules in the place of all there are; returns their ids.
    pub fn replace(&self, rules: impl IntoIterator<Item = Rule>) -> Vec<u64> {
        let mut state = self.0.lock();
        state.entries.clear();
        rules.into_iter().map(|rule| state.add(rule)).collect()
    }

    /// Removes all rules; returns how many there were.
    pub fn clear(&self) -> usize {
        std::mem::take(&mut self.0.lock().entries).len()
    }

    /// Removes one rule; says whether there was one.
    pub fn remove(&self, id: u64) -> bool {
        let mut state = self.0.lock();
        let before = state.entries.len();
        state.entries.retain(|entry| entry.id != id);
        state.entries.len() < before
    }

    /// The rules in force, and what they have done.
    pub fn list(&self) -> Vec<RuleStatus> {
        let state = self.0.lock();
        state
            .entries
            .iter()
            .map(|entry| RuleStatus {
                id: entry.id,
                rule: RuleJson::from(&entry.rule),
                matched: entry.matched,
                done: entry.done,
            })
            .collect()
    }

    /// Starts the random numbers of all rules again.
    pub fn reseed(&self, seed: u64) {
        let mut state = self.0.lock();
        state.seed = seed;
        for (place, entry) in state.entries.iter_mut().enumerate() {
            entry.random = generator(seed, place);
        }
    }

    /// Decides about one request, which is for all of `keys`.
    pub(crate) fn decide(&self, action: Action, keys: &[&str]) -> Fate {
        let mut fate = Fate::default();
        let mut state = self.0.lock();
        for entry in &mut state.entries {
            if fate.outcome.is_some() && !entry.rule.kind.is_shape() {
                continue;
            }
            if entry.rule.matches(action, keys) && entry.acts() {
                fate.kinds.push(entry.rule.kind.name());
                match &entry.rule.kind {
                    Kind::Latency { ms, p99_ms } => {
                        fate.delay += entry_delay(&mut entry.random, *ms, *p99_ms)
                    }
                    Kind::SlowBody { bytes_per_s } => {
                        let slowest = fate
                            .bytes_per_s
                            .map_or(*bytes_per_s, |pace| pace.min(*bytes_per_s));
                        fate.bytes_per_s = Some(slowest);
                    }
                    outcome => {
                        fate.dice = entry.random.random();
                        fate.outcome = Some(outcome.clone());
                    }
                }
            }
        }
        fate
    }
}

impl State {
    fn add(&mut self, rule: Rule) -> u64 {
        let id = self.next_id;
        self.next_id += 1;
        self.entries.push(Entry {
            id,
            rule,
            random: generator(self.seed, self.entries.len()),
            matched: 0,
            done: 0,
        });
        id
    }
}

impl Entry {
    /// Counts a request that matches, and says whether the rule acts on it.
    fn acts(&mut self) -> bool {
        self.matched += 1;
        if self.matched <= self.rule.skip || self.rule.count.is_some_and(|count| self.done >= count) {
            return false;
        }
        let drawn: f64 = self.random.random();
        let acts = drawn < self.rule.probability;
        self.done += u64::from(acts);
        acts
    }
}

/// The 0.99 quantile of the standard normal distribution.
const NORMAL_P99: f64 = 2.326_347_9;

/// `ms`, or a sample of the lognormal distribution with that median and 99th percentile.
fn entry_delay(random: &mut StdRng, ms: u64, p99_ms: Option<u64>) -> Duration {
    let Some(p99_ms) = p99_ms else {
        return Duration::from_millis(ms);
    };
    let median = ms.max(1) as f64;
    let sigma = (p99_ms as f64 / median).ln() / NORMAL_P99;
    // Box and Muller's transform; 1 - u is never 0.
    let (u, v): (f64, f64) = (random.random(), random.random());
    let normal = (-2.0 * (1.0 - u).ln()).sqrt() * (std::f64::consts::TAU * v).cos();
    let seconds = median * (sigma * normal).exp() / 1000.0;
    Duration::from_secs_f64(seconds.clamp(0.0, 3600.0))
}

#[cfg(test)]
mod tests;
