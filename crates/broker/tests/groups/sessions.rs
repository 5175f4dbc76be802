//! When sessions of members begin: with the answer, however long it took.

use std::time::Duration;

use esker_broker::BrokerConfig;
use esker_model::groups::GroupLimits;

use crate::calls::{is_there, joins};
use crate::support::faults::Slow;
use crate::support::{Agent, Client, World};

/// An agent whose writes of groups take 4 s, where KIP-848 members have sessions of 6 s.
async fn slow(world: &World) -> (Agent, Client) {
    let settings = |config: BrokerConfig| {
        let groups = GroupLimits {
            consumer_session_timeout: Duration::from_secs(6),
            initial_rebalance_delay: Duration::ZERO,
            ..config.groups.clone()
        };
        BrokerConfig { groups, ..config }
    };
    let agent = world.agent_with("a", settings).await;
    let mut client = agent.connect();
    client.create_topic("t", 1).await;
    client.until_coordinated("g").await;
    agent.faults.slow(Slow {
        group_writes: Duration::from_secs(4),
        ..Slow::default()
    });
    (agent, client)
}

#[tokio::test(start_paused = true)]
async fn a_session_of_a_consumer_group_counts_from_the_answer() {
    let world = World::new();
    let (_agent, mut client) = slow(&world).await;
    let joined = client.beat(&joins("g", "m")).await;
    assert_eq!((joined.error_code, joined.member_epoch), (0, 1));
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(client.beat(&is_there("g", "m", 1, None)).await.error_code, 0);
    tokio::time::sleep(Duration::from_secs(7)).await;
    assert_eq!(client.beat(&is_there("g", "m", 1, None)).await.error_code, 25);
}

#[tokio::test(start_paused = true)]
async fn a_session_of_a_classic_group_counts_from_the_answer() {
    let world = World::new();
    let (_agent, mut client) = slow(&world).await;
    let joined = client.join_for("g", 6_000).await;
    assert_eq!((joined.error_code, joined.generation_id), (0, 1));
    let member = joined.member_id.to_string();
    tokio::time::sleep(Duration::from_secs(5)).await;
    let synced = client.sync("g", 1, &member, &[(&member, "all")]).await;
    assert_eq!(synced.error_code, 0);
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(client.heartbeat("g", 1, &member).await, 0);
    tokio::time::sleep(Duration::from_secs(7)).await;
    assert_eq!(client.heartbeat("g", 1, &member).await, 25);
}
