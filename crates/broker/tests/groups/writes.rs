//! Writes of groups whose answers are lost, and those that arrive when nobody waits for them any more.

use std::time::Duration;

use esker_protocol::messages::DescribeGroupsRequest;

use crate::calls::{assigned, at_once, group_id, is_there, join_request, joins};
use crate::support::faults::Fault;
use crate::support::{Agent, Client, World};

/// An agent that coordinates everything, with a topic `t`.
async fn coordinator(world: &World) -> (Agent, Client) {
    let agent = world.agent_with("a", at_once).await;
    let mut client = agent.connect();
    client.create_topic("t", 2).await;
    client.until_coordinated("g").await;
    (agent, client)
}

/// The state of a group, as its coordinator knows it.
async fn state(client: &mut Client, group: &str) -> String {
    let request = DescribeGroupsRequest::default().with_groups(vec![group_id(group)]);
    client.call(5, &request).await.groups[0].group_state.to_string()
}

fn lose_replies(agent: &Agent, count: usize) {
    let faults = vec![Fault::LostReply; count];
    agent.faults.queue_upkeep("write_groups", &faults);
}

/// Another agent, after it has taken over from one that is cut off.
async fn takes_over(world: &World, from: &Agent) -> (Agent, Client) {
    from.faults.cut_off();
    let agent = world.agent_with("b", at_once).await;
    let mut client = agent.connect();
    for group in ["classic", "consumer"] {
        while client.coordinator(group).await != Ok("b".to_owned()) {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    (agent, client)
}

#[tokio::test(start_paused = true)]
async fn a_write_whose_reply_is_lost_is_made_again_under_a_new_number() {
    let world = World::new();
    let (agent, mut client) = coordinator(&world).await;
    lose_replies(&agent, 3);
    let before = agent.faults.writes().len();
    assert_eq!(client.commit("g", (-1, ""), 0, 7).await, 0);
    assert_eq!(agent.faults.upkeep_left("write_groups"), 0);
    let attempts = agent.faults.writes().split_off(before);
    assert_eq!(attempts.len(), 4);
    for pair in attempts.windows(2) {
        assert!(pair[0].number < pair[1].number, "{pair:?}");
        assert_eq!(pair[0].changes, pair[1].changes);
    }
    assert_eq!(client.committed("g", &[0, 1]).await, Ok(vec![7, -1]));
}

#[tokio::test(start_paused = true)]
async fn what_was_written_twice_is_there_once() {
    let world = World::new();
    let (agent, mut client) = coordinator(&world).await;
    lose_replies(&agent, 2);
    let joined = client.join_for("classic", 60_000).await;
    let member = joined.member_id.to_string();
    assert_eq!((joined.error_code, joined.generation_id), (0, 1));
    lose_replies(&agent, 2);
    let synced = client.sync("classic", 1, &member, &[(&member, "mine")]).await;
    assert_eq!((synced.error_code, &*synced.assignment), (0, &b"mine"[..]));
    lose_replies(&agent, 1);
    assert_eq!(client.commit("classic", (1, &member), 0, 3).await, 0);
    lose_replies(&agent, 2);
    let one = client.beat(&joins("consumer", "m")).await;
    assert_eq!((one.error_code, one.member_epoch), (0, 1));
    assert_eq!(agent.faults.upkeep_left("write_groups"), 0);

    let (_b, mut client) = takes_over(&world, &agent).await;
    assert_eq!(client.heartbeat("classic", 1, &member).await, 0);
    assert_eq!(client.sync("classic", 1, &member, &[]).await.assignment, "mine");
    assert_eq!(client.committed("classic", &[0]).await, Ok(vec![3]));
    let request = DescribeGroupsRequest::default().with_groups(vec![group_id("classic")]);
    assert_eq!(client.call(5, &request).await.groups[0].members.len(), 1);
    let owned = assigned(&one).unwrap();
    let heard = client.beat(&is_there("consumer", "m", 1, Some(&owned))).await;
    assert_eq!((heard.error_code, heard.member_epoch), (0, 1));
}

#[tokio::test(start_paused = true)]
async fn a_late_write_does_not_undo_a_newer_one() {
    let world = World::new();
    let (agent, mut client) = coordinator(&world).await;
    assert_eq!(client.commit("g", (-1, ""), 0, 1).await, 0);
    agent.faults.hold_writes(1);
    // Whether it is told of the second attempt, or gave up just before, it may not know.
    client.commit("g", (-1, ""), 0, 5).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(client.committed("g", &[0]).await, Ok(vec![5]));
    assert_eq!(client.commit("g", (-1, ""), 0, 9).await, 0);
    assert_eq!(agent.faults.land().await, [Ok(vec![false])]);
    assert_eq!(client.committed("g", &[0]).await, Ok(vec![9]));
}

/// The agent was not heard of for so long that it dropped its groups, and nobody took them: it reads them again. What it
/// had on its way before does not arrive behind that.
#[tokio::test(start_paused = true)]
async fn what_was_given_up_before_groups_were_read_again_is_not_written_any_more() {
    let world = World::new();
    let (agent, mut client) = coordinator(&world).await;
    let joined = client.join_for("g", 60_000).await;
    client.sync("g", 1, &joined.member_id, &[]).await;
    agent.faults.hold_writes(1);
    let mut other = agent.connect();
    let cut_off = async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        agent.faults.cut_off();
    };
    let (answer, ()) = tokio::join!(other.commit("simple", (-1, ""), 0, 5), cut_off);
    assert_ne!(answer, 0);
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(client.heartbeat("g", 1, &joined.member_id).await, 16);
    agent.faults.heal();
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(client.heartbeat("g", 1, &joined.member_id).await, 0);
    assert_eq!(state(&mut client, "simple").await, "Dead");

    assert_eq!(agent.faults.land().await, [Ok(vec![false])]);
    // The coordinator knows of no such group, so nobody could delete its offsets.
    assert_eq!(client.committed("simple", &[0]).await, Ok(vec![-1]));
    assert_eq!(state(&mut client, "simple").await, "Dead");
}

/// The same, but the write is still being repeated when the groups are read again.
#[tokio::test(start_paused = true)]
async fn what_is_still_repeated_when_groups_are_read_again_is_told_to_nobody() {
    let world = World::new();
    let (agent, mut client) = coordinator(&world).await;
    let first = client.call(9, &join_request("g", "", 60_000)).await;
    agent.faults.hold_writes(2);
    let mut other = agent.connect();
    let interrupted = async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        agent.faults.slow(crate::support::faults::Slow {
            no_heartbeats: true,
            ..Default::default()
        });
        tokio::time::sleep(Duration::from_millis(6_500)).await;
        // The shards were dropped, and the second attempt is not given up yet.
        assert_eq!(other.heartbeat("g", 1, &first.member_id).await, 16);
        agent.faults.heal();
    };
    let request = join_request("g", &first.member_id, 60_000);
    let (joined, ()) = tokio::join!(client.call(9, &request), interrupted);
    assert_eq!(agent.faults.writes().len(), 3, "all attempts");
    assert_eq!(joined.error_code, 16);
    agent.faults.land().await;
    // It joins as if nothing had been.
    let joined = client.join_for("g", 60_000).await;
    assert_eq!((joined.error_code, joined.members.len()), (0, 1));
    client
        .sync("g", joined.generation_id, &joined.member_id, &[])
        .await;
    assert_eq!(
        client
            .heartbeat("g", joined.generation_id, &joined.member_id)
            .await,
        0
    );
}
