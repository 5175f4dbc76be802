//! Sealing: the taken batches become runs, the runs an object.
//!
//! Batches are grouped by partition and producer, in order of arrival within each; consecutive batches
//! whose sequences follow on each other make a run. The object's payload is the batches' own slices.
//! Its footer also carries the receipts of segments that were committed before it.

use std::sync::Arc;

use esker_metastore::{RunBatch, RunCommit, RunProducer};
use esker_model::limits::PRODUCE_AGE_MAX;
use esker_model::seams::Instant;
use esker_model::{PartitionKey, SegmentId, SegmentKind, sequence};
use esker_protocol::ErrorCode;
use esker_storage::segment::{self, Sealed, SegmentWriter};
use tokio::sync::oneshot;
use tracing::error;

use super::hot_segment::{Appended, BatchSlices, Verdict};
use super::traced::Traced;
use super::{Stages, ack};
use crate::errors;
use crate::topics::TopicState;
use crate::trace::Trace;

/// A segment on its way: everything but its bytes.
pub(super) struct SealedSegment {
    pub id: SegmentId,
    pub object_bytes: u64,
    /// Runs in the object. Those that may still be committed are in `runs`.
    pub run_count: usize,
    pub runs: Vec<SealedRun>,
    /// Number of the youngest batch in it.
    pub last_number: u64,
    /// What its traced requests will be told.
    pub traced: Traced,
}

/// A run and those who wait for it.
pub(super) struct SealedRun {
    /// Its place among the runs of the object.
    pub index: usize,
    pub commit: RunCommit,
    pub topic: Arc<TopicState>,
    pub batches: Vec<SealedBatch>,
}

/// A batch of a run.
pub(super) struct SealedBatch {
    pub number: u64,
    pub at: Instant,
    pub bytes: u32,
    pub append_time_ms: i64,
    /// That of its request, if it is traced.
    pub trace: Option<Arc<Trace>>,
    pub ticket: oneshot::Sender<Verdict>,
}

impl SealedRun {
    /// Number of its first batch.
    pub(super) fn first_number(&self) -> u64 {
        self.batches.first().map_or(0, |batch| batch.number)
    }

    /// When its oldest batch arrived.
    pub(super) fn oldest(&self) -> Option<Instant> {
        self.batches.iter().map(|batch| batch.at).min()
    }
}

/// Makes a segment of batches that were taken from the hot segment. `None` if none of them may be
/// committed any more: they have their answers.
pub(super) fn seal(stages: &Stages, seq: u64, taken: Vec<Appended>) -> Option<(SealedSegment, Sealed)> {
    let taken = without_old(stages, taken);
    let last_number = taken.iter().map(|appended| appended.number).max()?;
    let traced = Traced::sealed(stages.seams.clock.now(), &taken);
    let id = SegmentId {
        kind: SegmentKind::Ingest,
        epoch: stages.member.epoch(),
        incarnation: stages.member.incarnation(),
        seq,
    };
    let mut writer = SegmentWriter::new(id, stages.receipts.take(seq));
    let mut runs = Vec::new();
    for group in group(taken) {
        let (mut run, object) = group.into_run();
        match writer.push(object) {
            Ok(position) => {
                run.index = runs.len();
                run.commit.position = position.position;
                runs.push(run);
            }
            Err(err) => {
                error!(%err, "a run could not be written: its batches are refused");
                ack::fail_run(stages, run, errors::surely_not_written());
            }
        }
    }
    let object = writer.seal();
    stages
        .recent
        .insert(id, object.payload.clone(), object.object_bytes);
    let segment = SealedSegment {
        id,
        object_bytes: object.object_bytes,
        run_count: runs.len(),
        runs,
        last_number,
        traced,
    };
    Some((segment, object))
}

/// Answers everything in the hot segment: the incarnation has ended, nothing of it was uploaded.
pub(super) fn refuse_rest(stages: &Stages) {
    let rest = stages.hot.lock().take(u64::MAX);
    refuse(stages, rest, ErrorCode::NotLeaderOrFollower);
}

fn refuse(stages: &Stages, batches: Vec<Appended>, error: ErrorCode) {
    for group in group(batches) {
        ack::fail_run(stages, group.into_run().0, error);
    }
}

/// Batches that waited too long are refused before they cost an upload.
fn without_old(stages: &Stages, taken: Vec<Appended>) -> Vec<Appended> {
    let now = stages.seams.clock.now();
    let (old, fresh): (Vec<_>, Vec<_>) = taken
        .into_iter()
        .partition(|appended| now - appended.at > PRODUCE_AGE_MAX);
    refuse(stages, old, errors::surely_not_written());
    fresh
}

/// Batches that become one run.
struct Group {
    topic: Arc<TopicState>,
    partition: PartitionKey,
    producer: Option<RunProducer>,
    records: i64,
    batches: Vec<Appended>,
}

/// Sorts batches by partition and producer, keeping the order of arrival, and cuts them into runs.
fn group(mut taken: Vec<Appended>) -> Vec<Group> {
    taken.sort_by_key(|appended| {
        (
            appended.batch.partition,
            appended
                .batch
                .producer
                .map(|producer| (producer.id, producer.epoch)),
        )
    });
    let mut groups: Vec<Group> = Vec::new();
    for appended in taken {
        let records = i64::from(appended.batch.records);
        match groups.last_mut() {
            Some(last) if last.continues_with(&appended) => {
                last.records += records;
                last.batches.push(appended);
            }
            _ => groups.push(Group {
                topic: Arc::clone(&appended.batch.topic),
                partition: appended.batch.partition,
                producer: appended.batch.producer,
                records,
                batches: vec![appended],
            }),
        }
    }
    groups
}

impl Group {
    fn continues_with(&self, next: &Appended) -> bool {
        let records = self.records + i64::from(next.batch.records);
        if self.partition != next.batch.partition || records > i64::from(i32::MAX) {
            return false;
        }
        match (self.producer, next.batch.producer) {
            (None, None) => true,
            (Some(ours), Some(theirs)) => {
                ours.id == theirs.id
                    && ours.epoch == theirs.epoch
                    && sequence::advance(ours.first_sequence, self.records) == theirs.first_sequence
            }
            _ => false,
        }
    }

    /// The run for the commit (its position is not known yet), and the run for the object.
    fn into_run(self) -> (SealedRun, segment::Run) {
        let count = self.batches.len();
        let mut commit = RunCommit {
            partition: self.partition,
            producer: self.producer,
            position: 0,
            batches: Vec::with_capacity(count),
            max_timestamp: -1,
            transactional: false,
        };
        let mut object = Vec::with_capacity(count);
        let mut sealed = Vec::with_capacity(count);
        for Appended {
            batch,
            number,
            at,
            trace,
            ticket,
        } in self.batches
        {
            let bytes = batch.slices.bytes() as u32;
            commit.batches.push(RunBatch {
                records: batch.records,
                bytes,
            });
            commit.max_timestamp = commit.max_timestamp.max(batch.max_timestamp);
            object.push(stored(batch.records, batch.slices));
            sealed.push(SealedBatch {
                number,
                at,
                bytes,
                append_time_ms: batch.append_time_ms,
                trace,
                ticket,
            });
        }
        let topic = self.topic;
        let object = segment::Run {
            topic: topic.topic.uuid,
            partition: self.partition.partition,
            producer: self.producer.map(|producer| segment::RunProducer {
                id: producer.id,
                epoch: producer.epoch,
                first_sequence: producer.first_sequence,
            }),
            transactional: false,
            control: false,
            max_timestamp: commit.max_timestamp,
            batches: object,
        };
        (
            SealedRun {
                index: 0,
                commit,
                topic,
                batches: sealed,
            },
            object,
        )
    }
}

fn stored(records: i32, slices: BatchSlices) -> segment::Batch {
    match slices {
        BatchSlices::Whole(bytes) => segment::Batch::whole(records, bytes),
        BatchSlices::Stamped([header, rest]) => segment::Batch::rewritten(records, header, rest),
    }
}
