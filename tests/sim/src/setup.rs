//! What one seed means: who takes part, what they do, and what may break.
//!
//! Runs differ in kind, not only in detail: each seed picks which faults exist, how busy clients are, and
//! how agents are set, so that a few faults meet often as well as many at once.

pub mod groups;
pub mod retention;
pub mod upkeep;

use std::time::Duration;

use esker_history::event::Retention;
use esker_model::groups::GroupLimits;
use esker_model::seams::{Rng, SeededRng};
use esker_protocol::batch::Codec;

use crate::clients::groups::GroupPlan;
use crate::clients::{
    AdminPlan, AltererPlan, ConsumerPlan, DeleterPlan, ListerPlan, ProducerKind, ProducerPlan, TopicPlan,
};
use crate::world::agent::AgentPlan;
use crate::world::mix;
use crate::world::nemesis::{FAULTS, Fault, FaultPlan};
use crate::world::weather::Weather;
use groups::Crowd;
use upkeep::UpkeepPlan;

/// Most agents of a run.
pub const AGENTS_MAX: u64 = 5;

/// What forgetting the producers in the middle of a run adds to it.
const FORGETTING: Duration = Duration::from_secs(240);

/// How a run ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ending {
    /// Everything is healed, and the log is read from end to end through every agent.
    ReadThrough,
    /// An operator raises the cluster epoch while everybody works.
    Epoch,
}

/// One run.
#[derive(Clone, Debug)]
pub struct Setup {
    /// What everything is drawn from.
    pub seed: u64,
    /// How long clients work while things break.
    pub load: Duration,
    /// The agents.
    pub agents: Vec<AgentPlan>,
    /// Agents that join later.
    pub late_agents: usize,
    /// Topics that exist from the beginning.
    pub topics: Vec<TopicPlan>,
    /// What producers do.
    pub producers: Vec<ProducerPlan>,
    /// What consumers do.
    pub consumers: Vec<ConsumerPlan>,
    /// Who asks for offsets.
    pub listers: Vec<ListerPlan>,
    /// Who creates and deletes topics.
    pub admins: Vec<AdminPlan>,
    /// Who deletes records.
    pub deleters: Vec<DeleterPlan>,
    /// Who alters what topics have to keep.
    pub alterers: Vec<AltererPlan>,
    /// Groups of consumers.
    pub groups: Vec<GroupPlan>,
    /// What breaks.
    pub faults: FaultPlan,
    /// How it ends.
    pub ending: Ending,
}

/// Draws numbers for a setup.
struct Draw(SeededRng);

impl Draw {
    fn between(&self, from: u64, to: u64) -> u64 {
        from + self.0.below(to - from + 1)
    }

    fn one_of<T: Clone>(&self, choices: &[T]) -> T {
        choices[self.0.below(choices.len() as u64) as usize].clone()
    }

    fn chance(&self, percent: u64) -> bool {
        self.0.below(100) < percent
    }

    fn ms(&self, from: u64, to: u64) -> Duration {
        Duration::from_millis(self.between(from, to))
    }
}

impl Setup {
    /// What a seed means.
    pub fn of(seed: u64) -> Self {
        Self::with(seed, Crowd::Some)
    }

    /// What a seed means with more or fewer groups.
    pub fn with(seed: u64, crowd: Crowd) -> Self {
        let draw = Draw(SeededRng::new(mix(seed, "setup")));
        let ending = if draw.chance(8) {
            Ending::Epoch
        } else {
            Ending::ReadThrough
        };
        let agents = agents(&draw);
        let late_agents = if agents.len() > 1 && draw.chance(40) {
            draw.between(1, agents.len() as u64 - 1) as usize
        } else {
            0
        };
        let topics: Vec<_> = (0..draw.between(1, 3))
            .map(|n| topic(format!("t{n}"), draw.between(1, 4)))
            .collect();
        let churn: Vec<_> = (0..if draw.chance(45) { draw.between(1, 2) } else { 0 })
            .map(|n| topic(format!("c{n}"), draw.between(1, 2)))
            .collect();
        let everything: Vec<_> = topics.iter().chain(&churn).map(whole).collect();
        let stable: Vec<_> = topics.iter().map(whole).collect();
        let faults = faults(&draw);
        let mut setup = Self {
            seed,
            load: draw.ms(60_000, 75_000)
                + if faults.forget_after.is_some() {
                    FORGETTING
                } else {
                    Duration::ZERO
                },
            late_agents,
            agents,
            producers: producers(&draw, &stable, &everything),
            consumers: consumers(&draw, &stable, &everything),
            listers: (0..draw.between(0, 2))
                .map(|_| ListerPlan {
                    topics: stable.clone(),
                    pause: draw.ms(100, 1_500),
                })
                .collect(),
            admins: if churn.is_empty() {
                Vec::new()
            } else {
                vec![AdminPlan {
                    churn,
                    pause: draw.ms(1_000, 8_000),
                }]
            },
            deleters: Vec::new(),
            alterers: Vec::new(),
            groups: Vec::new(),
            topics,
            faults,
            ending,
        };
        // Drawn apart, so that a seed is what it was without it.
        let draw = Draw(SeededRng::new(mix(seed, "retention")));
        retention::add(&draw, &mut setup, [&stable, &everything]);
        let draw = Draw(SeededRng::new(mix(seed, "loss")));
        if setup.upkeep().is_some() && setup.ending == Ending::ReadThrough && draw.chance(8) {
            setup.faults.loses_every = Some(draw.ms(3_000, 30_000));
        }
        let draw = Draw(SeededRng::new(mix(seed, "groups")));
        groups::add(&draw, &mut setup, crowd);
        setup
    }
}

impl Setup {
    /// How agents do upkeep, if they do.
    pub fn upkeep(&self) -> Option<&UpkeepPlan> {
        self.agents.first()?.upkeep.as_ref()
    }
}

/// A topic that keeps everything.
fn topic(name: String, partitions: u64) -> TopicPlan {
    TopicPlan {
        name,
        partitions: partitions as i32,
        retention: Retention::EVERYTHING,
    }
}

fn whole(topic: &TopicPlan) -> (String, Vec<i32>) {
    (topic.name.clone(), (0..topic.partitions).collect())
}

fn agents(draw: &Draw) -> Vec<AgentPlan> {
    let count = draw.one_of(&[1, 2, 2, 3, 3, 3, 4, AGENTS_MAX]);
    let segment_bytes = draw.one_of(&[4 << 10, 16 << 10, 64 << 10, 256 << 10, 8 << 20]);
    let flush_interval = Duration::from_millis(draw.one_of(&[0, 0, 20, 100, 100, 400]));
    let exact_clocks = draw.chance(40);
    let upkeep = draw.chance(60).then(|| {
        let (interval, grace) = (draw.ms(500, 15_000), draw.ms(0, 12_000));
        UpkeepPlan::draw(draw, interval, grace)
    });
    (0..count)
        .map(|n| AgentPlan {
            name: format!("agent-{n}"),
            segment_bytes,
            flush_interval,
            memory_bytes: 64 << 20,
            cache_bytes: draw.one_of(&[256 << 10, 4 << 20, 16 << 20]),
            upkeep: upkeep.clone(),
            groups: GroupLimits::default(),
            drift_ppm: if exact_clocks {
                0
            } else {
                draw.between(0, 40_000) as i64 - 20_000
            },
            wall_offset_ms: if exact_clocks {
                0
            } else {
                draw.between(0, 20_000) as i64 - 10_000
            },
        })
        .collect()
}

/// Some of the partitions of some topics; at least one.
fn some(draw: &Draw, topics: &[(String, Vec<i32>)]) -> Vec<(String, Vec<i32>)> {
    let some: Vec<_> = topics
        .iter()
        .filter(|_| draw.chance(70))
        .map(|(name, partitions)| {
            let kept: Vec<_> = partitions.iter().copied().filter(|_| draw.chance(75)).collect();
            (
                name.clone(),
                if kept.is_empty() { partitions.clone() } else { kept },
            )
        })
        .collect();
    if some.is_empty() { topics.to_vec() } else { some }
}

fn producers(
    draw: &Draw,
    stable: &[(String, Vec<i32>)],
    everything: &[(String, Vec<i32>)],
) -> Vec<ProducerPlan> {
    let busy = draw.chance(40);
    (0..draw.between(1, 4))
        .map(|_| ProducerPlan {
            kind: draw.one_of(&[
                ProducerKind::Librdkafka,
                ProducerKind::Librdkafka,
                ProducerKind::Librdkafka,
                ProducerKind::Java,
                ProducerKind::Java,
                ProducerKind::Plain,
                ProducerKind::Careless,
            ]),
            topics: some(draw, if draw.chance(50) { everything } else { stable }),
            by_id: draw.chance(60),
            pause: if busy {
                draw.ms(40, 250)
            } else {
                draw.ms(150, 1_500)
            },
            burst: draw.between(1, 8) as u32,
            records_max: draw.one_of(&[1, 5, 20]),
            padding_max: draw.one_of(&[0, 50, 200, 2_000]),
            codec: draw.one_of(&[
                Codec::None,
                Codec::None,
                Codec::None,
                Codec::Gzip,
                Codec::Snappy,
                Codec::Lz4,
                Codec::Zstd,
            ]),
            request_timeout: draw.one_of(&[
                Duration::from_secs(2),
                Duration::from_secs(5),
                Duration::from_secs(30),
            ]),
            delivery_timeout: draw.ms(10_000, 60_000),
            lives_for: draw.chance(30).then(|| draw.ms(1_500, 20_000)),
            clock_ms: 0,
        })
        .collect()
}

fn consumers(
    draw: &Draw,
    stable: &[(String, Vec<i32>)],
    everything: &[(String, Vec<i32>)],
) -> Vec<ConsumerPlan> {
    (0..draw.between(1, 3))
        .map(|_| {
            let by_id = draw.chance(60);
            ConsumerPlan {
                topics: some(
                    draw,
                    if by_id && draw.chance(60) {
                        everything
                    } else {
                        stable
                    },
                ),
                by_id,
                from_start: draw.chance(60),
                rewinds: draw.chance(40),
                max_wait: draw.one_of(&[
                    Duration::from_millis(50),
                    Duration::from_millis(500),
                    Duration::from_secs(5),
                ]),
                min_bytes: draw.one_of(&[1, 1, 1, 1_000, 100_000]),
                max_bytes: draw.one_of(&[1, 2_000, 50_000, 1 << 20, 50 << 20]),
                pause: if draw.chance(60) {
                    Duration::ZERO
                } else {
                    draw.ms(100, 3_000)
                },
                wanders: draw.chance(40),
            }
        })
        .collect()
}

fn faults(draw: &Draw) -> FaultPlan {
    let mut kinds: Vec<Fault> = match draw.between(0, 9) {
        0 => Vec::new(),
        1..=3 => vec![draw.one_of(&FAULTS)],
        4..=6 => (0..draw.between(2, 4)).map(|_| draw.one_of(&FAULTS)).collect(),
        _ => FAULTS.into_iter().filter(|_| draw.chance(70)).collect(),
    };
    kinds.dedup();
    let mut weather = Weather::fair();
    if draw.chance(35) {
        let store = &mut weather.store;
        for chance in [
            &mut store.lost_request,
            &mut store.lost_reply,
            &mut store.broken_after,
            &mut store.duplicate,
            &mut store.late,
            &mut store.slow_down,
            &mut store.put_error,
            &mut store.get_error,
            &mut store.slow_get,
            &mut store.cut_body,
            &mut store.flipped,
            &mut store.delete_error,
            &mut store.cut_list,
        ] {
            if draw.chance(40) {
                *chance = draw.between(1, 30) as u32;
            }
        }
    }
    if draw.chance(35) {
        let metastore = &mut weather.metastore;
        for chance in [
            &mut metastore.lost_request,
            &mut metastore.lost_reply,
            &mut metastore.late,
            &mut metastore.refused,
            &mut metastore.shared_lease,
        ] {
            if draw.chance(50) {
                *chance = draw.between(1, 40) as u32;
            }
        }
    }
    if draw.chance(25) {
        weather.metastore.stands_still = draw.between(20, 150) as u32;
    }
    FaultPlan {
        kinds,
        every: draw.ms(800, 8_000),
        weather,
        forget_after: draw.chance(6).then(|| draw.ms(5_000, 30_000)),
        begins_in_trouble: draw.chance(15),
        loses_every: None,
    }
}
