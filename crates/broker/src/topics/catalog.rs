//! The topics, and the configs of groups, as this agent knows them.
//!
//! A hit may be as old as a heartbeat; what must be exact is decided in the metastore (a commit for a
//! deleted topic is refused there). A miss always asks the metastore before it becomes an answer.
//!
//! What holds:
//! - at most one question is under way; callers that wait together are served by one, and by its failure
//!   too, so that an outage does not make a queue of questions that fail one after the other;
//! - questions that misses and listings cause begin at least [`MISS_INTERVAL`] apart, so that clients that
//!   ask for unknown names again and again cost the metastore a fixed number of statements per second;
//! - a caller that goes away loses nothing: the next one in line asks anew.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use esker_metastore::{GroupConfigs, Metastore, MetastoreError, Topic};
use esker_model::collections::FixedMap;
use esker_model::{PartitionKey, TopicKey, TopicUuid};
use parking_lot::RwLock;
use tokio::sync::Mutex;
use tokio::time::Sleep;

use super::configs::TopicConfig;
use super::group_configs::GroupState;
use crate::metrics::{BrokerMetrics, TopicMeter};

/// Shortest time between two questions that misses cause.
pub(crate) const MISS_INTERVAL: Duration = Duration::from_millis(20);

/// A topic with everything the data path needs of it.
pub struct TopicState {
    /// As the metastore has it.
    pub topic: Topic,
    /// What its configs mean.
    pub config: TopicConfig,
    /// What is counted for it.
    pub meter: Arc<TopicMeter>,
}

impl TopicState {
    /// The key of a partition, if the topic has it.
    pub fn partition(&self, index: i32) -> Option<PartitionKey> {
        (0..self.topic.partitions)
            .contains(&index)
            .then_some(PartitionKey {
                topic: self.topic.key,
                partition: index,
            })
    }
}

#[derive(Default)]
struct Known {
    version: i64,
    by_name: BTreeMap<String, Arc<TopicState>>,
    by_uuid: FixedMap<TopicUuid, Arc<TopicState>>,
    by_key: FixedMap<TopicKey, Arc<TopicState>>,
    /// Groups that have configs of their own; at most [`esker_model::limits::GROUP_CONFIGS_MAX`].
    groups: BTreeMap<Arc<str>, Arc<GroupState>>,
}

type OnDeleted = Box<dyn Fn(TopicKey) + Send + Sync>;
type OnGroups = Box<dyn Fn(&[Arc<str>]) + Send + Sync>;

/// The catalog of one agent.
pub struct Catalog {
    metastore: Arc<dyn Metastore>,
    metrics: BrokerMetrics,
    known: RwLock<Known>,
    /// Questions that have begun. A caller needs one that begins after its call.
    begun: AtomicU64,
    /// Held by the one who asks.
    asking: Mutex<Last>,
    on_deleted: OnceLock<OnDeleted>,
    on_groups: OnceLock<OnGroups>,
}

/// The last question that was answered or failed.
#[derive(Default)]
struct Last {
    question: u64,
    failure: Option<MetastoreError>,
    /// Passes [`MISS_INTERVAL`] after the last question began.
    pace: Option<Pin<Box<Sleep>>>,
}

impl Catalog {
    /// An empty catalog.
    pub fn new(metastore: Arc<dyn Metastore>, metrics: BrokerMetrics) -> Self {
        Self {
            metastore,
            metrics,
            known: RwLock::default(),
            begun: AtomicU64::new(0),
            asking: Mutex::default(),
            on_deleted: OnceLock::new(),
            on_groups: OnceLock::new(),
        }
    }

    /// Names who else forgets a deleted topic.
    pub fn on_deleted(&self, forget: impl Fn(TopicKey) + Send + Sync + 'static) {
        let _ = self.on_deleted.set(Box::new(forget));
    }

    /// Names who is told of groups whose configs are others than before.
    pub(crate) fn on_groups(&self, tell: impl Fn(&[Arc<str>]) + Send + Sync + 'static) {
        let _ = self.on_groups.set(Box::new(tell));
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

    /// What is set for a group, as known now; `None`: nothing.
    pub(crate) fn group(&self, id: &str) -> Option<Arc<GroupState>> {
        self.known.read().groups.get(id).cloned()
    }

    /// All groups for which something is set, as known now, by id.
    pub(crate) fn groups(&self) -> Vec<Arc<str>> {
        self.known.read().groups.keys().cloned().collect()
    }

    /// A topic whose name is the same once `.` is read as `_`, but not this one.
    pub(crate) fn colliding(&self, name: &str) -> Option<Arc<TopicState>> {
        let collision = super::names::collision_name(name);
        let known = self.known.read();
        known
            .by_name
            .values()
            .find(|state| {
                state.topic.name != name && super::names::collision_name(&state.topic.name) == collision
            })
            .cloned()
    }

    /// Finds the topics of one request, asking the metastore at most once for all that are not known.
    pub(crate) fn lookup(&self) -> Lookup<'_> {
        Lookup {
            catalog: self,
            asked: None,
        }
    }

    /// A topic by name; asks the metastore if it is not known. For a list of topics see [`Catalog::lookup`].
    pub async fn find_name(&self, name: &str) -> Result<Option<Arc<TopicState>>, MetastoreError> {
        self.lookup().find_name(name).await
    }

    /// A topic by id; asks the metastore if it is not known. For a list of topics see [`Catalog::lookup`].
    pub async fn find_uuid(&self, uuid: TopicUuid) -> Result<Option<Arc<TopicState>>, MetastoreError> {
        self.lookup().find_uuid(uuid).await
    }

    /// Learns what changed. On return everything that was changed before the call is known.
    pub async fn refresh(&self) -> Result<(), MetastoreError> {
        self.ask(false).await
    }

    /// Like [`Catalog::refresh`], for what clients can cause at will: may wait for [`MISS_INTERVAL`].
    pub async fn refresh_paced(&self) -> Result<(), MetastoreError> {
        self.ask(true).await
    }

    async fn ask(&self, paced: bool) -> Result<(), MetastoreError> {
        // Only a question that begins after this point serves this caller.
        let needed = self.begun.load(Ordering::SeqCst) + 1;
        let mut last = self.asking.lock().await;
        if last.question >= needed {
            return last.failure.clone().map_or(Ok(()), Err);
        }
        if paced && let Some(pace) = &mut last.pace {
            pace.as_mut().await;
        }
        let question = self.begun.fetch_add(1, Ordering::SeqCst) + 1;
        last.pace = Some(Box::pin(tokio::time::sleep(MISS_INTERVAL)));
        let since = self.version();
        let answer = self.metastore.catalog(since).await;
        last.question = question;
        match answer {
            Ok(changes) => {
                last.failure = None;
                if changes.version > since {
                    self.learn(changes);
                }
                Ok(())
            }
            Err(error) => {
                last.failure = Some(error.clone());
                Err(error)
            }
        }
    }

    fn learn(&self, changes: esker_metastore::Catalog) {
        let mut known = self.known.write();
        let mut gone = Vec::with_capacity(changes.deleted.len());
        for uuid in &changes.deleted {
            let Some(state) = known.forget(*uuid) else {
                continue;
            };
            // Another topic may have the name by now.
            if !known.by_name.contains_key(&state.topic.name) {
                self.metrics.topics.forget(&state.topic.name);
            }
            gone.push(state.topic.key);
        }
        for topic in changes.changed {
            known.insert(self.state(topic));
        }
        let groups = known.learn_groups(changes.groups, changes.groups_anew);
        known.version = changes.version;
        drop(known);
        if let Some(tell) = self.on_groups.get().filter(|_| !groups.is_empty()) {
            tell(&groups);
        }
        if let Some(forget) = self.on_deleted.get() {
            gone.into_iter().for_each(forget);
        }
    }

    fn state(&self, topic: Topic) -> Arc<TopicState> {
        Arc::new(TopicState {
            config: TopicConfig::of(&topic.configs),
            meter: self.metrics.topics.of(&topic.name),
            topic,
        })
    }
}

/// Looks for the topics of one request. What is not known after one question to the metastore did not
/// exist when the request came.
pub(crate) struct Lookup<'a> {
    catalog: &'a Catalog,
    asked: Option<Result<(), MetastoreError>>,
}

impl Lookup<'_> {
    /// A topic by name.
    pub(crate) async fn find_name(&mut self, name: &str) -> Result<Option<Arc<TopicState>>, MetastoreError> {
        self.find(|catalog| catalog.by_name(name)).await
    }

    /// A topic by id.
    pub(crate) async fn find_uuid(
        &mut self,
        uuid: TopicUuid,
    ) -> Result<Option<Arc<TopicState>>, MetastoreError> {
        self.find(|catalog| catalog.by_uuid(uuid)).await
    }

    async fn find(
        &mut self,
        known: impl Fn(&Catalog) -> Option<Arc<TopicState>>,
    ) -> Result<Option<Arc<TopicState>>, MetastoreError> {
        if let Some(topic) = known(self.catalog) {
            return Ok(Some(topic));
        }
        if self.asked.is_none() {
            self.asked = Some(self.catalog.refresh_paced().await);
        }
        match &self.asked {
            Some(Err(error)) => Err(error.clone()),
            _ => Ok(known(self.catalog)),
        }
    }
}

impl Known {
    fn insert(&mut self, state: Arc<TopicState>) {
        self.by_name.insert(state.topic.name.clone(), Arc::clone(&state));
        self.by_uuid.insert(state.topic.uuid, Arc::clone(&state));
        self.by_key.insert(state.topic.key, state);
    }

    /// Returns those whose configs are others than before. `anew`: what is not among them has none.
    fn learn_groups(&mut self, told: Vec<GroupConfigs>, anew: bool) -> Vec<Arc<str>> {
        let before = if anew {
            std::mem::take(&mut self.groups)
        } else {
            BTreeMap::new()
        };
        let mut others = Vec::new();
        for GroupConfigs { group, configs } in told {
            let state = Arc::new(GroupState { set: configs });
            let former = self.groups.insert(Arc::clone(&group), Arc::clone(&state));
            if former.as_ref().or_else(|| before.get(&group)) != Some(&state) {
                others.push(group);
            }
        }
        let gone = before
            .into_keys()
            .filter(|group| !self.groups.contains_key(group));
        others.extend(gone);
        others
    }

    /// The topic that went.
    fn forget(&mut self, uuid: TopicUuid) -> Option<Arc<TopicState>> {
        let state = self.by_uuid.remove(&uuid)?;
        self.by_key.remove(&state.topic.key);
        let name = &state.topic.name;
        if self
            .by_name
            .get(name)
            .is_some_and(|named| named.topic.uuid == uuid)
        {
            self.by_name.remove(name);
        }
        Some(state)
    }
}
