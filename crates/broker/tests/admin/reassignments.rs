//! AlterPartitionReassignments 0-1, ListPartitionReassignments 0.

use std::sync::Arc;

use esker_broker::authorizer::Operation;
use esker_protocol::messages::alter_partition_reassignments_request::{
    ReassignablePartition, ReassignableTopic,
};
use esker_protocol::messages::list_partition_reassignments_request::ListPartitionReassignmentsTopics;
use esker_protocol::messages::{
    AlterPartitionReassignmentsRequest, AlterPartitionReassignmentsResponse, BrokerId,
    ListPartitionReassignmentsRequest,
};

use crate::world::{Deny, World, all_versions, config, name_of};

/// Partitions of one topic with the replicas that they shall have.
fn moving(topic: &str, partitions: &[(i32, Option<&[i32]>)]) -> AlterPartitionReassignmentsRequest {
    let partitions = partitions.iter().map(|(index, replicas)| {
        ReassignablePartition::default()
            .with_partition_index(*index)
            .with_replicas(replicas.map(|ids| ids.iter().copied().map(BrokerId).collect()))
    });
    let topic = ReassignableTopic::default()
        .with_name(name_of(topic))
        .with_partitions(partitions.collect());
    AlterPartitionReassignmentsRequest::default().with_topics(vec![topic])
}

fn codes(response: &AlterPartitionReassignmentsResponse) -> Vec<i16> {
    let partitions = response.responses.iter().flat_map(|topic| &topic.partitions);
    partitions
        .map(|one| {
            assert_eq!(one.error_code == 0, one.error_message.is_none());
            one.error_code
        })
        .collect()
}

#[tokio::test]
async fn what_is_right_is_over_at_once() {
    let (world, agent, mut client) = World::one().await;
    client.topic("t", 8).await;
    let me = agent.id().0;
    for version in all_versions::<AlterPartitionReassignmentsRequest>() {
        let request = moving(
            "t",
            &[
                (0, Some(&[me])),
                (1, None),
                (8, Some(&[me])),
                (-1, Some(&[me])),
                (2, Some(&[99])),
                (3, Some(&[-1])),
                (4, Some(&[])),
                (5, Some(&[me, me])),
            ],
        );
        let response = client.call(version, &request).await;
        assert_eq!(response.error_code, 0);
        assert_eq!(codes(&response), [0, 85, 3, 3, 39, 39, 39, 39], "v{version}");
        assert_eq!(response.responses[0].name.as_str(), "t");
        let unknown = client.call(version, &moving("none", &[(0, Some(&[me]))])).await;
        assert_eq!(codes(&unknown), [3]);
    }
    let named = ListPartitionReassignmentsTopics::default()
        .with_name(name_of("t"))
        .with_partition_indexes(vec![0]);
    for topics in [None, Some(vec![named])] {
        let request = ListPartitionReassignmentsRequest::default().with_topics(topics);
        let listed = client.call(0, &request).await;
        assert_eq!((listed.error_code, listed.topics.len()), (0, 0));
        assert_eq!(listed.error_message, None);
    }
    world.metastore.set_down(true);
    let response = client
        .call(1, &moving("t", &[(0, Some(&[me])), (8, Some(&[me]))]))
        .await;
    assert_eq!(codes(&response), [0, 41]);
}

#[tokio::test]
async fn the_factor_stays_where_the_request_says_so() {
    let (world, agent, mut client) = World::one().await;
    let other = world.agent(config("b", None)).await;
    client.topic("t", 1).await;
    let both = [agent.id().0, other.id().0];
    let request = moving("t", &[(0, Some(&both))]);
    let kept = request.clone().with_allow_replication_factor_change(false);
    // The first agent learns of the second with its heartbeat.
    let mut answered = vec![39];
    for _ in 0..100 {
        answered = codes(&client.call(1, &request).await);
        if answered != [39] {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    assert_eq!(answered, [0]);
    let response = client.call(1, &kept).await;
    assert_eq!(codes(&response), [38]);
    assert!(!response.allow_replication_factor_change);
}

#[tokio::test]
async fn who_may_not_is_told_so() {
    let world = World::new();
    for denied in [Operation::Alter, Operation::Describe] {
        let bound = world
            .try_agent(config("a", None), Arc::new(Deny(denied)))
            .await
            .unwrap();
        let mut client = bound.connect("test");
        let altered = client.call(1, &moving("t", &[(0, None)])).await;
        let listed = client
            .call(0, &ListPartitionReassignmentsRequest::default().with_topics(None))
            .await;
        let expected = match denied {
            Operation::Alter => (31, 0),
            _ => (0, 31),
        };
        assert_eq!((altered.error_code, listed.error_code), expected);
        assert_eq!(altered.error_message.is_some(), denied == Operation::Alter);
    }
}
