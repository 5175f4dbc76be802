//! CreatePartitions 0-3.

use std::sync::Arc;

use esker_broker::authorizer::Operation;
use esker_protocol::messages::create_partitions_request::{
    CreatePartitionsAssignment, CreatePartitionsTopic,
};
use esker_protocol::messages::metadata_request::MetadataRequestTopic;
use esker_protocol::messages::{BrokerId, CreatePartitionsRequest, MetadataRequest};

use crate::watched::Fault;
use crate::world::{Client, Deny, World, all_versions, config, name_of};

fn grow(name: &str, count: i32) -> CreatePartitionsTopic {
    CreatePartitionsTopic::default()
        .with_name(name_of(name))
        .with_count(count)
        .with_assignments(None)
}

fn assigned(count: i32, brokers: &[&[BrokerId]]) -> CreatePartitionsTopic {
    let assignments = brokers
        .iter()
        .map(|brokers| CreatePartitionsAssignment::default().with_broker_ids(brokers.to_vec()));
    grow("t", count).with_assignments(Some(assignments.collect()))
}

async fn errors(client: &mut Client, topics: Vec<CreatePartitionsTopic>) -> Vec<i16> {
    let response = client
        .call(3, &CreatePartitionsRequest::default().with_topics(topics))
        .await;
    let results = response.results.iter();
    results
        .map(|result| {
            assert_eq!(result.error_code == 0, result.error_message.is_none());
            result.error_code
        })
        .collect()
}

async fn partitions(client: &mut Client) -> usize {
    let topic = MetadataRequestTopic::default().with_name(Some(name_of("t")));
    let request = MetadataRequest::default().with_topics(Some(vec![topic]));
    client.call(9, &request).await.topics[0].partitions.len()
}

#[tokio::test]
async fn every_version_grows_a_topic() {
    let (_world, _agent, mut client) = World::one().await;
    client.topic("t", 1).await;
    for version in all_versions::<CreatePartitionsRequest>() {
        let count = i32::from(version) + 2;
        let topics = vec![grow("t", count), grow("unknown", 3)];
        let request = CreatePartitionsRequest::default().with_topics(topics);
        let trial = client
            .call(version, &request.clone().with_validate_only(true))
            .await;
        assert_eq!((trial.results[0].error_code, trial.results[1].error_code), (0, 3));
        assert_eq!(partitions(&mut client).await as i32, count - 1);
        let response = client.call(version, &request).await;
        assert_eq!(
            (response.results[0].error_code, response.results[1].error_code),
            (0, 3)
        );
        assert_eq!(partitions(&mut client).await as i32, count);
    }
}

#[tokio::test]
async fn topics_only_grow_and_not_beyond_the_limit() {
    let (_world, _agent, mut client) = World::one().await;
    client.topic("t", 3).await;
    for count in [3, 2, 0, -1, i32::MIN] {
        assert_eq!(errors(&mut client, vec![grow("t", count)]).await, [37], "{count}");
    }
    for count in [10_001, i32::MAX] {
        assert_eq!(errors(&mut client, vec![grow("t", count)]).await, [44], "{count}");
    }
    assert_eq!(
        errors(&mut client, vec![grow("t", 4), grow("t", 5), grow("x", 1)]).await,
        [42, 3]
    );
    assert_eq!(partitions(&mut client).await, 3);
}

#[tokio::test]
async fn assignments_are_checked() {
    let (_world, agent, mut client) = World::one().await;
    client.topic("t", 1).await;
    let me = agent.id();
    let nobody = BrokerId(99);
    let wrong: [&[&[BrokerId]]; 6] = [
        &[],
        &[&[me]],
        &[&[me], &[]],
        &[&[me], &[nobody]],
        &[&[me], &[me, me]],
        &[&[me], &[me], &[me]],
    ];
    for brokers in wrong {
        assert_eq!(
            errors(&mut client, vec![assigned(3, brokers)]).await,
            [39],
            "{brokers:?}"
        );
    }
    assert_eq!(errors(&mut client, vec![assigned(3, &[&[me], &[me]])]).await, [0]);
    assert_eq!(partitions(&mut client).await, 3);
}

#[tokio::test]
async fn failures_of_the_metastore_are_told_apart() {
    let (world, _agent, mut client) = World::one().await;
    client.topic("t", 1).await;
    world.metastore.queue(&[Fault::LostReply]);
    assert_eq!(errors(&mut client, vec![grow("t", 2)]).await, [0]);
    world.metastore.queue(&[Fault::Lost; 3]);
    assert_eq!(errors(&mut client, vec![grow("t", 3)]).await, [7]);
    world.metastore.set_down(true);
    assert_eq!(
        errors(&mut client, vec![grow("t", 3), grow("unknown", 3)]).await,
        [41, 41]
    );
}

#[tokio::test]
async fn who_may_not_alter_is_told_so() {
    let world = World::new();
    let agent = world
        .try_agent(config("a", None), Arc::new(Deny(Operation::Alter)))
        .await
        .unwrap();
    let mut client = agent.connect("test");
    client.topic("t", 1).await;
    assert_eq!(
        errors(&mut client, vec![grow("t", 2), grow("unknown", 2)]).await,
        [29, 29]
    );
}
