//! What the write path says to the metastore and hears from it.

use esker_model::sequence::Piece;
use esker_model::{ClusterEpoch, IncarnationId, PartitionKey, ProducerEpoch, ProducerId};

use super::read::Head;

/// Segments to commit, in seal order.
#[derive(Clone, Debug, PartialEq)]
pub struct CommitRequest {
    /// The epoch that the agent writes in.
    pub epoch: ClusterEpoch,
    /// The incarnation that wrote the segments.
    pub incarnation: IncarnationId,
    /// Every seq at or below this without a positive receipt was never committed and never will be.
    pub settled_through: u64,
    /// The segments, ascending by seq.
    pub segments: Vec<SegmentCommit>,
}

/// One uploaded segment.
#[derive(Clone, Debug, PartialEq)]
pub struct SegmentCommit {
    /// Its number within the incarnation, from 1.
    pub seq: u64,
    /// Size of the object in bytes.
    pub object_bytes: u64,
    /// The runs to commit, in the order in which they were accepted from clients. A run of the object
    /// that is left out here is never committed.
    pub runs: Vec<RunCommit>,
}

/// Consecutive batches of one partition and one producer inside a segment.
#[derive(Clone, Debug, PartialEq)]
pub struct RunCommit {
    /// Where the batches belong.
    pub partition: PartitionKey,
    /// The idempotent producer, if there is one. Its batches' sequences follow on each other.
    pub producer: Option<RunProducer>,
    /// Byte position of the first batch in the object.
    pub position: u64,
    /// The batches; their records add up to at most `i32::MAX`.
    pub batches: Vec<RunBatch>,
    /// Largest record timestamp of the run (milliseconds since 1970), -1 if there is none.
    pub max_timestamp: i64,
    /// The batches belong to a transaction.
    pub transactional: bool,
}

/// The producer of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RunProducer {
    /// Its id.
    pub id: ProducerId,
    /// Its epoch.
    pub epoch: ProducerEpoch,
    /// Sequence of the run's first record.
    pub first_sequence: i32,
}

/// One batch of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RunBatch {
    /// Records (offsets) in the batch, at least 1.
    pub records: i32,
    /// Bytes of the batch.
    pub bytes: u32,
}

/// What a commit did.
#[derive(Clone, Debug, PartialEq)]
pub struct CommitReply {
    /// One per segment of the request.
    pub segments: Vec<SegmentReply>,
    /// The heads of the partitions that the call touched, as it left them, ascending by key.
    pub heads: Vec<(PartitionKey, Head)>,
}

/// What a commit gave a segment. This is what the segment's receipt records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SegmentReply {
    /// Its number within the incarnation.
    pub seq: u64,
    /// Pieces of each run of the request, covering its batches in order.
    pub runs: Vec<Vec<Piece>>,
}

/// How the question "was it committed?" ended, for ever.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Settled {
    /// It was not committed and never can be.
    Tombstoned,
    /// It was committed, with this reply.
    Committed(SegmentReply),
}
