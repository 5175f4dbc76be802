//! The names of things. Each id is its own type, so that one can never stand for another.

use std::fmt;

use uuid::Uuid;

/// A topic's public id (KIP-516): random, given at creation, never used again.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct TopicUuid(pub Uuid);

/// A topic's short id inside one metastore: dense, given at creation, never used again.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct TopicKey(pub i32);

/// One partition of one topic. Ordered, because log heads are locked in ascending order.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct PartitionKey {
    /// The topic.
    pub topic: TopicKey,
    /// The partition's index, from 0.
    pub partition: i32,
}

/// One partition of one topic as the bucket names it: what [`PartitionKey`] is inside one metastore.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct LogId {
    /// The topic.
    pub topic: TopicUuid,
    /// The partition's index, from 0.
    pub partition: i32,
}

/// The node id that Kafka clients see. It belongs to an agent's name, not to its incarnation.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct NodeId(pub i32);

/// One life of an agent: random, 128 bits. A fenced incarnation can never commit again.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct IncarnationId(pub Uuid);

/// The number in `cluster.json`, raised by a restore; also Kafka's leader epoch. Starts at 1.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ClusterEpoch(pub i32);

/// The cluster's id as clients see it: 22 characters of URL-safe base 64, as Kafka prints its own.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct ClusterId(pub String);

/// A part of all groups, or of all transactional ids: the unit in which coordination is given out.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ShardId(pub i16);

/// A producer id (KIP-98), 0 or higher.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ProducerId(pub i64);

/// A producer's epoch (KIP-98), 0 or higher.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ProducerEpoch(pub i16);

/// Where a segment comes from.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum SegmentKind {
    /// A closed hot segment.
    Ingest,
    /// Written by archiving: parts of many partitions.
    Archive,
    /// Written by merging: an archive segment with records of one partition, listed in that one's manifest.
    Merged(LogId),
}

/// A segment. Its object key follows from these four and is never bound to other bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct SegmentId {
    /// What it is.
    pub kind: SegmentKind,
    /// The cluster epoch in which the segment was written.
    pub epoch: ClusterEpoch,
    /// The incarnation that wrote it.
    pub incarnation: IncarnationId,
    /// Its number among those of its kind and incarnation, from 1; ingest segments count in the order of sealing.
    pub seq: u64,
}

/// An immutable list of a partition's merged segments, or the older part of one. Its object key follows from these
/// four and is never bound to other bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ManifestId {
    /// Whose segments it lists.
    pub log: LogId,
    /// The cluster epoch in which it was written.
    pub epoch: ClusterEpoch,
    /// The incarnation that wrote it.
    pub incarnation: IncarnationId,
    /// Its number among the manifests of that incarnation, from 1.
    pub seq: u64,
}

/// An object of the bucket that its writer may not be there to remove.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum ObjectId {
    /// A segment.
    Segment(SegmentId),
    /// A manifest.
    Manifest(ManifestId),
}

impl ObjectId {
    /// The incarnation that wrote it: only that one can make anything refer to it.
    pub fn incarnation(&self) -> IncarnationId {
        match self {
            Self::Segment(id) => id.incarnation,
            Self::Manifest(id) => id.incarnation,
        }
    }

    /// The cluster epoch in which it was written.
    pub fn epoch(&self) -> ClusterEpoch {
        match self {
            Self::Segment(id) => id.epoch,
            Self::Manifest(id) => id.epoch,
        }
    }

    /// Whose it is, if it belongs to one partition.
    pub fn log(&self) -> Option<LogId> {
        match self {
            Self::Manifest(id) => Some(id.log),
            Self::Segment(SegmentId {
                kind: SegmentKind::Merged(log),
                ..
            }) => Some(*log),
            Self::Segment(_) => None,
        }
    }
}

macro_rules! display_inner {
    ($($id:ident),+) => {
        $(impl fmt::Display for $id {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        })+
    };
}

display_inner!(
    TopicUuid,
    TopicKey,
    NodeId,
    ShardId,
    ClusterEpoch,
    ClusterId,
    ProducerId,
    ProducerEpoch
);

impl fmt::Display for IncarnationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.simple().fmt(f)
    }
}

impl fmt::Display for PartitionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.topic, self.partition)
    }
}

impl fmt::Display for LogId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.topic, self.partition)
    }
}

impl fmt::Display for ManifestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.epoch, self.incarnation, self.seq)
    }
}

impl fmt::Display for SegmentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.epoch, self.incarnation, self.seq)
    }
}
