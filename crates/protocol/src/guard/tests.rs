mod generate;
pub(crate) mod heap;

use super::*;
use crate::messages as m;
use crate::request::{DecodeError, Request, decode_request};
use crate::test_rng::TestRng;
use crate::versions::api_key;
use crate::{RequestHeader, StrBytes};
use bytes::{BufMut, Bytes, BytesMut};
use generate::Generator;
use kafka_protocol::protocol::Encodable;

/// What decoding may take beside the estimate: the counter of a shared buffer.
const SLACK_BYTES: u64 = 128;
/// What a decoding error may take: its text and, where RUST_BACKTRACE is set, a backtrace.
const ERROR_BYTES: u64 = 256 * 1024;

fn served() -> impl Iterator<Item = (i16, i16)> {
    versions::api_versions()
        .iter()
        .flat_map(|range| (range.min..=range.max).map(|version| (range.key, version)))
        .filter(|(key, version)| versions::is_served(*key, *version))
}

fn body(rng: &mut TestRng, key: i16, version: i16, nulls: bool) -> Vec<u8> {
    let flexible = versions::is_flexible(key, version);
    let mut generator = Generator {
        rng,
        version,
        flexible,
        nulls,
        tags_left: 60,
        out: BytesMut::new(),
    };
    generator.message(tables::request_schema(key).expect("schema"));
    generator.out.to_vec()
}

fn check(api_key: i16, version: i16, body: &[u8]) -> Result<(), GuardError> {
    measure(api_key, version, body).map(|_| ())
}

fn header(api_key: i16, api_version: i16) -> RequestHeader {
    RequestHeader {
        api_key,
        api_version,
        correlation_id: 1,
        client_id: None,
    }
}

fn encode(request: &Request, version: i16) -> Vec<u8> {
    let mut out = BytesMut::new();
    macro_rules! each {
        ($($variant:ident)*) => {
            match request { $(Request::$variant(message) => message.encode(&mut out, version),)* }
        };
    }
    each! {
        Produce Fetch ListOffsets Metadata FindCoordinator ApiVersions CreateTopics DeleteTopics DeleteRecords InitProducerId
        OffsetForLeaderEpoch DescribeConfigs AlterConfigs CreatePartitions IncrementalAlterConfigs DescribeCluster
        DescribeTopicPartitions DescribeProducers DescribeLogDirs ElectLeaders AlterPartitionReassignments ListPartitionReassignments
        ListConfigResources
        OffsetCommit OffsetFetch JoinGroup Heartbeat LeaveGroup SyncGroup DescribeGroups ListGroups
        DeleteGroups OffsetDelete ConsumerGroupHeartbeat ConsumerGroupDescribe
    }
    .expect("encode");
    out.to_vec()
}

/// How many bytes the decoder of the crate takes. Only for what the guard accepted.
fn consumed(key: i16, version: i16, body: &[u8]) -> Option<usize> {
    use kafka_protocol::protocol::Decodable;
    let mut rest = Bytes::copy_from_slice(body);
    macro_rules! each {
        ($($key:ident $message:ident)*) => {
            match key { $(api_key::$key => m::$message::decode(&mut rest, version).is_ok(),)* _ => false }
        };
    }
    let decoded = each! {
        PRODUCE ProduceRequest FETCH FetchRequest LIST_OFFSETS ListOffsetsRequest METADATA MetadataRequest
        FIND_COORDINATOR FindCoordinatorRequest API_VERSIONS ApiVersionsRequest CREATE_TOPICS CreateTopicsRequest
        DELETE_TOPICS DeleteTopicsRequest DELETE_RECORDS DeleteRecordsRequest INIT_PRODUCER_ID InitProducerIdRequest
        OFFSET_FOR_LEADER_EPOCH OffsetForLeaderEpochRequest DESCRIBE_CONFIGS DescribeConfigsRequest
        ALTER_CONFIGS AlterConfigsRequest CREATE_PARTITIONS CreatePartitionsRequest
        INCREMENTAL_ALTER_CONFIGS IncrementalAlterConfigsRequest DESCRIBE_CLUSTER DescribeClusterRequest
        DESCRIBE_TOPIC_PARTITIONS DescribeTopicPartitionsRequest DESCRIBE_LOG_DIRS DescribeLogDirsRequest
        DESCRIBE_PRODUCERS DescribeProducersRequest
        ELECT_LEADERS ElectLeadersRequest ALTER_PARTITION_REASSIGNMENTS AlterPartitionReassignmentsRequest
        LIST_PARTITION_REASSIGNMENTS ListPartitionReassignmentsRequest
        LIST_CONFIG_RESOURCES ListConfigResourcesRequest
        OFFSET_COMMIT OffsetCommitRequest
        OFFSET_FETCH OffsetFetchRequest JOIN_GROUP JoinGroupRequest HEARTBEAT HeartbeatRequest
        LEAVE_GROUP LeaveGroupRequest SYNC_GROUP SyncGroupRequest DESCRIBE_GROUPS DescribeGroupsRequest
        LIST_GROUPS ListGroupsRequest DELETE_GROUPS DeleteGroupsRequest OFFSET_DELETE OffsetDeleteRequest
        CONSUMER_GROUP_HEARTBEAT ConsumerGroupHeartbeatRequest CONSUMER_GROUP_DESCRIBE ConsumerGroupDescribeRequest
    };
    decoded.then(|| body.len() - rest.len())
}

#[test]
fn every_api_has_a_schema() {
    for range in versions::api_versions() {
        assert!(tables::request_schema(range.key).is_some(), "{}", range.key);
    }
    assert_eq!(check(7, 0, &[]), Err(GuardError::NotServed(7, 0)));
    assert_eq!(check(0, 2, &[]), Err(GuardError::NotServed(0, 2)));
}

#[test]
fn tables_equal_the_decoder() {
    let mut rng = TestRng::new(1);
    for (key, version) in served() {
        for _ in 0..300 {
            let bytes = body(&mut rng, key, version, false);
            let found = measure(key, version, &bytes).unwrap_or_else(|e| panic!("{key} v{version}: {e}"));
            assert_eq!(found.consumed_bytes, bytes.len(), "{key} v{version}");
            assert_eq!(
                consumed(key, version, &bytes),
                Some(bytes.len()),
                "{key} v{version}"
            );
            let request = decode_request(&header(key, version), Bytes::from(bytes.clone())).expect("decode");
            assert_eq!(encode(&request, version), bytes, "{key} v{version}: {request:?}");
        }
    }
}

#[test]
fn bytes_after_the_body_are_ignored() {
    let mut rng = TestRng::new(2);
    for (key, version) in served() {
        let bytes = body(&mut rng, key, version, false);
        let mut longer = bytes.clone();
        longer.extend_from_slice(&rng.bytes(20));
        assert_eq!(
            measure(key, version, &longer).map(|f| f.consumed_bytes),
            Ok(bytes.len())
        );
        let header = header(key, version);
        assert_eq!(
            decode_request(&header, longer.into()),
            decode_request(&header, bytes.into())
        );
    }
}

#[test]
fn every_cut_body_is_refused() {
    let mut rng = TestRng::new(3);
    for (key, version) in served() {
        let bytes = body(&mut rng, key, version, false);
        for cut in 0..bytes.len() {
            let refused = check(key, version, &bytes[..cut]);
            assert_eq!(
                refused,
                Err(GuardError::Truncated),
                "{key} v{version} cut at {cut}"
            );
        }
    }
}

#[test]
fn what_is_accepted_decodes_within_the_estimate() {
    let mut rng = TestRng::new(4);
    let (mut accepted, mut decoded) = (0, 0);
    for (key, version) in served() {
        for round in 0..1000 {
            let mut bytes = body(&mut rng, key, version, round % 2 == 0);
            if round % 4 != 0 {
                rng.mutate(&mut bytes);
            }
            let (walked, walk_bytes) = heap::peak_of(|| measure(key, version, &bytes));
            assert_eq!(walk_bytes, 0, "the walk allocated");
            let Ok(found) = walked else { continue };
            accepted += 1;
            let shared = Bytes::from(bytes.clone());
            let (result, peak) = heap::peak_of(|| decode_request(&header(key, version), shared));
            let slack = if result.is_ok() { SLACK_BYTES } else { ERROR_BYTES };
            assert!(
                peak <= found.heap_bytes + slack,
                "{key} v{version}: {peak} > {found:?} {bytes:02x?}"
            );
            if result.is_ok() {
                decoded += 1;
                assert_eq!(
                    consumed(key, version, &bytes),
                    Some(found.consumed_bytes),
                    "{key} v{version}"
                );
            } else {
                assert!(matches!(result, Err(DecodeError::Malformed(_))));
            }
        }
    }
    assert!(
        accepted > 10_000 && decoded > 8_000,
        "accepted {accepted}, decoded {decoded}"
    );
}

#[test]
fn random_bytes_are_walked_without_allocation() {
    let mut rng = TestRng::new(5);
    for (key, version) in served() {
        for _ in 0..300 {
            let n = rng.below(64);
            let mut bytes = rng.bytes(n);
            if rng.chance(2) {
                rng.mutate(&mut bytes);
            }
            let (_, peak) = heap::peak_of(|| check(key, version, &bytes));
            assert_eq!(peak, 0);
            let (_, peak) = heap::peak_of(|| decode_request(&header(key, version), bytes.into()).is_ok());
            assert!(peak < ERROR_BYTES, "{key} v{version}: {peak}");
        }
    }
}

/// The shortest bodies that made the bare decoder ask for 100 GiB and more.
#[test]
fn absurd_array_lengths_are_refused() {
    assert_eq!(
        check(api_key::METADATA, 1, &[0x7f, 0xff, 0xff, 0xff]),
        Err(GuardError::Truncated)
    );
    let body = [0x13, 0xff, 0xff, 0xff, 0xff, 0x0f];
    assert_eq!(
        check(api_key::FIND_COORDINATOR, 4, &body),
        Err(GuardError::Truncated)
    );
    assert_eq!(
        check(api_key::METADATA, 1, &[0x80, 0, 0, 0]),
        Err(GuardError::Length)
    );
    assert_eq!(check(api_key::METADATA, 9, &[0xff; 6]), Err(GuardError::Length));
}

#[test]
fn elements_are_counted_over_all_arrays() {
    let names = |n: usize| {
        let mut out = BytesMut::new();
        out.put_i32(n as i32);
        (0..n).for_each(|_| out.put_i16(0));
        out.put_u8(1);
        out.freeze()
    };
    let most = names(REQUEST_ELEMENTS_MAX as usize);
    let found = measure(api_key::METADATA, 4, &most).expect("at the limit");
    assert_eq!(found.elements, REQUEST_ELEMENTS_MAX);
    let (request, peak) = heap::peak_of(|| decode_request(&header(api_key::METADATA, 4), most));
    assert!(request.is_ok() && peak <= found.heap_bytes + SLACK_BYTES);
    assert_eq!(
        check(api_key::METADATA, 4, &names(REQUEST_ELEMENTS_MAX as usize + 1)),
        Err(GuardError::Elements)
    );

    // Two topics whose partitions are too many only together.
    let topics = [0, 1].map(|_| {
        m::list_offsets_request::ListOffsetsTopic::default().with_partitions(vec![
            Default::default();
            REQUEST_ELEMENTS_MAX
                as usize
                / 2
        ])
    });
    let mut out = BytesMut::new();
    m::ListOffsetsRequest::default()
        .with_topics(topics.to_vec())
        .encode(&mut out, 1)
        .expect("encode");
    assert_eq!(check(api_key::LIST_OFFSETS, 1, &out), Err(GuardError::Elements));
}

#[test]
fn unknown_tags_are_counted_over_all_structs() {
    let tagged = |topics: usize| {
        let topic = m::metadata_request::MetadataRequestTopic::default()
            .with_name(Some(StrBytes::from_static_str("").into()))
            .with_unknown_tagged_field(7, Bytes::new());
        let request = m::MetadataRequest::default().with_topics(Some(vec![topic; topics]));
        let mut out = BytesMut::new();
        request.encode(&mut out, 9).expect("encode");
        out.freeze()
    };
    let most = tagged(REQUEST_UNKNOWN_TAGS_MAX as usize);
    let found = measure(api_key::METADATA, 9, &most).expect("at the limit");
    let (request, peak) = heap::peak_of(|| decode_request(&header(api_key::METADATA, 9), most));
    assert!(
        request.is_ok() && peak <= found.heap_bytes + SLACK_BYTES,
        "{peak} {found:?}"
    );
    let more = tagged(REQUEST_UNKNOWN_TAGS_MAX as usize + 1);
    assert_eq!(check(api_key::METADATA, 9, &more), Err(GuardError::UnknownTags));
}

/// No schema can reach the heap limit within the element limit today; a larger one would be stopped.
#[test]
fn heap_estimate_of_the_largest_elements_stays_below_its_limit() {
    fn largest(schema: &Schema) -> usize {
        let kinds = schema
            .fields
            .iter()
            .map(|f| f.kind)
            .chain(schema.tagged.iter().map(|t| t.field.kind));
        kinds
            .map(|kind| match kind {
                Kind::Array(element) => element.decoded_bytes().max(match element {
                    Kind::Struct(inner) => largest(inner),
                    _ => 0,
                }),
                _ => 0,
            })
            .max()
            .unwrap_or(0)
    }
    for range in versions::api_versions() {
        let schema = tables::request_schema(range.key).expect("schema");
        let worst =
            largest(schema) as u64 * REQUEST_ELEMENTS_MAX + REQUEST_UNKNOWN_TAGS_MAX * UNKNOWN_TAG_HEAP_BYTES;
        assert!(worst < REQUEST_HEAP_BYTES_MAX, "{}: {worst}", range.key);
    }
}
