//! Groups of KIP-848 with configs of their own: what members are told, and when their sessions end.

use std::time::Duration;

use esker_protocol::messages::IncrementalAlterConfigsRequest;
use esker_protocol::messages::incremental_alter_configs_request::{AlterConfigsResource, AlterableConfig};

use crate::calls::{coordinator, is_there, joins, text};
use crate::support::{Client, World};

const INTERVAL: &str = "consumer.heartbeat.interval.ms";
const TIMEOUT: &str = "consumer.session.timeout.ms";

/// Agents learn of a change with their own heartbeats: one second apart.
const LEARNED: Duration = Duration::from_secs(2);

/// Longer than any interval here: a group that nothing happened in for so long is at rest.
const AT_REST: Duration = Duration::from_secs(10);

/// Sets a config of group `g`, or takes it away.
async fn alter(client: &mut Client, name: &str, value: Option<&str>) {
    let config = AlterableConfig::default()
        .with_name(text(name))
        .with_config_operation(if value.is_some() { 0 } else { 1 })
        .with_value(value.map(text));
    let group = AlterConfigsResource::default()
        .with_resource_type(32)
        .with_resource_name(text("g"))
        .with_configs(vec![config]);
    let request = IncrementalAlterConfigsRequest::default().with_resources(vec![group]);
    let response = client.call(1, &request).await;
    assert_eq!(response.responses[0].error_code, 0);
}

/// What a member is told: when to come again, and its epoch.
async fn told(client: &mut Client, epoch: i32) -> (i32, i32) {
    let told = client.beat(&is_there("g", "one", epoch, None)).await;
    assert_eq!(told.error_code, 0);
    (told.heartbeat_interval_ms, told.member_epoch)
}

#[tokio::test(start_paused = true)]
async fn a_changed_interval_is_told_with_the_next_heartbeat() {
    let world = World::new();
    let (one, other) = (world.agent("a").await, world.agent("b").await);
    tokio::time::sleep(Duration::from_secs(15)).await;
    let (mut one, mut other) = (one.connect(), other.connect());
    one.create_topic("t", 1).await;
    let host = one.until_coordinated("g").await;
    let (coordinator, elsewhere) = match host.as_str() {
        "a" => (&mut one, &mut other),
        _ => (&mut other, &mut one),
    };
    // Before there is such a group.
    alter(coordinator, INTERVAL, Some("6000")).await;
    let joined = coordinator.beat(&joins("g", "one")).await;
    assert_eq!(joined.error_code, 0);
    // Sooner as long as others may follow.
    tokio::time::sleep(AT_REST).await;
    let (interval, epoch) = told(coordinator, joined.member_epoch).await;
    assert_eq!(interval, 6_000);
    // By the agent that coordinates it, at once; by another one, soon.
    alter(coordinator, INTERVAL, Some("7000")).await;
    assert_eq!(told(coordinator, epoch).await.0, 7_000);
    alter(elsewhere, INTERVAL, Some("8000")).await;
    tokio::time::sleep(LEARNED).await;
    assert_eq!(told(coordinator, epoch).await.0, 8_000);
    alter(elsewhere, INTERVAL, None).await;
    tokio::time::sleep(LEARNED).await;
    assert_eq!(told(coordinator, epoch).await.0, 5_000);
}

#[tokio::test(start_paused = true)]
async fn the_next_coordinator_knows_it() {
    let (world, agent, mut client) = coordinator().await;
    let epoch = client.beat(&joins("g", "one")).await.member_epoch;
    alter(&mut client, INTERVAL, Some("9000")).await;
    agent.faults.cut_off();
    let next = world.agent("a").await;
    let mut client = next.connect();
    client.until_coordinated("g").await;
    tokio::time::sleep(LEARNED).await;
    assert_eq!(told(&mut client, epoch).await.0, 9_000);
}

/// After `silence` without a heartbeat: the error of the next one.
async fn after(silence: u64, epoch: i32, client: &mut Client) -> i16 {
    tokio::time::sleep(Duration::from_secs(silence)).await;
    client.beat(&is_there("g", "one", epoch, None)).await.error_code
}

#[tokio::test(start_paused = true)]
async fn sessions_under_way_are_judged_by_the_new_timeout() {
    let (_world, _agent, mut client) = coordinator().await;
    // Longer while it is under way.
    let epoch = client.beat(&joins("g", "one")).await.member_epoch;
    alter(&mut client, TIMEOUT, Some("60000")).await;
    assert_eq!(after(58, epoch, &mut client).await, 0);
    assert_eq!(after(62, epoch, &mut client).await, 25);
    // Shorter: nothing else happens in the group that would have it looked at.
    let epoch = client.beat(&joins("g", "one")).await.member_epoch;
    tokio::time::sleep(Duration::from_secs(10)).await;
    alter(&mut client, TIMEOUT, None).await;
    assert_eq!(after(37, epoch, &mut client).await, 25);
    // Shorter than it has been silent.
    alter(&mut client, TIMEOUT, Some("60000")).await;
    let epoch = client.beat(&joins("g", "one")).await.member_epoch;
    tokio::time::sleep(Duration::from_secs(50)).await;
    alter(&mut client, TIMEOUT, Some("45000")).await;
    assert_eq!(after(1, epoch, &mut client).await, 25);
    // Of the others nothing changed.
    let other = joins("h", "one");
    let epoch = client.beat(&other).await.member_epoch;
    alter(&mut client, TIMEOUT, Some("60000")).await;
    tokio::time::sleep(Duration::from_secs(47)).await;
    let gone = client.beat(&is_there("h", "one", epoch, None)).await;
    assert_eq!((gone.error_code, gone.heartbeat_interval_ms), (25, 0));
}
