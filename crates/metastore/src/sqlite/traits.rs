//! The traits, each method one call of the executor and one transaction.

use async_trait::async_trait;
use esker_model::{ClusterId, IncarnationId, PartitionKey, SegmentId, TopicUuid};

use super::database::{Database, Transaction};
use super::{
    SqliteMetastore, agents, archive, cluster, commit, memory, producers, reads, release, retention, settle,
    topics,
};
use crate::{
    Agents, ArchiveRequest, Archives, Catalog, Cluster, Clusters, CommitReply, CommitRequest, Commits,
    ConfigChange, CreatePartitionsRefusal, CreateTopicRefusal, Extent, Head, Heartbeat, NewPartitions,
    NewTopic, Plan, PlanRequest, Producers, Reads, Registered, Registration, Result, RetainRequest,
    Retention, Settled, TimeReply, TimeRequest, Topic, Topics, WaitingSegment,
};

impl SqliteMetastore {
    async fn write<T: Send + 'static>(
        &self,
        method: &'static str,
        work: impl FnOnce(&Transaction<'_>) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        self.metrics.count(method);
        self.executor
            .run(move |database: &mut Database| database.write(work))
            .await
    }

    async fn read<T: Send + 'static>(
        &self,
        method: &'static str,
        work: impl FnOnce(&Transaction<'_>) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        self.metrics.count(method);
        self.executor
            .run(move |database: &mut Database| database.read(work))
            .await
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

    async fn alter_configs(&self, changes: &[ConfigChange]) -> Result<Vec<Option<Topic>>> {
        let changes = changes.to_vec();
        self.write("alter_configs", move |tx| {
            changes
                .iter()
                .map(|change| topics::alter_configs(tx, change))
                .collect()
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

    async fn leave(&self, incarnation: IncarnationId) -> Result<()> {
        self.write("leave", move |tx| agents::leave(tx, incarnation))
            .await
    }
}

#[async_trait]
impl Archives for SqliteMetastore {
    async fn claim_job(&self, job: &str, incarnation: IncarnationId, lease_ms: i64) -> Result<bool> {
        let job = job.to_owned();
        self.write("claim_job", move |tx| {
            archive::claim_job(tx, &job, incarnation, lease_ms)
        })
        .await
    }

    async fn waiting_segments(&self, bytes_max: u64, segments_max: usize) -> Result<Vec<WaitingSegment>> {
        self.read("waiting_segments", move |tx| {
            archive::waiting_segments(tx, bytes_max, segments_max)
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

    async fn unneeded(&self, grace_ms: i64, limit: usize) -> Result<Vec<SegmentId>> {
        self.read("unneeded", move |tx| release::unneeded(tx, grace_ms, limit))
            .await
    }

    async fn forget_segments(&self, segments: &[SegmentId]) -> Result<()> {
        let segments = segments.to_vec();
        self.write("forget_segments", move |tx| {
            release::forget_segments(tx, &segments)
        })
        .await
    }

    async fn empty_buckets(&self) -> Result<u64> {
        // `archive` leaves nothing in them.
        Ok(0)
    }
}

#[async_trait]
impl Retention for SqliteMetastore {
    async fn retain(&self, requests: &[RetainRequest]) -> Result<Vec<(PartitionKey, Head)>> {
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
