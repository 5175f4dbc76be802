//! DeleteRecords 0-2: moves the log start of partitions forward.
//!
//! What lies below it is not read from the moment of the answer on; its bytes go with retention. The log start never
//! goes back: an offset below it is answered with where it is.

use std::collections::BTreeMap;

use esker_metastore::Head;
use esker_model::PartitionKey;
use esker_model::limits::QUERY_PARTITIONS_MAX;
use esker_protocol::ErrorCode;
use esker_protocol::messages::delete_records_request::DeleteRecordsPartition;
use esker_protocol::messages::delete_records_response::{
    DeleteRecordsPartitionResult, DeleteRecordsTopicResult,
};
use esker_protocol::messages::{DeleteRecordsRequest, DeleteRecordsResponse, TopicName};
use tracing::warn;

use super::TopicState;
use crate::authorizer::Operation;
use crate::context::RequestContext;
use crate::fetch::list_offsets::current_heads;
use crate::fetch::resolve::{Resolver, TopicRef};
use crate::{Broker, errors};

/// The offset that means the high watermark.
const HIGH_WATERMARK: i64 = -1;

/// A partition of the request: its place in the response and the offset that is wanted.
struct Wanted {
    at: (usize, usize),
    partition: PartitionKey,
    offset: i64,
}

/// Deletes records.
pub(crate) async fn handle(
    broker: &Broker,
    context: &RequestContext,
    request: DeleteRecordsRequest,
) -> DeleteRecordsResponse {
    let mut resolver = Resolver::new(broker, context, Operation::Delete);
    let mut response = DeleteRecordsResponse::default();
    let mut wanted: Vec<Wanted> = Vec::new();
    let mut last = last_offsets(&request);
    for topic in request.topics {
        let state = resolver.topic(TopicRef::Name(&topic.name)).await;
        let mut partitions = Vec::with_capacity(topic.partitions.len());
        for asked in topic.partitions {
            // One that comes twice is answered where it came first, with the last offset, as in Kafka.
            let Some(offset) = last.remove(&(topic.name.clone(), asked.partition_index)) else {
                continue;
            };
            let asked = asked.with_offset(offset);
            let outcome = match &state {
                Ok(state) => match resolver.partition(state, asked.partition_index).await {
                    Ok(partition) => may_delete(state, asked.offset).map(|()| partition),
                    Err(error) => Err(error),
                },
                Err(error) => Err(*error),
            };
            let error = match outcome {
                Ok(partition) => {
                    wanted.push(Wanted {
                        at: (response.topics.len(), partitions.len()),
                        partition,
                        offset: asked.offset,
                    });
                    ErrorCode::None
                }
                Err(error) => error,
            };
            partitions.push(refused(&asked, error));
        }
        if partitions.is_empty() {
            continue;
        }
        let topic = DeleteRecordsTopicResult::default()
            .with_name(topic.name)
            .with_partitions(partitions);
        response.topics.push(topic);
    }
    for part in wanted.chunks(QUERY_PARTITIONS_MAX) {
        for (wanted, moved) in part.iter().zip(delete(broker, part).await) {
            let slot = &mut response.topics[wanted.at.0].partitions[wanted.at.1];
            match moved {
                Ok(head) => slot.low_watermark = head.log_start,
                Err(error) => slot.error_code = error.code(),
            }
        }
    }
    response
}

/// The offset that is wanted of each partition: the last that the request names.
fn last_offsets(request: &DeleteRecordsRequest) -> BTreeMap<(TopicName, i32), i64> {
    let topics = request.topics.iter();
    let partitions = topics.flat_map(|topic| {
        let partitions = topic.partitions.iter();
        partitions.map(|asked| ((topic.name.clone(), asked.partition_index), asked.offset))
    });
    partitions.collect()
}

fn refused(asked: &DeleteRecordsPartition, error: ErrorCode) -> DeleteRecordsPartitionResult {
    DeleteRecordsPartitionResult::default()
        .with_partition_index(asked.partition_index)
        .with_low_watermark(-1)
        .with_error_code(error.code())
}

fn may_delete(state: &TopicState, offset: i64) -> Result<(), ErrorCode> {
    if !state.config.delete {
        // A compacted log would be read as if nothing had been there.
        Err(ErrorCode::PolicyViolation)
    } else if offset < HIGH_WATERMARK {
        Err(ErrorCode::OffsetOutOfRange)
    } else {
        Ok(())
    }
}

/// Moves log starts; the heads afterwards.
async fn delete(broker: &Broker, wanted: &[Wanted]) -> Vec<Result<Head, ErrorCode>> {
    let partitions: Vec<_> = wanted.iter().map(|one| one.partition).collect();
    let mut outcomes = current_heads(broker, &partitions).await;
    let mut starts = Vec::new();
    let mut places = Vec::new();
    for (at, (one, outcome)) in wanted.iter().zip(&mut outcomes).enumerate() {
        let Ok(head) = outcome else { continue };
        let offset = match one.offset {
            HIGH_WATERMARK => head.next_offset,
            offset => offset,
        };
        if offset > head.next_offset {
            *outcome = Err(ErrorCode::OffsetOutOfRange);
        } else if offset > head.log_start {
            starts.push((one.partition, offset));
            places.push(at);
        }
    }
    if starts.is_empty() {
        return outcomes;
    }
    match broker.metastore.advance_log_start(&starts).await {
        Ok(heads) => {
            let moved_at = broker.seams.clock.now();
            for ((at, (partition, _)), head) in places.into_iter().zip(starts).zip(heads) {
                outcomes[at] = match head {
                    Some(head) if broker.gate.is_open() => {
                        Ok(broker.hot_index.absorb(partition, &[], head, moved_at))
                    }
                    Some(_) => Err(ErrorCode::KafkaStorageError),
                    None => Err(ErrorCode::UnknownTopicOrPartition),
                };
            }
        }
        Err(err) => {
            warn!(%err, "records could not be deleted");
            for at in places {
                outcomes[at] = Err(errors::of_metastore(&err));
            }
        }
    }
    outcomes
}
