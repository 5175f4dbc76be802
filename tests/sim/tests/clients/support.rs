//! Agents on one metastore and one bucket in memory, and what clients need to reach them.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use esker_broker::authorizer::AllowAll;
use esker_broker::metrics::BrokerMetrics;
use esker_broker::{Broker, BrokerConfig, Dependencies, ListenerConfig};
use esker_history::event::{Client, Life};
use esker_history::{History, Terms, check};
use esker_metastore::sqlite::SqliteMetastore;
use esker_metastore::{Metastore, MetastoreMetrics};
use esker_model::seams::{Rng, Seams, SeededRng, SystemClock, TokioSpawner};
use esker_protocol::batch::Codec;
use esker_sim::clients::{ClientContext, Phase, ProducerKind, ProducerPlan};
use esker_sim::net::{Connection, Door, Network};
use esker_sim::record::Recorder;
use esker_storage::Bucket;
use esker_storage::cache::LruCache;
use tokio::sync::watch;

/// Everything outside the clients.
pub(crate) struct World {
    pub(crate) record: Recorder,
    pub(crate) network: Network,
    pub(crate) phase: watch::Sender<Phase>,
    pub(crate) hosts: Vec<String>,
    seams: Seams,
    metastore: Arc<dyn Metastore>,
    bucket: Bucket,
    seed: u64,
}

impl World {
    pub(crate) fn new(seed: u64) -> Self {
        let seams = Seams {
            clock: Arc::new(SystemClock::new()),
            rng: Arc::new(SeededRng::new(seed)),
            spawner: Arc::new(TokioSpawner::current()),
        };
        let metastore = SqliteMetastore::in_memory(Arc::clone(&seams.clock), MetastoreMetrics::default());
        Self {
            record: Recorder::begin(),
            network: Network::default(),
            phase: watch::Sender::new(Phase::Load),
            hosts: Vec::new(),
            bucket: Bucket::memory(seams.clone()),
            metastore: Arc::new(metastore.unwrap()),
            seams,
            seed,
        }
    }

    /// Starts an agent. Its connections live up to `cut` each, if that is given.
    pub(crate) async fn agent(&mut self, name: &str, cut: Option<Duration>) {
        let listener = Arc::new(ListenerConfig {
            name: "PLAINTEXT".into(),
            security_protocol: "PLAINTEXT".into(),
            bound: "0.0.0.0:9092".into(),
            advertised_host: name.into(),
            advertised_port: 9092,
            zone: None,
        });
        let config = BrokerConfig {
            node_name: name.into(),
            listeners: vec![Arc::clone(&listener)],
            ..BrokerConfig::default()
        };
        let on = Dependencies {
            seams: self.seams.clone(),
            metastore: Arc::clone(&self.metastore),
            bucket: self.bucket.clone(),
            cache: Arc::new(LruCache::new(1 << 26)),
            authorizer: Arc::new(AllowAll),
            metrics: BrokerMetrics::default(),
            tracer: esker_broker::trace::Tracer::off(),
        };
        let door = AgentDoor {
            broker: Broker::start(config, on).await.unwrap(),
            life: self.record.life(name),
            rng: SeededRng::new(self.seed + self.hosts.len() as u64),
            listener,
            cut,
        };
        self.network.add(name, Arc::new(door));
        self.hosts.push(name.to_owned());
    }

    pub(crate) fn client(&self, what: &str) -> ClientContext {
        let me = self.record.client(what);
        ClientContext {
            me,
            name: what.to_owned(),
            rng: Arc::new(SeededRng::new(self.seed * 1000 + u64::from(me.0))),
            network: self.network.clone(),
            bootstrap: self.hosts.clone(),
            record: self.record.clone(),
            phase: self.phase.subscribe(),
        }
    }
}

struct AgentDoor {
    broker: Arc<Broker>,
    listener: Arc<ListenerConfig>,
    life: Life,
    rng: SeededRng,
    cut: Option<Duration>,
}

#[async_trait]
impl Door for AgentDoor {
    async fn connect(&self, _client: Client) -> io::Result<Connection> {
        tokio::time::sleep(Duration::from_millis(2)).await;
        let (near, far) = tokio::io::duplex(64 * 1024);
        let (broker, listener) = (Arc::clone(&self.broker), Arc::clone(&self.listener));
        let cut = self.cut.map(|cut| self.rng.jitter(cut));
        tokio::spawn(async move {
            let serving = broker.serve(far, listener, "test".into());
            match cut {
                Some(cut) => drop(tokio::time::timeout(cut, serving).await),
                None => serving.await,
            }
        });
        Ok(Connection {
            stream: Box::new(near),
            life: self.life,
        })
    }
}

/// A producer of small batches for one topic.
pub(crate) fn producer_plan(kind: ProducerKind, topic: &str, partitions: &[i32]) -> ProducerPlan {
    ProducerPlan {
        kind,
        topics: vec![(topic.to_owned(), partitions.to_vec())],
        by_id: true,
        pause: Duration::from_millis(50),
        burst: 4,
        records_max: 8,
        padding_max: 200,
        codec: Codec::None,
        request_timeout: Duration::from_secs(3),
        delivery_timeout: Duration::from_secs(20),
        lives_for: None,
        clock_ms: 0,
    }
}

/// Holds a history against the promises.
pub(crate) fn judge(history: &History, terms: &Terms) {
    let violations = check(history, terms);
    assert!(violations.is_empty(), "{violations:#?}");
}
