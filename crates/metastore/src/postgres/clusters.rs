//! The cluster's identity.

use async_trait::async_trait;
use esker_model::{ClusterEpoch, ClusterId};
use sqlx::Row;
use sqlx::postgres::PgRow;

use super::PostgresMetastore;
use super::error::Effect;
use crate::{Cluster, Clusters, Result};

const CLUSTER: &str = "SELECT cluster_id, epoch, bucket_bound FROM cluster";

/// The row is there since the first migration: whoever comes second waits, and changes nothing.
/// Epochs begin at 1; only a restore raises them.
const INIT: &str = "UPDATE cluster
     SET cluster_id = coalesce(cluster_id, $1), epoch = CASE WHEN cluster_id IS NULL THEN 1 ELSE epoch END
     RETURNING cluster_id, epoch, bucket_bound";

const BUCKET_BOUND: &str = "UPDATE cluster SET bucket_bound = true WHERE NOT bucket_bound";

#[async_trait]
impl Clusters for PostgresMetastore {
    async fn cluster(&self) -> Result<Option<Cluster>> {
        let row = self
            .session
            .row(&self.membership, "cluster", Effect::Reads, || {
                sqlx::query(CLUSTER)
            })
            .await?;
        cluster(&row)
    }

    async fn init_cluster(&self, id: &ClusterId) -> Result<Cluster> {
        let row = self
            .session
            .row(&self.membership, "init_cluster", Effect::Writes, || {
                sqlx::query(INIT).bind(&id.0)
            })
            .await?;
        cluster(&row)?.ok_or_else(|| crate::MetastoreError::Corrupt("a cluster without id".to_owned()))
    }

    async fn bucket_bound(&self) -> Result<()> {
        let query = || sqlx::query(BUCKET_BOUND);
        self.session
            .rows(&self.membership, "bucket_bound", Effect::Writes, query)
            .await?;
        Ok(())
    }
}

fn cluster(row: &PgRow) -> Result<Option<Cluster>> {
    let Some(id) = row.try_get(0)? else {
        return Ok(None);
    };
    Ok(Some(Cluster {
        id: ClusterId(id),
        epoch: ClusterEpoch(row.try_get(1)?),
        bucket_bound: row.try_get(2)?,
    }))
}
