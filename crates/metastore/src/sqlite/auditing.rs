//! One look at all tables, for audits.

use std::collections::BTreeMap;

use esker_model::{LogId, PartitionKey, SegmentId, SegmentKind, TopicKey};
use rusqlite::Row;

use super::SqliteMetastore;
use super::commit::{GONE, LIVE, RELEASED, TOMBSTONE};
use super::database::Transaction;
use super::extents::{self, archive_extents_sql, extents_sql};
use super::values::{get_epoch, get_incarnation, get_topic_uuid, get_unsigned};
use super::{merge, removal};
use crate::auditing::{Contents, IncarnationContents, Life, LogContents, SegmentContents, SegmentState};
use crate::{Head, ManifestSummary, MetastoreError, Result};

impl SqliteMetastore {
    /// All that the metastore knows of logs and objects.
    pub async fn contents(&self) -> Result<Contents> {
        self.executor.run(|database| database.read(contents)).await
    }
}

fn contents(tx: &Transaction<'_>) -> Result<Contents> {
    let mut segments = segments(tx, SegmentKind::Ingest)?;
    segments.extend(self::segments(tx, SegmentKind::Archive)?);
    Ok(Contents {
        now_ms: tx.now_ms,
        logs: logs(tx)?,
        segments,
        unneeded: removal::all_released(tx)?,
        incarnations: collect(
            tx,
            "SELECT incarnation, state, settled_through FROM agent ORDER BY incarnation",
            |row| {
                Ok(IncarnationContents {
                    id: get_incarnation(row, 0)?,
                    life: match row.get::<_, i64>(1)? {
                        1 => Life::Live,
                        2 | 3 => Life::Ended,
                        _ => Life::Swept,
                    },
                    settled_through: get_unsigned(row, 2)?,
                })
            },
        )?,
        topics_to_empty: collect(
            tx,
            "SELECT uuid, to_empty_ms FROM topic_deleted WHERE to_empty_ms IS NOT NULL ORDER BY version",
            |row| Ok((get_topic_uuid(row, 0)?, row.get(1)?)),
        )?,
    })
}

fn collect<T>(tx: &Transaction<'_>, sql: &str, read: impl Fn(&Row<'_>) -> Result<T>) -> Result<Vec<T>> {
    let mut statement = tx.prepare_cached(sql)?;
    let mut rows = statement.query([])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(read(row)?);
    }
    Ok(found)
}

fn logs(tx: &Transaction<'_>) -> Result<Vec<LogContents>> {
    let heads = collect(
        tx,
        "SELECT h.topic, h.partition, t.uuid, h.log_start, h.next_offset, h.archived_to
         FROM log_head h JOIN topic t ON t.key = h.topic ORDER BY h.topic, h.partition",
        |row| {
            let partition = row.get(1)?;
            let key = PartitionKey {
                topic: TopicKey(row.get(0)?),
                partition,
            };
            let log = LogContents {
                key,
                log: LogId {
                    topic: get_topic_uuid(row, 2)?,
                    partition,
                },
                head: Head {
                    log_start: row.get(3)?,
                    next_offset: row.get(4)?,
                    last_stable_offset: row.get(4)?,
                    archived_to: row.get(5)?,
                },
                manifest: None,
                archived: Vec::new(),
                recent: Vec::new(),
            };
            Ok((key, log))
        },
    )?;
    let mut logs: BTreeMap<PartitionKey, LogContents> = heads.into_iter().collect();
    for (key, log) in &mut logs {
        let summary = summary(tx, *key)?;
        log.manifest = merge::manifest(tx, *key)?.map(|row| row.manifest).zip(summary);
    }
    let archived = archive_extents_sql!("ORDER BY e.topic, e.partition, e.base_offset");
    let archived = collect(tx, archived, |row| {
        Ok((extents::partition(row)?, (extents::extent(row)?, row.get(18)?)))
    })?;
    for (key, extent) in archived {
        find(&mut logs, key)?.archived.push(extent);
    }
    let recent = extents_sql!("ORDER BY e.topic, e.partition, e.base_offset");
    let recent = collect(tx, recent, |row| {
        Ok((extents::partition(row)?, extents::extent(row)?))
    })?;
    for (key, extent) in recent {
        find(&mut logs, key)?.recent.push(extent);
    }
    Ok(logs.into_values().collect())
}

fn find(logs: &mut BTreeMap<PartitionKey, LogContents>, key: PartitionKey) -> Result<&mut LogContents> {
    let nobodys = || MetastoreError::Corrupt(format!("an extent of {key}, which does not exist"));
    logs.get_mut(&key).ok_or_else(nobodys)
}

fn summary(tx: &Transaction<'_>, key: PartitionKey) -> Result<Option<ManifestSummary>> {
    let mut statement = tx.prepare_cached(
        "SELECT objects, bytes, first_end_offset, first_bytes, first_timestamp FROM manifest
         WHERE topic = ?1 AND partition = ?2",
    )?;
    let mut rows = statement.query((key.topic.0, key.partition))?;
    let Some(row) = rows.next()? else {
        return Ok(None);
    };
    Ok(Some(ManifestSummary {
        objects: get_unsigned(row, 0)?,
        bytes: get_unsigned(row, 1)?,
        first_end_offset: row.get(2)?,
        first_bytes: get_unsigned(row, 3)?,
        first_timestamp: row.get(4)?,
    }))
}

fn segments(tx: &Transaction<'_>, kind: SegmentKind) -> Result<Vec<SegmentContents>> {
    let sql = match kind {
        SegmentKind::Ingest => {
            "SELECT epoch, incarnation, seq, state, committed_ms, released_ms, kept_ms FROM segment
             ORDER BY incarnation, seq"
        }
        _ => {
            "SELECT epoch, incarnation, seq, state, NULL, released_ms, kept_ms FROM archive_segment
             ORDER BY incarnation, seq"
        }
    };
    collect(tx, sql, |row| {
        let id = SegmentId {
            kind,
            epoch: get_epoch(row, 0)?,
            incarnation: get_incarnation(row, 1)?,
            seq: get_unsigned(row, 2)?,
        };
        let since_ms: Option<i64> = row.get(4)?;
        let state = match row.get::<_, i64>(3)? {
            LIVE => SegmentState::Live { since_ms },
            TOMBSTONE => SegmentState::Tombstone {
                since_ms: since_ms.unwrap_or_default(),
            },
            RELEASED => SegmentState::Released {
                since_ms: row.get::<_, Option<i64>>(5)?.unwrap_or_default(),
                kept_ms: row.get(6)?,
            },
            GONE => SegmentState::Gone,
            other => {
                return Err(MetastoreError::Corrupt(format!(
                    "segment {id} is in state {other}"
                )));
            }
        };
        Ok(SegmentContents { id, state })
    })
}
