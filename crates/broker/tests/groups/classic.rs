//! Groups of the classic protocol.

use std::time::Duration;

use esker_protocol::messages::leave_group_request::MemberIdentity;
use esker_protocol::messages::{JoinGroupRequest, LeaveGroupRequest, SyncGroupRequest};

use crate::calls::{at_once, group_id, join_request, text};
use crate::support::World;

#[tokio::test(start_paused = true)]
async fn members_share_what_the_leader_assigns() {
    let world = World::new();
    let agent = world.agent_with("a", at_once).await;
    let (mut one, mut two) = (agent.connect(), agent.connect());
    assert_eq!(one.until_coordinated("g").await, "a");

    let first = one.join("g").await;
    assert_eq!((first.error_code, first.generation_id), (0, 1));
    assert_eq!((&first.leader, first.members.len()), (&first.member_id, 1));
    assert_eq!(first.members[0].metadata, format!("of {}", first.member_id));
    let synced = one
        .sync("g", 1, &first.member_id, &[(&first.member_id, "all")])
        .await;
    assert_eq!((synced.error_code, &*synced.assignment), (0, b"all".as_slice()));
    assert_eq!(one.heartbeat("g", 1, &first.member_id).await, 0);
    assert_eq!(one.heartbeat("g", 2, &first.member_id).await, 22);
    assert_eq!(one.heartbeat("g", 1, "nobody").await, 25);

    // A second one comes: the first is told with its heartbeat, and both are in the next generation.
    let asked = two.call(9, &join_request("g", "", 10_000)).await;
    assert_eq!(asked.error_code, 79);
    let second = asked.member_id.to_string();
    two.send(9, &join_request("g", &second, 10_000)).await;
    tokio::time::sleep(Duration::from_millis(10)).await;
    assert_eq!(one.heartbeat("g", 1, &first.member_id).await, 27);
    let leader = one.call(9, &join_request("g", &first.member_id, 10_000)).await;
    let (_, follower) = two.receive::<JoinGroupRequest>(9).await;
    assert_eq!((leader.generation_id, follower.generation_id), (2, 2));
    assert_eq!((leader.members.len(), follower.members.len()), (2, 0));
    assert_eq!(follower.leader, first.member_id);
    let both = [(&*first.member_id, "half"), (&*second, "other half")];
    let (mine, other) = tokio::join!(
        one.sync("g", 2, &first.member_id, &both),
        two.sync("g", 2, &second, &[])
    );
    assert_eq!(
        (&*mine.assignment, &*other.assignment),
        (b"half".as_slice(), b"other half".as_slice())
    );

    // One leaves: the other has to join again.
    let leaves = MemberIdentity::default().with_member_id(text(&second));
    let request = LeaveGroupRequest::default()
        .with_group_id(group_id("g"))
        .with_members(vec![leaves]);
    assert_eq!(two.call(5, &request).await.members[0].error_code, 0);
    assert_eq!(two.call(5, &request).await.members[0].error_code, 25);
    assert_eq!(one.heartbeat("g", 2, &first.member_id).await, 27);
}

#[tokio::test(start_paused = true)]
async fn a_silent_member_is_gone_after_its_session() {
    let world = World::new();
    let agent = world.agent_with("a", at_once).await;
    let mut client = agent.connect();
    client.until_coordinated("g").await;
    let joined = client.join_for("g", 6_000).await;
    client.sync("g", 1, &joined.member_id, &[]).await;
    for _ in 0..5 {
        tokio::time::sleep(Duration::from_secs(5)).await;
        assert_eq!(client.heartbeat("g", 1, &joined.member_id).await, 0);
    }
    tokio::time::sleep(Duration::from_secs(7)).await;
    assert_eq!(client.heartbeat("g", 1, &joined.member_id).await, 25);
}

#[tokio::test(start_paused = true)]
async fn the_first_rebalance_waits_for_more_members() {
    let world = World::new();
    let agent = world.agent("a").await;
    let (mut one, mut two) = (agent.connect(), agent.connect());
    one.until_coordinated("g").await;
    let began = tokio::time::Instant::now();
    let (first, second) = tokio::join!(one.join("g"), async {
        tokio::time::sleep(Duration::from_secs(2)).await;
        two.join("g").await
    });
    assert_eq!((first.generation_id, second.generation_id), (1, 1));
    assert_eq!(first.members.len() + second.members.len(), 2);
    assert!(began.elapsed() >= Duration::from_secs(3), "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn bad_requests_get_kafkas_codes_and_disturb_nobody() {
    let world = World::new();
    let agent = world.agent_with("a", at_once).await;
    let (mut client, mut other) = (agent.connect(), agent.connect());
    client.until_coordinated("g").await;
    let joined = client.join("g").await;
    client.sync("g", 1, &joined.member_id, &[]).await;
    let join = |change: &dyn Fn(JoinGroupRequest) -> JoinGroupRequest| change(join_request("g", "", 10_000));
    for (request, code) in [
        (join(&|request| request.with_group_id(group_id(""))), 24),
        (
            join(&|request| request.with_group_id(group_id(&"g".repeat(1025)))),
            24,
        ),
        (join(&|request| request.with_member_id(text("stranger"))), 25),
        (join(&|request| request.with_session_timeout_ms(5_999)), 26),
        (join(&|request| request.with_session_timeout_ms(-1)), 26),
        (join(&|request| request.with_session_timeout_ms(1_800_001)), 26),
        (join(&|request| request.with_protocols(Vec::new())), 23),
        (join(&|request| request.with_protocol_type(text("connect"))), 23),
    ] {
        for version in [0, 4, 5, 9] {
            let refused = other.call(version, &request).await;
            assert_eq!(
                (refused.error_code, refused.generation_id),
                (code, -1),
                "v{version}: {request:?}"
            );
        }
    }
    assert_eq!(client.heartbeat("g", 1, &joined.member_id).await, 0);
    // A group that nobody has a member in.
    assert_eq!(client.heartbeat("none", 1, "m").await, 25);
    assert_eq!(client.sync("none", 1, "m", &[]).await.error_code, 25);
    assert_eq!(client.sync("g", 7, &joined.member_id, &[]).await.error_code, 22);
    assert_eq!(client.heartbeat("", 1, "m").await, 24);
}

#[tokio::test(start_paused = true)]
async fn from_version_5_on_a_sync_says_what_protocol_it_is_for() {
    let world = World::new();
    let agent = world.agent_with("a", at_once).await;
    let mut client = agent.connect();
    client.until_coordinated("g").await;
    let joined = client.join("g").await;
    let sync = SyncGroupRequest::default()
        .with_group_id(group_id("g"))
        .with_generation_id(1)
        .with_member_id(joined.member_id.clone());
    for (kind, name) in [(None, None), (Some("consumer"), None), (None, Some("range"))] {
        let request = sync
            .clone()
            .with_protocol_type(kind.map(text))
            .with_protocol_name(name.map(text));
        let refused = client.call(5, &request).await;
        assert_eq!(refused.error_code, 23, "{kind:?} {name:?}");
        assert!(refused.assignment.is_empty());
    }
    // Earlier ones cannot say it.
    let first = client.call(4, &sync).await;
    assert_eq!(first.error_code, 0);
    let again = client.sync("g", 1, &joined.member_id, &[]).await;
    assert_eq!(again.error_code, 0);
}
