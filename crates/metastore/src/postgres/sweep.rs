//! Sweeping: what nothing refers to, and incarnations that left nothing behind.

use async_trait::async_trait;
use esker_model::{ClusterEpoch, IncarnationId, LogId, SegmentId};
use sqlx::Row;
use sqlx::postgres::PgRow;
use uuid::Uuid;

use super::PostgresMetastore;
use super::commit::with_epoch;
use super::error::Effect;
use super::objects::{self, Objects};
use super::past::Past;
use super::reads::{self, unsigned};
use crate::{LogReferences, MetastoreError, References, Result, Sweeps};

/// What a row of `references_v1` is about.
const LIVES: i16 = 0;
const EXISTS: i16 = 1;
const UNNEEDED: i16 = 2;

#[async_trait]
impl Sweeps for PostgresMetastore {
    async fn orphans(&self, epoch: ClusterEpoch, segments: &[SegmentId]) -> Result<Vec<SegmentId>> {
        let ids = Objects::segments(segments)?;
        let query = |past: Past| {
            sqlx::query("SELECT orphans_v1($1, $2, $3, $4, $5, $6) AS o_index")
                .bind(epoch.0)
                .bind(past.system)
                .bind(past.timeline)
                .bind(&ids.kind)
                .bind(&ids.incarnation)
                .bind(&ids.seq)
        };
        let rows = self
            .rows_on_known_past("orphans", Effect::Reads, query)
            .await
            .map_err(|error| with_epoch(error, epoch.0))?;
        rows.iter()
            .map(|row| Ok(segments[reads::index(row, segments.len())?]))
            .collect()
    }

    async fn references(
        &self,
        epoch: ClusterEpoch,
        incarnations: &[IncarnationId],
        logs: &[LogId],
    ) -> Result<References> {
        let lives = ids(incarnations);
        let (topics, partitions) = objects::logs(logs);
        let query = |past: Past| {
            sqlx::query("SELECT * FROM references_v1($1, $2, $3, $4, $5, $6)")
                .bind(epoch.0)
                .bind(past.system)
                .bind(past.timeline)
                .bind(&lives)
                .bind(&topics)
                .bind(&partitions)
        };
        let rows = self
            .rows_on_known_past("references", Effect::Reads, query)
            .await
            .map_err(|error| with_epoch(error, epoch.0))?;
        let mut references = References {
            live: vec![false; incarnations.len()],
            logs: vec![LogReferences::default(); logs.len()],
        };
        for row in &rows {
            read_reference(row, logs, &mut references)?;
        }
        Ok(references)
    }

    async fn to_sweep(&self, limit: usize) -> Result<Vec<IncarnationId>> {
        let query = || sqlx::query("SELECT to_sweep_v1($1)").bind(objects::limit(limit));
        let rows = self
            .session
            .rows(&self.general, "to_sweep", Effect::Reads, query)
            .await?;
        rows.iter()
            .map(|row| Ok(IncarnationId(row.try_get(0)?)))
            .collect()
    }

    async fn swept(&self, incarnations: &[IncarnationId]) -> Result<u64> {
        let swept = ids(incarnations);
        let query = || sqlx::query("SELECT swept_v2($1)").bind(&swept);
        let row = self
            .session
            .row(&self.general, "swept", Effect::Writes, query)
            .await?;
        objects::count(&row)
    }
}

fn ids(incarnations: &[IncarnationId]) -> Vec<Uuid> {
    incarnations.iter().map(|incarnation| incarnation.0).collect()
}

fn read_reference(row: &PgRow, logs: &[LogId], references: &mut References) -> Result<()> {
    match row.try_get("o_what")? {
        LIVES => *reads::slot(&mut references.live, row)? = true,
        EXISTS => {
            let index = reads::index(row, logs.len())?;
            let log = &mut references.logs[index];
            log.exists = true;
            log.manifest = objects::manifest(row, logs[index].partition)?;
            if log.manifest.is_some() {
                log.objects = unsigned(row, "o_objects")?;
            }
        }
        UNNEEDED => {
            let object = objects::object(row)?;
            reads::slot(&mut references.logs, row)?.unneeded.push(object);
        }
        other => return Err(MetastoreError::Corrupt(format!("a reference of kind {other}"))),
    }
    Ok(())
}
