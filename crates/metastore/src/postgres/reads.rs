//! The read path: log heads and extents.

use async_trait::async_trait;
use esker_model::{PartitionKey, ProducerEpoch, ProducerId};
use sqlx::Row;
use sqlx::postgres::PgRow;

use super::error::Effect;
use super::{PostgresMetastore, objects};
use crate::{
    ChunkRange, Extent, Head, MetastoreError, Plan, PlanRequest, Reads, Result, TimeQuery, TimeReply,
    TimeRequest,
};

const HEADS: &str = "SELECT * FROM heads_v1($1, $2)";
const PLAN: &str = "SELECT * FROM plan_v3($1, $2, $3, $4, $5)";
const STORED_BYTES: &str = "SELECT * FROM stored_bytes_v1($1, $2, $3)";
const FIND_BY_TIME: &str = "SELECT * FROM find_by_time_v3($1, $2, $3, $4, $5)";

#[async_trait]
impl Reads for PostgresMetastore {
    async fn heads(&self, partitions: &[PartitionKey]) -> Result<Vec<Option<Head>>> {
        let keys = Keys::new(partitions.iter().copied());
        let query = || sqlx::query(HEADS).bind(&keys.topic).bind(&keys.partition);
        let rows = self
            .session
            .rows(&self.general, "heads", Effect::Reads, query)
            .await?;
        let mut heads = vec![None; partitions.len()];
        for row in &rows {
            *slot(&mut heads, row)? = Some(head(row)?);
        }
        Ok(heads)
    }

    async fn plan(&self, requests: &[PlanRequest]) -> Result<Vec<Plan>> {
        let keys = Keys::new(requests.iter().map(|request| request.partition));
        let from: Vec<i64> = requests.iter().map(|request| request.from).collect();
        let bytes_max: Vec<i64> = requests.iter().map(|request| limit(request.bytes_max)).collect();
        let extents_max: Vec<i64> = requests
            .iter()
            .map(|request| limit(request.extents_max as u64))
            .collect();
        let query = || {
            sqlx::query(PLAN)
                .bind(&keys.topic)
                .bind(&keys.partition)
                .bind(&from)
                .bind(&bytes_max)
                .bind(&extents_max)
        };
        let rows = self
            .session
            .rows(&self.general, "plan", Effect::Reads, query)
            .await?;
        let nothing = Plan {
            head: None,
            manifest: None,
            extents: Vec::new(),
        };
        let mut plans = vec![nothing; requests.len()];
        for row in &rows {
            let index = index(row, requests.len())?;
            let plan = &mut plans[index];
            if plan.head.is_none() {
                plan.head = Some(head(row)?);
                plan.manifest = objects::manifest(row, requests[index].partition.partition)?;
            }
            plan.extents.extend(extent(row)?);
        }
        Ok(plans)
    }

    async fn find_by_time(&self, requests: &[TimeRequest]) -> Result<Vec<TimeReply>> {
        let keys = Keys::new(requests.iter().map(|request| request.partition));
        let mut by_max = Vec::with_capacity(requests.len());
        let mut timestamps = Vec::with_capacity(requests.len());
        let mut offsets = Vec::with_capacity(requests.len());
        for request in requests {
            let (max, timestamp, from) = match request.query {
                TimeQuery::AtOrAfter { timestamp, from } => (false, timestamp, from),
                TimeQuery::Max => (true, -1, 0),
            };
            by_max.push(max);
            timestamps.push(timestamp);
            offsets.push(from);
        }
        let query = || {
            sqlx::query(FIND_BY_TIME)
                .bind(&keys.topic)
                .bind(&keys.partition)
                .bind(&by_max)
                .bind(&timestamps)
                .bind(&offsets)
        };
        let rows = self
            .session
            .rows(&self.general, "find_by_time", Effect::Reads, query)
            .await?;
        let nothing = TimeReply {
            head: None,
            manifest: None,
            extent: None,
        };
        let mut replies = vec![nothing; requests.len()];
        for row in &rows {
            let index = index(row, requests.len())?;
            replies[index] = TimeReply {
                head: Some(head(row)?),
                manifest: objects::manifest(row, requests[index].partition.partition)?,
                extent: extent(row)?,
            };
        }
        Ok(replies)
    }

    async fn stored_bytes(
        &self,
        partitions: &[PartitionKey],
        extents_max: usize,
    ) -> Result<Vec<Option<u64>>> {
        let keys = Keys::new(partitions.iter().copied());
        // One more is looked for.
        let extents_max = limit(extents_max as u64).min(i64::MAX - 1);
        let query = || {
            sqlx::query(STORED_BYTES)
                .bind(&keys.topic)
                .bind(&keys.partition)
                .bind(extents_max)
        };
        let rows = self
            .session
            .rows(&self.general, "stored_bytes", Effect::Reads, query)
            .await?;
        let mut sizes = vec![None; partitions.len()];
        for row in &rows {
            let bytes: Option<i64> = row.try_get("o_bytes")?;
            let bytes = bytes.map(|bytes| u64::try_from(bytes).map_err(|_| negative()));
            *slot(&mut sizes, row)? = bytes.transpose()?;
        }
        Ok(sizes)
    }
}

pub(super) struct Keys {
    pub(super) topic: Vec<i32>,
    pub(super) partition: Vec<i32>,
}

impl Keys {
    pub(super) fn new(keys: impl Iterator<Item = PartitionKey>) -> Self {
        let (topic, partition) = keys.map(|key| (key.topic.0, key.partition)).unzip();
        Self { topic, partition }
    }
}

/// A limit beyond what SQL can count is none.
pub(super) fn limit(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// The request that a row answers: the functions number them from 1.
pub(super) fn index(row: &PgRow, requests: usize) -> Result<usize> {
    let index: i64 = row.try_get("o_index")?;
    usize::try_from(index - 1)
        .ok()
        .filter(|index| *index < requests)
        .ok_or_else(|| MetastoreError::Corrupt(format!("a reply to request {index}, which was not sent")))
}

/// The reply that a row belongs to.
pub(super) fn slot<'a, T>(replies: &'a mut [T], row: &PgRow) -> Result<&'a mut T> {
    let index = index(row, replies.len())?;
    Ok(&mut replies[index])
}

pub(super) fn head(row: &PgRow) -> Result<Head> {
    Ok(Head {
        log_start: row.try_get("o_log_start")?,
        next_offset: row.try_get("o_next_offset")?,
        last_stable_offset: row.try_get("o_last_stable_offset")?,
        archived_to: row.try_get("o_archived_to")?,
    })
}

/// The extent of a row, in the columns of `plan_v3`.
pub(super) fn extent(row: &PgRow) -> Result<Option<Extent>> {
    let Some(base_offset) = row.try_get("o_base_offset")? else {
        return Ok(None);
    };
    let producer_id: Option<i64> = row.try_get("o_producer_id")?;
    let producer_epoch: Option<i16> = row.try_get("o_producer_epoch")?;
    Ok(Some(Extent {
        base_offset,
        end_offset: row.try_get("o_end_offset")?,
        segment: objects::segment(row, row.try_get("o_kind")?)?,
        object_bytes: unsigned(row, "o_object_bytes")?,
        chunk: chunk(row)?,
        position: unsigned(row, "o_position")?,
        bytes: unsigned(row, "o_bytes")?,
        max_timestamp: row.try_get("o_max_timestamp")?,
        producer: producer_id
            .zip(producer_epoch)
            .map(|(id, epoch)| (ProducerId(id), ProducerEpoch(epoch))),
        transactional: row.try_get("o_transactional")?,
    }))
}

/// Extents of several partitions.
pub(super) fn extents(rows: &[PgRow]) -> Result<Vec<(PartitionKey, Extent)>> {
    let mut extents = Vec::with_capacity(rows.len());
    for row in rows {
        let partition = objects::partition(row)?;
        extents.extend(extent(row)?.map(|extent| (partition, extent)));
    }
    Ok(extents)
}

fn chunk(row: &PgRow) -> Result<Option<ChunkRange>> {
    let Some(position) = row.try_get::<Option<i64>, _>("o_chunk_position")? else {
        return Ok(None);
    };
    let small = |column| -> Result<u32> { u32::try_from(unsigned(row, column)?).map_err(|_| negative()) };
    Ok(Some(ChunkRange {
        position: u64::try_from(position).map_err(|_| negative())?,
        bytes: small("o_chunk_bytes")?,
        crc: small("o_chunk_crc")?,
    }))
}

/// A number that is never negative.
pub(super) fn unsigned(row: &PgRow, column: &str) -> Result<u64> {
    u64::try_from(row.try_get::<i64, _>(column)?).map_err(|_| negative())
}

fn negative() -> MetastoreError {
    MetastoreError::Corrupt("an extent with a number that cannot be".to_owned())
}
