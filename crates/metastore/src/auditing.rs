//! All that a metastore knows of logs and objects, in one look, for tests that hold it against a bucket.
//!
//! Only with the feature `auditing`. What holds: everything is seen in one snapshot, and read out of the tables as they
//! are: no rule of the product's own statements has a say in what is shown.

use esker_model::{IncarnationId, LogId, ObjectId, PartitionKey, SegmentId, TopicUuid};

use crate::{Extent, Head, ManifestRef, ManifestSummary};

/// What the tables hold. Times are those of the database's clock (milliseconds since 1970).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Contents {
    /// Now.
    pub now_ms: i64,
    /// Partitions, ascending by key.
    pub logs: Vec<LogContents>,
    /// Ingest segments and archive segments.
    pub segments: Vec<SegmentContents>,
    /// Merged segments and manifests that are to be removed, with when they were released.
    pub unneeded: Vec<(ObjectId, i64)>,
    /// Incarnations that are not forgotten.
    pub incarnations: Vec<IncarnationContents>,
    /// Deleted topics whose objects were not looked for yet, with when they were deleted.
    pub topics_to_empty: Vec<(TopicUuid, i64)>,
}

/// A partition.
#[derive(Clone, Debug, PartialEq)]
pub struct LogContents {
    /// Its name in the metastore.
    pub key: PartitionKey,
    /// Its name in the bucket.
    pub log: LogId,
    /// Its bounds.
    pub head: Head,
    /// Its manifest, and what is known of that.
    pub manifest: Option<(ManifestRef, ManifestSummary)>,
    /// What was archived and is in no manifest, with when that was, ascending by offset.
    pub archived: Vec<(Extent, i64)>,
    /// What was not archived yet, ascending by offset.
    pub recent: Vec<Extent>,
}

/// A segment of many partitions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SegmentContents {
    /// Which one.
    pub id: SegmentId,
    /// What is to become of it.
    pub state: SegmentState,
}

/// What is to become of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SegmentState {
    /// It is needed. `since_ms`: when it was committed; `None`: it was archived.
    Live {
        /// When it was committed.
        since_ms: Option<i64>,
    },
    /// It was never committed.
    Tombstone {
        /// When that was decided.
        since_ms: i64,
    },
    /// Nothing needs it.
    Released {
        /// When that was found out.
        since_ms: i64,
        /// So much longer than others it stays.
        kept_ms: i64,
    },
    /// Its object was removed; its incarnation may still ask what became of it.
    Gone,
}

/// An incarnation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IncarnationContents {
    /// Which one.
    pub id: IncarnationId,
    /// How its life stands.
    pub life: Life,
    /// Its ingest segments up to this one are settled.
    pub settled_through: u64,
}

/// How an incarnation's life stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Life {
    /// It lives.
    Live,
    /// It was fenced, or it left.
    Ended,
    /// The bucket was swept after it had ended.
    Swept,
}
