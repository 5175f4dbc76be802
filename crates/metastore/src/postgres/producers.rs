//! Producer ids, and forgetting idle producers.

use async_trait::async_trait;
use esker_model::{PartitionKey, ProducerEpoch, ProducerId, sequence};
use sqlx::Row;

use super::PostgresMetastore;
use super::error::Effect;
use super::past::Past;
use super::reads::{self, Keys};
use crate::{ActiveProducer, MetastoreError, Producers, Result};

const ALLOCATE: &str = "UPDATE cluster SET next_producer_id = next_producer_id + $1
     FROM same_past_v1($2, $3)
     RETURNING next_producer_id - $1";

/// The last run is in the slot before the one that the next run overwrites.
const ACTIVE: &str = "SELECT q.o_index, p.producer_id, p.epoch, p.next_sequence, p.last_timestamp
     FROM unnest($1::integer[], $2::integer[]) WITH ORDINALITY AS q (topic_id, partition, o_index)
     CROSS JOIN LATERAL (
         SELECT pp.producer_id, pp.epoch, pp.next_sequence,
                pp.runs[4 * ((pp.run_slot + 4) % 5) + 4] AS last_timestamp
         FROM producer_partition pp
         WHERE pp.topic_id = q.topic_id AND pp.partition = q.partition AND pp.next_sequence IS NOT NULL
         ORDER BY pp.updated_at DESC, pp.producer_id
         LIMIT $3
     ) p
     ORDER BY q.o_index, p.producer_id";

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

    async fn active_producers(
        &self,
        partitions: &[PartitionKey],
        limit: u32,
    ) -> Result<Vec<Vec<ActiveProducer>>> {
        let keys = Keys::new(partitions.iter().copied());
        let query = || {
            sqlx::query(ACTIVE)
                .bind(&keys.topic)
                .bind(&keys.partition)
                .bind(i64::from(limit))
        };
        let rows = self
            .session
            .rows(&self.general, "active_producers", Effect::Reads, query)
            .await?;
        let mut producers = vec![Vec::new(); partitions.len()];
        for row in &rows {
            reads::slot(&mut producers, row)?.push(ActiveProducer {
                id: ProducerId(row.try_get("producer_id")?),
                epoch: ProducerEpoch(row.try_get("epoch")?),
                last_sequence: sequence::before(row.try_get("next_sequence")?),
                last_timestamp: row.try_get("last_timestamp")?,
            });
        }
        Ok(producers)
    }
}
