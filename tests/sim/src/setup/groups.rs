//! Groups of consumers: how many, of which kind, and how fast their times are.

use std::time::Duration;

use esker_model::groups::GroupLimits;

use super::{Draw, Setup};
use crate::clients::groups::{GroupPlan, Speech};

/// How many groups runs have.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum Crowd {
    /// A few in some of the runs.
    #[default]
    Some,
    /// Several in every run.
    Many,
}

/// Adds groups to a setup.
pub(super) fn add(draw: &Draw, setup: &mut Setup, crowd: Crowd) {
    let (share, groups, members) = match crowd {
        Crowd::Some => (35, draw.one_of(&[1, 1, 2]), 4),
        Crowd::Many => (100, draw.between(2, 4), 5),
    };
    if !draw.chance(share) {
        return;
    }
    let limits = limits(draw);
    for agent in &mut setup.agents {
        agent.groups = limits.clone();
    }
    let lively = draw.chance(70);
    for number in 0..groups {
        let topics: Vec<_> = setup
            .topics
            .iter()
            .filter(|_| draw.chance(70))
            .map(|plan| (plan.name.clone(), plan.partitions))
            .collect();
        let topics = if topics.is_empty() {
            let plan = &setup.topics[0];
            vec![(plan.name.clone(), plan.partitions)]
        } else {
            topics
        };
        let speech = draw.one_of(&[
            Speech::Eager,
            Speech::Eager,
            Speech::Cooperative,
            Speech::Consumer,
            Speech::Consumer,
        ]);
        let statics = speech != Speech::Consumer && draw.chance(35);
        let session = draw.ms(4_000, 12_000);
        let mut plan = GroupPlan {
            name: format!("g{number}-{}", draw.between(0, 999)),
            speech,
            topics,
            members: (0..draw.between(1, members))
                .map(|_| statics && draw.chance(60))
                .collect(),
            session,
            rebalance: draw.ms(4_000, 15_000),
            heartbeat: session / 3,
            poll: draw.ms(300, 2_000),
            commit: draw.ms(500, 4_000),
            lives_for: lively.then(|| draw.ms(6_000, 40_000)),
        };
        // Who hears with its next heartbeat only that it is to join again must still be in time.
        plan.heartbeat = plan.heartbeat.min(plan.rebalance / 3);
        setup.groups.push(plan);
    }
}

/// Kafka's limits with shorter times, so that much happens in a run.
fn limits(draw: &Draw) -> GroupLimits {
    GroupLimits {
        min_session_timeout: Duration::from_secs(1),
        initial_rebalance_delay: draw.one_of(&[
            Duration::ZERO,
            Duration::from_millis(500),
            Duration::from_secs(3),
        ]),
        consumer_session_timeout: draw.ms(4_000, 12_000),
        consumer_heartbeat_interval: draw.ms(500, 2_000),
        ..GroupLimits::default()
    }
}
