//! Who may remove what: topics that do not keep everything, somebody who deletes records, and somebody who alters
//! what topics have to keep.
//!
//! Records carry timestamps that lie [`AGE_MS`] in the past when they are made: so far that no clock in the world calls
//! them future ones. So a topic that keeps records for a second has a `retention.ms` that is larger
//! by that.

use std::time::Duration;

use esker_history::event::Retention;
use esker_model::seams::Rng;

use super::upkeep::UpkeepPlan;
use super::{Draw, Setup};
use crate::clients::payload::TIMESTAMP_BASE_MS;
use crate::clients::{AltererPlan, DeleterPlan};
use crate::world::clock::BEGINNING_MS;

/// How old a record is when it is made.
pub const AGE_MS: i64 = BEGINNING_MS - TIMESTAMP_BASE_MS;

/// The furthest that a producer's clock is off.
const CLOCK_OFF_MS: u64 = 5_000;

/// Runs wait until records are gone that are kept for no longer than this.
const AWAITED_MS: i64 = 20_000;

/// Some retention: of all kinds, nothing and everything among them.
pub fn some(rng: &dyn Rng) -> Retention {
    let mut retention = Retention::EVERYTHING;
    let kind = rng.below(12);
    retention.ms = match kind {
        0 => Some(0),
        1 => Some(1),
        2..=5 => Some(AGE_MS + 1_000 + rng.below(40_000) as i64),
        _ => None,
    };
    retention.bytes = match kind {
        5 | 6 => Some(1 + rng.below(2_000)),
        7 | 8 => Some(1 + rng.below(60_000)),
        9 => Some(0),
        _ => None,
    };
    retention
}

/// One that lets only some of the records go, most often.
fn limited(draw: &Draw) -> Retention {
    let ms = || Some(AGE_MS + draw.between(1_000, 45_000) as i64);
    let bytes = || Some(draw.one_of(&[1_000, 10_000, 100_000]) + draw.between(0, 5_000));
    match draw.between(0, 9) {
        0..=3 => Retention {
            ms: ms(),
            bytes: None,
        },
        4..=6 => Retention {
            ms: None,
            bytes: bytes(),
        },
        7 | 8 => Retention {
            ms: ms(),
            bytes: bytes(),
        },
        _ => some(&draw.0),
    }
}

/// Adds what removes records to a setup.
pub(super) fn add(draw: &Draw, setup: &mut Setup, [stable, everything]: [&[(String, Vec<i32>)]; 2]) {
    for producer in &mut setup.producers {
        if draw.chance(40) {
            producer.clock_ms = draw.between(0, 2 * CLOCK_OFF_MS) as i64 - CLOCK_OFF_MS as i64;
        }
    }
    let limits = draw.chance(35);
    if limits {
        let churned = setup.admins.iter_mut().flat_map(|admin| &mut admin.churn);
        for topic in setup.topics.iter_mut().chain(churned) {
            if draw.chance(65) {
                topic.retention = limited(draw);
            }
        }
    }
    if draw.chance(25) {
        let topics = if draw.chance(30) { everything } else { stable };
        setup.deleters.push(DeleterPlan {
            topics: super::some(draw, topics),
            pause: draw.ms(200, 6_000),
        });
    }
    let alters = draw.chance(20);
    if alters {
        let topics = super::some(draw, stable).into_iter();
        setup.alterers.push(AltererPlan {
            topics: topics.map(|(name, _)| (name, some(&draw.0))).collect(),
            pause: draw.ms(2_000, 20_000),
        });
    }
    // Without archiving nothing goes: that has to hold too, but more is to be seen otherwise.
    if (limits || alters) && draw.chance(75) {
        let (interval, grace) = (draw.ms(500, 6_000), draw.ms(0, 12_000));
        let upkeep = UpkeepPlan::draw(draw, interval, grace);
        for agent in &mut setup.agents {
            agent.upkeep.get_or_insert_with(|| upkeep.clone());
        }
    }
}

impl Setup {
    /// After the faults, records that nobody has to keep are gone within this time; `None` if none ever go.
    ///
    /// A job that was left to an agent that died is free when that was fenced; then the records are archived when they
    /// are old enough, at the next look, and the next round of retention finds them.
    pub fn retained_within(&self) -> Option<Duration> {
        Some(Duration::from_secs(40) + self.upkeep()?.interval * 4)
    }

    /// How long after the faults it shows whether records go that nobody has to keep, if `settled` is when nothing
    /// is under way any more that was begun before; `None` if this setup does not show it.
    pub fn shows_retention_after(&self, settled: Duration) -> Option<Duration> {
        let altered = |name: &String| {
            let all = self.alterers.iter().flat_map(|alterer| &alterer.topics);
            let mut all = all.filter(|(topic, _)| topic == name);
            all.next_back().map(|(_, retention)| *retention)
        };
        let kept_ms = |retention: Retention| match retention {
            Retention { bytes: Some(0), .. } => Some(0),
            Retention { ms, .. } => ms.map(|ms| (ms - AGE_MS).max(0)),
        };
        let in_the_end = self
            .topics
            .iter()
            .map(|topic| altered(&topic.name).unwrap_or(topic.retention));
        let kept = in_the_end
            .filter_map(kept_ms)
            .filter(|ms| *ms <= AWAITED_MS)
            .max()?;
        let old = Duration::from_millis(kept as u64 + 2 * CLOCK_OFF_MS);
        Some(settled.max(old) + self.retained_within()? + Duration::from_secs(5))
    }
}
