//! The phases of a run: load under faults, then everything is healed, and everybody comes to an end.

use std::sync::Arc;
use std::time::Duration;

use esker_history::What;
use esker_history::event::Retention;
use esker_metastore::{NewTopic, Topics};
use esker_model::TopicUuid;
use esker_model::limits::EPOCH_GATE;
use esker_model::seams::{Rng, SeededRng};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::SETTLED;
use super::cast::Cast;
use super::quiet::quiet;
use crate::clients::{self, Phase};
use crate::net::{Door, Network};
use crate::setup::{Ending, Setup};
use crate::world::agent::Agent;
use crate::world::nemesis::Nemesis;
use crate::world::{World, mix};

/// After the last fault every batch that a producer holds has its fate within this time: the longest that
/// an agent keeps one, what fencing a dead agent and its successor's start take, and retries.
const FLUSH_MAX: Duration = Duration::from_secs(90);

/// Once producers are done, every consumer is at the end of the log within this time.
const DRAIN_MAX: Duration = Duration::from_secs(60);

/// Then every group is stable, has read everything and committed that, within this time: more than its observer gives it.
const GROUPS_MAX: Duration = Duration::from_secs(180);

/// Reading everything through all agents takes no longer.
const READ_MAX: Duration = Duration::from_secs(120);

/// Until an agent that was cut off is itself again: renewed its registration, forgot its last backoff.
const CALM: Duration = Duration::from_secs(8);

/// How often, and how far apart, agents are looked at until they are idle.
const IDLE_LOOKS: u32 = 200;
const IDLE_LOOK: Duration = Duration::from_millis(100);

/// Runs a seed; returns its world, and how many faults struck.
pub(super) async fn simulate(setup: &Setup) -> Result<(Arc<World>, u64), String> {
    let world = World::new(setup.seed, setup.faults.weather.clone())
        .map_err(|err| format!("cannot make a database: {err}"))?;
    create_topics(&world, setup).await?;
    world.watch_groups(setup.groups.iter().map(|plan| plan.name.as_str()));
    let agents: Vec<_> = setup
        .agents
        .iter()
        .map(|plan| Agent::new(&world, plan.clone()))
        .collect();
    let network = Network::default();
    for agent in &agents {
        network.add(agent.name(), Arc::clone(agent) as Arc<dyn Door>);
    }
    let first = agents.len() - setup.late_agents;
    agents[..first].iter().for_each(|agent| agent.start());
    for (agent, wait) in agents[first..].iter().zip(1..) {
        let (agent, world) = (Arc::clone(agent), Arc::clone(&world));
        tokio::task::spawn(async move {
            tokio::time::sleep(world.between_ms(5_000, 20_000) * wait).await;
            agent.start();
        });
    }
    let nemesis = Nemesis::new(&world, &agents, setup.faults.clone());
    tokio::task::spawn(Arc::clone(&nemesis).run());
    tokio::task::spawn(Arc::clone(&nemesis).forget());
    tokio::task::spawn(Arc::clone(&nemesis).lose());
    watch_memory(&agents);

    let (phase, heard) = watch::channel(Phase::Load);
    let cast = Cast {
        world: &world,
        network: &network,
        hosts: agents.iter().map(|agent| agent.name().to_owned()).collect(),
        phase: heard,
    };
    let mut crew = cast.start(setup);
    tokio::time::sleep(setup.load).await;
    if setup.ending == Ending::Epoch && raise_epoch(&world, &agents).await? {
        phase.send_replace(Phase::Over);
        return Ok((world, nemesis.struck()));
    }

    nemesis.heal().await;
    let healed = tokio::time::Instant::now();
    let reviving = tokio::task::spawn({
        let nemesis = Arc::clone(&nemesis);
        async move {
            loop {
                tokio::time::sleep(Duration::from_secs(1)).await;
                nemesis.revive();
            }
        }
    });
    phase.send_replace(Phase::Flush);
    finish(&world, &mut crew.producers, FLUSH_MAX, "producer").await;
    phase.send_replace(Phase::Drain);
    finish(&world, &mut crew.consumers, DRAIN_MAX, "consumer").await;
    finish(&world, &mut crew.groups, GROUPS_MAX, "member(s) and observer").await;
    phase.send_replace(Phase::Over);
    finish(&world, &mut crew.others, DRAIN_MAX, "client").await;
    all_open(&world, &agents).await;
    tokio::time::sleep(CALM).await;
    probe_everything(&world, &cast, &agents, setup).await;
    quiet(&world, &cast, &agents, setup).await?;
    if let Some(after) = setup.shows_retention_after(SETTLED) {
        tokio::time::sleep_until(healed + after).await;
    }
    read_everything(&world, &cast, &agents).await;
    nothing_is_left(&agents).await;
    reviving.abort();
    agents.iter().for_each(|agent| agent.kill());
    tokio::time::sleep(Duration::from_millis(1)).await;
    Ok((world, nemesis.struck()))
}

async fn create_topics(world: &World, setup: &Setup) -> Result<(), String> {
    let rng = SeededRng::new(mix(setup.seed, "topics"));
    let topics: Vec<_> = setup
        .topics
        .iter()
        .map(|plan| NewTopic {
            uuid: TopicUuid(rng.uuid()),
            name: plan.name.clone(),
            partitions: plan.partitions,
            replication_factor: 1,
            configs: clients::configs(plan.retention)
                .map(|(config, value)| (config.to_owned(), value))
                .into(),
        })
        .collect();
    let created = world
        .database()
        .create_topics(&topics)
        .await
        .map_err(|err| format!("cannot create topics: {err}"))?;
    for (topic, created) in topics.iter().zip(created) {
        if let Err(refusal) = created {
            return Err(format!("cannot create topic {}: {refusal:?}", topic.name));
        }
        world.record.topic(&topic.name, topic.uuid.0);
    }
    Ok(())
}

/// No agent has anything in memory but its cache, as soon as upkeep rests for a moment.
pub(super) async fn nothing_is_left(agents: &[Arc<Agent>]) {
    // What the last replies held is let go, and readers that went away while they waited are noticed.
    tokio::time::sleep(CALM).await;
    for _ in 0..IDLE_LOOKS {
        if agents.iter().all(|agent| agent.is_idle()) {
            break;
        }
        tokio::time::sleep(IDLE_LOOK).await;
    }
    agents.iter().for_each(|agent| agent.tell_memory(true));
}

/// Looks at every agent's memory now and then.
fn watch_memory(agents: &[Arc<Agent>]) {
    let agents = agents.to_vec();
    tokio::task::spawn(async move {
        loop {
            tokio::time::sleep(Duration::from_millis(1_700)).await;
            agents.iter().for_each(|agent| agent.tell_memory(false));
        }
    });
}

/// An operator begins a restore while everybody works: raises the epoch, waits until no agent can pass the
/// gate any more, lists the bucket. What agents do after that must acknowledge nothing.
///
/// Some agents do not see the new epoch, or stand still just then: only the gate keeps them from it.
///
/// Whether there was an epoch to raise: no agent may have come far enough to found the cluster.
async fn raise_epoch(world: &Arc<World>, agents: &[Arc<Agent>]) -> Result<bool, String> {
    if !world.raise_epoch().await? {
        return Ok(false);
    }
    for agent in agents {
        if world.chance(400) {
            agent.reach.change(|cut| cut.epoch = true);
        } else if world.chance(400) {
            let (agent, time) = (Arc::clone(agent), world.between_ms(9_000, 15_000));
            tokio::task::spawn(async move {
                agent.pause();
                tokio::time::sleep(time).await;
                agent.resume();
            });
        }
    }
    // The slowest clock of a machine takes a little longer.
    tokio::time::sleep(EPOCH_GATE + EPOCH_GATE / 20).await;
    world.list_for_restore().await?;
    tokio::time::sleep(Duration::from_secs(20)).await;
    Ok(true)
}

/// Waits until every agent takes connections.
pub(super) async fn all_open(world: &World, agents: &[Arc<Agent>]) {
    let open = async {
        while !agents.iter().all(|agent| agent.is_open()) {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    if tokio::time::timeout(FLUSH_MAX, open).await.is_err() {
        world.record.note(What::Stuck {
            why: "an agent does not start again".to_owned(),
        });
    }
}

/// Whoever waits at the tail hears of new records soon: at the agent that takes them, and at another.
/// In a topic that keeps everything, if there is one: what is written keeps older records in others.
pub(super) async fn probe_everything(
    world: &Arc<World>,
    cast: &Cast<'_>,
    agents: &[Arc<Agent>],
    setup: &Setup,
) {
    let keeps = setup
        .topics
        .iter()
        .position(|plan| plan.retention == Retention::EVERYTHING);
    let topic = world.record.with(|history| {
        let topic = history.topics.get(keeps.unwrap_or_default());
        topic.map(|topic| (topic.name.clone(), topic.id))
    });
    let Some(topic) = topic else { return };
    let context = cast.context("probe of the tail");
    for (number, agent) in agents.iter().enumerate() {
        let next = &agents[(number + 1) % agents.len()];
        for (turn, through) in [agent, next].into_iter().enumerate() {
            let number = (number * 2 + turn) as u64;
            let (at, through) = (agent.name().to_owned(), through.name().to_owned());
            clients::probe(context.clone(), at, through, topic.clone(), number).await;
        }
    }
    world.record.tell(context.me, What::Finished);
}

/// Waits until all of them have ended.
async fn finish(world: &World, crew: &mut JoinSet<()>, patience: Duration, who: &str) {
    let all = async { while crew.join_next().await.is_some() {} };
    if tokio::time::timeout(patience, all).await.is_err() {
        world.record.note(What::Stuck {
            why: format!(
                "{} {who}(s) not done {} s after they could be",
                crew.len(),
                patience.as_secs()
            ),
        });
    }
}

/// Reads every partition of every topic that was not deleted, through every agent.
async fn read_everything(world: &Arc<World>, cast: &Cast<'_>, agents: &[Arc<Agent>]) {
    let topics: Vec<_> = world.record.with(|history| {
        history
            .topics
            .iter()
            .filter(|topic| topic.deleted_from_us.is_none())
            .cloned()
            .collect()
    });
    let partitions = world.partitions().await;
    let mut readers = JoinSet::new();
    for agent in agents {
        let context = cast.context(&format!("reader through {}", agent.name()));
        let (host, topics, partitions) = (agent.name().to_owned(), topics.clone(), partitions.clone());
        let world = Arc::clone(world);
        readers.spawn(async move {
            for topic in topics {
                for partition in 0..partitions.get(&topic.id).copied().unwrap_or(0) {
                    let read = clients::read_through(
                        context.clone(),
                        host.clone(),
                        (topic.name.clone(), topic.id),
                        partition,
                    );
                    if let Err(why) = read.await {
                        world.record.note(What::Stuck {
                            why: format!("cannot read {}-{partition} through {host}: {why}", topic.name),
                        });
                    }
                }
            }
        });
    }
    finish(world, &mut readers, READ_MAX, "reader").await;
}
