//! What coordinators of groups read, and offsets that expire. `group_writes` is how it comes in.

use std::collections::BTreeSet;

use bytes::Bytes;
use esker_model::groups::shard_of;
use esker_model::{IncarnationId, PartitionKey, ShardId, TopicKey};
use rusqlite::{OptionalExtension, Row, params};

use super::coordinators::holds;
use super::database::Transaction;
use super::values::int;
use crate::group_rounds::{id_from, place};
use crate::{
    CommittedOffset, CommittedOffsets, Expired, OffsetOf, OffsetsRequest, Result, ShardLease, StoredGroup,
};

pub(super) fn load(
    tx: &Transaction<'_>,
    id: IncarnationId,
    lease: ShardLease,
    after: Option<&str>,
    limit: usize,
) -> Result<Option<Vec<StoredGroup>>> {
    if !holds(tx, id, lease)? {
        return Ok(None);
    }
    let mut members_of =
        tx.prepare_cached("SELECT id, state FROM group_member WHERE group_key = ?1 ORDER BY id")?;
    let mut statement = tx.prepare_cached(
        "SELECT key, id, state FROM consumer_group
         WHERE shard = ?1 AND id >= ?2 ORDER BY id LIMIT ?3",
    )?;
    let mut rows = statement.query(params![lease.shard.0, id_from(after), int(limit as u64)?])?;
    let mut groups = Vec::new();
    while let Some(row) = rows.next()? {
        let members = members_of.query_map([row.get::<_, i64>(0)?], |row| {
            Ok((row.get(0)?, Bytes::from(row.get::<_, Vec<u8>>(1)?)))
        })?;
        groups.push(StoredGroup {
            id: row.get(1)?,
            state: Bytes::from(row.get::<_, Vec<u8>>(2)?),
            members: members.collect::<rusqlite::Result<_>>()?,
        });
    }
    Ok(Some(groups))
}

/// The key of a group's row.
pub(super) fn key_of(tx: &Transaction<'_>, group: &str) -> Result<Option<i64>> {
    let key = tx
        .prepare_cached("SELECT key FROM consumer_group WHERE shard = ?1 AND id = ?2")?
        .query_row(params![shard_of(group).0, group], |row| row.get(0))
        .optional()?;
    Ok(key)
}

pub(super) fn committed(tx: &Transaction<'_>, request: &OffsetsRequest) -> Result<CommittedOffsets> {
    let Some(key) = key_of(tx, &request.group)? else {
        return Ok(Vec::new());
    };
    let Some(partitions) = &request.partitions else {
        let mut all = tx.prepare_cached(
            "SELECT topic, partition, committed_offset, leader_epoch, metadata FROM group_offset
             WHERE group_key = ?1 ORDER BY topic, partition",
        )?;
        let found = all.query_map([key], offset)?;
        return Ok(found.collect::<rusqlite::Result<_>>()?);
    };
    let mut one = tx.prepare_cached(
        "SELECT topic, partition, committed_offset, leader_epoch, metadata FROM group_offset
         WHERE group_key = ?1 AND topic = ?2 AND partition = ?3",
    )?;
    let mut found = Vec::new();
    for partition in partitions.iter().collect::<BTreeSet<_>>() {
        let key = params![key, partition.topic.0, partition.partition];
        found.extend(one.query_row(key, offset).optional()?);
    }
    Ok(found)
}

fn partition(row: &Row<'_>) -> rusqlite::Result<PartitionKey> {
    Ok(PartitionKey {
        topic: TopicKey(row.get(0)?),
        partition: row.get(1)?,
    })
}

fn offset(row: &Row<'_>) -> rusqlite::Result<(PartitionKey, CommittedOffset)> {
    Ok((
        partition(row)?,
        CommittedOffset {
            offset: row.get(2)?,
            leader_epoch: row.get(3)?,
            metadata: row.get(4)?,
        },
    ))
}

pub(super) fn expire(
    tx: &Transaction<'_>,
    id: IncarnationId,
    lease: ShardLease,
    retention_ms: i64,
    limit: usize,
) -> Result<Option<Expired>> {
    if !holds(tx, id, lease)? {
        return Ok(None);
    }
    let limit = int(limit as u64)?;
    let forgotten = tx
        .prepare_cached(
            "DELETE FROM group_offset WHERE (group_key, topic, partition) IN (
             SELECT o.group_key, o.topic, o.partition
             FROM consumer_group g JOIN group_offset o ON o.group_key = g.key
             WHERE g.shard = ?1
                 AND (NOT EXISTS (SELECT 1 FROM topic t WHERE t.key = o.topic)
                      OR (g.empty_since_ms <= ?2 AND o.committed_ms <= ?2))
             LIMIT ?3)",
        )?
        .execute(params![
            lease.shard.0,
            tx.now_ms.saturating_sub(retention_ms),
            limit
        ])?;
    let mut statement = tx.prepare_cached(
        "SELECT g.id FROM consumer_group g
         WHERE g.shard = ?1 AND g.empty_since_ms IS NOT NULL
             AND NOT EXISTS (SELECT 1 FROM group_offset o WHERE o.group_key = g.key)
         ORDER BY g.id LIMIT ?2",
    )?;
    let ids = statement.query_map(params![lease.shard.0, limit], |row| row.get(0))?;
    Ok(Some(Expired {
        more: int(forgotten as u64)? >= limit,
        unused: ids.collect::<rusqlite::Result<_>>()?,
    }))
}

pub(super) fn old(
    tx: &Transaction<'_>,
    shard: ShardId,
    age_ms: i64,
    after: Option<&OffsetOf>,
    limit: usize,
) -> Result<Vec<OffsetOf>> {
    let (group, after) = place(after);
    let mut statement = tx.prepare_cached(
        "SELECT o.topic, o.partition, g.id
         FROM consumer_group g JOIN group_offset o ON o.group_key = g.key
         WHERE g.shard = ?1 AND g.id >= ?2 AND g.empty_since_ms IS NULL
             AND (g.id > ?2 OR (o.topic, o.partition) > (?3, ?4))
             AND o.committed_ms <= ?5
         ORDER BY g.id, o.topic, o.partition LIMIT ?6",
    )?;
    let from = params![
        shard.0,
        group,
        after.topic.0,
        after.partition,
        tx.now_ms.saturating_sub(age_ms),
        int(limit as u64)?
    ];
    let found = statement.query_map(from, |row| Ok((row.get(2)?, partition(row)?)))?;
    Ok(found.collect::<rusqlite::Result<_>>()?)
}
