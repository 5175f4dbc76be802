//! Reading what manifests list.

#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

mod fetch_support;

use std::time::Duration;

use bytes::Bytes;
use esker_metastore::Topic;
use esker_protocol::messages::fetch_response::PartitionData;
use esker_storage::keys::manifest_key;
use esker_storage::manifest::Entry;
use fetch_support::archive::key;
use fetch_support::manifest::{leaf_id, log};
use fetch_support::{Agent, Client, Cluster, Fetch, batch, offsets};
use tokio::time::sleep;

/// A partition whose records were merged into one segment for each.
async fn merged(cluster: &Cluster, topic: &Topic, partition: i32, records: i64) -> Vec<Entry> {
    let batches: Vec<Bytes> = (0..records).map(|_| batch(&[1], 100)).collect();
    let mut writer = cluster.writer("elsewhere").await;
    writer.write(&[(topic, partition, batches.clone())]).await;
    let mut entries = Vec::new();
    for (offset, batch) in (0..).zip(&batches) {
        let one = std::slice::from_ref(batch);
        let log = log(topic, partition);
        entries.push(cluster.put_merged(log, offset as u64, offset, one).await);
    }
    entries
}

async fn started() -> (Cluster, Agent, Topic, Client) {
    let cluster = Cluster::new();
    let agent = cluster.agent("a").await;
    let topic = cluster.topic("t", 100).await;
    let client = agent.client();
    (cluster, agent, topic, client)
}

fn code_and_first(read: &PartitionData) -> (i16, Option<i64>) {
    (read.error_code, offsets(read).first().copied())
}

#[tokio::test(start_paused = true)]
async fn a_reader_goes_on_in_a_manifest_without_a_query() {
    let (cluster, _agent, topic, mut client) = started().await;
    let entries = merged(&cluster, &topic, 0, 1_300).await;
    let manifest = cluster.put_manifest(log(&topic, 0), 1, &entries, 700).await;
    cluster.metastore.plan_manifests().name(key(&topic, 0), manifest);
    let mut next = 0;
    while next < 1_300 {
        let read = client.fetch_one(&Fetch::of(&topic, 0, next)).await;
        assert_eq!(code_and_first(&read), (0, Some(next)));
        assert!(offsets(&read).is_sorted_by(|a, b| a + 1 == *b));
        next = offsets(&read).last().unwrap() + 1;
    }
    assert_eq!(cluster.metastore.calls("plan"), 1);
}

#[tokio::test(start_paused = true)]
async fn a_manifest_that_was_replaced_is_planned_again_and_a_lost_one_is_said() {
    let (cluster, _agent, topic, mut client) = started().await;
    let entries = merged(&cluster, &topic, 0, 3).await;
    let [first, second] = [1, 2].map(async |seq| {
        let log = log(&topic, 0);
        cluster.put_manifest(log, seq, &entries, 0).await
    });
    let (first, second) = (first.await, second.await);
    cluster.bucket.delete(&manifest_key(&first.id)).await.unwrap();
    let named = cluster.metastore.plan_manifests();
    named.name(key(&topic, 0), first);
    let one = |offset| Fetch::of(&topic, 0, offset);
    // As long as the metastore names it, it is lost.
    assert_eq!(code_and_first(&client.fetch_one(&one(0)).await), (2, None));
    let replaced = async {
        sleep(Duration::from_millis(2)).await;
        named.name(key(&topic, 0), second);
    };
    let next = one(1);
    let (read, ()) = tokio::join!(client.fetch_one(&next), replaced);
    assert_eq!(code_and_first(&read), (0, Some(1)));
    // One that is remembered goes later: the reader does not notice.
    let third = cluster.put_manifest(log(&topic, 0), 3, &entries, 0).await;
    named.name(key(&topic, 0), third);
    cluster.bucket.delete(&manifest_key(&second.id)).await.unwrap();
    assert_eq!(code_and_first(&client.fetch_one(&one(2)).await), (0, Some(2)));
}

#[tokio::test(start_paused = true)]
async fn a_corrupt_manifest_or_leaf_fails_what_it_lists_and_nothing_else() {
    let (cluster, _agent, topic, mut client) = started().await;
    let named = cluster.metastore.plan_manifests();
    let mut manifests = Vec::new();
    for partition in 0..3 {
        let entries = merged(&cluster, &topic, partition, 6).await;
        let manifest = cluster.put_manifest(log(&topic, partition), 1, &entries, 4).await;
        named.name(key(&topic, partition), manifest);
        manifests.push(manifest);
    }
    cluster.damage(&manifest_key(&manifests[0].id)).await;
    cluster
        .damage(&manifest_key(&leaf_id(log(&topic, 1), 1, 1)))
        .await;
    let all = Fetch {
        partitions: (0..3).map(|partition| (partition, 0)).collect(),
        ..Fetch::of(&topic, 0, 0)
    };
    let read = client.fetch(&all).await;
    let read = &read.responses[0].partitions;
    let told: Vec<_> = read.iter().map(code_and_first).collect();
    assert_eq!(told, [(2, None), (2, None), (0, Some(0))]);
    let behind = client.fetch_one(&Fetch::of(&topic, 1, 4)).await;
    assert_eq!(code_and_first(&behind), (0, Some(4)));
}

#[tokio::test(start_paused = true)]
async fn a_corrupt_leaf_hides_nothing_before_it() {
    let (cluster, _agent, topic, mut client) = started().await;
    let entries = merged(&cluster, &topic, 0, 9).await;
    let log = log(&topic, 0);
    let manifest = cluster.put_manifest_with_leaves(log, 1, &entries, &[3, 3]).await;
    cluster.metastore.plan_manifests().name(key(&topic, 0), manifest);
    let second = manifest_key(&leaf_id(log, 1, 2));
    cluster.damage(&second).await;
    let mut told = Vec::new();
    for offset in [0, 2, 3, 5, 6, 1] {
        let read = client.fetch_one(&Fetch::of(&topic, 0, offset)).await;
        told.push(code_and_first(&read));
    }
    let corrupt = (2, None);
    let found = |offset| (0, Some(offset));
    assert_eq!(told, [found(0), found(2), corrupt, corrupt, found(6), found(1)]);
    // Who asks again and again does not read it again and again.
    let gets = cluster.gets();
    for _ in 0..10 {
        let read = client.fetch_one(&Fetch::of(&topic, 0, 4)).await;
        assert_eq!(code_and_first(&read), corrupt);
    }
    assert_eq!(cluster.gets(), gets);
}

#[tokio::test(start_paused = true)]
async fn a_request_for_many_partitions_reads_some_of_their_manifests() {
    let (cluster, _agent, topic, mut client) = started().await;
    let named = cluster.metastore.plan_manifests();
    for partition in 0..100 {
        let entries = merged(&cluster, &topic, partition, 1).await;
        let manifest = cluster.put_manifest(log(&topic, partition), 1, &entries, 0).await;
        named.name(key(&topic, partition), manifest);
    }
    let all = Fetch {
        partitions: (0..100).map(|partition| (partition, 0)).collect(),
        max_bytes: 1 << 20,
        ..Fetch::of(&topic, 0, 0)
    };
    let gets = cluster.gets();
    // 64 manifests and 64 segments of one request; the other manifests with the next.
    for expected in [128, 128 + 36] {
        let read = client.fetch(&all).await;
        let partitions = &read.responses[0].partitions;
        assert!(partitions.iter().all(|one| one.error_code == 0));
        assert_eq!(
            partitions.iter().filter(|one| !offsets(one).is_empty()).count(),
            64
        );
        assert_eq!(cluster.gets() - gets, expected);
    }
    // Who asks for what is left gets it.
    let rest = Fetch {
        partitions: (64..100).map(|partition| (partition, 0)).collect(),
        ..all
    };
    let read = client.fetch(&rest).await;
    let partitions = &read.responses[0].partitions;
    assert!(partitions.iter().all(|one| code_and_first(one) == (0, Some(0))));
}
