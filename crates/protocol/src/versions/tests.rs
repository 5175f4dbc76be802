use super::*;
use kafka_protocol::messages::{self as m, ApiKey};
use kafka_protocol::protocol::{HeaderVersion, Message, Request};

/// One row against the message crate: ranges, flexibility and both header versions.
fn agrees<R: Request>() {
    let row = find(R::KEY).expect("listed");
    for versions in [R::VERSIONS, <R::Response as Message>::VERSIONS] {
        assert!(
            versions.min <= row.decode_min && row.range.max <= versions.max,
            "{}",
            row.name
        );
    }
    for version in row.decode_min..=row.range.max {
        assert_eq!(
            R::header_version(version),
            request_header_version(R::KEY, version),
            "{}",
            row.name
        );
        let response = <R::Response as HeaderVersion>::header_version(version);
        assert_eq!(
            response,
            response_header_version(R::KEY, version),
            "{} v{version}",
            row.name
        );
    }
    assert_eq!(format!("{:?}", ApiKey::try_from(R::KEY).expect("key")), row.name);
}

#[test]
fn table_agrees_with_the_message_crate() {
    agrees::<m::ProduceRequest>();
    agrees::<m::FetchRequest>();
    agrees::<m::ListOffsetsRequest>();
    agrees::<m::MetadataRequest>();
    agrees::<m::FindCoordinatorRequest>();
    agrees::<m::ApiVersionsRequest>();
    agrees::<m::CreateTopicsRequest>();
    agrees::<m::DeleteTopicsRequest>();
    agrees::<m::DeleteRecordsRequest>();
    agrees::<m::InitProducerIdRequest>();
    agrees::<m::OffsetForLeaderEpochRequest>();
    agrees::<m::DescribeConfigsRequest>();
    agrees::<m::AlterConfigsRequest>();
    agrees::<m::DescribeLogDirsRequest>();
    agrees::<m::DescribeProducersRequest>();
    agrees::<m::CreatePartitionsRequest>();
    agrees::<m::ElectLeadersRequest>();
    agrees::<m::IncrementalAlterConfigsRequest>();
    agrees::<m::AlterPartitionReassignmentsRequest>();
    agrees::<m::ListPartitionReassignmentsRequest>();
    agrees::<m::DescribeClusterRequest>();
    agrees::<m::ListConfigResourcesRequest>();
    agrees::<m::DescribeTopicPartitionsRequest>();
    agrees::<m::OffsetCommitRequest>();
    agrees::<m::OffsetFetchRequest>();
    agrees::<m::JoinGroupRequest>();
    agrees::<m::HeartbeatRequest>();
    agrees::<m::LeaveGroupRequest>();
    agrees::<m::SyncGroupRequest>();
    agrees::<m::DescribeGroupsRequest>();
    agrees::<m::ListGroupsRequest>();
    agrees::<m::DeleteGroupsRequest>();
    agrees::<m::OffsetDeleteRequest>();
    agrees::<m::ConsumerGroupHeartbeatRequest>();
    agrees::<m::ConsumerGroupDescribeRequest>();
    assert_eq!(ROWS.len(), 35);
}

#[test]
fn keys_rise_and_ranges_are_not_empty() {
    assert!(api_versions().windows(2).all(|w| w[0].key < w[1].key));
    assert!(api_versions().iter().all(|r| 0 <= r.min && r.min <= r.max));
    assert_eq!(range(7), None);
    assert_eq!(
        range(18),
        Some(ApiRange {
            key: 18,
            min: 0,
            max: 4
        })
    );
}

#[test]
fn old_produce_is_listed_but_not_served() {
    assert_eq!(
        range(0),
        Some(ApiRange {
            key: 0,
            min: 0,
            max: 13
        })
    );
    assert!(!is_served(0, 2) && is_served(0, 3) && is_served(0, 13) && !is_served(0, 14));
    assert!(!is_served(0, -1) && !is_served(18, 5) && !is_served(-1, 0));
}

/// What named client versions look for, so that nobody narrows a range unawares.
#[test]
fn ranges_carry_old_clients() {
    // librdkafka before 2.11: feature detection; kafka-python 2.0.2: version guess by maximum.
    for (key, version) in [
        (0, 3),
        (0, 7),
        (0, 0),
        (1, 4),
        (1, 10),
        (2, 1),
        (22, 0),
        (10, 0),
        (0, 8),
        (1, 11),
        (3, 5),
    ] {
        let r = range(key).expect("listed");
        assert!((r.min..=r.max).contains(&version), "{key} v{version}");
    }
}
