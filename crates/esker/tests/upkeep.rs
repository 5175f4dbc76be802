//! `esker cluster upkeep` and `/upkeep`: what background work has before it and who does it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods
)]

mod support;

use std::time::{Duration, Instant};

use esker_harness::throwaway_postgres as postgres;
use serde_json::Value;
use support::{Background, PATIENCE, esker, free_port, get, run, run_command, wait_for};

/// Background work without delay.
const FAST: [&str; 4] = ["--archive-interval-ms", "200", "--merge-interval-ms", "500"];

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// Asks again and again until the answer is right.
fn until(mut ask: impl FnMut() -> Value, right: impl Fn(&Value) -> bool) -> Value {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let answer = ask();
        if right(&answer) {
            return answer;
        }
        assert!(Instant::now() < deadline, "{answer:#}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// All of what was written is in a manifest, and who did it said so.
fn is_merged(status: &Value) -> bool {
    let merge = status["jobs"].as_array().unwrap();
    let merge = merge.iter().find(|job| job["name"] == "merge");
    status["waiting"]["segments"] == 0
        && status["archived"]["extents"] == 0
        && status["manifests"]["count"] == 1
        && merge.is_some_and(|merge| merge["report"]["partitions"] == 1)
}

#[test]
fn beside_a_running_dev() {
    let dir = tempfile::tempdir().unwrap();
    let dev = Background::dev(dir.path(), &FAST);
    dev.client_with(&["produce", "t", "-q"], b"one\ntwo\n").ok();
    let directory = dir.path().to_str().unwrap();
    let status = until(
        || json(&run(&["cluster", "upkeep", "--data-dir", directory, "--json"]).ok()),
        is_merged,
    );
    let archive = &status["jobs"][0];
    assert_eq!(
        (&archive["name"], &archive["node"]),
        (&"archive".into(), &"dev".into())
    );
    assert_eq!(archive["report"]["segments"], 1);
    assert!(archive["report_age_ms"].as_i64().unwrap() >= 0);
    // The process itself says the same; ages and the work go on.
    let page = until(|| json(&wait_for(&dev.admin, "/upkeep", 200)), is_merged);
    let keys = |of: &Value| of.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(keys(&page), keys(&status));
    let text = run(&["cluster", "upkeep", "--data-dir", directory]).ok();
    let starts = [
        "waits to be archived   nothing",
        "waits to be merged     0 extents in 0 archive segments",
        "in manifests           ",
        "objects to remove      ",
        "topics to empty        0",
        "incarnations to sweep  ",
        "",
        "JOB      NODE  REPORTED  ",
        "archive  dev   ",
    ];
    let lines: Vec<_> = text.lines().collect();
    for (line, start) in lines.iter().zip(starts) {
        assert!(
            line.starts_with(start),
            "{line:?} does not start with {start:?}\n{text}"
        );
    }
    assert!(
        text.contains(" ago  segments 1, archived ") && text.contains(" in 1 manifest\n"),
        "{text}"
    );
    // Nobody was disturbed.
    dev.client_with(&["produce", "t", "-q"], b"three\n").ok();
    dev.terminate();
    run(&["cluster", "upkeep", "--data-dir", directory]).ok();
}

#[test]
fn on_postgres() {
    let Some(url) = postgres::start_or_reuse() else {
        return;
    };
    run(&["cluster", "upkeep", "--metastore-url", &url]).says(1, "run `esker migrate`");
    run(&["migrate", "--metastore-url", &url]).ok();
    let nothing = run(&["cluster", "upkeep", "--metastore-url", &url]).ok();
    assert!(nothing.ends_with("\nJOB  NODE  REPORTED  DONE\n"), "{nothing}");
    let dir = tempfile::tempdir().unwrap();
    let bucket = format!("file://{}", dir.path().display());
    let address = format!("127.0.0.1:{}", free_port());
    let fixed = [
        "agent",
        "--metastore-url",
        &url,
        "--bucket-url",
        &bucket,
        "--node-name",
        "one",
        "--kafka-addr",
        &address,
        "--admin-addr",
        "none",
        "--auto-create-topics",
    ];
    let mut agent = Background::start(esker(&[&fixed[..], &FAST[..]].concat()));
    agent.err_line("ready");
    run_command(esker(&["produce", "t", "-q", "-b", &address]), b"x\n").ok();
    let mut command = esker(&["cluster", "upkeep", "--json"]);
    command.env("ESKER_METASTORE_URL", &url);
    let ask = || {
        let mut command = esker(&["cluster", "upkeep", "--json"]);
        command.env("ESKER_METASTORE_URL", &url);
        json(&run_command(command, b"").ok())
    };
    assert_eq!(until(ask, is_merged)["jobs"][0]["node"], "one");
    agent.signal("TERM");
    assert_eq!(agent.wait().code(), Some(0));
    // Whoever left has no lease any more; what it did is still told.
    let after = ask();
    assert_eq!(after["jobs"][0]["node"], Value::Null);
    assert_eq!(after["jobs"][0]["report"]["segments"], 1);
}

#[test]
fn what_is_wrong_is_said() {
    let dir = tempfile::tempdir().unwrap();
    let directory = dir.path().to_str().unwrap();
    run(&["cluster", "upkeep"]).says(2, "metastore_url is not set");
    run(&["cluster", "upkeep", "--data-dir", directory]).says(
        1,
        "metastore.sqlite; name the directory of `esker dev` with --data-dir, or ask the process itself: GET /upkeep",
    );
    assert_eq!(
        std::fs::read_dir(dir.path()).unwrap().count(),
        0,
        "something was made"
    );
    let url = format!("postgres://esker:hush-hush@127.0.0.1:{}/esker", free_port());
    let ended = run(&["cluster", "upkeep", "--metastore-url", &url]);
    ended.says(1, "no connection to Postgres at 127.0.0.1:");
    assert!(!ended.err.contains("hush"));
}

#[test]
fn an_agent_that_waits_for_its_metastore_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let bucket = format!("file://{}", dir.path().display());
    let url = format!("postgres://esker:hush-hush@127.0.0.1:{}/esker", free_port());
    let admin = format!("127.0.0.1:{}", free_port());
    let mut agent = Background::start(esker(&[
        "agent",
        "--metastore-url",
        &url,
        "--bucket-url",
        &bucket,
        "--kafka-addr",
        &format!("127.0.0.1:{}", free_port()),
        "--admin-addr",
        &admin,
    ]));
    agent.err_line("waiting: ");
    let (status, body) = get(&admin, "/upkeep").unwrap();
    assert_eq!(status, 503);
    assert!(
        body.starts_with("the metastore was not reached yet: ") && !body.contains("hush"),
        "{body}"
    );
}
