//! What is known of the running process, for HTTP and for people.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use esker_broker::metrics::{BrokerMetrics, MemoryLabels};
use esker_broker::trace::Tracer;
use esker_broker::{Broker, ListenerConfig};
use esker_metastore::{Metastore, MetastoreMetrics};
use esker_model::seams::Seams;
use esker_storage::StoreMetrics;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;

use super::connections::Connections;
use super::health::TICK;
use crate::failure::Outcome;
use crate::settings::Settings;
use crate::settings::address::Address;
use crate::telemetry;
use crate::telemetry::otlp::{Otlp, OtlpMetrics};
use crate::telemetry::{AgentMetrics, ProcessMetrics};

/// Without a tick for so long, the process makes no progress.
const STUCK: Duration = Duration::from_secs(15);
const _: () = assert!(TICK.as_secs() * 5 <= STUCK.as_secs());

/// How often labels of metrics are given to the topics that move most bytes, in milliseconds.
const RANK_MS: u64 = 60_000;

/// Whether a store answers, and since when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct StoreHealth {
    pub(crate) answers: bool,
    /// Wall time in milliseconds since 1970.
    pub(crate) since_ms: i64,
}

#[derive(Default)]
struct Known {
    node_name: String,
    listeners: Vec<(Arc<ListenerConfig>, Address)>,
    admin: Option<Address>,
    broker: Option<Arc<Broker>>,
    connected: Option<Arc<dyn Metastore>>,
    waiting: Option<String>,
    metastore: Option<StoreHealth>,
    bucket: Option<StoreHealth>,
}

/// Shared by everything in the process.
pub(crate) struct State {
    seams: Seams,
    started_ms: i64,
    settings: Settings,
    known: RwLock<Known>,
    was_ready: AtomicBool,
    draining: AtomicBool,
    /// Milliseconds of the monotonic clock.
    ticked: AtomicU64,
    connections: Arc<Connections>,
    registry: Registry,
    agent_metrics: AgentMetrics,
    process_metrics: ProcessMetrics,
    otlp: Option<Arc<Otlp>>,
    ranked: AtomicU64,
    looking: parking_lot::Mutex<()>,
    broker_metrics: BrokerMetrics,
    metastore_metrics: MetastoreMetrics,
    store_metrics: StoreMetrics,
}

impl State {
    /// A process that has done nothing yet.
    pub(super) fn new(settings: &Settings, seams: Seams) -> Outcome<Self> {
        let (broker, metastore, store) = (
            BrokerMetrics::with_topics_max(settings.telemetry.topics_max),
            MetastoreMetrics::default(),
            StoreMetrics::default(),
        );
        let mut registry = Registry::default();
        registry.register(
            "esker_build",
            "The program",
            Info::new([("version", env!("CARGO_PKG_VERSION"))]),
        );
        broker.register(&mut registry);
        metastore.register(&mut registry);
        store.register(&mut registry);
        let (agent, process) = (AgentMetrics::default(), ProcessMetrics::default());
        let started_ms = seams.clock.wall_ms();
        agent.register(&mut registry);
        process.register(&mut registry, started_ms);
        telemetry::prices::register(&settings.telemetry, &mut registry)?;
        let otlp = match &settings.telemetry.otel_endpoint {
            None => None,
            Some(endpoint) => {
                let metrics = OtlpMetrics::default();
                metrics.register(&mut registry);
                Some(Arc::new(Otlp::new(endpoint, metrics)?))
            }
        };
        let state = Self {
            started_ms,
            seams,
            settings: settings.clone(),
            known: RwLock::new(Known::default()),
            was_ready: AtomicBool::new(false),
            draining: AtomicBool::new(false),
            ticked: AtomicU64::new(0),
            connections: Arc::new(Connections::new(settings)),
            registry,
            agent_metrics: agent,
            process_metrics: process,
            otlp,
            ranked: AtomicU64::new(0),
            looking: parking_lot::Mutex::default(),
            broker_metrics: broker,
            metastore_metrics: metastore,
            store_metrics: store,
        };
        state.tick();
        Ok(state)
    }

    fn read<T>(&self, read: impl FnOnce(&Known) -> T) -> T {
        read(&self.known.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn write(&self, write: impl FnOnce(&mut Known)) {
        write(&mut self.known.write().unwrap_or_else(PoisonError::into_inner));
    }

    pub(crate) fn seams(&self) -> &Seams {
        &self.seams
    }

    pub(crate) fn settings(&self) -> &Settings {
        &self.settings
    }

    pub(crate) fn started_ms(&self) -> i64 {
        self.started_ms
    }

    pub(super) fn broker_metrics(&self) -> BrokerMetrics {
        self.broker_metrics.clone()
    }

    pub(super) fn metastore_metrics(&self) -> MetastoreMetrics {
        self.metastore_metrics.clone()
    }

    pub(super) fn store_metrics(&self) -> StoreMetrics {
        self.store_metrics.clone()
    }

    /// Where traces and metrics are sent, if anywhere.
    pub(super) fn otlp(&self) -> Option<Arc<Otlp>> {
        self.otlp.clone()
    }

    /// Chooses the requests that are traced.
    pub(super) fn tracer(&self) -> Tracer {
        let ratio = self.settings.telemetry.sample_ratio;
        self.otlp
            .as_ref()
            .map_or_else(Tracer::off, |otlp| otlp.tracer(ratio, &self.seams))
    }

    /// How many connections may be open.
    pub(crate) fn limits(&self) -> Arc<Connections> {
        Arc::clone(&self.connections)
    }

    /// Open connections.
    pub(crate) fn connections(&self) -> i64 {
        self.broker_metrics.connections.get()
    }

    pub(super) fn add_listener(&self, config: &Arc<ListenerConfig>, bound: &Address) {
        self.write(|known| known.listeners.push((Arc::clone(config), bound.clone())));
    }

    /// Listeners and where they really are.
    pub(crate) fn listeners(&self) -> Vec<(Arc<ListenerConfig>, Address)> {
        self.read(|known| known.listeners.clone())
    }

    pub(super) fn set_admin(&self, address: Address) {
        self.write(|known| known.admin = Some(address));
    }

    /// Where HTTP really is.
    pub(crate) fn admin(&self) -> Option<Address> {
        self.read(|known| known.admin.clone())
    }

    pub(super) fn set_node_name(&self, name: &str) {
        self.write(|known| known.node_name = name.to_owned());
    }

    pub(crate) fn node_name(&self) -> String {
        self.read(|known| known.node_name.clone())
    }

    pub(super) fn set_metastore(&self, metastore: &Arc<dyn Metastore>) {
        self.write(|known| known.connected = Some(Arc::clone(metastore)));
    }

    /// The metastore, once it was reached.
    pub(crate) fn metastore(&self) -> Option<Arc<dyn Metastore>> {
        self.read(|known| known.connected.clone())
    }

    /// Why the process waits, if it does.
    pub(super) fn set_waiting(&self, reason: Option<&str>) {
        self.write(|known| known.waiting = reason.map(str::to_owned));
    }

    pub(crate) fn waiting(&self) -> Option<String> {
        self.read(|known| known.waiting.clone())
    }

    /// An incarnation registered with metastore and bucket.
    pub(super) fn ready(&self, broker: &Arc<Broker>) {
        self.write(|known| known.broker = Some(Arc::clone(broker)));
        self.was_ready.store(true, Ordering::Release);
        self.tick();
    }

    /// The present incarnation, or the last one.
    pub(crate) fn broker(&self) -> Option<Arc<Broker>> {
        self.read(|known| known.broker.clone())
    }

    pub(super) fn set_draining(&self) {
        self.draining.store(true, Ordering::Release);
    }

    pub(crate) fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Acquire)
    }

    /// `Err` says why traffic should not come here: before the first registration, and while draining.
    /// Losing a store later is no reason: it would empty every Service at once.
    pub(crate) fn readiness(&self) -> Result<(), String> {
        if self.is_draining() {
            return Err("draining".to_owned());
        }
        if self.was_ready.load(Ordering::Acquire) {
            return Ok(());
        }
        Err(self
            .waiting()
            .map_or_else(|| "starting".to_owned(), |reason| format!("waiting: {reason}")))
    }

    /// Looks at everything once.
    pub(super) fn tick(&self) {
        let now = u64::try_from(self.seams.clock.now().0.as_millis()).unwrap_or(u64::MAX);
        self.ticked.store(now, Ordering::Relaxed);
        if now.saturating_sub(self.ranked.load(Ordering::Relaxed)) >= RANK_MS {
            self.ranked.store(now, Ordering::Relaxed);
            self.broker_metrics.topics.rank();
        }
        let Some(broker) = self.broker() else { return };
        let at = self.seams.clock.wall_ms();
        let (metastore, bucket) = (broker.membership().is_current(), broker.gate_is_open());
        self.write(|known| {
            note(&mut known.metastore, metastore, at);
            note(&mut known.bucket, bucket, at);
        });
    }

    /// Whether the process makes progress.
    pub(crate) fn is_alive(&self) -> bool {
        let now = u64::try_from(self.seams.clock.now().0.as_millis()).unwrap_or(u64::MAX);
        u128::from(now.saturating_sub(self.ticked.load(Ordering::Relaxed))) < STUCK.as_millis()
    }

    /// Whether metastore and bucket answer; `None` before they were asked.
    pub(crate) fn stores(&self) -> (Option<StoreHealth>, Option<StoreHealth>) {
        self.read(|known| (known.metastore, known.bucket))
    }

    /// The metrics in the text form of OpenMetrics, with gauges as of now.
    pub(crate) fn metrics(&self) -> Result<String, std::fmt::Error> {
        if let Some(broker) = self.broker() {
            broker.count_groups();
            for memory in broker.memory() {
                let labels = MemoryLabels { r#use: memory.r#use };
                let used = i64::try_from(memory.used).unwrap_or(i64::MAX);
                self.broker_metrics.memory_bytes.get_or_create(&labels).set(used);
            }
        }
        // Two that look at once would count the same time twice.
        let looking = self.looking.lock();
        self.agent_metrics.look(self);
        self.process_metrics.look();
        drop(looking);
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &self.registry)?;
        Ok(text)
    }
}

fn note(health: &mut Option<StoreHealth>, answers: bool, now_ms: i64) {
    if health.is_none_or(|known| known.answers != answers) {
        *health = Some(StoreHealth {
            answers,
            since_ms: now_ms,
        });
    }
}
