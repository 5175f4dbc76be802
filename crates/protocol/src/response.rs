//! From a typed response to the bytes of a frame, size prefix included.
//!
//! The size is computed first, so that one buffer of exactly that size is filled. An error means that a handler set
//! a field which the client's version does not have, or made a response that no size prefix can hold: a bug of ours;
//! the connection has to be closed, since a reply is owed and none can be given. Fetch responses with records are
//! not made here but by [`crate::fetch_response`], which does not copy them.

use bytes::{BufMut, Bytes, BytesMut};
use kafka_protocol::protocol::Encodable;

use crate::ErrorCode;
use crate::frame::SIZE_BYTES;
use crate::header::{RequestHeader, put_response_header, response_header_bytes};
use crate::messages::*;
use crate::versions::{self, api_key};

/// Why a response cannot be encoded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EncodeError {
    /// A field is set that this version does not have, or a string or array is too long for its length field.
    #[error("message does not fit version {version} of API key {api_key}: {reason}")]
    Field {
        /// API key of the message.
        api_key: i16,
        /// Version it was to be encoded in.
        version: i16,
        /// What the encoder said.
        reason: String,
    },
    /// The frame would be larger than its i32 size prefix can say.
    #[error("frame of {0} bytes is too large")]
    TooLarge(usize),
    /// The response answers another API than the request asked.
    #[error("response for API key {response} to a request for {request}")]
    WrongApi {
        /// API key of the request.
        request: i16,
        /// API key of the response.
        response: i16,
    },
}

/// A response body: every response type of the version table, and [`Response`] itself.
pub trait ResponseBody {
    /// The API that this answers.
    fn api_key(&self) -> i16;
    /// Encoded size in bytes in a version.
    fn size_bytes(&self, version: i16) -> Result<usize, EncodeError>;
    /// Appends the encoded body.
    fn put(&self, out: &mut BytesMut, version: i16) -> Result<(), EncodeError>;
}

macro_rules! responses {
    ($($variant:ident($message:ident) = $key:ident;)*) => {
        /// A response of any API, for code that handles them alike.
        #[derive(Debug, Clone, PartialEq)]
        pub enum Response {
            $(#[doc = concat!("API key `", stringify!($key), "`")] $variant($message),)*
        }

        $(
            impl From<$message> for Response {
                fn from(message: $message) -> Response {
                    Response::$variant(message)
                }
            }

            impl ResponseBody for $message {
                fn api_key(&self) -> i16 {
                    api_key::$key
                }
                fn size_bytes(&self, version: i16) -> Result<usize, EncodeError> {
                    self.compute_size(version).map_err(|error| field(api_key::$key, version, &format!("{error:#}")))
                }
                fn put(&self, out: &mut BytesMut, version: i16) -> Result<(), EncodeError> {
                    self.encode(out, version).map_err(|error| field(api_key::$key, version, &format!("{error:#}")))
                }
            }
        )*

        impl ResponseBody for Response {
            fn api_key(&self) -> i16 {
                match self {
                    $(Response::$variant(message) => message.api_key(),)*
                }
            }
            fn size_bytes(&self, version: i16) -> Result<usize, EncodeError> {
                match self {
                    $(Response::$variant(message) => message.size_bytes(version),)*
                }
            }
            fn put(&self, out: &mut BytesMut, version: i16) -> Result<(), EncodeError> {
                match self {
                    $(Response::$variant(message) => message.put(out, version),)*
                }
            }
        }
    };
}

responses! {
    Produce(ProduceResponse) = PRODUCE;
    Fetch(FetchResponse) = FETCH;
    ListOffsets(ListOffsetsResponse) = LIST_OFFSETS;
    Metadata(MetadataResponse) = METADATA;
    OffsetCommit(OffsetCommitResponse) = OFFSET_COMMIT;
    OffsetFetch(OffsetFetchResponse) = OFFSET_FETCH;
    FindCoordinator(FindCoordinatorResponse) = FIND_COORDINATOR;
    JoinGroup(JoinGroupResponse) = JOIN_GROUP;
    Heartbeat(HeartbeatResponse) = HEARTBEAT;
    LeaveGroup(LeaveGroupResponse) = LEAVE_GROUP;
    SyncGroup(SyncGroupResponse) = SYNC_GROUP;
    DescribeGroups(DescribeGroupsResponse) = DESCRIBE_GROUPS;
    ListGroups(ListGroupsResponse) = LIST_GROUPS;
    ApiVersions(ApiVersionsResponse) = API_VERSIONS;
    CreateTopics(CreateTopicsResponse) = CREATE_TOPICS;
    DeleteTopics(DeleteTopicsResponse) = DELETE_TOPICS;
    DeleteRecords(DeleteRecordsResponse) = DELETE_RECORDS;
    InitProducerId(InitProducerIdResponse) = INIT_PRODUCER_ID;
    OffsetForLeaderEpoch(OffsetForLeaderEpochResponse) = OFFSET_FOR_LEADER_EPOCH;
    DescribeConfigs(DescribeConfigsResponse) = DESCRIBE_CONFIGS;
    AlterConfigs(AlterConfigsResponse) = ALTER_CONFIGS;
    DescribeLogDirs(DescribeLogDirsResponse) = DESCRIBE_LOG_DIRS;
    DescribeProducers(DescribeProducersResponse) = DESCRIBE_PRODUCERS;
    CreatePartitions(CreatePartitionsResponse) = CREATE_PARTITIONS;
    DeleteGroups(DeleteGroupsResponse) = DELETE_GROUPS;
    ElectLeaders(ElectLeadersResponse) = ELECT_LEADERS;
    IncrementalAlterConfigs(IncrementalAlterConfigsResponse) = INCREMENTAL_ALTER_CONFIGS;
    AlterPartitionReassignments(AlterPartitionReassignmentsResponse) = ALTER_PARTITION_REASSIGNMENTS;
    ListPartitionReassignments(ListPartitionReassignmentsResponse) = LIST_PARTITION_REASSIGNMENTS;
    OffsetDelete(OffsetDeleteResponse) = OFFSET_DELETE;
    DescribeCluster(DescribeClusterResponse) = DESCRIBE_CLUSTER;
    ConsumerGroupHeartbeat(ConsumerGroupHeartbeatResponse) = CONSUMER_GROUP_HEARTBEAT;
    ConsumerGroupDescribe(ConsumerGroupDescribeResponse) = CONSUMER_GROUP_DESCRIBE;
    ListConfigResources(ListConfigResourcesResponse) = LIST_CONFIG_RESOURCES;
    DescribeTopicPartitions(DescribeTopicPartitionsResponse) = DESCRIBE_TOPIC_PARTITIONS;
}

fn field(api_key: i16, version: i16, reason: &str) -> EncodeError {
    EncodeError::Field {
        api_key,
        version,
        reason: reason.to_owned(),
    }
}

/// The size prefix for `content` bytes.
pub(crate) fn size_prefix(content: usize) -> Result<i32, EncodeError> {
    i32::try_from(content).map_err(|_| EncodeError::TooLarge(content))
}

/// Encodes the answer to the request that had this header: size prefix, response header, body.
pub fn encode_response<B: ResponseBody>(request: &RequestHeader, body: &B) -> Result<Bytes, EncodeError> {
    if body.api_key() != request.api_key {
        return Err(EncodeError::WrongApi {
            request: request.api_key,
            response: body.api_key(),
        });
    }
    let content = response_header_bytes(request) + body.size_bytes(request.api_version)?;
    let mut out = BytesMut::with_capacity(SIZE_BYTES + content);
    out.put_i32(size_prefix(content)?);
    put_response_header(&mut out, request);
    body.put(&mut out, request.api_version)?;
    // A prefix that differs from what follows would desynchronise the connection for good.
    if out.len() != SIZE_BYTES + content {
        return Err(field(
            request.api_key,
            request.api_version,
            "size differs from what was computed",
        ));
    }
    Ok(out.freeze())
}

/// The answer to an ApiVersions request of unknown version: header v0, body v0, `35 UNSUPPORTED_VERSION` and our
/// range of ApiVersions itself, so that the client can ask again (KIP-511).
pub fn encode_unsupported_api_versions(correlation_id: i32) -> Bytes {
    const CONTENT_BYTES: i32 = 16;
    let mut out = BytesMut::with_capacity(SIZE_BYTES + CONTENT_BYTES as usize);
    out.put_i32(CONTENT_BYTES);
    out.put_i32(correlation_id);
    out.put_i16(ErrorCode::UnsupportedVersion.code());
    out.put_i32(1);
    let (min, max) = versions::range(api_key::API_VERSIONS).map_or((0, 0), |range| (range.min, range.max));
    out.put_i16(api_key::API_VERSIONS);
    out.put_i16(min);
    out.put_i16(max);
    out.freeze()
}

#[cfg(test)]
mod tests;
