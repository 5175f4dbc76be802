//! Sealing: the taken batches become runs, the runs an object.
//!
//! Batches are grouped by partition and producer, in order of arrival within each; consecutive batches
//! whose sequences follow on each other make a run. The object's payload is the batches' own slices.
//! Its footer also carries the receipts of segments committed before it.

use std::sync::Arc;

use bytes::Bytes;
use esker_metastore::{RunBatch, RunCommit, RunProducer, SegmentReply};
use esker_model::limits::PRODUCE_AGE_MAX;
use esker_model::seams::Instant;
use esker_model::{SegmentId, sequence};
use esker_protocol::ErrorCode;
use parking_lot::Mutex;
use tokio::sync::oneshot;

use super::Stages;
use super::hot_segment::{Appended, Verdict};
use crate::errors;
use crate::topics::TopicState;

/// A segment on its way: everything but its bytes.
pub(super) struct SealedSegment {
    pub id: SegmentId,
    pub object_bytes: u64,
    pub runs: Vec<SealedRun>,
    /// Number of the youngest batch in it.
    pub last_number: u64,
}

/// A run and those who wait for it.
pub(super) struct SealedRun {
    pub commit: RunCommit,
    pub topic: Arc<TopicState>,
    pub batches: Vec<SealedBatch>,
}

/// A batch of a run.
pub(super) struct SealedBatch {
    pub number: u64,
    pub at: Instant,
    pub bytes: u32,
    pub append_time_ms: i64,
    pub ticket: oneshot::Sender<Verdict>,
}

impl SealedRun {
    /// Number of its first batch.
    pub(super) fn first_number(&self) -> u64 {
        self.batches.first().map_or(0, |batch| batch.number)
    }

    /// When its oldest batch arrived.
    pub(super) fn oldest(&self) -> Option<Instant> {
        self.batches.iter().map(|batch| batch.at).min()
    }
}

/// Receipts of committed segments that no footer carries yet, and how far everything is settled.
#[derive(Default)]
pub(super) struct Receipts(Mutex<PendingReceipts>);

#[derive(Default)]
struct PendingReceipts {
    settled_through: u64,
    receipts: Vec<Receipt>,
}
