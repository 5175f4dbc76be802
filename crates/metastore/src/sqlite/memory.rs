//! What partitions remember of producers: rows to [`Memory`] and back, and the forgetting.

use std::collections::VecDeque;

use esker_model::sequence::{Known, Memory};
use esker_model::{PartitionKey, ProducerEpoch, ProducerId};
use rusqlite::{OptionalExtension, params};

use super::codec;
use super::database::Transaction;
use crate::{ActiveProducer, MetastoreError, Result};

pub(super) fn load(
    tx: &Transaction<'_>,
    partition: PartitionKey,
    producer: ProducerId,
) -> Result<Option<Memory>> {
    let row = tx
        .prepare_cached(
            "SELECT epoch, noted_lowest, last_sequence, runs, from_zero FROM producer_partition
             WHERE topic = ?1 AND partition = ?2 AND producer_id = ?3",
        )?
        .query_row(
            params![partition.topic.0, partition.partition, producer.0],
            |row| {
                Ok((
                    ProducerEpoch(row.get(0)?),
                    row.get::<_, Option<i32>>(1)?,
                    row.get::<_, Option<i32>>(2)?,
                    row.get::<_, Vec<u8>>(3)?,
                    row.get::<_, bool>(4)?,
                ))
            },
        )
        .optional()?;
    match row {
        None => Ok(None),
        Some((epoch, Some(lowest), None, ..)) => Ok(Some(Memory::Noted { epoch, lowest })),
        Some((epoch, None, Some(last), runs, from_zero)) => Ok(Some(Memory::Known(Known {
            epoch,
            last,
            from_zero,
            runs: codec::decode_runs(&runs)?,
        }))),
        Some(_) => Err(MetastoreError::Corrupt(format!(
            "partition {partition} has contradictory notes of producer {producer}"
        ))),
    }
}

pub(super) fn save(
    tx: &Transaction<'_>,
    partition: PartitionKey,
    producer: ProducerId,
    memory: &Memory,
) -> Result<()> {
    let none = VecDeque::new();
    let (epoch, lowest, last, runs, from_zero) = match memory {
        Memory::Noted { epoch, lowest } => (epoch, Some(*lowest), None, &none, false),
        Memory::Known(known) => (&known.epoch, None, Some(known.last), &known.runs, known.from_zero),
    };
    tx.prepare_cached(
        "INSERT OR REPLACE INTO producer_partition
             (topic, partition, producer_id, epoch, noted_lowest, last_sequence, runs, touched_ms, from_zero)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
    )?
    .execute(params![
        partition.topic.0,
        partition.partition,
        producer.0,
        epoch.0,
        lowest,
        last,
        codec::encode_runs(runs),
        tx.now_ms,
        from_zero,
    ])?;
    Ok(())
}

/// The producers that a partition has appended runs of, ascending by id; of more than `limit` those that did so last.
pub(super) fn active(
    tx: &Transaction<'_>,
    partition: PartitionKey,
    limit: u32,
) -> Result<Vec<ActiveProducer>> {
    let mut statement = tx.prepare_cached(
        "SELECT producer_id, epoch, last_sequence, runs FROM producer_partition
         WHERE topic = ?1 AND partition = ?2 AND last_sequence IS NOT NULL
         ORDER BY touched_ms DESC, producer_id LIMIT ?3",
    )?;
    let rows = statement.query_map(params![partition.topic.0, partition.partition, limit], |row| {
        Ok((
            ProducerId(row.get(0)?),
            ProducerEpoch(row.get(1)?),
            row.get::<_, i32>(2)?,
            row.get::<_, Vec<u8>>(3)?,
        ))
    })?;
    let mut active = Vec::new();
    for row in rows {
        let (id, epoch, last_sequence, runs) = row?;
        let last = codec::decode_runs(&runs)?.back().copied();
        active.push(ActiveProducer {
            id,
            epoch,
            last_sequence,
            last_timestamp: last.map_or(-1, |run| run.max_timestamp),
        });
    }
    active.sort_unstable_by_key(|producer| producer.id);
    Ok(active)
}

/// Forgets pairs that were not touched for `idle_ms`, the longest idle first.
pub(super) fn forget_idle(tx: &Transaction<'_>, idle_ms: i64, limit: u32) -> Result<u64> {
    let idle = tx
        .prepare_cached(
            "SELECT topic, partition, producer_id FROM producer_partition
             WHERE touched_ms <= ?1
             ORDER BY touched_ms, topic, partition, producer_id LIMIT ?2",
        )?
        .query_map(params![tx.now_ms.saturating_sub(idle_ms), limit], |row| {
            Ok((
                row.get::<_, i32>(0)?,
                row.get::<_, i32>(1)?,
                row.get::<_, i64>(2)?,
            ))
        })?
        .collect::<rusqlite::Result<Vec<_>>>()?;
    let mut delete = tx.prepare_cached(
        "DELETE FROM producer_partition WHERE topic = ?1 AND partition = ?2 AND producer_id = ?3",
    )?;
    let mut mark = tx.prepare_cached(
        "UPDATE log_head SET forgotten_through = max(forgotten_through, ?3)
         WHERE topic = ?1 AND partition = ?2",
    )?;
    for pair in &idle {
        delete.execute(*pair)?;
        mark.execute(*pair)?;
    }
    Ok(idle.len() as u64)
}
