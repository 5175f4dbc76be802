//! The request schemas: one per API of the version table, written from the message definitions of Apache Kafka
//! (`clients/src/main/resources/common/message/*Request.json`).
//!
//! Flexibility is not repeated here: it belongs to the API and version and is taken from `versions`.

use super::schema::Kind::{Array, Bytes, Nullable, Struct, Text};
use super::schema::{BOOL, I8, I16, I32, I64, Kind, Schema, UUID, always, between, since, tag, until};
use crate::messages::{
    alter_configs_request as alter, alter_partition_reassignments_request as reassign,
    api_versions_request as api_versions, create_partitions_request as partitions,
    create_topics_request as create, delete_records_request as records, delete_topics_request as delete,
    describe_cluster_request as cluster, describe_configs_request as describe,
    describe_log_dirs_request as log_dirs, describe_producers_request as describe_producers,
    describe_topic_partitions_request as topic_partitions, elect_leaders_request as elect,
    fetch_request as fetch, find_coordinator_request as find,
    incremental_alter_configs_request as incremental, init_producer_id_request as init,
    list_config_resources_request as config_resources, list_offsets_request as list,
    list_partition_reassignments_request as reassignments, metadata_request as metadata,
    offset_for_leader_epoch_request as epochs, produce_request as produce,
};
use crate::versions::api_key;

mod groups;

const TEXTS: Kind = Array(&Text);
const I32S: Kind = Array(&I32);

/// The schema of an API's request body; `None` when we do not serve the API.
pub(super) fn request_schema(key: i16) -> Option<&'static Schema> {
    Some(match key {
        api_key::PRODUCE => &PRODUCE,
        api_key::FETCH => &FETCH,
        api_key::LIST_OFFSETS => &LIST_OFFSETS,
        api_key::METADATA => &METADATA,
        api_key::OFFSET_COMMIT => &groups::OFFSET_COMMIT,
        api_key::OFFSET_FETCH => &groups::OFFSET_FETCH,
        api_key::FIND_COORDINATOR => &FIND_COORDINATOR,
        api_key::JOIN_GROUP => &groups::JOIN_GROUP,
        api_key::HEARTBEAT => &groups::HEARTBEAT,
        api_key::LEAVE_GROUP => &groups::LEAVE_GROUP,
        api_key::SYNC_GROUP => &groups::SYNC_GROUP,
        api_key::DESCRIBE_GROUPS => &groups::DESCRIBE_GROUPS,
        api_key::LIST_GROUPS => &groups::LIST_GROUPS,
        api_key::API_VERSIONS => &API_VERSIONS,
        api_key::CREATE_TOPICS => &CREATE_TOPICS,
        api_key::DELETE_TOPICS => &DELETE_TOPICS,
        api_key::DELETE_RECORDS => &DELETE_RECORDS,
        api_key::INIT_PRODUCER_ID => &INIT_PRODUCER_ID,
        api_key::OFFSET_FOR_LEADER_EPOCH => &OFFSET_FOR_LEADER_EPOCH,
        api_key::DESCRIBE_CONFIGS => &DESCRIBE_CONFIGS,
        api_key::ALTER_CONFIGS => &ALTER_CONFIGS,
        api_key::DESCRIBE_LOG_DIRS => &DESCRIBE_LOG_DIRS,
        api_key::DESCRIBE_PRODUCERS => &DESCRIBE_PRODUCERS,
        api_key::CREATE_PARTITIONS => &CREATE_PARTITIONS,
        api_key::DELETE_GROUPS => &groups::DELETE_GROUPS,
        api_key::ELECT_LEADERS => &ELECT_LEADERS,
        api_key::INCREMENTAL_ALTER_CONFIGS => &INCREMENTAL_ALTER_CONFIGS,
        api_key::ALTER_PARTITION_REASSIGNMENTS => &ALTER_PARTITION_REASSIGNMENTS,
        api_key::LIST_PARTITION_REASSIGNMENTS => &LIST_PARTITION_REASSIGNMENTS,
        api_key::OFFSET_DELETE => &groups::OFFSET_DELETE,
        api_key::DESCRIBE_CLUSTER => &DESCRIBE_CLUSTER,
        api_key::CONSUMER_GROUP_HEARTBEAT => &groups::CONSUMER_GROUP_HEARTBEAT,
        api_key::CONSUMER_GROUP_DESCRIBE => &groups::CONSUMER_GROUP_DESCRIBE,
        api_key::LIST_CONFIG_RESOURCES => &LIST_CONFIG_RESOURCES,
        api_key::DESCRIBE_TOPIC_PARTITIONS => &DESCRIBE_TOPIC_PARTITIONS,
        _ => return None,
    })
}

static PRODUCE: Schema = {
    const PARTITION: Schema = Schema::of::<produce::PartitionProduceData>(&[always(I32), always(Bytes)]);
    const TOPIC: Schema = Schema::of::<produce::TopicProduceData>(&[
        until(12, Text),
        since(13, UUID),
        always(Array(&Struct(&PARTITION))),
    ]);
    // Transactional id, acks, timeout, topics.
    Schema::of::<produce::ProduceRequest>(&[
        always(Text),
        always(I16),
        always(I32),
        always(Array(&Struct(&TOPIC))),
    ])
};

static FETCH: Schema = {
    // Index, current leader epoch, offset, last fetched epoch, log start, maximum bytes; for followers, as tags:
    // directory id and high watermark.
    const PARTITION: Schema = Schema::of::<fetch::FetchPartition>(&[
        always(I32),
        since(9, I32),
        always(I64),
        since(12, I32),
        since(5, I64),
        always(I32),
    ])
    .with_tagged(&[tag(0, since(17, UUID)), tag(1, since(18, I64))]);
    const TOPIC: Schema = Schema::of::<fetch::FetchTopic>(&[
        until(12, Text),
        since(13, UUID),
        always(Array(&Struct(&PARTITION))),
    ]);
    const FORGOTTEN: Schema =
        Schema::of::<fetch::ForgottenTopic>(&[between(7, 12, Text), since(13, UUID), since(7, I32S)]);
    const REPLICA_STATE: Schema = Schema::of::<fetch::ReplicaState>(&[since(15, I32), since(15, I64)]);
    // Replica id, wait, minimum and maximum bytes, isolation, session id and epoch, topics, forgotten topics, rack.
    Schema::of::<fetch::FetchRequest>(&[
        until(14, I32),
        always(I32),
        always(I32),
        always(I32),
        always(I8),
        since(7, I32),
        since(7, I32),
        always(Array(&Struct(&TOPIC))),
        since(7, Array(&Struct(&FORGOTTEN))),
        since(11, Text),
    ])
    .with_tagged(&[tag(0, since(12, Text)), tag(1, since(15, Struct(&REPLICA_STATE)))])
};

static LIST_OFFSETS: Schema = {
    const PARTITION: Schema =
        Schema::of::<list::ListOffsetsPartition>(&[always(I32), since(4, I32), always(I64)]);
    const TOPIC: Schema =
        Schema::of::<list::ListOffsetsTopic>(&[always(Text), always(Array(&Struct(&PARTITION)))]);
    Schema::of::<list::ListOffsetsRequest>(&[
        always(I32),
        since(2, I8),
        always(Array(&Struct(&TOPIC))),
        since(10, I32),
    ])
};

static METADATA: Schema = {
    const TOPIC: Schema = Schema::of::<metadata::MetadataRequestTopic>(&[since(10, UUID), always(Text)]);
    Schema::of::<metadata::MetadataRequest>(&[
        always(Array(&Struct(&TOPIC))),
        since(4, BOOL),
        between(8, 10, BOOL),
        since(8, BOOL),
    ])
};

static FIND_COORDINATOR: Schema =
    Schema::of::<find::FindCoordinatorRequest>(&[until(3, Text), since(1, I8), since(4, TEXTS)]);

static API_VERSIONS: Schema =
    Schema::of::<api_versions::ApiVersionsRequest>(&[since(3, Text), since(3, Text)]);

static CREATE_TOPICS: Schema = {
    const ASSIGNMENT: Schema = Schema::of::<create::CreatableReplicaAssignment>(&[always(I32), always(I32S)]);
    const CONFIG: Schema = Schema::of::<create::CreatableTopicConfig>(&[always(Text), always(Text)]);
    const TOPIC: Schema = Schema::of::<create::CreatableTopic>(&[
        always(Text),
        always(I32),
        always(I16),
        always(Array(&Struct(&ASSIGNMENT))),
        always(Array(&Struct(&CONFIG))),
    ]);
    Schema::of::<create::CreateTopicsRequest>(&[always(Array(&Struct(&TOPIC))), always(I32), always(BOOL)])
};

static DELETE_TOPICS: Schema = {
    const TOPIC: Schema = Schema::of::<delete::DeleteTopicState>(&[since(6, Text), since(6, UUID)]);
    Schema::of::<delete::DeleteTopicsRequest>(&[
        since(6, Array(&Struct(&TOPIC))),
        until(5, TEXTS),
        always(I32),
    ])
};

static DELETE_RECORDS: Schema = {
    const PARTITION: Schema = Schema::of::<records::DeleteRecordsPartition>(&[always(I32), always(I64)]);
    const TOPIC: Schema =
        Schema::of::<records::DeleteRecordsTopic>(&[always(Text), always(Array(&Struct(&PARTITION)))]);
    // Topics, timeout.
    Schema::of::<records::DeleteRecordsRequest>(&[always(Array(&Struct(&TOPIC))), always(I32)])
};

static INIT_PRODUCER_ID: Schema =
    Schema::of::<init::InitProducerIdRequest>(&[always(Text), always(I32), since(3, I64), since(3, I16)]);

static OFFSET_FOR_LEADER_EPOCH: Schema = {
    const PARTITION: Schema =
        Schema::of::<epochs::OffsetForLeaderPartition>(&[always(I32), always(I32), always(I32)]);
    const TOPIC: Schema =
        Schema::of::<epochs::OffsetForLeaderTopic>(&[always(Text), always(Array(&Struct(&PARTITION)))]);
    Schema::of::<epochs::OffsetForLeaderEpochRequest>(&[since(3, I32), always(Array(&Struct(&TOPIC)))])
};

static DESCRIBE_CONFIGS: Schema = {
    const RESOURCE: Schema =
        Schema::of::<describe::DescribeConfigsResource>(&[always(I8), always(Text), always(TEXTS)]);
    Schema::of::<describe::DescribeConfigsRequest>(&[
        always(Array(&Struct(&RESOURCE))),
        always(BOOL),
        since(3, BOOL),
    ])
};

static ALTER_CONFIGS: Schema = {
    const CONFIG: Schema = Schema::of::<alter::AlterableConfig>(&[always(Text), always(Text)]);
    const RESOURCE: Schema = Schema::of::<alter::AlterConfigsResource>(&[
        always(I8),
        always(Text),
        always(Array(&Struct(&CONFIG))),
    ]);
    Schema::of::<alter::AlterConfigsRequest>(&[always(Array(&Struct(&RESOURCE))), always(BOOL)])
};

static CREATE_PARTITIONS: Schema = {
    const ASSIGNMENT: Schema = Schema::of::<partitions::CreatePartitionsAssignment>(&[always(I32S)]);
    const TOPIC: Schema = Schema::of::<partitions::CreatePartitionsTopic>(&[
        always(Text),
        always(I32),
        always(Array(&Struct(&ASSIGNMENT))),
    ]);
    Schema::of::<partitions::CreatePartitionsRequest>(&[
        always(Array(&Struct(&TOPIC))),
        always(I32),
        always(BOOL),
    ])
};

static INCREMENTAL_ALTER_CONFIGS: Schema = {
    const CONFIG: Schema =
        Schema::of::<incremental::AlterableConfig>(&[always(Text), always(I8), always(Text)]);
    const RESOURCE: Schema = Schema::of::<incremental::AlterConfigsResource>(&[
        always(I8),
        always(Text),
        always(Array(&Struct(&CONFIG))),
    ]);
    Schema::of::<incremental::IncrementalAlterConfigsRequest>(&[
        always(Array(&Struct(&RESOURCE))),
        always(BOOL),
    ])
};

static DESCRIBE_CLUSTER: Schema =
    Schema::of::<cluster::DescribeClusterRequest>(&[always(BOOL), since(1, I8), since(2, BOOL)]);

static DESCRIBE_TOPIC_PARTITIONS: Schema = {
    const TOPIC: Schema = Schema::of::<topic_partitions::TopicRequest>(&[always(Text)]);
    const CURSOR: Schema = Schema::of::<topic_partitions::Cursor>(&[always(Text), always(I32)]);
    Schema::of::<topic_partitions::DescribeTopicPartitionsRequest>(&[
        always(Array(&Struct(&TOPIC))),
        always(I32),
        always(Nullable(&CURSOR)),
    ])
};

static DESCRIBE_LOG_DIRS: Schema = {
    const TOPIC: Schema = Schema::of::<log_dirs::DescribableLogDirTopic>(&[always(Text), always(I32S)]);
    Schema::of::<log_dirs::DescribeLogDirsRequest>(&[always(Array(&Struct(&TOPIC)))])
};

static DESCRIBE_PRODUCERS: Schema = {
    const TOPIC: Schema = Schema::of::<describe_producers::TopicRequest>(&[always(Text), always(I32S)]);
    Schema::of::<describe_producers::DescribeProducersRequest>(&[always(Array(&Struct(&TOPIC)))])
};

static ELECT_LEADERS: Schema = {
    const TOPIC: Schema = Schema::of::<elect::TopicPartitions>(&[always(Text), always(I32S)]);
    // Election type, partitions, timeout.
    Schema::of::<elect::ElectLeadersRequest>(&[since(1, I8), always(Array(&Struct(&TOPIC))), always(I32)])
};

static ALTER_PARTITION_REASSIGNMENTS: Schema = {
    const PARTITION: Schema = Schema::of::<reassign::ReassignablePartition>(&[always(I32), always(I32S)]);
    const TOPIC: Schema =
        Schema::of::<reassign::ReassignableTopic>(&[always(Text), always(Array(&Struct(&PARTITION)))]);
    // Timeout, whether the replication factor may change, topics.
    Schema::of::<reassign::AlterPartitionReassignmentsRequest>(&[
        always(I32),
        since(1, BOOL),
        always(Array(&Struct(&TOPIC))),
    ])
};

static LIST_PARTITION_REASSIGNMENTS: Schema = {
    const TOPIC: Schema =
        Schema::of::<reassignments::ListPartitionReassignmentsTopics>(&[always(Text), always(I32S)]);
    // Timeout, topics.
    Schema::of::<reassignments::ListPartitionReassignmentsRequest>(&[
        always(I32),
        always(Array(&Struct(&TOPIC))),
    ])
};

static LIST_CONFIG_RESOURCES: Schema =
    Schema::of::<config_resources::ListConfigResourcesRequest>(&[since(1, Array(&I8))]);
