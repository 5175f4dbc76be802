//! Groups of KIP-848.

use std::time::Duration;

use esker_protocol::messages::ConsumerGroupDescribeRequest;

use crate::calls::{assigned, coordinator, group_id, is_there, join_request, joins, text};
use crate::support::World;

#[tokio::test(start_paused = true)]
async fn partitions_move_when_their_owner_has_given_them_up() {
    let world = World::new();
    let agent = world.agent("a").await;
    let (mut one, mut two) = (agent.connect(), agent.connect());
    one.create_topic("t", 4).await;
    one.until_coordinated("g").await;
    let first = one.beat(&joins("g", "one")).await;
    assert_eq!((first.error_code, first.heartbeat_interval_ms), (0, 1_000));
    let all = assigned(&first).unwrap();
    assert_eq!(all[0].1, [0, 1, 2, 3]);
    let topic = all[0].0;

    // The second one gets nothing before the first one has given something up.
    let second = two.beat(&joins("g", "two")).await;
    assert_eq!((second.error_code, assigned(&second).unwrap().len()), (0, 0));
    let told = one.beat(&is_there("g", "one", first.member_epoch, None)).await;
    let kept = assigned(&told).unwrap();
    assert_eq!((told.error_code, kept[0].1.len()), (0, 2));
    let waits = two.beat(&is_there("g", "two", second.member_epoch, None)).await;
    assert!(assigned(&waits).is_none_or(|assigned| assigned.is_empty()));
    let done = one
        .beat(&is_there("g", "one", told.member_epoch, Some(&kept)))
        .await;
    assert_eq!((done.error_code, done.member_epoch), (0, 2));
    let given = two.beat(&is_there("g", "two", waits.member_epoch, None)).await;
    let mut both = kept[0].1.clone();
    both.extend(&assigned(&given).unwrap()[0].1);
    both.sort_unstable();
    assert_eq!(both, [0, 1, 2, 3]);

    let request =
        ConsumerGroupDescribeRequest::default().with_group_ids(vec![group_id("g"), group_id("none")]);
    let described = two.call(1, &request).await.groups;
    assert_eq!((described[0].error_code, described[1].error_code), (0, 69));
    assert_eq!(described[0].authorized_operations, i32::MIN);
    let asking = request.clone().with_include_authorized_operations(true);
    let allowed = two.call(1, &asking).await.groups;
    assert_eq!(
        (allowed[0].authorized_operations, allowed[1].authorized_operations),
        (0x0d48, i32::MIN)
    );
    assert_eq!(
        (&*described[0].assignor_name, described[0].members.len()),
        ("uniform", 2)
    );
    let owned = &described[0].members[0].assignment.topic_partitions[0];
    assert_eq!((owned.topic_id, &*owned.topic_name.0), (topic, "t"));

    // The epoch of long ago, and members that are not there.
    assert_eq!(one.beat(&is_there("g", "one", 7, None)).await.error_code, 110);
    assert_eq!(one.beat(&is_there("g", "nobody", 1, None)).await.error_code, 25);
    assert_eq!(one.beat(&is_there("none", "one", 1, None)).await.error_code, 69);
}

#[tokio::test(start_paused = true)]
async fn a_silent_member_is_gone_and_the_other_gets_everything() {
    let world = World::new();
    let agent = world.agent("a").await;
    let (mut one, mut two) = (agent.connect(), agent.connect());
    one.create_topic("t", 2).await;
    one.until_coordinated("g").await;
    let first = one.beat(&joins("g", "one")).await;
    let mut epoch = two.beat(&joins("g", "two")).await.member_epoch;
    let mut owned = Vec::new();
    for _ in 0..20 {
        tokio::time::sleep(Duration::from_secs(5)).await;
        let told = two.beat(&is_there("g", "two", epoch, Some(&owned))).await;
        assert_eq!(told.error_code, 0);
        epoch = told.member_epoch;
        owned = assigned(&told).unwrap_or(owned);
    }
    assert_eq!(owned[0].1, [0, 1]);
    assert_eq!(
        one.beat(&is_there("g", "one", first.member_epoch, None))
            .await
            .error_code,
        25
    );
}

#[tokio::test(start_paused = true)]
async fn new_partitions_are_given_with_a_heartbeat() {
    let (_world, _agent, mut client) = coordinator().await;
    let first = client.beat(&joins("g", "one")).await;
    client.add_partitions("t", 3).await;
    let told = client.beat(&is_there("g", "one", first.member_epoch, None)).await;
    assert_eq!(assigned(&told).unwrap()[0].1, [0, 1, 2]);
    assert!(told.member_epoch > first.member_epoch);
}

#[tokio::test(start_paused = true)]
async fn a_group_has_members_of_one_kind() {
    let world = World::new();
    let agent = world.agent_with("a", crate::calls::at_once).await;
    let mut client = agent.connect();
    client.create_topic("t", 1).await;
    client.until_coordinated("g").await;
    client.beat(&joins("g", "one")).await;
    assert_eq!(
        client.call(3, &join_request("g", "", 10_000)).await.error_code,
        23
    );
    let joined = client.join("classic").await;
    client.sync("classic", 1, &joined.member_id, &[]).await;
    assert_eq!(client.beat(&joins("classic", "one")).await.error_code, 69);
    // Once the members have left, the other kind may come; offsets stay.
    assert_eq!(client.commit("g", (1, "one"), 0, 5).await, 0);
    client.beat(&is_there("g", "one", -1, None)).await;
    let joined = client.call(3, &join_request("g", "", 10_000)).await;
    assert_eq!(joined.error_code, 0);
    assert_eq!(client.committed("g", &[0]).await, Ok(vec![5]));
}

#[tokio::test(start_paused = true)]
async fn what_no_group_can_answer_is_an_invalid_request_whether_it_is_there_or_not() {
    let (_world, _agent, mut client) = coordinator().await;
    client.beat(&joins("g", "one")).await;
    for group in ["g", "none"] {
        for request in [
            is_there(group, "one", -3, None),
            is_there(group, "one", i32::MIN, None),
            is_there(group, "one", -2, None),
            is_there(group, "", 1, None),
            joins(group, " "),
            joins(group, "\t \n"),
            joins(group, "two").with_rebalance_timeout_ms(-1),
            joins(group, "two").with_instance_id(Some(text(" "))),
            joins(group, "two").with_rack_id(Some(text(" "))),
            joins(" ", "two"),
        ] {
            let refused = client.beat(&request).await;
            assert_eq!((refused.error_code, refused.member_epoch), (42, 0), "{request:?}");
        }
    }
    assert_eq!(
        client.beat(&is_there("none", "one", -1, None)).await.error_code,
        69
    );
    let leaves = is_there("none", "one", -2, None).with_instance_id(Some(text("i")));
    assert_eq!(client.beat(&leaves).await.error_code, 69);
}

#[tokio::test(start_paused = true)]
async fn a_rebalance_timeout_that_makes_no_sense_is_an_ordinary_one() {
    let world = World::new();
    let agent = world.agent("a").await;
    let (mut one, mut two) = (agent.connect(), agent.connect());
    one.create_topic("t", 2).await;
    one.until_coordinated("g").await;
    let first = one.beat(&joins("g", "one").with_rebalance_timeout_ms(-7)).await;
    assert_eq!((first.error_code, assigned(&first).unwrap()[0].1.len()), (0, 2));
    // It has time to give up what it owns.
    two.beat(&joins("g", "two")).await;
    let told = one.beat(&is_there("g", "one", first.member_epoch, None)).await;
    assert_eq!(assigned(&told).unwrap()[0].1.len(), 1);
    for _ in 0..4 {
        tokio::time::sleep(Duration::from_secs(5)).await;
        let told = one.beat(&is_there("g", "one", told.member_epoch, None)).await;
        assert_eq!(told.error_code, 0);
    }
}

#[tokio::test(start_paused = true)]
async fn a_member_without_an_expression_is_described_with_an_empty_one() {
    let (_world, _agent, mut client) = coordinator().await;
    client.beat(&joins("g", "one")).await;
    client
        .beat(&joins("g", "two").with_subscribed_topic_regex(Some(text("t.*"))))
        .await;
    let request = ConsumerGroupDescribeRequest::default().with_group_ids(vec![group_id("g")]);
    for version in 0..=1 {
        let described = client.call(version, &request).await.groups;
        let regexes = described[0].members.iter();
        let regexes: Vec<_> = regexes
            .map(|member| member.subscribed_topic_regex.as_deref())
            .collect();
        assert_eq!(regexes, [Some(""), Some("t.*")], "v{version}");
    }
}
