//! Requests about topics, configs and the cluster.

use esker_protocol::messages::alter_configs_request as alter;
use esker_protocol::messages::create_partitions_request::{
    CreatePartitionsAssignment, CreatePartitionsTopic,
};
use esker_protocol::messages::create_topics_request::{
    CreatableReplicaAssignment, CreatableTopic, CreatableTopicConfig,
};
use esker_protocol::messages::delete_records_request::{DeleteRecordsPartition, DeleteRecordsTopic};
use esker_protocol::messages::delete_topics_request::DeleteTopicState;
use esker_protocol::messages::describe_configs_request::DescribeConfigsResource;
use esker_protocol::messages::describe_topic_partitions_request::{Cursor, TopicRequest};
use esker_protocol::messages::incremental_alter_configs_request as incremental;
use esker_protocol::messages::metadata_request::MetadataRequestTopic;
use esker_protocol::messages::{
    AlterConfigsRequest, ApiVersionsRequest, BrokerId, CreatePartitionsRequest, CreateTopicsRequest,
    DeleteRecordsRequest, DeleteTopicsRequest, DescribeClusterRequest, DescribeConfigsRequest,
    DescribeTopicPartitionsRequest, FindCoordinatorRequest, IncrementalAlterConfigsRequest,
    ListConfigResourcesRequest, MetadataRequest,
};

use super::{Requests, name, text};
use crate::topics::{COMPACT, PLAIN};

/// The numbers of resource types (KIP-133).
const TOPIC: i8 = 2;
const BROKER: i8 = 4;
const GROUP: i8 = 32;

pub(super) fn add(requests: &mut Requests) {
    requests.add("", metadata);
    requests.add_one("all", 12, &MetadataRequest::default().with_topics(None));
    requests.add("", find_coordinator);
    requests.add("", api_versions);
    requests.add("", create_topics);
    requests.add("", delete_topics);
    requests.add("", delete_records);
    requests.add("", create_partitions);
    requests.add("", describe_configs);
    requests.add("", alter_configs);
    requests.add("", incremental_alter_configs);
    requests.add("", describe_cluster);
    requests.add("", describe_topic_partitions);
    requests.add("", list_config_resources);
}

fn list_config_resources(version: i16) -> ListConfigResourcesRequest {
    let types = if version >= 1 {
        vec![TOPIC, BROKER, GROUP]
    } else {
        vec![]
    };
    ListConfigResourcesRequest::default().with_resource_types(types)
}

fn metadata(version: i16) -> MetadataRequest {
    let known = MetadataRequestTopic::default().with_name(Some(name(PLAIN.name)));
    let unknown = MetadataRequestTopic::default().with_name(Some(name("new")));
    let mut topics = vec![known, unknown];
    if version >= 12 {
        topics.push(
            MetadataRequestTopic::default()
                .with_topic_id(COMPACT.id)
                .with_name(None),
        );
    }
    let mut request = MetadataRequest::default().with_topics(Some(topics));
    if version >= 4 {
        request.allow_auto_topic_creation = true;
    }
    if version >= 8 {
        request.include_topic_authorized_operations = true;
        request.include_cluster_authorized_operations = version <= 10;
    }
    request
}

fn find_coordinator(version: i16) -> FindCoordinatorRequest {
    let request = match version {
        4.. => FindCoordinatorRequest::default().with_coordinator_keys(vec![text("group"), text("other")]),
        _ => FindCoordinatorRequest::default().with_key(text("group")),
    };
    match version {
        1.. => request.with_key_type(version as i8 & 1),
        _ => request,
    }
}

fn api_versions(version: i16) -> ApiVersionsRequest {
    match version {
        3.. => ApiVersionsRequest::default()
            .with_client_software_name(text("seed"))
            .with_client_software_version(text("1.0-x")),
        _ => ApiVersionsRequest::default(),
    }
}

fn create_topics(version: i16) -> CreateTopicsRequest {
    let config = |key: &str, value: &str| {
        CreatableTopicConfig::default()
            .with_name(text(key))
            .with_value(Some(text(value)))
    };
    let counted = CreatableTopic::default()
        .with_name(name("created"))
        .with_num_partitions(2)
        .with_replication_factor(1)
        .with_configs(vec![
            config("cleanup.policy", "compact,delete"),
            config("retention.ms", "60000"),
            config("message.timestamp.type", "LogAppendTime"),
        ]);
    let assigned = CreatableTopic::default()
        .with_name(name("assigned"))
        .with_num_partitions(-1)
        .with_replication_factor(-1)
        .with_assignments(
            (0..2)
                .map(|index| {
                    CreatableReplicaAssignment::default()
                        .with_partition_index(index)
                        .with_broker_ids(vec![BrokerId(1)])
                })
                .collect(),
        );
    CreateTopicsRequest::default()
        .with_topics(vec![counted, assigned])
        .with_timeout_ms(5000)
        .with_validate_only(version == 4)
}

fn delete_topics(version: i16) -> DeleteTopicsRequest {
    let request = DeleteTopicsRequest::default().with_timeout_ms(5000);
    match version {
        6.. => request.with_topics(vec![
            DeleteTopicState::default().with_name(Some(name("created"))),
            DeleteTopicState::default()
                .with_name(None)
                .with_topic_id(COMPACT.id),
        ]),
        _ => request.with_topic_names(vec![name("created"), name("none")]),
    }
}

fn delete_records(_: i16) -> DeleteRecordsRequest {
    let partition = |index, offset| {
        DeleteRecordsPartition::default()
            .with_partition_index(index)
            .with_offset(offset)
    };
    let plain = DeleteRecordsTopic::default()
        .with_name(name(PLAIN.name))
        .with_partitions(vec![partition(0, 1), partition(1, -1), partition(0, i64::MAX)]);
    let compact = DeleteRecordsTopic::default()
        .with_name(name(COMPACT.name))
        .with_partitions(vec![partition(0, 0)]);
    DeleteRecordsRequest::default()
        .with_topics(vec![plain, compact])
        .with_timeout_ms(5000)
}

fn create_partitions(version: i16) -> CreatePartitionsRequest {
    let more = CreatePartitionsTopic::default()
        .with_name(name(PLAIN.name))
        .with_count(3)
        .with_assignments(None);
    let assigned = CreatePartitionsTopic::default()
        .with_name(name(COMPACT.name))
        .with_count(3)
        .with_assignments(Some(vec![
            CreatePartitionsAssignment::default().with_broker_ids(vec![BrokerId(1)]),
        ]));
    CreatePartitionsRequest::default()
        .with_topics(vec![more, assigned])
        .with_timeout_ms(5000)
        .with_validate_only(version % 2 == 0)
}

fn describe_configs(version: i16) -> DescribeConfigsRequest {
    let all = DescribeConfigsResource::default()
        .with_resource_type(TOPIC)
        .with_resource_name(text(COMPACT.name))
        .with_configuration_keys(None);
    let one = DescribeConfigsResource::default()
        .with_resource_type(BROKER)
        .with_resource_name(text("1"))
        .with_configuration_keys(Some(vec![text("log.cleanup.policy")]));
    let group = DescribeConfigsResource::default()
        .with_resource_type(GROUP)
        .with_resource_name(text("group"))
        .with_configuration_keys(None);
    DescribeConfigsRequest::default()
        .with_resources(vec![all, one, group])
        .with_include_synonyms(true)
        .with_include_documentation(version >= 3)
}

fn alter_configs(_: i16) -> AlterConfigsRequest {
    let config = alter::AlterableConfig::default()
        .with_name(text("retention.ms"))
        .with_value(Some(text("1000")));
    let resource = alter::AlterConfigsResource::default()
        .with_resource_type(TOPIC)
        .with_resource_name(text(PLAIN.name))
        .with_configs(vec![config]);
    let config = alter::AlterableConfig::default()
        .with_name(text("consumer.session.timeout.ms"))
        .with_value(Some(text("50000")));
    let group = alter::AlterConfigsResource::default()
        .with_resource_type(GROUP)
        .with_resource_name(text("group"))
        .with_configs(vec![config]);
    AlterConfigsRequest::default().with_resources(vec![resource, group])
}

fn incremental_alter_configs(_: i16) -> IncrementalAlterConfigsRequest {
    // Set, delete, append, subtract (KIP-339).
    let operations = [
        ("retention.ms", 0, Some("1")),
        ("segment.ms", 1, None),
        ("cleanup.policy", 2, Some("compact")),
        ("follower.replication.throttled.replicas", 3, Some("*")),
    ];
    let configs = operations.map(|(key, operation, value)| {
        incremental::AlterableConfig::default()
            .with_name(text(key))
            .with_config_operation(operation)
            .with_value(value.map(text))
    });
    let resource = incremental::AlterConfigsResource::default()
        .with_resource_type(TOPIC)
        .with_resource_name(text(PLAIN.name))
        .with_configs(configs.to_vec());
    let configs = [
        ("consumer.session.timeout.ms", 1, None),
        ("consumer.heartbeat.interval.ms", 0, Some("6000")),
    ];
    let configs = configs.map(|(key, operation, value)| {
        incremental::AlterableConfig::default()
            .with_name(text(key))
            .with_config_operation(operation)
            .with_value(value.map(text))
    });
    let group = incremental::AlterConfigsResource::default()
        .with_resource_type(GROUP)
        .with_resource_name(text("group"))
        .with_configs(configs.to_vec());
    IncrementalAlterConfigsRequest::default().with_resources(vec![resource, group])
}

fn describe_cluster(version: i16) -> DescribeClusterRequest {
    let request = DescribeClusterRequest::default().with_include_cluster_authorized_operations(true);
    match version {
        1.. => request.with_endpoint_type(1),
        _ => request,
    }
}

fn describe_topic_partitions(_: i16) -> DescribeTopicPartitionsRequest {
    let topics =
        [PLAIN.name, COMPACT.name, "none"].map(|topic| TopicRequest::default().with_name(name(topic)));
    let cursor = Cursor::default()
        .with_topic_name(name(COMPACT.name))
        .with_partition_index(1);
    DescribeTopicPartitionsRequest::default()
        .with_topics(topics.to_vec())
        .with_response_partition_limit(2)
        .with_cursor(Some(cursor))
}
