//! Log heads and extents.

use esker_model::{ClusterEpoch, PartitionKey, ProducerEpoch, ProducerId, SegmentId, SegmentKind};
use rusqlite::{OptionalExtension, Row, params};

use super::commit::is_transactional;
use super::database::Transaction;
use super::values::get_incarnation;
use crate::{Extent, Head, MetastoreError, Plan, PlanRequest, Result, TimeQuery, TimeReply, TimeRequest};

/// Selects extents with what [`extent`] needs of their segments.
macro_rules! extents_sql {
    ($condition:literal) => {
        concat!(
            "SELECT e.base_offset, e.end_offset, s.epoch, s.incarnation, s.seq, s.object_bytes,
                    e.position, e.bytes, e.max_timestamp, e.producer_id, e.producer_epoch, e.flags
             FROM extent e JOIN segment s ON s.id = e.segment ",
            $condition
        )
    };
}

/// A log head with what only the metastore needs of it.
pub(super) struct HeadRow {
    pub(super) head: Head,
    /// Producers up to this id may have been forgotten.
    pub(super) forgotten_through: i64,
    moved: bool,
}

impl HeadRow {
    pub(super) fn append(&mut self, records: i64) {
        self.head.next_offset += records;
        // Nothing opens transactions yet.
        self.head.last_stable_offset = self.head.next_offset;
        self.moved = true;
    }
}

pub(super) fn head(tx: &Transaction<'_>, partition: PartitionKey) -> Result<Option<HeadRow>> {
    let row = tx
        .prepare_cached(
            "SELECT log_start, next_offset, archived_to, forgotten_through FROM log_head
             WHERE topic = ?1 AND partition = ?2",
        )?
        .query_row(params![partition.topic.0, partition.partition], |row| {
            Ok(HeadRow {
                head: Head {
                    log_start: row.get(0)?,
                    next_offset: row.get(1)?,
                    last_stable_offset: row.get(1)?,
                    archived_to: row.get(2)?,
                },
                forgotten_through: row.get(3)?,
                moved: false,
            })
        })
        .optional()?;
    Ok(row)
}

/// Writes the head's new end, if it moved.
pub(super) fn save_next_offset(tx: &Transaction<'_>, key: PartitionKey, row: &HeadRow) -> Result<()> {
    if row.moved {
        tx.prepare_cached("UPDATE log_head SET next_offset = ?3 WHERE topic = ?1 AND partition = ?2")?
            .execute(params![key.topic.0, key.partition, row.head.next_offset])?;
    }
    Ok(())
}

pub(super) fn heads(tx: &Transaction<'_>, partitions: &[PartitionKey]) -> Result<Vec<Option<Head>>> {
    partitions
        .iter()
        .map(|partition| Ok(head(tx, *partition)?.map(|row| row.head)))
        .collect()
}

pub(super) fn plan(tx: &Transaction<'_>, requests: &[PlanRequest]) -> Result<Vec<Plan>> {
    requests.iter().map(|request| plan_one(tx, request)).collect()
}

fn plan_one(tx: &Transaction<'_>, request: &PlanRequest) -> Result<Plan> {
    let mut plan = Plan {
        head: head(tx, request.partition)?.map(|row| row.head),
        extents: Vec::new(),
    };
    if plan.head.is_none() {
        return Ok(plan);
    }
    let mut statement = tx.prepare_cached(extents_sql!(
        // The extents of a partition are contiguous, so the one that holds `from` is the last that
        // begins at or below it: two searches of the tree instead of a scan.
        "WHERE e.topic = ?1 AND e.partition = ?2 AND e.end_offset > ?3
           AND e.base_offset >= ifnull((SELECT max(base_offset) FROM extent
                                        WHERE topic = ?1 AND partition = ?2 AND base_offset <= ?3), 0)
         ORDER BY e.base_offset"
    ))?;
    let mut rows = statement.query(params![
        request.partition.topic.0,
        request.partition.partition,
        request.from
    ])?;
    let mut bytes = 0;
    while plan.extents.len() < request.extents_max
        && (bytes < request.bytes_max || plan.extents.is_empty())
        && let Some(row) = rows.next()?
    {
        let extent = extent(row)?;
        bytes += extent.bytes;
        plan.extents.push(extent);
    }
    Ok(plan)
}

pub(super) fn find_by_time(tx: &Transaction<'_>, requests: &[TimeRequest]) -> Result<Vec<TimeReply>> {
    requests.iter().map(|request| find_one(tx, request)).collect()
}

fn find_one(tx: &Transaction<'_>, request: &TimeRequest) -> Result<TimeReply> {
    let Some(HeadRow { head, .. }) = head(tx, request.partition)? else {
        return Ok(TimeReply {
            head: None,
            extent: None,
        });
    };
    let (topic, partition) = (request.partition.topic.0, request.partition.partition);
    let found = match request.query {
        TimeQuery::AtOrAfter { timestamp, from } => tx
            .prepare_cached(extents_sql!(
                "WHERE e.topic = ?1 AND e.partition = ?2 AND e.end_offset > ?3 AND e.max_timestamp >= ?4
                 ORDER BY e.base_offset LIMIT 1"
            ))?
            .query_row(
                params![topic, partition, from.max(head.log_start), timestamp],
                |row| Ok(extent(row)),
            )
            .optional()?,
        TimeQuery::Max => tx
            .prepare_cached(extents_sql!(
                "WHERE e.topic = ?1 AND e.partition = ?2 AND e.end_offset > ?3
                 ORDER BY e.max_timestamp DESC, e.base_offset LIMIT 1"
            ))?
            .query_row(params![topic, partition, head.log_start], |row| Ok(extent(row)))
            .optional()?,
    };
    Ok(TimeReply {
        head: Some(head),
        extent: found.transpose()?,
    })
}

fn extent(row: &Row<'_>) -> Result<Extent> {
    let unsigned = |column| -> Result<u64> {
        u64::try_from(row.get::<_, i64>(column)?)
            .map_err(|_| MetastoreError::Corrupt("an extent with a negative number".to_owned()))
    };
    let producer: (Option<i64>, Option<i16>) = (row.get(9)?, row.get(10)?);
    Ok(Extent {
        base_offset: row.get(0)?,
        end_offset: row.get(1)?,
        segment: SegmentId {
            kind: SegmentKind::Ingest,
            epoch: ClusterEpoch(row.get(2)?),
            incarnation: get_incarnation(row, 3)?,
            seq: unsigned(4)?,
        },
        object_bytes: unsigned(5)?,
        chunk: None,
        position: unsigned(6)?,
        bytes: unsigned(7)?,
        max_timestamp: row.get(8)?,
        producer: producer
            .0
            .zip(producer.1)
            .map(|(id, epoch)| (ProducerId(id), ProducerEpoch(epoch))),
        transactional: is_transactional(row.get(11)?),
    })
}
