//! What merging says to the metastore and hears from it.

use esker_model::{ClusterEpoch, IncarnationId, LogId, ManifestId, ObjectId, PartitionKey, SegmentId};

use super::read::Extent;
use crate::{MetastoreError, Result};

/// Where a partition's manifest lies, and which records it lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ManifestRef {
    /// The object.
    pub id: ManifestId,
    /// Its size in bytes.
    pub object_bytes: u64,
    /// Offset of the first record that it lists.
    pub base_offset: i64,
    /// Offset after the last record; `base_offset` if there is none.
    pub end_offset: i64,
}

impl ManifestRef {
    /// Whether it lists a record at or above an offset.
    pub fn reaches_beyond(&self, offset: i64) -> bool {
        offset < self.end_offset && self.base_offset < self.end_offset
    }
}

/// What the metastore knows of the contents of a manifest: enough to tell when somebody has to look into it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct ManifestSummary {
    /// Objects that it refers to, those below its leaves, too.
    pub objects: u64,
    /// Bytes of all batches.
    pub bytes: u64,
    /// Offset after the last record of its first entry.
    pub first_end_offset: i64,
    /// Bytes of its first entry.
    pub first_bytes: u64,
    /// Time of the youngest record of its first entry (milliseconds since 1970); of records without one, that of their
    /// archiving.
    pub first_timestamp: i64,
}

/// A manifest and what the metastore knows of its contents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KnownManifest {
    /// The object.
    pub id: ManifestId,
    /// What it should agree with.
    pub summary: ManifestSummary,
}

/// When archived extents of a partition are to be merged: as soon as one of these is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MergeDue {
    /// Bytes of batches.
    pub bytes: u64,
    /// Extents.
    pub extents: u64,
    /// Milliseconds since the first of them was archived.
    pub age_ms: i64,
}

/// A partition whose manifest should be replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MergeCandidate {
    /// The partition.
    pub partition: PartitionKey,
    /// As the bucket names it.
    pub log: LogId,
    /// Its archived extents are due.
    pub is_due: bool,
    /// Bytes of batches in them, if they are.
    pub bytes: u64,
    /// How many they are, if they are due.
    pub extents: u64,
    /// The first entry of its manifest lies below the log start.
    pub has_dead: bool,
}

/// What a partition's manifest is to be made of, seen in one snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ToMerge {
    /// The partition.
    pub partition: PartitionKey,
    /// As the bucket names it.
    pub log: LogId,
    /// Records below this are gone.
    pub log_start: i64,
    /// Version of the present manifest; 0 if there is none.
    pub version: u64,
    /// The present manifest.
    pub manifest: Option<ManifestRef>,
    /// Its archived extents that the metastore has, the first ones, end to end. Those that lie below `log_start` as a
    /// whole may be missing.
    pub extents: Vec<Extent>,
    /// When the last of the extents was archived, by the database's clock (milliseconds since 1970).
    pub archived_ms: i64,
}

/// Manifests that replace others.
#[derive(Clone, Debug, PartialEq)]
pub struct MergeRequest {
    /// The epoch that the agent works in.
    pub epoch: ClusterEpoch,
    /// The incarnation that wrote the manifests and what is new in them.
    pub incarnation: IncarnationId,
    /// The partitions, ascending by key, each once.
    pub partitions: Vec<MergedPartition>,
}

/// The new manifest of one partition.
#[derive(Clone, Debug, PartialEq)]
pub struct MergedPartition {
    /// The partition.
    pub partition: PartitionKey,
    /// Version of the manifest that it replaces; 0: there was none.
    pub replaces: u64,
    /// How many archived extents of the metastore go into it: all that begin below its end.
    pub extents: u64,
    /// The new manifest, written by the request's incarnation.
    pub manifest: ManifestRef,
    /// What is in it.
    pub summary: ManifestSummary,
    /// Objects that the old manifest referred to and the new one does not. The old manifest itself is not named.
    pub unneeded: Vec<ObjectId>,
    /// Archive segments of extents that go into it as holes: they are kept [`crate::HOLE_KEPT_MS`] longer.
    pub lost: Vec<SegmentId>,
}

impl MergeRequest {
    /// Refuses what nobody may send: a manifest of another incarnation or of another partition, or a partition twice.
    pub(crate) fn check(&self) -> Result<()> {
        for merged in &self.partitions {
            let id = merged.manifest.id;
            if id.incarnation != self.incarnation || id.log.partition != merged.partition.partition {
                return Err(MetastoreError::Corrupt(format!(
                    "{} gives {} the manifest {id} of {}, which is not its own",
                    self.incarnation, merged.partition, id.log
                )));
            }
        }
        let ascends = |pair: &[MergedPartition]| pair[0].partition < pair[1].partition;
        if self.partitions.windows(2).all(ascends) {
            return Ok(());
        }
        Err(MetastoreError::Corrupt(
            "partitions to be merged do not ascend".to_owned(),
        ))
    }
}
