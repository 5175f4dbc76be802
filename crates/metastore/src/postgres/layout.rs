//! An archive request laid out as the flat arrays that `archive_v1` and `move_archived_v2` take.

use sqlx::Row;
use sqlx::postgres::PgRow;
use uuid::Uuid;

use super::objects::{self, int};
use super::past::Past;
use super::session::PgQuery;
use crate::{ArchiveRequest, ArchivedPartition, Result, ends_meet};

/// The arrays of one call.
#[derive(Default)]
pub(super) struct Layout {
    /// For each partition of the request, whether it is among the arrays: one whose extents do not lie end to end
    /// is refused here.
    sent: Vec<bool>,
    topic: Vec<i32>,
    partition: Vec<i32>,
    from: Vec<i64>,
    to: Vec<i64>,
    of: Vec<i32>,
    base: Vec<i64>,
    end: Vec<i64>,
    kind: Vec<i16>,
    epoch: Vec<i32>,
    incarnation: Vec<Uuid>,
    seq: Vec<i64>,
    object_bytes: Vec<i64>,
    position: Vec<i64>,
    bytes: Vec<i64>,
    max_timestamp: Vec<i64>,
    chunk_position: Vec<Option<i64>>,
    chunk_bytes: Vec<Option<i64>>,
    chunk_crc: Vec<Option<i64>>,
}

impl Layout {
    pub(super) fn new(request: &ArchiveRequest) -> Result<Self> {
        let mut layout = Self::default();
        for partition in &request.partitions {
            request.check(partition)?;
            layout.push(partition)?;
        }
        Ok(layout)
    }

    fn push(&mut self, moved: &ArchivedPartition) -> Result<()> {
        let (Some(first), Some(last), true) = (
            moved.extents.first(),
            moved.extents.last(),
            ends_meet(&moved.extents),
        ) else {
            self.sent.push(false);
            return Ok(());
        };
        self.sent.push(true);
        self.topic.push(moved.partition.topic.0);
        self.partition.push(moved.partition.partition);
        self.from.push(first.base_offset);
        self.to.push(last.end_offset);
        for extent in &moved.extents {
            self.of.push(self.topic.len() as i32);
            self.base.push(extent.base_offset);
            self.end.push(extent.end_offset);
            self.kind.push(objects::segment_kind(extent.segment.kind));
            self.epoch.push(extent.segment.epoch.0);
            self.incarnation.push(extent.segment.incarnation.0);
            self.seq.push(int(extent.segment.seq)?);
            self.object_bytes.push(int(extent.object_bytes)?);
            self.position.push(int(extent.position)?);
            self.bytes.push(int(extent.bytes)?);
            self.max_timestamp.push(extent.max_timestamp);
            let chunk = extent.chunk;
            self.chunk_position
                .push(chunk.map(|chunk| int(chunk.position)).transpose()?);
            self.chunk_bytes.push(chunk.map(|chunk| i64::from(chunk.bytes)));
            self.chunk_crc.push(chunk.map(|chunk| i64::from(chunk.crc)));
        }
        Ok(())
    }

    pub(super) fn bind<'q>(
        &'q self,
        call: &'static str,
        request: &ArchiveRequest,
        past: Past,
    ) -> PgQuery<'q> {
        sqlx::query(call)
            .bind(request.epoch.0)
            .bind(past.system)
            .bind(past.timeline)
            .bind(request.incarnation.0)
            .bind(&self.topic)
            .bind(&self.partition)
            .bind(&self.from)
            .bind(&self.to)
            .bind(&self.of)
            .bind(&self.base)
            .bind(&self.end)
            .bind(&self.kind)
            .bind(&self.epoch)
            .bind(&self.incarnation)
            .bind(&self.seq)
            .bind(&self.object_bytes)
            .bind(&self.position)
            .bind(&self.bytes)
            .bind(&self.max_timestamp)
            .bind(&self.chunk_position)
            .bind(&self.chunk_bytes)
            .bind(&self.chunk_crc)
    }

    /// The reply, from the row of the partitions that were sent.
    pub(super) fn accepted(&self, rows: &[PgRow]) -> Result<Vec<bool>> {
        let accepted: Option<Vec<bool>> = match rows.first() {
            Some(row) => row.try_get(0)?,
            None => None,
        };
        let mut accepted = accepted.unwrap_or_default().into_iter();
        let reply = self
            .sent
            .iter()
            .map(|sent| *sent && accepted.next().unwrap_or(false));
        Ok(reply.collect())
    }
}
