//! One run of one seed, from the first agent's start to the verdict.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::panic;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use esker_history::event::{Retention, Topic};
use esker_history::{History, Terms, Violation, What, check};
use esker_metastore::{NewTopic, Topics};
use esker_model::TopicUuid;
use esker_model::limits::EPOCH_GATE;
use esker_model::seams::{Rng, SeededRng};
use esker_protocol::batch::Codec;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::clients::{self, ClientContext, Phase};
use crate::net::{Door, Network};
use crate::setup::{Ending, Setup};
use crate::world::agent::Agent;
use crate::world::clock::BEGINNING_MS;
use crate::world::nemesis::Nemesis;
use crate::world::{World, mix};

/// After the last fault every batch that a producer holds has its fate within this time: the longest that
/// an agent keeps one, what fencing a dead agent and its successor's start take, and retries.
pub const FLUSH_MAX: Duration = Duration::from_secs(90);

/// Once producers are done, every consumer is at the end of the log within this time.
pub const DRAIN_MAX: Duration = Duration::from_secs(60);

/// Reading everything through all agents takes no longer.
pub const READ_MAX: Duration = Duration::from_secs(120);

/// Until an agent that was cut off is itself again: renewed its registration, forgot its last backoff.
const CALM: Duration = Duration::from_secs(8);

/// How often, and how far apart, agents are looked at until they are idle.
const IDLE_LOOKS: u32 = 200;
const IDLE_LOOK: Duration = Duration::from_millis(100);

/// So long after the last fault nothing is under way any more that was begun before.
const SETTLED: Duration = Duration::from_secs(40);

/// What became of a run.
pub struct Outcome {
    /// What clients saw.
    pub history: History,
    /// What is broken.
    pub violations: Vec<Violation>,
    /// One number for all that happened: the same for the same seed.
    pub digest: u64,
    /// Figures for people.
    pub figures: Figures,
}

/// What happened in a run, in numbers.
#[derive(Clone, Copy, Default, Debug)]
pub struct Figures {
    /// Simulated time.
    pub simulated: Duration,
    /// Requests at the stores.
    pub store_events: u64,
    /// Segments that agents read whole from the bucket.
    pub segment_reads: u64,
    /// Faults that struck.
    pub faults: u64,
    /// Batches acknowledged.
    pub acknowledged: u64,
    /// Records in what readers saw.
    pub records_read: u64,
    /// Partitions whose log start was seen above 0.
    pub shortened: u64,
    /// Events of the history.
    pub events: u64,
}

thread_local! {
    static PANICS: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

/// Panics inside of runs become violations of the run instead of text on stderr. Once per process.
pub fn catch_panics() {
    let usual = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        if tokio::runtime::Handle::try_current().is_ok() {
            PANICS.with_borrow_mut(|panics| panics.push(info.to_string()));
        } else {
            usual(info);
        }
    }));
}

/// Runs one seed. Errors: the runtime or the database could not be made.
pub fn run(setup: &Setup) -> Result<Outcome, String> {
    PANICS.take();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .map_err(|err| format!("cannot make a runtime: {err}"))?;
    let (world, struck, simulated) = runtime.block_on(async {
        let (world, struck) = simulate(setup).await?;
        let simulated = world.clock().elapsed();
        Ok::<_, String>((world, struck, simulated))
    })?;
    runtime.shutdown_background();
    for what in PANICS.take() {
        world.record.note(What::Stuck {
            why: format!("a task panicked: {what}"),
        });
    }
    let (trace, store_events) = world.trace.digest();
    let mut history = world.record.take();
    tell_retention(&mut history, setup);
    let settled_from_us = history
        .events
        .iter()
        .find(|event| event.what == What::Healed)
        .map(|event| event.at_us + SETTLED.as_micros() as u64);
    let terms = Terms {
        read_through: setup.ending == Ending::ReadThrough,
        settled_from_us,
        database_ms: Some(BEGINNING_MS),
        retention_us: setup.retained_within().map(|within| within.as_micros() as u64),
        ..Terms::default()
    };
    let violations = check(&history, &terms);
    let mut figures = Figures {
        simulated,
        store_events,
        segment_reads: world.segment_reads.load(Ordering::Relaxed),
        faults: struck,
        events: history.events.len() as u64,
        ..Figures::default()
    };
    let mut shortened = BTreeSet::new();
    for event in &history.events {
        match &event.what {
            What::Acked { .. } => figures.acknowledged += 1,
            What::Fetched {
                seen,
                log_start,
                partition,
                ..
            } => {
                figures.records_read += seen.iter().map(|seen| u64::from(seen.records.count)).sum::<u64>();
                if *log_start > 0 {
                    shortened.insert(*partition);
                }
            }
            _ => {}
        }
    }
    figures.shortened = shortened.len() as u64;
    Ok(Outcome {
        digest: digest(trace, &history),
        history,
        violations,
        figures,
    })
}

/// Tells what topics had to keep when they were created: those of a name were all created alike.
fn tell_retention(history: &mut History, setup: &Setup) {
    let churned = setup.admins.iter().flat_map(|admin| &admin.churn);
    let plans: BTreeMap<&str, Retention> = setup
        .topics
        .iter()
        .chain(churned)
        .map(|plan| (plan.name.as_str(), plan.retention))
        .collect();
    let at_us = history.events.last().map_or(0, |event| event.at_us);
    for at in 0..history.topics.len() {
        let retention = plans.get(history.topics[at].name.as_str());
        if let Some(retention) = retention.filter(|retention| **retention != Retention::EVERYTHING) {
            let (topic, retention) = (Topic(at as u32), *retention);
            history.push(at_us, None, What::Created { topic, retention });
        }
    }
}

fn digest(trace: u64, history: &History) -> u64 {
    use std::hash::{Hash, Hasher};
    let mut hasher = std::hash::DefaultHasher::new();
    trace.hash(&mut hasher);
    history.events.hash(&mut hasher);
    hasher.finish()
}

async fn simulate(setup: &Setup) -> Result<(Arc<World>, u64), String> {
    let world = World::new(setup.seed, setup.faults.weather.clone())
        .map_err(|err| format!("cannot make a database: {err}"))?;
    create_topics(&world, setup).await?;
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
    tokio::task::spawn(Arc::clone(&nemesis).sweep());
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
    phase.send_replace(Phase::Over);
    finish(&world, &mut crew.others, DRAIN_MAX, "client").await;
    all_open(&world, &agents).await;
    tokio::time::sleep(CALM).await;
    probe_everything(&world, &cast, &agents, setup).await;
    if let Some(after) = setup.shows_retention_after(SETTLED) {
        tokio::time::sleep_until(healed + after).await;
    }
    read_everything(&world, &cast, &agents).await;
    // What the last replies held is let go, and readers that went away while they waited are noticed.
    tokio::time::sleep(CALM).await;
    all_idle(&agents).await;
    agents.iter().for_each(|agent| agent.tell_memory(true));
    reviving.abort();
    let living: Vec<_> = agents.iter().filter_map(|agent| agent.incarnation()).collect();
    world.audit(&living).await?;
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

/// Waits until no agent has anything in memory but its cache, for a while: upkeep goes on.
async fn all_idle(agents: &[Arc<Agent>]) {
    for _ in 0..IDLE_LOOKS {
        if agents.iter().all(|agent| agent.is_idle()) {
            return;
        }
        tokio::time::sleep(IDLE_LOOK).await;
    }
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

/// Who takes part, and what each is given.
struct Cast<'a> {
    world: &'a Arc<World>,
    network: &'a Network,
    hosts: Vec<String>,
    phase: watch::Receiver<Phase>,
}

/// Clients at work.
struct Crew {
    producers: JoinSet<()>,
    consumers: JoinSet<()>,
    others: JoinSet<()>,
}

impl Cast<'_> {
    fn context(&self, what: &str) -> ClientContext {
        let me = self.world.record.client(what);
        let name = format!("client-{}", me.0);
        ClientContext {
            rng: Arc::new(SeededRng::new(mix(self.world.seed, &name))),
            me,
            name,
            network: self.network.clone(),
            bootstrap: self.hosts.clone(),
            record: self.world.record.clone(),
            phase: self.phase.clone(),
        }
    }

    fn start(&self, setup: &Setup) -> Crew {
        let mut crew = Crew {
            producers: JoinSet::new(),
            consumers: JoinSet::new(),
            others: JoinSet::new(),
        };
        for plan in &setup.producers {
            let codec = if plan.codec == Codec::None {
                "plain".to_owned()
            } else {
                plan.codec.to_string()
            };
            let context = self.context(&format!("producer ({:?}, {codec})", plan.kind));
            crew.producers.spawn(clients::run_producer(context, plan.clone()));
        }
        for plan in &setup.consumers {
            let context = self.context(if plan.rewinds {
                "consumer that rewinds"
            } else {
                "consumer"
            });
            crew.consumers.spawn(clients::run_consumer(context, plan.clone()));
        }
        for plan in &setup.listers {
            let context = self.context("lister of offsets");
            crew.others.spawn(clients::run_lister(context, plan.clone()));
        }
        for plan in &setup.admins {
            let context = self.context("administrator");
            crew.others.spawn(clients::run_admin(context, plan.clone()));
        }
        for plan in &setup.deleters {
            let context = self.context("administrator who deletes records");
            crew.others.spawn(clients::run_deleter(context, plan.clone()));
        }
        for plan in &setup.alterers {
            let context = self.context("administrator who alters retention");
            crew.others.spawn(clients::run_alterer(context, plan.clone()));
        }
        crew
    }
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
async fn all_open(world: &World, agents: &[Arc<Agent>]) {
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
async fn probe_everything(world: &Arc<World>, cast: &Cast<'_>, agents: &[Arc<Agent>], setup: &Setup) {
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
