//! A metastore that counts calls, and on demand holds, loses or refuses them.

use std::collections::{BTreeMap, VecDeque};
use std::result::Result as StdResult;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use esker_metastore::*;
use esker_model::seams::BoxFuture;
use esker_model::{ClusterId, IncarnationId, PartitionKey, TopicUuid};
use parking_lot::Mutex;
use tokio::sync::Semaphore;

/// What happens to one call that changes topics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// It takes effect, and the answer is lost.
    LostReply,
    /// It never arrives, and nobody knows.
    Lost,
}

/// Passes calls on.
pub(crate) struct Watched {
    inner: Arc<dyn Metastore>,
    calls: Mutex<BTreeMap<&'static str, usize>>,
    faults: Mutex<VecDeque<Fault>>,
    down: AtomicBool,
    /// Happens between the next look at the cluster and its answer.
    pub(crate) meanwhile: Mutex<Option<BoxFuture<'static, ()>>>,
    /// Calls of [`Topics::catalog`] and [`Producers::allocate_producer_ids`] take one permit each.
    pub(crate) turns: Semaphore,
}

impl Watched {
    pub(crate) fn new(inner: Arc<dyn Metastore>) -> Self {
        Self {
            inner,
            calls: Mutex::default(),
            faults: Mutex::default(),
            down: AtomicBool::new(false),
            meanwhile: Mutex::default(),
            turns: Semaphore::new(1_000_000),
        }
    }

    /// How often a method was called.
    pub(crate) fn calls(&self, method: &str) -> usize {
        self.calls.lock().get(method).copied().unwrap_or(0)
    }

    /// Faults of the next calls that change topics.
    pub(crate) fn queue(&self, faults: &[Fault]) {
        self.faults.lock().extend(faults);
    }

    /// From now on nothing can be reached, or everything again.
    pub(crate) fn set_down(&self, down: bool) {
        self.down.store(down, Ordering::SeqCst);
    }

    /// Lets nobody pass any more.
    pub(crate) fn hold(&self) {
        self.turns.forget_permits(self.turns.available_permits());
    }

    fn count(&self, method: &'static str) -> Result<()> {
        *self.calls.lock().entry(method).or_default() += 1;
        if self.down.load(Ordering::SeqCst) {
            return Err(MetastoreError::Unavailable("down".into()));
        }
        Ok(())
    }

    async fn turn(&self) {
        self.turns.acquire().await.unwrap().forget();
    }

    async fn change<T: Send>(&self, call: impl Future<Output = Result<T>> + Send) -> Result<T> {
        let lost = || MetastoreError::UnknownOutcome("lost".into());
        let fault = self.faults.lock().pop_front();
        match fault {
            None => call.await,
            Some(Fault::LostReply) => call.await.and_then(|_| Err(lost())),
            Some(Fault::Lost) => Err(lost()),
        }
    }
}

#[async_trait]
impl Topics for Watched {
    async fn catalog(&self, since: i64) -> Result<Catalog> {
        self.count("catalog")?;
        self.turn().await;
        self.inner.catalog(since).await
    }
    async fn create_topics(&self, topics: &[NewTopic]) -> Result<Vec<StdResult<Topic, CreateTopicRefusal>>> {
        self.count("create_topics")?;
        self.change(self.inner.create_topics(topics)).await
    }
    async fn delete_topics(&self, topics: &[TopicUuid]) -> Result<Vec<bool>> {
        self.count("delete_topics")?;
        self.change(self.inner.delete_topics(topics)).await
    }
    async fn create_partitions(
        &self,
        requests: &[NewPartitions],
    ) -> Result<Vec<StdResult<Topic, CreatePartitionsRefusal>>> {
        self.count("create_partitions")?;
        self.change(self.inner.create_partitions(requests)).await
    }
    async fn alter_configs(
        &self,
        changes: &[ConfigChange],
    ) -> Result<Vec<std::result::Result<Altered, AlterRefusal>>> {
        self.count("alter_configs")?;
        self.change(self.inner.alter_configs(changes)).await
    }
}

#[async_trait]
impl Producers for Watched {
    async fn allocate_producer_ids(&self, count: u32) -> Result<i64> {
        self.count("allocate_producer_ids")?;
        self.turn().await;
        self.inner.allocate_producer_ids(count).await
    }
    async fn forget_idle_producers(&self, idle_ms: i64, limit: u32) -> Result<u64> {
        self.count("forget_idle_producers")?;
        self.inner.forget_idle_producers(idle_ms, limit).await
    }

    async fn active_producers(
        &self,
        partitions: &[PartitionKey],
        limit: u32,
    ) -> Result<Vec<Vec<ActiveProducer>>> {
        self.count("active_producers")?;
        self.inner.active_producers(partitions, limit).await
    }
}

#[async_trait]
impl Commits for Watched {
    async fn commit(&self, request: CommitRequest) -> Result<CommitReply> {
        self.count("commit")?;
        self.inner.commit(request).await
    }
    async fn settle(&self, incarnation: IncarnationId, seqs: &[u64]) -> Result<Vec<Settled>> {
        self.count("settle")?;
        self.inner.settle(incarnation, seqs).await
    }
}

#[async_trait]
impl Reads for Watched {
    async fn heads(&self, partitions: &[PartitionKey]) -> Result<Vec<Option<Head>>> {
        self.count("heads")?;
        self.inner.heads(partitions).await
    }
    async fn plan(&self, requests: &[PlanRequest]) -> Result<Vec<Plan>> {
        self.count("plan")?;
        self.inner.plan(requests).await
    }
    async fn find_by_time(&self, requests: &[TimeRequest]) -> Result<Vec<TimeReply>> {
        self.count("find_by_time")?;
        self.inner.find_by_time(requests).await
    }
    async fn stored_bytes(
        &self,
        partitions: &[PartitionKey],
        extents_max: usize,
    ) -> Result<Vec<Option<u64>>> {
        self.count("stored_bytes")?;
        self.inner.stored_bytes(partitions, extents_max).await
    }
}

#[async_trait]
impl Agents for Watched {
    async fn register(&self, registration: &Registration) -> Result<Registered> {
        self.count("register")?;
        self.inner.register(registration).await
    }
    async fn heartbeat(&self, incarnation: IncarnationId, liveness_ms: i64) -> Result<Heartbeat> {
        self.count("heartbeat")?;
        self.inner.heartbeat(incarnation, liveness_ms).await
    }
    async fn fence_expired(
        &self,
        incarnations: &[IncarnationId],
        liveness_ms: i64,
    ) -> Result<Vec<IncarnationId>> {
        self.count("fence_expired")?;
        self.inner.fence_expired(incarnations, liveness_ms).await
    }
    async fn announce_leave(&self, incarnation: IncarnationId) -> Result<()> {
        self.count("announce_leave")?;
        self.inner.announce_leave(incarnation).await
    }

    async fn leave(&self, incarnation: IncarnationId) -> Result<()> {
        self.count("leave")?;
        self.inner.leave(incarnation).await
    }
}

impl Watched {
    async fn around<T>(&self, _method: &str, call: impl Future<Output = Result<T>>) -> Result<T> {
        call.await
    }
}

crate::pass_on_upkeep!(Watched);
crate::pass_on_groups!(Watched);

#[async_trait]
impl Clusters for Watched {
    async fn cluster(&self) -> Result<Option<Cluster>> {
        self.count("cluster")?;
        let meanwhile = self.meanwhile.lock().take();
        if let Some(meanwhile) = meanwhile {
            meanwhile.await;
        }
        self.inner.cluster().await
    }
    async fn init_cluster(&self, id: &ClusterId) -> Result<Cluster> {
        self.count("init_cluster")?;
        self.inner.init_cluster(id).await
    }
    async fn bucket_bound(&self) -> Result<()> {
        self.count("bucket_bound")?;
        self.inner.bucket_bound().await
    }
}
