//! ElectLeaders 0-2.

use std::sync::Arc;

use esker_broker::authorizer::Operation;
use esker_protocol::messages::ElectLeadersRequest;
use esker_protocol::messages::elect_leaders_request::TopicPartitions;
use esker_protocol::messages::elect_leaders_response::ElectLeadersResponse;

use crate::world::{Deny, World, all_versions, config, name_of};

fn asking(topics: &[(&str, &[i32])]) -> ElectLeadersRequest {
    let topics = topics.iter().map(|(name, partitions)| {
        TopicPartitions::default()
            .with_topic(name_of(name))
            .with_partitions(partitions.to_vec())
    });
    ElectLeadersRequest::default()
        .with_topic_partitions(Some(topics.collect()))
        .with_timeout_ms(1000)
}

/// The error of each partition, in the order of the request.
fn codes(response: &ElectLeadersResponse) -> Vec<(i32, i16)> {
    let topics = response.replica_election_results.iter();
    topics
        .flat_map(|topic| &topic.partition_result)
        .map(|one| (one.partition_id, one.error_code))
        .collect()
}

#[tokio::test]
async fn the_right_replica_leads_already() {
    let (_world, _agent, mut client) = World::one().await;
    client.topic("t", 2).await;
    for version in all_versions::<ElectLeadersRequest>() {
        for kind in 0..=i8::from(version > 0) {
            let request = asking(&[("t", &[0, 1, 2, -1]), ("none", &[0])]).with_election_type(kind);
            let response = client.call(version, &request).await;
            assert_eq!(response.error_code, 0);
            assert_eq!(
                codes(&response),
                [(0, 84), (1, 84), (2, 3), (-1, 3), (0, 3)],
                "v{version}"
            );
            let topics = &response.replica_election_results;
            assert_eq!(
                (topics[0].topic.as_str(), topics[1].topic.as_str()),
                ("t", "none")
            );
            let all = ElectLeadersRequest::default().with_topic_partitions(None);
            let response = client.call(version, &all.with_election_type(kind)).await;
            assert_eq!((response.error_code, codes(&response).len()), (0, 0));
        }
    }
}

#[tokio::test]
async fn an_election_that_nobody_knows_is_refused() {
    let (_world, _agent, mut client) = World::one().await;
    client.topic("t", 1).await;
    for version in 1..=2 {
        for kind in [2, -1] {
            let request = asking(&[("t", &[0])]).with_election_type(kind);
            let response = client.call(version, &request).await;
            assert_eq!((response.error_code, codes(&response)), (42, vec![(0, 42)]));
        }
    }
}

#[tokio::test]
async fn what_cannot_be_looked_up_is_not_called_unknown() {
    let (world, _agent, mut client) = World::one().await;
    client.topic("t", 1).await;
    world.metastore.set_down(true);
    let response = client.call(2, &asking(&[("t", &[0, 1]), ("u", &[0])])).await;
    assert_eq!(codes(&response), [(0, 84), (1, 41), (0, 41)]);
}

#[tokio::test]
async fn who_may_not_alter_the_cluster_is_told_so() {
    let world = World::new();
    let bound = world
        .try_agent(config("a", None), Arc::new(Deny(Operation::Alter)))
        .await
        .unwrap();
    let mut client = bound.connect("test");
    for version in all_versions::<ElectLeadersRequest>() {
        let response = client.call(version, &asking(&[("t", &[0])])).await;
        assert_eq!(codes(&response), [(0, 31)]);
        assert_eq!(response.error_code, if version == 0 { 0 } else { 31 });
    }
}
