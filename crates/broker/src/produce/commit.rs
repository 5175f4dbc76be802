//! The commit stage: one call to the metastore at a time, in seal order, with all segments that are ready.
//!
//! What it does about each outcome:
//! - *committed*: the reply goes to [`super::ack`];
//! - *surely without effect*: the same segments are offered again, until their runs are too old;
//! - *unknown*: the segments are settled, again and again until the metastore answers. A tombstone means
//!   that they never will be committed; a stored reply is acknowledged as if it had just come;
//! - *upload gave up*: settled the same way, because the object may land yet;
//! - *fenced*: nothing is changed any more, by anybody of this incarnation. Runs that were surely not
//!   committed move their clients away; those whose outcome is unknown say so.
//!
//! A run is left out of a call, and so never committed, when it is older than the produce limit or when
//! an earlier run of its producer failed.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use esker_metastore::{CommitReply, CommitRequest, MetastoreError, SegmentCommit, Settled};
use esker_model::limits::{COMMIT_RUNS_MAX, COMMIT_SEGMENTS_MAX, PRODUCE_AGE_MAX};
use esker_model::planted::{Mistake, planted};
use esker_model::seams::Instant;
use esker_protocol::ErrorCode;
use tokio::sync::mpsc;
use tracing::{error, info, warn};

use super::flush::Sealing;
use super::seal::SealedSegment;
use super::upload::Uploaded;
use super::{SEALED_MAX, Stages, ack};
use crate::errors;
use crate::membership::StopReason;

/// First and longest wait before a call is repeated.
const RETRY_FIRST: Duration = Duration::from_millis(20);
const RETRY_LONGEST: Duration = Duration::from_secs(2);

/// Ends the incarnation when the commit stage ends, which it never does first unless it or the flush
/// stage panicked. An agent that takes batches and can commit none must not go on.
struct EndsIncarnation<'a>(&'a Stages);

impl Drop for EndsIncarnation<'_> {
    fn drop(&mut self) {
        if self.0.member.stopped().is_none() {
            error!("a stage of the write path failed: this incarnation stops");
            self.0.member.stop(StopReason::Fenced);
        }
    }
}

/// Commits until the incarnation ends; then answers what is left.
pub(super) async fn run(stages: Arc<Stages>, mut queue: mpsc::Receiver<Sealing>) {
    let _ends = EndsIncarnation(&stages);
    let mut waiting = VecDeque::with_capacity(SEALED_MAX);
    while let Some(group) = next_group(&stages, &mut waiting, &mut queue).await {
        let last_number = group.last_number();
        match group {
            Group::Uploaded(segments) => {
                segments
                    .iter()
                    .for_each(|segment| stages.receipts.landed(segment.id.seq));
                match segments.iter().find_map(|segment| segment.traced.first()) {
                    None => commit(&stages, segments).await,
                    Some(trace) => trace.within(Box::pin(commit(&stages, segments))).await,
                }
            }
            Group::GaveUp(segment) => {
                stages.receipts.lost(segment.id.seq);
                if planted(Mistake::GiveUpWithoutTombstone) {
                    ack::fail(&stages, segment, errors::surely_not_written());
                } else {
                    settle(&stages, vec![segment]).await;
                }
            }
            Group::Conflict(segment) => {
                error!(segment = %segment.id, "the segment's key holds other bytes: this incarnation stops");
                ack::fail(&stages, segment, errors::surely_not_written());
                stages.member.stop(StopReason::Fenced);
            }
        }
        stages.failures.passed(last_number);
    }
    queue.close();
    for sealing in waiting {
        ack::fail(&stages, sealing.segment, ErrorCode::NotLeaderOrFollower);
    }
    // A segment that is just being sealed has its place already, and comes yet.
    while let Some(sealing) = queue.recv().await {
        ack::fail(&stages, sealing.segment, ErrorCode::NotLeaderOrFollower);
    }
}

/// What the commit stage does next.
enum Group {
    Uploaded(Vec<SealedSegment>),
    GaveUp(SealedSegment),
    Conflict(SealedSegment),
}

impl Group {
    fn last_number(&self) -> u64 {
        match self {
            Self::Uploaded(segments) => segments
                .iter()
                .map(|segment| segment.last_number)
                .max()
                .unwrap_or(0),
            Self::GaveUp(segment) | Self::Conflict(segment) => segment.last_number,
        }
    }
}

/// The next segments in seal order whose uploads have ended: as many as are ready, within the limits of
/// a call. `None` when the incarnation ends.
async fn next_group(
    stages: &Stages,
    waiting: &mut VecDeque<Sealing>,
    queue: &mut mpsc::Receiver<Sealing>,
) -> Option<Group> {
    if waiting.is_empty() {
        let sealing = tokio::select! {
            biased;
            _ = stages.member.until_stopped() => return None,
            sealing = queue.recv() => sealing?,
        };
        waiting.push_back(sealing);
    }
    if planted(Mistake::CommitOutOfOrder) {
        while let Ok(sealing) = queue.try_recv() {
            waiting.push_back(sealing);
        }
        // The youngest is the smallest, as a rule, and soonest in the bucket.
        waiting.make_contiguous().reverse();
    }
    let uploaded = tokio::select! {
        biased;
        _ = stages.member.until_stopped() => return None,
        // A task that vanished left the object's fate open.
        uploaded = &mut waiting.front_mut()?.upload => uploaded,
    };
    let (uploaded, at) = uploaded.unwrap_or_else(|_| (Uploaded::GaveUp, stages.seams.clock.now()));
    let mut first = waiting.pop_front()?.segment;
    first.traced.uploaded(at);
    match uploaded {
        Uploaded::Done => {}
        Uploaded::GaveUp => return Some(Group::GaveUp(first)),
        Uploaded::Conflict => return Some(Group::Conflict(first)),
    }
    let mut runs = first.runs.len();
    let mut segments = vec![first];
    while segments.len() < COMMIT_SEGMENTS_MAX && runs < COMMIT_RUNS_MAX {
        if waiting.is_empty() {
            match queue.try_recv() {
                Ok(sealing) => waiting.push_back(sealing),
                Err(_) => break,
            }
        }
        let Some(next) = waiting.front_mut() else { break };
        match next.upload.try_recv() {
            Ok((Uploaded::Done, at)) => next.segment.traced.uploaded(at),
            Ok(ended) => {
                // It keeps its place: what it ended with is found again on the next turn.
                next.upload = ended_already(ended);
                break;
            }
            Err(_) => break,
        }
        let Some(next) = waiting.pop_front() else { break };
        runs += next.segment.runs.len();
        segments.push(next.segment);
    }
    Some(Group::Uploaded(segments))
}

fn ended_already(ended: (Uploaded, Instant)) -> tokio::sync::oneshot::Receiver<(Uploaded, Instant)> {
    let (sender, receiver) = tokio::sync::oneshot::channel();
    let _ = sender.send(ended);
    receiver
}

/// Offers segments to the metastore until it says yes or no.
async fn commit(stages: &Stages, mut segments: Vec<SealedSegment>) {
    let mut retry = Retry::default();
    loop {
        drop_failed_and_old(stages, &mut segments);
        if planted(Mistake::AckBeforeCommit) {
            ack::promise(stages, &mut segments);
        }
        let began = stages.seams.clock.now();
        let outcome = stages.metastore.commit(request(stages, &segments)).await;
        let ended = stages.seams.clock.now();
        stages
            .metrics
            .commit_seconds
            .observe((ended - began).as_secs_f64());
        for segment in &mut segments {
            segment.traced.committed(began, ended);
        }
        match outcome {
            Ok(CommitReply {
                segments: replies,
                heads,
            }) => {
                retry.succeeded("commits");
                return ack::acknowledge(stages, segments, replies, heads).await;
            }
            Err(MetastoreError::UnknownOutcome(_)) if planted(Mistake::CommitAgain) => {}
            Err(MetastoreError::UnknownOutcome(_) | MetastoreError::AlreadySettled) => {
                return settle(stages, segments).await;
            }
            Err(MetastoreError::Fenced) => {
                stages.member.stop(StopReason::Fenced);
                return fail_all(stages, segments, ErrorCode::NotLeaderOrFollower);
            }
            Err(MetastoreError::WrongEpoch { found, .. }) => {
                stages.member.stop(StopReason::HigherEpoch { found });
                return fail_all(stages, segments, ErrorCode::NotLeaderOrFollower);
            }
            Err(err) => {
                if retry.wait(stages, "commit", &err).await.is_err() {
                    return fail_all(stages, segments, ErrorCode::NotLeaderOrFollower);
                }
            }
        }
    }
}

/// Finds out what became of segments, once and for all.
async fn settle(stages: &Stages, segments: Vec<SealedSegment>) {
    let seqs: Vec<u64> = segments.iter().map(|segment| segment.id.seq).collect();
    let mut retry = Retry::default();
    let settled = loop {
        match stages.metastore.settle(stages.member.incarnation(), &seqs).await {
            Ok(settled) => break settled,
            Err(MetastoreError::Fenced) => {
                stages.member.stop(StopReason::Fenced);
                return fail_all(stages, segments, errors::outcome_unknown());
            }
            Err(err) => {
                if retry.wait(stages, "settle", &err).await.is_err() {
                    return fail_all(stages, segments, errors::outcome_unknown());
                }
            }
        }
    };
    retry.succeeded("settles");
    for (segment, settled) in segments.into_iter().zip(settled) {
        match settled {
            Settled::Tombstoned => {
                stages.receipts.settled(segment.id.seq);
                ack::fail(stages, segment, errors::surely_not_written());
            }
            Settled::Committed(reply) => {
                ack::acknowledge(stages, vec![segment], vec![reply], Vec::new()).await
            }
        }
    }
}

fn fail_all(stages: &Stages, segments: Vec<SealedSegment>, error: ErrorCode) {
    for segment in segments {
        ack::fail(stages, segment, error);
    }
}

/// Answers runs that must not be committed any more, and takes them out of their segments.
fn drop_failed_and_old(stages: &Stages, segments: &mut [SealedSegment]) {
    let now = stages.seams.clock.now();
    for segment in segments {
        let mut kept = Vec::with_capacity(segment.runs.len());
        for run in std::mem::take(&mut segment.runs) {
            let too_old = run.oldest().is_some_and(|oldest| now - oldest > PRODUCE_AGE_MAX);
            let failed = run.commit.producer.is_some_and(|producer| {
                stages
                    .failures
                    .has_failed(run.commit.partition, producer.id, run.first_number())
            });
            if too_old || failed {
                ack::fail_run(stages, run, errors::surely_not_written());
            } else {
                kept.push(run);
            }
        }
        segment.runs = kept;
    }
}

fn request(stages: &Stages, segments: &[SealedSegment]) -> CommitRequest {
    CommitRequest {
        epoch: stages.member.epoch(),
        incarnation: stages.member.incarnation(),
        settled_through: stages.receipts.settled_through(),
        segments: segments
            .iter()
            .map(|segment| SegmentCommit {
                seq: segment.id.seq,
                object_bytes: segment.object_bytes,
                runs: segment.runs.iter().map(|run| run.commit.clone()).collect(),
            })
            .collect(),
    }
}

/// Waits between repeated calls: longer each time, with jitter; says so once.
#[derive(Default)]
struct Retry {
    failures: u32,
}

/// The incarnation ended meanwhile.
struct Stopped;

impl Retry {
    async fn wait(&mut self, stages: &Stages, what: &str, err: &MetastoreError) -> Result<(), Stopped> {
        if self.failures == 0 {
            warn!(%err, "{what} failed: trying again");
        }
        let delay = RETRY_FIRST
            .saturating_mul(1 << self.failures.min(10))
            .min(RETRY_LONGEST);
        self.failures += 1;
        tokio::select! {
            biased;
            _ = stages.member.until_stopped() => Err(Stopped),
            () = tokio::time::sleep(stages.seams.rng.jitter(delay)) => Ok(()),
        }
    }

    fn succeeded(&self, what: &str) {
        if self.failures > 0 {
            info!(failures = self.failures, "{what} work again");
        }
    }
}
