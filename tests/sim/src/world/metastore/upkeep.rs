//! What upkeep asks the metastore, as one process reaches it.

use async_trait::async_trait;
use esker_metastore::{
    ArchiveRequest, Archives, Extent, Head, JobReport, Jobs, KnownManifest, MergeCandidate, MergeDue,
    MergeRequest, Merges, References, Removals, Result, RetainReply, RetainRequest, Retention, Sweeps,
    ToMerge, UpkeepStatus, WaitingSegment,
};
use esker_model::{ClusterEpoch, IncarnationId, LogId, ObjectId, PartitionKey, SegmentId, TopicUuid};

use super::{Kind, ProcessMetastore};

#[async_trait]
impl Jobs for ProcessMetastore {
    async fn claim_job(&self, job: &str, incarnation: IncarnationId, lease_ms: i64) -> Result<bool> {
        let job = job.to_owned();
        self.call("claim_job", Kind::Writes, move |db| async move {
            db.claim_job(&job, incarnation, lease_ms).await
        })
        .await
    }

    async fn report_job(&self, job: &str, incarnation: IncarnationId, report: &JobReport) -> Result<()> {
        let job = job.to_owned();
        let report = report.to_owned();
        self.call("report_job", Kind::Writes, move |db| async move {
            db.report_job(&job, incarnation, &report).await
        })
        .await
    }

    async fn upkeep_status(&self) -> Result<UpkeepStatus> {
        self.call("upkeep_status", Kind::Reads, move |db| async move {
            db.upkeep_status().await
        })
        .await
    }
}

#[async_trait]
impl Archives for ProcessMetastore {
    async fn waiting_segments(&self, bytes_max: u64, segments_max: usize) -> Result<Vec<WaitingSegment>> {
        self.call("waiting_segments", Kind::Reads, move |db| async move {
            db.waiting_segments(bytes_max, segments_max).await
        })
        .await
    }

    async fn unarchived(&self, segments: &[SegmentId]) -> Result<Vec<(PartitionKey, Extent)>> {
        let segments = segments.to_owned();
        self.call("unarchived", Kind::Reads, move |db| async move {
            db.unarchived(&segments).await
        })
        .await
    }

    async fn archive(&self, request: &ArchiveRequest) -> Result<Vec<bool>> {
        let request = request.to_owned();
        self.call("archive", Kind::Writes, move |db| async move {
            db.archive(&request).await
        })
        .await
    }

    async fn release(&self, segments: &[SegmentId]) -> Result<Vec<bool>> {
        let segments = segments.to_owned();
        self.call("release", Kind::Writes, move |db| async move {
            db.release(&segments).await
        })
        .await
    }

    async fn empty_buckets(&self) -> Result<u64> {
        self.call("empty_buckets", Kind::Writes, move |db| async move {
            db.empty_buckets().await
        })
        .await
    }

    async fn mostly_dead(&self, bytes_min: u64, limit: usize) -> Result<Vec<SegmentId>> {
        self.call("mostly_dead", Kind::Reads, move |db| async move {
            db.mostly_dead(bytes_min, limit).await
        })
        .await
    }

    async fn archived_in(&self, segments: &[SegmentId]) -> Result<Vec<(PartitionKey, Extent)>> {
        let segments = segments.to_owned();
        self.call("archived_in", Kind::Reads, move |db| async move {
            db.archived_in(&segments).await
        })
        .await
    }

    async fn move_archived(&self, request: &ArchiveRequest) -> Result<Vec<bool>> {
        let request = request.to_owned();
        self.call("move_archived", Kind::Writes, move |db| async move {
            db.move_archived(&request).await
        })
        .await
    }
}

#[async_trait]
impl Merges for ProcessMetastore {
    async fn merge_candidates(
        &self,
        due: &MergeDue,
        after: Option<LogId>,
        limit: usize,
    ) -> Result<Vec<MergeCandidate>> {
        let due = due.to_owned();
        self.call("merge_candidates", Kind::Reads, move |db| async move {
            db.merge_candidates(&due, after, limit).await
        })
        .await
    }

    async fn to_merge(
        &self,
        partitions: &[PartitionKey],
        extents_max: usize,
    ) -> Result<Vec<Option<ToMerge>>> {
        let partitions = partitions.to_owned();
        self.call("to_merge", Kind::Reads, move |db| async move {
            db.to_merge(&partitions, extents_max).await
        })
        .await
    }

    async fn known_manifests(&self, partitions: &[PartitionKey]) -> Result<Vec<Option<KnownManifest>>> {
        let partitions = partitions.to_owned();
        self.call("known_manifests", Kind::Reads, move |db| async move {
            db.known_manifests(&partitions).await
        })
        .await
    }

    async fn merge(&self, request: &MergeRequest) -> Result<Vec<bool>> {
        let request = request.to_owned();
        self.call("merge", Kind::Writes, move |db| async move {
            db.merge(&request).await
        })
        .await
    }
}

#[async_trait]
impl Retention for ProcessMetastore {
    async fn retain(&self, requests: &[RetainRequest]) -> Result<RetainReply> {
        let requests = requests.to_owned();
        self.call("retain", Kind::Writes, move |db| async move {
            db.retain(&requests).await
        })
        .await
    }

    async fn advance_log_start(&self, starts: &[(PartitionKey, i64)]) -> Result<Vec<Option<Head>>> {
        let starts = starts.to_owned();
        self.call("advance_log_start", Kind::Writes, move |db| async move {
            db.advance_log_start(&starts).await
        })
        .await
    }

    async fn drop_archived(&self, limit: usize) -> Result<u64> {
        self.call("drop_archived", Kind::Writes, move |db| async move {
            db.drop_archived(limit).await
        })
        .await
    }
}

#[async_trait]
impl Removals for ProcessMetastore {
    async fn unneeded(&self, grace_ms: i64, skip: usize, limit: usize) -> Result<Vec<ObjectId>> {
        self.call("unneeded", Kind::Reads, move |db| async move {
            db.unneeded(grace_ms, skip, limit).await
        })
        .await
    }

    async fn forget_objects(&self, objects: &[ObjectId]) -> Result<()> {
        let objects = objects.to_owned();
        self.call("forget_objects", Kind::Writes, move |db| async move {
            db.forget_objects(&objects).await
        })
        .await
    }

    async fn topics_to_empty(&self, grace_ms: i64, limit: usize) -> Result<Vec<TopicUuid>> {
        self.call("topics_to_empty", Kind::Reads, move |db| async move {
            db.topics_to_empty(grace_ms, limit).await
        })
        .await
    }

    async fn topics_emptied(&self, topics: &[TopicUuid]) -> Result<()> {
        let topics = topics.to_owned();
        self.call("topics_emptied", Kind::Writes, move |db| async move {
            db.topics_emptied(&topics).await
        })
        .await
    }
}

#[async_trait]
impl Sweeps for ProcessMetastore {
    async fn orphans(&self, epoch: ClusterEpoch, segments: &[SegmentId]) -> Result<Vec<SegmentId>> {
        let segments = segments.to_owned();
        self.call("orphans", Kind::Reads, move |db| async move {
            db.orphans(epoch, &segments).await
        })
        .await
    }

    async fn references(
        &self,
        epoch: ClusterEpoch,
        incarnations: &[IncarnationId],
        logs: &[LogId],
    ) -> Result<References> {
        let incarnations = incarnations.to_owned();
        let logs = logs.to_owned();
        self.call("references", Kind::Reads, move |db| async move {
            db.references(epoch, &incarnations, &logs).await
        })
        .await
    }

    async fn to_sweep(&self, limit: usize) -> Result<Vec<IncarnationId>> {
        self.call("to_sweep", Kind::Reads, move |db| async move {
            db.to_sweep(limit).await
        })
        .await
    }

    async fn swept(&self, incarnations: &[IncarnationId]) -> Result<u64> {
        let incarnations = incarnations.to_owned();
        self.call("swept", Kind::Writes, move |db| async move {
            db.swept(&incarnations).await
        })
        .await
    }
}
