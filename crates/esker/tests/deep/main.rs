//! `esker check --deep` on real clusters: what is damaged in the bucket is named, and nothing else.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods
)]

mod cluster;
#[path = "../support/mod.rs"]
mod support;

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use cluster::{Checked, Cluster, Store, produce};
use esker_s3_server::{Kind, Op, Rule};
use serde_json::Value;
use support::{run, run_command};

const NEVER: [&str; 4] = [
    "--archive-interval-ms",
    "86400000",
    "--merge-interval-ms",
    "86400000",
];
const ARCHIVE: [&str; 4] = ["--archive-interval-ms", "200", "--merge-interval-ms", "86400000"];
const MERGE: [&str; 4] = ["--archive-interval-ms", "200", "--merge-interval-ms", "500"];
/// Objects go as soon as nothing needs them.
const RESTLESS: [&str; 6] = [
    "--archive-interval-ms",
    "50",
    "--merge-interval-ms",
    "50",
    "--archive-grace-ms",
    "0",
];

/// What was written with each topic: objects by folder, those that were there before left out.
struct Filled {
    ingest: Vec<String>,
    archive: Vec<String>,
    merged: Vec<String>,
    manifests: Vec<String>,
}

/// A topic whose records are merged, one whose records are archived, and one whose records are as they came.
fn fill(cluster: &Cluster) -> Filled {
    let agent = cluster.start(&NEVER);
    agent.produce("merged", 0..400);
    agent.stop();
    let agent = cluster.start(&MERGE);
    cluster.until(|status| status["waiting"]["segments"] == 0 && status["manifests"]["count"] == 2);
    agent.stop();
    let new = |folder: &str, before: &[String]| {
        let before: BTreeSet<_> = before.iter().collect();
        let keys = cluster.keys(folder);
        keys.into_iter()
            .filter(|key| !before.contains(key))
            .collect::<Vec<_>>()
    };
    let (merged, manifests) = (cluster.keys("merged/"), cluster.keys("manifest/"));
    assert_eq!(
        (merged.len(), manifests.len()),
        (2, 2),
        "{merged:?} {manifests:?}"
    );
    let before = cluster.keys("archive/");
    let agent = cluster.start(&ARCHIVE);
    agent.produce("archived", 0..300);
    cluster.until(|status| status["waiting"]["segments"] == 0);
    agent.stop();
    let archive = new("archive/", &before);
    let before = cluster.keys("ingest/");
    let agent = cluster.start(&NEVER);
    agent.produce("recent", 0..200);
    agent.stop();
    Filled {
        ingest: new("ingest/", &before),
        archive,
        merged,
        manifests,
    }
}

/// All findings are of one kind, but for the size of a cut object, and all are about these objects of one topic.
fn only(checked: &Checked, kind: &str, topic: &str, keys: &[&String]) {
    let found = checked.found();
    let named: BTreeSet<_> = found.iter().map(|(.., key)| key).collect();
    assert_eq!(named, keys.iter().copied().collect(), "{:#}", checked.document);
    for (what, of, ..) in &found {
        assert!(
            (what == kind || (kind == "truncated" && what == "size")) && of == topic,
            "{:#}",
            checked.document
        );
    }
    assert!(
        found.iter().any(|(what, ..)| what == kind),
        "{:#}",
        checked.document
    );
}

fn damage_is_named(cluster: &Cluster) {
    let filled = fill(cluster);
    let right = cluster.check(&[]);
    right.is_right();
    let verified = &right.document["verified"];
    assert_eq!(
        (&verified["topics"], &verified["partitions"], &verified["offsets"]),
        (&3.into(), &6.into(), &900.into())
    );
    let flip = |at: usize| {
        move |bytes: &mut Vec<u8>| {
            bytes[at] ^= 0x10;
            true
        }
    };
    let half = |bytes: &mut Vec<u8>| {
        bytes.truncate(bytes.len() / 2);
        true
    };
    let gone = |_: &mut Vec<u8>| false;
    for (topic, keys) in [
        ("recent", &filled.ingest),
        ("archived", &filled.archive),
        ("merged", &filled.merged),
        ("merged", &filled.manifests),
    ] {
        for key in keys {
            only(&cluster.damaged(key, flip(20)), "corrupt", topic, &[key]);
        }
        let key = &keys[0];
        only(&cluster.damaged(key, half), "truncated", topic, &[key]);
        only(&cluster.damaged(key, gone), "missing", topic, &[key]);
    }
    // The partition and its offsets, too.
    let key = &filled.merged[1];
    let checked = cluster.damaged(key, flip(100));
    let finding = &checked.document["findings"][0];
    assert_eq!(
        (&finding["partition"], &finding["first_offset"], &finding["key"]),
        (&1.into(), &0.into(), &key.as_str().into())
    );
    assert_eq!(
        checked.document["verified"]["offsets"],
        899 - finding["last_offset"].as_i64().unwrap()
    );
    // Several at once.
    let (first, second) = (&filled.merged[0], &filled.ingest[0]);
    let right_first = cluster.read(first);
    cluster.remove(first);
    let checked = cluster.damaged(second, flip(30));
    let kinds: BTreeSet<_> = checked
        .found()
        .into_iter()
        .map(|(kind, _, _, key)| (kind, key))
        .collect();
    let expected = [("missing", first), ("corrupt", second)];
    assert_eq!(
        kinds,
        expected.map(|(kind, key)| (kind.to_owned(), key.clone())).into()
    );
    cluster.write(first, &right_first);
    // Nothing was changed by all that.
    cluster.check(&[]).is_right();
    let words = run_command(cluster.command(&["check", "--deep"], &[]), b"").ok();
    assert!(
        words.starts_with("ok    verified      3 topics, 6 partitions: 900 offsets are right; "),
        "{words}"
    );
    cluster.remove(key);
    let words = run_command(cluster.command(&["check", "--deep"], &[]), b"");
    assert_eq!((words.code, words.err.as_str()), (Some(1), ""));
    assert!(
        words
            .out
            .starts_with("FAIL  missing       merged 1, offsets 0 to "),
        "{}",
        words.out
    );
    assert!(
        words
            .out
            .contains(&format!(": {key}: it is not in the bucket\nFAIL  verified ")),
        "{}",
        words.out
    );
    assert!(words.out.ends_with("; 1 finding\n"), "{}", words.out);
}

#[test]
fn damage_is_named_on_sqlite_and_a_directory() {
    damage_is_named(&Cluster::sqlite());
}

#[test]
fn damage_is_named_on_postgres_and_s3() {
    let Some(cluster) = Cluster::postgres() else {
        return;
    };
    damage_is_named(&cluster);
}

/// Agents archive, merge and remove all the time: nothing of that is ever called missing.
fn beside_live_agents(cluster: &Cluster, agents: usize) {
    let agents: Vec<_> = (0..agents).map(|_| cluster.start(&RESTLESS)).collect();
    let until = Instant::now() + Duration::from_secs(6);
    std::thread::scope(|scope| {
        for (number, agent) in agents.iter().enumerate() {
            let kafka = agent.kafka.clone();
            scope.spawn(move || {
                let mut next = 0;
                while Instant::now() < until {
                    produce(&kafka, &format!("topic-{number}"), next..next + 50);
                    next += 50;
                }
            });
        }
        scope.spawn(|| {
            while Instant::now() < until {
                cluster.check(&[]).is_right();
            }
        });
    });
    for agent in agents {
        agent.stop();
    }
    let checked = cluster.check(&[]);
    checked.is_right();
    assert!(
        checked.document["verified"]["offsets"].as_i64().unwrap() > 500,
        "{:#}",
        checked.document
    );
}

#[test]
fn beside_a_live_dev() {
    beside_live_agents(&Cluster::sqlite(), 1);
}

#[test]
fn beside_live_agents_on_postgres_and_s3() {
    if let Some(cluster) = Cluster::postgres() {
        beside_live_agents(&cluster, 2);
    }
}

#[test]
fn an_object_that_is_refused_is_found_and_a_store_that_refuses_ends_it() {
    let Some(cluster) = Cluster::postgres() else {
        return;
    };
    let filled = fill(&cluster);
    let Store::S3(server) = &cluster.store else {
        panic!("not on S3");
    };
    let refused = |key: &str| {
        for op in [Op::Get, Op::Head] {
            let denied = Kind::error(403, "AccessDenied");
            server
                .faults()
                .add(Rule::on(op, denied).key_prefix(&format!("data/{key}")));
        }
    };
    refused(&filled.merged[0]);
    let checked = cluster.check(&[]);
    only(&checked, "unreadable", "merged", &[&filled.merged[0]]);
    assert_eq!(checked.document["stopped"], Value::Null);
    let sentence = checked.document["findings"][0]["sentence"].as_str().unwrap();
    assert!(sentence.starts_with("it cannot be read: "), "{sentence}");
    assert!(sentence.contains(" denies access "), "{sentence}");
    server.faults().clear();
    cluster.remove(&filled.ingest[0]);
    refused("merged/");
    // It is shown when the check begins, and not when somebody asks whether the bucket answers at all.
    let denied = Kind::error(403, "AccessDenied");
    let not_shown = Rule::on(Op::Get, denied).key_prefix("data/cluster.json").skip(1);
    let id = server.faults().add(not_shown.clone());
    let checked = cluster.check(&[]);
    only(&checked, "missing", "recent", &[&filled.ingest[0]]);
    let stopped = checked.document["stopped"].as_str().unwrap();
    assert!(stopped.contains(" denies access "), "{stopped}");
    server.faults().remove(id);
    server.faults().add(not_shown);
    let words = run_command(cluster.command(&["check", "--deep"], &[]), b"");
    assert!(
        words
            .out
            .contains("\nFAIL  stopped       before everything was looked at: "),
        "{}",
        words.out
    );
}

#[test]
fn no_faster_than_it_may_and_it_says_how_far_it_is() {
    let cluster = Cluster::sqlite();
    let agent = cluster.start(&NEVER);
    agent.produce("t", 0..40_000);
    agent.stop();
    let right = cluster.check(&[]);
    right.is_right();
    assert_eq!(right.err, "");
    let bytes = right.document["verified"]["bytes"].as_i64().unwrap();
    let began = Instant::now();
    let slow = cluster.check(&["--bytes-per-second", &(bytes / 6).to_string()]);
    slow.is_right();
    assert!(
        began.elapsed() > Duration::from_millis(5_900),
        "{:?}",
        began.elapsed()
    );
    assert!(slow.err.starts_with("checking for 5 s: "), "{}", slow.err);
    assert!(slow.err.contains(" % of all offsets; 0 findings"), "{}", slow.err);
}

#[test]
fn what_is_wrong_is_said_and_nothing_is_made() {
    let dir = tempfile::tempdir().unwrap();
    let directory = dir.path().to_str().unwrap();
    run(&["check", "--deep"]).says(2, "metastore_url is not set");
    run(&["check", "--deep", "--metastore-url", "sqlite:x"]).says(2, "bucket_url is not set");
    run(&["check", "--deep", "--data-dir", directory]).says(1, "there is no directory ");
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
    std::fs::create_dir(dir.path().join("bucket")).unwrap();
    run(&["check", "--deep", "--data-dir", directory]).says(1, "there is no database ");
    for wrong in [
        &["--bytes-per-second", "1MiB"][..],
        &["--deep", "--bytes-per-second", "0"],
    ] {
        let ended = run(&[&["check", "--data-dir", directory], wrong].concat());
        assert_eq!(ended.code, Some(2), "{}", ended.err);
    }
    // The bucket of another cluster.
    let (one, other) = (Cluster::sqlite(), Cluster::sqlite());
    for cluster in [&one, &other] {
        cluster.start(&NEVER).stop();
        cluster.check(&[]).is_right();
    }
    let Store::Directory(bucket) = &other.store else {
        panic!("not in a directory");
    };
    let bucket = format!("file://{}", bucket.display());
    let mixed = run_command(
        one.command(&["check", "--deep", "--json"], &["--bucket-url", &bucket]),
        b"",
    );
    assert_eq!(mixed.code, Some(1));
    let said: Value = serde_json::from_str(&mixed.out).unwrap();
    let stopped = said["stopped"].as_str().unwrap();
    assert!(
        stopped.starts_with("the bucket is another cluster's: it belongs to cluster "),
        "{stopped}"
    );
    other.remove("cluster.json");
    let bare = other.check(&[]);
    let stopped = bare.document["stopped"].as_str().unwrap();
    assert!(stopped.contains("it has no cluster.json"), "{stopped}");
}
