//! Archiving and retention, as readers and the bucket see them.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a failure here is a failed test"
)]

mod support;

use std::collections::BTreeMap;
use std::time::Duration;

use esker_broker::BrokerConfig;
use esker_model::{PartitionKey, TopicKey};
use esker_protocol::StrBytes;
use esker_protocol::batch::Batches;
use esker_protocol::messages::create_topics_request::{CreatableTopic, CreatableTopicConfig};
use esker_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use esker_protocol::messages::{BrokerId, CreateTopicsRequest, FetchRequest};
use esker_protocol::records::{BatchBuilder, OpenBatch};
use futures::TryStreamExt;
use support::{Agent, Client, World, topic_name};

const TOPICS: [&str; 3] = ["one", "two", "three"];
const PARTITIONS: i32 = 3;

/// An agent that archives at once, and removes after `grace`.
async fn archiving(world: &World, name: &str, grace: Duration) -> Agent {
    let settings = |config| BrokerConfig {
        archive_interval: Duration::from_millis(80),
        archive_grace: grace,
        ..config
    };
    world.agent_with(name, settings).await
}

/// An agent that leaves all upkeep to others.
async fn serving(world: &World, name: &str) -> Agent {
    let settings = |config| BrokerConfig {
        roles: vec!["serve".into()],
        ..config
    };
    world.agent_with(name, settings).await
}

async fn create(client: &mut Client, topic: &str, retention_ms: &'static str) {
    let text = StrBytes::from_static_str;
    let config = CreatableTopicConfig::default()
        .with_name(text("retention.ms"))
        .with_value(Some(text(retention_ms)));
    let topic = CreatableTopic::default()
        .with_name(topic_name(topic))
        .with_num_partitions(PARTITIONS)
        .with_replication_factor(1)
        .with_configs(vec![config]);
    let request = CreateTopicsRequest::default().with_topics(vec![topic]);
    assert_eq!(client.call(7, &request).await.topics[0].error_code, 0);
}

type Records = BTreeMap<(String, i32), Vec<String>>;

/// Produces so many batches of 1 to 3 records into each partition.
async fn produce(client: &mut Client, batches: usize, into: &mut Records) {
    for number in 0..batches {
        for topic in TOPICS {
            for partition in 0..PARTITIONS {
                let records = into.entry((topic.to_owned(), partition)).or_default();
                let mut batch = BatchBuilder::new();
                for _ in 0..=number % 3 {
                    let value = format!("{topic} {partition} {}", records.len());
                    batch = batch.record(1_000, Some(b"k"), Some(value.as_bytes()), &[]);
                    records.push(value);
                }
                let answer = client.produce(topic, partition, batch.build().unwrap()).await;
                assert_eq!(answer.error_code, 0);
            }
        }
    }
}

/// What a Fetch from an offset on gives: error code and records with their offsets.
async fn fetch(client: &mut Client, topic: &str, partition: i32, from: i64) -> (i16, Vec<(i64, String)>) {
    let part = FetchPartition::default()
        .with_partition(partition)
        .with_fetch_offset(from)
        .with_partition_max_bytes(1 << 20);
    let topic = FetchTopic::default()
        .with_topic(topic_name(topic))
        .with_partitions(vec![part]);
    let request = FetchRequest::default()
        .with_replica_id(BrokerId(-1))
        .with_max_bytes(1 << 20)
        .with_session_epoch(-1)
        .with_topics(vec![topic]);
    let answer = client.call(12, &request).await;
    let part = &answer.responses[0].partitions[0];
    let mut found = Vec::new();
    for batch in Batches::new(part.records.clone().unwrap_or_default()) {
        let batch = batch.unwrap();
        for record in OpenBatch::open(&batch, 1 << 20).unwrap().records() {
            let record = record.unwrap();
            let offset = batch.header.base_offset + i64::from(record.offset_delta);
            let value = String::from_utf8(record.value.unwrap().to_vec()).unwrap();
            found.push((offset, value));
        }
    }
    (part.error_code, found)
}

/// Reads everything from the beginning, and compares.
async fn all_is_there(agent: &Agent, records: &Records) {
    let mut client = agent.connect();
    for ((topic, partition), expected) in records {
        let mut next = 0;
        while next < expected.len() as i64 {
            let (error, found) = fetch(&mut client, topic, *partition, next).await;
            assert_eq!(error, 0, "{topic} {partition} from {next}");
            let from = next;
            for (offset, value) in found.into_iter().filter(|(offset, _)| *offset >= from) {
                assert_eq!((offset, &value), (next, &expected[next as usize]));
                next += 1;
            }
        }
    }
}

async fn objects(world: &World, prefix: &str) -> usize {
    let listed: Vec<_> = world.bucket.list(prefix).try_collect().await.unwrap();
    listed.len()
}

fn partition(topic: i32, partition: i32) -> PartitionKey {
    PartitionKey {
        topic: TopicKey(topic),
        partition,
    }
}

/// Waits until every partition is archived to its end.
async fn until_archived(world: &World) {
    let all: Vec<_> = (1..=TOPICS.len() as i32)
        .flat_map(|topic| (0..PARTITIONS).map(move |index| partition(topic, index)))
        .collect();
    until(async || {
        let heads = world.metastore.heads(&all).await.unwrap();
        heads
            .into_iter()
            .flatten()
            .all(|head| head.archived_to == head.next_offset)
    })
    .await;
}

async fn until(holds: impl AsyncFn() -> bool) {
    let waiting = async {
        while !holds().await {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), waiting)
        .await
        .unwrap();
}

#[tokio::test]
async fn records_are_the_same_after_archiving_for_those_who_saw_them_and_those_who_come_later() {
    let world = World::new();
    let (busy, other) = (serving(&world, "busy").await, serving(&world, "other").await);
    let mut client = busy.connect();
    for topic in TOPICS {
        create(&mut client, topic, "-1").await;
    }
    let mut records = Records::new();
    produce(&mut client, 20, &mut records).await;
    all_is_there(&other, &records).await;
    let ingest = objects(&world, "ingest").await;
    // Two at once, and more comes meanwhile.
    let archivers = [
        archiving(&world, "x", Duration::ZERO).await,
        archiving(&world, "y", Duration::ZERO).await,
    ];
    produce(&mut client, 20, &mut records).await;
    until_archived(&world).await;
    // What the writer has settled goes; it settles with its next segment.
    produce(&mut client, 1, &mut records).await;
    until_archived(&world).await;
    until(async || objects(&world, "ingest").await < ingest / 4).await;
    assert!(objects(&world, "archive").await > 0);
    let late = serving(&world, "late").await;
    for agent in [&busy, &other, &late, &archivers[0], &archivers[1]] {
        all_is_there(agent, &records).await;
    }
    let holes: u64 = archivers
        .iter()
        .map(|agent| agent.metrics.upkeep.archive.holes.get())
        .sum();
    assert_eq!(holes, 0);
}

#[tokio::test]
async fn what_cannot_be_read_is_a_hole_and_the_rest_goes_on() {
    let world = World::new();
    let busy = serving(&world, "busy").await;
    let mut client = busy.connect();
    for topic in TOPICS {
        create(&mut client, topic, "-1").await;
    }
    let mut records = Records::new();
    produce(&mut client, 3, &mut records).await;
    // The object with the second batch of the first partition.
    let lost = {
        let plan = esker_metastore::PlanRequest {
            partition: partition(1, 0),
            from: 1,
            bytes_max: 1,
            extents_max: 1,
        };
        world.metastore.plan(&[plan]).await.unwrap()[0].extents[0]
    };
    let key = esker_storage::keys::object_key(&lost.segment);
    world.bucket.delete(&key).await.unwrap();
    let archiver = archiving(&world, "x", Duration::from_secs(60)).await;
    until_archived(&world).await;
    assert_eq!(archiver.metrics.upkeep.archive.holes.get(), 1);
    let late = serving(&world, "late").await;
    let mut client = late.connect();
    let values = &records[&("one".to_owned(), 0)];
    assert_eq!(fetch(&mut client, "one", 0, 0).await.1[0], (0, values[0].clone()));
    assert_eq!(fetch(&mut client, "one", 0, 1).await, (2, vec![]));
    let end = lost.end_offset;
    assert_eq!(
        fetch(&mut client, "one", 0, end).await.1[0],
        (end, values[end as usize].clone())
    );
    records.remove(&("one".to_owned(), 0));
    all_is_there(&late, &records).await;
}

#[tokio::test]
async fn retention_deletes() {
    let world = World::new();
    // Old when they were produced.
    let agent = archiving(&world, "x", Duration::ZERO).await;
    let mut client = agent.connect();
    create(&mut client, "one", "-1").await;
    create(&mut client, "two", "1").await;
    create(&mut client, "three", "0").await;
    let mut records = Records::new();
    produce(&mut client, 5, &mut records).await;
    let short = [partition(2, 0), partition(3, 2)];
    until(async || {
        let heads = world.metastore.heads(&short).await.unwrap();
        heads
            .into_iter()
            .flatten()
            .all(|head| head.log_start == head.next_offset)
    })
    .await;
    let late = serving(&world, "late").await;
    let mut client = late.connect();
    assert_eq!(fetch(&mut client, "two", 0, 0).await.0, 1);
    let end = records[&("two".to_owned(), 0)].len() as i64;
    assert_eq!(fetch(&mut client, "two", 0, end).await, (0, vec![]));
    records.retain(|(topic, _), _| topic == "one");
    until_archived(&world).await;
    all_is_there(&late, &records).await;
    // When the last topic goes, so do the objects.
    let topics = world.metastore.catalog(0).await.unwrap().changed;
    let uuids: Vec<_> = topics.iter().map(|topic| topic.uuid).collect();
    world.metastore.delete_topics(&uuids).await.unwrap();
    until(async || objects(&world, "archive").await == 0).await;
}
