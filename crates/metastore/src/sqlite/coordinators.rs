//! Who coordinates which groups.
//!
//! A shard's row names who took it last. SQLite's single writer stands for the row locks.

use esker_model::planted::{Mistake, planted};
use esker_model::{IncarnationId, ShardId};
use rusqlite::{OptionalExtension, params};
use uuid::Uuid;

use super::agents;
use super::database::Transaction;
use super::values::incarnation;
use crate::{Result, ShardLease, ShardOwner};

pub(super) fn claim(tx: &Transaction<'_>, id: IncarnationId, wanted: &[ShardId]) -> Result<Vec<ShardOwner>> {
    agents::take_fence(tx, id)?;
    let mut take = tx.prepare_cached(
        "INSERT INTO coordinator_shard (shard, incarnation, epoch) VALUES (?1, ?2, 1)
         ON CONFLICT (shard) DO UPDATE SET incarnation = excluded.incarnation, epoch = epoch + 1, written = 0
         WHERE NOT EXISTS (SELECT 1 FROM agent a
                           WHERE a.incarnation = coordinator_shard.incarnation AND a.state = 1)",
    )?;
    for shard in wanted {
        take.execute(params![shard.0, incarnation(&id)])?;
    }
    let mut statement = tx.prepare_cached(
        "SELECT s.shard, s.epoch, a.incarnation FROM coordinator_shard s
         LEFT JOIN agent a ON a.incarnation = s.incarnation AND a.state = 1
         ORDER BY s.shard",
    )?;
    let owners = statement.query_map([], |row| {
        Ok(ShardOwner {
            lease: ShardLease {
                shard: ShardId(row.get(0)?),
                epoch: row.get(1)?,
            },
            incarnation: row
                .get::<_, Option<[u8; 16]>>(2)?
                .map(|id| IncarnationId(Uuid::from_bytes(id))),
        })
    })?;
    Ok(owners.collect::<rusqlite::Result<_>>()?)
}

pub(super) fn release(tx: &Transaction<'_>, id: IncarnationId, leases: &[ShardLease]) -> Result<()> {
    let mut give_back = tx.prepare_cached(
        "UPDATE coordinator_shard SET incarnation = NULL WHERE shard = ?1 AND incarnation = ?2 AND epoch = ?3",
    )?;
    for lease in leases {
        give_back.execute(params![lease.shard.0, incarnation(&id), lease.epoch])?;
    }
    Ok(())
}

/// Notes the number of a write; `false` if it comes late, or the shard is not held by this incarnation with this lease. That
/// the incarnation lives is known.
pub(super) fn written(
    tx: &Transaction<'_>,
    id: IncarnationId,
    lease: ShardLease,
    number: i64,
) -> Result<bool> {
    let sql = if planted(Mistake::LateGroupWrite) {
        "UPDATE coordinator_shard SET written = max(written, ?4)
         WHERE shard = ?1 AND incarnation = ?2 AND epoch = ?3"
    } else {
        "UPDATE coordinator_shard SET written = ?4
         WHERE shard = ?1 AND incarnation = ?2 AND epoch = ?3 AND written < ?4"
    };
    let noted =
        tx.prepare_cached(sql)?
            .execute(params![lease.shard.0, incarnation(&id), lease.epoch, number])?;
    Ok(noted > 0)
}

/// Whether an incarnation lives and holds a shard with this lease.
pub(super) fn holds(tx: &Transaction<'_>, id: IncarnationId, lease: ShardLease) -> Result<bool> {
    let held = tx
        .prepare_cached(
            "SELECT 1 FROM coordinator_shard s JOIN agent a ON a.incarnation = s.incarnation AND a.state = 1
             WHERE s.shard = ?1 AND s.incarnation = ?2 AND s.epoch = ?3",
        )?
        .query_row(params![lease.shard.0, incarnation(&id), lease.epoch], |_| Ok(()))
        .optional()?;
    Ok(held.is_some())
}
