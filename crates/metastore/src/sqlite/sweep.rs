//! Sweeping: what nothing refers to, and incarnations that left nothing behind.

use esker_model::planted::{Mistake, planted};
use esker_model::{ClusterEpoch, IncarnationId, LogId, PartitionKey, SegmentId, SegmentKind, TopicKey};
use rusqlite::{OptionalExtension, params};

use super::database::Transaction;
use super::values::{get_incarnation, incarnation, int, topic_uuid};
use super::{cluster, merge, reads, removal};
use crate::{LogReferences, References, Result};

pub(super) fn orphans(
    tx: &Transaction<'_>,
    epoch: ClusterEpoch,
    segments: &[SegmentId],
) -> Result<Vec<SegmentId>> {
    cluster::check_epoch(tx, epoch)?;
    let mut orphans = Vec::new();
    for segment in segments {
        if is_orphan(tx, segment)? {
            orphans.push(*segment);
        }
    }
    Ok(orphans)
}

fn is_orphan(tx: &Transaction<'_>, segment: &SegmentId) -> Result<bool> {
    let sql = match segment.kind {
        SegmentKind::Ingest => {
            "SELECT NOT EXISTS (SELECT 1 FROM segment WHERE incarnation = ?1 AND seq = ?2)
                AND NOT EXISTS (SELECT 1 FROM agent WHERE incarnation = ?1 AND state = 1 AND settled_through < ?2)"
        }
        SegmentKind::Archive => {
            "SELECT NOT EXISTS (SELECT 1 FROM archive_segment WHERE incarnation = ?1 AND seq = ?2)
                AND NOT EXISTS (SELECT 1 FROM agent WHERE incarnation = ?1 AND state = 1)"
        }
        SegmentKind::Merged(_) => return Ok(false),
    };
    let sql = if planted(Mistake::SweepLiving) {
        sql.split_once(" AND NOT EXISTS")
            .map_or(sql, |(rowless, _)| rowless)
    } else {
        sql
    };
    let orphan = tx.prepare_cached(sql)?.query_row(
        params![incarnation(&segment.incarnation), int(segment.seq)?],
        |row| row.get(0),
    )?;
    Ok(orphan)
}

pub(super) fn references(
    tx: &Transaction<'_>,
    epoch: ClusterEpoch,
    incarnations: &[IncarnationId],
    logs: &[LogId],
) -> Result<References> {
    cluster::check_epoch(tx, epoch)?;
    let mut lives = tx.prepare_cached("SELECT 1 FROM agent WHERE incarnation = ?1 AND state = 1")?;
    let live = incarnations
        .iter()
        .map(|id| Ok(!planted(Mistake::SweepLiving) && lives.exists([incarnation(id)])?))
        .collect::<Result<_>>()?;
    let logs = logs
        .iter()
        .map(|log| references_of(tx, log))
        .collect::<Result<_>>()?;
    Ok(References { live, logs })
}

fn references_of(tx: &Transaction<'_>, log: &LogId) -> Result<LogReferences> {
    let topic = tx
        .prepare_cached("SELECT key FROM topic WHERE uuid = ?1")?
        .query_row([topic_uuid(&log.topic)], |row| Ok(TopicKey(row.get(0)?)))
        .optional()?;
    let key = topic.map(|topic| PartitionKey {
        topic,
        partition: log.partition,
    });
    let exists = match key {
        Some(key) => reads::head(tx, key)?.is_some(),
        None => false,
    };
    let row = match key.filter(|_| exists) {
        Some(key) => merge::manifest(tx, key)?,
        None => None,
    };
    Ok(LogReferences {
        exists,
        objects: row.as_ref().map_or(0, |row| row.summary.objects),
        manifest: row.map(|row| row.manifest),
        unneeded: removal::unneeded_of(tx, log)?,
    })
}

pub(super) fn to_sweep(tx: &Transaction<'_>, limit: usize) -> Result<Vec<IncarnationId>> {
    let mut statement = tx.prepare_cached(
        "SELECT incarnation FROM agent WHERE state <> 1 AND state IN (2, 3) ORDER BY incarnation LIMIT ?1",
    )?;
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let found = statement
        .query_map([limit], |row| get_incarnation(row, 0))?
        .collect::<rusqlite::Result<_>>()?;
    Ok(found)
}

pub(super) fn swept(tx: &Transaction<'_>, incarnations: &[IncarnationId]) -> Result<u64> {
    let mut sweep = tx.prepare_cached(
        "UPDATE agent SET state = 4 WHERE incarnation = ?1 AND state <> 1 AND state IN (2, 3)",
    )?;
    for id in incarnations {
        sweep.execute([incarnation(id)])?;
    }
    // What was kept for them when its objects had gone.
    tx.prepare_cached(
        "DELETE FROM segment WHERE state = 4
           AND incarnation IN (SELECT incarnation FROM agent WHERE state <> 1 AND state = 4)",
    )?
    .execute([])?;
    let forgotten = tx
        .prepare_cached(
            "DELETE FROM agent WHERE state <> 1 AND state = 4
               AND NOT EXISTS (SELECT 1 FROM segment s WHERE s.incarnation = agent.incarnation)",
        )?
        .execute([])?;
    Ok(forgotten as u64)
}
