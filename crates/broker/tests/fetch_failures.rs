//! What readers get while parts fail: what is known and immutable goes on, nothing is made up.

#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

mod fetch_support;

use std::time::Duration;

use bytes::Bytes;
use esker_metastore::Topic;
use esker_protocol::StrBytes;
use esker_protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use esker_protocol::messages::offset_for_leader_epoch_request::{
    OffsetForLeaderPartition, OffsetForLeaderTopic,
};
use esker_protocol::messages::{ListOffsetsRequest, OffsetForLeaderEpochRequest, TopicName};
use esker_storage::keys::object_key;
use fetch_support::{Client, Cluster, Fetch, batch, offsets};
use tokio::time::sleep;

fn name(topic: &Topic) -> TopicName {
    TopicName(StrBytes::from_string(topic.name.clone()))
}

/// The error and offset of ListOffsets(latest).
async fn latest(client: &mut Client, topic: &Topic) -> (i16, i64) {
    let asked = ListOffsetsPartition::default()
        .with_timestamp(-1)
        .with_current_leader_epoch(-1);
    let asked = ListOffsetsTopic::default()
        .with_name(name(topic))
        .with_partitions(vec![asked]);
    let request = ListOffsetsRequest::default()
        .with_replica_id((-1).into())
        .with_topics(vec![asked]);
    let answer = &client.ask(7, &request).await.topics[0].partitions[0];
    (answer.error_code, answer.offset)
}

/// The error and end offset of OffsetForLeaderEpoch.
async fn epoch_end(client: &mut Client, topic: &Topic, epoch: i32, current: i32) -> (i16, i32, i64) {
    let asked = OffsetForLeaderPartition::default()
        .with_leader_epoch(epoch)
        .with_current_leader_epoch(current);
    let asked = OffsetForLeaderTopic::default()
        .with_topic(name(topic))
        .with_partitions(vec![asked]);
    let request = OffsetForLeaderEpochRequest::default().with_topics(vec![asked]);
    let answer = &client.ask(4, &request).await.topics[0].partitions[0];
    (answer.error_code, answer.leader_epoch, answer.end_offset)
}

#[tokio::test(start_paused = true)]
async fn without_the_metastore_known_records_are_read_on_and_nothing_is_claimed() {
    let cluster = Cluster::new();
    let agent = cluster.agent("a").await;
    let topic = cluster.topic("t", 2).await;
    let mut writer = cluster.writer("elsewhere").await;
    writer.write(&[(&topic, 0, vec![batch(&[1], 10); 3])]).await;
    let mut client = agent.client();
    assert_eq!(
        offsets(&client.fetch_one(&Fetch::of(&topic, 0, 0)).await).len(),
        3
    );
    cluster.metastore.set_down(true);
    let waiting = Fetch {
        max_wait_ms: 300,
        ..Fetch::of(&topic, 0, 0)
    };
    assert_eq!(offsets(&client.fetch_one(&waiting).await), [0, 1, 2]);
    // At the end of what is known a client may wait as ever.
    let end = client
        .fetch_one(&Fetch {
            partitions: vec![(0, 3)],
            ..waiting.clone()
        })
        .await;
    assert_eq!((end.error_code, end.high_watermark), (0, 3));
    for (partition, offset) in [(0, 4), (0, -1), (1, 0)] {
        let fetch = Fetch {
            partitions: vec![(partition, offset)],
            ..waiting.clone()
        };
        let read = client.fetch_one(&fetch).await;
        assert_eq!(
            (read.error_code, read.high_watermark),
            (56, -1),
            "{partition} {offset}"
        );
    }
    // One partition that fails stops no other.
    let both = client
        .fetch(&Fetch {
            partitions: vec![(1, 0), (0, 1)],
            ..waiting.clone()
        })
        .await;
    let both = &both.responses[0].partitions;
    assert_eq!((both[0].error_code, offsets(&both[1])), (56, vec![1, 2]));
    assert_eq!(latest(&mut client, &topic).await, (56, -1));
    assert_eq!(epoch_end(&mut client, &topic, 1, -1).await, (56, -1, -1));
    cluster.metastore.set_down(false);
    assert_eq!(latest(&mut client, &topic).await, (0, 3));
    assert_eq!(client.fetch_one(&Fetch::of(&topic, 0, 4)).await.error_code, 1);
}

#[tokio::test(start_paused = true)]
async fn an_agent_that_may_be_a_zombie_claims_nothing() {
    let cluster = Cluster::new();
    let agent = cluster.agent("a").await;
    let topic = cluster.topic("t", 1).await;
    let mut writer = cluster.writer("elsewhere").await;
    writer.write(&[(&topic, 0, vec![batch(&[1], 10); 3])]).await;
    let mut client = agent.client();
    assert_eq!(client.fetch_one(&Fetch::of(&topic, 0, 9)).await.error_code, 1);
    assert_eq!(latest(&mut client, &topic).await, (0, 3));
    assert_eq!(epoch_end(&mut client, &topic, 1, 1).await, (0, 1, 3));
    assert_eq!(epoch_end(&mut client, &topic, 0, -1).await, (0, -1, -1));
    assert_eq!(epoch_end(&mut client, &topic, 2, -1).await, (0, -1, -1));
    assert_eq!(epoch_end(&mut client, &topic, 1, 2).await, (75, -1, -1));
    assert_eq!(epoch_end(&mut client, &topic, 1, 0).await, (74, -1, -1));
    cluster.metastore.set_heartless(true);
    sleep(Duration::from_secs(7)).await;
    assert_eq!(client.fetch_one(&Fetch::of(&topic, 0, 9)).await.error_code, 6);
    assert_eq!(latest(&mut client, &topic).await, (6, -1));
    assert_eq!(epoch_end(&mut client, &topic, 1, 1).await, (6, -1, -1));
    // What it knows is immutable.
    assert_eq!(
        offsets(&client.fetch_one(&Fetch::of(&topic, 0, 0)).await),
        [0, 1, 2]
    );
    cluster.metastore.set_heartless(false);
    sleep(Duration::from_secs(2)).await;
    assert_eq!(latest(&mut client, &topic).await, (0, 3));
}

#[tokio::test(start_paused = true)]
async fn behind_a_closed_gate_no_new_offset_is_shown() {
    let cluster = Cluster::new();
    let agent = cluster.agent("a").await;
    let topic = cluster.topic("t", 2).await;
    let mut writer = cluster.writer("elsewhere").await;
    writer.write(&[(&topic, 0, vec![batch(&[1], 10); 3])]).await;
    let mut client = agent.client();
    let tail = |offset| Fetch {
        max_wait_ms: 1_000,
        ..Fetch::of(&topic, 0, offset)
    };
    assert_eq!(offsets(&client.fetch_one(&tail(0)).await).len(), 3);
    let cluster_json = cluster.bucket.get("cluster.json").await.unwrap();
    cluster.bucket.delete("cluster.json").await.unwrap();
    sleep(Duration::from_secs(4)).await;
    assert!(!agent.broker.gate_is_open());
    writer
        .write(&[
            (&topic, 0, vec![batch(&[1], 10); 2]),
            (&topic, 1, vec![batch(&[1], 10)]),
        ])
        .await;
    let read = client.fetch_one(&tail(3)).await;
    assert_eq!(
        (read.error_code, read.high_watermark, offsets(&read)),
        (0, 3, vec![])
    );
    assert_eq!(offsets(&client.fetch_one(&tail(1)).await), [1, 2]);
    assert_eq!(client.fetch_one(&tail(4)).await.error_code, 56);
    assert_eq!(client.fetch_one(&tail(9)).await.error_code, 56);
    let other = Fetch {
        partitions: vec![(1, 0)],
        ..tail(0)
    };
    assert_eq!(client.fetch_one(&other).await.error_code, 56);
    assert_eq!(latest(&mut client, &topic).await, (56, -1));
    cluster
        .bucket
        .put_new(
            "cluster.json",
            vec![cluster_json],
            [0; 32],
            cluster.seams.clock.now().plus(Duration::from_secs(1)),
        )
        .await
        .unwrap();
    sleep(Duration::from_secs(4)).await;
    assert_eq!(offsets(&client.fetch_one(&tail(3)).await), [3, 4]);
    assert_eq!(latest(&mut client, &topic).await, (0, 5));
}

#[tokio::test(start_paused = true)]
async fn plans_with_gaps_are_made_again_and_never_skip() {
    let cluster = Cluster::new();
    let agent = cluster.agent("a").await;
    let topic = cluster.topic("t", 1).await;
    let mut writer = cluster.writer("elsewhere").await;
    for _ in 0..4 {
        writer.write(&[(&topic, 0, vec![batch(&[1], 10)])]).await;
    }
    let mut client = agent.client();
    // The first two plans miss an extent.
    let mut bad = 2;
    cluster.metastore.mangle_plans(move |_, plans| {
        if bad > 0 {
            bad -= 1;
            plans.iter_mut().for_each(|plan| {
                plan.extents.remove(2);
            });
        }
    });
    assert_eq!(
        offsets(&client.fetch_one(&Fetch::of(&topic, 0, 0)).await),
        [0, 1, 2, 3]
    );
    // All of them do: what is contiguous is served, the hole is an error that clients repeat.
    let agent = cluster.agent("b").await;
    let mut client = agent.client();
    cluster.metastore.mangle_plans(|_, plans| {
        plans
            .iter_mut()
            .for_each(|plan| plan.extents.retain(|extent| extent.base_offset != 2));
    });
    assert_eq!(offsets(&client.fetch_one(&Fetch::of(&topic, 0, 0)).await), [0, 1]);
    let hole = client.fetch_one(&Fetch::of(&topic, 0, 2)).await;
    assert_eq!((hole.error_code, hole.high_watermark), (56, -1));
    assert_eq!(offsets(&client.fetch_one(&Fetch::of(&topic, 0, 3)).await), [3]);
    cluster.metastore.honest_plans();
    assert_eq!(offsets(&client.fetch_one(&Fetch::of(&topic, 0, 2)).await), [2, 3]);
}

#[tokio::test(start_paused = true)]
async fn an_object_that_moved_is_found_again_and_a_lost_one_is_said() {
    let cluster = Cluster::new();
    let agent = cluster.agent("a").await;
    let topic = cluster.topic("t", 2).await;
    let mut writer = cluster.writer("elsewhere").await;
    let first = writer.write(&[(&topic, 0, vec![batch(&[1], 10); 2])]).await;
    let lost = writer.commit_lost(&[(&topic, 1, vec![batch(&[1], 10); 2])]).await;
    writer.write(&[(&topic, 1, vec![batch(&[1], 10); 2])]).await;
    let mut client = agent.client();
    // The first plan still names an object that is gone.
    let mut bad = 1;
    cluster.metastore.mangle_plans(move |_, plans| {
        if bad > 0 {
            bad -= 1;
            plans[0]
                .extents
                .iter_mut()
                .for_each(|extent| extent.segment = lost);
        }
    });
    assert_eq!(offsets(&client.fetch_one(&Fetch::of(&topic, 0, 0)).await), [0, 1]);
    cluster.metastore.honest_plans();
    let both = Fetch {
        partitions: vec![(1, 0), (0, 0)],
        ..Fetch::of(&topic, 0, 0)
    };
    let both = client.fetch(&both).await;
    let both = &both.responses[0].partitions;
    assert_eq!((both[0].error_code, both[0].high_watermark), (2, -1));
    assert_eq!(offsets(&both[1]), [0, 1]);
    // Behind the hole everything is there.
    assert_eq!(offsets(&client.fetch_one(&Fetch::of(&topic, 1, 2)).await), [2, 3]);
    // An object with other bytes.
    let other = cluster.agent("b").await;
    let mut client = other.client();
    cluster.bucket.delete(&object_key(&first)).await.unwrap();
    let deadline = cluster.seams.clock.now().plus(Duration::from_secs(1));
    let garbage = Bytes::from(vec![7; 4096]);
    cluster
        .bucket
        .put_new(&object_key(&first), vec![garbage], [0; 32], deadline)
        .await
        .unwrap();
    let read = client.fetch_one(&Fetch::of(&topic, 0, 0)).await;
    assert_eq!((read.error_code, read.high_watermark), (2, -1));
}

#[tokio::test(start_paused = true)]
async fn a_high_watermark_never_goes_back() {
    let cluster = Cluster::new();
    let agent = cluster.agent("a").await;
    let topic = cluster.topic("t", 1).await;
    let mut writer = cluster.writer("elsewhere").await;
    writer.write(&[(&topic, 0, vec![batch(&[1], 10); 4])]).await;
    let mut client = agent.client();
    assert_eq!(client.fetch_one(&Fetch::of(&topic, 0, 0)).await.high_watermark, 4);
    // A database that lost the last records: readers of what was there are not told that it never was.
    cluster.metastore.mangle_plans(|_, plans| {
        plans.iter_mut().for_each(|plan| {
            plan.head.as_mut().unwrap().next_offset = 2;
            plan.extents.clear();
        });
    });
    let read = client.fetch_one(&Fetch::of(&topic, 0, 4)).await;
    assert_eq!((read.error_code, read.high_watermark), (0, 4));
    assert_eq!(client.fetch_one(&Fetch::of(&topic, 0, 3)).await.high_watermark, 4);
}

#[tokio::test(start_paused = true)]
async fn a_fenced_agent_sends_those_away_who_wait() {
    let cluster = Cluster::new();
    let agent = cluster.agent("a").await;
    let topic = cluster.topic("t", 1).await;
    let mut writer = cluster.writer("elsewhere").await;
    writer.write(&[(&topic, 0, vec![batch(&[1], 10); 2])]).await;
    let mut client = agent.client();
    assert_eq!(offsets(&client.fetch_one(&Fetch::of(&topic, 0, 0)).await), [0, 1]);
    let waiting = Fetch {
        max_wait_ms: 30_000,
        ..Fetch::of(&topic, 0, 2)
    };
    let fence = async {
        sleep(Duration::from_millis(1500)).await;
        // Another life of the same name.
        cluster.writer("a").await;
    };
    let began = tokio::time::Instant::now();
    let (read, ()) = tokio::join!(client.fetch_one(&waiting), fence);
    assert_eq!((read.error_code, read.high_watermark), (6, -1));
    assert!(began.elapsed() < Duration::from_secs(4));
    // Nor does anybody wait there from now on, and nobody asks again and again without a pause.
    let began = tokio::time::Instant::now();
    assert_eq!(client.fetch_one(&waiting).await.error_code, 6);
    assert!((90..200).contains(&began.elapsed().as_millis()));
    assert_eq!(offsets(&client.fetch_one(&Fetch::of(&topic, 0, 0)).await), [0, 1]);
    assert_eq!(latest(&mut client, &topic).await, (6, -1));
}
