//! Starts a broker on stores in memory, with seams that repeat themselves.

use std::sync::Arc;
use std::time::Duration;

use esker_broker::authorizer::{Authorizer, Operation, Resource};
use esker_broker::context::RequestContext;
use esker_broker::metrics::BrokerMetrics;
use esker_broker::{Broker, BrokerConfig, Dependencies, ListenerConfig};
use esker_metastore::sqlite::SqliteMetastore;
use esker_metastore::{MetastoreMetrics, NewTopic, Topics};
use esker_model::TopicUuid;
use esker_model::seams::{Clock, Instant, Seams, SeededRng, Spawner, SystemClock};
use esker_storage::Bucket;
use esker_storage::cache::LruCache;
use uuid::Uuid;

use crate::seeds::batches::TIMESTAMP;
use crate::topics::{KNOWN_TOPICS, PARTITIONS};

/// The topic of those who look whether the broker is well; nobody else may touch it.
pub(super) const PROBE_TOPIC: &str = "probe";
/// The name of those connections; [`Guardian`] knows it.
pub(super) const PROBE_PEER: &str = "probe";

/// Starts a broker whose background tasks go to `spawner`.
pub(super) async fn start_broker(spawner: Arc<dyn Spawner>, listener: Arc<ListenerConfig>) -> Arc<Broker> {
    let seams = Seams {
        clock: Arc::new(PausedClock(SystemClock::new())),
        rng: Arc::new(SeededRng::new(1)),
        spawner,
    };
    let metastore =
        SqliteMetastore::in_memory(Arc::clone(&seams.clock), MetastoreMetrics::default()).unwrap();
    let config = BrokerConfig {
        node_name: "agent".into(),
        cluster_id: Some("fuzz".into()),
        listeners: vec![listener],
        zone: Some("z".into()),
        flush_interval: Duration::ZERO,
        memory_bytes: esker_broker::budget::MEMORY_BYTES_MIN,
        auto_create_topics: true,
        num_partitions: 2,
        ..BrokerConfig::default()
    };
    create_topics(&metastore).await;
    let on = Dependencies {
        bucket: Bucket::memory(seams.clone()),
        seams,
        metastore: Arc::new(metastore),
        cache: Arc::new(LruCache::new(1 << 22)),
        authorizer: Arc::new(Guardian),
        metrics: BrokerMetrics::default(),
        tracer: esker_broker::trace::Tracer::off(),
    };
    Broker::start(config, on).await.unwrap()
}

async fn create_topics(metastore: &SqliteMetastore) {
    let known = KNOWN_TOPICS
        .iter()
        .map(|topic| (topic.name, topic.id, topic.configs));
    let probe: (_, _, &[(&str, &str)]) = (PROBE_TOPIC, Uuid::from_u128(1), &[]);
    let topics: Vec<_> = known
        .chain([probe])
        .map(|(name, id, configs)| NewTopic {
            uuid: TopicUuid(id),
            name: name.into(),
            partitions: PARTITIONS,
            replication_factor: 1,
            configs: configs
                .iter()
                .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
                .collect(),
        })
        .collect();
    assert!(
        metastore
            .create_topics(&topics)
            .await
            .unwrap()
            .iter()
            .all(Result::is_ok)
    );
}

/// Keeps what later inputs need: the known topics may not be deleted, and the probes' topic is theirs alone.
struct Guardian;

impl Authorizer for Guardian {
    fn allows(&self, context: &RequestContext, operation: Operation, resource: Resource<'_>) -> bool {
        match resource {
            Resource::Topic(PROBE_TOPIC) => context.connection.peer == PROBE_PEER,
            Resource::Topic(name) => {
                operation != Operation::Delete || KNOWN_TOPICS.iter().all(|topic| topic.name != name)
            }
            Resource::Group(_) | Resource::Cluster => true,
        }
    }
}

/// Tokio's paused time, on both clocks.
struct PausedClock(SystemClock);

impl Clock for PausedClock {
    fn now(&self) -> Instant {
        self.0.now()
    }

    fn wall_ms(&self) -> i64 {
        TIMESTAMP + i64::try_from(self.now().0.as_millis()).unwrap()
    }
}
