//! Looking at configs, and who may.

use super::*;

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
        (16, "", 42),
        (32, "", 42),
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
        assert_eq!(shown("listeners"), Some("PLAINTEXT://0.0.0.0:9092"));
        assert_eq!(shown("sasl.enabled.mechanisms"), Some(""));
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
