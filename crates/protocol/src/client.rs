//! The other side of the wire: encode requests, decode responses. For the command line and for tests.
//!
//! Only with the feature `client`. A response is decoded as the message crate does it, without a guard: use this
//! against brokers that you trust not to send absurd lengths.

use bytes::{BufMut, Bytes, BytesMut};
/// For messages that travel inside others, such as the subscription of a member.
pub use kafka_protocol::protocol::{Decodable, Encodable};

use crate::frame::SIZE_BYTES;
use crate::header::RequestHeader;
use crate::messages::*;
use crate::request::DecodeError;
use crate::response::{EncodeError, size_prefix};
use crate::versions::{self, api_key};
use crate::wire::Reader;

/// A request with the response that answers it.
pub trait ClientRequest: Encodable {
    /// API key.
    const KEY: i16;
    /// What the broker answers.
    type Response: Decodable;
}

macro_rules! client_requests {
    ($($request:ident => $response:ident = $key:ident;)*) => {
        $(impl ClientRequest for $request {
            const KEY: i16 = api_key::$key;
            type Response = $response;
        })*
    };
}

client_requests! {
    ProduceRequest => ProduceResponse = PRODUCE;
    FetchRequest => FetchResponse = FETCH;
    ListOffsetsRequest => ListOffsetsResponse = LIST_OFFSETS;
    MetadataRequest => MetadataResponse = METADATA;
    OffsetCommitRequest => OffsetCommitResponse = OFFSET_COMMIT;
    OffsetFetchRequest => OffsetFetchResponse = OFFSET_FETCH;
    FindCoordinatorRequest => FindCoordinatorResponse = FIND_COORDINATOR;
    JoinGroupRequest => JoinGroupResponse = JOIN_GROUP;
    HeartbeatRequest => HeartbeatResponse = HEARTBEAT;
    LeaveGroupRequest => LeaveGroupResponse = LEAVE_GROUP;
    SyncGroupRequest => SyncGroupResponse = SYNC_GROUP;
    DescribeGroupsRequest => DescribeGroupsResponse = DESCRIBE_GROUPS;
    ListGroupsRequest => ListGroupsResponse = LIST_GROUPS;
    ApiVersionsRequest => ApiVersionsResponse = API_VERSIONS;
    CreateTopicsRequest => CreateTopicsResponse = CREATE_TOPICS;
    DeleteTopicsRequest => DeleteTopicsResponse = DELETE_TOPICS;
    DeleteRecordsRequest => DeleteRecordsResponse = DELETE_RECORDS;
    InitProducerIdRequest => InitProducerIdResponse = INIT_PRODUCER_ID;
    OffsetForLeaderEpochRequest => OffsetForLeaderEpochResponse = OFFSET_FOR_LEADER_EPOCH;
    DescribeConfigsRequest => DescribeConfigsResponse = DESCRIBE_CONFIGS;
    AlterConfigsRequest => AlterConfigsResponse = ALTER_CONFIGS;
    DescribeLogDirsRequest => DescribeLogDirsResponse = DESCRIBE_LOG_DIRS;
    DescribeProducersRequest => DescribeProducersResponse = DESCRIBE_PRODUCERS;
    CreatePartitionsRequest => CreatePartitionsResponse = CREATE_PARTITIONS;
    DeleteGroupsRequest => DeleteGroupsResponse = DELETE_GROUPS;
    ElectLeadersRequest => ElectLeadersResponse = ELECT_LEADERS;
    IncrementalAlterConfigsRequest => IncrementalAlterConfigsResponse = INCREMENTAL_ALTER_CONFIGS;
    AlterPartitionReassignmentsRequest => AlterPartitionReassignmentsResponse = ALTER_PARTITION_REASSIGNMENTS;
    ListPartitionReassignmentsRequest => ListPartitionReassignmentsResponse = LIST_PARTITION_REASSIGNMENTS;
    OffsetDeleteRequest => OffsetDeleteResponse = OFFSET_DELETE;
    DescribeClusterRequest => DescribeClusterResponse = DESCRIBE_CLUSTER;
    ConsumerGroupHeartbeatRequest => ConsumerGroupHeartbeatResponse = CONSUMER_GROUP_HEARTBEAT;
    ConsumerGroupDescribeRequest => ConsumerGroupDescribeResponse = CONSUMER_GROUP_DESCRIBE;
    ListConfigResourcesRequest => ListConfigResourcesResponse = LIST_CONFIG_RESOURCES;
    DescribeTopicPartitionsRequest => DescribeTopicPartitionsResponse = DESCRIBE_TOPIC_PARTITIONS;
}

/// The header of a request of type `R`.
pub fn request_header<R: ClientRequest>(
    api_version: i16,
    correlation_id: i32,
    client_id: &str,
) -> RequestHeader {
    RequestHeader {
        api_key: R::KEY,
        api_version,
        correlation_id,
        client_id: Some(client_id.to_owned()),
    }
}

/// Encodes a request: size prefix, header, body.
pub fn encode_request<R: ClientRequest>(header: &RequestHeader, body: &R) -> Result<Bytes, EncodeError> {
    if header.api_key != R::KEY {
        return Err(EncodeError::WrongApi {
            request: header.api_key,
            response: R::KEY,
        });
    }
    let mut out = BytesMut::new();
    out.put_i32(0);
    out.put_i16(header.api_key);
    out.put_i16(header.api_version);
    out.put_i32(header.correlation_id);
    match &header.client_id {
        Some(id) => {
            out.put_i16(i16::try_from(id.len()).map_err(|_| EncodeError::TooLarge(id.len()))?);
            out.put_slice(id.as_bytes());
        }
        None => out.put_i16(-1),
    }
    if versions::request_header_version(header.api_key, header.api_version) >= 2 {
        out.put_u8(0);
    }
    body.encode(&mut out, header.api_version)
        .map_err(|error| EncodeError::Field {
            api_key: header.api_key,
            version: header.api_version,
            reason: format!("{error:#}"),
        })?;
    let prefix = size_prefix(out.len() - SIZE_BYTES)?;
    out[..SIZE_BYTES].copy_from_slice(&prefix.to_be_bytes());
    Ok(out.freeze())
}

/// The correlation id at the start of a response frame (without its size prefix).
pub fn correlation_id(frame: &[u8]) -> Option<i32> {
    Reader::new(frame).i32().ok()
}

/// Decodes the response frame (without its size prefix) to a request of type `R`: correlation id and body.
pub fn decode_response<R: ClientRequest>(
    api_version: i16,
    frame: Bytes,
) -> Result<(i32, R::Response), DecodeError> {
    let malformed = || DecodeError::Malformed("response header is cut off".to_owned());
    let mut reader = Reader::new(&frame);
    let correlation_id = reader.i32().map_err(|_| malformed())?;
    if versions::response_header_version(R::KEY, api_version) >= 1 {
        for _ in 0..reader.unsigned_varint().map_err(|_| malformed())? {
            reader.unsigned_varint().map_err(|_| malformed())?;
            let size = reader.unsigned_varint().map_err(|_| malformed())?;
            reader.take(size as usize).map_err(|_| malformed())?;
        }
    }
    let mut body = frame.slice(frame.len() - reader.remaining()..);
    let response = <R::Response as Decodable>::decode(&mut body, api_version)
        .map_err(|error| DecodeError::Malformed(format!("{error:#}")))?;
    Ok((correlation_id, response))
}

#[cfg(test)]
mod tests;
