//! Retention: log starts move, and what lies below them goes.

use async_trait::async_trait;
use esker_model::PartitionKey;
use sqlx::Row;
use sqlx::postgres::PgRow;

use super::error::Effect;
use super::reads::{self, Keys};
use super::{PostgresMetastore, objects};
use crate::{Head, Reads, Result, RetainReply, RetainRequest, Retention, Ripe};

#[async_trait]
impl Retention for PostgresMetastore {
    async fn retain(&self, requests: &[RetainRequest]) -> Result<RetainReply> {
        let keys = Keys::new(requests.iter().map(|request| request.partition));
        let ms: Vec<Option<i64>> = requests.iter().map(|request| request.ms).collect();
        let bytes: Vec<Option<i64>> = requests
            .iter()
            .map(|request| request.bytes.map(reads::limit))
            .collect();
        let query = || {
            sqlx::query("SELECT * FROM retain_v2($1, $2, $3, $4)")
                .bind(&keys.topic)
                .bind(&keys.partition)
                .bind(&ms)
                .bind(&bytes)
        };
        let rows = self
            .session
            .rows(&self.general, "retain", Effect::Writes, query)
            .await?;
        let mut moved = vec![None; requests.len()];
        let mut ripe = vec![None; requests.len()];
        for row in &rows {
            let index = reads::index(row, requests.len())?;
            match self::ripe(row, &requests[index])? {
                Some(found) => ripe[index] = Some(found),
                None => moved[index] = Some((requests[index].partition, reads::head(row)?)),
            }
        }
        Ok(RetainReply {
            moved: moved.into_iter().flatten().collect(),
            ripe: ripe.into_iter().flatten().collect(),
        })
    }

    async fn advance_log_start(&self, starts: &[(PartitionKey, i64)]) -> Result<Vec<Option<Head>>> {
        let keys = Keys::new(starts.iter().map(|(partition, _)| *partition));
        let offsets: Vec<i64> = starts.iter().map(|(_, offset)| *offset).collect();
        let query = || {
            sqlx::query("SELECT * FROM advance_log_start_v1($1, $2, $3)")
                .bind(&keys.topic)
                .bind(&keys.partition)
                .bind(&offsets)
        };
        let rows = self
            .session
            .rows(&self.general, "advance_log_start", Effect::Writes, query)
            .await?;
        let mut heads = vec![None; starts.len()];
        for row in &rows {
            *reads::slot(&mut heads, row)? = Some(reads::head(row)?);
        }
        // Those that did not move stand where they stood.
        let still: Vec<usize> = (0..starts.len()).filter(|at| heads[*at].is_none()).collect();
        let partitions: Vec<PartitionKey> = still.iter().map(|at| starts[*at].0).collect();
        for (at, head) in still.into_iter().zip(self.heads(&partitions).await?) {
            heads[at] = head;
        }
        Ok(heads)
    }

    async fn drop_archived(&self, limit: usize) -> Result<u64> {
        let query = || sqlx::query("SELECT drop_archived_v2($1)").bind(reads::limit(limit as u64));
        let row = self
            .session
            .row(&self.general, "drop_archived", Effect::Writes, query)
            .await?;
        objects::count(&row)
    }
}

/// What a row says of a manifest that lists something that may go, if it is about one.
fn ripe(row: &PgRow, request: &RetainRequest) -> Result<Option<Ripe>> {
    let Some(manifest) = objects::manifest(row, request.partition.partition)? else {
        return Ok(None);
    };
    Ok(Some(Ripe {
        request: *request,
        log_start: row.try_get("o_log_start")?,
        manifest,
        bytes_behind: reads::unsigned(row, "o_bytes_behind")?,
        now_ms: row.try_get("o_now_ms")?,
    }))
}
