use super::*;
use crate::messages::fetch_response as crate_parts;
use crate::messages::{BrokerId, FetchResponse, TopicName};
use crate::response::encode_response;
use crate::test_rng::TestRng;

fn number(rng: &mut TestRng) -> i64 {
    if rng.chance(3) { -1 } else { rng.next() as i64 }
}

fn random_parts(rng: &mut TestRng, version: i16) -> FetchResponseParts {
    let topics = (0..rng.below(4)).map(|_| FetchTopicParts {
        name: StrBytes::from_string(rng.text(200)),
        topic_id: Uuid::from_u128(u128::from(rng.next()) << 64 | 1),
        partitions: (0..rng.below(4))
            .map(|_| random_partition(rng, version))
            .collect(),
    });
    let topics = topics.collect();
    FetchResponseParts {
        throttle_time_ms: rng.next() as i32,
        error_code: ErrorCode::ALL[rng.below(ErrorCode::ALL.len())],
        session_id: rng.next() as i32,
        topics,
        node_endpoints: (0..rng.below(20))
            .map(|_| NodeEndpointParts {
                node_id: rng.next() as i32,
                host: StrBytes::from_string(rng.text(30)),
                port: rng.below(65536) as i32,
                rack: rng.chance(2).then(|| StrBytes::from_string(rng.text(9))),
            })
            .collect(),
    }
}

fn random_partition(rng: &mut TestRng, version: i16) -> FetchPartitionParts {
    let hint = version >= LEADER_HINT && rng.chance(2);
    FetchPartitionParts {
        index: rng.next() as i32,
        error: ErrorCode::ALL[rng.below(ErrorCode::ALL.len())],
        high_watermark: number(rng),
        last_stable_offset: number(rng),
        log_start_offset: number(rng),
        aborted: rng
            .chance(2)
            .then(|| (0..rng.below(200)).map(|_| (number(rng), number(rng))).collect()),
        preferred_read_replica: if rng.chance(2) { -1 } else { 3 },
        current_leader: hint.then(|| LeaderHint {
            leader_id: rng.below(9) as i32,
            leader_epoch: rng.next() as i32,
        }),
        records: (0..rng.below(5))
            .map(|_| {
                let n = rng.below(300);
                Bytes::from(rng.bytes(n))
            })
            .collect(),
    }
}

/// The same response as the message crate holds it, with only the fields that the version has.
fn as_message(parts: &FetchResponseParts, version: i16) -> FetchResponse {
    let since = |from: i16, value: i32, default: i32| if version >= from { value } else { default };
    let partition = |p: &FetchPartitionParts| {
        let aborted = p.aborted.as_ref().map(|list| {
            list.iter()
                .map(|(id, first)| {
                    crate_parts::AbortedTransaction::default()
                        .with_producer_id((*id).into())
                        .with_first_offset(*first)
                })
                .collect()
        });
        let leader = p
            .current_leader
            .map_or_else(crate_parts::LeaderIdAndEpoch::default, |hint| {
                crate_parts::LeaderIdAndEpoch::default()
                    .with_leader_id(BrokerId(hint.leader_id))
                    .with_leader_epoch(hint.leader_epoch)
            });
        crate_parts::PartitionData::default()
            .with_partition_index(p.index)
            .with_error_code(p.error.code())
            .with_high_watermark(p.high_watermark)
            .with_last_stable_offset(p.last_stable_offset)
            .with_log_start_offset(p.log_start_offset)
            .with_aborted_transactions(aborted)
            .with_preferred_read_replica(BrokerId(since(11, p.preferred_read_replica, -1)))
            .with_current_leader(leader)
            .with_records(Some(p.records.concat().into()))
    };
    let topic = |t: &FetchTopicParts| {
        crate_parts::FetchableTopicResponse::default()
            .with_topic(TopicName(t.name.clone()))
            .with_topic_id(t.topic_id)
            .with_partitions(t.partitions.iter().map(partition).collect())
    };
    let endpoint = |e: &NodeEndpointParts| {
        crate_parts::NodeEndpoint::default()
            .with_node_id(BrokerId(e.node_id))
            .with_host(e.host.clone())
            .with_port(e.port)
            .with_rack(e.rack.clone())
    };
    let endpoints: &[NodeEndpointParts] = if version >= 16 { &parts.node_endpoints } else { &[] };
    FetchResponse::default()
        .with_throttle_time_ms(parts.throttle_time_ms)
        .with_error_code(parts.error_code.code())
        .with_session_id(since(7, parts.session_id, 0))
        .with_responses(parts.topics.iter().map(topic).collect())
        .with_node_endpoints(endpoints.iter().map(endpoint).collect())
}

fn header(api_version: i16) -> RequestHeader {
    RequestHeader {
        api_key: api_key::FETCH,
        api_version,
        correlation_id: 0x0102_0304,
        client_id: None,
    }
}

#[test]
fn bytes_equal_the_encoder_of_the_message_crate() {
    let mut rng = TestRng::new(11);
    for version in 4..=18 {
        for _ in 0..100 {
            let parts = random_parts(&mut rng, version);
            let slices = parts.encode(&header(version)).expect("encode");
            assert!(slices.iter().all(|slice| !slice.is_empty()));
            let expected = encode_response(&header(version), &as_message(&parts, version)).expect("encode");
            assert_eq!(slices.concat(), &expected[..], "v{version} {parts:?}");
        }
    }
}

#[test]
fn records_are_not_copied() {
    let records = Bytes::from(vec![7; 1 << 20]);
    let mut parts = FetchResponseParts::empty(ErrorCode::None);
    let mut partition = FetchPartitionParts::error(0, ErrorCode::None);
    partition.records = vec![records.slice(..16), records.slice(16..), Bytes::new()];
    let partitions = vec![
        partition.clone(),
        FetchPartitionParts::error(1, ErrorCode::NotLeaderOrFollower),
        partition,
    ];
    parts.topics.push(FetchTopicParts {
        name: StrBytes::from_static_str("t"),
        topic_id: Uuid::nil(),
        partitions,
    });
    for version in 4..=18 {
        let (slices, peak) =
            crate::guard::tests::heap::peak_of(|| parts.encode(&header(version)).expect("encode"));
        assert!(peak < 4096, "v{version} allocated {peak}");
        let shared = slices
            .iter()
            .filter(|slice| records.as_ptr_range().contains(&slice.as_ptr()))
            .count();
        assert_eq!(shared, 4);
    }
}

#[test]
fn a_response_beyond_the_size_prefix_is_an_error() {
    let big = Bytes::from(vec![0; 64 << 20]);
    let mut parts = FetchResponseParts::empty(ErrorCode::None);
    let mut partition = FetchPartitionParts::error(0, ErrorCode::None);
    partition.records = vec![big; 33];
    let topic = FetchTopicParts {
        name: StrBytes::default(),
        topic_id: Uuid::nil(),
        partitions: vec![partition],
    };
    parts.topics.push(topic);
    assert!(matches!(parts.encode(&header(12)), Err(EncodeError::TooLarge(_))));
    assert!(matches!(
        FetchResponseParts::empty(ErrorCode::None).encode(&RequestHeader {
            api_key: 3,
            ..header(12)
        }),
        Err(EncodeError::WrongApi { .. })
    ));
}
