//! What must not happen when something is slow, away or full: an agent that its own metastore talks to is
//! not fenced, nobody waits for ever, and nothing becomes visible behind a closed epoch gate.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a failure here is a failed test"
)]

mod support;

use std::time::Duration;

use bytes::Bytes;
use esker_broker::budget::MEMORY_BYTES_MIN;
use esker_broker::{BrokerConfig, StopReason};
use esker_metastore::{AgentProfile, Registration};
use esker_model::IncarnationId;
use esker_protocol::ErrorCode;
use esker_protocol::messages::ProduceRequest;
use esker_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use esker_protocol::records::BatchBuilder;
use esker_storage::cluster_file::CLUSTER_FILE;
use support::faults::{Fault, Slow};
use support::{World, batch, plain_batch, produce_request, topic_name};

/// A catalog that takes its time is no reason to be silent: peers would fence an agent that lives.
#[tokio::test(start_paused = true)]
async fn a_slow_catalog_does_not_delay_heartbeats() {
    let world = World::new();
    let (agent, other) = (world.agent("a").await, world.agent("b").await);
    agent.faults.slow(Slow {
        catalog: Duration::from_secs(20),
        ..Slow::default()
    });
    other.connect().create_topic("t", 1).await;
    tokio::time::sleep(Duration::from_secs(12)).await;
    assert_eq!(agent.broker.membership().stopped(), None);
    assert!(agent.broker.membership().is_current());
    // What changed is learned all the same.
    tokio::time::sleep(Duration::from_secs(12)).await;
    agent.faults.slow(Slow::default());
    assert_eq!(
        agent.connect().produce("t", 0, plain_batch(1)).await.base_offset,
        0
    );
}

/// After an outage of the metastore every agent's last heartbeat is old. Whoever comes back first must not
/// fence the others, who are about to.
#[tokio::test(start_paused = true)]
async fn an_outage_of_the_metastore_fences_nobody() {
    let world = World::new();
    let agents = [
        world.agent("a").await,
        world.agent("b").await,
        world.agent("c").await,
    ];
    tokio::time::sleep(Duration::from_secs(20)).await;
    for agent in &agents {
        agent.faults.slow(Slow {
            no_heartbeats: true,
            ..Slow::default()
        });
    }
    tokio::time::sleep(Duration::from_secs(30)).await;
    for agent in &agents {
        assert!(!agent.broker.membership().is_current());
        agent.faults.slow(Slow::default());
        tokio::time::sleep(Duration::from_millis(1500)).await;
    }
    tokio::time::sleep(Duration::from_secs(20)).await;
    for agent in &agents {
        assert_eq!(agent.broker.membership().stopped(), None);
        assert!(agent.broker.membership().is_current());
    }
    // One that stays away is fenced.
    agents[0].faults.slow(Slow {
        no_heartbeats: true,
        ..Slow::default()
    });
    tokio::time::sleep(Duration::from_secs(20)).await;
    agents[0].faults.slow(Slow::default());
    assert_eq!(agents[0].broker.stopped().await, StopReason::Fenced);
    assert_eq!(agents[1].broker.membership().stopped(), None);
}

/// The heads that are read back after a lost reply may tell of later commits: they are read before the
/// gate, so that a restore that began meanwhile keeps them from readers.
#[tokio::test(start_paused = true)]
async fn what_is_read_back_passes_the_epoch_gate() {
    let world = World::new();
    let agent = world.agent("a").await;
    let mut client = agent.connect();
    client.create_topic("t", 1).await;
    agent.faults.slow(Slow {
        heads: Duration::from_secs(15),
        ..Slow::default()
    });
    agent.faults.queue(&[Fault::LostReply]);
    client.send(9, &produce_request("t", 0, plain_batch(1))).await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    world.bucket.delete(CLUSTER_FILE).await.unwrap();
    let answer = client.receive_produced().await;
    assert_eq!(
        (answer.error_code, answer.base_offset),
        (ErrorCode::RequestTimedOut.code(), -1)
    );
}

/// An incarnation ends while a request waits for the catalog: what that request brings is answered.
#[tokio::test(start_paused = true)]
async fn batches_that_arrive_after_the_end_are_refused_at_once() {
    let world = World::new();
    let agent = world.agent("a").await;
    let mut client = agent.connect();
    client.create_topic("t", 1).await;
    agent.faults.slow(Slow {
        catalog: Duration::from_secs(3),
        ..Slow::default()
    });
    let mut request = produce_request("t", 0, plain_batch(1));
    request
        .topic_data
        .extend(produce_request("unknown", 0, plain_batch(1)).topic_data);
    client.send(9, &request).await;
    let registration = Registration {
        node_name: "a".into(),
        incarnation: IncarnationId(world.seams.rng.uuid()),
        epoch: agent.broker.membership().epoch(),
        profile: AgentProfile::default(),
    };
    world.metastore.register(&registration).await.unwrap();
    assert_eq!(agent.broker.stopped().await, StopReason::Fenced);
    let asked = world.seams.clock.now();
    let answer = client.receive_produced().await;
    assert_eq!(
        (answer.error_code, answer.base_offset),
        (ErrorCode::NotLeaderOrFollower.code(), -1)
    );
    assert!(world.seams.clock.now() - asked < Duration::from_secs(5));
    // Nothing is left that a drain would wait for.
    tokio::time::timeout(Duration::from_secs(1), agent.broker.drain())
        .await
        .unwrap();
}

/// However many topics of a request are not known, the metastore is asked once.
#[tokio::test(start_paused = true)]
async fn unknown_topics_of_one_request_are_looked_for_together() {
    let world = World::new();
    let agent = world.agent("a").await;
    agent.faults.slow(Slow {
        catalog: Duration::from_millis(100),
        ..Slow::default()
    });
    let topics = (0..100).flat_map(|n| produce_request(&format!("no{n}"), 0, plain_batch(1)).topic_data);
    let request = ProduceRequest::default()
        .with_acks(-1)
        .with_timeout_ms(30_000)
        .with_topic_data(topics.collect());
    let asked = world.seams.clock.now();
    let answer = agent.connect().call(9, &request).await;
    let unknown = ErrorCode::UnknownTopicOrPartition.code();
    assert!(
        answer
            .responses
            .iter()
            .all(|topic| topic.partition_responses[0].error_code == unknown)
    );
    assert!(world.seams.clock.now() - asked < Duration::from_secs(1));
}

/// With acks=1 a request's timeout says nothing; with acks=all it is how long the client wants to wait.
#[tokio::test(start_paused = true)]
async fn the_timeout_of_a_request_is_for_acks_all() {
    let world = World::new();
    let agent = world.agent("a").await;
    let mut client = agent.connect();
    client.create_topic("t", 1).await;
    let id = client.producer_id().await;
    for timeout_ms in [-1, 0, 1] {
        agent.faults.queue(&[Fault::Unavailable; 3]);
        let request = produce_request("t", 0, batch(id, 0, 0, 1)).with_timeout_ms(timeout_ms);
        let answer = support::only_partition(client.call(9, &request).await);
        assert_eq!(
            (answer.error_code, answer.base_offset),
            (ErrorCode::RequestTimedOut.code(), -1)
        );
        tokio::time::sleep(Duration::from_secs(5)).await;
        agent.faults.queue(&[Fault::Unavailable; 3]);
        let answer = support::only_partition(client.call(9, &request.with_acks(1)).await);
        assert_eq!((answer.error_code, answer.base_offset), (0, 0));
    }
}

/// A batch of one record that cannot be compressed by being short.
fn large_batch(bytes: usize) -> Bytes {
    let value = vec![7; bytes];
    BatchBuilder::new()
        .record(1_000, None, Some(&value), &[])
        .build()
        .unwrap()
}

fn large_request(partitions: i32, bytes: usize) -> ProduceRequest {
    let data = (0..partitions).map(|index| {
        PartitionProduceData::default()
            .with_index(index)
            .with_records(Some(large_batch(bytes)))
    });
    let topic = TopicProduceData::default()
        .with_name(topic_name("t"))
        .with_partition_data(data.collect());
    ProduceRequest::default()
        .with_acks(-1)
        .with_timeout_ms(30_000)
        .with_topic_data(vec![topic])
}

/// Recent segments hold half of the producers' memory, and the next request needs more than the other
/// half. When it began to wait they were no segments yet, and there was nothing to give up.
#[tokio::test]
async fn recent_segments_yield_to_a_request_that_waits_already() {
    let world = World::new();
    let agent = world
        .agent_with("a", |config| BrokerConfig {
            memory_bytes: MEMORY_BYTES_MIN,
            ..config
        })
        .await;
    let mut client = agent.connect();
    client.create_topic("t", 22).await;
    agent.faults.slow(Slow {
        commits: Duration::from_secs(1),
        ..Slow::default()
    });
    // As many segments as may wait for their commit.
    for _ in 0..80 {
        client.send(9, &large_request(1, 100)).await;
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    // So these stay in the hot segment while the last request begins to wait for memory.
    for _ in 0..14 {
        client.send(9, &large_request(1, 1_000_000)).await;
    }
    let last = large_request(22, 1_000_000);
    let sending = async {
        let mut client = agent.connect();
        client.send(9, &last).await;
        let (_, answer) = client.receive::<ProduceRequest>(9).await;
        let mut partitions = answer
            .responses
            .iter()
            .flat_map(|topic| &topic.partition_responses);
        assert!(partitions.all(|partition| partition.error_code == 0));
    };
    tokio::time::timeout(Duration::from_secs(15), sending)
        .await
        .unwrap();
}
