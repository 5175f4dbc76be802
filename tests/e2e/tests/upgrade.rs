//! Agents of the release before beside those of this one, with clients on: an upgrade and a way back.
//!
//! The older program is that of the commit in `tests/previous`; `scripts/previous` builds it, and `ESKER_TEST_PREVIOUS` names
//! it. Long: `make upgrade`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a failure here is a failed test"
)]

use std::path::{Path, PathBuf};
use std::time::Duration;

use esker_e2e::load::{Load, TOPIC};
use esker_harness::agents::{Agent, Cluster, migrate};
use esker_harness::clients::{self, esker, kafka_tool, must};
use esker_harness::dirs::program;
use esker_harness::process::Process;
use esker_harness::{skipped, wait_until};
use serde_json::Value;

const GROUP: &str = "readers";
const DRAIN: Duration = Duration::from_secs(40);
/// Between two steps, so that clients work with every mixture.
const PAUSE: Duration = Duration::from_secs(6);
const LOAD_SECONDS: u64 = 90;

fn previous() -> Option<PathBuf> {
    let found = std::env::var_os("ESKER_TEST_PREVIOUS").map(PathBuf::from);
    if found.is_none() {
        skipped("no program of the release before (ESKER_TEST_PREVIOUS is not set: run make upgrade)");
    }
    found
}

/// As a rolling update does it: a draining agent, then the other program under the same name.
fn replace(agent: &mut Agent, by: &Path) {
    assert_eq!(
        agent.terminate(DRAIN),
        Some(0),
        "{} did not end in good order",
        agent.name()
    );
    agent.becomes(by);
    agent.start();
    std::thread::sleep(PAUSE);
}

fn version(agent: &Agent) -> String {
    let (_, page) = agent.get("/metrics").unwrap();
    // Only the present program has it.
    let new = page.lines().any(|line| line.starts_with("esker_price_dollars{"));
    if new { "new" } else { "old" }.to_owned()
}

/// A consumer group of Kafka's own client in the background.
fn consumer(cluster: &Cluster) -> Option<Process> {
    let mut command = kafka_tool("org.apache.kafka.tools.VerifiableConsumer")?;
    command.args(["--bootstrap-server", &cluster.bootstrap()]).args([
        "--topic",
        TOPIC,
        "--group-id",
        GROUP,
        "--reset-policy",
        "earliest",
    ]);
    Some(Process::start(
        "consumer",
        command,
        &cluster.dir.join("consumer.log"),
    ))
}

fn lag(cluster: &Cluster) -> Option<i64> {
    let mut command = esker();
    command.args([
        "group",
        "describe",
        GROUP,
        "--offsets",
        "--json",
        "-b",
        &cluster.bootstrap(),
    ]);
    let output = command.output().ok().filter(|output| output.status.success())?;
    let told: Value = serde_json::from_slice(&output.stdout).ok()?;
    let offsets = told
        .pointer("/offsets")
        .or_else(|| told.pointer("/0/offsets"))?
        .as_array()?;
    offsets.iter().map(|offset| offset["lag"].as_i64()).sum()
}

#[test]
#[ignore = "minutes: make upgrade"]
fn agents_of_two_releases_work_side_by_side_and_back_again() {
    let (Some(old), true) = (previous(), clients::has_python()) else {
        return;
    };
    let new = program("esker");
    let Some(mut cluster) = Cluster::shared_of(&old, "upgrade", 3, &[]) else {
        return;
    };
    let load = Load::start(&cluster, LOAD_SECONDS);
    let Some(mut consumer) = consumer(&cluster) else {
        return;
    };
    std::thread::sleep(PAUSE);

    // The migration runs beside agents of the release before, and one of them may start anew after it: also if it goes
    // further than any program knows, as long as it says that it leaves what they need.
    let postgres = cluster.postgres.as_ref().unwrap();
    migrate(&new, &postgres.url());
    let known: i64 = postgres
        .query("select max(version) from schema_migration")
        .trim()
        .parse()
        .unwrap();
    postgres.query("alter table schema_migration add column if not exists usable_from bigint");
    postgres.query(&format!(
        "insert into schema_migration (version, name, usable_from) values ({}, 'later', {known})",
        known + 1
    ));
    cluster.agents[2].kill();
    cluster.agents[2].start();
    std::thread::sleep(PAUSE);

    for index in 0..3 {
        replace(&mut cluster.agents[index], &new);
    }
    assert!(cluster.agents.iter().all(|agent| version(agent) == "new"));
    // The way back, for one agent, and forth again.
    replace(&mut cluster.agents[1], &old);
    assert_eq!(version(&cluster.agents[1]), "old");
    replace(&mut cluster.agents[1], &new);

    let summaries = load.check(&cluster);
    for summary in &summaries {
        assert_eq!(summary["failed"], 0, "a client saw an error: {summary}");
        assert_eq!(summary["unanswered"], 0, "{summary}");
    }
    assert!(
        wait_until(Duration::from_secs(60), || lag(&cluster) == Some(0)),
        "the group is behind by {:?}: {}",
        lag(&cluster),
        consumer.log()
    );
    assert!(consumer.is_running(), "the consumer ended: {}", consumer.log());
    let errors: Vec<_> = consumer
        .log()
        .lines()
        // That a coordinator moved is told at INFO, and is no error.
        .filter(|line| {
            line.contains(" ERROR ") || line.starts_with("Exception") || line.contains("\"success\":false")
        })
        .map(str::to_owned)
        .collect();
    assert!(errors.is_empty(), "{errors:#?}");

    let mut check = esker();
    check
        .args([
            "check",
            "--deep",
            "--metastore-url",
            &cluster.postgres.as_ref().unwrap().url(),
        ])
        .args(["--bucket-url", &cluster.minio.as_ref().unwrap().url()])
        .envs(cluster.minio.as_ref().unwrap().environment());
    must("esker check --deep", &mut check);
}
