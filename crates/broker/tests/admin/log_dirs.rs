//! DescribeLogDirs 1-4.

use std::sync::Arc;

use bytes::Bytes;
use esker_broker::authorizer::Operation;
use esker_protocol::messages::DescribeLogDirsRequest;
use esker_protocol::messages::describe_log_dirs_request::DescribableLogDirTopic;
use esker_protocol::messages::describe_log_dirs_response::DescribeLogDirsResult;
use esker_protocol::records::BatchBuilder;

use crate::world::{Client, Deny, World, all_versions, config, name_of, topic};

/// Of each partition that is listed: topic, index and size.
type Sizes = Vec<(String, i32, i64)>;

fn asking(topics: &[(&str, &[i32])]) -> DescribeLogDirsRequest {
    let topics = topics.iter().map(|(name, partitions)| {
        DescribableLogDirTopic::default()
            .with_topic(name_of(name))
            .with_partitions(partitions.to_vec())
    });
    DescribeLogDirsRequest::default().with_topics(Some(topics.collect()))
}

/// The one directory.
async fn directory(client: &mut Client, request: &DescribeLogDirsRequest) -> DescribeLogDirsResult {
    let mut response = client.call(4, request).await;
    assert_eq!((response.error_code, response.results.len()), (0, 1));
    response.results.remove(0)
}

fn sizes(directory: &DescribeLogDirsResult) -> Sizes {
    let topics = directory.topics.iter();
    let all = topics.flat_map(|topic| topic.partitions.iter().map(move |one| (topic, one)));
    all.map(|(topic, one)| (topic.name.to_string(), one.partition_index, one.partition_size))
        .collect()
}

fn batch(value: &[u8]) -> Bytes {
    BatchBuilder::new()
        .record(1, Some(b"k"), Some(value), &[])
        .build()
        .unwrap()
}

#[tokio::test]
async fn the_size_is_that_of_what_was_written() {
    let (_world, _agent, mut client) = World::one().await;
    client.topic("a", 2).await;
    client.topic("b", 1).await;
    let (small, large) = (batch(b"small"), batch(&[7; 5000]));
    client.produce("a", 1, &small).await;
    client.produce("a", 1, &large).await;
    client.produce("b", 0, &large).await;
    let both = (small.len() + large.len()) as i64;
    let expected: Sizes = vec![
        ("a".into(), 0, 0),
        ("a".into(), 1, both),
        ("b".into(), 0, large.len() as i64),
    ];
    let all = DescribeLogDirsRequest::default().with_topics(None);
    for version in all_versions::<DescribeLogDirsRequest>() {
        let response = client.call(version, &all).await;
        let directory = &response.results[0];
        assert_eq!((directory.error_code, directory.log_dir.as_str()), (0, "bucket"));
        assert_eq!(sizes(directory), expected, "v{version}");
        assert_eq!((directory.total_bytes, directory.usable_bytes), (-1, -1));
        let mut partitions = directory.topics.iter().flat_map(|topic| &topic.partitions);
        assert!(partitions.all(|one| one.offset_lag == 0 && !one.is_future_key));
    }
}

/// Each of these batches is an extent of its own, and nothing archives them.
#[tokio::test]
async fn a_busy_partition_has_a_size_too() {
    let (world, _agent, mut client) = World::one().await;
    client.topic("busy", 1).await;
    client.topic("quiet", 1).await;
    let batch = batch(b"small");
    client.produce("quiet", 0, &batch).await;
    for _ in 0..600 {
        client.produce("busy", 0, &batch).await;
    }
    let before = world.metastore.calls("stored_bytes");
    let answer = directory(&mut client, &asking(&[("busy", &[0]), ("quiet", &[0])])).await;
    let expected: Sizes = vec![
        ("busy".into(), 0, 600 * batch.len() as i64),
        ("quiet".into(), 0, batch.len() as i64),
    ];
    assert_eq!(sizes(&answer), expected);
    assert_eq!(world.metastore.calls("stored_bytes") - before, 2);
}

#[tokio::test]
async fn only_what_was_asked_for_and_is_there_is_listed() {
    let (_world, _agent, mut client) = World::one().await;
    client.topic("a", 2).await;
    client.topic("b", 1).await;
    let some = asking(&[("a", &[1, 7, -1]), ("none", &[0]), ("bad name", &[0])]);
    assert_eq!(
        sizes(&directory(&mut client, &some).await),
        vec![("a".to_owned(), 1, 0)]
    );
    // What comes twice is listed once.
    let twice = asking(&[("b", &[0, 0]), ("b", &[0])]);
    assert_eq!(
        sizes(&directory(&mut client, &twice).await),
        vec![("b".to_owned(), 0, 0)]
    );
    assert!(directory(&mut client, &asking(&[])).await.topics.is_empty());
}

#[tokio::test]
async fn each_agent_lists_what_it_is_a_replica_of() {
    let (world, _agent, mut client) = World::one().await;
    let other = world.agent(config("b", None)).await;
    let mut elsewhere = other.connect("test");
    client.topic("one", 8).await;
    let three = client
        .create(topic("all").with_num_partitions(4).with_replication_factor(3))
        .await;
    assert_eq!(three.error_code, 0);
    // Agents learn of each other with their heartbeats.
    let mut here = Vec::new();
    for _ in 0..100 {
        let all = DescribeLogDirsRequest::default().with_topics(None);
        here = sizes(&directory(&mut client, &all).await);
        let mut both = sizes(&directory(&mut elsewhere, &all).await);
        both.extend(here.clone());
        if both.len() == 8 + 2 * 4 {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    let of = |name: &str| here.iter().filter(|(topic, ..)| topic == name).count();
    assert_eq!(of("all"), 4);
    assert!(of("one") < 8, "{here:?}");
}

#[tokio::test]
async fn without_the_metastore_the_directory_is_out_of_order() {
    let (world, _agent, mut client) = World::one().await;
    client.topic("a", 1).await;
    world.metastore.set_down(true);
    let answer = directory(&mut client, &asking(&[("a", &[0])])).await;
    assert_eq!((answer.error_code, answer.topics.len()), (56, 0));
}

#[tokio::test]
async fn who_may_not_look_is_told_so_where_there_is_room() {
    let world = World::new();
    let blind = world
        .try_agent(config("a", None), Arc::new(Deny(Operation::Describe)))
        .await
        .unwrap();
    let mut client = blind.connect("test");
    for version in all_versions::<DescribeLogDirsRequest>() {
        let response = client.call(version, &asking(&[])).await;
        let code = if version >= 3 { 31 } else { 0 };
        assert_eq!((response.error_code, response.results.len()), (code, 0));
    }
}
