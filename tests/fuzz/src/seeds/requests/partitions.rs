//! Requests about where partitions are: who leads, which replicas, how large.

use esker_protocol::messages::alter_partition_reassignments_request::{
    ReassignablePartition, ReassignableTopic,
};
use esker_protocol::messages::describe_log_dirs_request::DescribableLogDirTopic;
use esker_protocol::messages::describe_producers_request::TopicRequest;
use esker_protocol::messages::elect_leaders_request::TopicPartitions;
use esker_protocol::messages::list_partition_reassignments_request::ListPartitionReassignmentsTopics;
use esker_protocol::messages::{
    AlterPartitionReassignmentsRequest, BrokerId, DescribeLogDirsRequest, DescribeProducersRequest,
    ElectLeadersRequest, ListPartitionReassignmentsRequest,
};

use super::{Requests, name};
use crate::topics::PLAIN;

/// One that is there and one that is not, most of the time.
const INDEXES: [i32; 2] = [0, 99];

pub(super) fn add(requests: &mut Requests) {
    requests.add("", describe_log_dirs);
    let all = DescribeLogDirsRequest::default().with_topics(None);
    requests.add_one("all", 4, &all);
    requests.add("", describe_producers);
    requests.add("", elect_leaders);
    requests.add("", alter_reassignments);
    requests.add("", list_reassignments);
}

fn describe_log_dirs(_: i16) -> DescribeLogDirsRequest {
    let topics = [PLAIN.name, "none"].map(|topic| {
        DescribableLogDirTopic::default()
            .with_topic(name(topic))
            .with_partitions(INDEXES.to_vec())
    });
    DescribeLogDirsRequest::default().with_topics(Some(topics.to_vec()))
}

fn describe_producers(_: i16) -> DescribeProducersRequest {
    let topics = [PLAIN.name, "none"].map(|topic| {
        TopicRequest::default()
            .with_name(name(topic))
            .with_partition_indexes(INDEXES.to_vec())
    });
    DescribeProducersRequest::default().with_topics(topics.to_vec())
}

fn elect_leaders(version: i16) -> ElectLeadersRequest {
    let topics = [PLAIN.name, "none"].map(|topic| {
        TopicPartitions::default()
            .with_topic(name(topic))
            .with_partitions(INDEXES.to_vec())
    });
    ElectLeadersRequest::default()
        .with_election_type(i8::from(version >= 1))
        .with_topic_partitions(Some(topics.to_vec()))
        .with_timeout_ms(1000)
}

fn alter_reassignments(version: i16) -> AlterPartitionReassignmentsRequest {
    let replicas = [
        Some(vec![BrokerId(1)]),
        None,
        Some(vec![BrokerId(7), BrokerId(7)]),
    ];
    let partitions = replicas.map(|replicas| {
        ReassignablePartition::default()
            .with_partition_index(0)
            .with_replicas(replicas)
    });
    let topic = ReassignableTopic::default()
        .with_name(name(PLAIN.name))
        .with_partitions(partitions.to_vec());
    AlterPartitionReassignmentsRequest::default()
        .with_timeout_ms(1000)
        .with_allow_replication_factor_change(version == 0)
        .with_topics(vec![topic])
}

fn list_reassignments(_: i16) -> ListPartitionReassignmentsRequest {
    let topic = ListPartitionReassignmentsTopics::default()
        .with_name(name(PLAIN.name))
        .with_partition_indexes(INDEXES.to_vec());
    ListPartitionReassignmentsRequest::default()
        .with_timeout_ms(1000)
        .with_topics(Some(vec![topic]))
}
