//! DeleteRecords, as a client sees it.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a failure here is a failed test"
)]

mod support;

use esker_protocol::StrBytes;
use esker_protocol::messages::create_topics_request::{CreatableTopic, CreatableTopicConfig};
use esker_protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use esker_protocol::messages::{BrokerId, CreateTopicsRequest, ListOffsetsRequest};
use support::{Client, World, plain_batch, topic_name};

/// What ListOffsets says of the beginning.
async fn earliest(client: &mut Client, topic: &str) -> i64 {
    let partition = ListOffsetsPartition::default().with_timestamp(-2);
    let topic = ListOffsetsTopic::default()
        .with_name(topic_name(topic))
        .with_partitions(vec![partition]);
    let request = ListOffsetsRequest::default()
        .with_replica_id(BrokerId(-1))
        .with_topics(vec![topic]);
    client.call(6, &request).await.topics[0].partitions[0].offset
}

/// Error code and log start of a Fetch.
async fn fetch(client: &mut Client, topic: &str, from: i64) -> (i16, i64) {
    let answer = client.fetch(topic, 0, from).await;
    (answer.error_code, answer.log_start_offset)
}

#[tokio::test(start_paused = true)]
async fn records_below_an_offset_are_gone_at_once() {
    let world = World::new();
    let agent = world.agent("a").await;
    let mut client = agent.connect();
    client.create_topic("t", 1).await;
    for _ in 0..10 {
        client.produce("t", 0, plain_batch(1)).await;
    }
    assert_eq!(client.delete_records("t", &[(0, 4)]).await, [(0, 4)]);
    assert_eq!(earliest(&mut client, "t").await, 4);
    assert_eq!(fetch(&mut client, "t", 3).await.0, 1);
    assert_eq!(fetch(&mut client, "t", 4).await, (0, 4));
    // Never back.
    assert_eq!(client.delete_records("t", &[(0, 2)]).await, [(0, 4)]);
    // Beyond the end, or nowhere.
    assert_eq!(client.delete_records("t", &[(0, 11)]).await, [(1, -1)]);
    assert_eq!(client.delete_records("t", &[(0, -2)]).await, [(1, -1)]);
    assert_eq!(client.delete_records("t", &[(1, 1)]).await, [(3, -1)]);
    assert_eq!(client.delete_records("none", &[(0, 1)]).await, [(3, -1)]);
    // Of a partition that comes twice the last offset counts, whichever is larger, and whether or not it is right.
    assert_eq!(client.delete_records("t", &[(0, 5), (0, 6)]).await, [(0, 6)]);
    assert_eq!(client.delete_records("t", &[(0, 8), (0, 7)]).await, [(0, 7)]);
    assert_eq!(client.delete_records("t", &[(0, 8), (0, 11)]).await, [(1, -1)]);
    assert_eq!(client.delete_records("t", &[(0, 11), (0, 8)]).await, [(0, 8)]);
    // All of it; what comes next has the next offset.
    assert_eq!(client.delete_records("t", &[(0, -1)]).await, [(0, 10)]);
    assert_eq!(earliest(&mut client, "t").await, 10);
    assert_eq!(client.produce("t", 0, plain_batch(1)).await.base_offset, 10);
    assert_eq!(fetch(&mut client, "t", 10).await, (0, 10));
    // Another agent, which has to ask, says the same.
    let other = world.agent("b").await;
    let mut client = other.connect();
    assert_eq!(earliest(&mut client, "t").await, 10);
    assert_eq!(fetch(&mut client, "t", 9).await.0, 1);
}

#[tokio::test(start_paused = true)]
async fn a_compacted_topic_keeps_its_beginning() {
    let world = World::new();
    let agent = world.agent("a").await;
    let mut client = agent.connect();
    let text = StrBytes::from_static_str;
    let policy = CreatableTopicConfig::default()
        .with_name(text("cleanup.policy"))
        .with_value(Some(text("compact")));
    let topic = CreatableTopic::default()
        .with_name(topic_name("c"))
        .with_num_partitions(1)
        .with_replication_factor(1)
        .with_configs(vec![policy]);
    let request = CreateTopicsRequest::default().with_topics(vec![topic]);
    assert_eq!(client.call(7, &request).await.topics[0].error_code, 0);
    assert_eq!(client.delete_records("c", &[(0, 0)]).await, [(44, -1)]);
}
