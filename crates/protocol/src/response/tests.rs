use super::*;
use crate::client;

fn header(api_key: i16, api_version: i16) -> RequestHeader {
    RequestHeader {
        api_key,
        api_version,
        correlation_id: -5,
        client_id: None,
    }
}

/// Encodes a default response in every served version and reads it back.
fn round_trips<R: client::ClientRequest>()
where
    R::Response: ResponseBody + Default + PartialEq + std::fmt::Debug,
{
    let range = versions::range(R::KEY).expect("listed");
    for version in range.min..=range.max {
        if !versions::is_served(R::KEY, version) {
            continue;
        }
        let response = R::Response::default();
        let frame = encode_response(&header(R::KEY, version), &response).expect("encode");
        let (prefix, content) = frame.split_at(SIZE_BYTES);
        assert_eq!(prefix, (content.len() as i32).to_be_bytes());
        let decoded = client::decode_response::<R>(version, frame.slice(SIZE_BYTES..)).expect("decode");
        assert_eq!(decoded.0, -5, "{} v{version}", R::KEY);
        let again = encode_response(&header(R::KEY, version), &decoded.1).expect("encode");
        assert_eq!(again, frame);
    }
}

#[test]
fn every_response_round_trips() {
    round_trips::<ProduceRequest>();
    round_trips::<FetchRequest>();
    round_trips::<ListOffsetsRequest>();
    round_trips::<MetadataRequest>();
    round_trips::<FindCoordinatorRequest>();
    round_trips::<ApiVersionsRequest>();
    round_trips::<CreateTopicsRequest>();
    round_trips::<DeleteTopicsRequest>();
    round_trips::<DeleteRecordsRequest>();
    round_trips::<InitProducerIdRequest>();
    round_trips::<OffsetForLeaderEpochRequest>();
    round_trips::<DescribeConfigsRequest>();
    round_trips::<AlterConfigsRequest>();
    round_trips::<DescribeLogDirsRequest>();
    round_trips::<DescribeProducersRequest>();
    round_trips::<CreatePartitionsRequest>();
    round_trips::<ElectLeadersRequest>();
    round_trips::<IncrementalAlterConfigsRequest>();
    round_trips::<AlterPartitionReassignmentsRequest>();
    round_trips::<ListPartitionReassignmentsRequest>();
    round_trips::<DescribeClusterRequest>();
    round_trips::<ListConfigResourcesRequest>();
    round_trips::<DescribeTopicPartitionsRequest>();
}

#[test]
fn api_versions_has_header_v0_in_every_version() {
    let response = ApiVersionsResponse::default();
    let frame = encode_response(&header(18, 0), &response).expect("encode");
    assert_eq!(&frame[..], b"\0\0\0\x0a\xff\xff\xff\xfb\0\0\0\0\0\0");
    // v3: error, compact array, throttle, no tags; no tag section after the correlation id.
    let frame = encode_response(&header(18, 3), &response).expect("encode");
    assert_eq!(&frame[..], b"\0\0\0\x0c\xff\xff\xff\xfb\0\0\x01\0\0\0\0\0");
}

#[test]
fn unsupported_api_versions_names_our_range() {
    let frame = encode_unsupported_api_versions(9);
    assert_eq!(
        &frame[..],
        b"\0\0\0\x10\0\0\0\x09\0\x23\0\0\0\x01\0\x12\0\0\0\x04"
    );
    let (correlation_id, body) =
        client::decode_response::<ApiVersionsRequest>(0, frame.slice(4..)).expect("decode");
    assert_eq!((correlation_id, body.error_code), (9, 35));
    let entry = &body.api_keys[0];
    assert_eq!(
        (
            body.api_keys.len(),
            entry.api_key,
            entry.min_version,
            entry.max_version
        ),
        (1, 18, 0, 4)
    );
}

#[test]
fn mistakes_of_a_handler_are_errors() {
    let wrong = encode_response(&header(3, 1), &ApiVersionsResponse::default());
    assert_eq!(
        wrong,
        Err(EncodeError::WrongApi {
            request: 3,
            response: 18
        })
    );
    let early = FetchResponse::default().with_session_id(4);
    assert!(matches!(
        encode_response(&header(1, 4), &early),
        Err(EncodeError::Field { version: 4, .. })
    ));
    let response = Response::from(FetchResponse::default());
    assert!(encode_response(&header(1, 4), &response).is_ok());
    assert_eq!(
        size_prefix(i32::MAX as usize + 1),
        Err(EncodeError::TooLarge(i32::MAX as usize + 1))
    );
}
