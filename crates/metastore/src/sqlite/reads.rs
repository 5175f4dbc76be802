//! Log heads and extents: below `archived_to` the archived ones, from there on the others.

use std::cmp::Reverse;

use esker_model::PartitionKey;
use rusqlite::{OptionalExtension, params};

use super::database::Transaction;
use super::extents::{archive_extents_sql, extent, extents_sql};
use super::merge;
use super::values::get_unsigned;
use crate::{Extent, Head, ManifestRef, Plan, PlanRequest, Result, TimeQuery, TimeReply, TimeRequest};

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
        manifest: None,
        extents: Vec::new(),
    };
    let Some(Head { archived_to, .. }) = plan.head else {
        return Ok(plan);
    };
    // The extents of a partition are contiguous, so the one that holds `from` is the last that
    // begins at or below it: two searches of the tree instead of a scan.
    let mut bytes = 0;
    let mut from = request.from;
    if from < archived_to {
        plan.manifest = listed(tx, request.partition, from)?;
        from = plan.manifest.map_or(from, |manifest| manifest.end_offset);
        let sql = archive_extents_sql!(
            "WHERE e.topic = ?1 AND e.partition = ?2 AND e.end_offset > ?3
               AND e.base_offset >= ifnull((SELECT max(base_offset) FROM archive_extent
                                            WHERE topic = ?1 AND partition = ?2 AND base_offset <= ?3), 0)
             ORDER BY e.base_offset"
        );
        collect(tx, sql, request, from, &mut plan.extents, &mut bytes)?;
    }
    let sql = extents_sql!(
        "WHERE e.topic = ?1 AND e.partition = ?2 AND e.end_offset > ?3
           AND e.base_offset >= ifnull((SELECT max(base_offset) FROM extent
                                        WHERE topic = ?1 AND partition = ?2 AND base_offset <= ?3), 0)
         ORDER BY e.base_offset"
    );
    let from = from.max(archived_to);
    collect(tx, sql, request, from, &mut plan.extents, &mut bytes)?;
    Ok(plan)
}

/// The manifest of a partition, if it lists records from an offset on.
pub(super) fn listed(tx: &Transaction<'_>, key: PartitionKey, from: i64) -> Result<Option<ManifestRef>> {
    let manifest = merge::manifest(tx, key)?.map(|row| row.manifest);
    Ok(manifest.filter(|manifest| manifest.reaches_beyond(from)))
}

/// Adds extents to a plan as far as its limits go.
fn collect(
    tx: &Transaction<'_>,
    sql: &str,
    request: &PlanRequest,
    from: i64,
    extents: &mut Vec<Extent>,
    bytes: &mut u64,
) -> Result<()> {
    let mut statement = tx.prepare_cached(sql)?;
    let mut rows = statement.query(params![
        request.partition.topic.0,
        request.partition.partition,
        from
    ])?;
    while extents.len() < request.extents_max
        && (*bytes < request.bytes_max || extents.is_empty())
        && let Some(row) = rows.next()?
    {
        let extent = extent(row)?;
        *bytes += extent.bytes;
        extents.push(extent);
    }
    Ok(())
}

pub(super) fn find_by_time(tx: &Transaction<'_>, requests: &[TimeRequest]) -> Result<Vec<TimeReply>> {
    requests.iter().map(|request| find_one(tx, request)).collect()
}

fn find_one(tx: &Transaction<'_>, request: &TimeRequest) -> Result<TimeReply> {
    let Some(HeadRow { head, .. }) = head(tx, request.partition)? else {
        return Ok(TimeReply {
            head: None,
            manifest: None,
            extent: None,
        });
    };
    let (archived, later) = match request.query {
        TimeQuery::AtOrAfter { .. } => (
            archive_extents_sql!(
                "WHERE e.topic = ?1 AND e.partition = ?2 AND e.end_offset > ?3 AND e.max_timestamp >= ?4
                 ORDER BY e.base_offset LIMIT 1"
            ),
            extents_sql!(
                "WHERE e.topic = ?1 AND e.partition = ?2 AND e.end_offset > ?3 AND e.max_timestamp >= ?4
                 ORDER BY e.base_offset LIMIT 1"
            ),
        ),
        TimeQuery::Max => (
            archive_extents_sql!(
                "WHERE e.topic = ?1 AND e.partition = ?2 AND e.end_offset > ?3 AND e.max_timestamp >= ?4
                 ORDER BY e.max_timestamp DESC, e.base_offset LIMIT 1"
            ),
            extents_sql!(
                "WHERE e.topic = ?1 AND e.partition = ?2 AND e.end_offset > ?3 AND e.max_timestamp >= ?4
                 ORDER BY e.max_timestamp DESC, e.base_offset LIMIT 1"
            ),
        ),
    };
    let (timestamp, from) = match request.query {
        TimeQuery::AtOrAfter { timestamp, from } => (timestamp, from.max(head.log_start)),
        TimeQuery::Max => (i64::MIN, head.log_start),
    };
    let first = |sql: &str, from: i64| -> Result<Option<Extent>> {
        let (topic, partition) = (request.partition.topic.0, request.partition.partition);
        tx.prepare_cached(sql)?
            .query_row(params![topic, partition, from, timestamp], |row| Ok(extent(row)))
            .optional()?
            .transpose()
    };
    let mut found = None;
    if from < head.archived_to {
        found = first(archived, from)?;
    }
    if found.is_none() || request.query == TimeQuery::Max {
        let other = first(later, from.max(head.archived_to))?;
        // Of equal ones the first.
        found = found
            .into_iter()
            .chain(other)
            .min_by_key(|extent| (Reverse(extent.max_timestamp), extent.base_offset));
    }
    Ok(TimeReply {
        head: Some(head),
        manifest: listed(tx, request.partition, from)?,
        extent: found,
    })
}

pub(super) fn stored_bytes(
    tx: &Transaction<'_>,
    partitions: &[PartitionKey],
    extents_max: usize,
) -> Result<Vec<Option<u64>>> {
    let one = |partition: &PartitionKey| stored_bytes_of(tx, *partition, extents_max);
    partitions.iter().map(one).collect()
}

/// Extents of one partition, added up.
#[derive(Default)]
struct Sum {
    extents: u64,
    bytes: u64,
    /// Where the first begins and the last ends.
    reach: Option<(i64, i64)>,
    records: i64,
}

fn stored_bytes_of(tx: &Transaction<'_>, key: PartitionKey, extents_max: usize) -> Result<Option<u64>> {
    let Some(HeadRow { head, .. }) = head(tx, key)? else {
        return Ok(None);
    };
    let row = merge::manifest(tx, key)?.filter(|row| row.manifest.reaches_beyond(0));
    let (listed_to, listed_bytes) = row.map_or((0, 0), |row| (row.manifest.end_offset, row.summary.bytes));
    let mut sum = Sum::default();
    // One more, to tell that there are more.
    let limit = i64::try_from(extents_max).unwrap_or(i64::MAX).saturating_add(1);
    sum.add(
        tx,
        "SELECT base_offset, end_offset, bytes FROM archive_extent
         WHERE topic = ?1 AND partition = ?2 AND end_offset > ?3 LIMIT ?4",
        (key, listed_to, limit),
    )?;
    sum.add(
        tx,
        "SELECT base_offset, end_offset, bytes FROM extent
         WHERE topic = ?1 AND partition = ?2 AND end_offset > ?3
           AND base_offset >= ifnull((SELECT max(base_offset) FROM extent
                                      WHERE topic = ?1 AND partition = ?2 AND base_offset <= ?3), 0) LIMIT ?4",
        (key, head.archived_to, limit),
    )?;
    if sum.extents > extents_max as u64 {
        return Ok(None);
    }
    let covered_to = listed_to.max(head.log_start);
    let whole = match sum.reach {
        None => covered_to >= head.next_offset,
        Some((first, end)) => first <= covered_to && end >= head.next_offset && sum.records == end - first,
    };
    Ok(whole.then_some(listed_bytes + sum.bytes))
}

impl Sum {
    fn add(
        &mut self,
        tx: &Transaction<'_>,
        extents: &str,
        (key, from, limit): (PartitionKey, i64, i64),
    ) -> Result<()> {
        let sql = format!(
            "SELECT count(*), ifnull(sum(bytes), 0), min(base_offset), max(end_offset),
                    ifnull(sum(end_offset - base_offset), 0) FROM ({extents})"
        );
        let mut statement = tx.prepare_cached(&sql)?;
        let mut rows = statement.query(params![key.topic.0, key.partition, from, limit])?;
        let Some(row) = rows.next()? else {
            return Ok(());
        };
        self.extents += get_unsigned(row, 0)?;
        self.bytes += get_unsigned(row, 1)?;
        self.records += row.get::<_, i64>(4)?;
        let reach = row.get::<_, Option<i64>>(2)?.zip(row.get(3)?);
        self.reach = match (self.reach, reach) {
            (Some(one), Some(other)) => Some((one.0.min(other.0), one.1.max(other.1))),
            (one, other) => one.or(other),
        };
        Ok(())
    }
}
