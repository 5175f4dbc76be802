//! Settling: a tombstone where there is no row, else what the row says.

use esker_model::IncarnationId;
use esker_model::planted::{Mistake, planted};
use rusqlite::params;

use super::commit::{GONE, LIVE, RELEASED, TOMBSTONE};
use super::database::Transaction;
use super::values::{incarnation, int};
use super::{agents, codec};
use crate::{MetastoreError, Result, SegmentReply, Settled};

pub(super) fn settle(tx: &Transaction<'_>, id: IncarnationId, seqs: &[u64]) -> Result<Vec<Settled>> {
    let epoch = agents::take_fence(tx, id)?;
    seqs.iter().map(|seq| settle_one(tx, id, epoch.0, *seq)).collect()
}

fn settle_one(tx: &Transaction<'_>, id: IncarnationId, epoch: i32, seq: u64) -> Result<Settled> {
    if planted(Mistake::LookThenGiveUp)
        && !tx
            .prepare_cached("SELECT 1 FROM segment WHERE incarnation = ?1 AND seq = ?2")?
            .exists(params![incarnation(&id), int(seq)?])?
    {
        return Ok(Settled::Tombstoned);
    }
    let inserted = tx
        .prepare_cached(
            "INSERT INTO segment (incarnation, seq, epoch, state, object_bytes, committed_ms)
             VALUES (?1, ?2, ?3, ?4, 0, ?5) ON CONFLICT DO NOTHING",
        )?
        .execute(params![incarnation(&id), int(seq)?, epoch, TOMBSTONE, tx.now_ms])?;
    if inserted == 1 {
        return Ok(Settled::Tombstoned);
    }
    let (state, reply): (i64, Option<Vec<u8>>) = tx
        .prepare_cached("SELECT state, reply FROM segment WHERE incarnation = ?1 AND seq = ?2")?
        .query_row(params![incarnation(&id), int(seq)?], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })?;
    match (state, reply) {
        (TOMBSTONE, _) => Ok(Settled::Tombstoned),
        (LIVE | RELEASED | GONE, Some(reply)) => Ok(Settled::Committed(SegmentReply {
            seq,
            runs: codec::decode_reply(&reply)?,
        })),
        _ => Err(MetastoreError::Corrupt(format!(
            "segment {seq} of {id} is in state {state} without a reply"
        ))),
    }
}
