//! Changing configs.

use super::*;

/// Resource type and name, configs, and the error.
type Wrong<'a> = (i8, &'a str, &'a [(&'a str, Option<&'a str>)], i16);

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
    let wrong: [Wrong<'_>; 9] = [
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
        (TOPIC, "a/b", &[("retention.ms", Some("1"))], 17),
        (TOPIC, "", &[("retention.ms", Some("1"))], 42),
        (BROKER, &me, &[("log.retention.ms", Some("1"))], 42),
    ];
    for (resource_type, name, configs, code) in wrong {
        let response = client.call(2, &replacing(resource_type, name, configs)).await;
        assert_eq!(response.responses[0].error_code, code, "{configs:?}");
        assert!(response.responses[0].error_message.is_some());
    }
}

#[tokio::test]
async fn only_topics_and_groups_can_be_changed() {
    let (_world, agent, mut client) = World::one().await;
    let me = agent.id().0.to_string();
    for (resource_type, name, code) in [
        (TOPIC, "unknown", 3),
        (TOPIC, "a/b", 17),
        (TOPIC, "", 42),
        (BROKER, me.as_str(), 42),
        (BROKER, "", 42),
        (BROKER, "99", 42),
        (8, me.as_str(), 42),
        (16, "x", 42),
        (32, "x", 40),
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
