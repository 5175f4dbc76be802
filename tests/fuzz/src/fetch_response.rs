//! Fetch responses: written by hand, they are what the message crate reads.

use bytes::Bytes;
use esker_protocol::client::decode_response;
use esker_protocol::fetch_response::{
    FetchPartitionParts, FetchResponseParts, FetchTopicParts, LeaderHint, NodeEndpointParts,
};
use esker_protocol::frame::SIZE_BYTES;
use esker_protocol::messages::fetch_response::PartitionData;
use esker_protocol::messages::{FetchRequest, FetchResponse};
use esker_protocol::response::encode_response;
use esker_protocol::{ErrorCode, RequestHeader, StrBytes, api_key, versions};
use uuid::Uuid;

use crate::input::Input;

/// First version with the top-level error and the session.
const SESSIONS: i16 = 7;
/// First version that names topics by id.
const TOPIC_IDS: i16 = 13;
/// First version with leader hints.
const LEADER_HINTS: i16 = 16;

/// The input is read as a response in some version; what is written is read back as the same.
pub fn fetch_response(data: &[u8]) {
    let mut input = Input::new(data);
    let range = versions::range(api_key::FETCH).unwrap();
    let version = range.min + input.below((range.max - range.min + 1) as usize) as i16;
    let parts = response(&mut input);
    let header = RequestHeader {
        api_key: api_key::FETCH,
        api_version: version,
        correlation_id: input.i32(),
        client_id: None,
    };
    let slices = parts.encode(&header).expect("parts that fit are written");
    assert!(slices.iter().all(|slice| !slice.is_empty()));
    let frame = Bytes::from(slices.concat());
    let (size, content) = frame.split_first_chunk::<SIZE_BYTES>().unwrap();
    assert_eq!(u32::from_be_bytes(*size) as usize, content.len());
    let (correlation_id, read) =
        decode_response::<FetchRequest>(version, frame.slice(SIZE_BYTES..)).expect("it is read back");
    assert_eq!(correlation_id, header.correlation_id);
    check(&parts, &read, version);
    // Sizes of tags, for example, are not looked at when they are read.
    assert_eq!(encode_response(&header, &read), Ok(frame));
}

fn response(input: &mut Input<'_>) -> FetchResponseParts {
    FetchResponseParts {
        throttle_time_ms: input.i32(),
        error_code: error(input),
        session_id: input.i32(),
        topics: (0..input.below(5)).map(|_| topic(input)).collect(),
        node_endpoints: (0..input.below(5)).map(|_| endpoint(input)).collect(),
    }
}

fn error(input: &mut Input<'_>) -> ErrorCode {
    ErrorCode::ALL[input.below(ErrorCode::ALL.len())]
}

fn text(input: &mut Input<'_>) -> StrBytes {
    let bytes = usize::from(input.u8());
    StrBytes::from_string(String::from_utf8_lossy(input.take(bytes)).into_owned())
}

fn topic(input: &mut Input<'_>) -> FetchTopicParts {
    FetchTopicParts {
        name: text(input),
        topic_id: Uuid::from_bytes(input.array()),
        partitions: (0..input.below(6)).map(|_| partition(input)).collect(),
    }
}

fn partition(input: &mut Input<'_>) -> FetchPartitionParts {
    let flags = input.u8();
    let aborted = (flags & 1 != 0).then(|| {
        (0..input.below(200))
            .map(|_| (input.i64(), input.i64()))
            .collect()
    });
    let hint = (flags & 2 != 0).then(|| LeaderHint {
        leader_id: input.i32(),
        leader_epoch: input.i32(),
    });
    // Who hints at nobody writes a tag that says what its absence says.
    let current_leader = hint.filter(|hint| (hint.leader_id, hint.leader_epoch) != (-1, -1));
    FetchPartitionParts {
        index: input.i32(),
        error: error(input),
        high_watermark: input.i64(),
        last_stable_offset: input.i64(),
        log_start_offset: input.i64(),
        aborted,
        preferred_read_replica: if flags & 4 == 0 { -1 } else { input.i32() },
        current_leader,
        records: (0..input.below(5))
            .map(|_| Bytes::copy_from_slice(input.block()))
            .collect(),
    }
}

fn endpoint(input: &mut Input<'_>) -> NodeEndpointParts {
    NodeEndpointParts {
        node_id: input.i32(),
        host: text(input),
        port: input.i32(),
        rack: (input.u8() & 1 != 0).then(|| text(input)),
    }
}

fn check(parts: &FetchResponseParts, read: &FetchResponse, version: i16) {
    assert_eq!(read.throttle_time_ms, parts.throttle_time_ms);
    if version >= SESSIONS {
        assert_eq!(read.error_code, parts.error_code.code());
        assert_eq!(read.session_id, parts.session_id);
    }
    assert_eq!(read.responses.len(), parts.topics.len());
    for (topic, read) in parts.topics.iter().zip(&read.responses) {
        if version >= TOPIC_IDS {
            assert_eq!(read.topic_id, topic.topic_id);
        } else {
            assert_eq!(read.topic.0, topic.name);
        }
        assert_eq!(read.partitions.len(), topic.partitions.len());
        for (partition, read) in topic.partitions.iter().zip(&read.partitions) {
            check_partition(partition, read, version);
        }
    }
    let endpoints: &[NodeEndpointParts] = match version {
        LEADER_HINTS.. => &parts.node_endpoints,
        _ => &[],
    };
    assert_eq!(read.node_endpoints.len(), endpoints.len());
    for (endpoint, read) in endpoints.iter().zip(&read.node_endpoints) {
        assert_eq!((read.node_id.0, read.port), (endpoint.node_id, endpoint.port));
        assert_eq!((&read.host, &read.rack), (&endpoint.host, &endpoint.rack));
    }
    assert!(read.unknown_tagged_fields.is_empty());
}

fn check_partition(partition: &FetchPartitionParts, read: &PartitionData, version: i16) {
    assert_eq!(read.partition_index, partition.index);
    assert_eq!(read.error_code, partition.error.code());
    assert_eq!(
        (read.high_watermark, read.last_stable_offset),
        (partition.high_watermark, partition.last_stable_offset)
    );
    if version >= 5 {
        assert_eq!(read.log_start_offset, partition.log_start_offset);
    }
    if version >= 11 {
        assert_eq!(read.preferred_read_replica.0, partition.preferred_read_replica);
    }
    let aborted = read.aborted_transactions.as_ref().map(|list| {
        list.iter()
            .map(|one| (one.producer_id.0, one.first_offset))
            .collect::<Vec<_>>()
    });
    assert_eq!(aborted, partition.aborted);
    let leader = (read.current_leader.leader_id.0, read.current_leader.leader_epoch);
    let hint = partition.current_leader.filter(|_| version >= LEADER_HINTS);
    assert_eq!(
        leader,
        hint.map_or((-1, -1), |hint| (hint.leader_id, hint.leader_epoch))
    );
    assert_eq!(
        read.records.clone().unwrap_or_default(),
        partition.records.concat()
    );
    assert!(read.unknown_tagged_fields.is_empty());
}
