//! Producer ids, and forgetting idle producers.

use async_trait::async_trait;
use sqlx::Row;

use super::PostgresMetastore;
use super::error::Effect;
use super::past::Past;
use crate::{MetastoreError, Producers, Result};

const ALLOCATE: &str = "UPDATE cluster SET next_producer_id = next_producer_id + $1
     FROM same_past_v1($2, $3)
     RETURNING next_producer_id - $1";

#[async_trait]
impl Producers for PostgresMetastore {
    async fn allocate_producer_ids(&self, count: u32) -> Result<i64> {
        let query = |past: Past| {
            sqlx::query(ALLOCATE)
                .bind(i64::from(count))
                .bind(past.system)
                .bind(past.timeline)
        };
        let rows = self
            .rows_on_known_past("allocate_producer_ids", Effect::Writes, query)
            .await?;
        let row = rows
            .first()
            .ok_or_else(|| MetastoreError::Corrupt("the cluster's row is missing".to_owned()))?;
        Ok(row.try_get(0)?)
    }

    async fn forget_idle_producers(&self, idle_ms: i64, limit: u32) -> Result<u64> {
        let query = || {
            sqlx::query("SELECT forget_idle_producers_v1($1, $2)")
                .bind(idle_ms)
                .bind(i64::from(limit))
        };
        let row = self
            .session
            .row(&self.general, "forget_idle_producers", Effect::Writes, query)
            .await?;
        let forgotten: i64 = row.try_get(0)?;
        u64::try_from(forgotten)
            .map_err(|_| MetastoreError::Corrupt("a negative number of producers".to_owned()))
    }
}
