//! The cluster's identity and epoch.

use esker_model::{ClusterEpoch, ClusterId};
use rusqlite::OptionalExtension;

use super::database::Transaction;
use crate::{Cluster, MetastoreError, Result};

/// The cluster, once it was first started.
pub(super) fn cluster(tx: &Transaction<'_>) -> Result<Option<Cluster>> {
    let cluster = tx
        .prepare_cached("SELECT id, epoch, bucket_bound FROM cluster WHERE id IS NOT NULL")?
        .query_row([], |row| {
            Ok(Cluster {
                id: ClusterId(row.get(0)?),
                epoch: ClusterEpoch(row.get(1)?),
                bucket_bound: row.get(2)?,
            })
        })
        .optional()?;
    Ok(cluster)
}

pub(super) fn epoch(tx: &Transaction<'_>) -> Result<ClusterEpoch> {
    let epoch = tx
        .prepare_cached("SELECT epoch FROM cluster")?
        .query_row([], |row| row.get(0))?;
    Ok(ClusterEpoch(epoch))
}

/// Refuses a caller of another epoch.
pub(super) fn check_epoch(tx: &Transaction<'_>, expected: ClusterEpoch) -> Result<()> {
    let found = epoch(tx)?;
    if found == expected {
        return Ok(());
    }
    Err(MetastoreError::WrongEpoch {
        expected: expected.0,
        found: found.0,
    })
}

pub(super) fn init(tx: &Transaction<'_>, id: &ClusterId) -> Result<Cluster> {
    tx.prepare_cached("UPDATE cluster SET id = ?1 WHERE id IS NULL")?
        .execute([&id.0])?;
    cluster(tx)?.ok_or_else(|| MetastoreError::Corrupt("the cluster's row is missing".to_owned()))
}

pub(super) fn bucket_bound(tx: &Transaction<'_>) -> Result<()> {
    tx.prepare_cached("UPDATE cluster SET bucket_bound = 1")?
        .execute([])?;
    Ok(())
}
