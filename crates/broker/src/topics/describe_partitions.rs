//! DescribeTopicPartitions 0 (KIP-966): topics in the order of their names, page by page.
//!
//! A page holds at most the partitions that the client wants, at most [`PAGE_PARTITIONS_MAX`], at least one.
//! A page that is full names the next topic and partition as a cursor. Topics that come and go between two
//! pages do not disturb the rest: a cursor is a place in the order, not in a list that was kept.

use std::collections::BTreeSet;

use esker_protocol::messages::describe_topic_partitions_response::{
    Cursor, DescribeTopicPartitionsResponsePartition, DescribeTopicPartitionsResponseTopic,
};
use esker_protocol::messages::{DescribeTopicPartitionsRequest, DescribeTopicPartitionsResponse, TopicName};
use esker_protocol::{ErrorCode, StrBytes};

use super::{TopicState, names};
use crate::Broker;
use crate::authorizer::{Operation, Resource};
use crate::cluster::{Brokers, operations};
use crate::context::RequestContext;

/// Most partitions in one answer.
const PAGE_PARTITIONS_MAX: i32 = 2000;

/// Describes a page of topics.
pub(crate) async fn handle(
    broker: &Broker,
    context: &RequestContext,
    request: DescribeTopicPartitionsRequest,
) -> DescribeTopicPartitionsResponse {
    let everything = request.topics.is_empty();
    let named: BTreeSet<StrBytes> = request.topics.into_iter().map(|topic| topic.name.0).collect();
    let (from, first) = match &request.cursor {
        Some(cursor) => (cursor.topic_name.0.clone(), cursor.partition_index),
        None => (StrBytes::default(), 0),
    };
    let known_cursor = request.cursor.is_none() || everything || named.contains(&from);
    if first < 0 || !known_cursor {
        let refused = named
            .into_iter()
            .map(|name| failed(ErrorCode::InvalidRequest, name));
        return DescribeTopicPartitionsResponse::default().with_topics(refused.collect());
    }

    let catalog = &broker.catalog;
    let asked = if everything || named.iter().any(|name| catalog.by_name(name).is_none()) {
        catalog.refresh_paced().await
    } else {
        Ok(())
    };
    let names: Vec<StrBytes> = if everything {
        let all = catalog.all().into_iter();
        all.map(|state| StrBytes::from_string(state.topic.name.clone()))
            .collect()
    } else {
        named.into_iter().collect()
    };

    let brokers = Brokers::known_to(broker, context);
    let may = |name: &str| {
        broker
            .authorizer
            .allows(context, Operation::Describe, Resource::Topic(name))
    };
    let mut room = request.response_partition_limit.clamp(1, PAGE_PARTITIONS_MAX);
    let mut response = DescribeTopicPartitionsResponse::default();
    for name in names.into_iter().filter(|name| *name >= from) {
        if !may(&name) {
            // What a listing may not show it does not mention.
            if !everything {
                response
                    .topics
                    .push(failed(ErrorCode::TopicAuthorizationFailed, name));
            }
            continue;
        }
        let Some(state) = catalog.by_name(&name) else {
            let code = match names::is_valid(&name) {
                false => ErrorCode::InvalidTopicException,
                true if asked.is_err() => ErrorCode::LeaderNotAvailable,
                true => ErrorCode::UnknownTopicOrPartition,
            };
            if !everything {
                response.topics.push(failed(code, name));
            }
            continue;
        };
        let start = if name == from { first } else { 0 };
        if room == 0 {
            return response.with_next_cursor(Some(cursor(name, start)));
        }
        let end = state.topic.partitions.min(start.saturating_add(room));
        let described = describe(broker, &brokers, &state, start..end)
            .with_topic_authorized_operations(operations::of_topic(broker, context, &name));
        response.topics.push(described);
        room -= (end - start).max(0);
        if end < state.topic.partitions && end >= start {
            return response.with_next_cursor(Some(cursor(name, end)));
        }
    }
    response
}

fn cursor(name: StrBytes, partition: i32) -> Cursor {
    Cursor::default()
        .with_topic_name(TopicName(name))
        .with_partition_index(partition)
}

fn failed(code: ErrorCode, name: StrBytes) -> DescribeTopicPartitionsResponseTopic {
    DescribeTopicPartitionsResponseTopic::default()
        .with_error_code(code.code())
        .with_is_internal(names::is_internal(&name))
        .with_name(Some(TopicName(name)))
}

fn describe(
    broker: &Broker,
    brokers: &Brokers,
    state: &TopicState,
    partitions: std::ops::Range<i32>,
) -> DescribeTopicPartitionsResponseTopic {
    let topic = &state.topic;
    let epoch = broker.member.epoch().0;
    let partitions = partitions.map(|index| {
        let place = brokers.place(topic.uuid, index, topic.replication_factor);
        DescribeTopicPartitionsResponsePartition::default()
            .with_partition_index(index)
            .with_leader_id(place.leader)
            .with_leader_epoch(epoch)
            .with_isr_nodes(place.replicas.clone())
            .with_replica_nodes(place.replicas)
            .with_eligible_leader_replicas(Some(Vec::new()))
            .with_last_known_elr(Some(Vec::new()))
    });
    DescribeTopicPartitionsResponseTopic::default()
        .with_name(Some(TopicName(StrBytes::from_string(topic.name.clone()))))
        .with_topic_id(topic.uuid.0)
        .with_is_internal(names::is_internal(&topic.name))
        .with_partitions(partitions.collect())
}
