//! Replies are what the client's side of the protocol understands.

use bytes::Bytes;
use esker_protocol::batch::Batches;
use esker_protocol::client::{ClientRequest, decode_response};
use esker_protocol::frame::SIZE_BYTES;
use esker_protocol::messages::{self as m, FetchRequest, FetchResponse};
use esker_protocol::response::{ResponseBody, encode_response};
use esker_protocol::{RequestHeader, api_key};

use super::expect::Expected;

/// Checks one reply, without its size prefix.
pub(super) fn check(expected: &Expected, reply: &Bytes) {
    match expected {
        Expected::UnsupportedApiVersions(correlation_id) => {
            // Error code, an array of one entry (KIP-511).
            assert_eq!(reply.len(), 16);
            assert_eq!(reply[..4], correlation_id.to_be_bytes());
            assert_eq!(reply[4..6], 35_i16.to_be_bytes());
        }
        Expected::Reply(header) => check_reply(header, reply),
    }
}

fn check_reply(header: &RequestHeader, reply: &Bytes) {
    match header.api_key {
        api_key::PRODUCE => drop(read::<m::ProduceRequest>(header, reply)),
        api_key::FETCH => check_fetched(&read::<FetchRequest>(header, reply)),
        api_key::LIST_OFFSETS => drop(read::<m::ListOffsetsRequest>(header, reply)),
        api_key::METADATA => drop(read::<m::MetadataRequest>(header, reply)),
        api_key::FIND_COORDINATOR => drop(read::<m::FindCoordinatorRequest>(header, reply)),
        api_key::API_VERSIONS => drop(read::<m::ApiVersionsRequest>(header, reply)),
        api_key::CREATE_TOPICS => drop(read::<m::CreateTopicsRequest>(header, reply)),
        api_key::DELETE_TOPICS => drop(read::<m::DeleteTopicsRequest>(header, reply)),
        api_key::DELETE_RECORDS => drop(read::<m::DeleteRecordsRequest>(header, reply)),
        api_key::INIT_PRODUCER_ID => drop(read::<m::InitProducerIdRequest>(header, reply)),
        api_key::OFFSET_FOR_LEADER_EPOCH => drop(read::<m::OffsetForLeaderEpochRequest>(header, reply)),
        api_key::DESCRIBE_CONFIGS => drop(read::<m::DescribeConfigsRequest>(header, reply)),
        api_key::ALTER_CONFIGS => drop(read::<m::AlterConfigsRequest>(header, reply)),
        api_key::CREATE_PARTITIONS => drop(read::<m::CreatePartitionsRequest>(header, reply)),
        api_key::INCREMENTAL_ALTER_CONFIGS => drop(read::<m::IncrementalAlterConfigsRequest>(header, reply)),
        api_key::DESCRIBE_CLUSTER => drop(read::<m::DescribeClusterRequest>(header, reply)),
        api_key::DESCRIBE_TOPIC_PARTITIONS => {
            drop(read::<m::DescribeTopicPartitionsRequest>(header, reply));
        }
        api_key::OFFSET_COMMIT => drop(read::<m::OffsetCommitRequest>(header, reply)),
        api_key::OFFSET_FETCH => drop(read::<m::OffsetFetchRequest>(header, reply)),
        api_key::JOIN_GROUP => drop(read::<m::JoinGroupRequest>(header, reply)),
        api_key::HEARTBEAT => drop(read::<m::HeartbeatRequest>(header, reply)),
        api_key::LEAVE_GROUP => drop(read::<m::LeaveGroupRequest>(header, reply)),
        api_key::SYNC_GROUP => drop(read::<m::SyncGroupRequest>(header, reply)),
        api_key::DESCRIBE_GROUPS => drop(read::<m::DescribeGroupsRequest>(header, reply)),
        api_key::LIST_GROUPS => drop(read::<m::ListGroupsRequest>(header, reply)),
        api_key::DELETE_GROUPS => drop(read::<m::DeleteGroupsRequest>(header, reply)),
        api_key::OFFSET_DELETE => drop(read::<m::OffsetDeleteRequest>(header, reply)),
        api_key::CONSUMER_GROUP_HEARTBEAT => drop(read::<m::ConsumerGroupHeartbeatRequest>(header, reply)),
        api_key::CONSUMER_GROUP_DESCRIBE => drop(read::<m::ConsumerGroupDescribeRequest>(header, reply)),
        api_key::DESCRIBE_LOG_DIRS => drop(read::<m::DescribeLogDirsRequest>(header, reply)),
        api_key::DESCRIBE_PRODUCERS => drop(read::<m::DescribeProducersRequest>(header, reply)),
        api_key::ELECT_LEADERS => drop(read::<m::ElectLeadersRequest>(header, reply)),
        api_key::ALTER_PARTITION_REASSIGNMENTS => {
            drop(read::<m::AlterPartitionReassignmentsRequest>(header, reply));
        }
        api_key::LIST_PARTITION_REASSIGNMENTS => {
            drop(read::<m::ListPartitionReassignmentsRequest>(header, reply));
        }
        api_key::LIST_CONFIG_RESOURCES => drop(read::<m::ListConfigResourcesRequest>(header, reply)),
        other => panic!("a reply of API {other} cannot be checked: add it here"),
    }
}

/// Decodes a reply and demands that every byte of it belongs there.
fn read<R>(header: &RequestHeader, reply: &Bytes) -> R::Response
where
    R: ClientRequest<Response: ResponseBody>,
{
    let (correlation_id, response) = decode_response::<R>(header.api_version, reply.clone())
        .unwrap_or_else(|err| panic!("the reply to {header:?} cannot be read: {err}"));
    assert_eq!(correlation_id, header.correlation_id);
    let again = encode_response(header, &response).expect("what was read can be written");
    assert_eq!(again.slice(SIZE_BYTES..), reply, "to {header:?}");
    response
}

/// Records come as whole batches, dense, with right checksums.
fn check_fetched(response: &FetchResponse) {
    for partition in response.responses.iter().flat_map(|topic| &topic.partitions) {
        let mut next = None;
        for batch in Batches::new(partition.records.clone().unwrap_or_default()) {
            let batch = batch.expect("a whole batch");
            assert_eq!(batch.check_crc(), Ok(()));
            assert!(next.is_none_or(|next| next == batch.header.base_offset));
            next = Some(batch.header.next_offset());
        }
        assert!(next.is_none_or(|next| next <= partition.high_watermark));
    }
}
