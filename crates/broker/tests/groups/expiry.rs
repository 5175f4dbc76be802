//! Offsets that go by themselves.

use std::time::Duration;

use bytes::Bytes;
use esker_broker::BrokerConfig;
use esker_metastore::OffsetsRequest;
use esker_model::groups::GroupLimits;
use esker_protocol::messages::JoinGroupRequest;
use esker_protocol::messages::join_group_request::JoinGroupRequestProtocol;

use crate::calls::{at_once, commit_request, group_id, is_there, join_request, joins, text};
use crate::support::faults::Fault;
use crate::support::{Agent, Client, World, topic_name};

/// In which all shards are looked at once.
const ONE_LOOK: Duration = Duration::from_secs(11 * 60);

/// Settings with which every offset is old at once, and members may be silent for long.
fn soon_old(config: BrokerConfig) -> BrokerConfig {
    let config = at_once(config);
    let groups = GroupLimits {
        offsets_retention: Duration::ZERO,
        ..patient(&config)
    };
    BrokerConfig { groups, ..config }
}

fn patient(config: &BrokerConfig) -> GroupLimits {
    GroupLimits {
        consumer_session_timeout: Duration::from_secs(24 * 3600),
        ..config.groups.clone()
    }
}

/// What a classic consumer says that subscribes to these topics.
fn subscription(topics: &[&str]) -> Bytes {
    let mut bytes = vec![0, 0];
    bytes.extend((topics.len() as i32).to_be_bytes());
    for topic in topics {
        bytes.extend((topic.len() as i16).to_be_bytes());
        bytes.extend(topic.as_bytes());
    }
    bytes.extend((-1i32).to_be_bytes());
    bytes.into()
}

fn classic_join(group: &str, kind: &str, metadata: &Bytes) -> JoinGroupRequest {
    let protocol = JoinGroupRequestProtocol::default()
        .with_name(text("range"))
        .with_metadata(metadata.clone());
    join_request(group, "", 1_800_000)
        .with_rebalance_timeout_ms(1_800_000)
        .with_protocol_type(text(kind))
        .with_protocols(vec![protocol])
}

/// A classic member of a new group; JoinGroup 3 gives it its id at once.
async fn joins_classic(client: &mut Client, group: &str, kind: &str, metadata: &Bytes) -> String {
    let joined = client.call(3, &classic_join(group, kind, metadata)).await;
    assert_eq!((joined.error_code, joined.generation_id), (0, 1));
    joined.member_id.to_string()
}

/// Commits an offset of the first partition of each topic.
async fn commit(client: &mut Client, group: &str, member: (i32, &str), topics: &[&str]) {
    for topic in topics {
        let request = commit_request(group, member.0, member.1, topic, &[(0, 1, "")]);
        let answer = client.call(9, &request).await;
        assert_eq!(answer.topics[0].partitions[0].error_code, 0);
    }
}

/// Lets all shards be looked at. Connections that nobody uses for so long are closed: this is a new one.
async fn one_look(agent: &Agent) -> Client {
    tokio::time::sleep(ONE_LOOK).await;
    agent.connect()
}

/// How many offsets the metastore has of a group.
async fn kept(world: &World, group: &str) -> usize {
    let request = OffsetsRequest {
        group: group.into(),
        partitions: None,
    };
    let found = world.metastore.committed_offsets(&[request]).await.unwrap();
    found[0].len()
}

/// The topics that a group has offsets of.
async fn topics(client: &mut Client, group: &str) -> Vec<String> {
    let request = esker_protocol::messages::OffsetFetchRequest::default()
        .with_group_id(group_id(group))
        .with_topics(None);
    let found = client.call(7, &request).await;
    assert_eq!(found.error_code, 0);
    found.topics.iter().map(|topic| topic.name.to_string()).collect()
}

#[tokio::test(start_paused = true)]
async fn one_look_forgets_more_than_one_statement_takes() {
    let world = World::new();
    let agent = world.agent_with("a", at_once).await;
    let mut client = agent.connect();
    client.create_topic("t", 3_500).await;
    client.create_topic("other", 1).await;
    for group in ["g", "h"] {
        client.until_coordinated(group).await;
        let all: Vec<_> = (0..3_500).map(|partition| (partition, 1, "")).collect();
        let request = commit_request(group, -1, "", "t", &all);
        assert_eq!(
            client.call(9, &request).await.topics[0].partitions[0].error_code,
            0
        );
        commit(&mut client, group, (-1, ""), &["other"]).await;
    }
    client.delete_topic("t").await;
    assert_eq!(kept(&world, "g").await, 3_501);
    tokio::time::sleep(ONE_LOOK).await;
    assert_eq!((kept(&world, "g").await, kept(&world, "h").await), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn shards_that_cannot_be_looked_at_do_not_keep_the_others_from_it() {
    let world = World::new();
    let agent = world.agent_with("a", soon_old).await;
    let mut client = agent.connect();
    client.create_topic("t", 1).await;
    client.create_topic("gone", 1).await;
    client.until_coordinated("g").await;
    client.beat(&joins("g", "one")).await;
    commit(&mut client, "g", (1, "one"), &["t", "gone"]).await;
    client.until_coordinated("empty").await;
    commit(&mut client, "empty", (-1, ""), &["t"]).await;
    client.delete_topic("gone").await;
    for call in ["expire_offsets", "old_offsets"] {
        agent.faults.queue_upkeep(call, &[Fault::Unavailable]);
    }
    one_look(&agent).await;
    assert_eq!(agent.faults.upkeep_left("old_offsets"), 0);
    assert_eq!((kept(&world, "g").await, kept(&world, "empty").await), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn a_live_classic_group_loses_old_offsets_of_topics_that_it_does_not_read() {
    let world = World::new();
    let agent = world.agent_with("a", soon_old).await;
    let mut client = agent.connect();
    for topic in ["t", "u", "v"] {
        client.create_topic(topic, 1).await;
    }
    let reads_t = subscription(&["t"]);
    for (group, kind, metadata) in [
        ("consumers", "consumer", &reads_t),
        ("workers", "connect", &reads_t),
        ("unreadable", "consumer", &Bytes::from_static(b"of a member")),
        ("nothing", "consumer", &Bytes::new()),
    ] {
        client.until_coordinated(group).await;
        let member = joins_classic(&mut client, group, kind, metadata).await;
        let sync = esker_protocol::messages::SyncGroupRequest::default()
            .with_group_id(group_id(group))
            .with_generation_id(1)
            .with_member_id(text(&member));
        assert_eq!(client.call(4, &sync).await.error_code, 0);
        commit(&mut client, group, (1, &member), &["t", "u", "v"]).await;
    }
    // One whose members wait for their assignment.
    client.until_coordinated("waits").await;
    commit(&mut client, "waits", (-1, ""), &["t", "u", "v"]).await;
    joins_classic(&mut client, "waits", "consumer", &reads_t).await;
    let mut client = one_look(&agent).await;
    assert_eq!(topics(&mut client, "consumers").await, ["t"]);
    for group in ["workers", "unreadable", "nothing", "waits"] {
        assert_eq!(topics(&mut client, group).await.len(), 3, "{group}");
    }
}

#[tokio::test(start_paused = true)]
async fn so_does_one_of_kip_848() {
    let world = World::new();
    let agent = world.agent_with("a", soon_old).await;
    let mut client = agent.connect();
    for topic in ["t", "u", "matches"] {
        client.create_topic(topic, 1).await;
    }
    client.until_coordinated("g").await;
    client.beat(&joins("g", "one")).await;
    commit(&mut client, "g", (1, "one"), &["t", "u", "matches"]).await;
    client.until_coordinated("regex").await;
    let by_regex = joins("regex", "one")
        .with_subscribed_topic_names(None)
        .with_subscribed_topic_regex(Some(text("mat.*")));
    client.beat(&by_regex).await;
    commit(&mut client, "regex", (1, "one"), &["t", "u", "matches"]).await;
    // Kept at first, as the metastore does not answer; nothing else is hurt.
    agent
        .faults
        .queue_upkeep("forget_offsets", &[Fault::Unavailable; 2]);
    let mut client = one_look(&agent).await;
    assert_eq!(agent.faults.upkeep_left("forget_offsets"), 0);
    assert_eq!(topics(&mut client, "g").await.len(), 3);
    assert_eq!(client.beat(&is_there("g", "one", 1, None)).await.error_code, 0);
    // It reads another topic from now on.
    let also_u = is_there("g", "one", 1, None)
        .with_subscribed_topic_names(Some(vec![topic_name("t"), topic_name("u")]));
    assert_eq!(client.beat(&also_u).await.error_code, 0);
    let mut client = one_look(&agent).await;
    assert_eq!(topics(&mut client, "g").await, ["t", "u"]);
    assert_eq!(topics(&mut client, "regex").await, ["matches"]);
    // Who writes afterwards is not late.
    assert_eq!(client.beat(&is_there("g", "one", 2, None)).await.error_code, 0);
    commit(&mut client, "g", (2, "one"), &["t", "matches"]).await;
    assert_eq!(topics(&mut client, "g").await, ["matches", "t", "u"]);
}

#[tokio::test(start_paused = true)]
async fn what_is_not_old_stays() {
    let world = World::new();
    let patient = |config: BrokerConfig| {
        let groups = patient(&config);
        BrokerConfig { groups, ..config }
    };
    let agent = world.agent_with("a", patient).await;
    let mut client = agent.connect();
    client.create_topic("t", 1).await;
    client.create_topic("u", 1).await;
    client.until_coordinated("g").await;
    client.beat(&joins("g", "one")).await;
    commit(&mut client, "g", (1, "one"), &["t", "u"]).await;
    let mut client = one_look(&agent).await;
    assert_eq!(topics(&mut client, "g").await, ["t", "u"]);
}

#[tokio::test(start_paused = true)]
async fn a_look_pages_through_what_is_old_and_read() {
    let world = World::new();
    let agent = world.agent_with("a", soon_old).await;
    let mut client = agent.connect();
    client.create_topic("t", 2_500).await;
    client.create_topic("u", 1_500).await;
    client.until_coordinated("g").await;
    client.beat(&joins("g", "one")).await;
    for (topic, count) in [("t", 2_500), ("u", 1_500)] {
        let all: Vec<_> = (0..count).map(|partition| (partition, 1, "")).collect();
        let request = commit_request("g", 1, "one", topic, &all);
        assert_eq!(
            client.call(9, &request).await.topics[0].partitions[0].error_code,
            0
        );
    }
    assert_eq!(kept(&world, "g").await, 4_000);
    let mut client = one_look(&agent).await;
    assert_eq!(kept(&world, "g").await, 2_500);
    assert_eq!(topics(&mut client, "g").await, ["t"]);
}
