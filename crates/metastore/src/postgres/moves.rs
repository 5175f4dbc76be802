//! Archive segments that are mostly dead, and extents that move out of them.

use esker_model::{PartitionKey, SegmentId, SegmentKind};

use super::PostgresMetastore;
use super::commit::with_epoch;
use super::error::Effect;
use super::layout::Layout;
use super::objects::{self, Objects};
use super::reads;
use crate::{ArchiveRequest, Extent, Result};

const MOVE_ARCHIVED: &str =
    "SELECT o_accepted FROM move_archived_v2($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13,
     $14, $15, $16, $17, $18, $19, $20, $21, $22)";

pub(super) async fn mostly_dead(
    store: &PostgresMetastore,
    bytes_min: u64,
    limit: usize,
) -> Result<Vec<SegmentId>> {
    let query = || {
        sqlx::query("SELECT * FROM mostly_dead_v1($1, $2)")
            .bind(reads::limit(bytes_min))
            .bind(objects::limit(limit))
    };
    let rows = store
        .session
        .rows(&store.general, "mostly_dead", Effect::Reads, query)
        .await?;
    rows.iter()
        .map(|row| objects::segment(row, objects::segment_kind(SegmentKind::Archive)))
        .collect()
}

pub(super) async fn archived_in(
    store: &PostgresMetastore,
    segments: &[SegmentId],
) -> Result<Vec<(PartitionKey, Extent)>> {
    let archive = segments.iter().filter(|id| id.kind == SegmentKind::Archive);
    let ids = Objects::segments(archive)?;
    let query = || ids.bind_ids("SELECT * FROM archived_in_v2($1, $2)");
    let rows = store
        .session
        .rows(&store.general, "archived_in", Effect::Reads, query)
        .await?;
    reads::extents(&rows)
}

pub(super) async fn move_archived(store: &PostgresMetastore, request: &ArchiveRequest) -> Result<Vec<bool>> {
    let layout = Layout::new(request)?;
    let rows = store
        .rows_on_known_past("move_archived", Effect::Writes, |past| {
            layout.bind(MOVE_ARCHIVED, request, past)
        })
        .await
        .map_err(|error| with_epoch(error, request.epoch.0))?;
    layout.accepted(&rows)
}
