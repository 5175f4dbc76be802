//! What breaks, and when.
//!
//! While the load goes on, faults strike at random times: each begins, lasts, and ends by itself; several
//! may last at once. [`Nemesis::heal`] ends all of them: everything runs again and reaches everything.

mod fault;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use esker_history::What;
use esker_metastore::Producers;
use esker_model::seams::Rng;
use parking_lot::Mutex;

use super::World;
use super::agent::Agent;
use super::reach::Cut;
use super::weather::Weather;
pub use fault::{FAULTS, Fault};

/// Which faults a run knows, and how often they strike.
#[derive(Clone, Debug)]
pub struct FaultPlan {
    /// The kinds.
    pub kinds: Vec<Fault>,
    /// Mean time between two.
    pub every: Duration,
    /// What the weather is like between the faults.
    pub weather: Weather,
    /// After so long everything is calm for a while, and then all partitions forget their producers, as they
    /// do with those that were idle for a day.
    pub forget_after: Option<Duration>,
    /// Whether commits are lost from the beginning, when no partition knows a producer yet.
    pub begins_in_trouble: bool,
    /// How often a segment gets lost that holds records.
    pub loses_every: Option<Duration>,
}

/// Longer than any batch, call or request that was begun before can last.
const CALM: Duration = Duration::from_secs(40);

/// Changes the weather while it lasts.
type Storm = fn(&mut Weather);

/// Breaks things.
pub struct Nemesis {
    world: Arc<World>,
    agents: Vec<Arc<Agent>>,
    plan: FaultPlan,
    healed: AtomicBool,
    storms: Mutex<BTreeMap<u64, Storm>>,
    next_storm: AtomicU64,
    struck: AtomicU64,
    calm: AtomicBool,
    lasting: AtomicU64,
}

impl Nemesis {
    /// Breaks nothing yet.
    pub fn new(world: &Arc<World>, agents: &[Arc<Agent>], plan: FaultPlan) -> Arc<Self> {
        Arc::new(Self {
            world: Arc::clone(world),
            agents: agents.to_vec(),
            plan,
            healed: AtomicBool::new(false),
            storms: Mutex::default(),
            next_storm: AtomicU64::new(0),
            struck: AtomicU64::new(0),
            calm: AtomicBool::new(false),
            lasting: AtomicU64::new(0),
        })
    }

    /// Faults so far.
    pub fn struck(&self) -> u64 {
        self.struck.load(Ordering::Relaxed)
    }

    /// Strikes until everything is healed.
    pub async fn run(self: Arc<Self>) {
        if self.plan.kinds.is_empty() {
            return;
        }
        loop {
            let mean = self.plan.every.as_millis() as u64;
            tokio::time::sleep(self.world.between_ms(mean / 4, mean * 7 / 4)).await;
            if self.is_healed() {
                return;
            }
            if self.calm.load(Ordering::Relaxed) {
                continue;
            }
            let rng = &self.world.rng;
            let fault = self.plan.kinds[rng.below(self.plan.kinds.len() as u64) as usize];
            let agent = Arc::clone(&self.agents[rng.below(self.agents.len() as u64) as usize]);
            self.struck.fetch_add(1, Ordering::Relaxed);
            let nemesis = Arc::clone(&self);
            tokio::task::spawn(async move {
                nemesis.lasting.fetch_add(1, Ordering::Relaxed);
                nemesis.strike(fault, agent).await;
                nemesis.lasting.fetch_sub(1, Ordering::Relaxed);
            });
        }
    }

    /// Lets everything be calm until nothing is under way that was begun before, and then has all partitions
    /// forget their producers. While it was calm every producer heard what became of what it had sent, so
    /// that nothing is sent again that was appended before. What comes after is told from what was forgotten
    /// only by the order in which it is offered: so some commits are lost then, and where the plan says so at
    /// the beginning too.
    pub async fn forget(self: Arc<Self>) {
        if self.plan.begins_in_trouble {
            self.lose_commits().await;
        }
        let Some(after) = self.plan.forget_after else {
            return;
        };
        tokio::time::sleep(after).await;
        while !self.is_healed() {
            self.forget_once().await;
        }
    }

    async fn forget_once(&self) {
        self.calm.store(true, Ordering::Relaxed);
        while self.lasting.load(Ordering::Relaxed) > 0 {
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        *self.world.weather.write() = Weather::fair();
        self.revive();
        tokio::time::sleep(CALM).await;
        if self.is_healed() {
            return;
        }
        self.world.record.note(What::ProducersForgotten);
        let forgotten = self.world.database().forget_idle_producers(0, u32::MAX).await;
        if let Err(err) = forgotten {
            self.note(&format!("they do not: {err}"));
        }
        self.blow();
        self.calm.store(false, Ordering::Relaxed);
        self.lose_commits().await;
    }

    /// Partitions that know no producer take any sequence as the first, so an order that is broken here shows
    /// in the log.
    async fn lose_commits(&self) {
        let storm: Storm = |weather| {
            weather.metastore.lost_request += 450;
            weather.network.way = (Duration::ZERO, Duration::from_millis(40));
        };
        self.storm_for(Fault::MetastoreTrouble, storm, Duration::from_secs(20))
            .await;
    }

    /// Loses a segment now and then.
    pub async fn lose(self: Arc<Self>) {
        let Some(every) = self.plan.loses_every else {
            return;
        };
        let mean = every.as_millis() as u64;
        loop {
            tokio::time::sleep(self.world.between_ms(mean / 4, mean * 7 / 4)).await;
            if self.is_healed() {
                return;
            }
            if let Err(err) = self.world.lose_something().await {
                self.note(&format!("nothing is lost: {err}"));
            }
        }
    }

    fn is_healed(&self) -> bool {
        self.healed.load(Ordering::Relaxed)
    }

    async fn strike(&self, fault: Fault, agent: Arc<Agent>) {
        match fault {
            Fault::Crash => self.crash(&agent).await,
            Fault::Pause => self.pause(&agent).await,
            Fault::Leave => {
                agent.drain();
                self.last(1_000, 15_000).await;
                agent.start();
            }
            Fault::CutMetastore => self.cut(&agent, fault, |cut, on| cut.metastore = on).await,
            Fault::CutStore => self.cut(&agent, fault, |cut, on| cut.store = on).await,
            Fault::CutReads => self.cut(&agent, fault, |cut, on| cut.reads = on).await,
            Fault::CutEpoch => self.cut(&agent, fault, |cut, on| cut.epoch = on).await,
            Fault::CutClients => {
                let some = self.world.rng.next_u64() | self.world.rng.next_u64();
                self.cut(&agent, fault, move |cut, on| {
                    cut.clients = if on { some } else { 0 }
                })
                .await;
            }
            Fault::Reset => agent.reset_connections(700),
            Fault::SlowNetwork => {
                self.storm(fault, |weather| {
                    weather.network.way = (Duration::from_millis(20), Duration::from_millis(900));
                })
                .await;
            }
            Fault::SlowDown => self.storm(fault, |weather| weather.store.slow_down += 600).await,
            Fault::SlowStore => {
                self.storm(fault, |weather| {
                    weather.store.put = (Duration::from_millis(300), Duration::from_millis(4_000));
                    weather.store.get = (Duration::from_millis(100), Duration::from_millis(2_000));
                })
                .await;
            }
            Fault::StoreTrouble => self.storm(fault, store_trouble).await,
            Fault::CursedKeys => {
                // Longer than an upload is tried: it gives up.
                let storm: Storm = |weather| weather.store.cursed_keys = 250;
                self.storm_for(fault, storm, self.world.between_ms(20_000, 50_000))
                    .await;
            }
            Fault::Outage => self.storm(fault, |weather| weather.metastore.down = true).await,
            Fault::SlowMetastore => {
                self.storm(fault, |weather| {
                    weather.metastore.call = (Duration::from_millis(50), Duration::from_millis(1_500));
                })
                .await;
            }
            Fault::MetastoreTrouble => self.storm(fault, metastore_trouble).await,
            Fault::DeleteTrouble => {
                self.storm(fault, |weather| weather.store.delete_error += 400)
                    .await
            }
            Fault::DeletesRefused => {
                // Longer than what waits to be removed waits, most often.
                let storm: Storm = |weather| weather.store.deletes_refused = true;
                self.storm_for(fault, storm, self.world.between_ms(2_000, 30_000))
                    .await;
            }
            Fault::ListTrouble => self.storm(fault, |weather| weather.store.cut_list += 400).await,
            Fault::SharedLeases => {
                let storm: Storm = |weather| weather.metastore.shared_lease += 600;
                self.storm_for(fault, storm, self.world.between_ms(5_000, 30_000))
                    .await;
            }
            Fault::PauseInUpkeep => {
                let storm: Storm = |weather| weather.metastore.stands_still += 500;
                self.storm_for(fault, storm, self.world.between_ms(5_000, 30_000))
                    .await;
            }
            Fault::WallClock => {
                let ms = self.world.rng.below(7_200_000) as i64 - 3_600_000;
                self.note(&format!("the wall clock of {} is off by {ms} ms", agent.name()));
                agent.clock().set_wall_offset(ms);
            }
            Fault::Suspend => {
                let time = self.world.between_ms(500, 15_000);
                self.note(&format!("{} was suspended for {time:?}", agent.name()));
                agent.clock().suspend(time);
            }
        }
    }

    async fn crash(&self, agent: &Arc<Agent>) {
        agent.kill_after(self.world.rng.below(60) as u32);
        self.last(100, 8_000).await;
        if self.is_healed() {
            return;
        }
        agent.kill();
        if self.world.chance(200) {
            // Away long enough for the others to fence it.
            self.last(4_000, 12_000).await;
        }
        agent.start();
    }

    async fn pause(&self, agent: &Arc<Agent>) {
        agent.pause();
        match self.world.rng.below(10) {
            0..=4 => self.last(100, 3_000).await,
            5..=8 => self.last(3_000, 30_000).await,
            // Across its fencing and several sweeps.
            _ => self.last(30_000, 90_000).await,
        }
        agent.resume();
    }

    async fn cut(&self, agent: &Arc<Agent>, fault: Fault, set: impl Fn(&mut Cut, bool)) {
        self.note(&format!("{fault:?} at {}", agent.name()));
        agent.reach.change(|cut| set(cut, true));
        if self.world.chance(600) {
            self.last(200, 5_000).await;
        } else {
            self.last(5_000, 25_000).await;
        }
        agent.reach.change(|cut| set(cut, false));
        self.note(&format!("{fault:?} at {} is over", agent.name()));
    }

    async fn storm(&self, fault: Fault, storm: Storm) {
        let time = self.world.between_ms(500, 12_000);
        self.storm_for(fault, storm, time).await;
    }

    async fn storm_for(&self, fault: Fault, storm: Storm, time: Duration) {
        self.note(&format!("{fault:?} begins"));
        let id = self.next_storm.fetch_add(1, Ordering::Relaxed);
        self.storms.lock().insert(id, storm);
        self.blow();
        tokio::time::sleep(time).await;
        self.storms.lock().remove(&id);
        self.blow();
        self.note(&format!("{fault:?} is over"));
    }

    /// Sets the weather as the present storms make it.
    fn blow(&self) {
        if self.is_healed() {
            return;
        }
        let mut weather = self.plan.weather.clone();
        for storm in self.storms.lock().values() {
            storm(&mut weather);
        }
        *self.world.weather.write() = weather;
    }

    async fn last(&self, from_ms: u64, to_ms: u64) {
        tokio::time::sleep(self.world.between_ms(from_ms, to_ms)).await;
    }

    fn note(&self, what: &str) {
        if !self.is_healed() {
            self.world.record.note(What::Fault {
                what: what.to_owned(),
            });
        }
    }

    /// Everything runs and reaches everything, for good.
    pub async fn heal(&self) {
        self.healed.store(true, Ordering::Relaxed);
        *self.world.weather.write() = Weather::fair();
        for agent in &self.agents {
            agent.reach.change(|cut| *cut = Cut::default());
            if agent.is_paused() {
                agent.resume();
            }
            agent.spare();
            agent.start();
        }
        self.world.record.note(What::Healed);
    }

    /// Starts whoever ended since, as an operator's supervisor would. To be called now and then.
    pub fn revive(&self) {
        for agent in &self.agents {
            agent.start();
        }
    }
}

fn store_trouble(weather: &mut Weather) {
    let store = &mut weather.store;
    store.lost_request += 40;
    store.lost_reply += 60;
    store.broken_after += 60;
    store.duplicate += 60;
    store.late += 80;
    store.put_error += 80;
    store.get_error += 80;
    store.slow_get += 80;
    store.cut_body += 60;
    store.flipped += 30;
}

fn metastore_trouble(weather: &mut Weather) {
    let metastore = &mut weather.metastore;
    metastore.lost_request += 60;
    metastore.lost_reply += 100;
    metastore.late += 80;
    metastore.refused += 80;
}
