//! Archiving: which ingest segments wait, and what became of them.
//!
//! Each call is one statement, so one transaction; what holds for it stands in its function.

use async_trait::async_trait;
use esker_model::{PartitionKey, SegmentId, SegmentKind};
use sqlx::Row;
use sqlx::postgres::PgRow;

use super::commit::with_epoch;
use super::error::Effect;
use super::layout::Layout;
use super::objects::{self, Objects, limit};
use super::reads::{self, unsigned};
use super::{PostgresMetastore, moves};
use crate::{ArchiveRequest, Archives, Extent, HOLE_KEPT_MS, Result, WaitingSegment};

/// Buckets of extents.
const BUCKETS: i32 = 8;

const ARCHIVE: &str =
    "SELECT o_accepted FROM archive_v1($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13,
     $14, $15, $16, $17, $18, $19, $20, $21, $22)";

#[async_trait]
impl Archives for PostgresMetastore {
    async fn waiting_segments(
        &self,
        skip: usize,
        bytes_max: u64,
        segments_max: usize,
    ) -> Result<Vec<WaitingSegment>> {
        let query = || {
            sqlx::query("SELECT * FROM waiting_segments_v2($1, $2, $3)")
                .bind(limit(skip))
                .bind(reads::limit(bytes_max))
                .bind(limit(segments_max))
        };
        let rows = self
            .session
            .rows(&self.general, "waiting_segments", Effect::Reads, query)
            .await?;
        let waiting = |row: &PgRow| {
            Ok(WaitingSegment {
                id: objects::segment(row, objects::segment_kind(SegmentKind::Ingest))?,
                object_bytes: unsigned(row, "o_object_bytes")?,
                age_ms: row.try_get("o_age_ms")?,
            })
        };
        rows.iter().map(waiting).collect()
    }

    async fn unarchived(&self, segments: &[SegmentId]) -> Result<Vec<(PartitionKey, Extent)>> {
        let ingest = segments.iter().filter(|id| id.kind == SegmentKind::Ingest);
        let ids = Objects::segments(ingest)?;
        let query = || ids.bind_ids("SELECT * FROM unarchived_v1($1, $2)");
        let rows = self
            .session
            .rows(&self.general, "unarchived", Effect::Reads, query)
            .await?;
        reads::extents(&rows)
    }

    async fn archive(&self, request: &ArchiveRequest) -> Result<Vec<bool>> {
        let layout = Layout::new(request)?;
        let rows = self
            .rows_on_known_past("archive", Effect::Writes, |past| {
                layout.bind(ARCHIVE, request, past)
            })
            .await
            .map_err(|error| with_epoch(error, request.epoch.0))?;
        layout.accepted(&rows)
    }

    async fn release(&self, segments: &[SegmentId]) -> Result<Vec<bool>> {
        let ids = Objects::segments(segments)?;
        let query = || {
            sqlx::query("SELECT * FROM release_v2($1, $2, $3, $4)")
                .bind(&ids.kind)
                .bind(&ids.incarnation)
                .bind(&ids.seq)
                .bind(HOLE_KEPT_MS)
        };
        let rows = self
            .session
            .rows(&self.general, "release", Effect::Writes, query)
            .await?;
        let mut released = vec![false; segments.len()];
        for row in &rows {
            *reads::slot(&mut released, row)? = row.try_get("o_released")?;
        }
        Ok(released)
    }

    async fn registered(&self, segments: &[SegmentId]) -> Result<Vec<bool>> {
        let ids = Objects::segments(segments)?;
        let query = || ids.bind_ids("SELECT registered_v1($1, $2) AS o_index");
        let rows = self
            .session
            .rows(&self.general, "registered", Effect::Reads, query)
            .await?;
        let mut registered = vec![false; segments.len()];
        for row in &rows {
            let index = reads::index(row, segments.len())?;
            registered[index] = segments[index].kind == SegmentKind::Archive;
        }
        Ok(registered)
    }

    async fn empty_buckets(&self) -> Result<u64> {
        let mut emptied = 0;
        for bucket in 0..BUCKETS {
            let query = || sqlx::query("SELECT empty_bucket_v1($1)").bind(bucket);
            let row = self
                .session
                .row(&self.general, "empty_bucket", Effect::Writes, query)
                .await?;
            emptied += u64::from(row.try_get::<bool, _>(0)?);
        }
        Ok(emptied)
    }

    async fn mostly_dead(&self, bytes_min: u64, limit: usize) -> Result<Vec<SegmentId>> {
        moves::mostly_dead(self, bytes_min, limit).await
    }

    async fn archived_in(&self, segments: &[SegmentId]) -> Result<Vec<(PartitionKey, Extent)>> {
        moves::archived_in(self, segments).await
    }

    async fn move_archived(&self, request: &ArchiveRequest) -> Result<Vec<bool>> {
        moves::move_archived(self, request).await
    }
}
