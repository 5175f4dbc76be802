//! DescribeProducers 0.

use std::sync::Arc;

use bytes::Bytes;
use esker_broker::authorizer::Operation;
use esker_protocol::messages::DescribeProducersRequest;
use esker_protocol::messages::describe_producers_request::TopicRequest;
use esker_protocol::messages::describe_producers_response::ProducerState;
use esker_protocol::records::BatchBuilder;

use crate::world::{Client, Deny, World, config, name_of};

/// Of each partition that was asked for: topic, index, error and producers.
type Described = Vec<(String, i32, i16, Vec<ProducerState>)>;

async fn describe(client: &mut Client, topics: &[(&str, &[i32])]) -> Described {
    let topics = topics.iter().map(|(name, indexes)| {
        TopicRequest::default()
            .with_name(name_of(name))
            .with_partition_indexes(indexes.to_vec())
    });
    let request = DescribeProducersRequest::default().with_topics(topics.collect());
    let response = client.call(0, &request).await;
    let mut described = Vec::new();
    for topic in response.topics {
        for one in topic.partitions {
            let name = topic.name.to_string();
            described.push((name, one.partition_index, one.error_code, one.active_producers));
        }
    }
    described
}

/// Two records of a producer, with the timestamps 7 and `last_ms`.
fn batch(producer: i64, epoch: i16, first_sequence: i32, last_ms: i64) -> Bytes {
    BatchBuilder::new()
        .producer(producer, epoch, first_sequence)
        .record(7, None, Some(b"one"), &[])
        .record(last_ms, None, Some(b"two"), &[])
        .build()
        .unwrap()
}

#[tokio::test]
async fn each_partition_tells_of_its_producers() {
    let (_world, _agent, mut client) = World::one().await;
    client.topic("a", 2).await;
    client.topic("b", 1).await;
    for (producer, epoch, first, last_ms) in [(5, 0, 0, 10), (3, 2, 0, 20), (5, 0, 2, 30)] {
        client
            .produce("a", 1, &batch(producer, epoch, first, last_ms))
            .await;
    }
    client.produce("b", 0, &batch(5, 1, 0, 40)).await;
    let state = |producer: i64, epoch: i32, sequence: i32, timestamp: i64| {
        ProducerState::default()
            .with_producer_id(producer.into())
            .with_producer_epoch(epoch)
            .with_last_sequence(sequence)
            .with_last_timestamp(timestamp)
            .with_coordinator_epoch(-1)
            .with_current_txn_start_offset(-1)
    };
    let expected = vec![
        ("b".to_owned(), 0, 0, vec![state(5, 1, 1, 40)]),
        ("a".to_owned(), 1, 0, vec![state(3, 2, 1, 20), state(5, 0, 3, 30)]),
        ("a".to_owned(), 0, 0, vec![]),
    ];
    assert_eq!(
        describe(&mut client, &[("b", &[0]), ("a", &[1, 0])]).await,
        expected
    );
    assert_eq!(describe(&mut client, &[]).await, vec![]);
}

#[tokio::test]
async fn what_is_not_there_is_said_to_be_unknown_and_the_rest_is_told() {
    let (_world, _agent, mut client) = World::one().await;
    client.topic("a", 1).await;
    client.produce("a", 0, &batch(5, 0, 0, 10)).await;
    let described = describe(&mut client, &[("a", &[0, 1, -1]), ("none", &[0]), ("a/b", &[0])]).await;
    let told: Vec<_> = described
        .iter()
        .map(|(name, index, error, producers)| (name.as_str(), *index, *error, producers.len()))
        .collect();
    assert_eq!(
        told,
        [
            ("a", 0, 0, 1),
            ("a", 1, 3, 0),
            ("a", -1, 3, 0),
            ("none", 0, 3, 0),
            ("a/b", 0, 17, 0)
        ]
    );
}

#[tokio::test]
async fn without_the_metastore_nothing_is_told() {
    let (world, _agent, mut client) = World::one().await;
    client.topic("a", 1).await;
    client.produce("a", 0, &batch(5, 0, 0, 10)).await;
    world.metastore.set_down(true);
    let described = describe(&mut client, &[("a", &[0])]).await;
    assert_eq!(described, [("a".to_owned(), 0, 56, vec![])]);
}

#[tokio::test]
async fn who_may_not_read_is_told_nothing() {
    let world = World::new();
    let blind = world
        .try_agent(config("a", None), Arc::new(Deny(Operation::Read)))
        .await
        .unwrap();
    let mut client = blind.connect("test");
    client.topic("a", 1).await;
    let described = describe(&mut client, &[("a", &[0])]).await;
    assert_eq!(described, [("a".to_owned(), 0, 29, vec![])]);
}
