//! Configs of groups: they are changed like those of topics, whether the group is there or not.

use super::*;

const GROUP: i8 = 32;
const INTERVAL: &str = "consumer.heartbeat.interval.ms";
const TIMEOUT: &str = "consumer.session.timeout.ms";

/// Names and values with their sources.
type Synonyms<'a> = &'a [(&'a str, &'a str, i8)];

/// The error of changing configs of group `g`.
async fn altered(client: &mut Client, configs: Vec<change::AlterableConfig>) -> i16 {
    let response = client.call(1, &changes(GROUP, "g", configs)).await;
    let answer = &response.responses[0];
    assert_eq!(answer.error_code == 0, answer.error_message.is_none());
    answer.error_code
}

fn set(name: &str, value: &str) -> Vec<change::AlterableConfig> {
    vec![operation(name, SET, Some(value))]
}

/// All configs of a group: value and source.
async fn shown(client: &mut Client, group: &str) -> Vec<(String, i8)> {
    let result = described(client, GROUP, group).await;
    assert_eq!(result.error_code, 0);
    let names: Vec<_> = result.configs.iter().map(|config| config.name.as_str()).collect();
    assert_eq!(names, [INTERVAL, TIMEOUT]);
    let configs = result.configs.iter();
    configs
        .map(|config| (config.value.as_ref().unwrap().to_string(), config.config_source))
        .collect()
}

fn values(interval: (&str, i8), timeout: (&str, i8)) -> Vec<(String, i8)> {
    [interval, timeout]
        .map(|(value, source)| (value.to_owned(), source))
        .into()
}

#[tokio::test]
async fn what_is_set_is_shown_with_the_value_behind_it() {
    let (_world, _agent, mut client) = World::one().await;
    assert_eq!(shown(&mut client, "g").await, values(("5000", 5), ("45000", 5)));
    assert_eq!(altered(&mut client, set(TIMEOUT, "50000")).await, 0);
    assert_eq!(shown(&mut client, "g").await, values(("5000", 5), ("50000", 8)));
    assert_eq!(shown(&mut client, "h").await, values(("5000", 5), ("45000", 5)));
    let (broker_timeout, broker_interval) = (
        "group.consumer.session.timeout.ms",
        "group.consumer.heartbeat.interval.ms",
    );
    for version in all_versions::<DescribeConfigsRequest>() {
        let request = describe(GROUP, "g", None)
            .with_include_synonyms(true)
            .with_include_documentation(version >= 3);
        let result = client.call(version, &request).await.results.remove(0);
        let expected: [(&str, Synonyms<'_>); 2] = [
            (INTERVAL, &[(broker_interval, "5000", 5)]),
            (TIMEOUT, &[(TIMEOUT, "50000", 8), (broker_timeout, "45000", 5)]),
        ];
        for (name, synonyms) in expected {
            let config = find(&result, name);
            assert!(!config.read_only && !config.is_sensitive);
            let own = config.synonyms.iter();
            let own: Vec<_> = own
                .map(|one| (one.name.as_str(), one.value.as_deref().unwrap(), one.source))
                .collect();
            assert_eq!(own, synonyms, "v{version}");
            if version >= 3 {
                assert_eq!(config.config_type, 3);
                assert!(config.documentation.is_some());
            }
        }
    }
    let chosen = describe(GROUP, "g", Some(&[TIMEOUT, "nothing"]));
    assert_eq!(client.call(4, &chosen).await.results[0].configs.len(), 1);
    assert_eq!(
        altered(&mut client, vec![operation(TIMEOUT, DELETE, None)]).await,
        0
    );
    assert_eq!(shown(&mut client, "g").await, values(("5000", 5), ("45000", 5)));
}

#[tokio::test]
async fn both_calls_set_and_validate() {
    let (world, _agent, mut client) = World::one().await;
    for version in all_versions::<IncrementalAlterConfigsRequest>() {
        let value = format!("{}", 50_000 + i32::from(version));
        let request = changes(GROUP, "g", set(TIMEOUT, &value));
        let made = world.metastore.calls("alter_configs");
        let trial = request.clone().with_validate_only(true);
        assert_eq!(client.call(version, &trial).await.responses[0].error_code, 0);
        assert_eq!(world.metastore.calls("alter_configs"), made);
        let answer = client.call(version, &request).await.responses.remove(0);
        assert_eq!((answer.error_code, answer.resource_type), (0, GROUP));
        assert_eq!(&*answer.resource_name, "g");
        assert_eq!(shown(&mut client, "g").await, values(("5000", 5), (&value, 8)));
    }
    for version in all_versions::<AlterConfigsRequest>() {
        let value = format!("{}", 6_000 + i32::from(version));
        let request = replacing(GROUP, "g", &[(INTERVAL, Some(&value))]);
        let trial = request.clone().with_validate_only(true);
        let before = shown(&mut client, "g").await;
        assert_eq!(client.call(version, &trial).await.responses[0].error_code, 0);
        assert_eq!(shown(&mut client, "g").await, before);
        assert_eq!(client.call(version, &request).await.responses[0].error_code, 0);
        // What the old call does not name goes back to its default.
        assert_eq!(shown(&mut client, "g").await, values((&value, 8), ("45000", 5)));
    }
    client.call(2, &replacing(GROUP, "g", &[])).await;
    assert_eq!(shown(&mut client, "g").await, values(("5000", 5), ("45000", 5)));
}

#[tokio::test]
async fn wrong_changes_are_refused_whole() {
    let (_world, _agent, mut client) = World::one().await;
    for (bad, code) in [
        (operation("nothing", SET, Some("1")), 40),
        (operation("retention.ms", SET, Some("60000")), 40),
        (operation("share.session.timeout.ms", SET, Some("50000")), 40),
        (operation("streams.session.timeout.ms", SET, Some("50000")), 40),
        (operation(TIMEOUT, SET, Some("44999")), 40),
        (operation(TIMEOUT, SET, Some("60001")), 40),
        (operation(TIMEOUT, SET, Some("long")), 40),
        (operation(TIMEOUT, APPEND, Some("50000")), 40),
        (operation(TIMEOUT, SUBTRACT, Some("50000")), 40),
        (operation("nothing", APPEND, Some("1")), 40),
        (operation(TIMEOUT, SET, None), 42),
        (operation(TIMEOUT, 4, Some("50000")), 42),
        (operation(INTERVAL, SET, Some("6000")), 42),
    ] {
        let good = operation(INTERVAL, SET, Some("7000"));
        let name = format!("{bad:?}");
        assert_eq!(altered(&mut client, vec![good, bad]).await, code, "{name}");
    }
    assert_eq!(altered(&mut client, set(INTERVAL, "4999")).await, 40);
    for (configs, code) in [
        (&[(TIMEOUT, None)][..], 42),
        (&[(TIMEOUT, Some("50000")), (TIMEOUT, Some("50000"))], 42),
        (&[("nothing", Some("1"))], 40),
        (&[(TIMEOUT, Some("1"))], 40),
    ] {
        let response = client.call(2, &replacing(GROUP, "g", configs)).await;
        assert_eq!(response.responses[0].error_code, code, "{configs:?}");
    }
    assert_eq!(shown(&mut client, "g").await, values(("5000", 5), ("45000", 5)));
    // A name that nobody knows cannot have been set; ids have an end, and a beginning.
    let unknown = operation("share.session.timeout.ms", DELETE, None);
    assert_eq!(altered(&mut client, vec![unknown]).await, 0);
    let long = "g".repeat(1025);
    for (group, code) in [("", 42), (&long[..1024], 0), (&long, 42)] {
        let response = client
            .call(1, &changes(GROUP, group, set(TIMEOUT, "50000")))
            .await;
        assert_eq!(response.responses[0].error_code, code);
        assert_eq!(described(&mut client, GROUP, group).await.error_code, code);
    }
}

#[tokio::test]
async fn a_session_outlasts_a_heartbeat_by_what_the_agent_is_set_to() {
    let world = World::new();
    let mut settings = config("a", None);
    settings.groups.consumer_session_timeout = std::time::Duration::from_secs(10);
    let agent = world.agent(settings).await;
    let mut client = agent.connect("test");
    assert_eq!(shown(&mut client, "g").await, values(("5000", 5), ("10000", 4)));
    assert_eq!(altered(&mut client, set(INTERVAL, "10000")).await, 40);
    assert_eq!(altered(&mut client, set(INTERVAL, "9000")).await, 0);
    let both = vec![
        operation(INTERVAL, SET, Some("12000")),
        operation(TIMEOUT, SET, Some("45000")),
    ];
    assert_eq!(altered(&mut client, both).await, 0);
    // It would leave the interval without the timeout that it goes with.
    assert_eq!(
        altered(&mut client, vec![operation(TIMEOUT, DELETE, None)]).await,
        40
    );
    assert_eq!(shown(&mut client, "g").await, values(("12000", 8), ("45000", 8)));
}

#[tokio::test]
async fn taking_away_what_was_never_set_is_done_already() {
    let (world, _agent, mut client) = World::one().await;
    let unset = || vec![operation(TIMEOUT, DELETE, None)];
    assert_eq!(altered(&mut client, unset()).await, 0);
    let old = client.call(2, &replacing(GROUP, "g", &[])).await;
    assert_eq!(old.responses[0].error_code, 0);
    assert_eq!(world.metastore.calls("alter_configs"), 0);
    // Whether there is something cannot be known now.
    world.metastore.set_down(true);
    assert_eq!(altered(&mut client, unset()).await, 41);
}

#[tokio::test]
async fn topics_and_groups_are_changed_in_one_call() {
    let (world, _agent, mut client) = World::one().await;
    client.topic("t", 1).await;
    let one = |kind, name: &str, config| changes(kind, name, config).resources.remove(0);
    let all = vec![
        one(GROUP, "g", set(TIMEOUT, "50000")),
        one(TOPIC, "unknown", set("retention.ms", "1")),
        one(TOPIC, "t", set("retention.ms", "1")),
        one(GROUP, "h", set(TIMEOUT, "1")),
        one(GROUP, "t", set(INTERVAL, "6000")),
        one(GROUP, "i", set(INTERVAL, "6000")),
        one(GROUP, "i", set(INTERVAL, "6000")),
    ];
    let request = IncrementalAlterConfigsRequest::default().with_resources(all);
    let response = client.call(1, &request).await;
    let codes: Vec<_> = response.responses.iter().map(|one| one.error_code).collect();
    assert_eq!(codes, [0, 3, 0, 40, 0, 42, 42]);
    assert_eq!(world.metastore.calls("alter_configs"), 1);
    assert_eq!(value(&mut client, "retention.ms").await, ("1".into(), 1));
    assert_eq!(shown(&mut client, "t").await, values(("6000", 8), ("45000", 5)));
}

#[tokio::test]
async fn changes_are_seen_through_other_agents_and_by_later_ones() {
    let (world, _agent, mut client) = World::one().await;
    let other = world.agent(config("b", None)).await;
    let mut elsewhere = other.connect("test");
    assert_eq!(altered(&mut client, set(TIMEOUT, "50000")).await, 0);
    assert_eq!(
        shown(&mut elsewhere, "g").await,
        values(("5000", 5), ("50000", 8))
    );
    assert_eq!(altered(&mut elsewhere, set(INTERVAL, "6000")).await, 0);
    let later = world.agent(config("c", None)).await;
    let both = values(("6000", 8), ("50000", 8));
    assert_eq!(shown(&mut later.connect("test"), "g").await, both);
    let unset = [INTERVAL, TIMEOUT].map(|name| operation(name, DELETE, None));
    assert_eq!(altered(&mut elsewhere, unset.into()).await, 0);
    assert_eq!(shown(&mut client, "g").await, values(("5000", 5), ("45000", 5)));
}

/// Nobody may do this one thing to this group.
struct DenyGroup(Operation, &'static str);

impl Authorizer for DenyGroup {
    fn allows(&self, _: &RequestContext, operation: Operation, resource: Resource<'_>) -> bool {
        (operation, resource) != (self.0, Resource::Group(self.1))
    }
}

#[tokio::test]
async fn who_may_not_is_told_so_group_by_group() {
    let world = World::new();
    let denied = async |operation| {
        let authorizer = Arc::new(DenyGroup(operation, "g"));
        let agent = world.try_agent(config("a", None), authorizer).await.unwrap();
        let mut client = agent.connect("test");
        let mut codes = Vec::new();
        for group in ["g", "h"] {
            codes.push(described(&mut client, GROUP, group).await.error_code);
            let request = changes(GROUP, group, set(TIMEOUT, "50000"));
            codes.push(client.call(1, &request).await.responses[0].error_code);
            let request = replacing(GROUP, group, &[(TIMEOUT, Some("50000"))]);
            codes.push(client.call(2, &request).await.responses[0].error_code);
        }
        codes
    };
    assert_eq!(denied(Operation::DescribeConfigs).await, [30, 0, 0, 0, 0, 0]);
    assert_eq!(denied(Operation::AlterConfigs).await, [0, 30, 30, 0, 0, 0]);
}
