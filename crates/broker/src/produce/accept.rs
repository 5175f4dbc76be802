//! Takes a produce request: validates its batches, appends them in order, and answers when all have their
//! fate.
//!
//! [`accept`] ends when the batches lie in the hot segment, so a connection that awaits it before it reads
//! the next frame keeps its order. Dropping a [`PendingProduce`] gives up the answer, not the batches.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use esker_metastore::MetastoreError;
use esker_model::TopicUuid;
use esker_model::limits::PRODUCE_AGE_MAX;
use esker_model::planted::{Mistake, planted};
use esker_model::seams::{Clock, Instant};
use esker_protocol::messages::produce_request::TopicProduceData;
use esker_protocol::messages::produce_response::{
    BatchIndexAndErrorMessage, PartitionProduceResponse, TopicProduceResponse,
};
use esker_protocol::messages::{ProduceRequest, ProduceResponse};
use esker_protocol::{ErrorCode, StrBytes};
use tokio::sync::oneshot;

use super::hot_segment::{Placed, ValidBatch, Verdict};
use super::seal;
use super::validate::{self, Refused, Terms};
use crate::Broker;
use crate::authorizer::{Operation, Resource};
use crate::context::RequestContext;
use crate::errors;
use crate::topics::{Lookup, TopicState};
use crate::trace::Trace;

/// First version that names topics by id (KIP-516).
const TOPIC_ID_VERSION: i16 = 13;

/// A produce request whose batches are in the hot segment.
pub(crate) struct PendingProduce {
    clock: Arc<dyn Clock>,
    deadline: Instant,
    topics: Vec<PendingTopic>,
}

struct PendingTopic {
    response: TopicProduceResponse,
    by_id: bool,
    partitions: Vec<(i32, Fate)>,
}

enum Fate {
    Refused(Refused),
    Pending(oneshot::Receiver<Verdict>),
}

/// Takes a request.
pub(crate) async fn accept(
    broker: &Broker,
    context: &RequestContext,
    request: ProduceRequest,
) -> PendingProduce {
    let now = broker.seams.clock.now();
    let terms = Terms {
        api_version: context.api_version,
        acks: request.acks,
        has_transactional_id: request.transactional_id.is_some(),
        internal_allowed: &*context.client_id == "__admin_client",
        now_ms: broker.member.now_ms(),
        opened_bytes_max: broker.budget.opened_bytes_max,
    };
    // An answer given at the limit may come from a commit that was already under way.
    let limit = PRODUCE_AGE_MAX + Duration::from_secs(5);
    // In Kafka the request's timeout is how long to wait for replicas: with acks=1 it says nothing.
    let deadline = now.plus(match request.acks {
        1 => limit,
        _ => Duration::from_millis(u64::try_from(request.timeout_ms).unwrap_or(0)).min(limit),
    });
    let mut topics = Vec::with_capacity(request.topic_data.len());
    let mut valid = Vec::new();
    let mut seen = BTreeSet::new();
    // However many topics are not known, the metastore is asked once.
    let mut lookup = broker.catalog.lookup();
    for data in request.topic_data {
        let by_id = context.api_version >= TOPIC_ID_VERSION;
        let topic = find_topic(broker, &mut lookup, context, &data, by_id).await;
        let mut partitions = Vec::with_capacity(data.partition_data.len());
        for partition in data.partition_data {
            let fate = if broker.produce.refuses() {
                Err(ErrorCode::NotLeaderOrFollower.into())
            } else {
                match &topic {
                    Err(error) => Err((*error).into()),
                    Ok(topic) => {
                        let unknown = errors::unknown_topic(by_id);
                        validate::validate(
                            &terms,
                            topic.as_ref(),
                            unknown,
                            partition.index,
                            partition.records,
                        )
                    }
                }
            };
            let fate = match fate {
                Ok(batch) if !seen.insert(batch.partition) => Err(ErrorCode::InvalidRequest.into()),
                fate => fate,
            };
            let refused = match fate {
                Ok(batch) => {
                    valid.push(batch);
                    None
                }
                Err(refused) => Some(refused),
            };
            partitions.push((partition.index, refused));
        }
        let response = TopicProduceResponse::default()
            .with_name(data.name)
            .with_topic_id(data.topic_id);
        topics.push((response, by_id, partitions));
    }
    let verdicts = broker.produce.append(valid, now, context.trace.as_ref());
    PendingProduce {
        clock: Arc::clone(&broker.seams.clock),
        deadline,
        topics: join(topics, verdicts),
    }
}

type JudgedTopic = (TopicProduceResponse, bool, Vec<(i32, Option<Refused>)>);

/// Gives every partition its fate; `verdicts` are those of the partitions that were not refused, in order.
fn join(topics: Vec<JudgedTopic>, verdicts: Vec<oneshot::Receiver<Verdict>>) -> Vec<PendingTopic> {
    let mut verdicts = verdicts.into_iter();
    topics
        .into_iter()
        .map(|(response, by_id, partitions)| PendingTopic {
            response,
            by_id,
            partitions: partitions
                .into_iter()
                .map(|(index, refused)| {
                    let fate = match refused {
                        Some(refused) => Fate::Refused(refused),
                        None => match verdicts.next() {
                            Some(verdict) => Fate::Pending(verdict),
                            None => Fate::Refused(ErrorCode::UnknownServerError.into()),
                        },
                    };
                    (index, fate)
                })
                .collect(),
        })
        .collect()
}

async fn find_topic(
    broker: &Broker,
    lookup: &mut Lookup<'_>,
    context: &RequestContext,
    data: &TopicProduceData,
    by_id: bool,
) -> Result<Option<Arc<TopicState>>, ErrorCode> {
    let found = if by_id {
        lookup.find_uuid(TopicUuid(data.topic_id)).await
    } else {
        lookup.find_name(&data.name).await
    };
    let topic = match found {
        Ok(topic) => topic,
        Err(MetastoreError::Fenced) => return Err(ErrorCode::NotLeaderOrFollower),
        Err(_) => return Err(errors::surely_not_written()),
    };
    if let Some(topic) = &topic
        && !broker
            .authorizer
            .allows(context, Operation::Write, Resource::Topic(&topic.topic.name))
    {
        return Err(ErrorCode::TopicAuthorizationFailed);
    }
    Ok(topic)
}

impl super::ProducePath {
    /// Whether this incarnation takes no batches any more.
    fn refuses(&self) -> bool {
        self.stages.is_draining() || self.stages.member.stopped().is_some()
    }

    /// Appends batches in order.
    fn append(
        &self,
        valid: Vec<ValidBatch>,
        now: Instant,
        trace: Option<&Arc<Trace>>,
    ) -> Vec<oneshot::Receiver<Verdict>> {
        if valid.is_empty() {
            return Vec::new();
        }
        let stages = &self.stages;
        let batches = valid.len() as u64;
        stages.outstanding.change(|count| {
            *count += batches;
            false
        });
        let verdicts = {
            let mut hot = stages.hot.lock();
            let verdicts = valid
                .into_iter()
                .map(|batch| hot.append(batch, now, trace.cloned()))
                .collect();
            stages.metrics.hot_segment_bytes.set(hot.bytes() as i64);
            verdicts
        };
        stages.appended.notify_one();
        if stages.member.stopped().is_some() {
            // It ended while a topic was looked for: nobody seals any more.
            seal::refuse_rest(stages);
        }
        verdicts
    }
}

impl PendingProduce {
    /// The first error among those known already: with acks=0 it closes the connection.
    pub(crate) fn refused(&self) -> Option<ErrorCode> {
        self.topics
            .iter()
            .flat_map(|topic| &topic.partitions)
            .find_map(|(_, fate)| match fate {
                Fate::Refused(refused) => Some(refused.error),
                Fate::Pending(_) => None,
            })
    }

    /// Waits for every batch's fate, at most until the request's deadline.
    pub(crate) async fn answer(self) -> ProduceResponse {
        let mut responses = Vec::with_capacity(self.topics.len());
        for topic in self.topics {
            let mut partitions = Vec::with_capacity(topic.partitions.len());
            for (index, fate) in topic.partitions {
                let response = PartitionProduceResponse::default().with_index(index);
                partitions.push(match fate {
                    Fate::Refused(refused) => with_refusal(response, refused),
                    Fate::Pending(verdict) => {
                        let left = self.deadline - self.clock.now();
                        match tokio::time::timeout(left, verdict).await {
                            Ok(Ok(Ok(placed))) => with_place(response, placed),
                            Ok(Ok(Err(error))) => {
                                with_refusal(response, unknown_by_id(error, topic.by_id).into())
                            }
                            // Nobody will ever tell, or not in time: it may yet be committed.
                            Ok(Err(_)) | Err(_) => with_refusal(response, errors::outcome_unknown().into()),
                        }
                    }
                });
            }
            responses.push(topic.response.with_partition_responses(partitions));
        }
        ProduceResponse::default().with_responses(responses)
    }
}

/// A topic that went away after validation is unknown by whatever the client called it.
fn unknown_by_id(error: ErrorCode, by_id: bool) -> ErrorCode {
    match error {
        ErrorCode::UnknownTopicOrPartition => errors::unknown_topic(by_id),
        error => error,
    }
}

fn with_place(response: PartitionProduceResponse, placed: Placed) -> PartitionProduceResponse {
    response
        .with_base_offset(placed.base_offset)
        .with_log_append_time_ms(placed.append_time_ms)
        .with_log_start_offset(placed.log_start)
}

fn with_refusal(response: PartitionProduceResponse, refused: Refused) -> PartitionProduceResponse {
    let message = refused.message.map(StrBytes::from_string);
    let records = refused
        .records
        .into_iter()
        .map(|index| {
            BatchIndexAndErrorMessage::default()
                .with_batch_index(index)
                .with_batch_index_error_message(message.clone())
        })
        .collect();
    response
        .with_error_code(refused.error.code())
        .with_base_offset(if planted(Mistake::ErrorWithOffset) { 0 } else { -1 })
        .with_record_errors(records)
        .with_error_message(message)
}
