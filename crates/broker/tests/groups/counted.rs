//! What a coordinator counts.

use std::time::Duration;

use esker_broker::metrics::{GroupLabels, ProtocolLabels};
use esker_protocol::messages::DeleteGroupsRequest;

use crate::calls::{at_once, group_id, is_there, joins};
use crate::support::{Agent, World};

/// Groups of a kind in a state, now.
fn groups(agent: &Agent, protocol: &'static str, state: &'static str) -> i64 {
    agent.broker.count_groups();
    let labels = GroupLabels { protocol, state };
    agent.metrics.groups.groups.get_or_create(&labels).get()
}

fn members(agent: &Agent, protocol: &'static str) -> i64 {
    agent.broker.count_groups();
    let labels = ProtocolLabels { protocol };
    agent.metrics.groups.members.get_or_create(&labels).get()
}

fn rebalances(agent: &Agent, protocol: &'static str) -> u64 {
    let labels = ProtocolLabels { protocol };
    agent.metrics.groups.rebalances.get_or_create(&labels).get()
}

#[tokio::test(start_paused = true)]
async fn groups_and_members_are_counted_by_kind_and_state() {
    let world = World::new();
    let agent = world.agent_with("a", at_once).await;
    let mut client = agent.connect();
    client.create_topic("t", 2).await;
    client.until_coordinated("classic").await;
    assert_eq!(groups(&agent, "classic", "Stable"), 0);

    let joined = client.join("classic").await;
    assert_eq!(groups(&agent, "classic", "CompletingRebalance"), 1);
    client.sync("classic", 1, &joined.member_id, &[]).await;
    assert_eq!(groups(&agent, "classic", "CompletingRebalance"), 0);
    assert_eq!(groups(&agent, "classic", "Stable"), 1);
    assert_eq!((members(&agent, "classic"), members(&agent, "consumer")), (1, 0));
    assert_eq!(
        (rebalances(&agent, "classic"), rebalances(&agent, "consumer")),
        (1, 0)
    );

    let first = client.beat(&joins("consumer", "m")).await;
    assert_eq!(rebalances(&agent, "consumer"), 1);
    client.beat(&joins("consumer", "n")).await;
    assert_eq!(groups(&agent, "consumer", "Reconciling"), 1);
    assert_eq!(members(&agent, "consumer"), 2);
    assert_eq!(rebalances(&agent, "consumer"), 2);
    // A heartbeat that changes nothing is none.
    client
        .beat(&is_there("consumer", "m", first.member_epoch, None))
        .await;
    assert_eq!(
        (rebalances(&agent, "classic"), rebalances(&agent, "consumer")),
        (1, 2)
    );

    assert_eq!(client.commit("simple", (-1, ""), 0, 1).await, 0);
    assert_eq!(groups(&agent, "classic", "Empty"), 1);
    let request = DeleteGroupsRequest::default().with_groups_names(vec![group_id("simple")]);
    assert_eq!(client.call(2, &request).await.results[0].error_code, 0);
    assert_eq!(groups(&agent, "classic", "Empty"), 0);

    // Nobody is heard any more: what members leave behind is a group, and no rebalance.
    tokio::time::sleep(Duration::from_secs(120)).await;
    assert_eq!(groups(&agent, "classic", "Empty"), 1);
    assert_eq!(groups(&agent, "classic", "Stable"), 0);
    assert_eq!(groups(&agent, "consumer", "Empty"), 1);
    assert_eq!((members(&agent, "classic"), members(&agent, "consumer")), (0, 0));
    assert_eq!(rebalances(&agent, "classic"), 1);
}

#[tokio::test(start_paused = true)]
async fn offsets_that_were_kept_are_counted_and_so_is_the_time_of_writes() {
    let world = World::new();
    let agent = world.agent_with("a", at_once).await;
    let mut client = agent.connect();
    client.create_topic("t", 3).await;
    client.until_coordinated("g").await;
    let counted = || agent.metrics.groups.offset_commits.get();
    let request = crate::calls::commit_request("g", -1, "", "t", &[(0, 1, ""), (1, 2, ""), (7, 3, "")]);
    client.call(9, &request).await;
    assert_eq!(counted(), 2, "there is no partition 7");
    assert_eq!(client.commit("g", (3, "nobody"), 0, 5).await, 25);
    assert_eq!(counted(), 2);
    agent.faults.hold_writes(100);
    assert_ne!(client.commit("g", (-1, ""), 0, 5).await, 0);
    assert_eq!(counted(), 2, "nobody was told that it is kept");

    let mut registry = prometheus_client::registry::Registry::default();
    agent.metrics.register(&mut registry);
    let mut page = String::new();
    prometheus_client::encoding::text::encode(&mut page, &registry).unwrap();
    for sample in [
        "esker_offset_commits_total 2\n",
        "esker_group_write_seconds_count 1\n",
    ] {
        assert!(page.contains(sample), "{sample} is not in\n{page}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_agent_that_coordinates_nothing_any_more_counts_nothing() {
    let world = World::new();
    let agent = world.agent_with("a", at_once).await;
    let mut client = agent.connect();
    client.until_coordinated("g").await;
    client.join_for("g", 60_000).await;
    assert_eq!(members(&agent, "classic"), 1);
    agent.faults.cut_off();
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert_eq!(members(&agent, "classic"), 0);
    assert_eq!(groups(&agent, "classic", "CompletingRebalance"), 0);
}
