//! Configs that are shown and cannot be changed: of agents, loggers and client metrics.

use super::*;

const LOGGER: i8 = 8;
const CLIENT_METRICS: i8 = 16;

/// The error of one incremental change, and its message.
async fn changed(
    client: &mut Client,
    resource_type: i8,
    name: &str,
    one: change::AlterableConfig,
) -> (i16, Option<String>) {
    let response = client.call(1, &changes(resource_type, name, vec![one])).await;
    let answer = &response.responses[0];
    let message = answer.error_message.as_ref().map(|text| text.to_string());
    assert_eq!(answer.error_code == 0, message.is_none());
    (answer.error_code, message)
}

#[tokio::test]
async fn client_metrics_show_their_defaults() {
    let (_world, _agent, mut client) = World::one().await;
    let expected = [("interval.ms", "300000", 3), ("match", "", 7), ("metrics", "", 7)];
    for version in all_versions::<DescribeConfigsRequest>() {
        let request = describe(CLIENT_METRICS, "m", None)
            .with_include_synonyms(true)
            .with_include_documentation(version >= 3);
        let response = client.call(version, &request).await;
        let result = &response.results[0];
        let shown = result.configs.iter();
        let shown: Vec<_> = shown
            .map(|one| (one.name.as_str(), one.value.as_deref().unwrap()))
            .collect();
        assert_eq!(
            shown,
            expected.map(|(name, value, _)| (name, value)),
            "v{version}"
        );
        for (config, (_, _, config_type)) in result.configs.iter().zip(expected) {
            assert_eq!((config.config_source, config.is_sensitive), (5, false));
            assert!(config.synonyms.is_empty());
            if version >= 3 {
                assert_eq!(config.config_type, config_type);
                assert!(config.documentation.is_some());
            }
        }
    }
    let chosen = describe(CLIENT_METRICS, "m", Some(&["interval.ms", "nothing"]));
    assert_eq!(client.call(4, &chosen).await.results[0].configs.len(), 1);
}

#[tokio::test]
async fn the_level_of_an_agents_log_is_shown() {
    let (_world, agent, mut client) = World::one().await;
    let me = agent.id().0.to_string();
    let loggers = described(&mut client, LOGGER, &me).await.configs;
    assert_eq!(loggers.len(), 1);
    let root = &loggers[0];
    assert_eq!((root.name.as_str(), root.config_source), ("root", 6));
    let level = root.value.as_deref().unwrap();
    assert!(
        ["OFF", "ERROR", "WARN", "INFO", "DEBUG", "TRACE"].contains(&level),
        "{level}"
    );
    assert!(root.read_only);
    let other = describe(LOGGER, &me, Some(&["kafka"]));
    assert!(client.call(4, &other).await.results[0].configs.is_empty());
}

#[tokio::test]
async fn setting_is_refused_with_the_reason_that_kafka_would_find_first() {
    let (_world, agent, mut client) = World::one().await;
    let me = agent.id().0.to_string();
    for (kind, name, config, value, code) in [
        (CLIENT_METRICS, "m", "nothing", Some("1"), 42),
        (CLIENT_METRICS, "m", "interval.ms", Some("99"), 42),
        (CLIENT_METRICS, "m", "metrics", Some("org.apache."), 42),
        (CLIENT_METRICS, "", "metrics", Some("org.apache."), 42),
        (LOGGER, me.as_str(), "root", Some("DEBUG"), 42),
        (
            BROKER,
            me.as_str(),
            "leader.replication.throttled.rate",
            Some("1"),
            42,
        ),
        (BROKER, "", "log.retention.ms", Some("1"), 42),
    ] {
        let one = operation(config, SET, value);
        let (found, _) = changed(&mut client, kind, name, one).await;
        assert_eq!(found, code, "{kind} {name} {config} {value:?}");
        let old = client.call(2, &replacing(kind, name, &[(config, value)])).await;
        assert_eq!(old.responses[0].error_code, code, "{kind} {name} {config}");
    }
    let set = |value| operation("interval.ms", SET, Some(value));
    let right = changed(&mut client, CLIENT_METRICS, "m", set("1000")).await;
    let wrong = changed(&mut client, CLIENT_METRICS, "m", set("1")).await;
    assert_ne!(right.1, wrong.1);
}

/// `kafka-reassign-partitions --verify` clears throttles that nobody set.
#[tokio::test]
async fn taking_away_what_was_never_set_is_done_already() {
    let (world, agent, mut client) = World::one().await;
    let me = agent.id().0.to_string();
    for (kind, name, config) in [
        (BROKER, me.as_str(), "leader.replication.throttled.rate"),
        (BROKER, "", "log.retention.ms"),
        (LOGGER, me.as_str(), "root"),
        (CLIENT_METRICS, "m", "interval.ms"),
    ] {
        let one = operation(config, DELETE, None);
        assert_eq!(changed(&mut client, kind, name, one).await, (0, None), "{config}");
        let old = client.call(2, &replacing(kind, name, &[])).await;
        assert_eq!(old.responses[0].error_code, 0, "{kind} {name}");
    }
    assert_eq!(world.metastore.calls("alter_configs"), 0);
    // One that is set beside it decides.
    let both = vec![
        operation("num.partitions", DELETE, None),
        operation("num.partitions.too", SET, Some("1")),
    ];
    let response = client.call(1, &changes(BROKER, &me, both)).await;
    assert_eq!(response.responses[0].error_code, 42);
}
