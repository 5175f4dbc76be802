//! Segments that no record is read from any more: released, and forgotten when their objects are gone.
//!
//! A segment's row is live, then released, then gone; nothing makes it live again.

use esker_model::planted::{Mistake, planted};
use esker_model::{ClusterEpoch, SegmentId, SegmentKind, TopicKey};
use rusqlite::params;

use super::database::Transaction;
use super::values::{get_incarnation, incarnation, int};
use crate::{MetastoreError, Result};

pub(super) fn release(tx: &Transaction<'_>, segments: &[SegmentId]) -> Result<Vec<bool>> {
    segments.iter().map(|segment| release_one(tx, segment)).collect()
}

fn release_one(tx: &Transaction<'_>, segment: &SegmentId) -> Result<bool> {
    // Those that are needed; one without a row, a tombstone or one that went before is not among them.
    let (needed, release) = match segment.kind {
        SegmentKind::Ingest => (
            "SELECT 1 FROM segment s JOIN extent e ON e.segment = s.id
                    JOIN log_head h ON h.topic = e.topic AND h.partition = e.partition
             WHERE s.incarnation = ?1 AND s.seq = ?2 AND s.state = 1 AND e.end_offset > h.archived_to",
            "UPDATE segment SET state = 3, released_ms = ?3
             WHERE incarnation = ?1 AND seq = ?2 AND state = 1",
        ),
        SegmentKind::Archive => (
            "SELECT 1 FROM archive_extent WHERE incarnation = ?1 AND seq = ?2 AND kind = 1",
            "UPDATE archive_segment SET state = 3, released_ms = ?3
             WHERE incarnation = ?1 AND seq = ?2 AND state = 1",
        ),
        SegmentKind::Merged(_) => return Ok(false),
    };
    let seq = int(segment.seq)?;
    let key = incarnation(&segment.incarnation);
    if tx.prepare_cached(needed)?.exists(params![key, seq])? && !planted(Mistake::ReleaseTooEarly) {
        return Ok(false);
    }
    tx.prepare_cached(release)?
        .execute(params![key, seq, tx.now_ms])?;
    Ok(true)
}

/// Forgets where a topic's records were archived, and releases the archive segments that held nothing else.
pub(super) fn forget_topic(tx: &Transaction<'_>, topic: TopicKey) -> Result<()> {
    tx.prepare_cached(
        "UPDATE archive_segment SET state = 3, released_ms = ?2
         WHERE state = 1
           AND (incarnation, seq) IN (SELECT incarnation, seq FROM archive_extent WHERE topic = ?1 AND kind = 1)
           AND NOT EXISTS (SELECT 1 FROM archive_extent e
                           WHERE e.incarnation = archive_segment.incarnation AND e.seq = archive_segment.seq
                             AND e.kind = 1 AND e.topic <> ?1)",
    )?
    .execute((topic.0, tx.now_ms))?;
    tx.prepare_cached("DELETE FROM archive_extent WHERE topic = ?1")?
        .execute([topic.0])?;
    Ok(())
}

pub(super) fn unneeded(tx: &Transaction<'_>, grace_ms: i64, limit: usize) -> Result<Vec<SegmentId>> {
    // A living incarnation that has not settled a segment may still ask what became of it, and must not be told
    // that it was never committed: its row stays.
    let mut statement = tx.prepare_cached(
        "SELECT 0 AS kind, epoch, incarnation, seq, released_ms FROM segment s
         WHERE state = 3 AND released_ms <= ?1
           AND NOT EXISTS (SELECT 1 FROM agent a WHERE a.incarnation = s.incarnation AND a.state = 1
                                                   AND a.settled_through < s.seq)
         UNION ALL
         SELECT 1, epoch, incarnation, seq, released_ms FROM archive_segment
         WHERE state = 3 AND released_ms <= ?1
         ORDER BY released_ms, incarnation, seq, kind LIMIT ?2",
    )?;
    let mut rows = statement.query(params![
        tx.now_ms.saturating_sub(grace_ms),
        i64::try_from(limit).unwrap_or(i64::MAX)
    ])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let kind = if row.get(0)? {
            SegmentKind::Archive
        } else {
            SegmentKind::Ingest
        };
        found.push(SegmentId {
            kind,
            epoch: ClusterEpoch(row.get(1)?),
            incarnation: get_incarnation(row, 2)?,
            seq: u64::try_from(row.get::<_, i64>(3)?)
                .map_err(|_| MetastoreError::Corrupt("a segment with a negative number".to_owned()))?,
        });
    }
    Ok(found)
}

pub(super) fn forget_segments(tx: &Transaction<'_>, segments: &[SegmentId]) -> Result<()> {
    for segment in segments {
        let forget = match segment.kind {
            SegmentKind::Ingest => "DELETE FROM segment WHERE incarnation = ?1 AND seq = ?2 AND state = 3",
            SegmentKind::Archive => {
                "DELETE FROM archive_segment WHERE incarnation = ?1 AND seq = ?2 AND state = 3"
            }
            SegmentKind::Merged(_) => continue,
        };
        tx.prepare_cached(forget)?
            .execute(params![incarnation(&segment.incarnation), int(segment.seq)?])?;
    }
    Ok(())
}
