//! OffsetDelete 0: forgets offsets of topics that a group does not read any more.

use std::collections::BTreeSet;

use esker_model::PartitionKey;
use esker_protocol::ErrorCode;
use esker_protocol::consumer_protocol::subscribed_topics;
use esker_protocol::messages::offset_delete_response::{
    OffsetDeleteResponsePartition, OffsetDeleteResponseTopic,
};
use esker_protocol::messages::{OffsetDeleteRequest, OffsetDeleteResponse};

use super::commit::as_told;
use crate::Broker;
use crate::authorizer::Operation;
use crate::context::RequestContext;
use crate::fetch::resolve::{Resolver, TopicRef};
use crate::groups::group::{CONSUMER, Group};
use crate::groups::requests::{allow, named};
use crate::groups::shard::until_written;

/// Forgets offsets.
pub(crate) async fn handle(
    broker: &Broker,
    context: &RequestContext,
    request: OffsetDeleteRequest,
) -> OffsetDeleteResponse {
    match forget(broker, context, request).await {
        Ok(topics) => OffsetDeleteResponse::default().with_topics(topics),
        Err(error) => OffsetDeleteResponse::default().with_error_code(error.code()),
    }
}

async fn forget(
    broker: &Broker,
    context: &RequestContext,
    request: OffsetDeleteRequest,
) -> Result<Vec<OffsetDeleteResponseTopic>, ErrorCode> {
    let id = &*request.group_id.0;
    allow(broker, context, Operation::Delete, id)?;
    named(id)?;
    let mut resolver = Resolver::new(broker, context, Operation::Read);
    let mut wanted: Vec<(usize, usize, PartitionKey)> = Vec::new();
    let mut answers: Vec<OffsetDeleteResponseTopic> = Vec::with_capacity(request.topics.len());
    for topic in request.topics {
        let state = resolver.topic(TopicRef::Name(&topic.name)).await;
        let mut partitions = Vec::with_capacity(topic.partitions.len());
        for asked in &topic.partitions {
            let partition = match &state {
                Ok(state) => resolver.partition(state, asked.partition_index).await,
                Err(error) => Err(*error),
            };
            let error = match partition {
                Ok(partition) => {
                    wanted.push((answers.len(), partitions.len(), partition));
                    ErrorCode::None
                }
                Err(error) => as_told(error),
            };
            let answer = OffsetDeleteResponsePartition::default().with_partition_index(asked.partition_index);
            partitions.push(answer.with_error_code(error.code()));
        }
        answers.push(
            OffsetDeleteResponseTopic::default()
                .with_name(topic.name)
                .with_partitions(partitions),
        );
    }
    let names: Vec<String> = answers.iter().map(|topic| topic.name.to_string()).collect();
    let (subscribed, written) = broker.groups.with_shard(id, |shard, _| {
        let subscribed = match shard.group(id) {
            None => return Err(ErrorCode::GroupIdNotFound),
            Some(group) => subscribed_to(group, &names)?,
        };
        let free = wanted.iter().filter(|(topic, _, _)| !subscribed.contains(topic));
        let gone: Vec<_> = free.map(|(_, _, partition)| (*partition, None)).collect();
        let written = if gone.is_empty() {
            None
        } else {
            shard.put_offsets(id, gone)
        };
        Ok((subscribed, written))
    })??;
    until_written(written).await?;
    for (topic, partition, _) in wanted.iter().filter(|(topic, _, _)| subscribed.contains(topic)) {
        answers[*topic].partitions[*partition].error_code = ErrorCode::GroupSubscribedToTopic.code();
    }
    Ok(answers)
}

/// Those of the topics that a group reads. 68 for a group with members of which that is not known.
fn subscribed_to(group: &Group, topics: &[String]) -> Result<BTreeSet<usize>, ErrorCode> {
    let those = |reads: &dyn Fn(&str) -> bool| {
        let all = topics.iter().enumerate().filter(|(_, topic)| reads(topic));
        all.map(|(at, _)| at).collect()
    };
    match group {
        Group::Consumer(group) => Ok(those(&|topic| group.is_subscribed(topic))),
        _ if group.is_empty() => Ok(BTreeSet::new()),
        Group::Classic(group) if group.protocol_type() == Some(CONSUMER) => {
            let members = group.describe().members.into_iter();
            let read: BTreeSet<String> = members
                .filter_map(|member| subscribed_topics(&member.metadata))
                .flatten()
                .collect();
            Ok(those(&|topic| read.contains(topic)))
        }
        Group::Classic(_) | Group::Gone => Err(ErrorCode::NonEmptyGroup),
    }
}
