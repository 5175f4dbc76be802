//! Retention: log starts move, and what lies below them goes.

use std::collections::BTreeSet;

use esker_model::planted::{Mistake, planted};
use esker_model::{PartitionKey, SegmentId, SegmentKind, TopicKey};
use rusqlite::{OptionalExtension, params};

use super::database::Transaction;
use super::reads::{self, HeadRow};
use super::release;
use super::values::{get_epoch, get_incarnation, get_unsigned};
use crate::{Head, ManifestRef, Result, RetainReply, RetainRequest, Ripe};

pub(super) fn retain(tx: &Transaction<'_>, requests: &[RetainRequest]) -> Result<RetainReply> {
    let mut reply = RetainReply::default();
    for request in requests {
        let Some(HeadRow { head, .. }) = reads::head(tx, request.partition)? else {
            continue;
        };
        if let Some(manifest) = reads::listed(tx, request.partition, head.log_start)? {
            // What comes first goes first: nothing behind the manifest goes before what it lists.
            reply.ripe.extend(ripe(tx, request, head, manifest)?);
            continue;
        }
        let by_time = match request.ms {
            Some(ms) => first_younger(tx, request.partition, head, ms)?,
            None => head.log_start,
        };
        let by_bytes = match request.bytes {
            Some(bytes) => last_beyond(tx, request.partition, head, bytes)?,
            None => head.log_start,
        };
        let goes_back = planted(Mistake::LogStartGoesBack) && by_time < head.log_start;
        let start = if goes_back { by_time } else { by_time.max(by_bytes) };
        if start > head.log_start || goes_back {
            let head = Head {
                log_start: start,
                ..head
            };
            save_log_start(tx, request.partition, start)?;
            reply.moved.push((request.partition, head));
        }
    }
    Ok(reply)
}

/// Whether the first entry of a manifest may go. One below the log start goes anyway.
fn ripe(
    tx: &Transaction<'_>,
    request: &RetainRequest,
    head: Head,
    manifest: ManifestRef,
) -> Result<Option<Ripe>> {
    let key = request.partition;
    let (bytes, first_end, first_bytes, first_timestamp): (i64, i64, i64, i64) = tx
        .prepare_cached(
            "SELECT bytes, first_end_offset, first_bytes, first_timestamp FROM manifest
             WHERE topic = ?1 AND partition = ?2",
        )?
        .query_row((key.topic.0, key.partition), |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
        })?;
    let behind: i64 = tx
        .prepare_cached(
            "SELECT (SELECT ifnull(sum(bytes), 0) FROM archive_extent
                     WHERE topic = ?1 AND partition = ?2 AND base_offset >= ?3)
                  + (SELECT ifnull(sum(bytes), 0) FROM extent
                     WHERE topic = ?1 AND partition = ?2 AND end_offset > ?4)",
        )?
        .query_row(
            params![key.topic.0, key.partition, manifest.end_offset, head.archived_to],
            |row| row.get(0),
        )?;
    let old = request
        .ms
        .is_some_and(|ms| first_timestamp < tx.now_ms.saturating_sub(ms));
    let beyond = request
        .bytes
        .is_some_and(|limit| (bytes - first_bytes + behind).unsigned_abs() >= limit);
    let is_ripe = head.log_start < first_end && (old || beyond);
    Ok(is_ripe.then_some(Ripe {
        request: *request,
        log_start: head.log_start,
        manifest,
        bytes_behind: behind.unsigned_abs(),
        now_ms: tx.now_ms,
    }))
}

/// Where the first chunk begins that is not older; the end of the archive if all are.
fn first_younger(tx: &Transaction<'_>, key: PartitionKey, head: Head, ms: i64) -> Result<i64> {
    let found = tx
        .prepare_cached(
            "SELECT base_offset, end_offset FROM archive_extent
             WHERE topic = ?1 AND partition = ?2 AND end_offset > ?3
               AND iif(max_timestamp >= 0, max_timestamp, archived_ms) >= ?4
             ORDER BY base_offset LIMIT 1",
        )?
        .query_row(
            params![
                key.topic.0,
                key.partition,
                head.log_start,
                tx.now_ms.saturating_sub(ms)
            ],
            |row| row.get::<_, i64>(usize::from(planted(Mistake::RetainTooLittleByAge))),
        )
        .optional()?;
    let start = found.unwrap_or(head.archived_to);
    if planted(Mistake::LogStartGoesBack) {
        return Ok(start);
    }
    Ok(start.max(head.log_start))
}

/// Where the last chunk ends that has so many bytes behind it.
fn last_beyond(tx: &Transaction<'_>, key: PartitionKey, head: Head, bytes: u64) -> Result<i64> {
    let (topic, partition) = (key.topic.0, key.partition);
    let mut behind: i64 = tx
        .prepare_cached(
            "SELECT ifnull(sum(bytes), 0) FROM extent WHERE topic = ?1 AND partition = ?2 AND end_offset > ?3",
        )?
        .query_row(params![topic, partition, head.archived_to], |row| row.get(0))?;
    let mut statement = tx.prepare_cached(
        "SELECT end_offset, bytes FROM archive_extent
         WHERE topic = ?1 AND partition = ?2 AND end_offset > ?3 ORDER BY base_offset DESC",
    )?;
    let mut rows = statement.query(params![topic, partition, head.log_start])?;
    let bytes = i64::try_from(bytes).unwrap_or(i64::MAX);
    while let Some(row) = rows.next()? {
        let before = behind;
        behind += row.get::<_, i64>(1)?;
        let stays = match planted(Mistake::RetainTooLittleBySize) {
            true => behind,
            false => before,
        };
        if stays >= bytes {
            return Ok(row.get(0)?);
        }
    }
    Ok(head.log_start)
}

pub(super) fn advance_log_start(
    tx: &Transaction<'_>,
    starts: &[(PartitionKey, i64)],
) -> Result<Vec<Option<Head>>> {
    let mut heads = Vec::with_capacity(starts.len());
    for (partition, start) in starts {
        let Some(HeadRow { head, .. }) = reads::head(tx, *partition)? else {
            heads.push(None);
            continue;
        };
        let more = i64::from(planted(Mistake::DeleteTooMuch));
        let log_start = (*start + more).min(head.next_offset).max(head.log_start);
        if log_start > head.log_start {
            save_log_start(tx, *partition, log_start)?;
        }
        heads.push(Some(Head { log_start, ..head }));
    }
    Ok(heads)
}

fn save_log_start(tx: &Transaction<'_>, key: PartitionKey, log_start: i64) -> Result<()> {
    tx.prepare_cached("UPDATE log_head SET log_start = ?3 WHERE topic = ?1 AND partition = ?2")?
        .execute(params![key.topic.0, key.partition, log_start])?;
    Ok(())
}

pub(super) fn drop_archived(tx: &Transaction<'_>, limit: usize) -> Result<u64> {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let mut dead: Vec<(PartitionKey, i64, SegmentId)> = Vec::new();
    {
        // The end of the chunk before is where one begins, so few that stay are looked at.
        let mut statement = tx.prepare_cached(
            "SELECT e.topic, e.partition, e.base_offset, e.kind, e.epoch, e.incarnation, e.seq
             FROM log_head h JOIN archive_extent e ON e.topic = h.topic AND e.partition = h.partition
             WHERE h.log_start > 0 AND e.base_offset < h.log_start AND e.end_offset <= h.log_start
             ORDER BY e.topic, e.partition, e.base_offset LIMIT ?1",
        )?;
        let mut rows = statement.query([limit])?;
        while let Some(row) = rows.next()? {
            let key = PartitionKey {
                topic: TopicKey(row.get(0)?),
                partition: row.get(1)?,
            };
            let segment = SegmentId {
                kind: if row.get::<_, i64>(3)? == 1 {
                    SegmentKind::Archive
                } else {
                    SegmentKind::Ingest
                },
                epoch: get_epoch(row, 4)?,
                incarnation: get_incarnation(row, 5)?,
                seq: get_unsigned(row, 6)?,
            };
            dead.push((key, row.get(2)?, segment));
        }
    }
    let mut segments = BTreeSet::new();
    for (key, base_offset, segment) in &dead {
        tx.prepare_cached(
            "DELETE FROM archive_extent WHERE topic = ?1 AND partition = ?2 AND base_offset = ?3",
        )?
        .execute(params![key.topic.0, key.partition, base_offset])?;
        if segment.kind == SegmentKind::Archive {
            segments.insert(*segment);
        }
    }
    release::release(tx, &segments.into_iter().collect::<Vec<_>>())?;
    Ok(dead.len() as u64)
}
