//! A metastore that counts its calls and can be told to fail, to be slow, or to answer wrongly.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Duration;

use async_trait::async_trait;
use esker_metastore::sqlite::SqliteMetastore;
use esker_metastore::*;
use esker_model::{ClusterId, IncarnationId, PartitionKey, TopicUuid};

type Mangle = Box<dyn FnMut(&[PlanRequest], &mut Vec<Plan>) + Send>;

#[derive(Default)]
struct Mood {
    calls: BTreeMap<&'static str, u64>,
    /// Everything that reads fails.
    down: bool,
    /// Heartbeats fail as well.
    heartless: bool,
    delay: Duration,
    mangle: Option<Mangle>,
}

pub struct MoodyMetastore {
    inner: SqliteMetastore,
    mood: Mutex<Mood>,
}

impl MoodyMetastore {
    pub fn new(inner: SqliteMetastore) -> Self {
        Self {
            inner,
            mood: Mutex::default(),
        }
    }

    /// Calls of a method so far.
    pub fn calls(&self, method: &str) -> u64 {
        self.mood.lock().unwrap().calls.get(method).copied().unwrap_or(0)
    }

    /// Calls of everything on the read path.
    pub fn reads(&self) -> u64 {
        ["heads", "plan", "find_by_time"]
            .iter()
            .map(|method| self.calls(method))
            .sum()
    }

    pub fn set_down(&self, down: bool) {
        self.mood.lock().unwrap().down = down;
    }

    pub fn set_heartless(&self, heartless: bool) {
        self.mood.lock().unwrap().heartless = heartless;
    }

    pub fn set_delay(&self, delay: Duration) {
        self.mood.lock().unwrap().delay = delay;
    }

    /// Changes what plans say, until told otherwise.
    pub fn mangle_plans(&self, mangle: impl FnMut(&[PlanRequest], &mut Vec<Plan>) + Send + 'static) {
        self.mood.lock().unwrap().mangle = Some(Box::new(mangle));
    }

    pub fn honest_plans(&self) {
        self.mood.lock().unwrap().mangle = None;
    }

    async fn call(&self, method: &'static str) -> Result<()> {
        let (down, delay) = {
            let mut mood = self.mood.lock().unwrap();
            *mood.calls.entry(method).or_default() += 1;
            let down = if method == "heartbeat" {
                mood.heartless
            } else {
                mood.down
            };
            (down, mood.delay)
        };
        if !delay.is_zero() {
            tokio::time::sleep(delay).await;
        }
        if down {
            Err(MetastoreError::Unavailable("it was told to fail".into()))
        } else {
            Ok(())
        }
    }
}

#[async_trait]
impl Commits for MoodyMetastore {
    async fn commit(&self, request: CommitRequest) -> Result<CommitReply> {
        self.inner.commit(request).await
    }

    async fn settle(&self, incarnation: IncarnationId, seqs: &[u64]) -> Result<Vec<Settled>> {
        self.inner.settle(incarnation, seqs).await
    }
}

impl MoodyMetastore {
    async fn around<T>(&self, _method: &str, call: impl Future<Output = Result<T>>) -> Result<T> {
        call.await
    }
}

#[async_trait]
impl Reads for MoodyMetastore {
    async fn heads(&self, partitions: &[PartitionKey]) -> Result<Vec<Option<Head>>> {
        self.call("heads").await?;
        self.inner.heads(partitions).await
    }

    async fn plan(&self, requests: &[PlanRequest]) -> Result<Vec<Plan>> {
        self.call("plan").await?;
        let mut plans = self.inner.plan(requests).await?;
        if let Some(mangle) = &mut self.mood.lock().unwrap().mangle {
            mangle(requests, &mut plans);
        }
        Ok(plans)
    }

    async fn find_by_time(&self, requests: &[TimeRequest]) -> Result<Vec<TimeReply>> {
        self.call("find_by_time").await?;
        self.inner.find_by_time(requests).await
    }

    async fn stored_bytes(
        &self,
        partitions: &[PartitionKey],
        extents_max: usize,
    ) -> Result<Vec<Option<u64>>> {
        self.call("stored_bytes").await?;
        self.inner.stored_bytes(partitions, extents_max).await
    }
}

#[async_trait]
impl Topics for MoodyMetastore {
    async fn catalog(&self, since: i64) -> Result<Catalog> {
        self.call("catalog").await?;
        self.inner.catalog(since).await
    }

    async fn create_topics(
        &self,
        topics: &[NewTopic],
    ) -> Result<Vec<std::result::Result<Topic, CreateTopicRefusal>>> {
        self.inner.create_topics(topics).await
    }

    async fn delete_topics(&self, topics: &[TopicUuid]) -> Result<Vec<bool>> {
        self.inner.delete_topics(topics).await
    }

    async fn create_partitions(
        &self,
        requests: &[NewPartitions],
    ) -> Result<Vec<std::result::Result<Topic, CreatePartitionsRefusal>>> {
        self.inner.create_partitions(requests).await
    }

    async fn alter_configs(
        &self,
        changes: &[ConfigChange],
    ) -> Result<Vec<std::result::Result<Altered, AlterRefusal>>> {
        self.inner.alter_configs(changes).await
    }
}

#[async_trait]
impl Producers for MoodyMetastore {
    async fn allocate_producer_ids(&self, count: u32) -> Result<i64> {
        self.inner.allocate_producer_ids(count).await
    }

    async fn forget_idle_producers(&self, idle_ms: i64, limit: u32) -> Result<u64> {
        self.inner.forget_idle_producers(idle_ms, limit).await
    }

    async fn active_producers(
        &self,
        partitions: &[PartitionKey],
        limit: u32,
    ) -> Result<Vec<Vec<ActiveProducer>>> {
        self.inner.active_producers(partitions, limit).await
    }
}

#[async_trait]
impl Agents for MoodyMetastore {
    async fn register(&self, registration: &Registration) -> Result<Registered> {
        self.inner.register(registration).await
    }

    async fn heartbeat(&self, incarnation: IncarnationId, liveness_ms: i64) -> Result<Heartbeat> {
        self.call("heartbeat").await?;
        self.inner.heartbeat(incarnation, liveness_ms).await
    }

    async fn fence_expired(
        &self,
        incarnations: &[IncarnationId],
        liveness_ms: i64,
    ) -> Result<Vec<IncarnationId>> {
        self.inner.fence_expired(incarnations, liveness_ms).await
    }

    async fn announce_leave(&self, incarnation: IncarnationId) -> Result<()> {
        self.inner.announce_leave(incarnation).await
    }

    async fn leave(&self, incarnation: IncarnationId) -> Result<()> {
        self.inner.leave(incarnation).await
    }
}

crate::pass_on_upkeep!(MoodyMetastore);
crate::pass_on_groups!(MoodyMetastore);

#[async_trait]
impl Clusters for MoodyMetastore {
    async fn cluster(&self) -> Result<Option<Cluster>> {
        self.inner.cluster().await
    }

    async fn init_cluster(&self, id: &ClusterId) -> Result<Cluster> {
        self.inner.init_cluster(id).await
    }

    async fn bucket_bound(&self) -> Result<()> {
        self.inner.bucket_bound().await
    }
}
