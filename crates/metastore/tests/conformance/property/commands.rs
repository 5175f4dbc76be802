//! What a metastore can be asked, and what it answers, as data.

use esker_metastore::*;
use esker_model::{ClusterId, IncarnationId, PartitionKey, TopicUuid};

#[derive(Debug)]
pub enum Command {
    Commit(CommitRequest),
    Settle(IncarnationId, Vec<u64>),
    Heads(Vec<PartitionKey>),
    Plan(Vec<PlanRequest>),
    FindByTime(Vec<TimeRequest>),
    Catalog(i64),
    CreateTopics(Vec<NewTopic>),
    DeleteTopics(Vec<TopicUuid>),
    CreatePartitions(Vec<NewPartitions>),
    AlterConfigs(Vec<ConfigChange>),
    AllocateProducerIds(u32),
    ForgetIdleProducers(i64),
    Register(Registration),
    Heartbeat(IncarnationId, i64),
    FenceExpired(Vec<IncarnationId>, i64),
    Leave(IncarnationId),
    InitCluster(ClusterId),
    BucketBound,
    Cluster,
}

#[derive(Debug, PartialEq)]
pub enum Reply {
    Commit(Result<CommitReply>),
    Settle(Result<Vec<Settled>>),
    Heads(Result<Vec<Option<Head>>>),
    Plan(Result<Vec<Plan>>),
    FindByTime(Result<Vec<TimeReply>>),
    Catalog(Result<Catalog>),
    CreateTopics(Result<Vec<std::result::Result<Topic, CreateTopicRefusal>>>),
    DeleteTopics(Result<Vec<bool>>),
    CreatePartitions(Result<Vec<std::result::Result<Topic, CreatePartitionsRefusal>>>),
    AlterConfigs(Result<Vec<Option<Topic>>>),
    AllocateProducerIds(Result<i64>),
    ForgetIdleProducers(Result<u64>),
    Register(Result<Registered>),
    Heartbeat(Result<Heartbeat>),
    FenceExpired(Result<Vec<IncarnationId>>),
    Leave(Result<()>),
    InitCluster(Result<Cluster>),
    BucketBound(Result<()>),
    Cluster(Result<Option<Cluster>>),
}

impl Command {
    pub async fn run(&self, store: &dyn Metastore) -> Reply {
        match self {
            Self::Commit(request) => Reply::Commit(store.commit(request.clone()).await),
            Self::Settle(id, seqs) => Reply::Settle(store.settle(*id, seqs).await),
            Self::Heads(partitions) => Reply::Heads(store.heads(partitions).await),
            Self::Plan(requests) => Reply::Plan(store.plan(requests).await),
            Self::FindByTime(requests) => Reply::FindByTime(store.find_by_time(requests).await),
            Self::Catalog(since) => Reply::Catalog(store.catalog(*since).await),
            Self::CreateTopics(topics) => Reply::CreateTopics(store.create_topics(topics).await),
            Self::DeleteTopics(topics) => Reply::DeleteTopics(store.delete_topics(topics).await),
            Self::CreatePartitions(requests) => {
                Reply::CreatePartitions(store.create_partitions(requests).await)
            }
            Self::AlterConfigs(changes) => Reply::AlterConfigs(store.alter_configs(changes).await),
            Self::AllocateProducerIds(count) => {
                Reply::AllocateProducerIds(store.allocate_producer_ids(*count).await)
            }
            // No limit: which of several equally idle ones go first is nobody's business.
            Self::ForgetIdleProducers(idle_ms) => {
                Reply::ForgetIdleProducers(store.forget_idle_producers(*idle_ms, 1_000_000).await)
            }
            Self::Register(registration) => Reply::Register(store.register(registration).await),
            Self::Heartbeat(id, liveness_ms) => Reply::Heartbeat(store.heartbeat(*id, *liveness_ms).await),
            Self::FenceExpired(ids, liveness_ms) => {
                Reply::FenceExpired(store.fence_expired(ids, *liveness_ms).await)
            }
            Self::Leave(id) => Reply::Leave(store.leave(*id).await),
            Self::InitCluster(id) => Reply::InitCluster(store.init_cluster(id).await),
            Self::BucketBound => Reply::BucketBound(store.bucket_bound().await),
            Self::Cluster => Reply::Cluster(store.cluster().await),
        }
    }
}
