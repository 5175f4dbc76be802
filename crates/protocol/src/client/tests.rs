use super::*;
use crate::header::{Incoming, decode_request_header};
use crate::request::decode_request;

/// What the client encodes, in every served version, the broker's side decodes as the same API.
fn arrives<R: ClientRequest + Default>() {
    let range = versions::range(R::KEY).expect("listed");
    for version in (range.min..=range.max).filter(|version| versions::is_served(R::KEY, *version)) {
        let sent = request_header::<R>(version, 1 << 30, "esker");
        let frame = encode_request(&sent, &R::default()).expect("encode");
        let prefix = i32::from_be_bytes(frame[..SIZE_BYTES].try_into().expect("prefix"));
        assert_eq!(prefix as usize, frame.len() - SIZE_BYTES);
        assert_eq!(crate::frame::peek_api_key(&frame[SIZE_BYTES..]), Some(R::KEY));
        let Ok(Incoming::Request(header, body)) = decode_request_header(frame.slice(SIZE_BYTES..)) else {
            panic!("{} v{version}", R::KEY);
        };
        assert_eq!(header, sent);
        assert_eq!(
            decode_request(&header, body).map(|request| request.api_key()),
            Ok(R::KEY),
            "v{version}"
        );
    }
}

#[test]
fn every_request_arrives() {
    arrives::<ProduceRequest>();
    arrives::<FetchRequest>();
    arrives::<ListOffsetsRequest>();
    arrives::<MetadataRequest>();
    arrives::<FindCoordinatorRequest>();
    arrives::<ApiVersionsRequest>();
    arrives::<CreateTopicsRequest>();
    arrives::<DeleteTopicsRequest>();
    arrives::<DeleteRecordsRequest>();
    arrives::<InitProducerIdRequest>();
    arrives::<OffsetForLeaderEpochRequest>();
    arrives::<DescribeConfigsRequest>();
    arrives::<AlterConfigsRequest>();
    arrives::<DescribeLogDirsRequest>();
    arrives::<DescribeProducersRequest>();
    arrives::<CreatePartitionsRequest>();
    arrives::<ElectLeadersRequest>();
    arrives::<IncrementalAlterConfigsRequest>();
    arrives::<AlterPartitionReassignmentsRequest>();
    arrives::<ListPartitionReassignmentsRequest>();
    arrives::<DescribeClusterRequest>();
    arrives::<ListConfigResourcesRequest>();
    arrives::<DescribeTopicPartitionsRequest>();
}

#[test]
fn responses_that_are_cut_off_are_errors() {
    assert_eq!(correlation_id(b"\0\0\0\x07rest"), Some(7));
    assert_eq!(correlation_id(b"\0\0\0"), None);
    for frame in [
        &b"\0\0\0"[..],
        b"\0\0\0\x01",
        b"\0\0\0\x01\x01",
        b"\0\0\0\x01\x01\x05\x09z",
    ] {
        assert!(decode_response::<MetadataRequest>(9, Bytes::from_static(frame)).is_err());
    }
    // Tags in the response header are skipped: one of one byte, then a default DescribeCluster v0 response.
    let mut frame = BytesMut::from(&b"\0\0\0\x01\x01\x05\x01z"[..]);
    DescribeClusterResponse::default()
        .encode(&mut frame, 0)
        .expect("encode");
    assert!(decode_response::<DescribeClusterRequest>(0, frame.freeze()).is_ok());
}

#[test]
fn the_wrong_header_is_refused() {
    let header = request_header::<FetchRequest>(12, 1, "c");
    assert!(encode_request(&header, &MetadataRequest::default()).is_err());
    let long = RequestHeader {
        client_id: Some("x".repeat(40_000)),
        ..header
    };
    assert_eq!(
        encode_request(&long, &FetchRequest::default()),
        Err(EncodeError::TooLarge(40_000))
    );
    let none = RequestHeader {
        client_id: None,
        ..request_header::<MetadataRequest>(0, 1, "")
    };
    let frame = encode_request(&none, &MetadataRequest::default()).expect("encode");
    assert_eq!(&frame[..14], b"\0\0\0\x0e\0\x03\0\0\0\0\0\x01\xff\xff");
}
