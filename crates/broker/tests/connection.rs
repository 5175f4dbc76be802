//! What one connection may do to the others.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a failure here is a failed test"
)]

mod support;

use std::time::Duration;

use support::{World, plain_batch};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// The start of a produce request of 100 MiB, and no more of it.
fn announcement() -> Vec<u8> {
    let mut start = (100 * 1024 * 1024_i32).to_be_bytes().to_vec();
    start.extend_from_slice(&[0, 0, 0, 8, 0, 0, 0, 1]);
    start
}

/// Many senders that announce large requests and send nothing of them hold no memory that others need.
#[tokio::test]
async fn announcements_do_not_hold_up_producers() {
    let world = World::new();
    let agent = world.agent("a").await;
    let mut client = agent.connect();
    client.create_topic("t", 1).await;
    let mut stalled = Vec::new();
    for _ in 0..50 {
        let mut other = agent.connect();
        other.stream.write_all(&announcement()).await.unwrap();
        stalled.push(other);
    }
    tokio::time::sleep(Duration::from_millis(50)).await;
    let answer = tokio::time::timeout(Duration::from_secs(2), client.produce("t", 0, plain_batch(1))).await;
    assert_eq!(answer.unwrap().base_offset, 0);
}

/// A sender that stops inside a request is disconnected.
#[tokio::test(start_paused = true)]
async fn a_sender_that_stops_is_disconnected() {
    let world = World::new();
    let agent = world.agent("a").await;
    let mut client = agent.connect();
    client.stream.write_all(&announcement()).await.unwrap();
    client.stream.write_all(&[0; 100_000]).await.unwrap();
    let closed = tokio::time::timeout(Duration::from_secs(10), client.stream.read_u8()).await;
    assert!(closed.unwrap().is_err());
}
