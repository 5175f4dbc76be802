//! DeleteTopics 1-6.

use std::sync::Arc;

use esker_broker::authorizer::Operation;
use esker_protocol::messages::delete_topics_request::DeleteTopicState;
use esker_protocol::messages::metadata_request::MetadataRequestTopic;
use esker_protocol::messages::{DeleteTopicsRequest, DeleteTopicsResponse, MetadataRequest};
use uuid::Uuid;

use crate::watched::Fault;
use crate::world::{Deny, World, config, name_of, topic};

fn named(names: &[&str]) -> DeleteTopicsRequest {
    DeleteTopicsRequest::default().with_topic_names(names.iter().map(|name| name_of(name)).collect())
}

fn states(states: &[(Option<&str>, Uuid)]) -> DeleteTopicsRequest {
    let states = states.iter().map(|(name, id)| {
        DeleteTopicState::default()
            .with_name(name.map(name_of))
            .with_topic_id(*id)
    });
    DeleteTopicsRequest::default().with_topics(states.collect())
}

fn errors(response: &DeleteTopicsResponse) -> Vec<(Option<&str>, i16)> {
    let responses = response.responses.iter();
    responses
        .map(|topic| (topic.name.as_ref().map(|name| name.0.as_str()), topic.error_code))
        .collect()
}

const NO_ID: Uuid = Uuid::nil();

#[tokio::test]
async fn every_version_deletes_by_name() {
    let (_world, _agent, mut client) = World::one().await;
    for version in 1..=6 {
        let id = client.topic("t", 2).await;
        let request = if version < 6 {
            named(&["t", "unknown", "bad name"])
        } else {
            states(&[
                (Some("t"), NO_ID),
                (Some("unknown"), NO_ID),
                (Some("bad name"), NO_ID),
            ])
        };
        let response = client.call(version, &request).await;
        let expected = [(Some("t"), 0), (Some("unknown"), 3), (Some("bad name"), 3)];
        assert_eq!(errors(&response), expected, "v{version}");
        if version >= 6 {
            assert_eq!(response.responses[0].topic_id, id);
        }
        if version >= 5 {
            assert!(response.responses[1].error_message.is_some());
        }
        let again = client.call(version, &request).await;
        assert_eq!(errors(&again)[0], (Some("t"), 3));
    }
}

#[tokio::test]
async fn version_6_deletes_by_id_and_wants_exactly_one_identity() {
    let (_world, _agent, mut client) = World::one().await;
    let (a, b, c) = (
        client.topic("a", 1).await,
        client.topic("b", 1).await,
        client.topic("c", 1).await,
    );
    let gone = Uuid::from_u128(9);
    let request = states(&[
        (None, a),
        (None, gone),
        (None, NO_ID),
        (Some("b"), b),
        (Some("c"), NO_ID),
        (None, c),
        (Some("x"), NO_ID),
        (Some("x"), NO_ID),
    ]);
    let response = client.call(6, &request).await;
    assert_eq!(
        errors(&response),
        [
            (Some("a"), 0),
            (None, 100),
            (None, 42),
            (Some("b"), 42),
            (Some("c"), 0),
            (Some("c"), 42),
            (Some("x"), 42),
        ]
    );
}

#[tokio::test]
async fn a_topic_made_again_is_another_topic() {
    let (_world, _agent, mut client) = World::one().await;
    let first = client.topic("t", 1).await;
    client.call(5, &named(&["t"])).await;
    let second = client.topic("t", 1).await;
    assert_ne!(first, second);
    let asked = |id| {
        let by_id = MetadataRequestTopic::default().with_topic_id(id).with_name(None);
        MetadataRequest::default().with_topics(Some(vec![by_id]))
    };
    assert_eq!(client.call(12, &asked(first)).await.topics[0].error_code, 100);
    assert_eq!(client.call(12, &asked(second)).await.topics[0].error_code, 0);
}

#[tokio::test]
async fn failures_of_the_metastore_are_told_apart() {
    let (world, _agent, mut client) = World::one().await;
    client.topic("t", 1).await;
    world.metastore.queue(&[Fault::LostReply]);
    assert_eq!(errors(&client.call(5, &named(&["t"])).await), [(Some("t"), 0)]);
    client.topic("t", 1).await;
    world.metastore.queue(&[Fault::Lost; 3]);
    assert_eq!(errors(&client.call(5, &named(&["t"])).await), [(Some("t"), 7)]);
    world.metastore.set_down(true);
    let response = client.call(5, &named(&["t", "unknown"])).await;
    assert_eq!(errors(&response), [(Some("t"), 41), (Some("unknown"), 41)]);
    world.metastore.set_down(false);
    assert_eq!(errors(&client.call(5, &named(&["t"])).await), [(Some("t"), 0)]);
}

#[tokio::test]
async fn who_may_not_delete_is_told_so() {
    let world = World::new();
    let agent = world
        .try_agent(config("a", None), Arc::new(Deny(Operation::Delete)))
        .await
        .unwrap();
    let mut client = agent.connect("test");
    client.create(topic("t")).await;
    let response = client.call(5, &named(&["t", "unknown"])).await;
    assert_eq!(errors(&response), [(Some("t"), 29), (Some("unknown"), 29)]);
}
