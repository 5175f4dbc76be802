//! A metastore whose commits and upkeep calls fail on demand, in the ways in which a network makes them fail, and
//! that can be slow or away.

use std::collections::{BTreeMap, VecDeque};
use std::result::Result as StdResult;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use esker_metastore::*;
use esker_model::{ClusterId, IncarnationId, PartitionKey, ShardId, TopicUuid};
use parking_lot::Mutex;

/// What happens to one commit call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Nothing goes wrong.
    None,
    /// It never arrives, and nobody knows.
    Lost,
    /// It takes effect, and the answer is lost.
    LostReply,
    /// It surely had no effect.
    Unavailable,
    /// It is refused, because the server may have lost commits.
    DifferentPast,
}

/// Passes everything on, but commits and upkeep calls meet the faults that were queued for them.
pub struct Faulty {
    inner: Arc<dyn Metastore>,
    faults: Mutex<VecDeque<Fault>>,
    upkeep: Mutex<BTreeMap<&'static str, VecDeque<Fault>>>,
    commits: Mutex<Vec<CommitRequest>>,
    writes: Mutex<Vec<GroupWrites>>,
    held: Mutex<Held>,
    slow: Mutex<Slow>,
}

/// How long some calls take.
#[derive(Clone, Copy, Debug, Default)]
pub struct Slow {
    pub catalog: Duration,
    pub heads: Duration,
    pub commits: Duration,
    pub group_writes: Duration,
    /// Heartbeats get no connection at all.
    pub no_heartbeats: bool,
    /// Nor do upkeep and groups.
    pub no_connection: bool,
}

/// Writes of groups that are on their way, as far as anybody knows.
#[derive(Default)]
struct Held {
    /// So many more are to be.
    next: usize,
    writes: VecDeque<GroupWrites>,
}

impl Faulty {
    pub fn new(inner: Arc<dyn Metastore>) -> Self {
        Self {
            inner,
            faults: Mutex::default(),
            upkeep: Mutex::default(),
            commits: Mutex::default(),
            writes: Mutex::default(),
            held: Mutex::default(),
            slow: Mutex::default(),
        }
    }

    /// What is slow from now on.
    pub fn slow(&self, slow: Slow) {
        *self.slow.lock() = slow;
    }

    /// The metastore cannot be reached from now on.
    pub fn cut_off(&self) {
        self.slow(Slow {
            no_heartbeats: true,
            no_connection: true,
            ..Slow::default()
        });
    }

    /// It can be reached again.
    pub fn heal(&self) {
        self.slow(Slow::default());
    }

    async fn take_time(&self, of: impl Fn(Slow) -> Duration) {
        let time = of(*self.slow.lock());
        if !time.is_zero() {
            tokio::time::sleep(time).await;
        }
    }

    /// Faults of the next commit calls.
    pub fn queue(&self, faults: &[Fault]) {
        self.faults.lock().extend(faults);
    }

    /// Faults of the next upkeep calls of a method.
    pub fn queue_upkeep(&self, method: &'static str, faults: &[Fault]) {
        self.upkeep.lock().entry(method).or_default().extend(faults);
    }

    /// How many faults of a method are still to be met.
    pub fn upkeep_left(&self, method: &'static str) -> usize {
        self.upkeep.lock().get(method).map_or(0, VecDeque::len)
    }

    /// Nothing goes wrong with a method any more.
    pub fn clear_upkeep(&self, method: &'static str) {
        self.upkeep.lock().remove(method);
    }

    async fn around<T>(&self, method: &'static str, call: impl Future<Output = Result<T>>) -> Result<T> {
        if self.slow.lock().no_connection {
            return Err(MetastoreError::Unavailable("not now".into()));
        }
        let next = |queued: &mut VecDeque<Fault>| queued.pop_front();
        let fault = self.upkeep.lock().get_mut(method).and_then(next);
        meet(fault.unwrap_or(Fault::None), call).await
    }

    /// The next so many writes of groups are not answered, and have no effect before [`Self::land`].
    pub fn hold_writes(&self, count: usize) {
        self.held.lock().next = count;
    }

    /// The writes that are held back arrive after all: what the metastore answers.
    pub async fn land(&self) -> Vec<Result<Vec<bool>>> {
        let writes = std::mem::take(&mut self.held.lock().writes);
        let mut answers = Vec::new();
        for write in writes {
            answers.push(self.inner.write_groups(&write).await);
        }
        answers
    }

    fn hold(&self, writes: &GroupWrites) -> bool {
        let mut held = self.held.lock();
        if held.next == 0 {
            return false;
        }
        held.next -= 1;
        held.writes.push_back(writes.clone());
        true
    }

    /// The writes of groups so far, each attempt.
    pub fn writes(&self) -> Vec<GroupWrites> {
        self.writes.lock().clone()
    }

    /// The commit calls so far.
    pub fn commits(&self) -> Vec<CommitRequest> {
        self.commits.lock().clone()
    }
}

/// Makes a call that meets a fault.
async fn meet<T>(fault: Fault, call: impl Future<Output = Result<T>>) -> Result<T> {
    let lost = || MetastoreError::UnknownOutcome("the connection was lost".into());
    match fault {
        Fault::None => call.await,
        Fault::Lost => Err(lost()),
        Fault::LostReply => {
            call.await?;
            Err(lost())
        }
        Fault::Unavailable => Err(MetastoreError::Unavailable("not now".into())),
        Fault::DifferentPast => Err(MetastoreError::DifferentPast {
            system: 1,
            timeline: 2,
        }),
    }
}

#[async_trait]
impl Commits for Faulty {
    async fn commit(&self, request: CommitRequest) -> Result<CommitReply> {
        self.commits.lock().push(request.clone());
        self.take_time(|slow| slow.commits).await;
        let fault = self.faults.lock().pop_front().unwrap_or(Fault::None);
        meet(fault, self.inner.commit(request)).await
    }

    async fn settle(&self, incarnation: IncarnationId, seqs: &[u64]) -> Result<Vec<Settled>> {
        self.inner.settle(incarnation, seqs).await
    }
}

#[async_trait]
impl Reads for Faulty {
    async fn heads(&self, partitions: &[PartitionKey]) -> Result<Vec<Option<Head>>> {
        self.take_time(|slow| slow.heads).await;
        self.inner.heads(partitions).await
    }

    async fn plan(&self, requests: &[PlanRequest]) -> Result<Vec<Plan>> {
        self.inner.plan(requests).await
    }

    async fn find_by_time(&self, requests: &[TimeRequest]) -> Result<Vec<TimeReply>> {
        self.inner.find_by_time(requests).await
    }

    async fn stored_bytes(
        &self,
        partitions: &[PartitionKey],
        extents_max: usize,
    ) -> Result<Vec<Option<u64>>> {
        self.inner.stored_bytes(partitions, extents_max).await
    }
}

#[async_trait]
impl Topics for Faulty {
    async fn catalog(&self, since: i64) -> Result<Catalog> {
        self.take_time(|slow| slow.catalog).await;
        self.inner.catalog(since).await
    }

    async fn create_topics(&self, topics: &[NewTopic]) -> Result<Vec<StdResult<Topic, CreateTopicRefusal>>> {
        self.inner.create_topics(topics).await
    }

    async fn delete_topics(&self, topics: &[TopicUuid]) -> Result<Vec<bool>> {
        self.inner.delete_topics(topics).await
    }

    async fn create_partitions(
        &self,
        requests: &[NewPartitions],
    ) -> Result<Vec<StdResult<Topic, CreatePartitionsRefusal>>> {
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
impl Producers for Faulty {
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
impl Agents for Faulty {
    async fn register(&self, registration: &Registration) -> Result<Registered> {
        self.inner.register(registration).await
    }

    async fn heartbeat(&self, incarnation: IncarnationId, liveness_ms: i64) -> Result<Heartbeat> {
        if self.slow.lock().no_heartbeats {
            return Err(MetastoreError::Unavailable("not now".into()));
        }
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

crate::pass_on_upkeep!(Faulty);
crate::pass_on_coordinators!(Faulty);

#[async_trait]
impl Groups for Faulty {
    async fn load_groups(
        &self,
        incarnation: IncarnationId,
        lease: ShardLease,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Option<Vec<StoredGroup>>> {
        let call = self.inner.load_groups(incarnation, lease, after, limit);
        self.around("load_groups", call).await
    }

    async fn write_groups(&self, writes: &GroupWrites) -> Result<Vec<bool>> {
        self.take_time(|slow| slow.group_writes).await;
        self.writes.lock().push(writes.clone());
        if self.hold(writes) {
            return std::future::pending().await;
        }
        self.around("write_groups", self.inner.write_groups(writes)).await
    }

    async fn committed_offsets(&self, requests: &[OffsetsRequest]) -> Result<Vec<CommittedOffsets>> {
        self.around("committed_offsets", self.inner.committed_offsets(requests))
            .await
    }

    async fn expire_offsets(
        &self,
        incarnation: IncarnationId,
        lease: ShardLease,
        retention_ms: i64,
        limit: usize,
    ) -> Result<Option<Expired>> {
        let call = self.inner.expire_offsets(incarnation, lease, retention_ms, limit);
        self.around("expire_offsets", call).await
    }

    async fn old_offsets(
        &self,
        shard: ShardId,
        age_ms: i64,
        after: Option<&OffsetOf>,
        limit: usize,
    ) -> Result<Vec<OffsetOf>> {
        let call = self.inner.old_offsets(shard, age_ms, after, limit);
        self.around("old_offsets", call).await
    }

    async fn forget_offsets(&self, forget: &ForgetOffsets) -> Result<bool> {
        self.around("forget_offsets", self.inner.forget_offsets(forget))
            .await
    }
}

#[async_trait]
impl Clusters for Faulty {
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
