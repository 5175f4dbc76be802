//! CreateTopics 2-7.

use std::sync::Arc;

use esker_broker::BrokerConfig;
use esker_broker::authorizer::Operation;
use esker_protocol::messages::create_topics_request::{
    CreatableReplicaAssignment, CreatableTopic, CreatableTopicConfig,
};
use esker_protocol::messages::{
    BrokerId, CreateTopicsRequest, CreateTopicsResponse, DescribeTopicPartitionsRequest,
};

use crate::watched::Fault;
use crate::world::{Client, Deny, World, all_versions, config, text, topic};

fn request(topics: Vec<CreatableTopic>) -> CreateTopicsRequest {
    CreateTopicsRequest::default().with_topics(topics)
}

fn set(name: &str, value: Option<&str>) -> CreatableTopicConfig {
    CreatableTopicConfig::default()
        .with_name(text(name))
        .with_value(value.map(text))
}

fn errors(response: &CreateTopicsResponse) -> Vec<(&str, i16)> {
    response
        .topics
        .iter()
        .map(|topic| (topic.name.0.as_str(), topic.error_code))
        .collect()
}

/// The error of creating one topic. Every error comes with a sentence.
async fn error(client: &mut Client, topic: CreatableTopic) -> i16 {
    let result = client.create(topic).await;
    assert_eq!(result.error_code == 0, result.error_message.is_none());
    result.error_code
}

fn assigned(partitions: &[(i32, &[BrokerId])]) -> CreatableTopic {
    let assignments = partitions.iter().map(|(index, brokers)| {
        CreatableReplicaAssignment::default()
            .with_partition_index(*index)
            .with_broker_ids(brokers.to_vec())
    });
    topic("t")
        .with_num_partitions(-1)
        .with_replication_factor(-1)
        .with_assignments(assignments.collect())
}

async fn listed(client: &mut Client) -> Vec<String> {
    let response = client
        .call(
            0,
            &DescribeTopicPartitionsRequest::default().with_response_partition_limit(2000),
        )
        .await;
    let names = response
        .topics
        .iter()
        .map(|topic| topic.name.as_ref().unwrap().0.to_string());
    names.collect()
}

#[tokio::test]
async fn every_version_creates_refuses_and_shows_what_it_can() {
    let (_world, _agent, mut client) = World::one().await;
    for version in all_versions::<CreateTopicsRequest>() {
        let name = format!("t{version}");
        let wanted = topic(&name)
            .with_num_partitions(3)
            .with_replication_factor(2)
            .with_configs(vec![set("retention.ms", Some("5"))]);
        let response = client.call(version, &request(vec![wanted.clone()])).await;
        assert_eq!(errors(&response), [(name.as_str(), 0)], "v{version}");
        let created = &response.topics[0];
        if version >= 5 {
            assert_eq!((created.num_partitions, created.replication_factor), (3, 2));
            let configs = created.configs.as_ref().unwrap();
            assert_eq!(configs.len(), 34);
            let retention = configs
                .iter()
                .find(|config| config.name.as_str() == "retention.ms")
                .unwrap();
            assert_eq!(
                (retention.value.as_deref(), retention.config_source),
                (Some("5"), 1)
            );
            assert!(!retention.read_only && !retention.is_sensitive);
        }
        assert_eq!(created.topic_id.is_nil(), version < 7);
        let again = client.call(version, &request(vec![wanted])).await;
        assert_eq!(errors(&again), [(name.as_str(), 36)]);
    }
}

#[tokio::test]
async fn defaults_stand_for_minus_one() {
    let world = World::new();
    let agent = world
        .agent(BrokerConfig {
            num_partitions: 7,
            ..config("a", None)
        })
        .await;
    let mut client = agent.connect("test");
    let created = client
        .create(topic("t").with_num_partitions(-1).with_replication_factor(-1))
        .await;
    assert_eq!(
        (
            created.error_code,
            created.num_partitions,
            created.replication_factor
        ),
        (0, 7, 1)
    );
}

#[tokio::test]
async fn impossible_sizes_are_refused() {
    let (_world, _agent, mut client) = World::one().await;
    for partitions in [0, -2, i32::MIN] {
        assert_eq!(
            error(&mut client, topic("t").with_num_partitions(partitions)).await,
            37
        );
    }
    for factor in [0, -2, 4, i16::MAX] {
        assert_eq!(
            error(&mut client, topic("t").with_replication_factor(factor)).await,
            38
        );
    }
    for partitions in [10_001, i32::MAX] {
        assert_eq!(
            error(&mut client, topic("t").with_num_partitions(partitions)).await,
            44
        );
    }
    let many = (0..3)
        .map(|n| topic(&format!("m{n}")).with_num_partitions(4_000))
        .collect();
    let response = client.call(7, &request(many)).await;
    assert_eq!(errors(&response), [("m0", 44), ("m1", 44), ("m2", 44)]);
    for factor in 1..=3 {
        let created = client
            .create(topic(&format!("f{factor}")).with_replication_factor(factor))
            .await;
        assert_eq!((created.error_code, created.replication_factor), (0, factor));
    }
}

#[tokio::test]
async fn names_are_checked() {
    let (_world, _agent, mut client) = World::one().await;
    for name in ["", ".", "..", "a b", "a/b", &"x".repeat(250)] {
        assert_eq!(error(&mut client, topic(name)).await, 17, "{name:?}");
    }
    assert_eq!(error(&mut client, topic("__cluster_metadata")).await, 42);
    client.topic("a.b", 1).await;
    assert_eq!(error(&mut client, topic("a_b")).await, 17);
    assert_eq!(error(&mut client, topic("a.b")).await, 36);
    let response = client.call(7, &request(vec![topic("c.d"), topic("c_d")])).await;
    assert_eq!(errors(&response), [("c.d", 0), ("c_d", 17)]);
}

#[tokio::test]
async fn one_bad_topic_leaves_the_others_alone_and_order_is_kept() {
    let (_world, _agent, mut client) = World::one().await;
    let twice = topic("twice");
    let topics = vec![
        topic("z"),
        twice.clone(),
        topic("a"),
        twice,
        topic("m").with_num_partitions(0),
    ];
    let response = client.call(5, &request(topics)).await;
    assert_eq!(errors(&response), [("z", 0), ("twice", 42), ("a", 0), ("m", 37)]);
    assert_eq!(response.topics[1].configs, Some(Vec::new()));
    assert_eq!(listed(&mut client).await, ["a", "z"]);
}

#[tokio::test]
async fn configs_are_checked() {
    let (_world, _agent, mut client) = World::one().await;
    let wrong = [
        set("no.such.config", Some("1")),
        set("retention.ms", None),
        set("retention.ms", Some("soon")),
        set("cleanup.policy", Some("shred")),
        set("max.message.bytes", Some("-1")),
        set("remote.storage.enable", Some("true")),
        set("message.format.version", Some("2.0")),
        set("message.timestamp.difference.max.ms", Some("1")),
        set("esker.validate.compressed", Some("perhaps")),
        set("", Some("")),
    ];
    for config in wrong {
        let name = config.name.clone();
        let created = topic("t").with_configs(vec![config]);
        assert_eq!(error(&mut client, created).await, 40, "{name:?}");
    }
    let lags = vec![
        set("min.compaction.lag.ms", Some("10")),
        set("max.compaction.lag.ms", Some("9")),
    ];
    assert_eq!(error(&mut client, topic("t").with_configs(lags)).await, 40);
    let right = vec![
        set("cleanup.policy", Some("compact,delete")),
        set("min.insync.replicas", Some("2")),
        set("remote.storage.enable", Some("false")),
        set("esker.validate.compressed", Some("full")),
    ];
    assert_eq!(error(&mut client, topic("t").with_configs(right)).await, 0);
}

#[tokio::test]
async fn assignments_are_checked() {
    let (_world, agent, mut client) = World::one().await;
    let me = agent.id();
    let nobody = BrokerId(99);
    let wrong: [&[(i32, &[BrokerId])]; 6] = [
        &[(0, &[])],
        &[(0, &[nobody])],
        &[(0, &[me, me])],
        &[(0, &[me]), (0, &[me])],
        &[(0, &[me]), (2, &[me])],
        &[(1, &[me])],
    ];
    for assignment in wrong {
        assert_eq!(
            error(&mut client, assigned(assignment)).await,
            39,
            "{assignment:?}"
        );
    }
    let both = assigned(&[(0, &[me])]);
    assert_eq!(error(&mut client, both.clone().with_num_partitions(1)).await, 42);
    assert_eq!(error(&mut client, both.with_replication_factor(1)).await, 42);
    let created = client.create(assigned(&[(1, &[me]), (0, &[me])])).await;
    assert_eq!(
        (
            created.error_code,
            created.num_partitions,
            created.replication_factor
        ),
        (0, 2, 1)
    );
}

#[tokio::test]
async fn validate_only_creates_nothing() {
    let (world, _agent, mut client) = World::one().await;
    client.topic("there", 1).await;
    let made = world.metastore.calls("create_topics");
    for version in all_versions::<CreateTopicsRequest>() {
        let topics = vec![
            topic("t"),
            topic("there"),
            topic("bad name"),
            topic("a.b"),
            topic("a_b"),
        ];
        let response = client
            .call(version, &request(topics).with_validate_only(true))
            .await;
        let expected = [("t", 0), ("there", 36), ("bad name", 17), ("a.b", 0), ("a_b", 17)];
        assert_eq!(errors(&response), expected);
        assert!(response.topics[0].topic_id.is_nil());
        if version >= 5 {
            assert_eq!(response.topics[0].configs.as_ref().unwrap().len(), 34);
        }
    }
    assert_eq!(world.metastore.calls("create_topics"), made);
    assert_eq!(listed(&mut client).await, ["there"]);
}

#[tokio::test]
async fn a_lost_answer_is_settled_by_asking_again() {
    let (world, _agent, mut client) = World::one().await;
    world.metastore.queue(&[Fault::LostReply]);
    client.topic("t", 1).await;
    world.metastore.queue(&[Fault::Lost; 3]);
    assert_eq!(error(&mut client, topic("u")).await, 7);
    world.metastore.set_down(true);
    assert_eq!(error(&mut client, topic("u")).await, 41);
    world.metastore.set_down(false);
    assert_eq!(error(&mut client, topic("u")).await, 0);
}

#[tokio::test]
async fn who_may_not_create_is_told_so() {
    let world = World::new();
    let agent = world
        .try_agent(config("a", None), Arc::new(Deny(Operation::Create)))
        .await
        .unwrap();
    assert_eq!(error(&mut agent.connect("test"), topic("t")).await, 29);
}

#[tokio::test]
async fn a_thousand_topics_of_ten_partitions_fit_one_request() {
    let (_world, _agent, mut client) = World::one().await;
    let topics = (0..1000)
        .map(|n| topic(&format!("t{n}")).with_num_partitions(10))
        .collect();
    let response = client.call(7, &request(topics)).await;
    assert!(response.topics.iter().all(|topic| topic.error_code == 0));
    assert_eq!(listed(&mut client).await.len(), 200);
}
