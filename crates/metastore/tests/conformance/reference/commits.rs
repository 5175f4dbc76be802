use async_trait::async_trait;
use esker_metastore::*;
use esker_model::sequence::{Offer, Outcome, Piece, Refusal, judge};
use esker_model::{IncarnationId, SegmentId, SegmentKind};

use super::{Reference, SegmentRow, State};

#[async_trait]
impl Commits for Reference {
    async fn commit(&self, request: CommitRequest) -> Result<CommitReply> {
        let now_ms = self.now_ms();
        let mut state = self.state();
        state.check_epoch(request.epoch)?;
        state.check_fence(request.incarnation)?;
        let key = |segment: &SegmentCommit| (request.incarnation, segment.seq);
        let settled_through = state.agents[&request.incarnation].settled_through;
        let is_settled = |segment: &SegmentCommit| {
            segment.seq <= settled_through || state.segments.contains_key(&key(segment))
        };
        if request.segments.iter().any(is_settled) {
            return Err(MetastoreError::AlreadySettled);
        }
        let mut segments = Vec::new();
        for segment in &request.segments {
            let id = SegmentId {
                kind: SegmentKind::Ingest,
                epoch: request.epoch,
                incarnation: request.incarnation,
                seq: segment.seq,
            };
            let append = |run| state.append(id, segment.object_bytes, run, now_ms);
            let reply = SegmentReply {
                seq: segment.seq,
                runs: segment.runs.iter().map(append).collect(),
            };
            let row = SegmentRow {
                object_bytes: segment.object_bytes,
                committed_ms: now_ms,
                reply: Some(reply.clone()),
                released_ms: None,
                kept_ms: 0,
                gone: false,
            };
            state.segments.insert(key(segment), row);
            segments.push(reply);
        }
        let agent = state.agents.get_mut(&request.incarnation).unwrap();
        agent.settled_through = agent.settled_through.max(request.settled_through);
        let runs = request.segments.iter().flat_map(|segment| &segment.runs);
        let mut touched: Vec<_> = runs.map(|run| run.partition).collect();
        touched.sort_unstable();
        touched.dedup();
        let heads = touched
            .into_iter()
            .filter_map(|key| Some((key, state.logs.get(&key)?.head())))
            .collect();
        Ok(CommitReply { segments, heads })
    }

    async fn settle(&self, incarnation: IncarnationId, seqs: &[u64]) -> Result<Vec<Settled>> {
        let now_ms = self.now_ms();
        let mut state = self.state();
        state.check_fence(incarnation)?;
        let tombstone = || SegmentRow {
            object_bytes: 0,
            committed_ms: now_ms,
            reply: None,
            released_ms: None,
            kept_ms: 0,
            gone: false,
        };
        let settle = |seq: &u64| {
            let row = state.segments.entry((incarnation, *seq));
            match &row.or_insert_with(tombstone).reply {
                None => Settled::Tombstoned,
                Some(reply) => Settled::Committed(reply.clone()),
            }
        };
        Ok(seqs.iter().map(settle).collect())
    }
}

impl State {
    fn append(&mut self, segment: SegmentId, object_bytes: u64, run: &RunCommit, now_ms: i64) -> Vec<Piece> {
        let whole = |outcome| {
            vec![Piece {
                first_batch: 0,
                batches: run.batches.len(),
                outcome,
            }]
        };
        let Some(log) = self.logs.get_mut(&run.partition) else {
            return whole(Outcome::Refused(Refusal::UnknownPartition));
        };
        let pieces = match run.producer {
            None => whole(Outcome::Appended {
                base_offset: log.next_offset,
            }),
            Some(producer) => {
                let batches: Vec<_> = run.batches.iter().map(|batch| batch.records).collect();
                let offer = Offer {
                    epoch: producer.epoch,
                    first: producer.first_sequence,
                    batches: &batches,
                    max_timestamp: run.max_timestamp,
                };
                let before = log.producers.get(&producer.id).cloned();
                let mut memory = before.clone().map(|(memory, _)| memory);
                let forgotten = producer.id.0 <= log.forgotten_through;
                let pieces = judge(&mut memory, forgotten, &offer, log.next_offset);
                if let Some(memory) = memory
                    && before.is_none_or(|(before, _)| before != memory)
                {
                    log.producers.insert(producer.id, (memory, now_ms));
                }
                pieces
            }
        };
        for piece in &pieces {
            let Outcome::Appended { base_offset } = piece.outcome else {
                continue;
            };
            let (peeled, rest) = run.batches.split_at(piece.first_batch);
            let appended = &rest[..piece.batches];
            log.next_offset += appended.iter().map(|batch| i64::from(batch.records)).sum::<i64>();
            log.extents.push(Extent {
                base_offset,
                end_offset: log.next_offset,
                segment,
                object_bytes,
                chunk: None,
                position: run.position + bytes(peeled),
                bytes: bytes(appended),
                max_timestamp: run.max_timestamp,
                producer: run.producer.map(|producer| (producer.id, producer.epoch)),
                transactional: run.transactional,
            });
        }
        pieces
    }
}

fn bytes(batches: &[RunBatch]) -> u64 {
    batches.iter().map(|batch| u64::from(batch.bytes)).sum()
}
