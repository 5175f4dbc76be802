//! What coordinators of groups keep: the way in.

use std::collections::BTreeSet;

use rusqlite::params;

use super::coordinators::written;
use super::database::Transaction;
use super::values::int;
use super::{agents, groups};
use crate::group_rounds::{Put, Step, rounds};
use crate::{ForgetOffsets, GroupWrites, Result, ShardLease};

pub(super) fn write(tx: &Transaction<'_>, writes: &GroupWrites) -> Result<Vec<bool>> {
    let rounds = rounds(writes)?;
    let number = int(writes.number)?;
    agents::take_fence(tx, writes.incarnation)?;
    let said: BTreeSet<ShardLease> = writes.changes.iter().map(|change| change.lease).collect();
    let mut held = BTreeSet::new();
    for lease in said {
        if written(tx, writes.incarnation, lease, number)? {
            held.insert(lease);
        }
    }
    for step in rounds.iter().flatten().filter(|step| held.contains(&step.lease)) {
        make(tx, step)?;
    }
    Ok(writes
        .changes
        .iter()
        .map(|change| held.contains(&change.lease))
        .collect())
}

pub(super) fn forget(tx: &Transaction<'_>, forget: &ForgetOffsets) -> Result<bool> {
    forget.check()?;
    let number = int(forget.number)?;
    agents::take_fence(tx, forget.incarnation)?;
    if !written(tx, forget.incarnation, forget.lease, number)? {
        return Ok(false);
    }
    let mut delete = tx.prepare_cached(
        "DELETE FROM group_offset
         WHERE group_key = (SELECT key FROM consumer_group WHERE shard = ?1 AND id = ?2)
             AND topic = ?3 AND partition = ?4 AND committed_ms <= ?5",
    )?;
    let before = tx.now_ms.saturating_sub(forget.age_ms);
    for (group, partition) in &forget.offsets {
        let (topic, partition) = (partition.topic.0, partition.partition);
        delete.execute(params![forget.lease.shard.0, group, topic, partition, before])?;
    }
    Ok(true)
}

fn make(tx: &Transaction<'_>, step: &Step) -> Result<()> {
    if step.delete
        && let Some(key) = groups::key_of(tx, &step.group)?
    {
        delete(tx, key)?;
    }
    if let Some(new) = &step.put {
        put(tx, step, new)?;
    }
    let Some(key) = groups::key_of(tx, &step.group)? else {
        return Ok(());
    };
    write_members(tx, step, key)?;
    write_offsets(tx, step, key)?;
    if step.delete_without_offsets {
        let kept = tx
            .prepare_cached("SELECT 1 FROM group_offset WHERE group_key = ?1 LIMIT 1")?
            .exists([key])?;
        if !kept {
            delete(tx, key)?;
        }
    }
    Ok(())
}

fn delete(tx: &Transaction<'_>, key: i64) -> Result<()> {
    for statement in [
        "DELETE FROM consumer_group WHERE key = ?1",
        "DELETE FROM group_member WHERE group_key = ?1",
        "DELETE FROM group_offset WHERE group_key = ?1",
    ] {
        tx.prepare_cached(statement)?.execute([key])?;
    }
    Ok(())
}

fn put(tx: &Transaction<'_>, step: &Step, new: &Put) -> Result<()> {
    tx.prepare_cached(
        "INSERT INTO consumer_group AS g (shard, id, state, empty_since_ms) VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT (shard, id) DO UPDATE
         SET state = excluded.state,
             empty_since_ms = iif(excluded.empty_since_ms IS NULL, NULL,
                                  ifnull(g.empty_since_ms, excluded.empty_since_ms))",
    )?
    .execute(params![
        step.lease.shard.0,
        step.group,
        &new.state[..],
        new.empty.then_some(tx.now_ms)
    ])?;
    Ok(())
}

fn write_members(tx: &Transaction<'_>, step: &Step, key: i64) -> Result<()> {
    for (id, state) in &step.members {
        match state {
            Some(state) => tx
                .prepare_cached(
                    "INSERT INTO group_member (group_key, id, state) VALUES (?1, ?2, ?3)
                     ON CONFLICT (group_key, id) DO UPDATE SET state = excluded.state",
                )?
                .execute(params![key, id, &state[..]])?,
            None => tx
                .prepare_cached("DELETE FROM group_member WHERE group_key = ?1 AND id = ?2")?
                .execute(params![key, id])?,
        };
    }
    Ok(())
}

fn write_offsets(tx: &Transaction<'_>, step: &Step, key: i64) -> Result<()> {
    for (partition, offset) in &step.offsets {
        let (topic, partition) = (partition.topic.0, partition.partition);
        match offset {
            Some(offset) => tx
                .prepare_cached(
                    "INSERT INTO group_offset
                         (group_key, topic, partition, committed_offset, leader_epoch, metadata, committed_ms)
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
                     ON CONFLICT (group_key, topic, partition) DO UPDATE
                     SET committed_offset = excluded.committed_offset, leader_epoch = excluded.leader_epoch,
                         metadata = excluded.metadata, committed_ms = excluded.committed_ms",
                )?
                .execute(params![
                    key,
                    topic,
                    partition,
                    offset.offset,
                    offset.leader_epoch,
                    offset.metadata,
                    tx.now_ms
                ])?,
            None => tx
                .prepare_cached(
                    "DELETE FROM group_offset WHERE group_key = ?1 AND topic = ?2 AND partition = ?3",
                )?
                .execute(params![key, topic, partition])?,
        };
    }
    Ok(())
}
