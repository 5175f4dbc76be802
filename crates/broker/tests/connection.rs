//! What one connection may do to the others.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a failure here is a failed test"
)]

mod support;

use std::time::Duration;

use esker_broker::BrokerConfig;
use esker_broker::metrics::RequestLabels;
use esker_protocol::StrBytes;
use esker_protocol::messages::describe_configs_request::DescribeConfigsResource;
use esker_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use esker_protocol::messages::metadata_request::MetadataRequestTopic;
use esker_protocol::messages::{
    ApiVersionsRequest, BrokerId, DescribeConfigsRequest, FetchRequest, MetadataRequest,
};
use esker_protocol::records::BatchBuilder;
use support::{Agent, Client, World, plain_batch, topic_name};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const PRODUCE: u8 = 0;
const METADATA: u8 = 3;
/// A request of 100 MiB.
const HUGE: i32 = 100 << 20;

/// The start of a request of `size` bytes, and no more of it.
fn announcement(api: u8, size: i32) -> Vec<u8> {
    let mut start = size.to_be_bytes().to_vec();
    start.extend_from_slice(&[0, api, 0, 8, 0, 0, 0, 1]);
    start
}

/// Connections that announce a request and send so many bytes of its body.
async fn senders(agent: &Agent, count: usize, announcement: &[u8], bytes: usize) -> Vec<Client> {
    let mut senders = Vec::new();
    for _ in 0..count {
        let mut sender = agent.connect();
        sender.stream.write_all(announcement).await.unwrap();
        sender.stream.write_all(&vec![0; bytes]).await.unwrap();
        senders.push(sender);
    }
    tokio::time::sleep(Duration::from_millis(50)).await;
    senders
}

/// An agent with the smallest memory budget that there is.
async fn smallest_agent(world: &World) -> Agent {
    let smallest = |config| BrokerConfig {
        memory_bytes: 0,
        ..config
    };
    world.agent_with("a", smallest).await
}

/// A Fetch that names the first partition of `t` so many times, from its beginning.
fn fetch(times: usize, bytes_max: i32, max_wait_ms: i32) -> FetchRequest {
    let part = FetchPartition::default().with_partition_max_bytes(1 << 20);
    let topic = FetchTopic::default()
        .with_topic(topic_name("t"))
        .with_partitions(vec![part; times]);
    FetchRequest::default()
        .with_replica_id(BrokerId(-1))
        .with_max_wait_ms(max_wait_ms)
        .with_min_bytes(1)
        .with_max_bytes(bytes_max)
        .with_session_epoch(-1)
        .with_topics(vec![topic])
}

/// Many senders that announce large requests and send nothing of them hold no memory that others need.
#[tokio::test]
async fn announcements_do_not_hold_up_producers() {
    let world = World::new();
    let agent = world.agent("a").await;
    let mut client = agent.connect();
    client.create_topic("t", 1).await;
    let _stalled = senders(&agent, 50, &announcement(PRODUCE, HUGE), 0).await;
    let answer = tokio::time::timeout(Duration::from_secs(2), client.produce("t", 0, plain_batch(1))).await;
    assert_eq!(answer.unwrap().base_offset, 0);
}

/// A sender that stops inside a request is disconnected.
#[tokio::test(start_paused = true)]
async fn a_sender_that_stops_is_disconnected() {
    let world = World::new();
    let agent = world.agent("a").await;
    let mut client = agent.connect();
    let huge = announcement(PRODUCE, HUGE);
    client.stream.write_all(&huge).await.unwrap();
    client.stream.write_all(&[0; 100_000]).await.unwrap();
    let closed = tokio::time::timeout(Duration::from_secs(10), client.stream.read_u8()).await;
    assert!(closed.unwrap().is_err());
}

/// A connection that never says anything is closed, one that spoke once may rest.
#[tokio::test(start_paused = true)]
async fn a_connection_without_a_first_request_is_closed() {
    let world = World::new();
    let agent = world.agent("a").await;
    let mut silent = agent.connect();
    let mut rested = agent.connect();
    rested.call(3, &ApiVersionsRequest::default()).await;
    let closed = tokio::time::timeout(Duration::from_secs(40), silent.stream.read_u8()).await;
    assert!(closed.unwrap().is_err());
    tokio::time::sleep(Duration::from_secs(300)).await;
    rested.call(3, &ApiVersionsRequest::default()).await;
}

/// Whoever fills the memory for requests holds up nobody who asks for little, and is disconnected when
/// somebody needs it.
#[tokio::test(start_paused = true)]
async fn slow_senders_give_way() {
    let world = World::new();
    let agent = smallest_agent(&world).await;
    let mut client = agent.connect();
    client.create_topic("t", 1).await;
    let _slow = senders(&agent, 40, &announcement(METADATA, 100_000), 70_000).await;
    let control = agent.broker.memory()[0];
    assert!(control.used > control.max / 2, "{control:?}");
    // Small requests need none of it.
    let small = ApiVersionsRequest::default();
    let answer = tokio::time::timeout(Duration::from_millis(100), client.call(3, &small)).await;
    answer.unwrap();
    // A large one gets it in time.
    let names =
        (0..3000).map(|at| MetadataRequestTopic::default().with_name(Some(topic_name(&format!("no-{at}")))));
    let large = MetadataRequest::default().with_topics(Some(names.collect()));
    let answer = tokio::time::timeout(Duration::from_secs(8), client.call(8, &large)).await;
    assert_eq!(answer.unwrap().topics.len(), 3000);
}

/// A reader that takes nothing is disconnected when somebody needs the memory of its answers.
#[tokio::test(start_paused = true)]
async fn slow_readers_give_way() {
    let world = World::new();
    let agent = smallest_agent(&world).await;
    let mut client = agent.connect();
    let names: Vec<_> = (0..4000)
        .map(|at| MetadataRequestTopic::default().with_name(Some(topic_name(&format!("{at:0>200}")))))
        .collect();
    let large = MetadataRequest::default()
        .with_topics(Some(names))
        .with_allow_auto_topic_creation(false);
    let mut slow = Vec::new();
    for _ in 0..14 {
        let mut other = agent.connect();
        for _ in 0..2 {
            other.send(8, &large).await;
        }
        slow.push(other);
    }
    let answer = tokio::time::timeout(Duration::from_secs(60), client.call(8, &large)).await;
    assert_eq!(answer.unwrap().topics.len(), 4000);
    let fetch = agent.broker.memory()[3];
    assert!(fetch.used <= fetch.max, "{fetch:?}");
}

/// A resource that is named again is not described again.
#[tokio::test]
async fn configs_are_described_once() {
    let world = World::new();
    let agent = world.agent("a").await;
    let mut client = agent.connect();
    let me = agent.broker.membership().node_id().0.to_string();
    let resource = DescribeConfigsResource::default()
        .with_resource_type(4)
        .with_resource_name(StrBytes::from_string(me))
        .with_configuration_keys(None);
    let request = DescribeConfigsRequest::default().with_resources(vec![resource; 5000]);
    let response = client.call(4, &request).await;
    assert_eq!(response.results.len(), 1);
}

/// Small batches go on while senders of large ones hold all the memory for records.
#[tokio::test(start_paused = true)]
async fn small_batches_do_not_wait_for_large_ones() {
    let world = World::new();
    let agent = smallest_agent(&world).await;
    let mut client = agent.connect();
    client.create_topic("t", 1).await;
    let _large = senders(&agent, 40, &announcement(PRODUCE, 2 << 20), 70_000).await;
    for expected in 0..5 {
        let answer =
            tokio::time::timeout(Duration::from_secs(1), client.produce("t", 0, plain_batch(1))).await;
        assert_eq!(answer.unwrap().base_offset, expected);
    }
}

/// Answers that share the memory of one segment do not pile up on a connection whose client takes none.
#[tokio::test(start_paused = true)]
async fn shared_answers_do_not_pile_up() {
    let world = World::new();
    let agent = world.agent("a").await;
    let mut client = agent.connect();
    client.create_topic("t", 1).await;
    let batch = BatchBuilder::new().record(0, None, Some(&vec![0; 900_000]), &[]);
    client.produce("t", 0, batch.build().unwrap()).await;
    let request = fetch(1, 1 << 20, 0);
    for _ in 0..200 {
        client.send(12, &request).await;
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    let metrics = agent.metrics.clone();
    let answered = move || {
        let labels = RequestLabels {
            api: "Fetch",
            error: "NONE",
        };
        metrics.requests.get_or_create(&labels).get()
    };
    assert!((1..50).contains(&answered()), "{}", answered());
    for _ in 0..200 {
        client.receive::<FetchRequest>(12).await;
    }
    assert_eq!(answered(), 200);
}

/// Large requests that wait for records give way to others that need the memory they hold.
#[tokio::test(start_paused = true)]
async fn waiting_for_records_does_not_hold_up_large_requests() {
    let world = World::new();
    let agent = smallest_agent(&world).await;
    let mut client = agent.connect();
    client.create_topic("t", 1).await;
    let mut waiting = Vec::new();
    for _ in 0..6 {
        let mut other = agent.connect();
        other.send(12, &fetch(3_000, 50 << 20, 60_000)).await;
        waiting.push(other);
    }
    tokio::time::sleep(Duration::from_millis(50)).await;
    let names =
        (0..1_000).map(|at| MetadataRequestTopic::default().with_name(Some(topic_name(&format!("x{at}")))));
    let large = MetadataRequest::default()
        .with_topics(Some(names.collect()))
        .with_allow_auto_topic_creation(false);
    let answer = tokio::time::timeout(Duration::from_secs(2), client.call(8, &large)).await;
    assert_eq!(answer.unwrap().topics.len(), 1_000);
    let answer = tokio::time::timeout(Duration::from_secs(2), waiting[0].receive::<FetchRequest>(12)).await;
    assert_eq!(answer.unwrap().1.error_code, 0);
}

/// What a large answer has beside its records stays charged until it is written.
#[tokio::test(start_paused = true)]
async fn large_answers_are_charged_until_they_are_written() {
    let world = World::new();
    let agent = smallest_agent(&world).await;
    let mut client = agent.connect();
    client.create_topic("t", 1).await;
    client.produce("t", 0, plain_batch(1)).await;
    let decoded = || agent.broker.memory()[1].used;
    client.send(12, &fetch(12_000, 50 << 20, 0)).await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert!(decoded() > 1 << 20, "{}", decoded());
    client.receive::<FetchRequest>(12).await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(decoded(), 0);
}
