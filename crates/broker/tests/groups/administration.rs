//! What administrators see of groups, and do to them.

use esker_protocol::messages::{DeleteGroupsRequest, DescribeGroupsRequest, ListGroupsRequest};

use crate::calls::{at_once, group_id, joins, text};
use crate::support::{Client, World};

/// Ids, kinds and states.
async fn listed(client: &mut Client, states: &[&str], kinds: &[&str]) -> Vec<(String, String, String)> {
    let texts = |all: &[&str]| all.iter().map(|one| text(one)).collect();
    let request = ListGroupsRequest::default()
        .with_states_filter(texts(states))
        .with_types_filter(texts(kinds));
    let mut answer = client.call(5, &request).await;
    // An agent that has just started is reading its groups.
    while answer.error_code == 14 {
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        answer = client.call(5, &request).await;
    }
    assert_eq!(answer.error_code, 0);
    let groups = answer.groups.iter();
    let one = |text: &esker_protocol::StrBytes| text.to_string();
    groups
        .map(|group| {
            (
                one(&group.group_id.0),
                one(&group.group_type),
                one(&group.group_state),
            )
        })
        .collect()
}

#[tokio::test(start_paused = true)]
async fn groups_are_listed_described_and_deleted() {
    let world = World::new();
    let agent = world.agent_with("a", at_once).await;
    let mut client = agent.connect();
    client.create_topic("t", 1).await;
    client.until_coordinated("classic").await;
    let joined = client.join("classic").await;
    client
        .sync("classic", 1, &joined.member_id, &[(&joined.member_id, "mine")])
        .await;
    client.beat(&joins("consumer", "m")).await;
    assert_eq!(client.commit("simple", (-1, ""), 0, 1).await, 0);

    let of = |id: &str, kind: &str, state: &str| (id.to_owned(), kind.to_owned(), state.to_owned());
    let all = [
        of("classic", "classic", "Stable"),
        of("consumer", "consumer", "Stable"),
        of("simple", "classic", "Empty"),
    ];
    assert_eq!(listed(&mut client, &[], &[]).await, all);
    assert_eq!(listed(&mut client, &["stable"], &["CLASSIC"]).await, all[..1]);
    assert_eq!(listed(&mut client, &["nonsense"], &[]).await, []);

    let ids = ["classic", "consumer", "simple", "none"].map(group_id).to_vec();
    for version in 0..=6 {
        let asks = version >= 3;
        let request = DescribeGroupsRequest::default()
            .with_groups(ids.clone())
            .with_include_authorized_operations(asks);
        let groups = client.call(version, &request).await.groups;
        let states: Vec<_> = groups.iter().map(|group| &*group.group_state).collect();
        assert_eq!(states, ["Stable", "Dead", "Empty", "Dead"]);
        let unknown = if version < 6 { 0 } else { 69 };
        let codes: Vec<_> = groups.iter().map(|group| group.error_code).collect();
        assert_eq!(codes, [0, unknown, 0, unknown]);
        let allowed: Vec<_> = groups.iter().map(|group| group.authorized_operations).collect();
        let of = |code: i16| if asks && code == 0 { 0x0d48 } else { i32::MIN };
        assert_eq!(allowed, codes.into_iter().map(of).collect::<Vec<_>>());
        let member = &groups[0].members[0];
        assert_eq!((&*groups[0].protocol_data, &*member.client_id), ("range", "test"));
        assert_eq!(member.member_assignment, "mine");
    }

    // One that is named twice is answered once.
    let twice = [ids.clone(), ids].concat();
    let request = DeleteGroupsRequest::default().with_groups_names(twice);
    let codes: Vec<_> = client
        .call(2, &request)
        .await
        .results
        .iter()
        .map(|one| one.error_code)
        .collect();
    assert_eq!(codes, [68, 68, 0, 69]);
    assert_eq!(listed(&mut client, &[], &[]).await, all[..2]);
    assert_eq!(client.committed("simple", &[0]).await, Ok(vec![-1]));
    // Under the name of one that was deleted another one may begin at once.
    assert_eq!(client.commit("simple", (-1, ""), 0, 3).await, 0);
    assert_eq!(client.committed("simple", &[0]).await, Ok(vec![3]));
}

#[tokio::test(start_paused = true)]
async fn groups_that_nothing_is_kept_of_leave_no_trace() {
    let world = World::new();
    let agent = world.agent_with("a", at_once).await;
    let mut client = agent.connect();
    client.until_coordinated("g").await;
    for group in 0..50 {
        let request = crate::calls::join_request(&format!("g{group}"), "", 10_000);
        assert_eq!(client.call(9, &request).await.error_code, 79);
    }
    assert_eq!(listed(&mut client, &[], &[]).await.len(), 50);
    // Nobody comes with the ids.
    tokio::time::sleep(std::time::Duration::from_secs(12)).await;
    assert_eq!(listed(&mut client, &[], &[]).await, []);
}
