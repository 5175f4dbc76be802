//! Archiving: which segments wait for it, and the move of `archived_to` over what was archived.
//!
//! What holds: `archive_extent` covers a partition from the end of its manifest up to `archived_to`, end to
//! end, and no extent that lies below `archived_to` as a whole is left in `extent`.

use std::collections::BTreeSet;

use esker_model::{PartitionKey, SegmentId, SegmentKind};
use rusqlite::params;

use super::commit::LIVE;
use super::database::Transaction;
use super::extents::{self, extents_sql};
use super::values::{get_epoch, get_incarnation, get_unsigned, incarnation, int};
use super::{agents, cluster, reads};
use crate::{ArchiveRequest, ArchivedPartition, Extent, MetastoreError, Result, WaitingSegment, ends_meet};

pub(super) fn waiting_segments(
    tx: &Transaction<'_>,
    skip: usize,
    bytes_max: u64,
    segments_max: usize,
) -> Result<Vec<WaitingSegment>> {
    // Those from before there was a time come first, and are as old as can be.
    let mut statement = tx.prepare_cached(
        "SELECT epoch, incarnation, seq, object_bytes, ifnull(committed_ms, 0) FROM segment
         WHERE state = 1 ORDER BY committed_ms, incarnation, seq LIMIT -1 OFFSET ?1",
    )?;
    let mut rows = statement.query([int(skip as u64)?])?;
    let mut waiting: Vec<WaitingSegment> = Vec::new();
    let mut bytes: u64 = 0;
    while (waiting.is_empty() || (waiting.len() < segments_max && bytes < bytes_max))
        && let Some(row) = rows.next()?
    {
        let segment = WaitingSegment {
            id: SegmentId {
                kind: SegmentKind::Ingest,
                epoch: get_epoch(row, 0)?,
                incarnation: get_incarnation(row, 1)?,
                seq: get_unsigned(row, 2)?,
            },
            object_bytes: get_unsigned(row, 3)?,
            age_ms: tx.now_ms.saturating_sub(row.get(4)?),
        };
        bytes = bytes.saturating_add(segment.object_bytes);
        waiting.push(segment);
    }
    Ok(waiting)
}

pub(super) fn unarchived(
    tx: &Transaction<'_>,
    segments: &[SegmentId],
) -> Result<Vec<(PartitionKey, Extent)>> {
    let mut statement = tx.prepare_cached(extents_sql!(
        "JOIN log_head h ON h.topic = e.topic AND h.partition = e.partition
         WHERE s.incarnation = ?1 AND s.seq = ?2 AND e.end_offset > h.archived_to"
    ))?;
    let mut found = Vec::new();
    let segments: BTreeSet<_> = segments.iter().collect();
    for segment in segments {
        if segment.kind != SegmentKind::Ingest {
            continue;
        }
        let mut rows = statement.query(params![incarnation(&segment.incarnation), int(segment.seq)?])?;
        while let Some(row) = rows.next()? {
            found.push((extents::partition(row)?, extents::extent(row)?));
        }
    }
    found.sort_unstable_by_key(|(partition, extent)| (*partition, extent.base_offset));
    Ok(found)
}

pub(super) fn archive(tx: &Transaction<'_>, request: &ArchiveRequest) -> Result<Vec<bool>> {
    cluster::check_epoch(tx, request.epoch)?;
    agents::take_fence(tx, request.incarnation)?;
    for archived in &request.partitions {
        request.check(archived)?;
    }
    let mut registered = BTreeSet::new();
    request
        .partitions
        .iter()
        .map(|archived| archive_one(tx, archived, &mut registered))
        .collect()
}

fn in_archive(extent: &Extent) -> bool {
    extent.segment.kind == SegmentKind::Archive
}

/// `registered`: archive segments that this call registered.
fn archive_one(
    tx: &Transaction<'_>,
    archived: &ArchivedPartition,
    registered: &mut BTreeSet<u64>,
) -> Result<bool> {
    let key = archived.partition;
    let Some(reads::HeadRow { head, .. }) = reads::head(tx, key)? else {
        return Ok(false);
    };
    let (Some(first), Some(last), true) = (
        archived.extents.first(),
        archived.extents.last(),
        ends_meet(&archived.extents),
    ) else {
        return Ok(false);
    };
    let end = last.end_offset;
    if first.base_offset != head.archived_to || end > head.next_offset {
        return Ok(false);
    }
    for extent in &archived.extents {
        extents::insert_archived(tx, key, extent, tx.now_ms)?;
        if in_archive(extent) && registered.insert(extent.segment.seq) {
            register_segment(tx, extent)?;
        }
    }
    tx.prepare_cached("UPDATE log_head SET archived_to = ?3 WHERE topic = ?1 AND partition = ?2")?
        .execute(params![key.topic.0, key.partition, end])?;
    // Row by row: here that costs no more than the commit did.
    tx.prepare_cached(
        "DELETE FROM extent WHERE topic = ?1 AND partition = ?2 AND base_offset < ?3 AND end_offset <= ?3",
    )?
    .execute(params![key.topic.0, key.partition, end])?;
    Ok(true)
}

/// Registers an archive segment.
/// Which of these are archive segments with a row.
pub(super) fn registered(tx: &Transaction<'_>, segments: &[SegmentId]) -> Result<Vec<bool>> {
    let mut statement =
        tx.prepare_cached("SELECT 1 FROM archive_segment WHERE incarnation = ?1 AND seq = ?2")?;
    let mut has_row = |segment: &SegmentId| {
        Ok(segment.kind == SegmentKind::Archive
            && statement.exists(params![incarnation(&segment.incarnation), int(segment.seq)?])?)
    };
    segments.iter().map(&mut has_row).collect()
}

pub(super) fn register_segment(tx: &Transaction<'_>, extent: &Extent) -> Result<()> {
    let segment = &extent.segment;
    let inserted = tx
        .prepare_cached(
            "INSERT INTO archive_segment (incarnation, seq, epoch, object_bytes, state) VALUES (?1, ?2, ?3, ?4, ?5)
             ON CONFLICT DO NOTHING",
        )?
        .execute(params![
        incarnation(&segment.incarnation),
        int(segment.seq)?,
        segment.epoch.0,
        int(extent.object_bytes)?,
        LIVE
    ])?;
    if inserted == 0 {
        return Err(MetastoreError::AlreadySettled);
    }
    Ok(())
}
