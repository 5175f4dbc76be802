//! The command line while agents die and freeze: what only asks is answered as soon as the others know, and a frozen
//! agent does not use up the time.
//!
//! Real processes on Postgres and MinIO at default settings. All commands know one living agent only.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a failure here is a failed test"
)]

use std::process::Command;
use std::thread::scope;

use esker_harness::agents::Cluster;
use esker_harness::clients::{esker, must};

/// Enough that every agent leads some.
const PARTITIONS: &str = "24";

/// A command that asks this agent first.
fn asks(bootstrap: &str, line: &str) -> Command {
    let mut command = esker();
    command.args(line.split(' ')).args(["-b", bootstrap]);
    command
}

/// Runs commands side by side, each of which must succeed; their outputs.
fn all(bootstrap: &str, lines: &[&str]) -> Vec<String> {
    scope(|scope| {
        let running: Vec<_> = lines
            .iter()
            .map(|line| scope.spawn(|| must(line, &mut asks(bootstrap, line))))
            .collect();
        let outputs = running.into_iter().map(|running| running.join().unwrap());
        outputs.map(|out| String::from_utf8(out).unwrap()).collect()
    })
}

#[test]
fn questions_are_answered_while_agents_die_and_freeze() {
    let Some(mut cluster) = Cluster::shared("commands", 3, &[]) else {
        return;
    };
    let living = cluster.agents[0].bootstrap();
    let create = format!("topic create t --partitions {PARTITIONS}");
    let mut lines = vec![create];
    // Groups of many shards, so that every agent coordinates some.
    lines.extend((0..12).map(|group| format!("group reset-offsets g{group} --topic t --to 0 --execute")));
    for line in &lines {
        must(line, &mut asks(&living, line));
    }

    cluster.agents[1].kill();
    let questions = [
        "topic describe t",
        "group list",
        "consume t --until-end",
        "topic describe t --groups",
        "group describe g0 --offsets",
    ];
    let outputs = all(&living, &questions);
    for group in 0..12 {
        assert!(outputs[3].contains(&format!("\ng{group} ")), "{}", outputs[3]);
    }

    cluster.agents[2].process().signal("STOP");
    let questions = [
        "topic describe t --timeout-seconds 12",
        "group list --timeout-seconds 12",
        "consume t --until-end --timeout-seconds 12",
    ];
    let outputs = all(&living, &questions);
    assert!(outputs[0].contains("topic t"), "{}", outputs[0]);
    cluster.agents[2].process().signal("CONT");
}
