//! Merging: which partitions wait for it, and manifests that replace others.
//!
//! What holds: a manifest's version only goes up; the records that it lists end where those of `archive_extent` begin,
//! unless what lies in between was below the log start; nothing at or above the log start is in neither.

use std::collections::BTreeSet;

use esker_model::planted::{Mistake, planted};
use esker_model::{LogId, ManifestId, ObjectId, PartitionKey, SegmentId, SegmentKind, TopicKey};
use rusqlite::{OptionalExtension, Row, params};

use super::database::Transaction;
use super::extents::{archive_extents_sql, extent};
use super::reads::{self, HeadRow};
use super::values::{get_epoch, get_incarnation, get_topic_uuid, get_unsigned, incarnation, int, topic_uuid};
use super::{agents, cluster, release, removal};
use crate::{
    KnownManifest, ManifestRef, ManifestSummary, MergeCandidate, MergeDue, MergeRequest, MergedPartition,
    Result, ToMerge,
};

/// A partition's manifest with its version.
pub(super) struct ManifestRow {
    pub(super) version: u64,
    pub(super) manifest: ManifestRef,
    pub(super) summary: ManifestSummary,
}

/// The manifest of a partition, if it has one.
pub(super) fn manifest(tx: &Transaction<'_>, key: PartitionKey) -> Result<Option<ManifestRow>> {
    tx.prepare_cached(
        "SELECT t.uuid, m.epoch, m.incarnation, m.seq, m.object_bytes, m.base_offset, m.end_offset, m.version, m.objects,
                m.bytes, m.first_end_offset, m.first_bytes, m.first_timestamp
         FROM manifest m JOIN topic t ON t.key = m.topic WHERE m.topic = ?1 AND m.partition = ?2",
    )?
    .query_row((key.topic.0, key.partition), |row| Ok(manifest_row(row, key)))
    .optional()?
    .transpose()
}

fn manifest_row(row: &Row<'_>, key: PartitionKey) -> Result<ManifestRow> {
    Ok(ManifestRow {
        version: get_unsigned(row, 7)?,
        summary: ManifestSummary {
            objects: get_unsigned(row, 8)?,
            bytes: get_unsigned(row, 9)?,
            first_end_offset: row.get(10)?,
            first_bytes: get_unsigned(row, 11)?,
            first_timestamp: row.get(12)?,
        },
        manifest: ManifestRef {
            id: ManifestId {
                log: LogId {
                    topic: get_topic_uuid(row, 0)?,
                    partition: key.partition,
                },
                epoch: get_epoch(row, 1)?,
                incarnation: get_incarnation(row, 2)?,
                seq: get_unsigned(row, 3)?,
            },
            object_bytes: get_unsigned(row, 4)?,
            base_offset: row.get(5)?,
            end_offset: row.get(6)?,
        },
    })
}

pub(super) fn known(tx: &Transaction<'_>, partitions: &[PartitionKey]) -> Result<Vec<Option<KnownManifest>>> {
    let one = |row: ManifestRow| KnownManifest {
        id: row.manifest.id,
        summary: row.summary,
    };
    let rows = partitions.iter().map(|key| manifest(tx, *key));
    rows.map(|row| Ok(row?.map(one))).collect()
}

pub(super) fn candidates(
    tx: &Transaction<'_>,
    due: &MergeDue,
    after: Option<LogId>,
    limit: usize,
) -> Result<Vec<MergeCandidate>> {
    let mut statement = tx.prepare_cached(
        "SELECT t.uuid, c.topic, c.partition, max(c.bytes), max(c.is_due), max(c.has_dead), max(c.extents)
         FROM (
             SELECT topic, partition, sum(bytes) AS bytes, count(*) AS extents, 1 AS is_due, 0 AS has_dead
             FROM archive_extent
             GROUP BY topic, partition
             HAVING sum(bytes) >= ?1 OR count(*) >= ?2 OR min(archived_ms) <= ?3
             UNION ALL
             SELECT m.topic, m.partition, 0, 0, 0, 1
             FROM manifest m JOIN log_head h ON h.topic = m.topic AND h.partition = m.partition
             WHERE m.base_offset < m.end_offset AND m.first_end_offset <= h.log_start
         ) c
         JOIN topic t ON t.key = c.topic
         WHERE ?4 IS NULL OR (t.uuid, c.partition) > (?4, ?5)
         GROUP BY t.uuid, c.topic, c.partition
         ORDER BY t.uuid, c.partition LIMIT ?6",
    )?;
    let mut rows = statement.query(params![
        int(due.bytes)?,
        int(due.extents)?,
        tx.now_ms.saturating_sub(due.age_ms),
        after.as_ref().map(|log| topic_uuid(&log.topic)),
        after.map(|log| log.partition),
        i64::try_from(limit).unwrap_or(i64::MAX),
    ])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let partition: i32 = row.get(2)?;
        found.push(MergeCandidate {
            partition: PartitionKey {
                topic: TopicKey(row.get(1)?),
                partition,
            },
            log: LogId {
                topic: get_topic_uuid(row, 0)?,
                partition,
            },
            bytes: get_unsigned(row, 3)?,
            is_due: row.get(4)?,
            has_dead: row.get(5)?,
            extents: get_unsigned(row, 6)?,
        });
    }
    Ok(found)
}

pub(super) fn to_merge(
    tx: &Transaction<'_>,
    partitions: &[PartitionKey],
    extents_max: usize,
) -> Result<Vec<Option<ToMerge>>> {
    partitions
        .iter()
        .map(|partition| to_merge_one(tx, *partition, extents_max))
        .collect()
}

fn to_merge_one(tx: &Transaction<'_>, key: PartitionKey, extents_max: usize) -> Result<Option<ToMerge>> {
    let Some(HeadRow { head, .. }) = reads::head(tx, key)? else {
        return Ok(None);
    };
    let topic = tx
        .prepare_cached("SELECT uuid FROM topic WHERE key = ?1")?
        .query_row([key.topic.0], |row| get_topic_uuid(row, 0))?;
    let row = manifest(tx, key)?;
    let mut to_merge = ToMerge {
        partition: key,
        log: LogId {
            topic,
            partition: key.partition,
        },
        log_start: head.log_start,
        version: row.as_ref().map_or(0, |row| row.version),
        manifest: row.map(|row| row.manifest),
        extents: Vec::new(),
        archived_ms: 0,
    };
    let mut statement = tx.prepare_cached(archive_extents_sql!(
        "WHERE e.topic = ?1 AND e.partition = ?2 ORDER BY e.base_offset LIMIT ?3"
    ))?;
    let limit = i64::try_from(extents_max).unwrap_or(i64::MAX);
    let mut rows = statement.query(params![key.topic.0, key.partition, limit])?;
    while let Some(row) = rows.next()? {
        to_merge.extents.push(extent(row)?);
        to_merge.archived_ms = to_merge.archived_ms.max(row.get(18)?);
    }
    Ok(Some(to_merge))
}

pub(super) fn merge(tx: &Transaction<'_>, request: &MergeRequest) -> Result<Vec<bool>> {
    cluster::check_epoch(tx, request.epoch)?;
    if !planted(Mistake::FencedMayMerge) {
        agents::take_fence(tx, request.incarnation)?;
    }
    request.check()?;
    request
        .partitions
        .iter()
        .map(|merged| merge_one(tx, merged))
        .collect()
}

fn merge_one(tx: &Transaction<'_>, merged: &MergedPartition) -> Result<bool> {
    let MergedPartition {
        partition: key,
        manifest: new,
        summary,
        ..
    } = merged;
    let Some(HeadRow { head, .. }) = reads::head(tx, *key)? else {
        return Ok(false);
    };
    let old = manifest(tx, *key)?;
    let is_as_read = old.as_ref().map_or(0, |old| old.version) == merged.replaces
        && moved(tx, *key, new.end_offset)? == (merged.extents, merged.extents > 0);
    let fits = (is_as_read || planted(Mistake::MergeWithoutVersion))
        && new.base_offset <= head.log_start
        && new.base_offset <= new.end_offset
        && new.end_offset <= head.archived_to;
    if !fits {
        return Ok(false);
    }
    let segments = take_extents(tx, *key, new.end_offset)?;
    if let Some(old) = old {
        removal::release(tx, &ObjectId::Manifest(old.manifest.id))?;
    }
    for object in &merged.unneeded {
        removal::release(tx, object)?;
    }
    tx.prepare_cached(
        "INSERT OR REPLACE INTO manifest (topic, partition, version, epoch, incarnation, seq, object_bytes, base_offset,
                                          end_offset, objects, bytes, first_end_offset, first_bytes, first_timestamp)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)",
    )?
    .execute(params![
        key.topic.0,
        key.partition,
        int(merged.replaces + 1)?,
        new.id.epoch.0,
        incarnation(&new.id.incarnation),
        int(new.id.seq)?,
        int(new.object_bytes)?,
        new.base_offset,
        new.end_offset,
        int(summary.objects)?,
        int(summary.bytes)?,
        summary.first_end_offset,
        int(summary.first_bytes)?,
        summary.first_timestamp,
    ])?;
    release::keep(tx, &merged.lost)?;
    release::release(tx, &segments)?;
    Ok(true)
}

/// How many archived extents begin below an offset, and whether one of them ends exactly there.
fn moved(tx: &Transaction<'_>, key: PartitionKey, end_offset: i64) -> Result<(u64, bool)> {
    let (count, last): (i64, Option<i64>) = tx
        .prepare_cached(
            "SELECT count(*), max(end_offset) FROM archive_extent
             WHERE topic = ?1 AND partition = ?2 AND base_offset < ?3",
        )?
        .query_row(params![key.topic.0, key.partition, end_offset], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })?;
    Ok((count.unsigned_abs(), last == Some(end_offset)))
}

/// Takes the archived extents that end at or below an offset; returns the archive segments that they lay in.
fn take_extents(tx: &Transaction<'_>, key: PartitionKey, end_offset: i64) -> Result<Vec<SegmentId>> {
    let mut segments = BTreeSet::new();
    let mut statement = tx.prepare_cached(
        "DELETE FROM archive_extent WHERE topic = ?1 AND partition = ?2 AND base_offset < ?3
         RETURNING kind, epoch, incarnation, seq",
    )?;
    let mut rows = statement.query(params![key.topic.0, key.partition, end_offset])?;
    while let Some(row) = rows.next()? {
        if row.get::<_, i64>(0)? == 1 {
            segments.insert(SegmentId {
                kind: SegmentKind::Archive,
                epoch: get_epoch(row, 1)?,
                incarnation: get_incarnation(row, 2)?,
                seq: get_unsigned(row, 3)?,
            });
        }
    }
    Ok(segments.into_iter().collect())
}
