//! Rows of extents, archived or not, and the [`Extent`]s that they say.

use esker_model::{ClusterEpoch, PartitionKey, ProducerEpoch, ProducerId, SegmentId, SegmentKind};
use rusqlite::{Row, params};

use super::commit::is_transactional;
use super::database::Transaction;
use super::values::{get_incarnation, get_unsigned, incarnation, int};
use crate::{ChunkRange, Extent, MetastoreError, Result};

/// `archive_extent.kind`. Statements that the partial index serves spell out 1.
const INGEST: i64 = 0;
const ARCHIVE: i64 = 1;

/// Selects extents that are not archived, with what [`extent`] needs of their segments.
macro_rules! extents_sql {
    ($condition:literal) => {
        concat!(
            "SELECT e.base_offset, e.end_offset, 0, s.epoch, s.incarnation, s.seq, s.object_bytes,
                    e.position, e.bytes, e.max_timestamp, e.producer_id, e.producer_epoch, e.flags,
                    NULL, NULL, NULL, e.topic, e.partition
             FROM extent e JOIN segment s ON s.id = e.segment ",
            $condition
        )
    };
}

/// Selects archived extents.
macro_rules! archive_extents_sql {
    ($condition:literal) => {
        concat!(
            "SELECT e.base_offset, e.end_offset, e.kind, e.epoch, e.incarnation, e.seq, e.object_bytes,
                    e.position, e.bytes, e.max_timestamp, NULL, NULL, 0,
                    e.chunk_position, e.chunk_bytes, e.chunk_crc, e.topic, e.partition, e.archived_ms
             FROM archive_extent e ",
            $condition
        )
    };
}

pub(super) use {archive_extents_sql, extents_sql};

/// Reads a row of either selection.
pub(super) fn extent(row: &Row<'_>) -> Result<Extent> {
    let unsigned = |column| get_unsigned(row, column);
    let producer: (Option<i64>, Option<i16>) = (row.get(10)?, row.get(11)?);
    let kind = match row.get(2)? {
        INGEST => SegmentKind::Ingest,
        ARCHIVE => SegmentKind::Archive,
        other => {
            return Err(MetastoreError::Corrupt(format!(
                "an extent in a segment of kind {other}"
            )));
        }
    };
    let chunk = match row.get::<_, Option<u32>>(14)?.zip(row.get(15)?) {
        None => None,
        Some((bytes, crc)) => Some(ChunkRange {
            position: unsigned(13)?,
            bytes,
            crc,
        }),
    };
    Ok(Extent {
        base_offset: row.get(0)?,
        end_offset: row.get(1)?,
        segment: SegmentId {
            kind,
            epoch: ClusterEpoch(row.get(3)?),
            incarnation: get_incarnation(row, 4)?,
            seq: unsigned(5)?,
        },
        object_bytes: unsigned(6)?,
        chunk,
        position: unsigned(7)?,
        bytes: unsigned(8)?,
        max_timestamp: row.get(9)?,
        producer: producer
            .0
            .zip(producer.1)
            .map(|(id, epoch)| (ProducerId(id), ProducerEpoch(epoch))),
        transactional: is_transactional(row.get(12)?),
    })
}

/// Whose extent a row of either selection is.
pub(super) fn partition(row: &Row<'_>) -> Result<PartitionKey> {
    Ok(PartitionKey {
        topic: esker_model::TopicKey(row.get(16)?),
        partition: row.get(17)?,
    })
}

fn misplaced(segment: &SegmentId) -> MetastoreError {
    MetastoreError::Corrupt(format!("the merged segment {segment} is listed in a manifest"))
}

/// Inserts an extent that was archived at that time.
pub(super) fn insert_archived(
    tx: &Transaction<'_>,
    key: PartitionKey,
    extent: &Extent,
    archived_ms: i64,
) -> Result<()> {
    let segment = &extent.segment;
    let kind = match segment.kind {
        SegmentKind::Ingest => INGEST,
        SegmentKind::Archive => ARCHIVE,
        SegmentKind::Merged(_) => return Err(misplaced(segment)),
    };
    tx.prepare_cached(
        "INSERT INTO archive_extent (topic, partition, base_offset, end_offset, kind, epoch, incarnation, seq,
                                     object_bytes, position, bytes, max_timestamp,
                                     chunk_position, chunk_bytes, chunk_crc, archived_ms)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16)",
    )?
    .execute(params![
        key.topic.0,
        key.partition,
        extent.base_offset,
        extent.end_offset,
        kind,
        segment.epoch.0,
        incarnation(&segment.incarnation),
        int(segment.seq)?,
        int(extent.object_bytes)?,
        int(extent.position)?,
        int(extent.bytes)?,
        extent.max_timestamp,
        extent.chunk.map(|chunk| int(chunk.position)).transpose()?,
        extent.chunk.map(|chunk| chunk.bytes),
        extent.chunk.map(|chunk| chunk.crc),
        archived_ms,
    ])?;
    Ok(())
}
