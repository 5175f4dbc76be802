//! The topics as this agent knows them.
//!
//! A hit may be as old as a heartbeat; what must be exact is decided in the metastore (a commit for a
//! deleted topic is refused there). A miss always asks the metastore before it becomes an answer, and
//! misses that come together share one question, so that unknown names cannot flood the metastore.

use std::collections::BTreeMap;
use std::sync::Arc;

use esker_metastore::{Metastore, MetastoreError, Topic};
use esker_model::collections::FixedMap;
use esker_model::{PartitionKey, TopicKey, TopicUuid};
use parking_lot::RwLock;
use prometheus_client::metrics::counter::Counter;

use super::configs::TopicConfig;
use crate::metrics::{BrokerMetrics, TopicLabels};

/// A topic with everything the data path needs of it.
pub struct TopicState {
    /// As the metastore has it.
    pub topic: Topic,
    /// What its configs mean.
    pub config: TopicConfig,
    /// Its counter of produced bytes.
    pub produced: Counter,
}

impl TopicState {
    /// The key of a partition, if the topic has it.
    pub fn partition(&self, index: i32) -> Option<PartitionKey> {
        (0..self.topic.partitions).contains(&index).then_some(PartitionKey { topic: self.topic.key, partition: index })
    }
}

#[derive(Default)]
struct Known {
    version: i64,
    by_name: BTreeMap<String, Arc<TopicState>>,
    by_uuid: FixedMap<TopicUuid, Arc<TopicState>>,
    by_key: FixedMap<TopicKey, Arc<TopicState>>,
}

/// The catalog of one agent.
pub struct Catalog {
    metastore: Arc<dyn Metastore>,
    metrics: BrokerMetrics,
    known: RwLock<Known>,
    refreshing: tokio::sync::Mutex<u64>,
    /// Refreshes that have begun; a caller that arrives later needs a later one.
    begun: std::sync::atomic::AtomicU64,
}

impl Catalog {
    /// An empty catalog.
    pub fn new(metastore: Arc<dyn Metastore>, metrics: BrokerMetrics) -> Self {
        Self {
            metastore,
            metrics,
            known: RwLock::default(),
            refreshing: tokio::sync::Mutex::new(0),
            begun: std::sync::atomic::AtomicU64::new(0),
        }
    }

    /// The version known.
    pub fn version(&self) -> i64 {
        self.known.read().version
    }

    /// A topic by name, as known now.
    pub fn by_name(&self, name: &str) -> Option<Arc<TopicState>> {
        self.known.read().by_name.get(name).cloned()
    }

    /// A topic by id, as known now.
    pub fn by_uuid(&self, uuid: TopicUuid) -> Option<Arc<TopicState>> {
        self.known.read().by_uuid.get(&uuid).cloned()
    }

    /// A topic by key, as known now.
    pub fn by_key(&self, key: TopicKey) -> Option<Arc<TopicState>> {
        self.known.read().by_key.get(&key).cloned()
    }

    /// All topics known now, by name.
    pub fn all(&self) -> Vec<Arc<TopicState>> {
        self.known.read().by_name.values().cloned().collect()
    }

    /// A topic by name; asks the metastore if it is not known.
    pub async fn find_name(&self, name: &str) -> Result<Option<Arc<TopicState>>, MetastoreError> {
        if let Some(topic) = self.by_name(name) {
            return Ok(Some(topic));
        }
        self.refresh().await?;
        Ok(self.by_name(name))
    }

    /// A topic by id; asks the metastore if it is not known.
    pub async fn find_uuid(&self, uuid: TopicUuid) -> Result<Option<Arc<TopicState>>, MetastoreError> {
        if let Some(topic) = self.by_uuid(uuid) {
            return Ok(Some(topic));
        }
        self.refresh().await?;
        Ok(self.by_uuid(uuid))
    }

    /// Learns what changed. On return everything that was changed before the call is known. Callers that
    /// wait together are served by one question.
    pub async fn refresh(&self) -> Result<(), MetastoreError> {
        use std::sync::atomic::Ordering::SeqCst;
        // A question that begins after this point serves this caller.
        let needed = self.begun.load(SeqCst) + 1;
        let mut done = self.refreshing.lock().await;
        if *done >= needed {
            return Ok(());
        }
        let turn = self.begun.fetch_add(1, SeqCst) + 1;
        let since = self.version();
        let changes = self.metastore.catalog(since).await?;
        *done = turn;
        if changes.version > since {
            let mut known = self.known.write();
            for uuid in &changes.deleted {
                known.forget(*uuid);
            }
            for topic in changes.changed {
                known.learn(self.state(topic));
            }
            known.version = changes.version;
        }
        Ok(())
    }

    fn state(&self, topic: Topic) -> Arc<TopicState> {
        let produced = self.metrics.produce_bytes.get_or_create(&TopicLabels { topic: topic.name.clone() }).clone();
        Arc::new(TopicState { config: TopicConfig::of(&topic.configs), produced, topic })
    }
}

impl Known {
    fn learn(&mut self, state: Arc<TopicState>) {
        self.by_name.insert(state.topic.name.clone(), Arc::clone(&state));
        self.by_uuid.insert(state.topic.uuid, Arc::clone(&state));
        self.by_key.insert(state.topic.key, state);
    }

    fn forget(&mut self, uuid: TopicUuid) {
        let Some(state) = self.by_uuid.remove(&uuid) else { return };
        self.by_key.remove(&state.topic.key);
        if self.by_name.get(&state.topic.name).is_some_and(|named| named.topic.uuid == uuid) {
            self.by_name.remove(&state.topic.name);
        }
    }
}
