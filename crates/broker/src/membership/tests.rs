//! The gate on paused time, and what a member says of itself.

#![allow(
    clippy::disallowed_methods,
    reason = "waiting callers are tasks of the test itself"
)]

use std::sync::Arc;
use std::time::Duration;

use esker_metastore::{Agent, AgentProfile};
use esker_model::limits::EPOCH_GATE;
use esker_model::seams::{Clock, Instant, SystemClock};
use esker_model::{ClusterEpoch, ClusterId, IncarnationId, NodeId};
use uuid::Uuid;

use super::*;

fn clock() -> Arc<dyn Clock> {
    Arc::new(SystemClock::new())
}

fn agent(id: i32) -> Agent {
    Agent {
        node_id: NodeId(id),
        node_name: format!("n{id}"),
        incarnation: IncarnationId(Uuid::from_u128(id as u128)),
        profile: AgentProfile::default(),
    }
}

fn member(clock: &Arc<dyn Clock>) -> Membership {
    let identity = Identity {
        cluster_id: ClusterId("c".into()),
        epoch: ClusterEpoch(1),
        incarnation: agent(5).incarnation,
        node_id: NodeId(5),
    };
    Membership::new(identity, agent(5), Arc::clone(clock), told(clock.now(), NOON_MS))
}

/// What a metastore told that is somewhere in November 2023.
const NOON_MS: i64 = 1_700_000_000_000;

fn told(sent: Instant, told_ms: i64) -> MetastoreTime {
    MetastoreTime { sent, told_ms }
}

#[tokio::test(start_paused = true)]
async fn the_gate_counts_from_the_beginning_of_the_read() {
    let clock = clock();
    let gate = EpochGate::new(Arc::clone(&clock), clock.now());
    assert_eq!(gate.pass(Duration::ZERO).await, Ok(()));
    let began = clock.now();
    tokio::time::sleep(Duration::from_secs(4)).await;
    gate.confirm(began);
    tokio::time::sleep(EPOCH_GATE - Duration::from_millis(4001)).await;
    assert!(gate.is_open());
    tokio::time::sleep(Duration::from_millis(1)).await;
    assert!(!gate.is_open());
}

#[tokio::test(start_paused = true)]
async fn a_closed_gate_makes_wait_and_opens_for_all() {
    let clock = clock();
    let gate = Arc::new(EpochGate::new(Arc::clone(&clock), clock.now()));
    tokio::time::sleep(EPOCH_GATE).await;
    assert_eq!(gate.pass(Duration::from_secs(1)).await, Err(GateClosed));
    let waiting: Vec<_> = (0..3)
        .map(|_| {
            let gate = Arc::clone(&gate);
            tokio::task::spawn(async move { gate.pass(Duration::from_secs(30)).await })
        })
        .collect();
    tokio::time::sleep(Duration::from_secs(5)).await;
    // A read that began too long ago opens nothing.
    gate.confirm(esker_model::seams::Instant(Duration::ZERO));
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(waiting.iter().all(|task| !task.is_finished()));
    gate.confirm(clock.now());
    for task in waiting {
        assert_eq!(task.await.unwrap(), Ok(()));
    }
    gate.close();
    assert!(!gate.is_open());
}

#[test]
fn cluster_json_is_judged() {
    use esker_storage::cluster_file::ClusterFile;
    use gate::{Seen, judge};
    let (ours, cluster) = (ClusterEpoch(3), ClusterId("c".into()));
    let file = |id: &str, epoch| ClusterFile::new(ClusterId(id.into()), ClusterEpoch(epoch));
    assert_eq!(judge(Some(&file("c", 3)), ours, &cluster), Seen::Ours);
    assert_eq!(judge(Some(&file("c", 4)), ours, &cluster), Seen::HigherEpoch(4));
    for foreign in [Some(file("c", 2)), Some(file("d", 3)), Some(file("d", 4)), None] {
        assert!(
            matches!(judge(foreign.as_ref(), ours, &cluster), Seen::Foreign(_)),
            "{foreign:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_member_is_current_for_its_own_timer_from_the_sending_of_a_heartbeat() {
    let clock = clock();
    let member = member(&clock);
    let sent = clock.now();
    tokio::time::sleep(Duration::from_secs(2)).await;
    member.renew(told(sent, NOON_MS), vec![agent(5)]);
    tokio::time::sleep(OWN_TIMER - Duration::from_millis(2001)).await;
    assert!(member.is_current());
    tokio::time::sleep(Duration::from_millis(1)).await;
    assert!(!member.is_current());
    member.renew(told(clock.now(), NOON_MS), vec![agent(5)]);
    assert!(member.is_current());
}

#[tokio::test(start_paused = true)]
async fn the_metastores_time_counts_from_the_sending_of_a_heartbeat() {
    let clock = clock();
    let member = member(&clock);
    assert_eq!(member.now_ms(), NOON_MS);
    // Nothing is heard of the metastore for long.
    tokio::time::sleep(Duration::from_secs(3600)).await;
    assert_eq!(member.now_ms(), NOON_MS + 3_600_000);
    let sent = clock.now();
    tokio::time::sleep(Duration::from_millis(800)).await;
    // It answered at some time between the two: never behind it, and ahead by the round trip at most.
    member.renew(told(sent, NOON_MS + 3_600_300), vec![agent(5)]);
    assert_eq!(member.now_ms(), NOON_MS + 3_601_100);
    // Its clock was set back.
    member.renew(told(clock.now(), NOON_MS), vec![agent(5)]);
    tokio::time::sleep(Duration::from_millis(7)).await;
    assert_eq!(member.now_ms(), NOON_MS + 7);
}

#[test]
fn a_wall_clock_that_is_off_is_told_of() {
    let second = |n| Instant(Duration::from_secs(n));
    let time = told(second(10), NOON_MS);
    let judge = |wall_ms| time.judge_wall_clock(second(12), wall_ms);
    let now_ms = NOON_MS + 2_000;
    for right in [0, 5_000, -5_000] {
        assert_eq!(judge(now_ms + right), None);
    }
    let behind = judge(now_ms - 7_200_000).unwrap();
    assert!(behind.contains("7200 s behind the metastore's"), "{behind}");
    let ahead = judge(now_ms + 5_001).unwrap();
    assert!(ahead.contains("5 s ahead of the metastore's"), "{ahead}");
}

#[tokio::test]
async fn a_member_is_always_in_its_own_list_in_order() {
    let clock = clock();
    let member = member(&clock);
    let ids = |member: &Membership| {
        member
            .live()
            .iter()
            .map(|agent| agent.node_id.0)
            .collect::<Vec<_>>()
    };
    assert_eq!(ids(&member), [5]);
    member.renew(told(clock.now(), NOON_MS), vec![agent(1), agent(9)]);
    assert_eq!(ids(&member), [1, 5, 9]);
    member.renew(told(clock.now(), NOON_MS), vec![agent(1), agent(5)]);
    assert_eq!(ids(&member), [1, 5]);
}

#[tokio::test]
async fn the_first_reason_to_stop_stands() {
    let member = member(&clock());
    assert!(member.is_current());
    member.stop(StopReason::HigherEpoch { found: 2 });
    member.stop(StopReason::Drained);
    assert!(!member.is_current());
    assert_eq!(member.until_stopped().await, StopReason::HigherEpoch { found: 2 });
    assert_eq!(member.stopped(), Some(StopReason::HigherEpoch { found: 2 }));
}
