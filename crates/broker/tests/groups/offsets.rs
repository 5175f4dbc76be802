//! Committed offsets.

use esker_protocol::messages::offset_delete_request::{
    OffsetDeleteRequestPartition, OffsetDeleteRequestTopic,
};
use esker_protocol::messages::offset_fetch_request::OffsetFetchRequestTopic;
use esker_protocol::messages::{OffsetCommitRequest, OffsetDeleteRequest, OffsetFetchRequest};

use crate::calls::{at_once, commit_request, coordinator, group_id, is_there, joins, text};
use crate::support::{Client, World, topic_name};

/// Error codes of a commit of an earlier version.
async fn codes(client: &mut Client, version: i16, request: &OffsetCommitRequest) -> Vec<i16> {
    let answer = client.call(version, request).await;
    let partitions = answer.topics.iter().flat_map(|topic| &topic.partitions);
    partitions.map(|partition| partition.error_code).collect()
}

#[tokio::test(start_paused = true)]
async fn offsets_are_kept_in_every_version_and_through_every_agent_that_coordinates() {
    let world = World::new();
    let agent = world.agent_with("a", at_once).await;
    let mut client = agent.connect();
    client.create_topic("t", 3).await;
    client.until_coordinated("g").await;
    for version in 2..=9 {
        let at = i64::from(version) * 10;
        let request = commit_request("g", -1, "", "t", &[(0, at, ""), (1, -3, "kept"), (7, 1, "")]);
        assert_eq!(
            codes(&mut client, version, &request).await,
            [0, 0, 3],
            "v{version}"
        );
        assert_eq!(
            client.committed("g", &[0, 1, 2, 7]).await,
            Ok(vec![at, -3, -1, -1])
        );
    }
    for version in 1..=7 {
        let topic = OffsetFetchRequestTopic::default()
            .with_name(topic_name("t"))
            .with_partition_indexes(vec![1, 2]);
        let request = OffsetFetchRequest::default()
            .with_group_id(group_id("g"))
            .with_topics(Some(vec![topic]));
        let found = client.call(version, &request).await;
        let partitions = &found.topics[0].partitions;
        assert_eq!((found.error_code, partitions[0].error_code), (0, 0));
        assert_eq!(partitions[0].metadata.as_deref(), Some("kept"), "v{version}");
        assert_eq!(
            (partitions[0].committed_offset, partitions[1].committed_offset),
            (-3, -1)
        );
    }
    // All that there are.
    let request = OffsetFetchRequest::default()
        .with_group_id(group_id("g"))
        .with_topics(None);
    let found = client.call(2, &request).await;
    assert_eq!(found.topics[0].partitions.len(), 2);
    let request = request.with_group_id(group_id("none"));
    assert!(client.call(2, &request).await.topics.is_empty());
}

#[tokio::test(start_paused = true)]
async fn only_members_commit_while_there_are_any() {
    let world = World::new();
    let agent = world.agent_with("a", at_once).await;
    let mut client = agent.connect();
    client.create_topic("t", 1).await;
    client.until_coordinated("g").await;
    for generation in [0, 3] {
        let request = commit_request("g", generation, "m", "t", &[(0, 1, "")]);
        for version in 2..=9 {
            let expected = if version < 9 { 22 } else { 69 };
            assert_eq!(
                codes(&mut client, version, &request).await,
                [expected],
                "v{version}"
            );
        }
    }
    let joined = client.join("g").await;
    let member = &*joined.member_id;
    client.sync("g", 1, member, &[]).await;
    assert_eq!(client.commit("g", (1, member), 0, 7).await, 0);
    assert_eq!(client.commit("g", (2, member), 0, 8).await, 22);
    assert_eq!(client.commit("g", (1, "stranger"), 0, 8).await, 25);
    assert_eq!(client.commit("g", (-1, ""), 0, 8).await, 25);
    assert_eq!(client.committed("g", &[0]).await, Ok(vec![7]));
    let request = commit_request("g", 1, member, "nowhere", &[(0, 9, "")]);
    assert_eq!(codes(&mut client, 9, &request).await, [3]);
    assert_eq!(client.committed("g", &[0]).await, Ok(vec![7]));
}

#[tokio::test(start_paused = true)]
async fn offsets_go_with_their_topic_and_on_demand() {
    let world = World::new();
    let agent = world.agent_with("a", at_once).await;
    let mut client = agent.connect();
    client.create_topic("t", 2).await;
    client.until_coordinated("g").await;
    let forget = |partition| {
        let partition = OffsetDeleteRequestPartition::default().with_partition_index(partition);
        let topic = OffsetDeleteRequestTopic::default()
            .with_name(topic_name("t"))
            .with_partitions(vec![partition]);
        OffsetDeleteRequest::default()
            .with_group_id(group_id("g"))
            .with_topics(vec![topic])
    };
    assert_eq!(client.call(0, &forget(0)).await.error_code, 69);
    let nameless = forget(0).with_group_id(group_id(""));
    assert_eq!(client.call(0, &nameless).await.error_code, 24);
    for partition in 0..2 {
        assert_eq!(client.commit("g", (-1, ""), partition, 4).await, 0);
    }
    let answer = client.call(0, &forget(0)).await;
    assert_eq!(
        (answer.error_code, answer.topics[0].partitions[0].error_code),
        (0, 0)
    );
    let answer = client.call(0, &forget(9)).await;
    assert_eq!(answer.topics[0].partitions[0].error_code, 3);
    assert_eq!(client.committed("g", &[0, 1]).await, Ok(vec![-1, 4]));

    // A topic of the same name is another topic.
    client.delete_topic("t").await;
    client.create_topic("t", 2).await;
    assert_eq!(client.committed("g", &[0, 1]).await, Ok(vec![-1, -1]));
    let request = commit_request("g", -1, "", "t", &[(1, 2, "")]).with_member_id(text(""));
    assert_eq!(codes(&mut client, 9, &request).await, [0]);
    assert_eq!(client.committed("g", &[0, 1]).await, Ok(vec![-1, 2]));
}

#[tokio::test(start_paused = true)]
async fn members_of_kip_848_commit_with_version_9() {
    let (_world, _agent, mut client) = coordinator().await;
    client.beat(&joins("g", "one")).await;
    let commit = |epoch, member| commit_request("g", epoch, member, "t", &[(0, 5, "")]);
    for version in 2..=9 {
        let before_9 = |then| if version < 9 { 35 } else { then };
        for (epoch, member, expected) in [
            (1, "one", before_9(0)),
            (0, "one", before_9(113)),
            (-1, "one", before_9(113)),
            (1, "stranger", 25),
            (-1, "", 25),
        ] {
            assert_eq!(
                codes(&mut client, version, &commit(epoch, member)).await,
                [expected],
                "v{version} {epoch} {member:?}"
            );
        }
        let committed = if version < 9 { -1 } else { 5 };
        assert_eq!(client.committed("g", &[0]).await, Ok(vec![committed]));
    }
    // Without members anybody may, in any version.
    client.beat(&is_there("g", "one", -1, None)).await;
    for version in 2..=9 {
        assert_eq!(
            codes(&mut client, version, &commit(-1, "")).await,
            [0],
            "v{version}"
        );
        assert_eq!(
            codes(&mut client, version, &commit(1, "one")).await,
            [25],
            "v{version}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn metadata_is_as_long_as_java_says() {
    let world = World::new();
    let agent = world.agent_with("a", at_once).await;
    let mut client = agent.connect();
    client.create_topic("t", 1).await;
    client.until_coordinated("g").await;
    // One, two and three bytes for one unit, four bytes for two.
    for (char, units) in [("m", 1), ("é", 1), ("语", 1), ("𝄞", 2)] {
        for (count, expected) in [(4_096 / units, 0), (4_096 / units + 1, 12)] {
            let metadata = char.repeat(count);
            let request = commit_request("g", -1, "", "t", &[(0, 9, &metadata)]);
            assert_eq!(
                codes(&mut client, 9, &request).await,
                [expected],
                "{count} {char}"
            );
            if expected != 0 {
                continue;
            }
            let request = OffsetFetchRequest::default()
                .with_group_id(group_id("g"))
                .with_topics(None);
            let found = client.call(7, &request).await;
            let kept = found.topics[0].partitions[0].metadata.as_deref();
            assert_eq!(kept, Some(&*metadata));
        }
    }
}
