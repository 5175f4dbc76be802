//! What upkeep asks the metastore, as one process reaches it.

use std::future::Future;
use std::sync::Arc;

use async_trait::async_trait;
use esker_history::What;
use esker_metastore::sqlite::SqliteMetastore;
use esker_metastore::{
    ArchiveRequest, Archives, Extent, Head, JobReport, Jobs, KnownManifest, MergeCandidate, MergeDue,
    MergeRequest, Merges, References, Removals, Result, RetainReply, RetainRequest, Retention, Sweeps,
    ToMerge, UpkeepStatus, WaitingSegment,
};
use esker_model::{ClusterEpoch, IncarnationId, LogId, ObjectId, PartitionKey, SegmentId, TopicUuid};

use super::{Kind, ProcessMetastore};
use crate::world::World;
use crate::world::tally::Step;

/// The latest that a call takes effect whose caller has lost the connection: it may have waited in a pooler first, across
/// its agent's fencing and a sweep.
const LATE_STEP_MAX_MS: u64 = 30_000;

/// The calls that make something refer to what upkeep wrote, and how long an agent stands still before one: its leases may
/// pass to others meanwhile.
const REGISTERS: [&str; 3] = ["archive", "move_archived", "merge"];
const STILL_MS: (u64, u64) = (5_000, 100_000);

impl ProcessMetastore {
    /// A call that is part of upkeep.
    async fn step<T, F, E>(&self, what: &'static str, kind: Kind, effect: E) -> Result<T>
    where
        T: Send + 'static,
        F: Future<Output = Result<T>> + Send,
        E: FnOnce(Arc<SqliteMetastore>) -> F + Send + 'static,
    {
        let step = Step::begin(&self.world, &self.process, what);
        if REGISTERS.contains(&what) {
            self.stand_still().await;
        }
        let answer = self.call_late(what, kind, LATE_STEP_MAX_MS, effect).await;
        step.end();
        answer
    }

    /// The process may stand still here for a while.
    async fn stand_still(&self) {
        let chance = self.world.weather.read().metastore.stands_still;
        if !self.world.chance(chance) {
            return;
        }
        let time = self.world.between_ms(STILL_MS.0, STILL_MS.1);
        self.world.tally.count("paused", "before a registration", 1);
        self.world.record.note(What::Fault {
            what: format!("{} stands still for {time:?}", self.who),
        });
        self.process.pause();
        let process = Arc::clone(&self.process);
        tokio::task::spawn(async move {
            tokio::time::sleep(time).await;
            process.resume();
        });
        tokio::task::yield_now().await;
    }
}

/// What was accepted of a request.
fn took<'a, T>(asked: &'a [T], accepted: &'a [bool]) -> impl Iterator<Item = &'a T> + Clone {
    let both = asked.iter().zip(accepted);
    both.filter_map(|(one, accepted)| accepted.then_some(one))
}

fn count_refused(world: &World, group: &'static str, accepted: &[bool]) {
    let refused = accepted.iter().filter(|accepted| !**accepted);
    world
        .tally
        .count(group, "partitions refused", refused.count() as u64);
}

#[async_trait]
impl Jobs for ProcessMetastore {
    async fn claim_job(
        &self,
        job: &str,
        incarnation: IncarnationId,
        lease_ms: i64,
        every_ms: i64,
    ) -> Result<bool> {
        let job = job.to_owned();
        let shared = self.world.weather.read().metastore.shared_lease;
        let shares = self.world.chance(shared);
        let world = Arc::clone(&self.world);
        self.call("claim_job", Kind::Writes, move |db| async move {
            let ours = db.claim_job(&job, incarnation, lease_ms, every_ms).await?;
            world.tally.count("leases", "shared", u64::from(shares && !ours));
            Ok(ours || shares)
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
        let job = job.to_owned();
        let report = report.to_owned();
        self.call("report_job", Kind::Writes, move |db| async move {
            db.report_job(&job, incarnation, &report, done).await
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
    async fn waiting_segments(
        &self,
        skip: usize,
        bytes_max: u64,
        segments_max: usize,
    ) -> Result<Vec<WaitingSegment>> {
        self.step("waiting_segments", Kind::Reads, move |db| async move {
            db.waiting_segments(skip, bytes_max, segments_max).await
        })
        .await
    }

    async fn unarchived(&self, segments: &[SegmentId]) -> Result<Vec<(PartitionKey, Extent)>> {
        let segments = segments.to_owned();
        self.step("unarchived", Kind::Reads, move |db| async move {
            db.unarchived(&segments).await
        })
        .await
    }

    async fn archive(&self, request: &ArchiveRequest) -> Result<Vec<bool>> {
        let request = request.to_owned();
        let world = Arc::clone(&self.world);
        self.step("archive", Kind::Writes, move |db| async move {
            let accepted = db.archive(&request).await?;
            let extents = took(&request.partitions, &accepted).flat_map(|one| &one.extents);
            let holes = extents.clone().filter(|extent| extent.chunk.is_none());
            world.tally.count("archived", "holes", holes.count() as u64);
            world
                .tally
                .count("archived", "extents", extents.clone().count() as u64);
            world.refers_to_extents(extents);
            count_refused(&world, "archived", &accepted);
            Ok(accepted)
        })
        .await
    }

    async fn registered(&self, segments: &[SegmentId]) -> Result<Vec<bool>> {
        let segments = segments.to_owned();
        self.step("registered", Kind::Reads, move |db| async move {
            db.registered(&segments).await
        })
        .await
    }

    async fn release(&self, segments: &[SegmentId]) -> Result<Vec<bool>> {
        let segments = segments.to_owned();
        self.step("release", Kind::Writes, move |db| async move {
            db.release(&segments).await
        })
        .await
    }

    async fn empty_buckets(&self) -> Result<u64> {
        self.step("empty_buckets", Kind::Writes, move |db| async move {
            db.empty_buckets().await
        })
        .await
    }

    async fn mostly_dead(&self, bytes_min: u64, limit: usize) -> Result<Vec<SegmentId>> {
        self.step("mostly_dead", Kind::Reads, move |db| async move {
            db.mostly_dead(bytes_min, limit).await
        })
        .await
    }

    async fn archived_in(&self, segments: &[SegmentId]) -> Result<Vec<(PartitionKey, Extent)>> {
        let segments = segments.to_owned();
        self.step("archived_in", Kind::Reads, move |db| async move {
            db.archived_in(&segments).await
        })
        .await
    }

    async fn move_archived(&self, request: &ArchiveRequest) -> Result<Vec<bool>> {
        let request = request.to_owned();
        let world = Arc::clone(&self.world);
        self.step("move_archived", Kind::Writes, move |db| async move {
            let accepted = db.move_archived(&request).await?;
            let extents = took(&request.partitions, &accepted).flat_map(|one| &one.extents);
            world
                .tally
                .count("moved", "extents", extents.clone().count() as u64);
            world.refers_to_extents(extents);
            count_refused(&world, "moved", &accepted);
            Ok(accepted)
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
        self.step("merge_candidates", Kind::Reads, move |db| async move {
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
        self.step("to_merge", Kind::Reads, move |db| async move {
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
        let world = Arc::clone(&self.world);
        self.step("merge", Kind::Writes, move |db| async move {
            let accepted = db.merge(&request).await?;
            for merged in took(&request.partitions, &accepted) {
                world.refers_to_manifest(merged.manifest).await;
                world.tally.count("merged", "holes", merged.lost.len() as u64);
            }
            count_refused(&world, "merged", &accepted);
            Ok(accepted)
        })
        .await
    }
}

#[async_trait]
impl Retention for ProcessMetastore {
    async fn retain(&self, requests: &[RetainRequest]) -> Result<RetainReply> {
        let requests = requests.to_owned();
        self.step("retain", Kind::Writes, move |db| async move {
            db.retain(&requests).await
        })
        .await
    }

    async fn advance_log_start(&self, starts: &[(PartitionKey, i64)]) -> Result<Vec<Option<Head>>> {
        let starts = starts.to_owned();
        self.step("advance_log_start", Kind::Writes, move |db| async move {
            db.advance_log_start(&starts).await
        })
        .await
    }

    async fn drop_archived(&self, limit: usize) -> Result<u64> {
        self.step("drop_archived", Kind::Writes, move |db| async move {
            db.drop_archived(limit).await
        })
        .await
    }
}

#[async_trait]
impl Removals for ProcessMetastore {
    async fn unneeded(&self, grace_ms: i64, skip: usize, limit: usize) -> Result<Vec<ObjectId>> {
        self.step("unneeded", Kind::Reads, move |db| async move {
            db.unneeded(grace_ms, skip, limit).await
        })
        .await
    }

    async fn forget_objects(&self, objects: &[ObjectId]) -> Result<()> {
        let objects = objects.to_owned();
        self.step("forget_objects", Kind::Writes, move |db| async move {
            db.forget_objects(&objects).await
        })
        .await
    }

    async fn topics_to_empty(&self, grace_ms: i64, limit: usize) -> Result<Vec<TopicUuid>> {
        self.step("topics_to_empty", Kind::Reads, move |db| async move {
            db.topics_to_empty(grace_ms, limit).await
        })
        .await
    }

    async fn topics_emptied(&self, topics: &[TopicUuid]) -> Result<()> {
        let topics = topics.to_owned();
        self.step("topics_emptied", Kind::Writes, move |db| async move {
            db.topics_emptied(&topics).await
        })
        .await
    }
}

#[async_trait]
impl Sweeps for ProcessMetastore {
    async fn orphans(&self, epoch: ClusterEpoch, segments: &[SegmentId]) -> Result<Vec<SegmentId>> {
        let segments = segments.to_owned();
        let world = Arc::clone(&self.world);
        self.step("orphans", Kind::Reads, move |db| async move {
            let orphans = db.orphans(epoch, &segments).await?;
            let found = orphans.len() as u64;
            world.tally.count("swept", "objects of many partitions", found);
            Ok(orphans)
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
        self.step("references", Kind::Reads, move |db| async move {
            db.references(epoch, &incarnations, &logs).await
        })
        .await
    }

    async fn to_sweep(&self, limit: usize) -> Result<Vec<IncarnationId>> {
        self.step("to_sweep", Kind::Reads, move |db| async move {
            db.to_sweep(limit).await
        })
        .await
    }

    async fn swept(&self, incarnations: &[IncarnationId]) -> Result<u64> {
        let incarnations = incarnations.to_owned();
        self.step("swept", Kind::Writes, move |db| async move {
            db.swept(&incarnations).await
        })
        .await
    }
}
