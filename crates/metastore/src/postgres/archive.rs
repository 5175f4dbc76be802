//! Archiving: which ingest segments wait, and what became of them.
//!
//! Each call is one statement, so one transaction; what holds for it stands in its function.

use async_trait::async_trait;
use esker_model::{ClusterEpoch, IncarnationId, PartitionKey, SegmentId, SegmentKind, TopicKey};
use sqlx::Row;
use sqlx::postgres::PgRow;
use uuid::Uuid;

use super::PostgresMetastore;
use super::commit::with_epoch;
use super::error::Effect;
use super::past::Past;
use super::reads::{self, unsigned};
use super::session::PgQuery;
use crate::{
    ArchiveRequest, ArchivedPartition, Archives, Extent, MetastoreError, Result, WaitingSegment, ends_meet,
};

/// Buckets of extents.
const BUCKETS: i32 = 8;

const ARCHIVE: &str =
    "SELECT o_accepted FROM archive_v1($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13,
     $14, $15, $16, $17, $18, $19, $20, $21, $22)";

#[async_trait]
impl Archives for PostgresMetastore {
    async fn claim_job(&self, job: &str, incarnation: IncarnationId, lease_ms: i64) -> Result<bool> {
        let query = || {
            sqlx::query("SELECT claim_job_v1($1, $2, $3)")
                .bind(job)
                .bind(incarnation.0)
                .bind(lease_ms)
        };
        let row = self
            .session
            .row(&self.general, "claim_job", Effect::Writes, query)
            .await?;
        Ok(row.try_get(0)?)
    }

    async fn waiting_segments(&self, bytes_max: u64, segments_max: usize) -> Result<Vec<WaitingSegment>> {
        let query = || {
            sqlx::query("SELECT * FROM waiting_segments_v1($1, $2)")
                .bind(reads::limit(bytes_max))
                .bind(reads::limit(segments_max as u64))
        };
        let rows = self
            .session
            .rows(&self.general, "waiting_segments", Effect::Reads, query)
            .await?;
        let waiting = |row: &PgRow| {
            Ok(WaitingSegment {
                id: segment(row, SegmentKind::Ingest)?,
                object_bytes: unsigned(row, "o_object_bytes")?,
                age_ms: row.try_get("o_age_ms")?,
            })
        };
        rows.iter().map(waiting).collect()
    }

    async fn unarchived(&self, segments: &[SegmentId]) -> Result<Vec<(PartitionKey, Extent)>> {
        let ingest: Vec<SegmentId> = segments
            .iter()
            .filter(|id| id.kind == SegmentKind::Ingest)
            .copied()
            .collect();
        let ids = Ids::new(&ingest)?;
        let query = || {
            sqlx::query("SELECT * FROM unarchived_v1($1, $2)")
                .bind(&ids.incarnation)
                .bind(&ids.seq)
        };
        let rows = self
            .session
            .rows(&self.general, "unarchived", Effect::Reads, query)
            .await?;
        let mut found = Vec::with_capacity(rows.len());
        for row in &rows {
            let partition = PartitionKey {
                topic: TopicKey(row.try_get("o_topic_id")?),
                partition: row.try_get("o_partition")?,
            };
            found.extend(reads::extent(row)?.map(|extent| (partition, extent)));
        }
        Ok(found)
    }

    async fn archive(&self, request: &ArchiveRequest) -> Result<Vec<bool>> {
        let layout = Layout::new(request)?;
        let rows = self
            .rows_on_known_past("archive", |past| layout.bind(request, past))
            .await
            .map_err(|error| with_epoch(error, request.epoch.0))?;
        let accepted: Option<Vec<bool>> = match rows.first() {
            Some(row) => row.try_get(0)?,
            None => None,
        };
        let mut accepted = accepted.unwrap_or_default().into_iter();
        let reply = layout
            .sent
            .iter()
            .map(|sent| *sent && accepted.next().unwrap_or(false));
        Ok(reply.collect())
    }

    async fn release(&self, segments: &[SegmentId]) -> Result<Vec<bool>> {
        let ids = Ids::new(segments)?;
        let query = || ids.bind("SELECT * FROM release_v1($1, $2, $3)");
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

    async fn unneeded(&self, grace_ms: i64, limit: usize) -> Result<Vec<SegmentId>> {
        let query = || {
            sqlx::query("SELECT * FROM unneeded_v1($1, $2)")
                .bind(grace_ms)
                .bind(reads::limit(limit as u64))
        };
        let rows = self
            .session
            .rows(&self.general, "unneeded", Effect::Reads, query)
            .await?;
        rows.iter()
            .map(|row| segment(row, reads::kind(row.try_get("o_kind")?)?))
            .collect()
    }

    async fn forget_segments(&self, segments: &[SegmentId]) -> Result<()> {
        let ids = Ids::new(segments)?;
        let query = || ids.bind("SELECT forget_segments_v1($1, $2, $3)");
        self.session
            .row(&self.general, "forget_segments", Effect::Writes, query)
            .await?;
        Ok(())
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
}

fn segment(row: &PgRow, kind: SegmentKind) -> Result<SegmentId> {
    Ok(SegmentId {
        kind,
        epoch: ClusterEpoch(row.try_get("o_epoch")?),
        incarnation: IncarnationId(row.try_get("o_incarnation")?),
        seq: unsigned(row, "o_seq")?,
    })
}

fn int(number: u64) -> Result<i64> {
    i64::try_from(number).map_err(|_| MetastoreError::Corrupt(format!("{number} is out of range")))
}

/// Segments as arrays.
struct Ids {
    kind: Vec<i16>,
    incarnation: Vec<Uuid>,
    seq: Vec<i64>,
}

impl Ids {
    fn new(segments: &[SegmentId]) -> Result<Self> {
        Ok(Self {
            kind: segments.iter().map(|id| reads::kind_number(id.kind)).collect(),
            incarnation: segments.iter().map(|id| id.incarnation.0).collect(),
            seq: segments.iter().map(|id| int(id.seq)).collect::<Result<_>>()?,
        })
    }

    fn bind<'q>(&'q self, statement: &'static str) -> PgQuery<'q> {
        sqlx::query(statement)
            .bind(&self.kind)
            .bind(&self.incarnation)
            .bind(&self.seq)
    }
}

/// The arrays of one call of `archive_v1`.
#[derive(Default)]
struct Layout {
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
    fn new(request: &ArchiveRequest) -> Result<Self> {
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
            self.kind.push(reads::kind_number(extent.segment.kind));
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

    fn bind<'q>(&'q self, request: &ArchiveRequest, past: Past) -> PgQuery<'q> {
        sqlx::query(ARCHIVE)
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
}
