//! Metadata 0-13.

use std::sync::Arc;

use esker_broker::BrokerConfig;
use esker_broker::authorizer::Operation;
use esker_protocol::messages::metadata_request::MetadataRequestTopic;
use esker_protocol::messages::{MetadataRequest, MetadataResponse};
use uuid::Uuid;

use crate::world::{Deny, World, all_versions, config, listener, name_of, topic};

fn named(names: &[&str]) -> MetadataRequest {
    let topics = names
        .iter()
        .map(|name| MetadataRequestTopic::default().with_name(Some(name_of(name))));
    MetadataRequest::default()
        .with_topics(Some(topics.collect()))
        .with_allow_auto_topic_creation(true)
}

fn all() -> MetadataRequest {
    MetadataRequest::default().with_topics(None)
}

/// Name and error of each topic.
fn topics(response: &MetadataResponse) -> Vec<(String, i16)> {
    let topics = response.topics.iter();
    topics
        .map(|topic| {
            let name = topic.name.as_ref().map_or("<null>", |name| name.0.as_str());
            (name.to_owned(), topic.error_code)
        })
        .collect()
}

#[tokio::test]
async fn every_version_answers_all_and_named_and_unknown_topics() {
    let (_world, agent, mut client) = World::one().await;
    let id = client.topic("t", 3).await;
    for version in all_versions::<MetadataRequest>() {
        let response = client.call(version, &named(&["t", "missing", "bad name"])).await;
        let expected = [("t".into(), 0), ("missing".into(), 3), ("bad name".into(), 17)];
        assert_eq!(topics(&response), expected, "v{version}");
        assert_eq!(response.brokers.len(), 1);
        assert_eq!(
            (response.brokers[0].host.as_str(), response.brokers[0].port),
            ("a", 9092)
        );
        let described = &response.topics[0];
        assert_eq!(described.partitions.len(), 3);
        for (index, partition) in described.partitions.iter().enumerate() {
            assert_eq!(partition.partition_index, index as i32);
            assert_eq!(partition.leader_id, agent.id());
            assert_eq!(partition.replica_nodes, [agent.id()]);
            assert_eq!(partition.isr_nodes, [agent.id()]);
            assert!(partition.offline_replicas.is_empty());
            assert_eq!(partition.leader_epoch, if version >= 7 { 1 } else { -1 });
        }
        assert_eq!(described.topic_id, if version >= 10 { id } else { Uuid::nil() });
        assert_eq!(described.topic_authorized_operations, i32::MIN);
        assert_eq!(response.cluster_id.is_some(), version >= 2);
        if version >= 1 {
            assert_eq!(response.controller_id, agent.id());
        }
    }
}

#[tokio::test]
async fn empty_and_null_lists_mean_what_their_version_says() {
    let (_world, _agent, mut client) = World::one().await;
    client.topic("t", 1).await;
    assert_eq!(topics(&client.call(0, &named(&[])).await), [("t".into(), 0)]);
    for version in 1..=13 {
        assert!(
            topics(&client.call(version, &named(&[])).await).is_empty(),
            "v{version}"
        );
        assert_eq!(
            topics(&client.call(version, &all()).await),
            [("t".into(), 0)],
            "v{version}"
        );
    }
}

#[tokio::test]
async fn a_topic_asked_for_twice_is_told_once() {
    let (_world, _agent, mut client) = World::one().await;
    client.topic("t", 1).await;
    assert_eq!(
        topics(&client.call(9, &named(&["t", "t", "x", "x"])).await).len(),
        2
    );
}

#[tokio::test]
async fn topics_are_found_by_id_and_names_are_ignored_then() {
    let (_world, _agent, mut client) = World::one().await;
    let id = client.topic("t", 1).await;
    let by_id = |id| MetadataRequestTopic::default().with_topic_id(id).with_name(None);
    let mut request = named(&["elsewhere"]);
    let unknown = Uuid::from_u128(77);
    request
        .topics
        .as_mut()
        .unwrap()
        .extend([by_id(id), by_id(unknown)]);
    for version in [12, 13] {
        let response = client.call(version, &request).await;
        assert_eq!(topics(&response), [("t".into(), 0), ("<null>".into(), 100)]);
        assert_eq!(response.topics[1].topic_id, unknown);
    }
    // Before version 12 neither ids nor null names may be sent.
    for version in [10, 11] {
        let request =
            MetadataRequest::default().with_topics(Some(vec![by_id(id).with_name(Some(name_of("t")))]));
        assert_eq!(topics(&client.call(version, &request).await), [("t".into(), 42)]);
        let request = MetadataRequest::default().with_topics(Some(vec![by_id(Uuid::nil())]));
        assert_eq!(
            topics(&client.call(version, &request).await),
            [(String::new(), 42)]
        );
    }
    let request = MetadataRequest::default().with_topics(Some(vec![by_id(Uuid::nil())]));
    assert_eq!(client.call(12, &request).await.topics[0].error_code, 42);
}

#[tokio::test]
async fn topics_are_created_on_first_use_if_both_sides_want_it() {
    let world = World::new();
    let wanting = BrokerConfig {
        auto_create_topics: true,
        num_partitions: 4,
        ..config("a", None)
    };
    let agent = world.agent(wanting).await;
    let mut client = agent.connect("test");
    let silent = named(&["t"]).with_allow_auto_topic_creation(false);
    assert_eq!(topics(&client.call(4, &silent).await), [("t".into(), 3)]);
    assert_eq!(topics(&client.call(4, &silent).await), [("t".into(), 3)]);

    let wanted = named(&["t", "t.x", "t_x", "bad name"]);
    let first = topics(&client.call(4, &wanted).await);
    assert_eq!(
        first,
        [
            ("t".into(), 3),
            ("t.x".into(), 3),
            ("t_x".into(), 17),
            ("bad name".into(), 17)
        ]
    );
    let second = client.call(4, &wanted).await;
    let expected = [
        ("t".into(), 0),
        ("t.x".into(), 0),
        ("t_x".into(), 17),
        ("bad name".into(), 17),
    ];
    assert_eq!(topics(&second), expected);
    assert_eq!(second.topics[0].partitions.len(), 4);

    // Before version 4 a client cannot say no.
    let request = MetadataRequest::default().with_topics(named(&["old"]).topics);
    assert_eq!(topics(&client.call(1, &request).await), [("old".into(), 3)]);
    assert_eq!(topics(&client.call(1, &request).await), [("old".into(), 0)]);

    let unwilling = world.agent(config("b", None)).await;
    let mut client = unwilling.connect("test");
    for _ in 0..2 {
        assert_eq!(
            topics(&client.call(4, &named(&["never"])).await),
            [("never".into(), 3)]
        );
    }
}

#[tokio::test]
async fn another_agents_new_topics_are_found_at_once() {
    let (world, _agent, mut client) = World::one().await;
    let other = world.agent(config("b", None)).await;
    let mut elsewhere = other.connect("test");
    client.topic("t", 2).await;
    assert_eq!(
        topics(&elsewhere.call(9, &named(&["t"])).await),
        [("t".into(), 0)]
    );
    client.topic("u", 1).await;
    assert_eq!(topics(&elsewhere.call(9, &all()).await).len(), 2);
}

#[tokio::test]
async fn leaders_are_in_the_clients_zone_and_in_the_list() {
    let world = World::new();
    let first = world.agent(config("a", Some("east"))).await;
    let second = world.agent(config("b", Some("west"))).await;
    let mut client = first.connect("app,zone=west");
    client
        .create(topic("t").with_num_partitions(20).with_replication_factor(3))
        .await;
    // The first agent hears of the second with a heartbeat.
    let response = loop {
        let response = client.call(9, &named(&["t"])).await;
        if response.brokers.len() == 2 {
            break response;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    };
    let racks: Vec<_> = response
        .brokers
        .iter()
        .map(|broker| broker.rack.as_deref().unwrap())
        .collect();
    assert_eq!(racks, ["east", "west"]);
    for partition in &response.topics[0].partitions {
        assert_eq!(partition.leader_id, second.id());
        assert_eq!(partition.replica_nodes, [second.id(), first.id()]);
    }
    let anywhere = first.connect("app").call(9, &named(&["t"])).await;
    let mut leaders: Vec<i32> = anywhere.topics[0]
        .partitions
        .iter()
        .map(|p| p.leader_id.0)
        .collect();
    leaders.sort_unstable();
    leaders.dedup();
    assert_eq!(leaders, [first.id().0, second.id().0]);
    assert_eq!(anywhere.controller_id, first.id());
}

#[tokio::test]
async fn a_client_is_told_the_address_of_its_own_listener() {
    let world = World::new();
    let two = BrokerConfig {
        listeners: vec![listener("PLAINTEXT", "inside"), listener("PUBLIC", "outside")],
        ..config("a", None)
    };
    let public = Arc::clone(&two.listeners[1]);
    let agent = world.agent(two).await;
    let inside = agent.connect("x").call(9, &all()).await;
    assert_eq!(inside.brokers[0].host.as_str(), "inside");
    let outside = agent.connect_through(public, "x").call(9, &all()).await;
    assert_eq!(outside.brokers[0].host.as_str(), "outside");
}

#[tokio::test]
async fn without_the_metastore_known_topics_are_answered_and_others_retried() {
    let (world, agent, mut client) = World::one().await;
    client.topic("t", 1).await;
    world.metastore.set_down(true);
    let response = client.call(12, &named(&["t", "unknown"])).await;
    assert_eq!(topics(&response), [("t".into(), 0), ("unknown".into(), 5)]);
    assert_eq!(topics(&client.call(12, &all()).await), [("t".into(), 0)]);
    assert_eq!(response.brokers[0].node_id, agent.id());
    let by_id = MetadataRequestTopic::default()
        .with_topic_id(Uuid::from_u128(5))
        .with_name(None);
    let request = MetadataRequest::default().with_topics(Some(vec![by_id]));
    assert_eq!(client.call(12, &request).await.topics[0].error_code, 5);
}

#[tokio::test]
async fn internal_topics_are_marked() {
    let (_world, _agent, mut client) = World::one().await;
    client.topic("__consumer_offsets", 1).await;
    client.topic("t", 1).await;
    let response = client.call(9, &all()).await;
    let marks: Vec<bool> = response.topics.iter().map(|topic| topic.is_internal).collect();
    assert_eq!(marks, [true, false]);
}

#[tokio::test]
async fn authorized_operations_are_told_only_when_asked() {
    let (_world, _agent, mut client) = World::one().await;
    client.topic("t", 1).await;
    let asking = named(&["t"]).with_include_topic_authorized_operations(true);
    for version in 8..=13 {
        let cluster = (8..=10).contains(&version);
        let request = asking.clone().with_include_cluster_authorized_operations(cluster);
        let response = client.call(version, &request).await;
        assert_eq!(response.topics[0].topic_authorized_operations, 0x0df8);
        assert_eq!(
            response.cluster_authorized_operations,
            if cluster { 0x1fa0 } else { i32::MIN }
        );
    }
}

#[tokio::test]
async fn who_may_not_look_learns_nothing() {
    let world = World::new();
    let agent = world
        .try_agent(config("a", None), Arc::new(Deny(Operation::Describe)))
        .await
        .unwrap();
    let mut client = agent.connect("test");
    let id = client.topic("t", 1).await;
    let response = client.call(9, &named(&["t", "unknown"])).await;
    assert_eq!(topics(&response), [("t".into(), 29), ("unknown".into(), 29)]);
    assert!(client.call(9, &all()).await.topics.is_empty());
    let by_id = MetadataRequestTopic::default().with_topic_id(id).with_name(None);
    let response = client
        .call(12, &MetadataRequest::default().with_topics(Some(vec![by_id])))
        .await;
    assert_eq!(topics(&response), [("<null>".into(), 29)]);
}

#[tokio::test]
async fn ten_thousand_partitions_are_told() {
    let (_world, _agent, mut client) = World::one().await;
    client.topic("t", 10_000).await;
    let response = client.call(12, &named(&["t"])).await;
    assert_eq!(response.topics[0].partitions.len(), 10_000);
}
