//! The write path from a batch to a sealed segment, for micro-benchmarks.
//!
//! A batch of this module never lies in the broker's own hot segment, so that its flush task has nothing to do.
//! Nobody waits for its ticket.

use std::sync::Arc;

use bytes::Bytes;
use esker_metastore::{SegmentReply, Topic};
use esker_model::sequence::{Outcome, Piece};
use esker_protocol::ErrorCode;
use esker_protocol::limits::DECOMPRESSED_BYTES_MAX;
use esker_storage::segment::Sealed;

use super::hot_segment::{Appended, HotSegment, ValidBatch};
use super::seal::{self, SealedSegment};
use super::validate::{self, Terms};
use crate::Broker;
use crate::metrics::TopicMeters;
use crate::topics::TopicState;
use crate::topics::configs::TopicConfig;

/// The version of the requests that the batches come in.
const API_VERSION: i16 = 12;

/// A topic as the catalog keeps it.
pub fn topic_state(topic: Topic) -> Arc<TopicState> {
    Arc::new(TopicState {
        config: TopicConfig::of(&topic.configs),
        meter: TopicMeters::new(1).of(&topic.name),
        topic,
    })
}

/// A batch that may be appended.
pub struct Validated(ValidBatch);

/// Checks the records that a request has for one partition.
pub fn validate(
    topic: &Arc<TopicState>,
    partition: i32,
    records: Bytes,
    now_ms: i64,
) -> Result<Validated, ErrorCode> {
    let terms = Terms {
        api_version: API_VERSION,
        acks: -1,
        has_transactional_id: false,
        internal_allowed: false,
        now_ms,
        opened_bytes_max: DECOMPRESSED_BYTES_MAX,
    };
    let unknown = ErrorCode::UnknownTopicOrPartition;
    validate::validate(&terms, Some(topic), unknown, partition, Some(records))
        .map(Validated)
        .map_err(|refused| refused.error)
}

/// Batches that were taken from a hot segment.
pub struct Taken(Vec<Appended>);

/// Appends batches to a hot segment of their own and takes them from it again, all at once.
pub fn take(broker: &Broker, batches: impl IntoIterator<Item = Validated>) -> Taken {
    let now = broker.seams.clock.now();
    let mut hot = HotSegment::default();
    for Validated(batch) in batches {
        drop(hot.append(batch, now, None));
    }
    Taken(hot.take(u64::MAX))
}

/// A segment, sealed and not uploaded.
pub struct SealedBatches {
    segment: SealedSegment,
    object: Sealed,
}

impl SealedBatches {
    /// Its runs.
    pub fn runs(&self) -> usize {
        self.segment.run_count
    }

    /// The object as it would be uploaded.
    pub fn object(&self) -> &Sealed {
        &self.object
    }
}

/// Seals what was taken as segment number `seq`, which is to ascend. As ever, the segment's bytes are kept among
/// the broker's recent segments.
pub fn seal(broker: &Broker, seq: u64, taken: Taken) -> Option<SealedBatches> {
    let (segment, object) = seal::seal(&broker.produce.stages, seq, taken.0)?;
    Some(SealedBatches { segment, object })
}

/// Acts as if the segment had been uploaded and all of it appended: the next one carries its receipt.
pub fn commit_sealed(broker: &Broker, sealed: &SealedBatches) {
    let mut runs = Vec::with_capacity(sealed.runs());
    for (at, run) in sealed.segment.runs.iter().enumerate() {
        let base_offset = at as i64;
        runs.push(vec![Piece {
            first_batch: 0,
            batches: run.batches.len(),
            outcome: Outcome::Appended { base_offset },
        }]);
    }
    let seq = sealed.segment.id.seq;
    let receipts = &broker.produce.stages.receipts;
    receipts.landed(seq);
    receipts.committed(&sealed.segment, &SegmentReply { seq, runs });
}
