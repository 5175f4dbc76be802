//! Between our types and SQLite's: uuids are blobs of 16 bytes, every number is an `i64`.

use esker_model::{ClusterEpoch, IncarnationId, TopicUuid};
use rusqlite::Row;
use uuid::Uuid;

use crate::{MetastoreError, Result};

pub(super) fn incarnation(id: &IncarnationId) -> &[u8] {
    id.0.as_bytes()
}

pub(super) fn topic_uuid(id: &TopicUuid) -> &[u8] {
    id.0.as_bytes()
}

pub(super) fn get_incarnation(row: &Row<'_>, column: usize) -> rusqlite::Result<IncarnationId> {
    Ok(IncarnationId(Uuid::from_bytes(row.get(column)?)))
}

pub(super) fn get_topic_uuid(row: &Row<'_>, column: usize) -> rusqlite::Result<TopicUuid> {
    Ok(TopicUuid(Uuid::from_bytes(row.get(column)?)))
}

/// A number for SQLite, whose integers have a sign.
pub(super) fn int(number: u64) -> Result<i64> {
    i64::try_from(number).map_err(|_| MetastoreError::Corrupt(format!("{number} is out of range")))
}

pub(super) fn get_epoch(row: &Row<'_>, column: usize) -> rusqlite::Result<ClusterEpoch> {
    Ok(ClusterEpoch(row.get(column)?))
}

/// A number that is never negative.
pub(super) fn get_unsigned(row: &Row<'_>, column: usize) -> Result<u64> {
    u64::try_from(row.get::<_, i64>(column)?)
        .map_err(|_| MetastoreError::Corrupt("a number that cannot be negative is".to_owned()))
}
