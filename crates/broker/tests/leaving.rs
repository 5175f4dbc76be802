//! An agent that leaves in good order sends its clients away before it closes their connections.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a failure here is a failed test, with a runtime of its own"
)]

mod support;

use std::sync::Arc;
use std::time::{Duration, Instant};

use esker_protocol::ErrorCode;
use esker_protocol::messages::MetadataRequest;
use support::{Client, World, plain_batch};

const MOVED: i16 = ErrorCode::NotLeaderOrFollower as i16;

/// The node ids that lead partitions of `t`, as an agent says.
async fn leaders(client: &mut Client) -> Vec<i32> {
    let answer = client
        .call(9, &MetadataRequest::default().with_topics(None))
        .await;
    let topics = answer.topics.iter().flat_map(|topic| &topic.partitions);
    let mut leaders: Vec<i32> = topics.map(|partition| partition.leader_id.0).collect();
    leaders.sort_unstable();
    leaders.dedup();
    leaders
}

#[tokio::test]
async fn clients_are_sent_to_the_others_before_connections_end() {
    let world = World::new();
    let (leaver, stayer) = (world.agent("a").await, world.agent("b").await);
    let (mut at_leaver, mut at_stayer) = (leaver.connect(), stayer.connect());
    at_leaver.create_topic("t", 16).await;
    let both = async {
        while leaders(&mut at_leaver).await.len() + leaders(&mut at_stayer).await.len() < 4 {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), both).await.unwrap();

    let broker = Arc::clone(&leaver.broker);
    let draining = tokio::spawn(async move { broker.drain().await });
    // It serves on until the others know.
    assert_eq!(at_leaver.produce("t", 0, plain_batch(1)).await.error_code, 0);
    let stayer_id = stayer.broker.membership().node_id().0;
    let began = Instant::now();
    loop {
        let answer = at_leaver.produce("t", 0, plain_batch(1)).await;
        if answer.error_code == MOVED {
            break;
        }
        assert_eq!(answer.error_code, 0);
        assert!(
            began.elapsed() < Duration::from_secs(10),
            "it never sends clients away"
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    // Whoever is asked names the other one: nobody comes back here.
    assert_eq!(leaders(&mut at_leaver).await, [stayer_id]);
    assert_eq!(leaders(&mut at_stayer).await, [stayer_id]);
    assert_eq!(at_leaver.fetch("t", 0, 0).await.error_code, MOVED);
    assert_eq!(at_stayer.fetch("t", 0, 0).await.error_code, 0);
    assert!(!draining.is_finished());
    draining.await.unwrap();
}

#[tokio::test]
async fn the_only_agent_leaves_at_once() {
    let world = World::new();
    let agent = world.agent("a").await;
    let began = Instant::now();
    agent.broker.drain().await;
    assert!(began.elapsed() < Duration::from_secs(1));
}
