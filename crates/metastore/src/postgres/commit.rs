//! The write path: a commit request laid out as the flat arrays that `commit_v1` takes.

use std::collections::BTreeMap;

use async_trait::async_trait;
use esker_model::{IncarnationId, PartitionKey};
use sqlx::Row;

use super::error::Effect;
use super::past::Past;
use super::session::PgQuery;
use super::{PostgresMetastore, reply};
use crate::{CommitReply, CommitRequest, Commits, MetastoreError, Result, RunCommit, Settled};

const COMMIT: &str = "SELECT * FROM commit_v1($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14,
     $15, $16, $17, $18, $19, $20, $21, $22, $23, $24, $25, $26)";

/// From this many records on, sequences may go round their circle within one call and what is
/// remembered: every run is then judged batch by batch.
const RECORDS_CAREFUL: i64 = 1 << 30;

#[async_trait]
impl Commits for PostgresMetastore {
    async fn commit(&self, request: CommitRequest) -> Result<CommitReply> {
        let layout = Layout::new(&request)?;
        match self.send_commit(&request, &layout).await {
            Err(MetastoreError::DifferentPast { .. }) if self.learn_accepted_past().await? => {
                self.send_commit(&request, &layout).await
            }
            result => result,
        }
    }

    async fn settle(&self, incarnation: IncarnationId, seqs: &[u64]) -> Result<Vec<Settled>> {
        let numbers = seqs.iter().copied().map(int).collect::<Result<Vec<_>>>()?;
        let query = || {
            sqlx::query("SELECT o_seq, o_state, o_reply FROM settle_v1($1, $2)")
                .bind(incarnation.0)
                .bind(&numbers)
        };
        let rows = self
            .session
            .rows(&self.commits, "settle", Effect::Writes, query)
            .await?;
        let mut settled = BTreeMap::new();
        for row in &rows {
            settled.insert(row.try_get::<i64, _>(0)?, reply::settled(row)?);
        }
        numbers
            .iter()
            .map(|number| {
                settled.get(number).cloned().ok_or_else(|| {
                    MetastoreError::Corrupt(format!("segment {number} has no row after settling"))
                })
            })
            .collect()
    }
}

impl PostgresMetastore {
    async fn send_commit(&self, request: &CommitRequest, layout: &Layout) -> Result<CommitReply> {
        let past = self.expected_past();
        let settled_through = int(request.settled_through)?;
        let query = || layout.bind(request, past, settled_through);
        let row = self
            .session
            .row(&self.commits, "commit", Effect::Writes, query)
            .await
            .map_err(|error| with_epoch(error, request.epoch.0))?;
        reply::commit(&row, request, &layout.heads)
    }
}

/// The error as the caller of an epoch sees it.
pub(super) fn with_epoch(error: MetastoreError, expected: i32) -> MetastoreError {
    match error {
        MetastoreError::WrongEpoch { found, .. } => MetastoreError::WrongEpoch { expected, found },
        other => other,
    }
}

fn int(number: u64) -> Result<i64> {
    i64::try_from(number).map_err(|_| MetastoreError::Corrupt(format!("{number} is no segment's number")))
}

/// The arrays of one call. Heads ascend by key; pairs ascend by head and producer.
#[derive(Default)]
struct Layout {
    heads: Vec<PartitionKey>,
    topic: Vec<i32>,
    partition: Vec<i32>,
    pair_head: Vec<i32>,
    pair_producer: Vec<i64>,
    seq: Vec<i64>,
    object_bytes: Vec<i64>,
    segment_runs: Vec<i32>,
    run_head: Vec<i32>,
    run_pair: Vec<i32>,
    run_epoch: Vec<i32>,
    run_first: Vec<i64>,
    run_records: Vec<i64>,
    run_bytes: Vec<i64>,
    run_position: Vec<i64>,
    run_max_timestamp: Vec<i64>,
    run_transactional: Vec<bool>,
    run_batch: Vec<i32>,
    run_batches: Vec<i32>,
    batch_records: Vec<i32>,
    batch_bytes: Vec<i64>,
    careful: bool,
}

impl Layout {
    fn new(request: &CommitRequest) -> Result<Self> {
        let mut layout = Self::default();
        let runs = || request.segments.iter().flat_map(|segment| &segment.runs);

        let mut heads: BTreeMap<PartitionKey, i32> = runs().map(|run| (run.partition, 0)).collect();
        for (index, (key, head)) in heads.iter_mut().enumerate() {
            *head = index as i32 + 1;
            layout.heads.push(*key);
            layout.topic.push(key.topic.0);
            layout.partition.push(key.partition);
        }
        let mut pairs: BTreeMap<(i32, i64), i32> = runs()
            .filter_map(|run| Some(((heads[&run.partition], run.producer?.id.0), 0)))
            .collect();
        for (index, ((head, producer), pair)) in pairs.iter_mut().enumerate() {
            *pair = index as i32 + 1;
            layout.pair_head.push(*head);
            layout.pair_producer.push(*producer);
        }

        for segment in &request.segments {
            layout.seq.push(int(segment.seq)?);
            layout.object_bytes.push(int(segment.object_bytes)?);
            layout.segment_runs.push(segment.runs.len() as i32);
            for run in &segment.runs {
                let head = heads[&run.partition];
                let pair = run.producer.map_or(0, |producer| pairs[&(head, producer.id.0)]);
                layout.push_run(run, head, pair)?;
            }
        }
        layout.careful = layout.run_records.iter().sum::<i64>() >= RECORDS_CAREFUL;
        Ok(layout)
    }

    fn push_run(&mut self, run: &RunCommit, head: i32, pair: i32) -> Result<()> {
        self.run_head.push(head);
        self.run_pair.push(pair);
        self.run_epoch
            .push(run.producer.map_or(-1, |producer| i32::from(producer.epoch.0)));
        self.run_first.push(
            run.producer
                .map_or(-1, |producer| i64::from(producer.first_sequence)),
        );
        let records = run.batches.iter().map(|batch| i64::from(batch.records));
        self.run_records.push(records.sum());
        let bytes = run.batches.iter().map(|batch| i64::from(batch.bytes));
        self.run_bytes.push(bytes.sum());
        self.run_position.push(int(run.position)?);
        self.run_max_timestamp.push(run.max_timestamp);
        self.run_transactional.push(run.transactional);
        self.run_batch.push(self.batch_records.len() as i32);
        self.run_batches.push(run.batches.len() as i32);
        for batch in &run.batches {
            self.batch_records.push(batch.records);
            self.batch_bytes.push(i64::from(batch.bytes));
        }
        Ok(())
    }

    fn bind<'q>(&'q self, request: &'q CommitRequest, past: Past, settled_through: i64) -> PgQuery<'q> {
        sqlx::query(COMMIT)
            .bind(request.epoch.0)
            .bind(past.system)
            .bind(past.timeline)
            .bind(request.incarnation.0)
            .bind(settled_through)
            .bind(&self.seq)
            .bind(&self.object_bytes)
            .bind(&self.segment_runs)
            .bind(&self.topic)
            .bind(&self.partition)
            .bind(&self.pair_head)
            .bind(&self.pair_producer)
            .bind(&self.run_head)
            .bind(&self.run_pair)
            .bind(&self.run_epoch)
            .bind(&self.run_first)
            .bind(&self.run_records)
            .bind(&self.run_bytes)
            .bind(&self.run_position)
            .bind(&self.run_max_timestamp)
            .bind(&self.run_transactional)
            .bind(&self.run_batch)
            .bind(&self.run_batches)
            .bind(&self.batch_records)
            .bind(&self.batch_bytes)
            .bind(self.careful)
    }
}
