//! DescribeConfigs 1-4, AlterConfigs 0-2, IncrementalAlterConfigs 0-1.

use std::sync::Arc;

use esker_broker::authorizer::Operation;
use esker_protocol::messages::describe_configs_request::DescribeConfigsResource;
use esker_protocol::messages::describe_configs_response::{
    DescribeConfigsResourceResult, DescribeConfigsResult,
};
use esker_protocol::messages::{
    AlterConfigsRequest, DescribeConfigsRequest, IncrementalAlterConfigsRequest,
    alter_configs_request as replace, incremental_alter_configs_request as change,
};

use crate::watched::Fault;
use crate::world::{Client, Deny, World, all_versions, config, text};

const TOPIC: i8 = 2;
const BROKER: i8 = 4;

const SET: i8 = 0;
const DELETE: i8 = 1;
const APPEND: i8 = 2;
const SUBTRACT: i8 = 3;

fn describe(resource_type: i8, name: &str, keys: Option<&[&str]>) -> DescribeConfigsRequest {
    let resource = DescribeConfigsResource::default()
        .with_resource_type(resource_type)
        .with_resource_name(text(name))
        .with_configuration_keys(keys.map(|keys| keys.iter().map(|key| text(key)).collect()));
    DescribeConfigsRequest::default().with_resources(vec![resource])
}

async fn described(client: &mut Client, resource_type: i8, name: &str) -> DescribeConfigsResult {
    let response = client.call(4, &describe(resource_type, name, None)).await;
    response.results[0].clone()
}

/// One config of topic `t`: value and source.
async fn value(client: &mut Client, name: &str) -> (String, i8) {
    let response = client.call(4, &describe(TOPIC, "t", Some(&[name]))).await;
    let config = &response.results[0].configs[0];
    (config.value.as_ref().unwrap().to_string(), config.config_source)
}

fn find<'a>(result: &'a DescribeConfigsResult, name: &str) -> &'a DescribeConfigsResourceResult {
    result
        .configs
        .iter()
        .find(|config| config.name.as_str() == name)
        .unwrap()
}

fn operation(name: &str, operation: i8, value: Option<&str>) -> change::AlterableConfig {
    change::AlterableConfig::default()
        .with_name(text(name))
        .with_config_operation(operation)
        .with_value(value.map(text))
}

fn changes(
    resource_type: i8,
    name: &str,
    configs: Vec<change::AlterableConfig>,
) -> IncrementalAlterConfigsRequest {
    let resource = change::AlterConfigsResource::default()
        .with_resource_type(resource_type)
        .with_resource_name(text(name))
        .with_configs(configs);
    IncrementalAlterConfigsRequest::default().with_resources(vec![resource])
}

/// The error of changing configs of topic `t`.
async fn altered(client: &mut Client, configs: Vec<change::AlterableConfig>) -> i16 {
    let response = client.call(1, &changes(TOPIC, "t", configs)).await;
    let answer = &response.responses[0];
    assert_eq!(answer.error_code == 0, answer.error_message.is_none());
    answer.error_code
}

fn replacing(resource_type: i8, name: &str, configs: &[(&str, Option<&str>)]) -> AlterConfigsRequest {
    let configs = configs.iter().map(|(name, value)| {
        replace::AlterableConfig::default()
            .with_name(text(name))
            .with_value(value.map(text))
    });
    let resource = replace::AlterConfigsResource::default()
        .with_resource_type(resource_type)
        .with_resource_name(text(name))
        .with_configs(configs.collect());
    AlterConfigsRequest::default().with_resources(vec![resource])
}

#[tokio::test]
async fn every_version_describes_topics_with_sources_and_synonyms() {
    let (_world, _agent, mut client) = World::one().await;
    client.topic("t", 1).await;
    assert_eq!(
        altered(&mut client, vec![operation("retention.ms", SET, Some("5"))]).await,
        0
    );
    for version in all_versions::<DescribeConfigsRequest>() {
        let request = describe(TOPIC, "t", None)
            .with_include_synonyms(true)
            .with_include_documentation(version >= 3);
        let response = client.call(version, &request).await;
        let result = &response.results[0];
        assert_eq!((result.error_code, result.configs.len()), (0, 34), "v{version}");
        let retention = find(result, "retention.ms");
        assert_eq!(
            (retention.value.as_deref(), retention.config_source),
            (Some("5"), 1)
        );
        let synonyms = retention.synonyms.iter();
        let synonyms: Vec<_> = synonyms
            .map(|s| (s.name.as_str(), s.value.as_deref(), s.source))
            .collect();
        let expected = [
            ("retention.ms", Some("5"), 1),
            ("log.retention.ms", Some("604800000"), 5),
        ];
        assert_eq!(synonyms, expected);
        let policy = find(result, "cleanup.policy");
        assert_eq!(
            (policy.value.as_deref(), policy.config_source),
            (Some("delete"), 5)
        );
        assert!(!policy.read_only && !policy.is_sensitive);
        if version >= 3 {
            let kinds = [
                "preallocate",
                "compression.type",
                "max.message.bytes",
                "retention.ms",
            ];
            let kinds = kinds.map(|name| find(result, name).config_type);
            assert_eq!(kinds, [1, 2, 3, 5]);
            assert_eq!(find(result, "min.cleanable.dirty.ratio").config_type, 6);
            assert_eq!(policy.config_type, 7);
            assert!(result.configs.iter().all(|config| config.documentation.is_some()));
        }
        let plain = client.call(version, &describe(TOPIC, "t", None)).await;
        let plain = &plain.results[0].configs;
        assert!(plain.iter().all(|config| config.synonyms.is_empty()));
        if version >= 3 {
            assert!(plain.iter().all(|config| config.documentation.is_none()));
        }
    }
}

#[tokio::test]
async fn keys_choose_and_unknown_ones_are_dropped() {
    let (_world, _agent, mut client) = World::one().await;
    client.topic("t", 1).await;
    let chosen = client
        .call(4, &describe(TOPIC, "t", Some(&["retention.ms", "nothing"])))
        .await;
    assert_eq!(chosen.results[0].configs.len(), 1);
    let all = client.call(4, &describe(TOPIC, "t", Some(&[]))).await;
    assert_eq!(all.results[0].configs.len(), 34);
}

#[tokio::test]
async fn resources_that_do_not_exist_are_told_apart() {
    let (world, agent, mut client) = World::one().await;
    client.topic("t", 1).await;
    let me = agent.id().0.to_string();
    for (resource_type, name, code) in [
        (TOPIC, "unknown", 3),
        (TOPIC, "bad name", 17),
        (TOPIC, "", 17),
        (BROKER, "99", 42),
        (BROKER, "x", 42),
        (BROKER, "", 0),
        (BROKER, me.as_str(), 0),
        (8, me.as_str(), 0),
        (8, "99", 42),
        (8, "", 42),
        (16, "x", 0),
        (32, "x", 0),
        (0, "x", 42),
        (1, "x", 42),
        (99, "x", 42),
    ] {
        let result = described(&mut client, resource_type, name).await;
        assert_eq!(result.error_code, code, "{resource_type} {name}");
        assert_eq!(
            (result.resource_type, result.resource_name.as_str()),
            (resource_type, name)
        );
        assert_eq!(result.error_message.is_none(), code == 0);
    }
    world.metastore.set_down(true);
    assert_eq!(described(&mut client, TOPIC, "t").await.error_code, 0);
    assert_eq!(described(&mut client, TOPIC, "unknown").await.error_code, 5);
}

#[tokio::test]
async fn an_agent_shows_what_is_true_for_it() {
    let (_world, agent, mut client) = World::one().await;
    let me = agent.id().0.to_string();
    for version in all_versions::<DescribeConfigsRequest>() {
        let request = describe(BROKER, &me, None)
            .with_include_synonyms(true)
            .with_include_documentation(version >= 3);
        let response = client.call(version, &request).await;
        let result = &response.results[0];
        assert!(
            result
                .configs
                .iter()
                .all(|config| config.read_only && !config.is_sensitive)
        );
        let shown = |name| find(result, name).value.as_deref();
        assert_eq!(shown("node.id"), Some(me.as_str()));
        assert_eq!(shown("advertised.listeners"), Some("PLAINTEXT://a:9092"));
        assert_eq!(shown("broker.rack"), None);
        assert_eq!(shown("auto.create.topics.enable"), Some("false"));
        assert_eq!(shown("num.partitions"), Some("1"));
        assert_eq!(shown("message.max.bytes"), Some("1048588"));
        assert_eq!(shown("log.cleanup.policy"), Some("delete"));
        assert_eq!(find(result, "node.id").config_source, 4);
        assert_eq!(find(result, "log.cleanup.policy").config_source, 5);
        let names: Vec<_> = result.configs.iter().map(|config| config.name.as_str()).collect();
        assert!(names.is_sorted() && names.windows(2).all(|pair| pair[0] != pair[1]));
    }
    assert!(described(&mut client, BROKER, "").await.configs.is_empty());
}

#[tokio::test]
async fn single_configs_are_set_deleted_extended_and_shortened() {
    let (_world, _agent, mut client) = World::one().await;
    client.topic("t", 1).await;
    let policy = |kind, value| vec![operation("cleanup.policy", kind, value)];
    assert_eq!(altered(&mut client, policy(APPEND, Some("compact"))).await, 0);
    assert_eq!(
        value(&mut client, "cleanup.policy").await,
        ("delete,compact".into(), 1)
    );
    assert_eq!(altered(&mut client, policy(APPEND, Some("compact"))).await, 0);
    assert_eq!(
        value(&mut client, "cleanup.policy").await,
        ("delete,compact".into(), 1)
    );
    assert_eq!(altered(&mut client, policy(SUBTRACT, Some("delete"))).await, 0);
    assert_eq!(value(&mut client, "cleanup.policy").await, ("compact".into(), 1));
    assert_eq!(altered(&mut client, policy(SUBTRACT, Some("compact"))).await, 0);
    assert_eq!(value(&mut client, "cleanup.policy").await, (String::new(), 1));
    assert_eq!(altered(&mut client, policy(DELETE, None)).await, 0);
    assert_eq!(value(&mut client, "cleanup.policy").await, ("delete".into(), 5));
    assert_eq!(
        altered(&mut client, vec![operation("retention.ms", SET, Some(" 7 "))]).await,
        0
    );
    assert_eq!(value(&mut client, "retention.ms").await, (" 7 ".into(), 1));
}

#[tokio::test]
async fn wrong_changes_are_refused_whole() {
    let (_world, _agent, mut client) = World::one().await;
    client.topic("t", 1).await;
    let wrong = [
        (operation("nothing", SET, Some("1")), 40),
        (operation("nothing", APPEND, Some("1")), 40),
        (operation("retention.ms", SET, Some("x")), 40),
        (operation("retention.ms", APPEND, Some("1")), 40),
        (operation("retention.ms", SUBTRACT, Some("1")), 40),
        (operation("cleanup.policy", APPEND, Some("shred")), 40),
        (operation("retention.ms", SET, None), 42),
        (operation("cleanup.policy", APPEND, None), 42),
        (operation("retention.ms", 4, Some("1")), 42),
        (operation("retention.ms", -1, Some("1")), 42),
        (operation("segment.bytes", SET, Some("1")), 42),
    ];
    for (bad, code) in wrong {
        let name = bad.clone();
        let good = operation("segment.bytes", SET, Some("2000000"));
        assert_eq!(altered(&mut client, vec![good, bad]).await, code, "{name:?}");
    }
    assert_eq!(value(&mut client, "segment.bytes").await.1, 5);
    assert_eq!(
        altered(&mut client, vec![operation("nothing", DELETE, None)]).await,
        0
    );
    assert_eq!(
        altered(
            &mut client,
            vec![operation("min.compaction.lag.ms", SET, Some("9"))]
        )
        .await,
        0
    );
    assert_eq!(
        altered(
            &mut client,
            vec![operation("max.compaction.lag.ms", SET, Some("8"))]
        )
        .await,
        40
    );
    assert_eq!(
        altered(
            &mut client,
            vec![operation("max.compaction.lag.ms", SET, Some("9"))]
        )
        .await,
        0
    );
}

#[tokio::test]
async fn every_version_alters_and_validates() {
    let (world, _agent, mut client) = World::one().await;
    client.topic("t", 1).await;
    for version in all_versions::<IncrementalAlterConfigsRequest>() {
        let number = format!("{}", 100 + version);
        let request = changes(TOPIC, "t", vec![operation("retention.ms", SET, Some(&number))]);
        let made = world.metastore.calls("alter_configs");
        let trial = client
            .call(version, &request.clone().with_validate_only(true))
            .await;
        assert_eq!(trial.responses[0].error_code, 0);
        assert_eq!(world.metastore.calls("alter_configs"), made);
        let response = client.call(version, &request).await;
        let answer = &response.responses[0];
        assert_eq!(
            (
                answer.error_code,
                answer.resource_type,
                answer.resource_name.as_str()
            ),
            (0, TOPIC, "t")
        );
        assert_eq!(value(&mut client, "retention.ms").await, (number, 1));
    }
    for version in all_versions::<AlterConfigsRequest>() {
        let number = format!("{}", 200 + version);
        let request = replacing(TOPIC, "t", &[("retention.bytes", Some(&number))]);
        let trial = client
            .call(version, &request.clone().with_validate_only(true))
            .await;
        assert_eq!(trial.responses[0].error_code, 0);
        assert_ne!(value(&mut client, "retention.bytes").await.0, number);
        let response = client.call(version, &request).await;
        let answer = &response.responses[0];
        assert_eq!(
            (
                answer.error_code,
                answer.resource_type,
                answer.resource_name.as_str()
            ),
            (0, TOPIC, "t")
        );
        assert_eq!(value(&mut client, "retention.bytes").await, (number, 1));
        // What the old call does not name goes back to its default.
        assert_eq!(value(&mut client, "retention.ms").await.1, 5);
    }
    client.call(2, &replacing(TOPIC, "t", &[])).await;
    assert_eq!(value(&mut client, "retention.bytes").await.1, 5);
}

#[tokio::test]
async fn the_old_call_checks_as_much() {
    let (_world, agent, mut client) = World::one().await;
    client.topic("t", 1).await;
    let me = agent.id().0.to_string();
    let wrong: [(i8, &str, &[(&str, Option<&str>)], i16); 7] = [
        (TOPIC, "t", &[("retention.ms", None)], 42),
        (
            TOPIC,
            "t",
            &[("retention.ms", Some("1")), ("retention.ms", Some("2"))],
            42,
        ),
        (TOPIC, "t", &[("nothing", Some("1"))], 40),
        (TOPIC, "t", &[("retention.ms", Some("x"))], 40),
        (
            TOPIC,
            "t",
            &[
                ("min.compaction.lag.ms", Some("2")),
                ("max.compaction.lag.ms", Some("1")),
            ],
            40,
        ),
        (TOPIC, "unknown", &[("retention.ms", Some("1"))], 3),
        (BROKER, &me, &[("log.retention.ms", Some("1"))], 42),
    ];
    for (resource_type, name, configs, code) in wrong {
        let response = client.call(2, &replacing(resource_type, name, configs)).await;
        assert_eq!(response.responses[0].error_code, code, "{configs:?}");
        assert!(response.responses[0].error_message.is_some());
    }
}

#[tokio::test]
async fn only_topics_can_be_changed() {
    let (_world, agent, mut client) = World::one().await;
    let me = agent.id().0.to_string();
    for (resource_type, name, code) in [
        (TOPIC, "unknown", 3),
        (BROKER, me.as_str(), 42),
        (BROKER, "", 42),
        (BROKER, "99", 42),
        (8, me.as_str(), 42),
        (16, "x", 42),
        (32, "x", 42),
        (99, "x", 42),
    ] {
        let one = vec![operation("retention.ms", SET, Some("1"))];
        let response = client.call(1, &changes(resource_type, name, one)).await;
        assert_eq!(response.responses[0].error_code, code, "{resource_type} {name}");
    }
}

#[tokio::test]
async fn a_resource_named_twice_is_refused_and_leaves_others_alone() {
    let (_world, _agent, mut client) = World::one().await;
    client.topic("t", 1).await;
    client.topic("u", 1).await;
    let one = |name| {
        changes(TOPIC, name, vec![operation("retention.ms", SET, Some("1"))])
            .resources
            .remove(0)
    };
    let request =
        IncrementalAlterConfigsRequest::default().with_resources(vec![one("t"), one("u"), one("t")]);
    let response = client.call(1, &request).await;
    let codes: Vec<i16> = response
        .responses
        .iter()
        .map(|answer| answer.error_code)
        .collect();
    assert_eq!(codes, [42, 0, 42]);
    assert_eq!(value(&mut client, "retention.ms").await.1, 5);
}

#[tokio::test]
async fn changes_are_seen_through_other_agents() {
    let (world, _agent, mut client) = World::one().await;
    client.topic("t", 1).await;
    let other = world.agent(config("b", None)).await;
    let mut elsewhere = other.connect("test");
    assert_eq!(
        altered(&mut client, vec![operation("retention.ms", SET, Some("5"))]).await,
        0
    );
    assert_eq!(value(&mut elsewhere, "retention.ms").await, ("5".into(), 1));
    assert_eq!(
        altered(
            &mut elsewhere,
            vec![operation("cleanup.policy", APPEND, Some("compact"))]
        )
        .await,
        0
    );
    assert_eq!(
        altered(
            &mut client,
            vec![operation("cleanup.policy", SUBTRACT, Some("delete"))]
        )
        .await,
        0
    );
    assert_eq!(value(&mut client, "cleanup.policy").await.0, "compact");
}

#[tokio::test]
async fn failures_of_the_metastore_are_told_apart() {
    let (world, _agent, mut client) = World::one().await;
    client.topic("t", 1).await;
    let one = || vec![operation("retention.ms", SET, Some("5"))];
    world.metastore.queue(&[Fault::LostReply]);
    assert_eq!(altered(&mut client, one()).await, 0);
    world.metastore.queue(&[Fault::Lost; 3]);
    assert_eq!(altered(&mut client, one()).await, 7);
    world.metastore.set_down(true);
    assert_eq!(altered(&mut client, one()).await, 41);
}

#[tokio::test]
async fn who_may_not_look_or_change_is_told_so() {
    let world = World::new();
    let blind = world
        .try_agent(config("a", None), Arc::new(Deny(Operation::DescribeConfigs)))
        .await
        .unwrap();
    let mut client = blind.connect("test");
    client.topic("t", 1).await;
    assert_eq!(described(&mut client, TOPIC, "t").await.error_code, 29);
    assert_eq!(described(&mut client, BROKER, "").await.error_code, 31);
    let bound = world
        .try_agent(config("b", None), Arc::new(Deny(Operation::AlterConfigs)))
        .await
        .unwrap();
    let mut client = bound.connect("test");
    assert_eq!(
        altered(&mut client, vec![operation("retention.ms", SET, Some("5"))]).await,
        29
    );
    assert_eq!(
        client.call(0, &replacing(BROKER, "", &[])).await.responses[0].error_code,
        31
    );
}
