//! Agents that do upkeep, and what the tests say often.

use std::collections::BTreeMap;
use std::time::Duration;

use esker_broker::{BrokerConfig, MergeLimits};
use esker_metastore::{Plan, PlanRequest};
use esker_model::{ObjectId, PartitionKey, TopicKey};
use esker_protocol::StrBytes;
use esker_protocol::batch::Batches;
use esker_protocol::messages::CreateTopicsRequest;
use esker_protocol::messages::create_topics_request::{CreatableTopic, CreatableTopicConfig};
use esker_protocol::records::{BatchBuilder, OpenBatch};
use esker_storage::keys;
use futures::TryStreamExt;

use crate::support::{Agent, Client, World, topic_name};

pub const TOPICS: [&str; 3] = ["one", "two", "three"];
pub const PARTITIONS: i32 = 3;

/// Longer than any test runs.
pub const LONG: Duration = Duration::from_secs(3_600);

/// How an agent does upkeep: at once, but for what a test has nothing to do with.
pub struct Pace {
    pub grace: Duration,
    pub merge: MergeLimits,
    pub sweep: Duration,
}

/// Merges whatever is there.
pub const MERGE_ALL: MergeLimits = MergeLimits {
    bytes: 1,
    extents: 1,
    age: Duration::ZERO,
    ..MergeLimits::DEFAULT
};

/// Merges nothing.
pub const MERGE_NOTHING: MergeLimits = MergeLimits {
    bytes: u64::MAX >> 2,
    extents: u64::MAX >> 2,
    age: LONG,
    ..MergeLimits::DEFAULT
};

impl Default for Pace {
    fn default() -> Self {
        Self {
            grace: Duration::ZERO,
            merge: MERGE_NOTHING,
            sweep: LONG,
        }
    }
}

/// An agent that archives at once.
pub async fn upkeep(world: &World, name: &str, pace: Pace) -> Agent {
    let settings = |config| BrokerConfig {
        archive_interval: Duration::from_millis(80),
        archive_grace: pace.grace,
        merge: pace.merge,
        sweep_interval: pace.sweep,
        ..config
    };
    world.agent_with(name, settings).await
}

/// An agent that archives at once, and removes after `grace`.
pub async fn archiving(world: &World, name: &str, grace: Duration) -> Agent {
    let pace = Pace {
        grace,
        ..Pace::default()
    };
    upkeep(world, name, pace).await
}

/// An agent that archives and merges at once, and removes after `grace`.
pub async fn merging(world: &World, name: &str, grace: Duration) -> Agent {
    let pace = Pace {
        grace,
        merge: MERGE_ALL,
        ..Pace::default()
    };
    upkeep(world, name, pace).await
}

/// An agent that leaves all upkeep to others.
pub async fn serving(world: &World, name: &str) -> Agent {
    let settings = |config| BrokerConfig {
        roles: vec!["serve".into()],
        ..config
    };
    world.agent_with(name, settings).await
}

pub async fn create(client: &mut Client, topic: &str, configs: &[(&'static str, &'static str)]) {
    let text = StrBytes::from_static_str;
    let config = |(name, value): &(&'static str, &'static str)| {
        CreatableTopicConfig::default()
            .with_name(text(name))
            .with_value(Some(text(value)))
    };
    let topic = CreatableTopic::default()
        .with_name(topic_name(topic))
        .with_num_partitions(PARTITIONS)
        .with_replication_factor(1)
        .with_configs(configs.iter().map(config).collect());
    let request = CreateTopicsRequest::default().with_topics(vec![topic]);
    assert_eq!(client.call(7, &request).await.topics[0].error_code, 0);
}

pub async fn create_all(client: &mut Client, configs: &[(&'static str, &'static str)]) {
    for topic in TOPICS {
        create(client, topic, configs).await;
    }
}

/// Keeps everything.
pub const FOR_EVER: &[(&str, &str)] = &[("retention.ms", "-1")];

pub type Records = BTreeMap<(String, i32), Vec<String>>;

/// Produces so many batches of 1 to 3 records into each partition of all topics.
pub async fn produce(client: &mut Client, batches: usize, into: &mut Records) {
    for number in 0..batches {
        for topic in TOPICS {
            for partition in 0..PARTITIONS {
                produce_one(client, topic, partition, 1 + number % 3, into).await;
            }
        }
    }
}

/// Produces one batch.
pub async fn produce_one(client: &mut Client, topic: &str, partition: i32, count: usize, into: &mut Records) {
    let records = into.entry((topic.to_owned(), partition)).or_default();
    let mut batch = BatchBuilder::new();
    for _ in 0..count {
        let value = format!("{topic} {partition} {}", records.len());
        let time = 1_000 + records.len() as i64;
        batch = batch.record(time, Some(b"k"), Some(value.as_bytes()), &[]);
        records.push(value);
    }
    let answer = client.produce(topic, partition, batch.build().unwrap()).await;
    assert_eq!(answer.error_code, 0);
}

/// What a Fetch from an offset on gives: error code and records with their offsets.
pub async fn fetch(client: &mut Client, topic: &str, partition: i32, from: i64) -> (i16, Vec<(i64, String)>) {
    let part = client.fetch(topic, partition, from).await;
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
pub async fn all_is_there(agent: &Agent, records: &Records) {
    all_from(agent, records, 0).await;
}

/// Reads everything from an offset on, and compares.
pub async fn all_from(agent: &Agent, records: &Records, first: i64) {
    let mut client = agent.connect();
    for ((topic, partition), expected) in records {
        let mut next = first;
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

/// Deletes the records of a partition below an offset.
pub async fn delete_records(client: &mut Client, topic: &str, partition: i32, offset: i64) {
    let deleted = client.delete_records(topic, &[(partition, offset)]).await;
    assert_eq!(deleted, [(0, offset)]);
}

/// All objects below a prefix.
pub async fn objects(world: &World, prefix: &str) -> Vec<ObjectId> {
    let listed: Vec<_> = world.bucket.list(prefix).try_collect().await.unwrap();
    listed
        .iter()
        .map(|object| keys::parse_key(&object.key).unwrap())
        .collect()
}

pub async fn count(world: &World, prefix: &str) -> usize {
    objects(world, prefix).await.len()
}

pub fn partition(topic: i32, partition: i32) -> PartitionKey {
    PartitionKey {
        topic: TopicKey(topic),
        partition,
    }
}

pub fn every_partition() -> Vec<PartitionKey> {
    (1..=TOPICS.len() as i32)
        .flat_map(|topic| (0..PARTITIONS).map(move |index| partition(topic, index)))
        .collect()
}

pub async fn plan(world: &World, partition: PartitionKey, from: i64) -> Plan {
    let request = PlanRequest {
        partition,
        from,
        bytes_max: u64::MAX,
        extents_max: 10_000,
    };
    world.metastore.plan(&[request]).await.unwrap().remove(0)
}

/// Waits until every partition is archived to its end.
pub async fn until_archived(world: &World) {
    until(async || {
        let heads = world.metastore.heads(&every_partition()).await.unwrap();
        heads
            .into_iter()
            .flatten()
            .all(|head| head.archived_to == head.next_offset)
    })
    .await;
}

/// Waits until every partition is archived and merged to its end.
pub async fn until_merged(world: &World) {
    until_archived(world).await;
    until(async || {
        let status = world.metastore.upkeep_status().await.unwrap();
        status.archived_extents == 0
    })
    .await;
}

pub async fn until(holds: impl AsyncFn() -> bool) {
    let waiting = async {
        while !holds().await {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), waiting)
        .await
        .unwrap();
}
