//! The traits, each method one call of the executor and one transaction.

use async_trait::async_trait;
use esker_model::{
    ClusterEpoch, ClusterId, IncarnationId, LogId, ObjectId, PartitionKey, SegmentId, ShardId, TopicUuid,
};

use super::database::{Database, Transaction};
use super::{
    SqliteMetastore, agents, archive, cluster, commit, configs, coordinators, group_writes, groups, jobs,
    memory, merge, moves, producers, reads, release, removal, retention, settle, sweep, topics,
};
use crate::{
    ActiveProducer, Agents, AlterRefusal, Altered, ArchiveRequest, Archives, Catalog, Cluster, Clusters,
    CommitReply, CommitRequest, Commits, CommittedOffsets, ConfigChange, Coordinators,
    CreatePartitionsRefusal, CreateTopicRefusal, Expired, Extent, ForgetOffsets, GroupWrites, Groups, Head,
    Heartbeat, JobReport, Jobs, KnownManifest, MergeCandidate, MergeDue, MergeRequest, Merges, NewPartitions,
    NewTopic, OffsetOf, OffsetsRequest, Plan, PlanRequest, Producers, Reads, References, Registered,
    Registration, Removals, Result, RetainReply, RetainRequest, Retention, Settled, ShardLease, ShardOwner,
    StoredGroup, Sweeps, TimeReply, TimeRequest, ToMerge, Topic, Topics, UpkeepStatus, WaitingSegment,
};

impl SqliteMetastore {
    async fn write<T: Send + 'static>(
        &self,
        method: &'static str,
        work: impl FnOnce(&Transaction<'_>) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        self.metrics.count(method);
        let began = self.clock.now();
        let result = self
            .executor
            .run(move |database: &mut Database| database.write(work))
            .await;
        self.metrics.ended(method, &result, self.clock.now() - began);
        result
    }

    async fn read<T: Send + 'static>(
        &self,
        method: &'static str,
        work: impl FnOnce(&Transaction<'_>) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        self.metrics.count(method);
        let began = self.clock.now();
        let result = self
            .executor
            .run(move |database: &mut Database| database.read(work))
            .await;
        self.metrics.ended(method, &result, self.clock.now() - began);
        result
    }
}

#[async_trait]
impl Commits for SqliteMetastore {
    async fn commit(&self, request: CommitRequest) -> Result<CommitReply> {
        self.write("commit", move |tx| commit::commit(tx, &request)).await
    }

    async fn settle(&self, incarnation: IncarnationId, seqs: &[u64]) -> Result<Vec<Settled>> {
        let seqs = seqs.to_vec();
        self.write("settle", move |tx| settle::settle(tx, incarnation, &seqs))
            .await
    }
}

#[async_trait]
impl Reads for SqliteMetastore {
    async fn heads(&self, partitions: &[PartitionKey]) -> Result<Vec<Option<Head>>> {
        let partitions = partitions.to_vec();
        self.read("heads", move |tx| reads::heads(tx, &partitions)).await
    }

    async fn plan(&self, requests: &[PlanRequest]) -> Result<Vec<Plan>> {
        let requests = requests.to_vec();
        self.read("plan", move |tx| reads::plan(tx, &requests)).await
    }

    async fn find_by_time(&self, requests: &[TimeRequest]) -> Result<Vec<TimeReply>> {
        let requests = requests.to_vec();
        self.read("find_by_time", move |tx| reads::find_by_time(tx, &requests))
            .await
    }

    async fn stored_bytes(
        &self,
        partitions: &[PartitionKey],
        extents_max: usize,
    ) -> Result<Vec<Option<u64>>> {
        let partitions = partitions.to_vec();
        self.read("stored_bytes", move |tx| {
            reads::stored_bytes(tx, &partitions, extents_max)
        })
        .await
    }
}

#[async_trait]
impl Topics for SqliteMetastore {
    async fn catalog(&self, since: i64) -> Result<Catalog> {
        self.read("catalog", move |tx| topics::catalog(tx, since)).await
    }

    async fn create_topics(
        &self,
        topics: &[NewTopic],
    ) -> Result<Vec<std::result::Result<Topic, CreateTopicRefusal>>> {
        let topics = topics.to_vec();
        self.write("create_topics", move |tx| {
            topics.iter().map(|new| topics::create(tx, new)).collect()
        })
        .await
    }

    async fn delete_topics(&self, topics: &[TopicUuid]) -> Result<Vec<bool>> {
        let topics = topics.to_vec();
        self.write("delete_topics", move |tx| {
            topics.iter().map(|topic| topics::delete(tx, *topic)).collect()
        })
        .await
    }

    async fn create_partitions(
        &self,
        requests: &[NewPartitions],
    ) -> Result<Vec<std::result::Result<Topic, CreatePartitionsRefusal>>> {
        let requests = requests.to_vec();
        self.write("create_partitions", move |tx| {
            requests
                .iter()
                .map(|request| topics::create_partitions(tx, request))
                .collect()
        })
        .await
    }

    async fn alter_configs(
        &self,
        changes: &[ConfigChange],
    ) -> Result<Vec<std::result::Result<Altered, AlterRefusal>>> {
        let changes = changes.to_vec();
        self.write("alter_configs", move |tx| {
            changes.iter().map(|change| configs::alter(tx, change)).collect()
        })
        .await
    }
}

#[async_trait]
impl Producers for SqliteMetastore {
    async fn allocate_producer_ids(&self, count: u32) -> Result<i64> {
        self.write("allocate_producer_ids", move |tx| producers::allocate(tx, count))
            .await
    }

    async fn forget_idle_producers(&self, idle_ms: i64, limit: u32) -> Result<u64> {
        self.write("forget_idle_producers", move |tx| {
            memory::forget_idle(tx, idle_ms, limit)
        })
        .await
    }

    async fn active_producers(
        &self,
        partitions: &[PartitionKey],
        limit: u32,
    ) -> Result<Vec<Vec<ActiveProducer>>> {
        let partitions = partitions.to_vec();
        self.read("active_producers", move |tx| {
            let each = partitions.iter();
            each.map(|partition| memory::active(tx, *partition, limit))
                .collect()
        })
        .await
    }
}

#[async_trait]
impl Agents for SqliteMetastore {
    async fn register(&self, registration: &Registration) -> Result<Registered> {
        let registration = registration.clone();
        self.write("register", move |tx| agents::register(tx, &registration))
            .await
    }

    async fn heartbeat(&self, incarnation: IncarnationId, liveness_ms: i64) -> Result<Heartbeat> {
        self.write("heartbeat", move |tx| {
            agents::heartbeat(tx, incarnation, liveness_ms)
        })
        .await
    }

    async fn fence_expired(
        &self,
        incarnations: &[IncarnationId],
        liveness_ms: i64,
    ) -> Result<Vec<IncarnationId>> {
        let incarnations = incarnations.to_vec();
        self.write("fence_expired", move |tx| {
            agents::fence_expired(tx, &incarnations, liveness_ms)
        })
        .await
    }

    async fn announce_leave(&self, incarnation: IncarnationId) -> Result<()> {
        self.write("announce_leave", move |tx| {
            agents::announce_leave(tx, incarnation)
        })
        .await
    }

    async fn leave(&self, incarnation: IncarnationId) -> Result<()> {
        self.write("leave", move |tx| agents::leave(tx, incarnation))
            .await
    }
}

#[async_trait]
impl Jobs for SqliteMetastore {
    async fn claim_job(
        &self,
        job: &str,
        incarnation: IncarnationId,
        lease_ms: i64,
        every_ms: i64,
    ) -> Result<bool> {
        let job = job.to_owned();
        self.write("claim_job", move |tx| {
            jobs::claim(tx, &job, incarnation, lease_ms, every_ms)
        })
        .await
    }

    async fn report_job(
        &self,
        job: &str,
        incarnation: IncarnationId,
        report: &JobReport,
        done: bool,
    ) -> Result<()> {
        let (job, report) = (job.to_owned(), report.clone());
        self.write("report_job", move |tx| {
            jobs::report(tx, &job, incarnation, &report, done)
        })
        .await
    }

    async fn upkeep_status(&self) -> Result<UpkeepStatus> {
        self.read("upkeep_status", jobs::status).await
    }
}

#[async_trait]
impl Archives for SqliteMetastore {
    async fn waiting_segments(
        &self,
        skip: usize,
        bytes_max: u64,
        segments_max: usize,
    ) -> Result<Vec<WaitingSegment>> {
        self.read("waiting_segments", move |tx| {
            archive::waiting_segments(tx, skip, bytes_max, segments_max)
        })
        .await
    }

    async fn unarchived(&self, segments: &[SegmentId]) -> Result<Vec<(PartitionKey, Extent)>> {
        let segments = segments.to_vec();
        self.read("unarchived", move |tx| archive::unarchived(tx, &segments))
            .await
    }

    async fn archive(&self, request: &ArchiveRequest) -> Result<Vec<bool>> {
        let request = request.clone();
        self.write("archive", move |tx| archive::archive(tx, &request))
            .await
    }

    async fn release(&self, segments: &[SegmentId]) -> Result<Vec<bool>> {
        let segments = segments.to_vec();
        self.write("release", move |tx| release::release(tx, &segments))
            .await
    }

    async fn registered(&self, segments: &[SegmentId]) -> Result<Vec<bool>> {
        let segments = segments.to_vec();
        self.read("registered", move |tx| archive::registered(tx, &segments))
            .await
    }

    async fn empty_buckets(&self) -> Result<u64> {
        // `archive` leaves nothing in them.
        Ok(0)
    }

    async fn mostly_dead(&self, bytes_min: u64, limit: usize) -> Result<Vec<SegmentId>> {
        self.read("mostly_dead", move |tx| moves::mostly_dead(tx, bytes_min, limit))
            .await
    }

    async fn archived_in(&self, segments: &[SegmentId]) -> Result<Vec<(PartitionKey, Extent)>> {
        let segments = segments.to_vec();
        self.read("archived_in", move |tx| moves::archived_in(tx, &segments))
            .await
    }

    async fn move_archived(&self, request: &ArchiveRequest) -> Result<Vec<bool>> {
        let request = request.clone();
        self.write("move_archived", move |tx| moves::move_archived(tx, &request))
            .await
    }
}

#[async_trait]
impl Merges for SqliteMetastore {
    async fn merge_candidates(
        &self,
        due: &MergeDue,
        after: Option<LogId>,
        limit: usize,
    ) -> Result<Vec<MergeCandidate>> {
        let due = *due;
        self.read("merge_candidates", move |tx| {
            merge::candidates(tx, &due, after, limit)
        })
        .await
    }

    async fn to_merge(
        &self,
        partitions: &[PartitionKey],
        extents_max: usize,
    ) -> Result<Vec<Option<ToMerge>>> {
        let partitions = partitions.to_vec();
        self.read("to_merge", move |tx| {
            merge::to_merge(tx, &partitions, extents_max)
        })
        .await
    }

    async fn known_manifests(&self, partitions: &[PartitionKey]) -> Result<Vec<Option<KnownManifest>>> {
        let partitions = partitions.to_vec();
        self.read("known_manifests", move |tx| merge::known(tx, &partitions))
            .await
    }

    async fn merge(&self, request: &MergeRequest) -> Result<Vec<bool>> {
        let request = request.clone();
        self.write("merge", move |tx| merge::merge(tx, &request)).await
    }
}

#[async_trait]
impl Retention for SqliteMetastore {
    async fn retain(&self, requests: &[RetainRequest]) -> Result<RetainReply> {
        let requests = requests.to_vec();
        self.write("retain", move |tx| retention::retain(tx, &requests))
            .await
    }

    async fn advance_log_start(&self, starts: &[(PartitionKey, i64)]) -> Result<Vec<Option<Head>>> {
        let starts = starts.to_vec();
        self.write("advance_log_start", move |tx| {
            retention::advance_log_start(tx, &starts)
        })
        .await
    }

    async fn drop_archived(&self, limit: usize) -> Result<u64> {
        self.write("drop_archived", move |tx| retention::drop_archived(tx, limit))
            .await
    }
}

#[async_trait]
impl Removals for SqliteMetastore {
    async fn unneeded(&self, grace_ms: i64, skip: usize, limit: usize) -> Result<Vec<ObjectId>> {
        self.read("unneeded", move |tx| removal::unneeded(tx, grace_ms, skip, limit))
            .await
    }

    async fn forget_objects(&self, objects: &[ObjectId]) -> Result<()> {
        let objects = objects.to_vec();
        self.write("forget_objects", move |tx| removal::forget(tx, &objects))
            .await
    }

    async fn topics_to_empty(&self, grace_ms: i64, limit: usize) -> Result<Vec<TopicUuid>> {
        self.read("topics_to_empty", move |tx| {
            removal::topics_to_empty(tx, grace_ms, limit)
        })
        .await
    }

    async fn topics_emptied(&self, topics: &[TopicUuid]) -> Result<()> {
        let topics = topics.to_vec();
        self.write("topics_emptied", move |tx| removal::topics_emptied(tx, &topics))
            .await
    }
}

#[async_trait]
impl Sweeps for SqliteMetastore {
    async fn orphans(&self, epoch: ClusterEpoch, segments: &[SegmentId]) -> Result<Vec<SegmentId>> {
        let segments = segments.to_vec();
        self.read("orphans", move |tx| sweep::orphans(tx, epoch, &segments))
            .await
    }

    async fn references(
        &self,
        epoch: ClusterEpoch,
        incarnations: &[IncarnationId],
        logs: &[LogId],
    ) -> Result<References> {
        let (incarnations, logs) = (incarnations.to_vec(), logs.to_vec());
        self.read("references", move |tx| {
            sweep::references(tx, epoch, &incarnations, &logs)
        })
        .await
    }

    async fn to_sweep(&self, limit: usize) -> Result<Vec<IncarnationId>> {
        self.read("to_sweep", move |tx| sweep::to_sweep(tx, limit)).await
    }

    async fn swept(&self, incarnations: &[IncarnationId]) -> Result<u64> {
        let incarnations = incarnations.to_vec();
        self.write("swept", move |tx| sweep::swept(tx, &incarnations))
            .await
    }
}

#[async_trait]
impl Coordinators for SqliteMetastore {
    async fn claim_shards(&self, incarnation: IncarnationId, wanted: &[ShardId]) -> Result<Vec<ShardOwner>> {
        let wanted = wanted.to_vec();
        self.write("claim_shards", move |tx| {
            coordinators::claim(tx, incarnation, &wanted)
        })
        .await
    }

    async fn release_shards(&self, incarnation: IncarnationId, leases: &[ShardLease]) -> Result<()> {
        let leases = leases.to_vec();
        self.write("release_shards", move |tx| {
            coordinators::release(tx, incarnation, &leases)
        })
        .await
    }
}

#[async_trait]
impl Groups for SqliteMetastore {
    async fn load_groups(
        &self,
        incarnation: IncarnationId,
        lease: ShardLease,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Option<Vec<StoredGroup>>> {
        let after = after.map(str::to_owned);
        self.read("load_groups", move |tx| {
            groups::load(tx, incarnation, lease, after.as_deref(), limit)
        })
        .await
    }

    async fn write_groups(&self, writes: &GroupWrites) -> Result<Vec<bool>> {
        let writes = writes.clone();
        self.write("write_groups", move |tx| group_writes::write(tx, &writes))
            .await
    }

    async fn committed_offsets(&self, requests: &[OffsetsRequest]) -> Result<Vec<CommittedOffsets>> {
        let requests = requests.to_vec();
        self.read("committed_offsets", move |tx| {
            requests
                .iter()
                .map(|request| groups::committed(tx, request))
                .collect()
        })
        .await
    }

    async fn expire_offsets(
        &self,
        incarnation: IncarnationId,
        lease: ShardLease,
        retention_ms: i64,
        limit: usize,
    ) -> Result<Option<Expired>> {
        self.write("expire_offsets", move |tx| {
            groups::expire(tx, incarnation, lease, retention_ms, limit)
        })
        .await
    }

    async fn old_offsets(
        &self,
        shard: ShardId,
        age_ms: i64,
        after: Option<&OffsetOf>,
        limit: usize,
    ) -> Result<Vec<OffsetOf>> {
        let after = after.cloned();
        self.read("old_offsets", move |tx| {
            groups::old(tx, shard, age_ms, after.as_ref(), limit)
        })
        .await
    }

    async fn forget_offsets(&self, forget: &ForgetOffsets) -> Result<bool> {
        let forget = forget.clone();
        self.write("forget_offsets", move |tx| group_writes::forget(tx, &forget))
            .await
    }
}

#[async_trait]
impl Clusters for SqliteMetastore {
    async fn cluster(&self) -> Result<Option<Cluster>> {
        self.read("cluster", cluster::cluster).await
    }

    async fn init_cluster(&self, id: &ClusterId) -> Result<Cluster> {
        let id = id.clone();
        self.write("init_cluster", move |tx| cluster::init(tx, &id)).await
    }

    async fn bucket_bound(&self) -> Result<()> {
        self.write("bucket_bound", cluster::bucket_bound).await
    }
}
