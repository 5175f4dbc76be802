//! What a metastore can be asked, and what it answers, as data.

use esker_metastore::*;
use esker_model::{ClusterId, IncarnationId, LogId, ObjectId, PartitionKey, SegmentId, ShardId, TopicUuid};

use crate::world::EPOCH;

#[derive(Debug)]
pub enum Command {
    Commit(CommitRequest),
    Settle(IncarnationId, Vec<u64>),
    Heads(Vec<PartitionKey>),
    Plan(Vec<PlanRequest>),
    FindByTime(Vec<TimeRequest>),
    StoredBytes(Vec<PartitionKey>, usize),
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
    AnnounceLeave(IncarnationId),
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
    ForgetObjects(Vec<ObjectId>),
    EmptyBuckets,
    MostlyDead(u64),
    ArchivedIn(Vec<SegmentId>),
    MoveArchived(ArchiveRequest),
    MergeCandidates(MergeDue, Option<LogId>),
    ToMerge(Vec<PartitionKey>),
    Merge(MergeRequest),
    Retain(Vec<RetainRequest>),
    AdvanceLogStart(Vec<(PartitionKey, i64)>),
    DropArchived,
    TopicsToEmpty(i64),
    TopicsEmptied(Vec<TopicUuid>),
    Orphans(Vec<SegmentId>),
    References(Vec<IncarnationId>, Vec<LogId>),
    ToSweep,
    Swept(Vec<IncarnationId>),
    UpkeepStatus,
    ClaimShards(IncarnationId, Vec<ShardId>),
    ReleaseShards(IncarnationId, Vec<ShardLease>),
    LoadGroups(IncarnationId, ShardLease, Option<&'static str>, usize),
    WriteGroups(GroupWrites),
    CommittedOffsets(Vec<OffsetsRequest>),
    ExpireOffsets(IncarnationId, ShardLease, i64),
    OldOffsets(ShardId, i64, Option<OffsetOf>, usize),
    ForgetOffsets(ForgetOffsets),
}

#[derive(Debug, PartialEq)]
pub enum Reply {
    Commit(Result<CommitReply>),
    Settle(Result<Vec<Settled>>),
    Heads(Result<Vec<Option<Head>>>),
    Plan(Result<Vec<Plan>>),
    FindByTime(Result<Vec<TimeReply>>),
    StoredBytes(Result<Vec<Option<u64>>>),
    Catalog(Result<Catalog>),
    CreateTopics(Result<Vec<std::result::Result<Topic, CreateTopicRefusal>>>),
    DeleteTopics(Result<Vec<bool>>),
    CreatePartitions(Result<Vec<std::result::Result<Topic, CreatePartitionsRefusal>>>),
    AlterConfigs(Result<Vec<std::result::Result<Altered, AlterRefusal>>>),
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
    Unneeded(Result<Vec<ObjectId>>),
    ForgetObjects(Result<()>),
    EmptyBuckets(Result<()>),
    MostlyDead(Result<Vec<SegmentId>>),
    ArchivedIn(Result<Vec<(PartitionKey, Extent)>>),
    MoveArchived(Result<Vec<bool>>),
    MergeCandidates(Result<Vec<MergeCandidate>>),
    ToMerge(Result<Vec<Option<ToMerge>>>),
    Merge(Result<Vec<bool>>),
    Retain(Result<RetainReply>),
    AdvanceLogStart(Result<Vec<Option<Head>>>),
    DropArchived(Result<u64>),
    TopicsToEmpty(Result<Vec<TopicUuid>>),
    TopicsEmptied(Result<()>),
    Orphans(Result<Vec<SegmentId>>),
    References(Result<References>),
    ToSweep(Result<Vec<IncarnationId>>),
    Swept(Result<u64>),
    UpkeepStatus(Result<UpkeepStatus>),
    ClaimShards(Result<Vec<ShardOwner>>),
    ReleaseShards(Result<()>),
    LoadGroups(Result<Option<Vec<StoredGroup>>>),
    WriteGroups(Result<Vec<bool>>),
    CommittedOffsets(Result<Vec<CommittedOffsets>>),
    ExpireOffsets(Result<Option<Expired>>),
    OldOffsets(Result<Vec<OffsetOf>>),
    ForgetOffsets(Result<bool>),
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
            Self::StoredBytes(partitions, extents_max) => {
                Reply::StoredBytes(store.stored_bytes(partitions, *extents_max).await)
            }
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
            // What time it is, each store says by its own clock.
            Self::Heartbeat(id, liveness_ms) => {
                let heartbeat = store.heartbeat(*id, *liveness_ms).await;
                Reply::Heartbeat(heartbeat.map(|told| Heartbeat { now_ms: 0, ..told }))
            }
            Self::FenceExpired(ids, liveness_ms) => {
                Reply::FenceExpired(store.fence_expired(ids, *liveness_ms).await)
            }
            Self::AnnounceLeave(id) => Reply::Leave(store.announce_leave(*id).await),
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
            Self::ClaimJob(job, id, lease_ms) => {
                Reply::ClaimJob(store.claim_job(job, *id, *lease_ms, 0).await)
            }
            Self::WaitingSegments => {
                let waiting = store.waiting_segments(0, ALL, ALL as usize).await;
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
                let unneeded = store.unneeded(*grace_ms, 0, ALL as usize).await;
                Reply::Unneeded(sorted(unneeded))
            }
            Self::ForgetObjects(objects) => Reply::ForgetObjects(store.forget_objects(objects).await),
            Self::EmptyBuckets => Reply::EmptyBuckets(store.empty_buckets().await.map(|_| ())),
            Self::MostlyDead(bytes_min) => {
                let dead = store.mostly_dead(*bytes_min, ALL as usize).await;
                Reply::MostlyDead(sorted(dead))
            }
            Self::ArchivedIn(segments) => Reply::ArchivedIn(store.archived_in(segments).await),
            Self::MoveArchived(request) => Reply::MoveArchived(store.move_archived(request).await),
            merging => merging.run_merging(store).await,
        }
    }

    /// Times are nobody's business either.
    async fn run_merging(&self, store: &dyn Metastore) -> Reply {
        match self {
            Self::MergeCandidates(due, after) => {
                Reply::MergeCandidates(store.merge_candidates(due, *after, ALL as usize).await)
            }
            Self::ToMerge(partitions) => {
                let found = store.to_merge(partitions, ALL as usize).await;
                let without_time = |one: ToMerge| ToMerge {
                    archived_ms: i64::from(one.archived_ms > 0),
                    ..one
                };
                Reply::ToMerge(found.map(|found| {
                    let found = found.into_iter();
                    found.map(|one| one.map(without_time)).collect()
                }))
            }
            Self::Merge(request) => Reply::Merge(store.merge(request).await),
            Self::Retain(requests) => {
                let reply = store.retain(requests).await;
                Reply::Retain(reply.map(|mut reply| {
                    reply.ripe.iter_mut().for_each(|one| one.now_ms = 0);
                    reply
                }))
            }
            Self::AdvanceLogStart(starts) => Reply::AdvanceLogStart(store.advance_log_start(starts).await),
            Self::DropArchived => Reply::DropArchived(store.drop_archived(ALL as usize).await),
            Self::TopicsToEmpty(grace_ms) => {
                let topics = store.topics_to_empty(*grace_ms, ALL as usize).await;
                Reply::TopicsToEmpty(sorted(topics))
            }
            Self::TopicsEmptied(topics) => Reply::TopicsEmptied(store.topics_emptied(topics).await),
            Self::Orphans(segments) => Reply::Orphans(store.orphans(EPOCH, segments).await),
            Self::References(incarnations, logs) => {
                Reply::References(store.references(EPOCH, incarnations, logs).await)
            }
            Self::ToSweep => Reply::ToSweep(sorted(store.to_sweep(ALL as usize).await)),
            Self::Swept(incarnations) => Reply::Swept(store.swept(incarnations).await),
            Self::UpkeepStatus => {
                let status = store.upkeep_status().await;
                Reply::UpkeepStatus(status.map(|mut status| {
                    status.waiting_age_ms = 0;
                    status.jobs.iter_mut().for_each(|job| job.report_age_ms = None);
                    status
                }))
            }
            grouping => grouping.run_grouping(store).await,
        }
    }

    async fn run_grouping(&self, store: &dyn Metastore) -> Reply {
        match self {
            Self::ClaimShards(id, wanted) => Reply::ClaimShards(store.claim_shards(*id, wanted).await),
            Self::ReleaseShards(id, leases) => Reply::ReleaseShards(store.release_shards(*id, leases).await),
            Self::LoadGroups(id, lease, after, limit) => {
                Reply::LoadGroups(store.load_groups(*id, *lease, *after, *limit).await)
            }
            Self::WriteGroups(writes) => Reply::WriteGroups(store.write_groups(writes).await),
            Self::CommittedOffsets(requests) => {
                Reply::CommittedOffsets(store.committed_offsets(requests).await)
            }
            Self::ExpireOffsets(id, lease, retention_ms) => Reply::ExpireOffsets(
                store
                    .expire_offsets(*id, *lease, *retention_ms, ALL as usize)
                    .await,
            ),
            Self::OldOffsets(shard, age_ms, after, limit) => {
                Reply::OldOffsets(store.old_offsets(*shard, *age_ms, after.as_ref(), *limit).await)
            }
            Self::ForgetOffsets(forget) => Reply::ForgetOffsets(store.forget_offsets(forget).await),
            other => unreachable!("{other:?} is run elsewhere"),
        }
    }
}

fn sorted<T: Ord>(found: Result<Vec<T>>) -> Result<Vec<T>> {
    found.map(|mut found| {
        found.sort_unstable();
        found
    })
}
