//! The last stage: the epoch gate, then visibility, then the answers.
//!
//! New offsets become visible to readers before their producer hears of them, and neither happens unless
//! the gate is open after the commit. If it stays closed, the outcome is as unknown to the producers as
//! a lost reply: readers learn of the offsets when the gate opens again.

use std::collections::BTreeMap;

use esker_metastore::{Extent, Head, SegmentReply};
use esker_model::PartitionKey;
use esker_model::limits::PRODUCE_AGE_MAX;
use esker_model::planted::{Mistake, planted};
use esker_model::sequence::{Outcome, Piece};
use esker_protocol::ErrorCode;

use super::Stages;
use super::hot_segment::{Placed, Verdict};
use super::seal::{SealedBatch, SealedRun, SealedSegment};
use crate::errors;
use crate::metrics::TraceLabels;

/// Passes on what the metastore gave some segments. `heads` are those the commit left; empty if the reply
/// was read back later: they may tell of later commits, of other agents too, so they are read before the
/// gate.
pub(super) async fn acknowledge(
    stages: &Stages,
    segments: Vec<SealedSegment>,
    replies: Vec<SegmentReply>,
    heads: Vec<(PartitionKey, Head)>,
) {
    for (segment, reply) in segments.iter().zip(&replies) {
        stages.receipts.committed(segment, reply);
    }
    let heads = if heads.is_empty() {
        read_heads(stages, &segments).await
    } else {
        heads.into_iter().collect()
    };
    if !planted(Mistake::SkipEpochGate) && stages.gate.pass(PRODUCE_AGE_MAX).await.is_err() {
        for segment in segments {
            fail(stages, segment, errors::outcome_unknown());
        }
        return;
    }
    publish(stages, &segments, &replies, &heads);
    for (segment, reply) in segments.into_iter().zip(replies) {
        segment.traced.tell(stages.seams.clock.now(), &segment);
        for (run, pieces) in segment.runs.into_iter().zip(reply.runs) {
            let log_start = heads.get(&run.commit.partition).map_or(-1, |head| head.log_start);
            answer_run(stages, run, &pieces, log_start);
        }
    }
}

/// The planted mistake: promises offsets that the batches will probably get.
pub(super) fn promise(stages: &Stages, segments: &mut [SealedSegment]) {
    for run in segments.iter_mut().flat_map(|segment| &mut segment.runs) {
        let known = stages.hot_index.head(run.commit.partition);
        let mut offset = known.map_or(0, |(head, _)| head.next_offset);
        for (batch, records) in run.batches.iter_mut().zip(&run.commit.batches) {
            let (ticket, _) = tokio::sync::oneshot::channel();
            let placed = Placed {
                base_offset: offset,
                append_time_ms: batch.append_time_ms,
                log_start: -1,
            };
            let _ = std::mem::replace(&mut batch.ticket, ticket).send(Ok(placed));
            offset += i64::from(records.records);
        }
    }
}

/// Answers all of a segment's batches with an error; what its producers sent behind them fails as well.
pub(super) fn fail(stages: &Stages, segment: SealedSegment, error: ErrorCode) {
    stages.recent.remove(&segment.id);
    segment.traced.tell(stages.seams.clock.now(), &segment);
    for run in segment.runs {
        fail_run(stages, run, error);
    }
}

/// Answers a run's batches with an error; what its producer sent behind them fails as well.
pub(super) fn fail_run(stages: &Stages, run: SealedRun, error: ErrorCode) {
    remember_failure(stages, &run);
    resolve(stages, run.batches.into_iter().map(|batch| (batch, Err(error))));
}

fn remember_failure(stages: &Stages, run: &SealedRun) {
    if let Some(producer) = run.commit.producer
        && !planted(Mistake::SuccessorsGoOn)
    {
        stages
            .failures
            .fail(run.commit.partition, producer.id, stages.hot.lock().last_number());
    }
}

async fn read_heads(stages: &Stages, segments: &[SealedSegment]) -> BTreeMap<PartitionKey, Head> {
    let mut partitions: Vec<_> = segments
        .iter()
        .flat_map(|segment| segment.runs.iter().map(|run| run.commit.partition))
        .collect();
    partitions.sort_unstable();
    partitions.dedup();
    if partitions.is_empty() {
        return BTreeMap::new();
    }
    // Without heads the producers are answered all the same; readers find the offsets by asking.
    let heads = stages.metastore.heads(&partitions).await.unwrap_or_default();
    partitions
        .into_iter()
        .zip(heads)
        .filter_map(|(partition, head)| Some((partition, head?)))
        .collect()
}

fn publish(
    stages: &Stages,
    segments: &[SealedSegment],
    replies: &[SegmentReply],
    heads: &BTreeMap<PartitionKey, Head>,
) {
    let mut extents: BTreeMap<PartitionKey, Vec<Extent>> = BTreeMap::new();
    for (segment, reply) in segments.iter().zip(replies) {
        for (run, pieces) in segment.runs.iter().zip(&reply.runs) {
            for piece in pieces {
                if let Outcome::Appended { base_offset } = piece.outcome {
                    let extent = extent(segment, run, piece, base_offset);
                    extents.entry(run.commit.partition).or_default().push(extent);
                }
            }
        }
    }
    for (partition, mut extents) in extents {
        extents.sort_unstable_by_key(|extent| extent.base_offset);
        if let Some(head) = heads.get(&partition) {
            stages.hot_index.publish(partition, &extents, *head);
        }
    }
}

fn extent(segment: &SealedSegment, run: &SealedRun, piece: &Piece, base_offset: i64) -> Extent {
    let bytes_of =
        |batches: &[esker_metastore::RunBatch]| batches.iter().map(|batch| u64::from(batch.bytes)).sum();
    let (peeled, rest) = run.commit.batches.split_at(piece.first_batch);
    let appended = &rest[..piece.batches];
    let skipped: u64 = bytes_of(peeled);
    Extent {
        base_offset,
        end_offset: base_offset + appended.iter().map(|batch| i64::from(batch.records)).sum::<i64>(),
        segment: segment.id,
        object_bytes: segment.object_bytes,
        chunk: None,
        position: run.commit.position + skipped,
        bytes: bytes_of(appended),
        max_timestamp: run.commit.max_timestamp,
        producer: run.commit.producer.map(|producer| (producer.id, producer.epoch)),
        transactional: run.commit.transactional,
    }
}

fn answer_run(stages: &Stages, run: SealedRun, pieces: &[Piece], log_start: i64) {
    if pieces
        .iter()
        .any(|piece| matches!(piece.outcome, Outcome::Refused(_)))
    {
        remember_failure(stages, &run);
    }
    let records: Vec<i32> = run.commit.batches.iter().map(|batch| batch.records).collect();
    let mut verdicts: Vec<Verdict> = vec![Err(errors::outcome_unknown()); run.batches.len()];
    let mut appended_bytes = 0;
    for piece in pieces {
        let mut offset = match piece.outcome {
            Outcome::Appended { base_offset } | Outcome::Duplicate { base_offset, .. } => base_offset,
            Outcome::OldDuplicate | Outcome::Refused(_) => -1,
        };
        for index in piece.first_batch..piece.first_batch + piece.batches {
            let Some(batch) = run.batches.get(index) else {
                break;
            };
            verdicts[index] = match piece.outcome {
                Outcome::Refused(refusal) => Err(errors::of_refusal(refusal)),
                Outcome::OldDuplicate => Err(errors::offset_not_remembered()),
                Outcome::Appended { .. } => {
                    appended_bytes += u64::from(batch.bytes);
                    Ok(Placed {
                        base_offset: offset,
                        append_time_ms: batch.append_time_ms,
                        log_start,
                    })
                }
                Outcome::Duplicate { max_timestamp, .. } => Ok(Placed {
                    base_offset: offset,
                    append_time_ms: max_timestamp,
                    log_start,
                }),
            };
            offset += i64::from(records[index]);
        }
    }
    run.topic.meter.produced(appended_bytes);
    resolve(stages, run.batches.into_iter().zip(verdicts));
}

fn resolve(stages: &Stages, answers: impl Iterator<Item = (SealedBatch, Verdict)>) {
    let now = stages.seams.clock.now();
    let mut resolved = 0;
    for (batch, verdict) in answers {
        if verdict.is_ok() {
            let exemplar = batch.trace.as_deref().map(TraceLabels::of);
            let took = (now - batch.at).as_secs_f64();
            stages.metrics.ack_seconds.observe(took, exemplar, None);
        }
        // Nobody listens any more if the client went away or did not wait.
        let _ = batch.ticket.send(verdict);
        resolved += 1;
    }
    stages.resolved(resolved);
}
