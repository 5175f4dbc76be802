//! Who is alive: the fence rows.
//!
//! An incarnation is live, then fenced or left, never live again. SQLite's single writer stands for
//! the row locks: whoever reads a fence row in a writing transaction holds it to the end.

use esker_model::planted::{Mistake, planted};
use esker_model::{ClusterEpoch, IncarnationId, NodeId};
use rusqlite::{OptionalExtension, params};

use super::database::Transaction;
use super::values::{get_incarnation, incarnation};
use super::{cluster, topics};
use crate::{Agent, Heartbeat, MetastoreError, Registered, Registration, Result};

/// `agent.state`. The statements below spell out 1, because the partial index asks for it.
const LIVE: i64 = 1;
const FENCED: i64 = 2;
const LEFT: i64 = 3;

/// Refuses an incarnation that is not live; returns the epoch it registered in.
pub(super) fn take_fence(tx: &Transaction<'_>, id: IncarnationId) -> Result<ClusterEpoch> {
    let select = if planted(Mistake::SkipFence) {
        "SELECT epoch FROM agent WHERE incarnation = ?1"
    } else {
        "SELECT epoch FROM agent WHERE incarnation = ?1 AND state = 1"
    };
    tx.prepare_cached(select)?
        .query_row([incarnation(&id)], |row| Ok(ClusterEpoch(row.get(0)?)))
        .optional()?
        .ok_or(MetastoreError::Fenced)
}

pub(super) fn register(tx: &Transaction<'_>, registration: &Registration) -> Result<Registered> {
    cluster::check_epoch(tx, registration.epoch)?;
    let node_id = node_id(tx, &registration.node_name)?;
    // One that ended stays so, and a living one keeps its name. (The new name's id is rolled back.)
    if state(tx, registration.incarnation)?.is_some_and(|found| found != (node_id, LIVE)) {
        return Err(MetastoreError::Fenced);
    }
    let earlier = tx
        .prepare_cached(
            "SELECT incarnation FROM agent WHERE node_id = ?1 AND state = 1 AND incarnation <> ?2
             ORDER BY incarnation",
        )?
        .query_map(
            params![node_id.0, incarnation(&registration.incarnation)],
            |row| get_incarnation(row, 0),
        )?
        .collect::<rusqlite::Result<Vec<_>>>()?;
    for id in &earlier {
        end(tx, *id, FENCED)?;
    }
    let profile = serde_json::to_string(&registration.profile)
        .map_err(|error| MetastoreError::Corrupt(format!("a profile: {error}")))?;
    tx.prepare_cached(
        "INSERT INTO agent (incarnation, node_id, epoch, state, heartbeat_ms, profile)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6)
         ON CONFLICT (incarnation) DO UPDATE
         SET heartbeat_ms = excluded.heartbeat_ms, profile = excluded.profile",
    )?
    .execute(params![
        incarnation(&registration.incarnation),
        node_id.0,
        registration.epoch.0,
        LIVE,
        tx.now_ms,
        profile,
    ])?;
    Ok(Registered {
        node_id,
        fenced: earlier,
    })
}

/// The id of a name, given when it is first seen.
fn node_id(tx: &Transaction<'_>, name: &str) -> Result<NodeId> {
    tx.prepare_cached("INSERT INTO node (name) VALUES (?1) ON CONFLICT DO NOTHING")?
        .execute([name])?;
    let id = tx
        .prepare_cached("SELECT id FROM node WHERE name = ?1")?
        .query_row([name], |row| row.get(0))?;
    Ok(NodeId(id))
}

fn state(tx: &Transaction<'_>, id: IncarnationId) -> Result<Option<(NodeId, i64)>> {
    let state = tx
        .prepare_cached("SELECT node_id, state FROM agent WHERE incarnation = ?1")?
        .query_row([incarnation(&id)], |row| Ok((NodeId(row.get(0)?), row.get(1)?)))
        .optional()?;
    Ok(state)
}

/// Ends a life, if it has not ended.
fn end(tx: &Transaction<'_>, id: IncarnationId, state: i64) -> Result<()> {
    tx.prepare_cached("UPDATE agent SET state = ?2 WHERE incarnation = ?1 AND state = 1")?
        .execute(params![incarnation(&id), state])?;
    Ok(())
}

pub(super) fn heartbeat(tx: &Transaction<'_>, id: IncarnationId, liveness_ms: i64) -> Result<Heartbeat> {
    let renewed = tx
        .prepare_cached("UPDATE agent SET heartbeat_ms = ?2 WHERE incarnation = ?1 AND state = 1")?
        .execute(params![incarnation(&id), tx.now_ms])?;
    if renewed == 0 {
        return Err(MetastoreError::Fenced);
    }
    let oldest_ms = tx.now_ms.saturating_sub(liveness_ms);
    let mut heartbeat = Heartbeat {
        live: Vec::new(),
        expired: Vec::new(),
        catalog_version: topics::version(tx)?,
        epoch: cluster::epoch(tx)?,
        now_ms: tx.now_ms,
    };
    let mut statement = tx.prepare_cached(
        "SELECT a.node_id, n.name, a.incarnation, a.profile, a.heartbeat_ms
         FROM agent a JOIN node n ON n.id = a.node_id WHERE a.state = 1 ORDER BY a.node_id",
    )?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let incarnation = get_incarnation(row, 2)?;
        if row.get::<_, i64>(4)? < oldest_ms {
            heartbeat.expired.push(incarnation);
            continue;
        }
        let profile = serde_json::from_str(row.get_ref(3)?.as_str().map_err(rusqlite::Error::from)?)
            .map_err(|error| MetastoreError::Corrupt(format!("the profile of {incarnation}: {error}")))?;
        heartbeat.live.push(Agent {
            node_id: NodeId(row.get(0)?),
            node_name: row.get(1)?,
            incarnation,
            profile,
        });
    }
    Ok(heartbeat)
}

/// Fences the silent ones; returns those that are not live any more, whoever ended them.
pub(super) fn fence_expired(
    tx: &Transaction<'_>,
    ids: &[IncarnationId],
    liveness_ms: i64,
) -> Result<Vec<IncarnationId>> {
    let oldest_ms = tx.now_ms.saturating_sub(liveness_ms);
    let mut ended = Vec::new();
    for id in ids {
        tx.prepare_cached(
            "UPDATE agent SET state = ?2 WHERE incarnation = ?1 AND state = 1 AND heartbeat_ms < ?3",
        )?
        .execute(params![incarnation(id), FENCED, oldest_ms])?;
        if state(tx, *id)?.is_some_and(|(_, state)| state != LIVE) {
            ended.push(*id);
        }
    }
    Ok(ended)
}

pub(super) fn announce_leave(tx: &Transaction<'_>, id: IncarnationId) -> Result<()> {
    tx.prepare_cached(
        "UPDATE agent SET profile = json_set(profile, '$.roles', json('[]')) WHERE incarnation = ?1 AND state = 1",
    )?
    .execute([incarnation(&id)])?;
    Ok(())
}

pub(super) fn leave(tx: &Transaction<'_>, id: IncarnationId) -> Result<()> {
    end(tx, id, LEFT)
}
