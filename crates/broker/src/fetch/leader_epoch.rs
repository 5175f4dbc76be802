//! OffsetForLeaderEpoch (KIP-320): where a leader epoch ends.
//!
//! The leader epoch is the cluster epoch. For our own the answer is the end of the log, as the primary
//! has it, under the rules of ListOffsets; for any other it is that we know no end. Earlier epochs exist
//! only after a restore.

use esker_model::PartitionKey;
use esker_protocol::ErrorCode;
use esker_protocol::messages::offset_for_leader_epoch_request::OffsetForLeaderPartition;
use esker_protocol::messages::offset_for_leader_epoch_response::{
    EpochEndOffset, OffsetForLeaderTopicResult,
};
use esker_protocol::messages::{OffsetForLeaderEpochRequest, OffsetForLeaderEpochResponse};

use super::list_offsets::current_heads;
use super::resolve::{Resolver, TopicRef, check_leader_epoch};
use crate::Broker;
use crate::authorizer::Operation;
use crate::context::RequestContext;

/// Answers an OffsetForLeaderEpoch request.
pub(crate) async fn handle(
    broker: &Broker,
    context: &RequestContext,
    request: OffsetForLeaderEpochRequest,
) -> OffsetForLeaderEpochResponse {
    let ours = broker.member.epoch().0;
    let mut resolver = Resolver::new(broker, context, Operation::Describe);
    let mut response = OffsetForLeaderEpochResponse::default();
    let mut open: Vec<((usize, usize), PartitionKey)> = Vec::new();
    for topic in request.topics {
        let state = resolver.topic(TopicRef::Name(&topic.topic)).await;
        let mut partitions = Vec::with_capacity(topic.partitions.len());
        for asked in &topic.partitions {
            let partition = match &state {
                Ok(state) => resolver.partition(state, asked.partition).await,
                Err(error) => Err(*error),
            };
            let checked = partition.and_then(|partition| {
                check_leader_epoch(broker, asked.current_leader_epoch).map(|()| partition)
            });
            let error = match checked {
                Ok(partition) => {
                    if asked.leader_epoch == ours {
                        open.push(((response.topics.len(), partitions.len()), partition));
                    }
                    ErrorCode::None
                }
                Err(error) => error,
            };
            partitions.push(no_end(asked, error));
        }
        let topic = OffsetForLeaderTopicResult::default()
            .with_topic(topic.topic)
            .with_partitions(partitions);
        response.topics.push(topic);
    }
    let partitions: Vec<_> = open.iter().map(|(_, partition)| *partition).collect();
    for (((topic, partition), _), head) in open.iter().zip(current_heads(broker, &partitions).await) {
        let slot = &mut response.topics[*topic].partitions[*partition];
        match head {
            Ok(head) => {
                slot.leader_epoch = ours;
                slot.end_offset = head.next_offset;
            }
            Err(error) => slot.error_code = error.code(),
        }
    }
    response
}

fn no_end(asked: &OffsetForLeaderPartition, error: ErrorCode) -> EpochEndOffset {
    EpochEndOffset::default()
        .with_partition(asked.partition)
        .with_error_code(error.code())
        .with_leader_epoch(-1)
        .with_end_offset(-1)
}
