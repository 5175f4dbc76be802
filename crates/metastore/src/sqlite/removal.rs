//! Objects that go: in what order, and what is forgotten when they are gone.
//!
//! Of what a living incarnation has not settled the row stays, because it may still ask what became of it.

use esker_model::planted::{Mistake, planted};
use esker_model::{LogId, ManifestId, ObjectId, SegmentId, SegmentKind, TopicUuid};
use rusqlite::{Row, params};

use super::database::Transaction;
use super::values::{get_epoch, get_incarnation, get_topic_uuid, get_unsigned, incarnation, int, topic_uuid};
use crate::{MetastoreError, Result};

/// Kinds of objects, as the statements below number them.
const INGEST: i64 = 0;
const ARCHIVE: i64 = 1;
const MERGED: i64 = 2;
const MANIFEST: i64 = 3;

/// Has an object go that a manifest needed, or that was one. Others are passed over: they have rows of their own.
pub(super) fn release(tx: &Transaction<'_>, object: &ObjectId) -> Result<()> {
    let Some((kind, log, epoch, seq)) = of_log(object) else {
        return Ok(());
    };
    if planted(Mistake::NeverRelease) {
        return Ok(());
    }
    tx.prepare_cached(
        "INSERT INTO unneeded_object (topic_uuid, partition, kind, incarnation, seq, epoch, released_ms)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT DO NOTHING",
    )?
    .execute(params![
        topic_uuid(&log.topic),
        log.partition,
        kind,
        incarnation(&object.incarnation()),
        int(seq)?,
        epoch,
        tx.now_ms
    ])?;
    Ok(())
}

fn of_log(object: &ObjectId) -> Option<(i64, LogId, i32, u64)> {
    let log = object.log()?;
    Some(match object {
        ObjectId::Segment(id) => (MERGED, log, id.epoch.0, id.seq),
        ObjectId::Manifest(id) => (MANIFEST, log, id.epoch.0, id.seq),
    })
}

pub(super) fn unneeded(
    tx: &Transaction<'_>,
    grace_ms: i64,
    skip: usize,
    limit: usize,
) -> Result<Vec<ObjectId>> {
    let mut statement = tx.prepare_cached(
        "SELECT 0 AS kind, epoch, incarnation, seq, released_ms + kept_ms AS since, NULL, NULL FROM segment s
         WHERE state = 3 AND released_ms <= ?1 AND released_ms + kept_ms <= ?1
         UNION ALL
         SELECT 0, epoch, incarnation, seq, ifnull(committed_ms, 0), NULL, NULL FROM segment s
         WHERE state = 2 AND ifnull(committed_ms, 0) <= ?1
           AND NOT EXISTS (SELECT 1 FROM agent a WHERE a.incarnation = s.incarnation AND a.state = 1
                                                   AND a.settled_through < s.seq)
         UNION ALL
         SELECT 1, epoch, incarnation, seq, released_ms + kept_ms, NULL, NULL FROM archive_segment
         WHERE state = 3 AND released_ms <= ?1 AND released_ms + kept_ms <= ?1
         UNION ALL
         SELECT kind, epoch, incarnation, seq, released_ms, topic_uuid, partition FROM unneeded_object
         WHERE released_ms <= ?1
         ORDER BY since, incarnation, seq, kind LIMIT ?2 OFFSET ?3",
    )?;
    let mut rows = statement.query(params![
        tx.now_ms.saturating_sub(grace_ms),
        i64::try_from(limit).unwrap_or(i64::MAX),
        i64::try_from(skip).unwrap_or(i64::MAX),
    ])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(object(row)?);
    }
    Ok(found)
}

fn object(row: &Row<'_>) -> Result<ObjectId> {
    let (epoch, incarnation, seq) = (
        get_epoch(row, 1)?,
        get_incarnation(row, 2)?,
        get_unsigned(row, 3)?,
    );
    let segment = |kind| {
        ObjectId::Segment(SegmentId {
            kind,
            epoch,
            incarnation,
            seq,
        })
    };
    let log = || -> Result<LogId> {
        Ok(LogId {
            topic: get_topic_uuid(row, 5)?,
            partition: row.get(6)?,
        })
    };
    match row.get(0)? {
        INGEST => Ok(segment(SegmentKind::Ingest)),
        ARCHIVE => Ok(segment(SegmentKind::Archive)),
        MERGED => Ok(segment(SegmentKind::Merged(log()?))),
        MANIFEST => Ok(ObjectId::Manifest(ManifestId {
            log: log()?,
            epoch,
            incarnation,
            seq,
        })),
        other => Err(MetastoreError::Corrupt(format!("an object of kind {other}"))),
    }
}

/// What is to be removed of one partition, and was not yet.
pub(super) fn unneeded_of(tx: &Transaction<'_>, log: &LogId) -> Result<Vec<ObjectId>> {
    let mut statement = tx.prepare_cached(
        "SELECT kind, epoch, incarnation, seq, 0, topic_uuid, partition FROM unneeded_object
         WHERE topic_uuid = ?1 AND partition = ?2 ORDER BY kind, incarnation, seq",
    )?;
    let mut rows = statement.query(params![topic_uuid(&log.topic), log.partition])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(object(row)?);
    }
    Ok(found)
}

/// All objects of single partitions that are to be removed, with when they were released.
#[cfg(feature = "auditing")]
pub(super) fn all_released(tx: &Transaction<'_>) -> Result<Vec<(ObjectId, i64)>> {
    let mut statement = tx.prepare_cached(
        "SELECT kind, epoch, incarnation, seq, released_ms, topic_uuid, partition FROM unneeded_object
         ORDER BY topic_uuid, partition, kind, incarnation, seq",
    )?;
    let mut rows = statement.query([])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push((object(row)?, row.get(4)?));
    }
    Ok(found)
}

pub(super) fn forget(tx: &Transaction<'_>, objects: &[ObjectId]) -> Result<()> {
    for object in objects {
        if let Some((kind, log, _, seq)) = of_log(object) {
            tx.prepare_cached(
                "DELETE FROM unneeded_object
                 WHERE topic_uuid = ?1 AND partition = ?2 AND kind = ?3 AND incarnation = ?4 AND seq = ?5",
            )?
            .execute(params![
                topic_uuid(&log.topic),
                log.partition,
                kind,
                incarnation(&object.incarnation()),
                int(seq)?
            ])?;
        } else if let ObjectId::Segment(segment) = object {
            forget_segment(tx, segment)?;
        }
    }
    // Those that went before and are settled now.
    tx.prepare_cached(
        "DELETE FROM segment WHERE state = 4
           AND NOT EXISTS (SELECT 1 FROM agent a WHERE a.incarnation = segment.incarnation AND a.state = 1
                                                   AND a.settled_through < segment.seq)",
    )?
    .execute([])?;
    Ok(())
}

fn forget_segment(tx: &Transaction<'_>, segment: &SegmentId) -> Result<()> {
    let key = params![incarnation(&segment.incarnation), int(segment.seq)?];
    let forget = if segment.kind == SegmentKind::Ingest {
        "DELETE FROM segment WHERE incarnation = ?1 AND seq = ?2 AND state IN (2, 3)
           AND NOT EXISTS (SELECT 1 FROM agent a WHERE a.incarnation = segment.incarnation AND a.state = 1
                                                   AND a.settled_through < segment.seq)"
    } else {
        "DELETE FROM archive_segment WHERE incarnation = ?1 AND seq = ?2 AND state = 3"
    };
    let forgotten = tx.prepare_cached(forget)?.execute(key)?;
    if forgotten == 0 && segment.kind == SegmentKind::Ingest {
        tx.prepare_cached("UPDATE segment SET state = 4 WHERE incarnation = ?1 AND seq = ?2 AND state = 3")?
            .execute(key)?;
    }
    Ok(())
}

pub(super) fn topics_to_empty(tx: &Transaction<'_>, grace_ms: i64, limit: usize) -> Result<Vec<TopicUuid>> {
    let mut statement = tx.prepare_cached(
        "SELECT uuid FROM topic_deleted WHERE to_empty_ms IS NOT NULL AND to_empty_ms <= ?1
         ORDER BY to_empty_ms, version LIMIT ?2",
    )?;
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let topics = statement
        .query_map(params![tx.now_ms.saturating_sub(grace_ms), limit], |row| {
            get_topic_uuid(row, 0)
        })?
        .collect::<rusqlite::Result<_>>()?;
    Ok(topics)
}

pub(super) fn topics_emptied(tx: &Transaction<'_>, topics: &[TopicUuid]) -> Result<()> {
    let mut statement = tx.prepare_cached("UPDATE topic_deleted SET to_empty_ms = NULL WHERE uuid = ?1")?;
    for topic in topics {
        statement.execute([topic_uuid(topic)])?;
    }
    Ok(())
}
