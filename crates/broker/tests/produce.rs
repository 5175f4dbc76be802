//! The write path through real frames: order, idempotence across agents, unknown outcomes, fencing.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a failure here is a failed test"
)]

mod support;

use std::time::Duration;

use esker_broker::StopReason;
use esker_metastore::{AgentProfile, PlanRequest, Registration};
use esker_model::{IncarnationId, PartitionKey, TopicKey};
use esker_protocol::ErrorCode;
use esker_protocol::messages::{DeleteTopicsRequest, ProduceRequest};
use support::faults::Fault;
use support::{World, batch, plain_batch, produce_request, topic_name};

const GAP: i16 = ErrorCode::NotEnoughReplicas as i16;

#[tokio::test]
async fn acknowledges_dense_offsets() {
    let world = World::new();
    let agent = world.agent("a").await;
    let mut client = agent.connect();
    client.create_topic("t", 2).await;
    assert_eq!(client.produce("t", 0, plain_batch(3)).await.base_offset, 0);
    assert_eq!(client.produce("t", 0, plain_batch(2)).await.base_offset, 3);
    assert_eq!(client.produce("t", 1, plain_batch(1)).await.base_offset, 0);
    assert_eq!(client.produce("t", 0, plain_batch(1)).await.base_offset, 5);
}

#[tokio::test]
async fn replies_keep_request_order_and_offsets_keep_send_order() {
    let world = World::new();
    let agent = world.agent("a").await;
    let mut client = agent.connect();
    client.create_topic("t", 1).await;
    let mut sent = Vec::new();
    for _ in 0..50 {
        sent.push(client.send(9, &produce_request("t", 0, plain_batch(2))).await);
    }
    for (index, correlation) in sent.into_iter().enumerate() {
        let (received, response) = client.receive::<ProduceRequest>(9).await;
        assert_eq!(received, correlation);
        assert_eq!(support::only_partition(response).base_offset, 2 * index as i64);
    }
}

#[tokio::test]
async fn a_retry_gets_the_first_offset_on_any_agent() {
    let world = World::new();
    let (first, second) = (world.agent("a").await, world.agent("b").await);
    let (mut a, mut b) = (first.connect(), second.connect());
    a.create_topic("t", 1).await;
    let id = a.producer_id().await;
    assert_eq!(a.produce("t", 0, batch(id, 0, 0, 4)).await.base_offset, 0);
    assert_eq!(a.produce("t", 0, batch(id, 0, 4, 1)).await.base_offset, 4);
    for client in [&mut a, &mut b] {
        let again = client.produce("t", 0, batch(id, 0, 0, 4)).await;
        assert_eq!((again.error_code, again.base_offset), (0, 0));
        let again = client.produce("t", 0, batch(id, 0, 4, 1)).await;
        assert_eq!((again.error_code, again.base_offset), (0, 4));
    }
    assert_eq!(b.produce("t", 0, batch(id, 0, 5, 1)).await.base_offset, 5);
}

/// A pipelined client repeats batches 5 to 9 on another agent after its first agent had committed 5.
#[tokio::test]
async fn pipelined_retries_on_another_agent_are_peeled_and_appended() {
    let world = World::new();
    let (first, second) = (world.agent("a").await, world.agent("b").await);
    let (mut a, mut b) = (first.connect(), second.connect());
    a.create_topic("t", 1).await;
    let id = a.producer_id().await;
    for sequence in 0..=5 {
        assert_eq!(a.produce("t", 0, batch(id, 0, sequence, 1)).await.error_code, 0);
    }
    for sequence in 5..=9 {
        b.send(9, &produce_request("t", 0, batch(id, 0, sequence, 1)))
            .await;
    }
    for sequence in 5..=9 {
        let answer = b.receive_produced().await;
        assert_eq!((answer.error_code, answer.base_offset), (0, sequence));
    }
}

#[tokio::test]
async fn a_gap_is_answered_retriably_and_never_with_an_offset() {
    let world = World::new();
    let agent = world.agent("a").await;
    let mut client = agent.connect();
    client.create_topic("t", 1).await;
    let id = client.producer_id().await;
    let early = client.produce("t", 0, batch(id, 0, 2, 1)).await;
    assert_eq!((early.error_code, early.base_offset), (GAP, -1));
    assert_eq!(client.produce("t", 0, batch(id, 0, 0, 2)).await.base_offset, 0);
    assert_eq!(client.produce("t", 0, batch(id, 0, 2, 1)).await.base_offset, 2);
    let old = client.produce("t", 0, batch(id, 0, 1, 3)).await;
    assert_eq!(
        (old.error_code, old.base_offset),
        (ErrorCode::OutOfOrderSequenceNumber.code(), -1)
    );
}

/// Its answer was lost, and the client has gone on by another connection meanwhile.
#[tokio::test]
async fn a_batch_older_than_the_remembered_runs_is_a_duplicate_without_an_offset() {
    let world = World::new();
    let (one, other) = (world.agent("a").await, world.agent("b").await);
    let mut client = one.connect();
    client.create_topic("t", 1).await;
    let id = client.producer_id().await;
    assert_eq!(client.produce("t", 0, batch(id, 0, 0, 2)).await.base_offset, 0);
    let mut client = other.connect();
    for first in 2..8 {
        let answer = client.produce("t", 0, batch(id, 0, first, 1)).await;
        assert_eq!(answer.base_offset, i64::from(first));
    }
    let again = client.produce("t", 0, batch(id, 0, 0, 2)).await;
    assert_eq!(
        (again.error_code, again.base_offset, again.log_append_time_ms),
        (ErrorCode::DuplicateSequenceNumber.code(), -1, -1)
    );
    assert_eq!(
        client.produce("t", 0, batch(id, 0, 8, 1)).await.base_offset,
        8,
        "appended once"
    );
}

/// Clients know topics by name: to them it is the same partition, and their sequences go on.
#[tokio::test]
async fn a_producer_goes_on_in_a_topic_that_was_deleted_and_created_again() {
    let world = World::new();
    let agent = world.agent("a").await;
    let mut client = agent.connect();
    client.create_topic("t", 1).await;
    let id = client.producer_id().await;
    assert_eq!(client.produce("t", 0, batch(id, 0, 0, 5)).await.base_offset, 0);
    for _ in 0..2 {
        let delete = DeleteTopicsRequest::default()
            .with_topic_names(vec![topic_name("t")])
            .with_timeout_ms(5000);
        assert_eq!(client.call(5, &delete).await.responses[0].error_code, 0);
        client.create_topic("t", 1).await;
        // Refused once, so that an earlier batch may still arrive; the client repeats by itself.
        let first = client.produce("t", 0, batch(id, 0, 5, 2)).await;
        assert_eq!((first.error_code, first.base_offset), (GAP, -1));
        let again = client.produce("t", 0, batch(id, 0, 5, 2)).await;
        assert_eq!((again.error_code, again.base_offset), (0, 0));
        assert_eq!(client.produce("t", 0, batch(id, 0, 7, 1)).await.base_offset, 2);
        let retry = client.produce("t", 0, batch(id, 0, 5, 2)).await;
        assert_eq!((retry.error_code, retry.base_offset), (0, 0));
    }
    // A name that never was has forgotten nobody.
    client.create_topic("u", 1).await;
    for _ in 0..3 {
        let early = client.produce("u", 0, batch(id, 0, 5, 2)).await;
        assert_eq!((early.error_code, early.base_offset), (GAP, -1));
    }
}

#[tokio::test]
async fn a_commit_that_lost_its_reply_is_acknowledged_once() {
    let world = World::new();
    let agent = world.agent("a").await;
    let mut client = agent.connect();
    client.create_topic("t", 1).await;
    let id = client.producer_id().await;
    agent.faults.queue(&[Fault::LostReply]);
    let answer = client.produce("t", 0, batch(id, 0, 0, 3)).await;
    assert_eq!((answer.error_code, answer.base_offset), (0, 0));
    assert_eq!(client.produce("t", 0, batch(id, 0, 3, 1)).await.base_offset, 3);
}

#[tokio::test]
async fn a_commit_that_never_arrived_is_tombstoned_and_answered_retriably() {
    let world = World::new();
    let agent = world.agent("a").await;
    let mut client = agent.connect();
    client.create_topic("t", 1).await;
    let id = client.producer_id().await;
    agent.faults.queue(&[Fault::Lost]);
    let answer = client.produce("t", 0, batch(id, 0, 0, 3)).await;
    assert_eq!((answer.error_code, answer.base_offset), (GAP, -1));
    // The late call is refused: its segment is settled for ever.
    let late = agent.faults.commits()[0].clone();
    assert_eq!(
        world.metastore.commit(late).await,
        Err(esker_metastore::MetastoreError::AlreadySettled)
    );
    assert_eq!(client.produce("t", 0, batch(id, 0, 0, 3)).await.base_offset, 0);
}

#[tokio::test(start_paused = true)]
async fn commits_without_effect_are_repeated() {
    let world = World::new();
    let agent = world.agent("a").await;
    let mut client = agent.connect();
    client.create_topic("t", 1).await;
    agent.faults.queue(&[Fault::Unavailable; 4]);
    assert_eq!(client.produce("t", 0, plain_batch(1)).await.base_offset, 0);
    assert_eq!(agent.faults.commits().len(), 5);
}

/// A run that is too old is dropped, never committed, and its successors fail with it.
#[tokio::test(start_paused = true)]
async fn a_run_older_than_the_limit_is_never_committed() {
    let world = World::new();
    let agent = world.agent("a").await;
    let mut client = agent.connect();
    client.create_topic("t", 1).await;
    agent.faults.queue(&[Fault::Unavailable; 40]);
    let answer = client.produce("t", 0, plain_batch(1)).await;
    assert_eq!((answer.error_code, answer.base_offset), (GAP, -1));
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(client.produce("t", 0, plain_batch(1)).await.base_offset, 0);
    let partition = PartitionKey {
        topic: TopicKey(1),
        partition: 0,
    };
    let plan = PlanRequest {
        partition,
        from: 0,
        bytes_max: u64::MAX,
        extents_max: 10,
    };
    assert_eq!(world.metastore.plan(&[plan]).await.unwrap()[0].extents.len(), 1);
}

#[tokio::test]
async fn a_fenced_agent_moves_its_clients_away_and_stops() {
    let world = World::new();
    let agent = world.agent("a").await;
    let mut client = agent.connect();
    client.create_topic("t", 1).await;
    // Another process takes the name.
    let registration = Registration {
        node_name: "a".into(),
        incarnation: IncarnationId(world.seams.rng.uuid()),
        epoch: agent.broker.membership().epoch(),
        profile: AgentProfile::default(),
    };
    world.metastore.register(&registration).await.unwrap();
    let answer = client.produce("t", 0, plain_batch(1)).await;
    assert_eq!(
        (answer.error_code, answer.base_offset),
        (ErrorCode::NotLeaderOrFollower.code(), -1)
    );
    assert_eq!(agent.broker.stopped().await, StopReason::Fenced);
}

#[tokio::test]
async fn acks_0_gets_no_reply_and_an_error_closes_the_connection() {
    let world = World::new();
    let agent = world.agent("a").await;
    let mut client = agent.connect();
    client.create_topic("t", 1).await;
    client
        .send(9, &produce_request("t", 0, plain_batch(1)).with_acks(0))
        .await;
    // The next reply belongs to the next request, whose offset shows that the silent one came first.
    assert_eq!(client.produce("t", 0, plain_batch(1)).await.base_offset, 1);
    client
        .send(9, &produce_request("t", 7, plain_batch(1)).with_acks(0))
        .await;
    assert!(client.receive_frame().await.is_none());
}

#[tokio::test]
async fn bad_batches_are_refused_and_nothing_else_is() {
    let world = World::new();
    let agent = world.agent("a").await;
    let mut client = agent.connect();
    client.create_topic("t", 1).await;
    let mut damaged = plain_batch(1).to_vec();
    *damaged.last_mut().unwrap() ^= 1;
    let answer = client.produce("t", 0, damaged.into()).await;
    assert_eq!(
        (answer.error_code, answer.base_offset),
        (ErrorCode::CorruptMessage.code(), -1)
    );
    let answer = client.produce("nowhere-at-all!", 0, plain_batch(1)).await;
    assert_eq!(answer.error_code, ErrorCode::UnknownTopicOrPartition.code());
    let answer = client.produce("t", 0, bytes::Bytes::new()).await;
    assert_eq!(answer.error_code, ErrorCode::InvalidRecord.code());
    let request = produce_request("t", 0, plain_batch(1)).with_acks(7);
    let answer = support::only_partition(client.call(9, &request).await);
    assert_eq!(answer.error_code, ErrorCode::InvalidRequiredAcks.code());
    assert_eq!(client.produce("t", 0, plain_batch(1)).await.base_offset, 0);
}

#[tokio::test]
async fn draining_answers_everything_and_refuses_more() {
    let world = World::new();
    let agent = world.agent("a").await;
    let mut client = agent.connect();
    client.create_topic("t", 1).await;
    for _ in 0..20 {
        client.send(9, &produce_request("t", 0, plain_batch(1))).await;
    }
    assert_eq!(client.receive_produced().await.base_offset, 0);
    agent.broker.drain().await;
    for _ in 1..20 {
        let answer = client.receive_produced().await;
        let moved = ErrorCode::NotLeaderOrFollower.code();
        assert!(answer.error_code == 0 || answer.error_code == moved, "{answer:?}");
    }
    assert_eq!(agent.broker.stopped().await, StopReason::Drained);
}
