//! What a metastore can be asked, and what it answers, as data.

use esker_metastore::*;
use esker_model::{ClusterId, IncarnationId, PartitionKey, SegmentId, TopicUuid};

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
    ClaimJob(&'static str, IncarnationId, i64),
    WaitingSegments,
    Unarchived(Vec<SegmentId>),
    Archive(ArchiveRequest),
    Release(Vec<SegmentId>),
    Unneeded(i64),
    ForgetSegments(Vec<SegmentId>),
    EmptyBuckets,
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
    ClaimJob(Result<bool>),
    /// With their bytes.
    WaitingSegments(Result<Vec<(SegmentId, u64)>>),
    Unarchived(Result<Vec<(PartitionKey, Extent)>>),
    Archive(Result<Vec<bool>>),
    Release(Result<Vec<bool>>),
    Unneeded(Result<Vec<SegmentId>>),
    ForgetSegments(Result<()>),
    EmptyBuckets(Result<()>),
}

/// Bytes and segments: more than there are.
const ALL: u64 = 1 << 50;

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
            archiving => archiving.run_archiving(store).await,
        }
    }

    /// Which of several segments that are equally old come first is nobody's business: all are asked for and
    /// compared in the order of their ids. Nor how old they are, nor how many buckets there were.
    async fn run_archiving(&self, store: &dyn Metastore) -> Reply {
        match self {
            Self::ClaimJob(job, id, lease_ms) => Reply::ClaimJob(store.claim_job(job, *id, *lease_ms).await),
            Self::WaitingSegments => {
                let waiting = store.waiting_segments(ALL, ALL as usize).await;
                Reply::WaitingSegments(waiting.map(|waiting| {
                    let mut waiting: Vec<_> = waiting.iter().map(|s| (s.id, s.object_bytes)).collect();
                    waiting.sort_unstable();
                    waiting
                }))
            }
            Self::Unarchived(segments) => Reply::Unarchived(store.unarchived(segments).await),
            Self::Archive(request) => Reply::Archive(store.archive(request).await),
            Self::Release(segments) => Reply::Release(store.release(segments).await),
            Self::Unneeded(grace_ms) => {
                let unneeded = store.unneeded(*grace_ms, ALL as usize).await;
                Reply::Unneeded(unneeded.map(|mut unneeded| {
                    unneeded.sort_unstable();
                    unneeded
                }))
            }
            Self::ForgetSegments(segments) => Reply::ForgetSegments(store.forget_segments(segments).await),
            Self::EmptyBuckets => Reply::EmptyBuckets(store.empty_buckets().await.map(|_| ())),
            other => unreachable!("{other:?} is no command of archiving"),
        }
    }
}
