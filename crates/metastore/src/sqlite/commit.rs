//! The group commit: judge the runs of all segments in order, give offsets, record extents and replies.
//!
//! Everything is judged in memory on what the transaction read, then written: a call that is refused as
//! a whole (epoch, fence, settled segment) was refused before the first write.

use std::collections::BTreeMap;

use esker_model::planted::{Mistake, planted};
use esker_model::sequence::{Memory, Offer, Outcome, Piece, Refusal, judge};
use esker_model::{PartitionKey, ProducerId};
use rusqlite::params;

use super::database::Transaction;
use super::reads::{self, HeadRow};
use super::values::{incarnation, int};
use super::{agents, cluster, codec, memory};
use crate::{CommitReply, CommitRequest, MetastoreError, Result, RunCommit, SegmentCommit, SegmentReply};

/// Extents are emptied in buckets of one hour of commits.
const BUCKET_MS: i64 = 3_600_000;

/// `segment.state` and `archive_segment.state`. Statements that a partial index serves spell them out.
pub(super) const LIVE: i64 = 1;
pub(super) const TOMBSTONE: i64 = 2;
pub(super) const RELEASED: i64 = 3;
/// Released, and its object is gone; its incarnation has not settled it.
pub(super) const GONE: i64 = 4;

const FLAG_TRANSACTIONAL: i64 = 1;

pub(super) fn commit(tx: &Transaction<'_>, request: &CommitRequest) -> Result<CommitReply> {
    cluster::check_epoch(tx, request.epoch)?;
    agents::take_fence(tx, request.incarnation)?;
    refuse_settled(tx, request)?;

    let mut state = State::load(tx, request)?;
    let mut segments = Vec::with_capacity(request.segments.len());
    for segment in &request.segments {
        segments.push(commit_segment(tx, request, segment, &mut state)?);
    }
    state.save(tx)?;
    note_settled(tx, request)?;
    Ok(CommitReply {
        segments,
        heads: state
            .heads
            .into_iter()
            .map(|(key, row)| (key, row.head))
            .collect(),
    })
}

fn refuse_settled(tx: &Transaction<'_>, request: &CommitRequest) -> Result<()> {
    // What was settled long ago may have no row any more.
    let mut find = tx.prepare_cached(
        "SELECT 1 FROM segment WHERE incarnation = ?1 AND seq = ?2
         UNION ALL
         SELECT 1 FROM agent WHERE incarnation = ?1 AND settled_through >= ?2",
    )?;
    let mut previous = None;
    for segment in &request.segments {
        // Ascending by contract. Of a seq that comes twice, the second is settled by the first.
        if planted(Mistake::CommitAgain) || planted(Mistake::ReuseSegmentKey) {
            continue;
        }
        if previous >= Some(segment.seq)
            || find.exists(params![incarnation(&request.incarnation), int(segment.seq)?])?
        {
            return Err(MetastoreError::AlreadySettled);
        }
        previous = Some(segment.seq);
    }
    Ok(())
}

/// What the runs of a call are judged against, and what it leaves.
struct State {
    /// Partitions that exist.
    heads: BTreeMap<PartitionKey, HeadRow>,
    producers: BTreeMap<(PartitionKey, ProducerId), Producer>,
}

struct Producer {
    memory: Option<Memory>,
    changed: bool,
}

impl State {
    fn load(tx: &Transaction<'_>, request: &CommitRequest) -> Result<Self> {
        let mut heads = BTreeMap::new();
        let mut producers = BTreeMap::new();
        for run in request.segments.iter().flat_map(|segment| &segment.runs) {
            if let std::collections::btree_map::Entry::Vacant(entry) = heads.entry(run.partition) {
                entry.insert(reads::head(tx, run.partition)?);
            }
            if let Some(producer) = run.producer {
                let key = (run.partition, producer.id);
                if let std::collections::btree_map::Entry::Vacant(entry) = producers.entry(key) {
                    entry.insert(Producer {
                        memory: memory::load(tx, run.partition, producer.id)?,
                        changed: false,
                    });
                }
            }
        }
        Ok(Self {
            heads: heads
                .into_iter()
                .filter_map(|(key, head)| Some((key, head?)))
                .collect(),
            producers,
        })
    }

    /// Judges one run and moves the head over what was appended.
    fn judge(&mut self, run: &RunCommit) -> Vec<Piece> {
        let whole = |outcome| {
            let batches = run.batches.len();
            let piece = Piece {
                first_batch: 0,
                batches,
                outcome,
            };
            if batches == 0 { vec![] } else { vec![piece] }
        };
        let Some(row) = self.heads.get_mut(&run.partition) else {
            return whole(Outcome::Refused(Refusal::UnknownPartition));
        };
        let next_offset = row.head.next_offset;
        let producer = run
            .producer
            .and_then(|producer| Some((producer, self.producers.get_mut(&(run.partition, producer.id))?)));
        let pieces = match producer {
            None => whole(Outcome::Appended {
                base_offset: next_offset,
            }),
            Some((producer, known)) => {
                let records: Vec<i32> = run.batches.iter().map(|batch| batch.records).collect();
                let offer = Offer {
                    epoch: producer.epoch,
                    first: producer.first_sequence,
                    batches: &records,
                    max_timestamp: run.max_timestamp,
                };
                let before = known.memory.clone();
                let forgotten = producer.id.0 <= row.forgotten_through;
                let pieces = judge(&mut known.memory, forgotten, &offer, next_offset);
                known.changed |= known.memory != before;
                pieces
            }
        };
        for piece in &pieces {
            if let Outcome::Appended { .. } = piece.outcome {
                row.append(records(run, piece));
            }
        }
        pieces
    }

    fn save(&self, tx: &Transaction<'_>) -> Result<()> {
        for (key, row) in &self.heads {
            reads::save_next_offset(tx, *key, row)?;
        }
        for ((partition, producer), known) in &self.producers {
            if let (true, Some(known)) = (known.changed, &known.memory) {
                memory::save(tx, *partition, *producer, known)?;
            }
        }
        Ok(())
    }
}

fn records(run: &RunCommit, piece: &Piece) -> i64 {
    let batches = run.batches.iter().skip(piece.first_batch).take(piece.batches);
    batches.map(|batch| i64::from(batch.records)).sum()
}

fn commit_segment(
    tx: &Transaction<'_>,
    request: &CommitRequest,
    segment: &SegmentCommit,
    state: &mut State,
) -> Result<SegmentReply> {
    let runs: Vec<_> = segment.runs.iter().map(|run| state.judge(run)).collect();
    tx.prepare_cached(
        if planted(Mistake::CommitAgain) || planted(Mistake::ReuseSegmentKey) {
            "INSERT OR REPLACE INTO segment (incarnation, seq, epoch, state, object_bytes, reply, committed_ms)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)"
        } else {
            "INSERT INTO segment (incarnation, seq, epoch, state, object_bytes, reply, committed_ms)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)"
        },
    )?
    .execute(params![
        incarnation(&request.incarnation),
        int(segment.seq)?,
        request.epoch.0,
        LIVE,
        int(segment.object_bytes)?,
        codec::encode_reply(&runs),
        tx.now_ms,
    ])?;
    let row = tx.last_insert_rowid();
    for (run, pieces) in segment.runs.iter().zip(&runs) {
        for piece in pieces {
            if let Outcome::Appended { base_offset } = piece.outcome {
                insert_extent(tx, row, run, piece, base_offset)?;
            }
        }
    }
    Ok(SegmentReply {
        seq: segment.seq,
        runs,
    })
}

fn insert_extent(
    tx: &Transaction<'_>,
    segment: i64,
    run: &RunCommit,
    piece: &Piece,
    base_offset: i64,
) -> Result<()> {
    let bytes = |batches: &[crate::RunBatch]| batches.iter().map(|batch| u64::from(batch.bytes)).sum::<u64>();
    // The batches before the piece were peeled off as duplicates; their bytes lie before it.
    let (peeled, rest) = run.batches.split_at(piece.first_batch);
    let flags = if run.transactional { FLAG_TRANSACTIONAL } else { 0 };
    tx.prepare_cached(
        "INSERT INTO extent (topic, partition, base_offset, end_offset, segment, position, bytes,
                             max_timestamp, producer_id, producer_epoch, flags, bucket)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
    )?
    .execute(params![
        run.partition.topic.0,
        run.partition.partition,
        base_offset,
        base_offset + records(run, piece),
        segment,
        int(run.position + bytes(peeled))?,
        int(bytes(&rest[..piece.batches]))?,
        run.max_timestamp,
        run.producer.map(|producer| producer.id.0),
        run.producer.map(|producer| producer.epoch.0),
        flags,
        tx.now_ms.div_euclid(BUCKET_MS),
    ])?;
    Ok(())
}

fn note_settled(tx: &Transaction<'_>, request: &CommitRequest) -> Result<()> {
    tx.prepare_cached(
        "UPDATE agent SET settled_through = ?2 WHERE incarnation = ?1 AND settled_through < ?2",
    )?
    .execute(params![
        incarnation(&request.incarnation),
        int(request.settled_through)?
    ])?;
    Ok(())
}

/// Reads the extents' `flags`.
pub(super) fn is_transactional(flags: i64) -> bool {
    flags & FLAG_TRANSACTIONAL != 0
}
