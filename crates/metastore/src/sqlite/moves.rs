//! Archive segments that are mostly dead, and extents that move out of them.
//!
//! What holds: the extents of a partition cover the same offsets before and after.

use std::collections::BTreeSet;

use esker_model::{PartitionKey, SegmentId, SegmentKind};
use rusqlite::params;

use super::archive::register_segment;
use super::database::Transaction;
use super::extents::{self, archive_extents_sql};
use super::values::{get_epoch, get_incarnation, get_unsigned, incarnation, int};
use super::{agents, cluster, reads, release};
use crate::{ArchiveRequest, ArchivedPartition, Extent, Result, ends_meet};

pub(super) fn mostly_dead(tx: &Transaction<'_>, bytes_min: u64, limit: usize) -> Result<Vec<SegmentId>> {
    let mut statement = tx.prepare_cached(
        "SELECT s.epoch, s.incarnation, s.seq FROM archive_segment s
         WHERE s.state = 1 AND s.object_bytes >= ?1
           AND 4 * (SELECT ifnull(sum(e.bytes), 0) FROM archive_extent e
                    WHERE e.incarnation = s.incarnation AND e.seq = s.seq AND e.kind = 1) < s.object_bytes
         ORDER BY s.incarnation, s.seq LIMIT ?2",
    )?;
    let mut rows = statement.query(params![int(bytes_min)?, i64::try_from(limit).unwrap_or(i64::MAX)])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(SegmentId {
            kind: SegmentKind::Archive,
            epoch: get_epoch(row, 0)?,
            incarnation: get_incarnation(row, 1)?,
            seq: get_unsigned(row, 2)?,
        });
    }
    Ok(found)
}

pub(super) fn archived_in(
    tx: &Transaction<'_>,
    segments: &[SegmentId],
) -> Result<Vec<(PartitionKey, Extent)>> {
    let mut statement = tx.prepare_cached(archive_extents_sql!(
        "JOIN log_head h ON h.topic = e.topic AND h.partition = e.partition
         WHERE e.incarnation = ?1 AND e.seq = ?2 AND e.kind = 1 AND e.end_offset > h.log_start"
    ))?;
    let segments: BTreeSet<_> = segments.iter().collect();
    let mut found = Vec::new();
    for segment in segments {
        if segment.kind == SegmentKind::Archive {
            let mut rows = statement.query(params![incarnation(&segment.incarnation), int(segment.seq)?])?;
            while let Some(row) = rows.next()? {
                found.push((extents::partition(row)?, extents::extent(row)?));
            }
        }
    }
    found.sort_unstable_by_key(|(partition, extent)| (*partition, extent.base_offset));
    Ok(found)
}

pub(super) fn move_archived(tx: &Transaction<'_>, request: &ArchiveRequest) -> Result<Vec<bool>> {
    cluster::check_epoch(tx, request.epoch)?;
    agents::take_fence(tx, request.incarnation)?;
    for moved in &request.partitions {
        request.check(moved)?;
    }
    let (mut registered, mut left) = (BTreeSet::new(), BTreeSet::new());
    let accepted = request
        .partitions
        .iter()
        .map(|moved| move_one(tx, moved, &mut registered, &mut left))
        .collect::<Result<_>>()?;
    release::release(tx, &left.into_iter().collect::<Vec<_>>())?;
    Ok(accepted)
}

/// `registered`: archive segments that this call registered; `left`: those that it took extents out of.
fn move_one(
    tx: &Transaction<'_>,
    moved: &ArchivedPartition,
    registered: &mut BTreeSet<u64>,
    left: &mut BTreeSet<SegmentId>,
) -> Result<bool> {
    let key = moved.partition;
    let (Some(first), Some(last), true) = (
        moved.extents.first(),
        moved.extents.last(),
        ends_meet(&moved.extents),
    ) else {
        return Ok(false);
    };
    let (from, to) = (first.base_offset, last.end_offset);
    let Some(reads::HeadRow { head, .. }) = reads::head(tx, key)? else {
        return Ok(false);
    };
    let (covered, archived_ms, first_end): (i64, i64, i64) = tx
        .prepare_cached(
            "SELECT ifnull(sum(end_offset - base_offset), 0), ifnull(max(archived_ms), 0), ifnull(min(end_offset), 0)
             FROM archive_extent
             WHERE topic = ?1 AND partition = ?2 AND base_offset >= ?3 AND base_offset < ?4 AND end_offset <= ?4",
        )?
        .query_row(params![key.topic.0, key.partition, from, to], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?))
        })?;
    if covered != to - from || first_end <= head.log_start {
        return Ok(false);
    }
    {
        let mut statement = tx.prepare_cached(
            "DELETE FROM archive_extent
             WHERE topic = ?1 AND partition = ?2 AND base_offset >= ?3 AND base_offset < ?4
             RETURNING kind, epoch, incarnation, seq",
        )?;
        let mut rows = statement.query(params![key.topic.0, key.partition, from, to])?;
        while let Some(row) = rows.next()? {
            if row.get::<_, i64>(0)? == 1 {
                left.insert(SegmentId {
                    kind: SegmentKind::Archive,
                    epoch: get_epoch(row, 1)?,
                    incarnation: get_incarnation(row, 2)?,
                    seq: get_unsigned(row, 3)?,
                });
            }
        }
    }
    for extent in &moved.extents {
        extents::insert_archived(tx, key, extent, archived_ms)?;
        if extent.segment.kind == SegmentKind::Archive && registered.insert(extent.segment.seq) {
            register_segment(tx, extent)?;
        }
    }
    Ok(true)
}
