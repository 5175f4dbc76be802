//! From header and body to a typed request.
//!
//! [`decode_request`] runs the guard first, always: there is no way to reach the decoder of the message crate with a
//! body that was not walked. Records of a Produce are slices of the frame's buffer, so the frame lives as long as
//! they do. Bytes after a complete body are ignored, as in Kafka. Any error closes the connection without a reply.

use bytes::Bytes;
use kafka_protocol::protocol::Decodable;

use crate::guard::{self, GuardError};
use crate::header::RequestHeader;
use crate::messages::*;
use crate::versions::api_key;

/// Why a body is refused. Always: close the connection, no reply.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// The guard stopped it before anything was decoded.
    #[error("request body refused: {0}")]
    Guard(#[from] GuardError),
    /// The decoder found a value that the schema forbids: text that is not UTF-8, a null where none may be.
    #[error("request body malformed: {0}")]
    Malformed(String),
    /// The header names an API or version that we do not serve; `header` would have refused it before.
    #[error("API key {0} version {1} is not served")]
    NotServed(i16, i16),
}

macro_rules! requests {
    ($($variant:ident($message:ident) = $key:ident;)*) => {
        /// A decoded request: one variant for each API of the version table.
        #[derive(Debug, Clone, PartialEq)]
        pub enum Request {
            $(#[doc = concat!("API key `", stringify!($key), "`")] $variant($message),)*
        }

        impl Request {
            /// The API key of this request.
            pub fn api_key(&self) -> i16 {
                match self {
                    $(Request::$variant(_) => api_key::$key,)*
                }
            }
        }

        fn decode_body(key: i16, version: i16, mut body: Bytes) -> Result<Request, DecodeError> {
            match key {
                $(api_key::$key => $message::decode(&mut body, version)
                    .map(Request::$variant)
                    .map_err(|error| DecodeError::Malformed(format!("{error:#}"))),)*
                _ => Err(DecodeError::NotServed(key, version)),
            }
        }
    };
}

requests! {
    Produce(ProduceRequest) = PRODUCE;
    Fetch(FetchRequest) = FETCH;
    ListOffsets(ListOffsetsRequest) = LIST_OFFSETS;
    Metadata(MetadataRequest) = METADATA;
    OffsetCommit(OffsetCommitRequest) = OFFSET_COMMIT;
    OffsetFetch(OffsetFetchRequest) = OFFSET_FETCH;
    FindCoordinator(FindCoordinatorRequest) = FIND_COORDINATOR;
    JoinGroup(JoinGroupRequest) = JOIN_GROUP;
    Heartbeat(HeartbeatRequest) = HEARTBEAT;
    LeaveGroup(LeaveGroupRequest) = LEAVE_GROUP;
    SyncGroup(SyncGroupRequest) = SYNC_GROUP;
    DescribeGroups(DescribeGroupsRequest) = DESCRIBE_GROUPS;
    ListGroups(ListGroupsRequest) = LIST_GROUPS;
    ApiVersions(ApiVersionsRequest) = API_VERSIONS;
    CreateTopics(CreateTopicsRequest) = CREATE_TOPICS;
    DeleteTopics(DeleteTopicsRequest) = DELETE_TOPICS;
    DeleteRecords(DeleteRecordsRequest) = DELETE_RECORDS;
    InitProducerId(InitProducerIdRequest) = INIT_PRODUCER_ID;
    OffsetForLeaderEpoch(OffsetForLeaderEpochRequest) = OFFSET_FOR_LEADER_EPOCH;
    DescribeConfigs(DescribeConfigsRequest) = DESCRIBE_CONFIGS;
    AlterConfigs(AlterConfigsRequest) = ALTER_CONFIGS;
    DescribeLogDirs(DescribeLogDirsRequest) = DESCRIBE_LOG_DIRS;
    DescribeProducers(DescribeProducersRequest) = DESCRIBE_PRODUCERS;
    CreatePartitions(CreatePartitionsRequest) = CREATE_PARTITIONS;
    DeleteGroups(DeleteGroupsRequest) = DELETE_GROUPS;
    ElectLeaders(ElectLeadersRequest) = ELECT_LEADERS;
    IncrementalAlterConfigs(IncrementalAlterConfigsRequest) = INCREMENTAL_ALTER_CONFIGS;
    AlterPartitionReassignments(AlterPartitionReassignmentsRequest) = ALTER_PARTITION_REASSIGNMENTS;
    ListPartitionReassignments(ListPartitionReassignmentsRequest) = LIST_PARTITION_REASSIGNMENTS;
    OffsetDelete(OffsetDeleteRequest) = OFFSET_DELETE;
    DescribeCluster(DescribeClusterRequest) = DESCRIBE_CLUSTER;
    ConsumerGroupHeartbeat(ConsumerGroupHeartbeatRequest) = CONSUMER_GROUP_HEARTBEAT;
    ConsumerGroupDescribe(ConsumerGroupDescribeRequest) = CONSUMER_GROUP_DESCRIBE;
    ListConfigResources(ListConfigResourcesRequest) = LIST_CONFIG_RESOURCES;
    DescribeTopicPartitions(DescribeTopicPartitionsRequest) = DESCRIBE_TOPIC_PARTITIONS;
}

/// A body that the guard accepted.
#[derive(Debug)]
pub struct Checked {
    api_key: i16,
    api_version: i16,
    body: Bytes,
    heap_bytes: u64,
}

impl Checked {
    /// Upper bound in bytes of the heap that decoding takes, beside the body.
    pub fn heap_bytes(&self) -> u64 {
        self.heap_bytes
    }

    /// Decodes it.
    pub fn decode(self) -> Result<Request, DecodeError> {
        decode_body(self.api_key, self.api_version, self.body)
    }
}

/// Has the guard walk the body that belongs to `header`: what it costs is known before it is decoded.
pub fn check_request(header: &RequestHeader, body: Bytes) -> Result<Checked, DecodeError> {
    let found = guard::measure(header.api_key, header.api_version, &body)?;
    Ok(Checked {
        api_key: header.api_key,
        api_version: header.api_version,
        body,
        heap_bytes: found.heap_bytes,
    })
}

/// Decodes the body that belongs to `header`.
pub fn decode_request(header: &RequestHeader, body: Bytes) -> Result<Request, DecodeError> {
    check_request(header, body)?.decode()
}

#[cfg(test)]
mod tests;
