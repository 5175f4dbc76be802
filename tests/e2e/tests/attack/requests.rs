//! Well-formed requests that ask for as much as a few bytes can ask for.

use std::io::Write;
use std::net::SocketAddr;
use std::time::Duration;

use ::bytes::Bytes;
use esker_protocol::StrBytes;
use esker_protocol::messages::create_topics_request::CreatableTopic;
use esker_protocol::messages::describe_configs_request::DescribeConfigsResource;
use esker_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use esker_protocol::messages::metadata_request::MetadataRequestTopic;
use esker_protocol::messages::produce_request::PartitionProduceData;
use esker_protocol::messages::{
    BrokerId, CreateTopicsRequest, DescribeConfigsRequest, FetchRequest, MetadataRequest, TopicName,
};

use crate::bystander::{create_topic, fetch_request, fill};
use crate::frames;
use crate::stand::{Others, Stand};
use esker_e2e::wire::{Wire, encode};

fn name(text: &str) -> TopicName {
    TopicName(StrBytes::from_string(text.to_owned()))
}

/// Many topics, partitions or resources in one request each, as whole frames.
fn large(topics: usize, elements: usize) -> Vec<(&'static str, Bytes)> {
    let names = || (0..topics).map(|at| format!("none-{at}"));
    let asked = names().map(|text| MetadataRequestTopic::default().with_name(Some(name(&text))));
    let metadata = MetadataRequest::default()
        .with_topics(Some(asked.collect()))
        .with_allow_auto_topic_creation(false);
    let empty = MetadataRequestTopic::default().with_name(Some(name("")));
    let nameless = MetadataRequest::default().with_topics(Some(vec![empty; elements]));
    let new = names().map(|text| {
        CreatableTopic::default()
            .with_name(name(&text))
            .with_num_partitions(1)
            .with_replication_factor(1)
    });
    let create = CreateTopicsRequest::default()
        .with_topics(new.collect())
        .with_validate_only(true)
        .with_timeout_ms(10_000);
    let resource = DescribeConfigsResource::default()
        .with_resource_type(4)
        .with_resource_name(StrBytes::from_static_str("1"))
        .with_configuration_keys(None);
    let configs = DescribeConfigsRequest::default()
        .with_include_documentation(true)
        .with_resources(vec![resource; elements / 2]);
    let fetched = names().map(|text| {
        FetchTopic::default()
            .with_topic(name(&text))
            .with_partitions(vec![FetchPartition::default()])
    });
    let fetch = FetchRequest::default()
        .with_replica_id(BrokerId(-1))
        .with_session_epoch(-1)
        .with_max_bytes(i32::MAX)
        .with_topics(fetched.collect());
    let mut partitions = vec![PartitionProduceData::default().with_records(None); elements / 2];
    partitions.push(PartitionProduceData::default().with_records(Some(frames::batch(b"v", 10))));
    vec![
        ("Metadata", encode(1, 8, &metadata)),
        ("Metadata without names", encode(1, 8, &nameless)),
        ("CreateTopics", encode(1, 7, &create)),
        ("DescribeConfigs", encode(1, 4, &configs)),
        ("Fetch", encode(1, 12, &fetch)),
        ("Produce", encode(1, 9, &frames::produce_to("t", partitions))),
    ]
}

/// Sends each of them on many connections at once, a few in flight on each; those too large for the budget are
/// met with a closed connection.
fn flood(at: SocketAddr, requests: &[(&str, Bytes)], connections: usize, each: usize) {
    for (what, frame) in requests {
        let answered = std::sync::atomic::AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for _ in 0..connections {
                scope.spawn(|| {
                    let Ok(mut wire) = Wire::connect(at) else { return };
                    wire.stream
                        .set_read_timeout(Some(Duration::from_secs(30)))
                        .unwrap();
                    for _ in 0..each {
                        if wire.stream.write_all(frame).is_err() {
                            return;
                        }
                    }
                    for _ in 0..each {
                        if wire.read_frame().is_err() {
                            return;
                        }
                        answered.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                    }
                });
            }
        });
        let answered = answered.into_inner();
        println!(
            "{what} of {} bytes: {answered} of {} answered",
            frame.len(),
            connections * each
        );
    }
}

#[test]
fn a_thousand_topics_and_many_elements_in_one_request() {
    Stand::new("attack-large", &[]).suffer("large requests", Others::Unaffected, |stand| {
        create_topic(stand.at, "t", 1);
        flood(stand.at, &large(1_000, 10_000), 8, 2);
        flood(stand.at, &large(1_000, 90_000), 8, 1);
    });
}

#[test]
#[ignore = "the long form"]
fn large_requests_on_many_connections() {
    let Some(stand) = Stand::on_network("attack-large-long", &[]) else {
        return;
    };
    stand.suffer("large requests", Others::Unaffected, |stand| {
        create_topic(stand.at, "t", 1);
        flood(stand.at, &large(1_000, 10_000), 100, 5);
        flood(stand.at, &large(1_000, 90_000), 100, 2);
    });
}

/// Asks for everything, again and again, with max_bytes at its limit, and takes its time.
fn greedy(stand: Stand, turns: usize) {
    fill(stand.at, "much", 40);
    stand.suffer("greedy reader", Others::Unaffected, |stand| {
        ask_for_everything(stand, turns)
    });
}

fn ask_for_everything(stand: &Stand, turns: usize) {
    let mut readers: Vec<Wire> = (0..40).map(|_| Wire::connect(stand.at).unwrap()).collect();
    for _ in 0..turns {
        for reader in &mut readers {
            for _ in 0..3 {
                let _ = reader.send(12, &fetch_request("much", 0, 0, i32::MAX));
            }
        }
        std::thread::sleep(Duration::from_millis(1500));
        for reader in &mut readers {
            let _ = reader.read_frame();
        }
    }
}

#[test]
fn one_client_asks_for_everything() {
    greedy(Stand::new("attack-greedy", &[]), 3);
}

#[test]
#[ignore = "the long form"]
fn one_client_asks_for_everything_for_long() {
    let Some(stand) = Stand::on_network("attack-greedy-long", &[]) else {
        return;
    };
    greedy(stand, 20);
}
