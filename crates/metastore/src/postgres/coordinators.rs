//! Who coordinates which groups.

use async_trait::async_trait;
use esker_model::{IncarnationId, ShardId};
use sqlx::Row;

use super::PostgresMetastore;
use super::error::Effect;
use super::past::Past;
use crate::{Coordinators, Result, ShardLease, ShardOwner};

#[async_trait]
impl Coordinators for PostgresMetastore {
    async fn claim_shards(&self, incarnation: IncarnationId, wanted: &[ShardId]) -> Result<Vec<ShardOwner>> {
        let wanted: Vec<i16> = wanted.iter().map(|shard| shard.0).collect();
        let query = |past: Past| {
            sqlx::query("SELECT o_shard, o_epoch, o_incarnation FROM claim_shards_v1($1, $2, $3, $4)")
                .bind(past.system)
                .bind(past.timeline)
                .bind(incarnation.0)
                .bind(&wanted)
        };
        let rows = self
            .rows_on_known_past("claim_shards", Effect::Writes, query)
            .await?;
        rows.iter()
            .map(|row| {
                Ok(ShardOwner {
                    lease: ShardLease {
                        shard: ShardId(row.try_get(0)?),
                        epoch: row.try_get(1)?,
                    },
                    incarnation: row.try_get::<Option<_>, _>(2)?.map(IncarnationId),
                })
            })
            .collect()
    }

    async fn release_shards(&self, incarnation: IncarnationId, leases: &[ShardLease]) -> Result<()> {
        let (shards, epochs): (Vec<i16>, Vec<i64>) =
            leases.iter().map(|lease| (lease.shard.0, lease.epoch)).unzip();
        let query = || {
            sqlx::query("SELECT release_shards_v1($1, $2, $3)")
                .bind(incarnation.0)
                .bind(&shards)
                .bind(&epochs)
        };
        self.session
            .rows(&self.general, "release_shards", Effect::Writes, query)
            .await?;
        Ok(())
    }
}
