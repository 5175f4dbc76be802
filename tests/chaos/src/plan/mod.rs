//! Which faults come when: drawn from a seed, before anything is started.
//!
//! What holds: the same seed and the same settings give the same plan. Faults come every 0.3 to 0.8 s, and
//! overlap; after [`FAULTS_S`] of them there is a breath of [`BREATH_S`] in which none begins. A plan does not
//! know how long agents really take to come back: what cannot be done when its time comes, because too much
//! is broken already, is left out then.

mod kind;

#[cfg(test)]
mod tests;

use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

pub(crate) use kind::{Kind, Needs};

/// So many seconds with faults are followed by a breath.
const FAULTS_S: u64 = 45;
/// Seconds in which no fault begins.
const BREATH_S: u64 = 4;
/// Milliseconds from one fault to the next.
const PAUSE_MS: std::ops::Range<u64> = 300..800;

/// One fault, and when it begins.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Planned {
    /// Since the first moment in which faults may come.
    pub at: Duration,
    pub fault: Fault,
}

/// What is done.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Fault {
    pub kind: Kind,
    /// How long it lasts, or how long what was killed stays dead.
    pub lasts: Duration,
    /// Which agent is tried first, for faults of agents.
    pub agent: usize,
    /// How strong it is, from 0 to 1: a share of requests, of connections, of a limit.
    pub strength: f64,
}

/// A seed that nobody chose, short enough to be read out.
pub(crate) fn fresh_seed() -> u64 {
    use std::hash::BuildHasher;
    // Every state has keys of its own.
    std::hash::RandomState::new().hash_one(0) % 1_000_000
}

/// The faults of `length`, with everything that the run has: `Needs` says what.
pub(crate) fn draw(seed: u64, length: Duration, agents: usize, has: Needs) -> Vec<Planned> {
    let mut random = StdRng::seed_from_u64(seed);
    let kinds: Vec<Kind> = Kind::ALL
        .into_iter()
        .filter(|kind| kind.needs().is_met_by(has))
        .collect();
    let weights: u32 = kinds.iter().map(|kind| kind.weight()).sum();
    let mut plan = Vec::new();
    let mut at = Duration::ZERO;
    loop {
        at += Duration::from_millis(random.random_range(PAUSE_MS));
        if at.as_secs() % (FAULTS_S + BREATH_S) >= FAULTS_S {
            let round = at.as_secs() / (FAULTS_S + BREATH_S) + 1;
            at = Duration::from_secs(round * (FAULTS_S + BREATH_S));
        }
        if at >= length || weights == 0 {
            return plan;
        }
        let kind = pick(&kinds, random.random_range(0..weights));
        let fault = Fault {
            kind,
            lasts: lasts(kind, &mut random),
            agent: random.random_range(0..agents),
            strength: random.random(),
        };
        plan.push(Planned { at, fault });
    }
}

fn pick(kinds: &[Kind], mut drawn: u32) -> Kind {
    for kind in kinds {
        if drawn < kind.weight() {
            return *kind;
        }
        drawn -= kind.weight();
    }
    Kind::ALL[0]
}

/// Short times are as likely as long ones: a tenth of a second finds other faults than ten seconds.
fn lasts(kind: Kind, random: &mut StdRng) -> Duration {
    let (shortest, longest) = kind.lasts_s();
    let share: f64 = random.random();
    Duration::from_secs_f64(shortest * (longest / shortest).powf(share))
}
