//! Runs: consecutive batches of one partition and one producer, as they are written and as they are
//! read back.

use bytes::Bytes;
use esker_model::{ProducerEpoch, ProducerId, TopicUuid};

use super::error::InvalidRun;

/// One record batch, exactly as it will be stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    /// Records (offsets) in the batch, at least 1.
    pub records: i32,
    /// Its bytes, or the first of them: at least the first 21, if it has as many.
    pub head: Bytes,
    /// The bytes after `head`; empty for a batch that was not rewritten.
    pub rest: Bytes,
}

impl Batch {
    /// A batch as the client sent it. Its own CRC must have been verified.
    pub fn whole(records: i32, bytes: Bytes) -> Self {
        Self {
            records,
            head: bytes,
            rest: Bytes::new(),
        }
    }

    /// A batch whose header was written anew (append time), with its CRC, in front of the client's bytes.
    pub fn rewritten(records: i32, head: Bytes, rest: Bytes) -> Self {
        Self { records, head, rest }
    }

    /// Bytes of the batch.
    pub fn len(&self) -> usize {
        self.head.len() + self.rest.len()
    }

    /// Whether it has no bytes; such a batch cannot be stored.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// The idempotent producer of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RunProducer {
    /// Its id.
    pub id: ProducerId,
    /// Its epoch.
    pub epoch: ProducerEpoch,
    /// Sequence of the run's first record. The sequences of its batches follow on each other.
    pub first_sequence: i32,
}

/// A run to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// The topic.
    pub topic: TopicUuid,
    /// The partition's index.
    pub partition: i32,
    /// The idempotent producer, if there is one.
    pub producer: Option<RunProducer>,
    /// The batches belong to a transaction.
    pub transactional: bool,
    /// The batches are control batches.
    pub control: bool,
    /// Largest record timestamp (milliseconds since 1970), -1 if there is none.
    pub max_timestamp: i64,
    /// The batches, at least one; their records add up to at most `i32::MAX`.
    pub batches: Vec<Batch>,
}

impl Run {
    pub(super) fn check(&self) -> Result<(), InvalidRun> {
        if self.batches.is_empty() {
            return Err(InvalidRun("it has no batches"));
        }
        let mut records = 0i32;
        for batch in &self.batches {
            if batch.is_empty() || u32::try_from(batch.len()).is_err() {
                return Err(InvalidRun("a batch is empty or too long"));
            }
            records = match records.checked_add(batch.records) {
                Some(sum) if batch.records > 0 => sum,
                _ => return Err(InvalidRun("its numbers of records do not add up")),
            };
        }
        Ok(())
    }
}

/// A batch as the footer describes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchExtent {
    /// Records (offsets) in the batch, at least 1.
    pub records: i32,
    /// Bytes of the batch, at least 1.
    pub bytes: u32,
}

/// A run as the footer describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunExtent {
    /// The topic.
    pub topic: TopicUuid,
    /// The partition's index.
    pub partition: i32,
    /// Byte position of the first batch in the object.
    pub position: u64,
    /// Bytes of all batches.
    pub bytes: u64,
    /// The idempotent producer, if there is one.
    pub producer: Option<RunProducer>,
    /// The batches belong to a transaction.
    pub transactional: bool,
    /// The batches are control batches.
    pub control: bool,
    /// Largest record timestamp (milliseconds since 1970), -1 if there is none.
    pub max_timestamp: i64,
    /// The batches, at least one.
    pub batches: Vec<BatchExtent>,
}

impl RunExtent {
    /// Records of all batches.
    pub fn records(&self) -> i64 {
        self.batches.iter().map(|batch| i64::from(batch.records)).sum()
    }
}
