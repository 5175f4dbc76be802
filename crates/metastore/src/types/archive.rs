//! What archiving says to the metastore and hears from it.

use esker_model::{ClusterEpoch, IncarnationId, PartitionKey, SegmentId, SegmentKind};

use super::read::Extent;
use crate::{MetastoreError, Result};

/// How much longer than others an ingest segment is kept whose records could not be read when they were archived: a
/// week, in milliseconds. If somebody repairs the object meanwhile, its records can be read again.
pub const HOLE_KEPT_MS: i64 = 7 * 24 * 60 * 60 * 1000;

/// An ingest segment that was committed and is still needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WaitingSegment {
    /// Which one.
    pub id: SegmentId,
    /// Size of the object in bytes.
    pub object_bytes: u64,
    /// How long ago it was committed, by the database's clock.
    pub age_ms: i64,
}

/// Records that were archived: what is in archive segments from now on.
#[derive(Clone, Debug, PartialEq)]
pub struct ArchiveRequest {
    /// The epoch that the agent works in.
    pub epoch: ClusterEpoch,
    /// The incarnation that wrote the archive segments.
    pub incarnation: IncarnationId,
    /// The partitions, ascending by key, each once.
    pub partitions: Vec<ArchivedPartition>,
}

/// Where the next records of one partition lie now.
#[derive(Clone, Debug, PartialEq)]
pub struct ArchivedPartition {
    /// The partition.
    pub partition: PartitionKey,
    /// End to end, at least one; the first begins at the partition's `archived_to`. Each lies in an archive segment
    /// of the request's incarnation; or, where the records could not be read, still in the ingest segment that was
    /// to hold them: a hole, which readers are told of.
    pub extents: Vec<Extent>,
}

impl ArchiveRequest {
    /// Refuses what no archiver may send: a foreign archive segment, or one that is not read in chunks.
    pub(crate) fn check(&self, partition: &ArchivedPartition) -> Result<()> {
        let ours = |extent: &Extent| match extent.segment.kind {
            SegmentKind::Ingest => extent.chunk.is_none(),
            SegmentKind::Archive => extent.segment.incarnation == self.incarnation && extent.chunk.is_some(),
            SegmentKind::Merged(_) => false,
        };
        match partition.extents.iter().find(|extent| !ours(extent)) {
            None => Ok(()),
            Some(extent) => Err(MetastoreError::Corrupt(format!(
                "{} archives {} into {}, which is not its own",
                self.incarnation, partition.partition, extent.segment
            ))),
        }
    }
}

/// Whether extents lie end to end, and none is empty.
pub(crate) fn ends_meet(extents: &[Extent]) -> bool {
    extents
        .iter()
        .all(|extent| extent.base_offset < extent.end_offset)
        && extents
            .windows(2)
            .all(|pair| pair[0].end_offset == pair[1].base_offset)
}
