//! Objects of the bucket as arrays for a statement, and rows as objects.

use esker_model::{
    ClusterEpoch, IncarnationId, LogId, ManifestId, ObjectId, PartitionKey, SegmentId, SegmentKind, TopicUuid,
};
use sqlx::Row;
use sqlx::postgres::PgRow;
use uuid::Uuid;

use super::reads::{self, unsigned};
use super::session::PgQuery;
use crate::{ManifestRef, MetastoreError, Result};

/// Kinds of objects, as the columns `kind` number them.
const INGEST: i16 = 0;
const ARCHIVE: i16 = 1;
const MERGED: i16 = 2;
const MANIFEST: i16 = 3;

pub(super) fn kind(id: &ObjectId) -> i16 {
    match id {
        ObjectId::Segment(segment) => segment_kind(segment.kind),
        ObjectId::Manifest(_) => MANIFEST,
    }
}

pub(super) fn segment_kind(kind: SegmentKind) -> i16 {
    match kind {
        SegmentKind::Ingest => INGEST,
        SegmentKind::Archive => ARCHIVE,
        SegmentKind::Merged(_) => MERGED,
    }
}

/// The segment of a row in which records of many partitions lie.
pub(super) fn segment(row: &PgRow, kind: i16) -> Result<SegmentId> {
    let kind = match kind {
        INGEST => SegmentKind::Ingest,
        ARCHIVE => SegmentKind::Archive,
        other => return Err(impossible(other)),
    };
    segment_of(row, kind)
}

fn segment_of(row: &PgRow, kind: SegmentKind) -> Result<SegmentId> {
    Ok(SegmentId {
        kind,
        epoch: ClusterEpoch(row.try_get("o_epoch")?),
        incarnation: IncarnationId(row.try_get("o_incarnation")?),
        seq: unsigned(row, "o_seq")?,
    })
}

/// Any object that a row names.
pub(super) fn object(row: &PgRow) -> Result<ObjectId> {
    let log = || -> Result<LogId> {
        Ok(LogId {
            topic: TopicUuid(row.try_get("o_topic_uuid")?),
            partition: row.try_get("o_partition")?,
        })
    };
    Ok(match row.try_get("o_kind")? {
        MERGED => ObjectId::Segment(segment_of(row, SegmentKind::Merged(log()?))?),
        MANIFEST => ObjectId::Manifest(ManifestId {
            log: log()?,
            epoch: ClusterEpoch(row.try_get("o_epoch")?),
            incarnation: IncarnationId(row.try_get("o_incarnation")?),
            seq: unsigned(row, "o_seq")?,
        }),
        kind => ObjectId::Segment(segment(row, kind)?),
    })
}

/// The manifest of a row about a partition, if it names one.
pub(super) fn manifest(row: &PgRow, partition: i32) -> Result<Option<ManifestRef>> {
    let Some(topic) = row.try_get("o_manifest_topic")? else {
        return Ok(None);
    };
    Ok(Some(ManifestRef {
        id: ManifestId {
            log: LogId {
                topic: TopicUuid(topic),
                partition,
            },
            epoch: ClusterEpoch(row.try_get("o_manifest_epoch")?),
            incarnation: IncarnationId(row.try_get("o_manifest_incarnation")?),
            seq: unsigned(row, "o_manifest_seq")?,
        },
        object_bytes: unsigned(row, "o_manifest_bytes")?,
        base_offset: row.try_get("o_manifest_base")?,
        end_offset: row.try_get("o_manifest_end")?,
    }))
}

/// The partition of a row that names one by its key.
pub(super) fn partition(row: &PgRow) -> Result<PartitionKey> {
    Ok(PartitionKey {
        topic: esker_model::TopicKey(row.try_get("o_topic_id")?),
        partition: row.try_get("o_partition")?,
    })
}

fn impossible(kind: i16) -> MetastoreError {
    MetastoreError::Corrupt(format!("an object of kind {kind}"))
}

/// A number for Postgres, whose integers have a sign.
pub(super) fn int(number: u64) -> Result<i64> {
    i64::try_from(number).map_err(|_| MetastoreError::Corrupt(format!("{number} is out of range")))
}

/// Objects as arrays.
#[derive(Default)]
pub(super) struct Objects {
    pub(super) kind: Vec<i16>,
    pub(super) incarnation: Vec<Uuid>,
    pub(super) seq: Vec<i64>,
    pub(super) epoch: Vec<i32>,
    /// Of those that belong to one partition.
    pub(super) topic: Vec<Option<Uuid>>,
    pub(super) partition: Vec<Option<i32>>,
}

impl Objects {
    pub(super) fn segments<'a>(ids: impl IntoIterator<Item = &'a SegmentId>) -> Result<Self> {
        let mut objects = Self::default();
        for id in ids {
            objects.push(&ObjectId::Segment(*id))?;
        }
        Ok(objects)
    }

    pub(super) fn push(&mut self, id: &ObjectId) -> Result<()> {
        let (epoch, seq) = match id {
            ObjectId::Segment(segment) => (segment.epoch, segment.seq),
            ObjectId::Manifest(manifest) => (manifest.epoch, manifest.seq),
        };
        self.kind.push(kind(id));
        self.incarnation.push(id.incarnation().0);
        self.seq.push(int(seq)?);
        self.epoch.push(epoch.0);
        self.topic.push(id.log().map(|log| log.topic.0));
        self.partition.push(id.log().map(|log| log.partition));
        Ok(())
    }

    /// Their incarnations and seqs: of segments of one kind.
    pub(super) fn bind_ids<'q>(&'q self, statement: &'static str) -> PgQuery<'q> {
        sqlx::query(statement).bind(&self.incarnation).bind(&self.seq)
    }
}

/// A time in milliseconds that Postgres can add to another one: a longer one than this is as good as this.
pub(super) fn ms(ms: i64) -> i64 {
    const CENTURY_MS: i64 = 100 * 366 * 24 * 60 * 60 * 1000;
    ms.clamp(-CENTURY_MS, CENTURY_MS)
}

/// Logs as arrays.
pub(super) fn logs(logs: &[LogId]) -> (Vec<Uuid>, Vec<i32>) {
    logs.iter().map(|log| (log.topic.0, log.partition)).unzip()
}

/// How many rows a statement says it changed.
pub(super) fn count(row: &PgRow) -> Result<u64> {
    u64::try_from(row.try_get::<i64, _>(0)?)
        .map_err(|_| MetastoreError::Corrupt("a negative number of rows".to_owned()))
}

/// A limit as Postgres counts.
pub(super) fn limit(number: usize) -> i64 {
    reads::limit(number as u64)
}
