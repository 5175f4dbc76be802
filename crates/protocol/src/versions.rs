//! Which APIs we serve, in which versions, and where their encoding becomes flexible (KIP-482).
//!
//! One row per API, in key order. What is not in the table does not exist for clients: ApiVersions lists exactly
//! these rows, and a request outside them closes the connection. A new API is one row here, one schema in
//! `guard/` and one line in `request` and `response`.
//!
//! Source: the message schemas of Apache Kafka 4.x, <https://kafka.apache.org/protocol#protocol_api_keys>.

/// Names of the API keys in the table.
pub mod api_key {
    #![allow(missing_docs)]
    pub const PRODUCE: i16 = 0;
    pub const FETCH: i16 = 1;
    pub const LIST_OFFSETS: i16 = 2;
    pub const METADATA: i16 = 3;
    pub const OFFSET_COMMIT: i16 = 8;
    pub const OFFSET_FETCH: i16 = 9;
    pub const FIND_COORDINATOR: i16 = 10;
    pub const JOIN_GROUP: i16 = 11;
    pub const HEARTBEAT: i16 = 12;
    pub const LEAVE_GROUP: i16 = 13;
    pub const SYNC_GROUP: i16 = 14;
    pub const DESCRIBE_GROUPS: i16 = 15;
    pub const LIST_GROUPS: i16 = 16;
    pub const API_VERSIONS: i16 = 18;
    pub const CREATE_TOPICS: i16 = 19;
    pub const DELETE_TOPICS: i16 = 20;
    pub const DELETE_RECORDS: i16 = 21;
    pub const INIT_PRODUCER_ID: i16 = 22;
    pub const OFFSET_FOR_LEADER_EPOCH: i16 = 23;
    pub const DESCRIBE_CONFIGS: i16 = 32;
    pub const ALTER_CONFIGS: i16 = 33;
    pub const DESCRIBE_LOG_DIRS: i16 = 35;
    pub const CREATE_PARTITIONS: i16 = 37;
    pub const DELETE_GROUPS: i16 = 42;
    pub const ELECT_LEADERS: i16 = 43;
    pub const INCREMENTAL_ALTER_CONFIGS: i16 = 44;
    pub const ALTER_PARTITION_REASSIGNMENTS: i16 = 45;
    pub const LIST_PARTITION_REASSIGNMENTS: i16 = 46;
    pub const OFFSET_DELETE: i16 = 47;
    pub const DESCRIBE_CLUSTER: i16 = 60;
    pub const DESCRIBE_PRODUCERS: i16 = 61;
    pub const CONSUMER_GROUP_HEARTBEAT: i16 = 68;
    pub const CONSUMER_GROUP_DESCRIBE: i16 = 69;
    pub const LIST_CONFIG_RESOURCES: i16 = 74;
    pub const DESCRIBE_TOPIC_PARTITIONS: i16 = 75;
}

/// An advertised API: one entry of an ApiVersions response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ApiRange {
    /// API key.
    pub key: i16,
    /// Lowest advertised version.
    pub min: i16,
    /// Highest advertised version.
    pub max: i16,
}

struct Row {
    range: ApiRange,
    /// Lowest version we can decode; above `range.min` only for Produce.
    decode_min: i16,
    /// First version with a flexible body; `i16::MAX` for an API that never has one.
    flexible_from: i16,
    name: &'static str,
}

const fn row(key: i16, min: i16, max: i16, flexible_from: i16, name: &'static str) -> Row {
    Row {
        range: ApiRange { key, min, max },
        decode_min: min,
        flexible_from,
        name,
    }
}

const ROWS: &[Row] = &[
    // Kafka 4 lists Produce from 0 although it closes the connection on 0-2 (KAFKA-18659): librdkafka before
    // 2.11.1 takes a higher minimum for a broker that knows no compression.
    Row {
        decode_min: 3,
        ..row(api_key::PRODUCE, 0, 13, 9, "Produce")
    },
    row(api_key::FETCH, 4, 18, 12, "Fetch"),
    row(api_key::LIST_OFFSETS, 1, 10, 6, "ListOffsets"),
    row(api_key::METADATA, 0, 13, 9, "Metadata"),
    row(api_key::OFFSET_COMMIT, 2, 9, 8, "OffsetCommit"),
    row(api_key::OFFSET_FETCH, 1, 9, 6, "OffsetFetch"),
    row(api_key::FIND_COORDINATOR, 0, 6, 3, "FindCoordinator"),
    row(api_key::JOIN_GROUP, 0, 9, 6, "JoinGroup"),
    row(api_key::HEARTBEAT, 0, 4, 4, "Heartbeat"),
    row(api_key::LEAVE_GROUP, 0, 5, 4, "LeaveGroup"),
    row(api_key::SYNC_GROUP, 0, 5, 4, "SyncGroup"),
    row(api_key::DESCRIBE_GROUPS, 0, 6, 5, "DescribeGroups"),
    row(api_key::LIST_GROUPS, 0, 5, 3, "ListGroups"),
    row(api_key::API_VERSIONS, 0, 4, 3, "ApiVersions"),
    row(api_key::CREATE_TOPICS, 2, 7, 5, "CreateTopics"),
    row(api_key::DELETE_TOPICS, 1, 6, 4, "DeleteTopics"),
    row(api_key::DELETE_RECORDS, 0, 2, 2, "DeleteRecords"),
    row(api_key::INIT_PRODUCER_ID, 0, 5, 2, "InitProducerId"),
    row(api_key::OFFSET_FOR_LEADER_EPOCH, 2, 4, 4, "OffsetForLeaderEpoch"),
    row(api_key::DESCRIBE_CONFIGS, 1, 4, 4, "DescribeConfigs"),
    row(api_key::ALTER_CONFIGS, 0, 2, 2, "AlterConfigs"),
    row(api_key::DESCRIBE_LOG_DIRS, 1, 4, 2, "DescribeLogDirs"),
    row(api_key::CREATE_PARTITIONS, 0, 3, 2, "CreatePartitions"),
    row(api_key::DELETE_GROUPS, 0, 2, 2, "DeleteGroups"),
    row(api_key::ELECT_LEADERS, 0, 2, 2, "ElectLeaders"),
    row(
        api_key::INCREMENTAL_ALTER_CONFIGS,
        0,
        1,
        1,
        "IncrementalAlterConfigs",
    ),
    row(
        api_key::ALTER_PARTITION_REASSIGNMENTS,
        0,
        1,
        0,
        "AlterPartitionReassignments",
    ),
    row(
        api_key::LIST_PARTITION_REASSIGNMENTS,
        0,
        0,
        0,
        "ListPartitionReassignments",
    ),
    row(api_key::OFFSET_DELETE, 0, 0, i16::MAX, "OffsetDelete"),
    row(api_key::DESCRIBE_CLUSTER, 0, 2, 0, "DescribeCluster"),
    row(api_key::DESCRIBE_PRODUCERS, 0, 0, 0, "DescribeProducers"),
    row(
        api_key::CONSUMER_GROUP_HEARTBEAT,
        0,
        1,
        0,
        "ConsumerGroupHeartbeat",
    ),
    row(api_key::CONSUMER_GROUP_DESCRIBE, 0, 1, 0, "ConsumerGroupDescribe"),
    row(api_key::LIST_CONFIG_RESOURCES, 0, 1, 0, "ListConfigResources"),
    row(
        api_key::DESCRIBE_TOPIC_PARTITIONS,
        0,
        0,
        0,
        "DescribeTopicPartitions",
    ),
];

static RANGES: [ApiRange; ROWS.len()] = {
    let mut ranges = [ApiRange {
        key: 0,
        min: 0,
        max: 0,
    }; ROWS.len()];
    let mut i = 0;
    while i < ROWS.len() {
        ranges[i] = ROWS[i].range;
        i += 1;
    }
    ranges
};

fn find(key: i16) -> Option<&'static Row> {
    ROWS.iter().find(|row| row.range.key == key)
}

/// What an ApiVersions response lists, in key order.
pub fn api_versions() -> &'static [ApiRange] {
    &RANGES
}

/// The advertised range of one API; `None` when we do not serve it.
pub fn range(key: i16) -> Option<ApiRange> {
    find(key).map(|row| row.range)
}

/// Whether a request of this key and version can be decoded. Narrower than [`range`] for Produce only.
pub fn is_served(key: i16, version: i16) -> bool {
    find(key).is_some_and(|row| (row.decode_min..=row.range.max).contains(&version))
}

/// Whether this version's request and response bodies are flexible; false for APIs that we do not serve.
pub fn is_flexible(key: i16, version: i16) -> bool {
    find(key).is_some_and(|row| version >= row.flexible_from)
}

/// Header version of a request: 2 with a flexible body, else 1.
pub fn request_header_version(key: i16, version: i16) -> i16 {
    if is_flexible(key, version) { 2 } else { 1 }
}

/// Header version of a response: 1 with a flexible body, else 0. ApiVersions always has 0, because a client
/// reads it before it knows what the broker speaks (KIP-511).
pub fn response_header_version(key: i16, version: i16) -> i16 {
    if key != api_key::API_VERSIONS && is_flexible(key, version) {
        1
    } else {
        0
    }
}

/// Kafka's name of an API for logs and metrics, `None` when we do not serve it.
pub fn api_name(key: i16) -> Option<&'static str> {
    find(key).map(|row| row.name)
}

#[cfg(test)]
mod tests;
