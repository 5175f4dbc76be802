//! One request frame, as it lies behind its size prefix.

use bytes::Bytes;
use esker_protocol::client::{ClientRequest, encode_request};
use esker_protocol::frame::{self, SIZE_BYTES};
use esker_protocol::guard::{self, Footprint};
use esker_protocol::header::{Incoming, decode_request_header};
use esker_protocol::limits::{REQUEST_ELEMENTS_MAX, REQUEST_HEAP_BYTES_MAX, REQUEST_UNKNOWN_TAGS_MAX};
use esker_protocol::request::{DecodeError, decode_request};
use esker_protocol::{Request, RequestHeader, response, versions};

use crate::heap::peak_of;

/// What a header may take beside its client id: nothing much.
const HEADER_HEAP_BYTES: usize = 256;
/// A client id has at most so many bytes, and each may become a U+FFFD of three, in a buffer that doubles.
const CLIENT_ID_HEAP_BYTES: usize = 3 * 3 * i16::MAX as usize;
/// What decoding may take beside the estimate: the counter of the shared frame.
const SLACK_BYTES: usize = 128;
/// What an error may take: its text and a backtrace, where those are asked for.
const ERROR_BYTES: usize = 1 << 20;

/// A frame is refused or decoded, without a panic and within the heap that the guard estimated.
///
/// What is decoded reads the same without the bytes behind the body, and after being encoded again.
pub fn request_frame(data: &[u8]) {
    let content = Bytes::copy_from_slice(data);
    if let Some(key) = frame::peek_api_key(data) {
        let _ = frame::check_size(data.len(), key);
    }
    let (incoming, peak) = peak_of(|| decode_request_header(content.clone()));
    assert!(
        peak <= HEADER_HEAP_BYTES + CLIENT_ID_HEAP_BYTES,
        "a header took {peak} bytes"
    );
    match incoming {
        Ok(Incoming::Request(header, body)) => check_body(&header, &body),
        Ok(Incoming::UnsupportedApiVersions(header)) => {
            let answer = response::encode_unsupported_api_versions(header.correlation_id);
            assert_eq!(answer[SIZE_BYTES..][..4], header.correlation_id.to_be_bytes());
        }
        Err(_) => {}
    }
}

fn check_body(header: &RequestHeader, body: &Bytes) {
    let (key, version) = (header.api_key, header.api_version);
    assert!(versions::is_served(key, version));
    let (measured, peak) = peak_of(|| guard::measure(key, version, body));
    assert_eq!(peak, 0, "the guard allocated");
    let (decoded, peak) = peak_of(|| decode_request(header, body.clone()));
    match measured {
        Err(refused) => assert_eq!(decoded, Err(DecodeError::Guard(refused))),
        Ok(found) => {
            check_footprint(&found, body.len());
            let slack = if decoded.is_ok() { SLACK_BYTES } else { ERROR_BYTES };
            assert!(
                peak <= found.heap_bytes as usize + slack,
                "decoding took {peak} bytes: {found:?}"
            );
            if let Ok(request) = decoded {
                check_request(header, body, &found, &request);
            }
        }
    }
}

fn check_footprint(found: &Footprint, body_bytes: usize) {
    assert!(found.consumed_bytes <= body_bytes);
    assert!(found.elements <= REQUEST_ELEMENTS_MAX);
    assert!(found.unknown_tags <= REQUEST_UNKNOWN_TAGS_MAX);
    assert!(found.heap_bytes <= REQUEST_HEAP_BYTES_MAX);
}

fn check_request(header: &RequestHeader, body: &Bytes, found: &Footprint, request: &Request) {
    let consumed = found.consumed_bytes;
    assert_eq!(request.api_key(), header.api_key);
    assert_eq!(
        decode_request(header, body.slice(..consumed)).as_ref(),
        Ok(request),
        "bytes behind the body changed it"
    );
    if let Some(cut) = consumed.checked_sub(1) {
        assert!(
            guard::measure(header.api_key, header.api_version, &body[..cut]).is_err(),
            "a body that was cut was accepted"
        );
    }
    if found.unknown_tags > 0 {
        return; // Clients send none, and the message crate does not write tags from 2^31 on.
    }
    let frame = encode(header, request);
    let Ok(Incoming::Request(again, body)) = decode_request_header(frame.slice(SIZE_BYTES..)) else {
        panic!("the header was not read back");
    };
    assert_eq!(&again, header);
    assert_eq!(decode_request(header, body).as_ref(), Ok(request));
}

/// The frame of a request, as a client encodes it.
pub(crate) fn encode(header: &RequestHeader, request: &Request) -> Bytes {
    fn of<R: ClientRequest>(header: &RequestHeader, request: &R) -> Bytes {
        encode_request(header, request).expect("what was decoded can be encoded")
    }
    match request {
        Request::Produce(request) => of(header, request),
        Request::Fetch(request) => of(header, request),
        Request::ListOffsets(request) => of(header, request),
        Request::Metadata(request) => of(header, request),
        Request::FindCoordinator(request) => of(header, request),
        Request::ApiVersions(request) => of(header, request),
        Request::CreateTopics(request) => of(header, request),
        Request::DeleteTopics(request) => of(header, request),
        Request::DeleteRecords(request) => of(header, request),
        Request::InitProducerId(request) => of(header, request),
        Request::OffsetForLeaderEpoch(request) => of(header, request),
        Request::DescribeConfigs(request) => of(header, request),
        Request::AlterConfigs(request) => of(header, request),
        Request::CreatePartitions(request) => of(header, request),
        Request::IncrementalAlterConfigs(request) => of(header, request),
        Request::DescribeCluster(request) => of(header, request),
        Request::DescribeTopicPartitions(request) => of(header, request),
        Request::OffsetCommit(request) => of(header, request),
        Request::OffsetFetch(request) => of(header, request),
        Request::JoinGroup(request) => of(header, request),
        Request::Heartbeat(request) => of(header, request),
        Request::LeaveGroup(request) => of(header, request),
        Request::SyncGroup(request) => of(header, request),
        Request::DescribeGroups(request) => of(header, request),
        Request::ListGroups(request) => of(header, request),
        Request::DeleteGroups(request) => of(header, request),
        Request::OffsetDelete(request) => of(header, request),
        Request::ConsumerGroupHeartbeat(request) => of(header, request),
        Request::ConsumerGroupDescribe(request) => of(header, request),
        Request::DescribeLogDirs(request) => of(header, request),
        Request::DescribeProducers(request) => of(header, request),
        Request::ElectLeaders(request) => of(header, request),
        Request::AlterPartitionReassignments(request) => of(header, request),
        Request::ListPartitionReassignments(request) => of(header, request),
        Request::ListConfigResources(request) => of(header, request),
    }
}
