//! Kills, pauses and outages under idempotent producers at full speed. Long: `make crash`.
//!
//! After each: every acknowledged record stands at its offset, nothing twice, order kept per partition,
//! no offset missing, and all agents show the same log.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a failure here is a failed test"
)]

use std::time::Duration;

use esker_e2e::load::Load;
use esker_harness::agents::Cluster;
use esker_harness::clients;

fn number(variable: &str, default: u64) -> u64 {
    std::env::var(variable)
        .ok()
        .and_then(|value| value.parse().ok())
        .unwrap_or(default)
}

fn kill_loop(mut cluster: Cluster, kills: u64) {
    if !clients::has_python() {
        return;
    }
    let pause = Duration::from_millis(1_500);
    let load = Load::start(&cluster, kills * 2 + 5);
    for kill in 0..kills {
        std::thread::sleep(pause);
        let victim = (kill as usize * 7 + 3) % cluster.agents.len();
        cluster.agents[victim].kill();
        cluster.agents[victim].start();
    }
    eprintln!("{kills} kills");
    load.check(&cluster);
}

#[test]
#[ignore = "minutes: make crash"]
fn kill_9_in_a_loop_on_dev() {
    kill_loop(Cluster::dev("kill-dev", &[]), number("ESKER_CRASH_KILLS", 30));
}

#[test]
#[ignore = "minutes: make crash"]
fn kill_9_in_a_loop_on_three_agents() {
    let Some(cluster) = Cluster::shared("kill-shared", 3, &[]) else {
        return;
    };
    kill_loop(cluster, number("ESKER_CRASH_KILLS", 30));
}

/// An agent that was stopped for longer than its peers believe in it commits nothing when it wakes.
#[test]
#[ignore = "minutes: make crash"]
fn a_paused_agent_commits_nothing() {
    let Some(cluster) = Cluster::shared("pause-shared", 3, &[]) else {
        return;
    };
    if !clients::has_python() {
        return;
    }
    let load = Load::start(&cluster, 60);
    std::thread::sleep(Duration::from_secs(5));
    let victim = &cluster.agents[1];
    let postgres = cluster.postgres.as_ref().unwrap();
    let incarnation = postgres.query(
        "select incarnation from agent join node using (node_id) where node_name = 'agent-2' and state = 0",
    );
    let segments = || {
        postgres.query(&format!(
            "select count(*) from segment where incarnation = '{incarnation}'"
        ))
    };
    victim.process().signal("STOP");
    std::thread::sleep(Duration::from_secs(30));
    let before = segments();
    victim.process().signal("CONT");
    assert!(
        victim.wait_ready(Duration::from_secs(30)),
        "the paused agent did not come back"
    );
    std::thread::sleep(Duration::from_secs(5));
    assert_eq!(segments(), before, "the fenced incarnation committed");
    load.check(&cluster);
}

/// Clients wait or get retriable errors while Postgres is away, and go on when it is back.
#[test]
#[ignore = "minutes: make crash"]
fn postgres_goes_and_comes_back() {
    let Some(mut cluster) = Cluster::shared("outage-shared", 3, &[]) else {
        return;
    };
    if !clients::has_python() {
        return;
    }
    let load = Load::start(&cluster, 60);
    for _ in 0..3 {
        std::thread::sleep(Duration::from_secs(5));
        cluster.postgres.as_mut().unwrap().crash();
        std::thread::sleep(Duration::from_secs(8));
        cluster.postgres.as_mut().unwrap().resume();
    }
    for agent in &mut cluster.agents {
        assert!(
            agent.process_mut().is_running(),
            "{} ended during the outage",
            agent.name()
        );
    }
    load.check(&cluster);
}
