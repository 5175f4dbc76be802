//! Merging: which partitions wait for it, and manifests that replace others.

use async_trait::async_trait;
use esker_model::{LogId, PartitionKey, TopicUuid};
use sqlx::Row;
use sqlx::postgres::PgRow;
use uuid::Uuid;

use super::PostgresMetastore;
use super::commit::with_epoch;
use super::error::Effect;
use super::objects::{self, Objects, int};
use super::past::Past;
use super::reads::{self, Keys, unsigned};
use super::session::PgQuery;
use crate::{
    HOLE_KEPT_MS, KnownManifest, ManifestSummary, MergeCandidate, MergeDue, MergeRequest, MergedPartition,
    Merges, Result, ToMerge,
};

const MERGE: &str =
    "SELECT o_accepted FROM merge_v1($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14,
     $15, $16, $17, $18, $19, $20, $21, $22, $23, $24, $25, $26, $27, $28, $29)";

const KNOWN: &str =
    "SELECT q.i AS o_index, t.topic_uuid AS o_manifest_topic, m.epoch AS o_manifest_epoch,
            m.incarnation AS o_manifest_incarnation, m.seq AS o_manifest_seq, m.object_bytes AS o_manifest_bytes,
            m.base_offset AS o_manifest_base, m.end_offset AS o_manifest_end, m.objects AS o_objects,
            m.bytes AS o_bytes, m.first_end_offset AS o_first_end, m.first_bytes AS o_first_bytes,
            m.first_timestamp AS o_first_timestamp
     FROM unnest($1, $2) WITH ORDINALITY AS q (topic_id, partition, i)
     JOIN manifest m ON m.topic_id = q.topic_id AND m.partition = q.partition
     JOIN topic t ON t.topic_id = m.topic_id";

#[async_trait]
impl Merges for PostgresMetastore {
    async fn merge_candidates(
        &self,
        due: &MergeDue,
        after: Option<LogId>,
        limit: usize,
    ) -> Result<Vec<MergeCandidate>> {
        let query = || {
            sqlx::query("SELECT * FROM merge_candidates_v1($1, $2, $3, $4, $5, $6)")
                .bind(reads::limit(due.bytes))
                .bind(reads::limit(due.extents))
                .bind(objects::ms(due.age_ms))
                .bind(after.map(|log| log.topic.0))
                .bind(after.map(|log| log.partition))
                .bind(objects::limit(limit))
        };
        let rows = self
            .session
            .rows(&self.general, "merge_candidates", Effect::Reads, query)
            .await?;
        rows.iter().map(candidate).collect()
    }

    async fn to_merge(
        &self,
        partitions: &[PartitionKey],
        extents_max: usize,
    ) -> Result<Vec<Option<ToMerge>>> {
        let keys = Keys::new(partitions.iter().copied());
        let query = || {
            sqlx::query("SELECT * FROM to_merge_v1($1, $2, $3)")
                .bind(&keys.topic)
                .bind(&keys.partition)
                .bind(objects::limit(extents_max))
        };
        let rows = self
            .session
            .rows(&self.general, "to_merge", Effect::Reads, query)
            .await?;
        let mut found: Vec<Option<ToMerge>> = vec![None; partitions.len()];
        for row in &rows {
            let index = reads::index(row, partitions.len())?;
            let slot = &mut found[index];
            let to_merge = match slot {
                Some(to_merge) => to_merge,
                None => slot.insert(to_merge(row, partitions[index])?),
            };
            if let Some(extent) = reads::extent(row)? {
                to_merge.extents.push(extent);
                to_merge.archived_ms = to_merge.archived_ms.max(row.try_get("o_archived_ms")?);
            }
        }
        Ok(found)
    }

    async fn known_manifests(&self, partitions: &[PartitionKey]) -> Result<Vec<Option<KnownManifest>>> {
        let keys = Keys::new(partitions.iter().copied());
        let query = || sqlx::query(KNOWN).bind(&keys.topic).bind(&keys.partition);
        let rows = self
            .session
            .rows(&self.general, "known_manifests", Effect::Reads, query)
            .await?;
        let mut found = vec![None; partitions.len()];
        for row in &rows {
            let index = reads::index(row, partitions.len())?;
            found[index] = known(row, partitions[index])?;
        }
        Ok(found)
    }

    async fn merge(&self, request: &MergeRequest) -> Result<Vec<bool>> {
        let layout = Layout::new(request)?;
        let rows = self
            .rows_on_known_past("merge", Effect::Writes, |past| layout.bind(request, past))
            .await
            .map_err(|error| with_epoch(error, request.epoch.0))?;
        let accepted: Option<Vec<bool>> = match rows.first() {
            Some(row) => row.try_get(0)?,
            None => None,
        };
        Ok(accepted.unwrap_or_default())
    }
}

fn candidate(row: &PgRow) -> Result<MergeCandidate> {
    let partition = objects::partition(row)?;
    Ok(MergeCandidate {
        partition,
        log: LogId {
            topic: TopicUuid(row.try_get("o_topic_uuid")?),
            partition: partition.partition,
        },
        is_due: row.try_get("o_is_due")?,
        bytes: unsigned(row, "o_bytes")?,
        extents: unsigned(row, "o_extents")?,
        has_dead: row.try_get("o_has_dead")?,
    })
}

fn known(row: &PgRow, partition: PartitionKey) -> Result<Option<KnownManifest>> {
    let Some(manifest) = objects::manifest(row, partition.partition)? else {
        return Ok(None);
    };
    Ok(Some(KnownManifest {
        id: manifest.id,
        summary: ManifestSummary {
            objects: unsigned(row, "o_objects")?,
            bytes: unsigned(row, "o_bytes")?,
            first_end_offset: row.try_get("o_first_end")?,
            first_bytes: unsigned(row, "o_first_bytes")?,
            first_timestamp: row.try_get("o_first_timestamp")?,
        },
    }))
}

/// What a row says of its partition; without the extent.
fn to_merge(row: &PgRow, partition: PartitionKey) -> Result<ToMerge> {
    Ok(ToMerge {
        partition,
        log: LogId {
            topic: TopicUuid(row.try_get("o_topic_uuid")?),
            partition: partition.partition,
        },
        log_start: row.try_get("o_log_start")?,
        version: unsigned(row, "o_version")?,
        manifest: objects::manifest(row, partition.partition)?,
        extents: Vec::new(),
        archived_ms: 0,
    })
}

/// The arrays of one call of `merge_v1`.
#[derive(Default)]
struct Layout {
    topic: Vec<i32>,
    partition: Vec<i32>,
    replaces: Vec<i64>,
    extents: Vec<i64>,
    epoch: Vec<i32>,
    seq: Vec<i64>,
    object_bytes: Vec<i64>,
    base: Vec<i64>,
    end: Vec<i64>,
    objects: Vec<i64>,
    bytes: Vec<i64>,
    first_end: Vec<i64>,
    first_bytes: Vec<i64>,
    first_timestamp: Vec<i64>,
    /// Whose objects the following are: the partition's place, from 1.
    of: Vec<i32>,
    unneeded: Objects,
    /// The same of the archive segments that follow.
    lost_of: Vec<i32>,
    lost_incarnation: Vec<Uuid>,
    lost_seq: Vec<i64>,
}

impl Layout {
    fn new(request: &MergeRequest) -> Result<Self> {
        request.check()?;
        let mut layout = Self::default();
        for merged in &request.partitions {
            layout.push(merged)?;
        }
        Ok(layout)
    }

    fn push(&mut self, merged: &MergedPartition) -> Result<()> {
        let (manifest, summary) = (&merged.manifest, &merged.summary);
        self.topic.push(merged.partition.topic.0);
        self.partition.push(merged.partition.partition);
        self.replaces.push(int(merged.replaces)?);
        self.extents.push(int(merged.extents)?);
        self.epoch.push(manifest.id.epoch.0);
        self.seq.push(int(manifest.id.seq)?);
        self.object_bytes.push(int(manifest.object_bytes)?);
        self.base.push(manifest.base_offset);
        self.end.push(manifest.end_offset);
        self.objects.push(int(summary.objects)?);
        self.bytes.push(int(summary.bytes)?);
        self.first_end.push(summary.first_end_offset);
        self.first_bytes.push(int(summary.first_bytes)?);
        self.first_timestamp.push(summary.first_timestamp);
        // The others have rows of their own.
        for object in merged.unneeded.iter().filter(|object| object.log().is_some()) {
            self.of.push(self.topic.len() as i32);
            self.unneeded.push(object)?;
        }
        for segment in &merged.lost {
            self.lost_of.push(self.topic.len() as i32);
            self.lost_incarnation.push(segment.incarnation.0);
            self.lost_seq.push(int(segment.seq)?);
        }
        Ok(())
    }

    fn bind<'q>(&'q self, request: &MergeRequest, past: Past) -> PgQuery<'q> {
        sqlx::query(MERGE)
            .bind(request.epoch.0)
            .bind(past.system)
            .bind(past.timeline)
            .bind(request.incarnation.0)
            .bind(&self.topic)
            .bind(&self.partition)
            .bind(&self.replaces)
            .bind(&self.extents)
            .bind(&self.epoch)
            .bind(&self.seq)
            .bind(&self.object_bytes)
            .bind(&self.base)
            .bind(&self.end)
            .bind(&self.objects)
            .bind(&self.bytes)
            .bind(&self.first_end)
            .bind(&self.first_bytes)
            .bind(&self.first_timestamp)
            .bind(&self.of)
            .bind(&self.unneeded.topic)
            .bind(&self.unneeded.partition)
            .bind(&self.unneeded.kind)
            .bind(&self.unneeded.incarnation)
            .bind(&self.unneeded.seq)
            .bind(&self.unneeded.epoch)
            .bind(&self.lost_of)
            .bind(&self.lost_incarnation)
            .bind(&self.lost_seq)
            .bind(HOLE_KEPT_MS)
    }
}
