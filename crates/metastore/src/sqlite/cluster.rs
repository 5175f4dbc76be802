//! The cluster's identity and epoch.

use esker_model::{ClusterEpoch, ClusterId};
use rusqlite::OptionalExtension;

use super::database::Transaction;
use crate::{Cluster, MetastoreError, Result};

/// Epochs begin here; only a restore raises them.
const FIRST_EPOCH: i32 = 1;

pub(super) fn cluster(tx: &Transaction<'_>) -> Result<Option<Cluster>> {
    let cluster = tx
        .prepare_cached("SELECT id, epoch, bucket_bound FROM cluster")?
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

/// The epoch; 0 before the first start.
pub(super) fn epoch(tx: &Transaction<'_>) -> Result<ClusterEpoch> {
    Ok(cluster(tx)?.map_or(ClusterEpoch(0), |cluster| cluster.epoch))
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
    tx.prepare_cached("INSERT INTO cluster (only_row, id, epoch) VALUES (1, ?1, ?2) ON CONFLICT DO NOTHING")?
        .execute((&id.0, FIRST_EPOCH))?;
    cluster(tx)?.ok_or_else(|| MetastoreError::Corrupt("the cluster's row is missing".to_owned()))
}

pub(super) fn bucket_bound(tx: &Transaction<'_>) -> Result<()> {
    tx.prepare_cached("UPDATE cluster SET bucket_bound = 1")?
        .execute([])?;
    Ok(())
}
