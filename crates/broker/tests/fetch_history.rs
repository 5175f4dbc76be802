//! Reading archived records: chunks of archive segments, once each, with one plan for many of them.

#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

mod fetch_support;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use esker_metastore::Topic;
use esker_protocol::batch::Batches;
use esker_protocol::messages::fetch_response::PartitionData;
use esker_storage::keys::object_key;
use esker_storage::metrics::Op;
use fetch_support::archive::{Archive, archive, key};
use fetch_support::{Client, Cluster, Fetch, batch, offsets};
use tokio::time::sleep;

/// Two of these do not fit into one chunk.
const LARGE: usize = 2_200_000;

/// Batches of one record, each of which is a chunk.
fn chunks(count: i64) -> Vec<Bytes> {
    (0..count).map(|at| batch(&[at], LARGE)).collect()
}

/// Commits batches in an ingest segment, puts them into an archive segment and takes the ingest segment away.
async fn archived(cluster: &Cluster, topic: &Topic, parts: &[(i32, Vec<Bytes>)]) -> Archive {
    let mut writer = cluster.writer("elsewhere").await;
    let runs: Vec<_> = parts
        .iter()
        .map(|(partition, batches)| (topic, *partition, batches.clone()))
        .collect();
    let ingest = writer.write(&runs).await;
    cluster.bucket.delete(&object_key(&ingest)).await.unwrap();
    let parts: Vec<_> = parts
        .iter()
        .map(|(partition, batches)| (topic, *partition, 0, batches.clone()))
        .collect();
    archive(1, &parts)
}

/// Reads a partition to an offset, batch after batch, and returns its records' bytes.
async fn read_to(client: &mut Client, topic: &Topic, partition: i32, from: i64, end: i64) -> Vec<Bytes> {
    let mut next = from;
    let mut batches = Vec::new();
    while next < end {
        let read = client.fetch_one(&Fetch::of(topic, partition, next)).await;
        assert_eq!(read.error_code, 0, "{next}");
        assert_eq!(offsets(&read)[0], next);
        next = offsets(&read).last().unwrap() + 1;
        batches.extend(Batches::new(read.records.unwrap()).map(|batch| batch.unwrap().bytes));
    }
    batches
}

fn code_and_offsets(read: &PartitionData) -> (i16, Vec<i64>) {
    (read.error_code, offsets(read))
}

#[tokio::test(start_paused = true)]
async fn history_costs_one_plan_for_many_chunks_and_one_get_for_each() {
    let cluster = Cluster::new();
    let agent = cluster.agent("a").await;
    let topic = cluster.topic("t", 1).await;
    let history = archived(&cluster, &topic, &[(0, chunks(10))]).await;
    cluster.put_archive(&history).await;
    cluster.metastore.plan_archived(history.extents.clone());
    let (gets, plans) = (cluster.gets(), cluster.metastore.reads());
    let mut client = agent.client();
    let read = read_to(&mut client, &topic, 0, 0, 10).await;
    for (offset, (read, sent)) in read.iter().zip(chunks(10)).enumerate() {
        assert_eq!(read[..8], (offset as i64).to_be_bytes());
        assert_eq!(read[16..], sent[16..]);
    }
    assert_eq!(cluster.metastore.reads() - plans, 1);
    assert_eq!(cluster.gets() - gets, 10);
    // Another reader, who begins in the middle.
    read_to(&mut agent.client(), &topic, 0, 4, 10).await;
    assert_eq!(
        (cluster.metastore.reads() - plans, cluster.gets() - gets),
        (1, 10)
    );
}

#[tokio::test(start_paused = true)]
async fn the_next_chunks_are_fetched_before_they_are_asked_for() {
    let cluster = Cluster::new();
    let agent = cluster.agent("a").await;
    let topic = cluster.topic("t", 1).await;
    let history = archived(&cluster, &topic, &[(0, chunks(10))]).await;
    cluster.put_archive(&history).await;
    cluster.metastore.plan_archived(history.extents);
    let mut client = agent.client();
    let gets = cluster.gets();
    // Further each time that the reader goes on: 2, 4, 8 and 12 MiB (half of the cache), but one chunk in any case.
    for (offset, expected) in [(0, 2), (1, 3), (2, 6), (3, 9), (4, 10)] {
        let read = client.fetch_one(&Fetch::of(&topic, 0, offset)).await;
        assert_eq!(offsets(&read), [offset]);
        sleep(Duration::from_millis(50)).await;
        assert_eq!(cluster.gets() - gets, expected, "{offset}");
    }
    // An agent with little memory reads no further ahead than a part of its cache allows: one chunk.
    let small = cluster.agent_with("small", 64 << 20).await;
    let mut client = small.client();
    let gets = cluster.gets();
    assert_eq!(offsets(&client.fetch_one(&Fetch::of(&topic, 0, 0)).await), [0]);
    sleep(Duration::from_millis(50)).await;
    assert_eq!(cluster.gets() - gets, 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_consumers_of_the_same_history_cost_as_many_gets_as_one() {
    let cluster = Cluster::new();
    let agent = cluster.agent("a").await;
    let topic = Arc::new(cluster.topic("t", 1).await);
    let history = archived(&cluster, &topic, &[(0, chunks(8))]).await;
    cluster.put_archive(&history).await;
    cluster.metastore.plan_archived(history.extents);
    // One plan, so that what follows needs none.
    read_to(&mut agent.client(), &topic, 0, 0, 1).await;
    let plans = cluster.metastore.calls("plan");
    let readers: Vec<_> = (0..16)
        .map(|_| {
            let (topic, mut client) = (Arc::clone(&topic), agent.client());
            tokio::spawn(async move { read_to(&mut client, &topic, 0, 0, 8).await.len() })
        })
        .collect();
    for reader in readers {
        assert_eq!(reader.await.unwrap(), 8);
    }
    assert_eq!(cluster.metastore.calls("plan"), plans);
    let all = 8 * batch(&[0], LARGE).len() as u64;
    // Agents read a little more of the bucket than that, by themselves.
    let read = cluster.bucket.metrics().bytes(Op::Get);
    assert!((all..all + LARGE as u64 / 2).contains(&read), "{read} of {all}");
}

#[tokio::test(start_paused = true)]
async fn a_response_goes_on_behind_the_archive() {
    let cluster = Cluster::new();
    let agent = cluster.agent("a").await;
    let topic = cluster.topic("t", 1).await;
    let history = archived(&cluster, &topic, &[(0, vec![batch(&[1], 100); 3])]).await;
    cluster.put_archive(&history).await;
    cluster.metastore.plan_archived(history.extents);
    let mut writer = cluster.writer("later").await;
    writer.write(&[(&topic, 0, vec![batch(&[1], 100); 2])]).await;
    let mut client = agent.client();
    for from in 0..5 {
        let fetch = Fetch {
            min_bytes: 150,
            max_wait_ms: 1_000,
            ..Fetch::of(&topic, 0, from)
        };
        let read = client.fetch_one(&fetch).await;
        assert_eq!(offsets(&read), (from..5).collect::<Vec<_>>());
    }
    assert_eq!(cluster.metastore.calls("plan"), 1);
}

#[tokio::test(start_paused = true)]
async fn a_corrupt_chunk_is_said_and_others_are_read_on() {
    let cluster = Cluster::new();
    let agent = cluster.agent("a").await;
    let topic = cluster.topic("t", 2).await;
    let parts = [(0, chunks(3)), (1, vec![batch(&[1], 100); 2])];
    let mut history = archived(&cluster, &topic, &parts).await;
    let intact = history.object.clone();
    let second = history.extents[&key(&topic, 0)][1].position as usize;
    history.object[second + 100] ^= 1;
    cluster.put_archive(&history).await;
    cluster.metastore.plan_archived(history.extents.clone());
    let mut client = agent.client();
    assert_eq!(
        code_and_offsets(&client.fetch_one(&Fetch::of(&topic, 0, 0)).await),
        (0, vec![0])
    );
    let both = Fetch {
        partitions: vec![(0, 1), (1, 0)],
        ..Fetch::of(&topic, 0, 0)
    };
    let both = client.fetch(&both).await;
    let both = &both.responses[0].partitions;
    assert_eq!((both[0].error_code, both[0].high_watermark), (2, -1));
    assert_eq!(code_and_offsets(&both[1]), (0, vec![0, 1]));
    assert_eq!(
        code_and_offsets(&client.fetch_one(&Fetch::of(&topic, 0, 2)).await),
        (0, vec![2])
    );
    // Who asks again and again does not read it again and again.
    let gets = cluster.gets();
    for _ in 0..10 {
        assert_eq!(client.fetch_one(&Fetch::of(&topic, 0, 1)).await.error_code, 2);
    }
    assert_eq!(cluster.gets(), gets);
    // Nothing of it is kept: a while after it is repaired it is read.
    sleep(Duration::from_secs(5)).await;
    cluster.bucket.delete(&object_key(&history.id)).await.unwrap();
    history.object = intact;
    cluster.put_archive(&history).await;
    assert_eq!(
        code_and_offsets(&client.fetch_one(&Fetch::of(&topic, 0, 1)).await),
        (0, vec![1])
    );
}

#[tokio::test(start_paused = true)]
async fn an_archive_that_moved_is_planned_again_and_a_lost_one_is_said() {
    let cluster = Cluster::new();
    let agent = cluster.agent("a").await;
    let topic = cluster.topic("t", 1).await;
    let history = archived(&cluster, &topic, &[(0, chunks(8))]).await;
    cluster.put_archive(&history).await;
    cluster.metastore.plan_archived(history.extents.clone());
    let mut client = agent.client();
    let one = |offset| Fetch::of(&topic, 0, offset);
    assert_eq!(code_and_offsets(&client.fetch_one(&one(0)).await), (0, vec![0]));
    sleep(Duration::from_millis(50)).await;
    // The same records move to another segment; the plan that is remembered names the old one.
    let moved = archive(2, &[(&topic, 0, 0, chunks(8))]);
    cluster.put_archive(&moved).await;
    cluster.metastore.plan_archived(moved.extents);
    cluster.bucket.delete(&object_key(&history.id)).await.unwrap();
    let plans = cluster.metastore.calls("plan");
    assert_eq!(code_and_offsets(&client.fetch_one(&one(6)).await), (0, vec![6]));
    assert_eq!(code_and_offsets(&client.fetch_one(&one(7)).await), (0, vec![7]));
    assert_eq!(cluster.metastore.calls("plan") - plans, 1);
    // And then it is gone for good: what was read before is in memory, the rest is lost.
    cluster.bucket.delete(&object_key(&moved.id)).await.unwrap();
    assert_eq!(client.fetch_one(&one(1)).await.error_code, 2);
    assert_eq!(code_and_offsets(&client.fetch_one(&one(7)).await), (0, vec![7]));
}

#[tokio::test(start_paused = true)]
async fn a_hole_in_the_archive_is_said_and_what_lies_behind_it_is_read() {
    let cluster = Cluster::new();
    let agent = cluster.agent("a").await;
    let topic = cluster.topic("t", 1).await;
    let small = || vec![batch(&[1], 100)];
    let mut writer = cluster.writer("elsewhere").await;
    writer.write(&[(&topic, 0, small())]).await;
    writer.commit_lost(&[(&topic, 0, small())]).await;
    writer.write(&[(&topic, 0, small())]).await;
    let of = esker_metastore::PlanRequest {
        partition: key(&topic, 0),
        from: 1,
        bytes_max: 1,
        extents_max: 1,
    };
    let lost = esker_metastore::Reads::plan(&*cluster.metastore, &[of])
        .await
        .unwrap()[0]
        .extents[0];
    let mut extents = Vec::new();
    for (seq, base) in [(1, 0), (2, 2)] {
        let part = archive(seq, &[(&topic, 0, base, small())]);
        cluster.put_archive(&part).await;
        extents.extend(part.extents[&key(&topic, 0)].clone());
    }
    extents.insert(1, lost);
    cluster
        .metastore
        .plan_archived([(key(&topic, 0), extents)].into());
    let mut client = agent.client();
    for round in 0..2 {
        for (offset, expected) in [(0, (0, vec![0])), (1, (2, vec![])), (2, (0, vec![2]))] {
            let read = client.fetch_one(&Fetch::of(&topic, 0, offset)).await;
            assert_eq!(code_and_offsets(&read), expected, "{round}: {offset}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_hole_in_an_archive_segment_is_not_read_and_disturbs_nobody() {
    let cluster = Cluster::new();
    let agent = cluster.agent("a").await;
    let topic = cluster.topic("t", 2).await;
    let small = || vec![batch(&[1], 100); 2];
    let history = archived(&cluster, &topic, &[(0, small()), (1, small())]).await;
    cluster.put_archive(&history).await;
    let mut extents = history.extents.clone();
    // They lie in the same object, at its beginning.
    for lost in extents.get_mut(&key(&topic, 0)).unwrap() {
        lost.chunk = None;
    }
    cluster.metastore.plan_archived(extents);
    let mut client = agent.client();
    let gets = cluster.gets();
    let both = Fetch {
        partitions: vec![(0, 0), (1, 0)],
        ..Fetch::of(&topic, 0, 0)
    };
    for _ in 0..3 {
        let read = client.fetch(&both).await;
        let read = &read.responses[0].partitions;
        assert_eq!(code_and_offsets(&read[0]), (2, vec![]));
        assert_eq!(code_and_offsets(&read[1]), (0, vec![0, 1]));
    }
    // One chunk, once.
    assert_eq!(cluster.gets() - gets, 1);
}

#[tokio::test(start_paused = true)]
async fn who_reads_more_chunks_than_are_kept_reads_each_once() {
    let cluster = Cluster::new();
    // 6 MiB are kept of archived records.
    let agent = cluster.agent_with("a", 64 << 20).await;
    let topic = cluster.topic("t", 6).await;
    // Chunks of four batches, which come one at a time.
    let parts: Vec<_> = (0..6)
        .map(|partition| (partition, (0..8).map(|at| batch(&[at], 900_000)).collect()))
        .collect();
    let history = archived(&cluster, &topic, &parts).await;
    cluster.put_archive(&history).await;
    cluster.metastore.plan_archived(history.extents.clone());
    let mut chunks = std::collections::BTreeSet::new();
    for extent in history.extents.values().flatten() {
        chunks.insert(extent.chunk.unwrap().position);
    }
    let mut client = agent.client();
    let before = cluster.gets();
    let mut next = [0; 6];
    for _ in 0..200 {
        let partitions = (0..6).map(|partition| (partition, next[partition as usize]));
        let fetch = Fetch {
            partitions: partitions.collect(),
            partition_max_bytes: 1,
            max_bytes: 50 << 20,
            ..Fetch::of(&topic, 0, 0)
        };
        let read = client.fetch(&fetch).await;
        for part in &read.responses[0].partitions {
            assert_eq!(part.error_code, 0);
            if let Some(last) = offsets(part).last() {
                next[part.partition_index as usize] = last + 1;
            }
        }
        if next == [8; 6] {
            break;
        }
        sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(next, [8; 6]);
    let gets = cluster.gets() - before;
    // Where a turn ends in the middle of a chunk it is read once more.
    assert!(gets <= chunks.len() as u64 * 3 / 2, "{gets} for {}", chunks.len());
}

/// Reads the history of 40 chunks, of which the cache holds 10, by one reader as fast as it can and one that pauses; returns
/// how many GETs that took, and how long it took the fast one.
async fn fast_and_slow(pause: Duration) -> (u64, Duration) {
    let cluster = Cluster::new();
    let agent = cluster.agent("a").await;
    let topic = cluster.topic("t", 1).await;
    let history = archived(&cluster, &topic, &[(0, chunks(40))]).await;
    cluster.put_archive(&history).await;
    cluster.metastore.plan_archived(history.extents);
    let (mut fast, mut slow) = (agent.client(), agent.client());
    let gets = cluster.gets();
    let began = tokio::time::Instant::now();
    let from = |offset| Fetch {
        max_wait_ms: 500,
        ..Fetch::of(&topic, 0, offset)
    };
    let ahead = async {
        for offset in 0..40 {
            assert_eq!(offsets(&fast.fetch_one(&from(offset)).await), [offset]);
            sleep(Duration::from_millis(5)).await;
        }
        began.elapsed()
    };
    let behind = async {
        for offset in 0..40 {
            assert_eq!(offsets(&slow.fetch_one(&from(offset)).await), [offset]);
            sleep(pause).await;
        }
    };
    let (took, ()) = tokio::join!(ahead, behind);
    (cluster.gets() - gets, took)
}

#[tokio::test(start_paused = true)]
async fn who_reads_the_same_stays_together_so_that_it_is_fetched_once() {
    let (gets, took) = fast_and_slow(Duration::from_millis(20)).await;
    assert_eq!(gets, 40);
    assert!(took < Duration::from_millis(40 * 22), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn a_slow_reader_does_not_hold_the_others_for_long() {
    // 100 ms for a chunk at most, and only until it is too far behind.
    let (gets, took) = fast_and_slow(Duration::from_millis(900)).await;
    assert!(took < Duration::from_secs(2), "{took:?}");
    assert!(gets > 40);
}

#[tokio::test(start_paused = true)]
async fn without_the_metastore_planned_history_is_read_on_and_its_head_is_looked_at_later() {
    let cluster = Cluster::new();
    let agent = cluster.agent("a").await;
    let topic = cluster.topic("t", 1).await;
    let history = archived(&cluster, &topic, &[(0, chunks(8))]).await;
    cluster.put_archive(&history).await;
    cluster.metastore.plan_archived(history.extents);
    let mut client = agent.client();
    assert_eq!(read_to(&mut client, &topic, 0, 0, 1).await.len(), 1);
    cluster.metastore.set_down(true);
    assert_eq!(read_to(&mut client, &topic, 0, 1, 8).await.len(), 7);
    cluster.metastore.set_down(false);
    let heads = cluster.metastore.calls("heads");
    let mut writer = cluster.writer("later").await;
    writer.write(&[(&topic, 0, vec![batch(&[1], 100)])]).await;
    let one = Fetch::of(&topic, 0, 0);
    assert_eq!(client.fetch_one(&one).await.high_watermark, 8);
    sleep(Duration::from_secs(1)).await;
    assert_eq!(cluster.metastore.calls("heads"), heads);
    sleep(Duration::from_secs(10)).await;
    assert_eq!(client.fetch_one(&one).await.high_watermark, 8);
    sleep(Duration::from_millis(300)).await;
    assert_eq!(client.fetch_one(&one).await.high_watermark, 9);
    assert!((1..=2).contains(&(cluster.metastore.calls("heads") - heads)));
    sleep(Duration::from_secs(5)).await;
    assert!((1..=2).contains(&(cluster.metastore.calls("heads") - heads)));
}

#[tokio::test(start_paused = true)]
async fn plans_are_long_only_where_they_are_remembered() {
    let cluster = Cluster::new();
    let agent = cluster.agent("a").await;
    let topic = cluster.topic("t", 1).await;
    let history = archived(&cluster, &topic, &[(0, vec![batch(&[1], 100); 3])]).await;
    cluster.put_archive(&history).await;
    let mut writer = cluster.writer("later").await;
    writer.write(&[(&topic, 0, vec![batch(&[1], 100); 3])]).await;
    let asked = Arc::new(Mutex::new(Vec::new()));
    cluster.metastore.mangle_plans({
        let (asked, extents) = (Arc::clone(&asked), history.extents[&key(&topic, 0)].clone());
        move |requests, plans| {
            asked
                .lock()
                .unwrap()
                .extend(requests.iter().map(|one| one.bytes_max));
            plans[0].head.as_mut().unwrap().archived_to = 3;
            plans[0].extents.retain(|extent| extent.base_offset >= 3);
            if requests[0].from < 3 {
                plans[0].extents.splice(0..0, extents.clone());
                // Nothing but what is archived: the rest is always asked for.
                plans[0].extents.truncate(extents.len());
            }
        }
    });
    let mut client = agent.client();
    for (from, expected) in [(0, vec![0, 1, 2]), (4, vec![4, 5]), (1, vec![1, 2])] {
        let read = client.fetch_one(&Fetch::of(&topic, 0, from)).await;
        assert_eq!(code_and_offsets(&read).1[..expected.len()], expected[..]);
    }
    let asked = asked.lock().unwrap().clone();
    assert_eq!(asked[..2], [256 << 20, 1 << 20]);
}
