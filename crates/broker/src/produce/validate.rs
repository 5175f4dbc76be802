//! Is this batch one that may be appended, and as what?
//!
//! The checks stand in the order in which Kafka reports their errors. Batches are kept as the client sent
//! them; only a header is written anew where the broker owns a field (append time, a wrong largest
//! timestamp), and the records behind it stay where they are.

use std::sync::Arc;

use bytes::Bytes;
use esker_metastore::RunProducer;
use esker_model::{PartitionKey, ProducerEpoch, ProducerId};
use esker_protocol::ErrorCode;
use esker_protocol::batch::{self, BatchError, ProduceRules, TimestampType};

use super::hot_segment::{BatchSlices, ValidBatch};
use crate::topics::{TopicState, names};

/// Why a batch was refused before it was appended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refused {
    /// The partition's error.
    pub error: ErrorCode,
    /// In words, for clients that show it.
    pub message: Option<String>,
    /// Indexes of the records at fault.
    pub records: Vec<i32>,
}

impl From<ErrorCode> for Refused {
    fn from(error: ErrorCode) -> Self {
        Self {
            error,
            message: None,
            records: Vec::new(),
        }
    }
}

impl From<BatchError> for Refused {
    fn from(err: BatchError) -> Self {
        Self {
            error: err.code(),
            message: Some(err.to_string()),
            records: err.record_errors().to_vec(),
        }
    }
}

/// What a produce request says about all of its batches.
pub(super) struct Terms {
    pub api_version: i16,
    pub acks: i16,
    pub has_transactional_id: bool,
    /// The client is Kafka's own administration, which may write to internal topics.
    pub internal_allowed: bool,
    /// By the metastore's clock.
    pub now_ms: i64,
    /// Bytes that a batch may become when it is opened.
    pub opened_bytes_max: usize,
}

/// Checks one partition's records. `topic` is `None` if there is no such topic.
pub(super) fn validate(
    terms: &Terms,
    topic: Option<&Arc<TopicState>>,
    unknown_topic: ErrorCode,
    index: i32,
    records: Option<Bytes>,
) -> Result<ValidBatch, Refused> {
    let single = batch::single_batch(records, terms.api_version);
    if let Ok(batch) = &single
        && batch.header.attributes.is_transactional()
        && !terms.has_transactional_id
    {
        return Err(ErrorCode::TransactionalIdAuthorizationFailed.into());
    }
    let topic = topic.ok_or(unknown_topic)?;
    let partition = topic.partition(index).ok_or(ErrorCode::UnknownTopicOrPartition)?;
    let batch = single?;
    if !(-1..=1).contains(&terms.acks) {
        return Err(ErrorCode::InvalidRequiredAcks.into());
    }
    if names::is_internal(&topic.topic.name) && !terms.internal_allowed {
        return Err(ErrorCode::InvalidTopicException.into());
    }
    if batch.header.attributes.is_transactional() {
        // No transaction can be open: transactional ids are refused when a producer introduces itself.
        return Err(ErrorCode::InvalidTxnState.into());
    }
    let checked = batch::check_batch(batch, &rules(topic, terms))?;
    Ok(as_stored(topic, partition, checked, terms.now_ms))
}

fn rules(topic: &TopicState, terms: &Terms) -> ProduceRules {
    let config = &topic.config;
    ProduceRules {
        max_message_bytes: config.max_message_bytes as usize,
        timestamp_type: if config.log_append_time {
            TimestampType::LogAppendTime
        } else {
            TimestampType::CreateTime
        },
        timestamp_before_max_ms: config.timestamp_before_max_ms,
        timestamp_after_max_ms: config.timestamp_after_max_ms,
        now_ms: terms.now_ms,
        keys_required: config.compact,
        open_compressed: config.validate_compressed,
        opened_bytes_max: terms.opened_bytes_max,
    }
}

fn as_stored(
    topic: &Arc<TopicState>,
    partition: PartitionKey,
    checked: batch::CheckedBatch,
    now_ms: i64,
) -> ValidBatch {
    let batch::CheckedBatch {
        batch,
        max_timestamp_ms,
    } = checked;
    let header = batch.header;
    let producer = header.has_producer().then_some(RunProducer {
        id: ProducerId(header.producer_id),
        epoch: ProducerEpoch(header.producer_epoch),
        first_sequence: header.base_sequence,
    });
    let (slices, max_timestamp, append_time_ms) = if topic.config.log_append_time {
        (
            BatchSlices::Stamped(batch::stamp_log_append_time(&batch, now_ms)),
            now_ms,
            now_ms,
        )
    } else if max_timestamp_ms != header.max_timestamp {
        (
            BatchSlices::Stamped(batch::stamp_max_timestamp(&batch, max_timestamp_ms)),
            max_timestamp_ms,
            -1,
        )
    } else {
        (BatchSlices::Whole(batch.bytes), max_timestamp_ms, -1)
    };
    ValidBatch {
        topic: Arc::clone(topic),
        partition,
        producer,
        records: header.record_count,
        max_timestamp,
        append_time_ms,
        slices,
    }
}
