//! The hot segment: the batches that were taken and not sealed yet, in the order of their arrival.
//!
//! Appending moves a slice and a ticket; nothing is copied. Batches carry numbers that grow without gaps
//! over the incarnation's life: "everything appended so far" is one number.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use esker_metastore::RunProducer;
use esker_model::PartitionKey;
use esker_model::seams::Instant;
use esker_protocol::ErrorCode;
use tokio::sync::oneshot;

use crate::topics::TopicState;
use crate::trace::Trace;

/// What a batch's producer is told.
pub(super) type Verdict = Result<Placed, ErrorCode>;

/// Where a batch lies in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Placed {
    /// Offset of its first record.
    pub base_offset: i64,
    /// Append time, for topics with LogAppendTime and for duplicates; else -1.
    pub append_time_ms: i64,
    /// First offset of the log, -1 if it was not asked for.
    pub log_start: i64,
}

/// A batch that passed validation.
pub(super) struct ValidBatch {
    /// Its topic.
    pub topic: Arc<TopicState>,
    /// Its partition.
    pub partition: PartitionKey,
    /// Its idempotent producer.
    pub producer: Option<RunProducer>,
    /// Records in it, at least 1.
    pub records: i32,
    /// Largest timestamp, or -1.
    pub max_timestamp: i64,
    /// When it was stamped, on a topic with LogAppendTime; else -1.
    pub append_time_ms: i64,
    /// Its bytes: one slice as sent, or a rewritten header and the rest.
    pub slices: BatchSlices,
}

/// The bytes of one batch.
pub(super) enum BatchSlices {
    /// As the client sent them.
    Whole(Bytes),
    /// The header was written anew.
    Stamped([Bytes; 2]),
}

impl BatchSlices {
    pub(super) fn bytes(&self) -> u64 {
        match self {
            Self::Whole(bytes) => bytes.len() as u64,
            Self::Stamped([header, rest]) => (header.len() + rest.len()) as u64,
        }
    }
}

/// A batch in the hot segment.
pub(super) struct Appended {
    pub batch: ValidBatch,
    /// Its place in the order of arrival, from 1.
    pub number: u64,
    /// When it arrived.
    pub at: Instant,
    /// That of its request, if it is traced.
    pub trace: Option<Arc<Trace>>,
    /// Resolves when its fate is known.
    pub ticket: oneshot::Sender<Verdict>,
}

/// The batches not sealed yet.
#[derive(Default)]
pub(super) struct HotSegment {
    batches: VecDeque<Appended>,
    bytes: u64,
    last_number: u64,
    last_at: Option<Instant>,
}

/// What waits in the hot segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Waiting {
    pub bytes: u64,
    pub first_at: Instant,
    pub last_at: Instant,
}

impl HotSegment {
    /// Appends a batch; the receiver hears its fate.
    pub(super) fn append(
        &mut self,
        batch: ValidBatch,
        at: Instant,
        trace: Option<Arc<Trace>>,
    ) -> oneshot::Receiver<Verdict> {
        let (ticket, verdict) = oneshot::channel();
        self.bytes += batch.slices.bytes();
        self.last_number += 1;
        self.last_at = Some(at);
        self.batches.push_back(Appended {
            batch,
            number: self.last_number,
            at,
            trace,
            ticket,
        });
        verdict
    }

    /// The number of the last batch ever appended.
    pub(super) fn last_number(&self) -> u64 {
        self.last_number
    }

    /// Bytes of all batches.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// What waits; `None` if nothing does.
    pub(super) fn waiting(&self) -> Option<Waiting> {
        let first_at = self.batches.front()?.at;
        Some(Waiting {
            bytes: self.bytes,
            first_at,
            last_at: self.last_at.unwrap_or(first_at),
        })
    }

    /// Takes the oldest batches, at least one and no more than `bytes_max` of bytes.
    pub(super) fn take(&mut self, bytes_max: u64) -> Vec<Appended> {
        let mut taken_bytes = 0;
        let count = self
            .batches
            .iter()
            .take_while(|appended| {
                let fits = taken_bytes == 0 || taken_bytes + appended.batch.slices.bytes() <= bytes_max;
                taken_bytes += appended.batch.slices.bytes();
                fits
            })
            .count();
        let taken: Vec<_> = self.batches.drain(..count).collect();
        self.bytes -= taken
            .iter()
            .map(|appended| appended.batch.slices.bytes())
            .sum::<u64>();
        taken
    }
}
