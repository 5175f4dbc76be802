//! What the read path says to the metastore and hears from it.

use esker_model::{PartitionKey, ProducerEpoch, ProducerId, SegmentId};

use super::manifest::ManifestRef;

/// Where a partition's log begins and ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// First offset that can be read.
    pub log_start: i64,
    /// Offset of the next record: the high watermark.
    pub next_offset: i64,
    /// First offset of the oldest open transaction; `next_offset` if none is open.
    pub last_stable_offset: i64,
    /// Offsets below this are in archive segments.
    pub archived_to: i64,
}

/// A producer that a partition knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ActiveProducer {
    /// Its id.
    pub id: ProducerId,
    /// Its epoch.
    pub epoch: ProducerEpoch,
    /// The last sequence that was appended.
    pub last_sequence: i32,
    /// Largest record timestamp of the last run that was appended, or -1.
    pub last_timestamp: i64,
}

/// Part of a segment that holds consecutive records of one partition. What was archived is told in extents, too:
/// one for each chunk that holds records of the partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extent {
    /// Offset of the first record.
    pub base_offset: i64,
    /// Offset after the last record.
    pub end_offset: i64,
    /// The object that holds the bytes.
    pub segment: SegmentId,
    /// Size of that object in bytes.
    pub object_bytes: u64,
    /// What of the object is read at once; `None`: all of it, as of every ingest segment.
    pub chunk: Option<ChunkRange>,
    /// Byte position of the first batch in the object.
    pub position: u64,
    /// Bytes of all batches.
    pub bytes: u64,
    /// Largest record timestamp, or -1.
    pub max_timestamp: i64,
    /// The idempotent producer, if there is one.
    pub producer: Option<(ProducerId, ProducerEpoch)>,
    /// The batches belong to a transaction.
    pub transactional: bool,
}

/// Part of an archive segment that is read and verified at once. It may hold other partitions' records, too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChunkRange {
    /// Byte position in the object.
    pub position: u64,
    /// Its size in bytes.
    pub bytes: u32,
    /// CRC-32C of its bytes.
    pub crc: u32,
}

/// Asks for a partition's extents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlanRequest {
    /// The partition.
    pub partition: PartitionKey,
    /// The first offset wanted.
    pub from: i64,
    /// Stop after this many bytes (at least one extent is returned if there is one).
    pub bytes_max: u64,
    /// Stop after this many extents.
    pub extents_max: usize,
}

/// A partition's head and extents, seen in one snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// `None`: the partition does not exist.
    pub head: Option<Head>,
    /// Where the records from `from` on are listed that are not among the extents; `None` if all are.
    pub manifest: Option<ManifestRef>,
    /// Ascending by offset; those whose `end_offset` lies above `from`, from the end of the manifest on. Usually
    /// contiguous: the reader checks.
    pub extents: Vec<Extent>,
}

/// Asks where to look for a timestamp.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeRequest {
    /// The partition.
    pub partition: PartitionKey,
    /// What to look for.
    pub query: TimeQuery,
}

/// A query by time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimeQuery {
    /// The first extent, at or above an offset, whose largest timestamp is at least `timestamp`.
    AtOrAfter {
        /// Milliseconds since 1970.
        timestamp: i64,
        /// Look from this offset on.
        from: i64,
    },
    /// The first of the extents with the largest timestamp of the partition.
    Max,
}

/// Where to look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeReply {
    /// `None`: the partition does not exist.
    pub head: Option<Head>,
    /// Where the records are listed that were not looked at; `None`: all were. They come before those of the extent.
    pub manifest: Option<ManifestRef>,
    /// `None`: there is no such extent.
    pub extent: Option<Extent>,
}
