//! Segments that no record is read from any more are released.
//!
//! A segment's row is live, then released, then gone; nothing makes it live again.

use esker_model::planted::{Mistake, planted};
use esker_model::{SegmentId, SegmentKind, TopicKey};
use rusqlite::params;

use super::database::Transaction;
use super::values::{incarnation, int};
use crate::{HOLE_KEPT_MS, Result};

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
            // One that holes name is kept longer.
            "UPDATE segment SET state = 3, released_ms = ?3,
                    kept_ms = iif(EXISTS (SELECT 1 FROM archive_extent e
                                          WHERE e.incarnation = ?1 AND e.seq = ?2 AND e.kind = 0), ?4, 0)
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
    match segment.kind {
        SegmentKind::Ingest => {
            tx.prepare_cached(release)?
                .execute(params![key, seq, tx.now_ms, HOLE_KEPT_MS])?
        }
        _ => tx
            .prepare_cached(release)?
            .execute(params![key, seq, tx.now_ms])?,
    };
    Ok(true)
}

/// Has archive segments stay longer once they are released, because records in them are lost.
pub(super) fn keep(tx: &Transaction<'_>, segments: &[SegmentId]) -> Result<()> {
    for segment in segments {
        tx.prepare_cached("UPDATE archive_segment SET kept_ms = ?3 WHERE incarnation = ?1 AND seq = ?2")?
            .execute(params![
                incarnation(&segment.incarnation),
                int(segment.seq)?,
                HOLE_KEPT_MS
            ])?;
    }
    Ok(())
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
