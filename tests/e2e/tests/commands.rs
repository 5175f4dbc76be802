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

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::scope;
use std::time::Duration;

use esker_harness::agents::Cluster;
use esker_harness::clients::{esker, must};
use esker_harness::dirs::TestDir;
use esker_harness::process::Process;
use esker_harness::wait_until;

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

/// Sends a line to a partition now and then, whatever becomes of it.
fn keeps_producing(bootstrap: &str, partition: u32, stop: &AtomicBool) {
    while !stop.load(Ordering::Relaxed) {
        let line = format!("produce busy -p {partition}");
        let mut command = asks(bootstrap, &line);
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let mut producer = command.spawn().unwrap();
        let mut input = producer.stdin.take().unwrap();
        while !stop.load(Ordering::Relaxed) && writeln!(input, "something").is_ok() {
            std::thread::sleep(Duration::from_millis(50));
        }
        drop(input);
        producer.wait().unwrap();
    }
}

/// How far a consumer that prints JSON into this file has read each partition.
fn read_to(log: &Path) -> BTreeMap<u64, u64> {
    let mut read = BTreeMap::new();
    for line in std::fs::read_to_string(log).unwrap().lines() {
        let Ok(record) = serde_json::from_str::<serde_json::Value>(line) else {
            continue;
        };
        let number = |name: &str| record[name].as_u64().unwrap();
        read.insert(number("partition"), number("offset"));
    }
    read
}

#[test]
fn consumers_read_every_partition_on_when_a_leader_dies_and_others_are_busy() {
    const BUSY: u32 = 6;
    let Some(mut cluster) = Cluster::shared("consumers", 3, &[]) else {
        return;
    };
    let dir = TestDir::new("consumers-output");
    let living = cluster.agents[0].bootstrap();
    let create = format!("topic create busy --partitions {BUSY}");
    must("create", &mut asks(&living, &create));
    let stop = AtomicBool::new(false);
    scope(|scope| {
        for partition in 0..BUSY {
            let (living, stop) = (&living, &stop);
            scope.spawn(move || keeps_producing(living, partition, stop));
        }
        let consumers = ["consume busy --json", "consume busy --json -g g"].map(|line| {
            let name = format!("consumer-{}", line.len());
            let log = dir.join(&name);
            (Process::start(&name, asks(&living, line), &log), log)
        });
        let reads = |beyond: u64| {
            consumers.iter().all(|(_, log)| {
                let read = read_to(log);
                read.len() == BUSY as usize && read.values().all(|offset| *offset >= beyond)
            })
        };
        let begun = wait_until(Duration::from_secs(30), || reads(20));
        cluster.agents[1].kill();
        // Its partitions have another leader within 10 s, and far more than that is written meanwhile.
        let went_on = begun && wait_until(Duration::from_secs(60), || reads(400));
        stop.store(true, Ordering::Relaxed);
        let read = consumers.each_ref().map(|(_, log)| read_to(log));
        assert!(went_on, "{begun} {read:?}");
    });
}
