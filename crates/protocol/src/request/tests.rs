use super::*;
use crate::client;
use crate::header::{Incoming, decode_request_header};
use bytes::BytesMut;
use kafka_protocol::protocol::Encodable;

fn header(api_key: i16, api_version: i16) -> RequestHeader {
    RequestHeader {
        api_key,
        api_version,
        correlation_id: 7,
        client_id: None,
    }
}

#[test]
fn produced_records_are_slices_of_the_frame() {
    let records = Bytes::from(vec![0xab; 100_000]);
    let partition = produce_request::PartitionProduceData::default().with_records(Some(records.clone()));
    let topic = produce_request::TopicProduceData::default().with_partition_data(vec![partition]);
    for version in 3..=13 {
        let header = client::request_header::<ProduceRequest>(version, 5, "c");
        let body = ProduceRequest::default()
            .with_acks(-1)
            .with_topic_data(vec![topic.clone()]);
        let frame = client::encode_request(&header, &body).expect("encode").slice(4..);
        let memory = frame.as_ptr_range();
        let Ok(Incoming::Request(decoded, body)) = decode_request_header(frame.clone()) else {
            panic!("header")
        };
        assert_eq!(decoded, header);
        let Ok(Request::Produce(request)) = decode_request(&decoded, body) else {
            panic!("body")
        };
        let found = request.topic_data[0].partition_data[0]
            .records
            .clone()
            .expect("records");
        assert_eq!(found, records);
        assert!(memory.contains(&found.as_ptr()), "records were copied");
    }
}

#[test]
fn text_must_be_utf8_and_nulls_only_where_allowed() {
    let error = decode_request(
        &header(api_key::METADATA, 1),
        Bytes::from_static(b"\0\0\0\x01\0\x01\xff"),
    );
    assert!(matches!(error, Err(DecodeError::Malformed(_))));
    let error = decode_request(
        &header(api_key::LIST_OFFSETS, 1),
        Bytes::from_static(b"\0\0\0\0\xff\xff\xff\xff"),
    );
    assert!(matches!(error, Err(DecodeError::Malformed(_))));
}

#[test]
fn the_guard_always_runs_first() {
    let error = decode_request(
        &header(api_key::METADATA, 1),
        Bytes::from_static(b"\x7f\xff\xff\xff"),
    );
    assert_eq!(error, Err(DecodeError::Guard(GuardError::Truncated)));
    let error = decode_request(&header(99, 0), Bytes::new());
    assert_eq!(error, Err(DecodeError::Guard(GuardError::NotServed(99, 0))));
}

#[test]
fn metadata_v0_and_null_topics() {
    let Ok(Request::Metadata(all)) = decode_request(&header(3, 1), Bytes::from_static(b"\xff\xff\xff\xff"))
    else {
        panic!("refused");
    };
    assert_eq!(all.topics, None);
    let Ok(Request::Metadata(none)) = decode_request(&header(3, 0), Bytes::from_static(b"\0\0\0\0")) else {
        panic!("refused");
    };
    assert_eq!(none.topics, Some(vec![]));
    assert_eq!(Request::Metadata(none).api_key(), 3);
}

#[test]
fn describe_topic_partitions_cursor() {
    let mut body = BytesMut::new();
    let cursor = describe_topic_partitions_request::Cursor::default().with_partition_index(4);
    DescribeTopicPartitionsRequest::default()
        .with_cursor(Some(cursor))
        .encode(&mut body, 0)
        .expect("encode");
    let Ok(Request::DescribeTopicPartitions(request)) = decode_request(&header(75, 0), body.freeze()) else {
        panic!("refused");
    };
    assert_eq!(request.cursor.map(|cursor| cursor.partition_index), Some(4));
}
