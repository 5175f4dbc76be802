//! DescribeTopicPartitions 0.

use std::sync::Arc;

use esker_broker::authorizer::Operation;
use esker_protocol::messages::describe_topic_partitions_request::{Cursor, TopicRequest};
use esker_protocol::messages::{DescribeTopicPartitionsRequest, DescribeTopicPartitionsResponse};

use crate::world::{Client, Deny, World, config, name_of};

fn request(names: &[&str], limit: i32) -> DescribeTopicPartitionsRequest {
    let topics = names
        .iter()
        .map(|name| TopicRequest::default().with_name(name_of(name)));
    DescribeTopicPartitionsRequest::default()
        .with_topics(topics.collect())
        .with_response_partition_limit(limit)
}

fn cursor(name: &str, partition: i32) -> Option<Cursor> {
    Some(
        Cursor::default()
            .with_topic_name(name_of(name))
            .with_partition_index(partition),
    )
}

/// Name, error and first and number of partitions of each topic.
fn pages(response: &DescribeTopicPartitionsResponse) -> Vec<(&str, i16, Option<i32>, usize)> {
    let topics = response.topics.iter();
    topics
        .map(|topic| {
            let first = topic
                .partitions
                .first()
                .map(|partition| partition.partition_index);
            let name = topic.name.as_ref().unwrap().0.as_str();
            (name, topic.error_code, first, topic.partitions.len())
        })
        .collect()
}

fn next(response: &DescribeTopicPartitionsResponse) -> Option<(&str, i32)> {
    let cursor = response.next_cursor.as_ref()?;
    Some((cursor.topic_name.0.as_str(), cursor.partition_index))
}

async fn three_topics() -> (World, Client) {
    let (world, _agent, mut client) = World::one().await;
    for (name, partitions) in [("c", 2), ("a", 3), ("b", 1)] {
        client.topic(name, partitions).await;
    }
    (world, client)
}

#[tokio::test]
async fn topics_come_in_order_with_errors_between_them() {
    let (_world, mut client) = three_topics().await;
    let response = client
        .call(0, &request(&["c", "bb", "a", "a", "bad name"], 100))
        .await;
    let expected = [
        ("a", 0, Some(0), 3),
        ("bad name", 17, None, 0),
        ("bb", 3, None, 0),
        ("c", 0, Some(0), 2),
    ];
    assert_eq!(pages(&response), expected);
    assert_eq!(next(&response), None);
    let topic = &response.topics[0];
    assert!(!topic.topic_id.is_nil());
    assert_eq!(topic.topic_authorized_operations, 0x0df8);
    assert_eq!(topic.partitions[0].leader_epoch, 1);
    assert_eq!(topic.partitions[0].isr_nodes, topic.partitions[0].replica_nodes);
    let all = client.call(0, &request(&[], 100)).await;
    assert_eq!(
        pages(&all).iter().map(|topic| topic.0).collect::<Vec<_>>(),
        ["a", "b", "c"]
    );
}

#[tokio::test]
async fn pages_follow_on_each_other() {
    let (_world, mut client) = three_topics().await;
    for limit in [-1, 0, 1, 2, 3, 4, 5, 6, 7] {
        let mut seen = Vec::new();
        let mut asked = request(&[], limit);
        loop {
            let response = client.call(0, &asked).await;
            let mut here = 0;
            for topic in &response.topics {
                let name = topic.name.as_ref().unwrap().0.to_string();
                let partitions = topic.partitions.iter();
                seen.extend(partitions.map(|partition| (name.clone(), partition.partition_index)));
                here += topic.partitions.len();
            }
            assert!(here > 0 && here <= limit.max(1) as usize);
            match next(&response) {
                Some((name, partition)) => asked.cursor = cursor(name, partition),
                None => break,
            }
        }
        let expected = [("a", 0), ("a", 1), ("a", 2), ("b", 0), ("c", 0), ("c", 1)];
        let expected = expected.map(|(name, partition)| (name.to_owned(), partition));
        assert_eq!(seen, expected, "limit {limit}");
    }
}

#[tokio::test]
async fn a_cursor_is_a_place_in_the_order() {
    let (_world, mut client) = three_topics().await;
    let from = |names: &[&str], name, partition| request(names, 100).with_cursor(cursor(name, partition));
    let response = client.call(0, &from(&[], "aa", 5)).await;
    assert_eq!(pages(&response), [("b", 0, Some(0), 1), ("c", 0, Some(0), 2)]);
    let response = client.call(0, &from(&[], "a", 2)).await;
    assert_eq!(pages(&response)[0], ("a", 0, Some(2), 1));
    let response = client.call(0, &from(&["a", "b"], "a", 1)).await;
    assert_eq!(pages(&response), [("a", 0, Some(1), 2), ("b", 0, Some(0), 1)]);
    for partition in [3, i32::MAX] {
        let response = client.call(0, &from(&[], "a", partition)).await;
        assert_eq!(pages(&response)[0], ("a", 0, None, 0));
        assert_eq!(pages(&response).len(), 3);
    }
    // A negative partition, and a cursor that is not among the topics asked for.
    assert_eq!(
        pages(&client.call(0, &from(&["a", "b"], "a", -1)).await),
        [("a", 42, None, 0), ("b", 42, None, 0)]
    );
    assert_eq!(
        pages(&client.call(0, &from(&["a"], "b", 0)).await),
        [("a", 42, None, 0)]
    );
}

#[tokio::test]
async fn a_page_has_an_upper_limit() {
    let (_world, _agent, mut client) = World::one().await;
    client.topic("t", 3000).await;
    let response = client.call(0, &request(&[], i32::MAX)).await;
    assert_eq!(pages(&response), [("t", 0, Some(0), 2000)]);
    assert_eq!(next(&response), Some(("t", 2000)));
}

#[tokio::test]
async fn without_the_metastore_unknown_topics_are_retried() {
    let (world, mut client) = three_topics().await;
    world.metastore.set_down(true);
    let response = client.call(0, &request(&["a", "x"], 100)).await;
    assert_eq!(pages(&response), [("a", 0, Some(0), 3), ("x", 5, None, 0)]);
    assert_eq!(client.call(0, &request(&[], 100)).await.topics.len(), 3);
}

#[tokio::test]
async fn who_may_not_look_learns_nothing() {
    let world = World::new();
    let agent = world
        .try_agent(config("a", None), Arc::new(Deny(Operation::Describe)))
        .await
        .unwrap();
    let mut client = agent.connect("test");
    client.topic("t", 1).await;
    let response = client.call(0, &request(&["t", "x"], 100)).await;
    assert_eq!(pages(&response), [("t", 29, None, 0), ("x", 29, None, 0)]);
    assert!(client.call(0, &request(&[], 100)).await.topics.is_empty());
}
