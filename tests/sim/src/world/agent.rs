//! One agent: a machine with a name, and the processes that run on it one after the other.
//!
//! A process lives as the real one does: it begins an incarnation, begins another one when that was fenced,
//! and ends when it was drained or the cluster went on without it.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use esker_broker::authorizer::AllowAll;
use esker_broker::budget::Budget;
use esker_broker::metrics::BrokerMetrics;
use esker_broker::{Broker, BrokerConfig, Dependencies, ListenerConfig, StartError, StopReason};
use esker_history::What;
use esker_history::event::{Client, Life, Memory};
use esker_metastore::MetastoreError;
use esker_model::IncarnationId;
use esker_model::groups::GroupLimits;
use esker_model::seams::{Seams, SeededRng, Signal};
use esker_storage::Bucket;
use esker_storage::bucket::BucketOptions;
use esker_storage::cache::LruCache;
use esker_storage::metrics::StoreMetrics;
use parking_lot::Mutex;

use super::clock::MachineClock;
use super::metastore::ProcessMetastore;
use super::pipe::{Road, Wire, Wires};
use super::reach::Reach;
use super::store::{Line, ProcessStore, WholeReads};
use super::tasks::{ProcessSpawner, Tasks};
use super::{World, mix};
use crate::net::{Connection, Door};
use crate::setup::upkeep::UpkeepPlan;

/// Wait before a process tries again to begin an incarnation.
const START_AGAIN: Duration = Duration::from_secs(1);

/// How long a client waits for a connection to somebody whom it cannot reach.
const CONNECT_PATIENCE: Duration = Duration::from_secs(3);

/// Settings of one agent that runs differ in.
#[derive(Clone, Debug)]
pub struct AgentPlan {
    /// Its name, which is its host name as well.
    pub name: String,
    /// `segment_bytes`.
    pub segment_bytes: u64,
    /// `flush_interval_ms`.
    pub flush_interval: Duration,
    /// `memory_bytes`.
    pub memory_bytes: u64,
    /// What its cache may weigh.
    pub cache_bytes: u64,
    /// How it does upkeep; if there is none, nobody does.
    pub upkeep: Option<UpkeepPlan>,
    /// What groups may do.
    pub groups: GroupLimits,
    /// How much its monotonic clock gains.
    pub drift_ppm: i64,
    /// How far its wall clock is off.
    pub wall_offset_ms: i64,
}

/// An incarnation that takes connections.
struct Open {
    broker: Arc<Broker>,
    life: Life,
    ended: Arc<Signal<bool>>,
    reads: Arc<WholeReads>,
}

#[derive(Default)]
struct State {
    process: Option<Arc<Tasks>>,
    open: Option<Open>,
    processes: u64,
    connections: u64,
}

/// One agent.
pub struct Agent {
    world: Arc<World>,
    plan: AgentPlan,
    clock: Arc<MachineClock>,
    /// What it can reach.
    pub reach: Arc<Reach>,
    wires: Wires,
    state: Mutex<State>,
    listener: Arc<ListenerConfig>,
}

impl Agent {
    /// A machine on which nothing runs yet.
    pub fn new(world: &Arc<World>, plan: AgentPlan) -> Arc<Self> {
        let clock = MachineClock::new(world.clock().clone(), plan.drift_ppm, plan.wall_offset_ms);
        Arc::new(Self {
            world: Arc::clone(world),
            clock: Arc::new(clock),
            reach: Arc::default(),
            wires: Wires::default(),
            state: Mutex::default(),
            listener: Arc::new(ListenerConfig {
                name: "PLAINTEXT".into(),
                security_protocol: "PLAINTEXT".into(),
                bound: "0.0.0.0:9092".into(),
                advertised_host: plan.name.clone(),
                advertised_port: 9092,
                zone: None,
            }),
            plan,
        })
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.plan.name
    }

    /// The machine's clocks.
    pub fn clock(&self) -> &MachineClock {
        &self.clock
    }

    /// Starts a process, unless one runs.
    pub fn start(self: &Arc<Self>) {
        let tasks = Tasks::new();
        let left_open = {
            let mut state = self.state.lock();
            if state.process.as_ref().is_some_and(|tasks| !tasks.is_dead()) {
                return;
            }
            state.process = Some(Arc::clone(&tasks));
            state.processes += 1;
            state.open.take()
        };
        self.close(left_open);
        self.note("starts");
        tasks.start(Box::pin(lives(Arc::clone(self), Arc::clone(&tasks))));
        // Whatever kills it, what it held open is gone with it.
        let agent = Arc::clone(self);
        tokio::task::spawn(async move {
            tasks.dead().await;
            agent.gone(&tasks);
        });
    }

    fn gone(&self, tasks: &Arc<Tasks>) {
        let mut state = self.state.lock();
        if state
            .process
            .as_ref()
            .is_some_and(|process| Arc::ptr_eq(process, tasks))
        {
            state.process = None;
            let open = state.open.take();
            drop(state);
            self.close(open);
        }
    }

    fn close(&self, open: Option<Open>) {
        if let Some(Open { life, reads, .. }) = open {
            self.world.record.ended(life);
            let again = reads.take(self.cache_bytes());
            // Archiving reads what is not in the cache, and leaves it out.
            for (key, times) in again.into_iter().filter(|_| self.plan.upkeep.is_none()) {
                self.world.record.note(What::ReadAgain { life, key, times });
            }
        }
    }

    /// Whether a process runs (it may stand still).
    pub fn is_running(&self) -> bool {
        self.process().is_some()
    }

    /// Whether a process runs and stands still.
    pub fn is_paused(&self) -> bool {
        self.process().is_some_and(|tasks| tasks.is_paused())
    }

    /// Whether it takes connections.
    pub fn is_open(&self) -> bool {
        self.state.lock().open.is_some() && !self.is_paused()
    }

    fn process(&self) -> Option<Arc<Tasks>> {
        self.state.lock().process.clone().filter(|tasks| !tasks.is_dead())
    }

    /// Kills the process after so many more polls of its tasks.
    pub fn kill_after(&self, polls: u32) {
        if let Some(tasks) = self.process() {
            self.note(&format!("is killed after {polls} more steps"));
            tasks.kill_after(polls);
        }
    }

    /// Lets a process live that was to die.
    pub fn spare(&self) {
        if let Some(tasks) = self.process() {
            tasks.spare();
        }
    }

    /// Kills the process now.
    pub fn kill(&self) {
        if let Some(tasks) = self.process() {
            self.note("is killed");
            tasks.kill();
        }
    }

    /// The process stands still.
    pub fn pause(&self) {
        if let Some(tasks) = self.process() {
            self.note("is paused");
            tasks.pause();
        }
    }

    /// The process goes on.
    pub fn resume(&self) {
        if let Some(tasks) = self.process() {
            self.note("goes on");
            tasks.resume();
        }
    }

    /// The process ends in good order.
    pub fn drain(&self) {
        let open = self
            .state
            .lock()
            .open
            .as_ref()
            .map(|open| Arc::clone(&open.broker));
        if let (Some(broker), Some(tasks)) = (open, self.process()) {
            self.note("is asked to leave");
            tasks.start(Box::pin(async move { broker.drain().await }));
        }
    }

    /// The incarnation that takes connections.
    pub fn incarnation(&self) -> Option<IncarnationId> {
        let state = self.state.lock();
        Some(state.open.as_ref()?.broker.membership().incarnation())
    }

    /// Breaks connections with clients, each with this chance per mille.
    pub fn reset_connections(&self, per_mille: u32) {
        self.note("loses connections");
        self.wires.reset(|| self.world.chance(per_mille));
    }

    fn note(&self, what: &str) {
        self.world.record.note(What::Fault {
            what: format!("{} {what}", self.plan.name),
        });
    }

    /// Whether it holds nothing but its cache, after what it keeps for readers was given up.
    pub fn is_idle(&self) -> bool {
        let broker = self
            .state
            .lock()
            .open
            .as_ref()
            .map(|open| Arc::clone(&open.broker));
        let Some(broker) = broker else { return true };
        broker.give_up_recent();
        let memory = broker.memory();
        memory.iter().all(|one| one.r#use == "cache" || one.used == 0)
    }

    /// Tells the history how much memory is in use: always if `idle`, else if it is more than allowed.
    pub fn tell_memory(&self, idle: bool) {
        let open = {
            let state = self.state.lock();
            state
                .open
                .as_ref()
                .map(|open| (open.life, Arc::clone(&open.broker)))
        };
        let Some((life, broker)) = open else { return };
        if idle {
            broker.give_up_recent();
        }
        let mut memory: Vec<_> = broker
            .memory()
            .iter()
            .map(|one| Memory {
                r#use: one.r#use.to_owned(),
                used: one.used,
                max: match one.r#use {
                    "cache" => self.cache_bytes(),
                    _ => one.max,
                },
            })
            .collect();
        // What recent segments hold is part of what producers may use.
        let produce = memory.iter().find(|one| one.r#use == "produce");
        memory.push(Memory {
            r#use: "recent".to_owned(),
            used: broker.recent_bytes(),
            max: produce.map_or(0, |one| one.max),
        });
        if idle || memory.iter().any(|one| one.used > one.max) {
            self.world.record.note(What::MemoryUsed { life, idle, memory });
        }
    }

    fn dependencies(&self, tasks: &Arc<Tasks>, reads: &Arc<WholeReads>) -> Dependencies {
        let process = self.state.lock().processes;
        let seams = Seams {
            clock: Arc::clone(&self.clock) as _,
            rng: Arc::new(SeededRng::new(mix(
                self.world.seed,
                &format!("{}/{process}", self.plan.name),
            ))),
            spawner: Arc::new(ProcessSpawner(Arc::clone(tasks))),
        };
        let line = Line {
            world: Arc::clone(&self.world),
            who: self.plan.name.clone(),
            process: Arc::clone(tasks),
            reach: Arc::clone(&self.reach),
        };
        let store = ProcessStore::new(line, Arc::clone(reads));
        let metastore = ProcessMetastore {
            world: Arc::clone(&self.world),
            who: self.plan.name.clone(),
            process: Arc::clone(tasks),
            reach: Arc::clone(&self.reach),
        };
        let options = BucketOptions::new(seams.clone(), StoreMetrics::default());
        Dependencies {
            seams,
            metastore: Arc::new(metastore),
            bucket: Bucket::new(Arc::new(store), "", "the simulated bucket", options),
            cache: Arc::new(LruCache::new(self.cache_bytes())),
            authorizer: Arc::new(AllowAll),
            metrics: BrokerMetrics::default(),
            tracer: esker_broker::trace::Tracer::off(),
        }
    }

    fn cache_bytes(&self) -> u64 {
        self.plan
            .cache_bytes
            .min(Budget::cache_bytes(self.plan.memory_bytes))
    }

    fn config(&self) -> BrokerConfig {
        let serving = BrokerConfig {
            node_name: self.plan.name.clone(),
            listeners: vec![Arc::clone(&self.listener)],
            segment_bytes: self.plan.segment_bytes,
            flush_interval: self.plan.flush_interval,
            memory_bytes: self.plan.memory_bytes,
            auto_create_topics: false,
            groups: self.plan.groups.clone(),
            roles: vec!["serve".into()],
            ..BrokerConfig::default()
        };
        match &self.plan.upkeep {
            None => serving,
            Some(upkeep) => BrokerConfig {
                roles: vec!["serve".into(), "upkeep".into()],
                archive_interval: upkeep.interval,
                archive_grace: upkeep.grace,
                sweep_interval: upkeep.sweep,
                merge: upkeep.merge,
                ..serving
            },
        }
    }
}

/// The incarnations of one process.
async fn lives(agent: Arc<Agent>, tasks: Arc<Tasks>) {
    let reads = Arc::new(WholeReads::default());
    let on = agent.dependencies(&tasks, &reads);
    loop {
        let broker = match Broker::start(agent.config(), on.clone()).await {
            Ok(broker) => broker,
            Err(err) => {
                let again =
                    err.is_transient() || matches!(err, StartError::Metastore(MetastoreError::Fenced));
                if !again {
                    agent.note(&format!("cannot start: {err}"));
                    break;
                }
                tokio::time::sleep(START_AGAIN).await;
                continue;
            }
        };
        let life = agent.world.record.life(agent.name());
        let ended = Arc::new(Signal::new(false));
        agent.state.lock().open = Some(Open {
            broker: Arc::clone(&broker),
            life,
            ended: Arc::clone(&ended),
            reads: Arc::clone(&reads),
        });
        let reason = broker.stopped().await;
        if reason == StopReason::Drained {
            // For the last replies to leave the process, as the real one does.
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
        let open = agent.state.lock().open.take();
        agent.close(open);
        ended.set(true);
        agent.note(&format!("ended a life: {reason:?}"));
        if reason != StopReason::Fenced {
            break;
        }
        let pause = on.seams.rng.jitter(Duration::from_millis(500));
        tokio::time::sleep(pause).await;
    }
    tasks.kill();
}

/// The way between one client and one agent.
struct ClientRoad {
    world: Arc<World>,
    reach: Arc<Reach>,
    client: Client,
}

impl Road for ClientRoad {
    fn is_open(&self) -> bool {
        self.reach.now().clients & (1 << (self.client.0 % 64)) == 0
    }

    fn way(&self) -> Duration {
        let range = self.world.weather.read().network.way;
        self.world.between(range)
    }
}

#[async_trait]
impl Door for Agent {
    async fn connect(&self, client: Client) -> io::Result<Connection> {
        let road = Arc::new(ClientRoad {
            world: Arc::clone(&self.world),
            reach: Arc::clone(&self.reach),
            client,
        });
        tokio::time::sleep(road.way()).await;
        if !road.is_open() {
            tokio::time::sleep(CONNECT_PATIENCE).await;
            return Err(io::ErrorKind::TimedOut.into());
        }
        let mut state = self.state.lock();
        let (Some(tasks), Some(open)) = (state.process.clone(), &state.open) else {
            return Err(io::ErrorKind::ConnectionRefused.into());
        };
        let (broker, life, ended) = (Arc::clone(&open.broker), open.life, Arc::clone(&open.ended));
        let (wire, near, far) = Wire::open(road);
        self.wires.add(&wire);
        state.connections += 1;
        drop(state);
        let listener = Arc::clone(&self.listener);
        let peer = format!("client-{}", client.0);
        tasks.start(Box::pin(async move {
            tokio::select! {
                biased;
                () = ended.until(|ended| *ended) => {}
                () = broker.serve(far, listener, peer) => {}
            }
        }));
        Ok(Connection {
            stream: Box::new(near),
            life,
        })
    }
}
