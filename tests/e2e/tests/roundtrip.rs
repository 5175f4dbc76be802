//! Real clients write and read back the same bytes: on `esker dev`, and on three agents that share a
//! Postgres and a MinIO, including through an agent that wrote nothing.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a failure here is a failed test"
)]

use std::fs;
use std::path::{Path, PathBuf};

use esker_harness::agents::Cluster;
use esker_harness::clients::{self, esker, kafka_tool, kcat, must, python};

const CODECS: [&str; 5] = ["none", "gzip", "snappy", "lz4", "zstd"];

fn create_topic(cluster: &Cluster, topic: &str, partitions: u32) {
    must(
        "esker topic create",
        esker()
            .args(["topic", "create", topic, "--partitions", &partitions.to_string()])
            .args(["--bootstrap-server", &cluster.agents[0].bootstrap()]),
    );
}

/// Lines of text with repetition, so that every codec has something to do.
fn text_file(dir: &Path, lines: u32) -> PathBuf {
    let path = dir.join(format!("lines-{lines}.txt"));
    let text: String = (0..lines)
        .map(|n| format!("line {n} of the river, {} stones\n", n * 7919 % 10_007))
        .collect();
    fs::write(&path, text).unwrap();
    path
}

fn every_codec_survives(cluster: &Cluster, readers: &[(String, Option<&str>)]) {
    if !clients::has_python() {
        return;
    }
    let dir = cluster.dir.path();
    let input = text_file(dir, 20_000);
    let input = input.to_str().unwrap();
    for codec in CODECS {
        let topic = format!("codec-{codec}");
        create_topic(cluster, &topic, 3);
        let common = ["--topic", &topic, "--partitions", "0-2"];
        let bootstrap = cluster.bootstrap();
        let mut arguments = vec![
            "--bootstrap",
            &bootstrap,
            "--input",
            input,
            "--codec",
            codec,
            "--idempotence",
        ];
        arguments.extend(common);
        let written = python("produce.py", &arguments, dir);
        for (bootstrap, zone) in readers {
            let client_id = zone.map_or_else(|| "reader".to_owned(), |zone| format!("reader,zone={zone}"));
            let mut arguments = vec!["--bootstrap", bootstrap, "--client-id", &client_id];
            arguments.extend(common);
            let read = python("consume.py", &arguments, dir);
            for partition in ["0", "1", "2"] {
                let hash = |summary: &serde_json::Value| summary["partitions"][partition]["sha256"].clone();
                assert!(hash(&written).is_string(), "{written}");
                assert_eq!(
                    hash(&written),
                    hash(&read),
                    "{codec}, partition {partition}, read by {client_id}"
                );
            }
        }
    }
}

/// kcat, an old and strict client, writes and reads; so do Kafka's console tools.
fn command_line_clients_agree(cluster: &Cluster) {
    let dir = cluster.dir.path();
    let bootstrap = cluster.bootstrap();
    let input = text_file(dir, 1_000);
    let expected = fs::read(&input).unwrap();
    create_topic(cluster, "by-kcat", 1);
    if let Some(mut write) = kcat() {
        must(
            "kcat -P",
            write
                .args(["-P", "-b", &bootstrap, "-t", "by-kcat", "-p", "0", "-l"])
                .arg(&input),
        );
        let mut read = kcat().unwrap();
        let got = must(
            "kcat -C",
            read.args(["-C", "-b", &bootstrap, "-t", "by-kcat", "-p", "0", "-e", "-q"]),
        );
        assert_eq!(got, expected);
    }
    create_topic(cluster, "by-console", 1);
    let producer = kafka_tool("org.apache.kafka.tools.ConsoleProducer");
    let consumer = kafka_tool("org.apache.kafka.tools.consumer.ConsoleConsumer");
    if let (Some(mut producer), Some(mut consumer)) = (producer, consumer) {
        let status = producer
            .args(["--bootstrap-server", &bootstrap, "--topic", "by-console"])
            .stdin(fs::File::open(&input).unwrap())
            .stderr(std::process::Stdio::null())
            .status()
            .unwrap();
        assert!(status.success());
        let got = must(
            "the console consumer",
            consumer
                .args([
                    "--bootstrap-server",
                    &bootstrap,
                    "--topic",
                    "by-console",
                    "--partition",
                    "0",
                ])
                .args([
                    "--offset",
                    "earliest",
                    "--max-messages",
                    "1000",
                    "--timeout-ms",
                    "30000",
                ]),
        );
        assert_eq!(got, expected);
    }
}

#[test]
fn dev_gives_back_what_was_written() {
    let cluster = Cluster::dev("roundtrip-dev", &[]);
    let readers = [(cluster.bootstrap(), None)];
    every_codec_survives(&cluster, &readers);
    command_line_clients_agree(&cluster);
}

#[test]
fn three_agents_give_back_what_was_written_through_any_of_them() {
    let Some(cluster) = Cluster::shared("roundtrip-shared", 3, &[]) else {
        return;
    };
    let readers: Vec<_> = (0..3)
        .map(|agent| {
            (
                cluster.agents[agent].bootstrap(),
                Some(["zone-1", "zone-2", "zone-3"][agent]),
            )
        })
        .collect();
    every_codec_survives(&cluster, &readers);
    command_line_clients_agree(&cluster);
}

/// Everything survives `kill -9` of the one process and a start on the same directory; the idempotent
/// state does, too.
#[test]
fn dev_keeps_everything_over_kill_and_start() {
    let mut cluster = Cluster::dev("restart-dev", &[]);
    if !clients::has_python() {
        return;
    }
    create_topic(&cluster, "kept", 2);
    let dir = cluster.dir.path().to_path_buf();
    let input = text_file(&dir, 5_000);
    let bootstrap = cluster.bootstrap();
    let arguments = [
        "--bootstrap",
        &bootstrap,
        "--topic",
        "kept",
        "--partitions",
        "0-1",
    ];
    let mut produce = arguments.to_vec();
    produce.extend(["--input", input.to_str().unwrap(), "--idempotence"]);
    let written = python("produce.py", &produce, &dir);
    cluster.agents[0].kill();
    cluster.agents[0].start();
    let read = python("consume.py", &arguments, &dir);
    for partition in ["0", "1"] {
        assert_eq!(
            written["partitions"][partition]["sha256"],
            read["partitions"][partition]["sha256"]
        );
    }
}

/// A consumer at the tail of the agent that took the writes costs neither a GET nor a query.
#[test]
fn the_tail_is_read_from_memory() {
    let cluster = Cluster::dev("tail-dev", &[]);
    let (Some(mut write), Some(mut read)) = (kcat(), kcat()) else {
        return;
    };
    create_topic(&cluster, "tail", 1);
    let agent = &cluster.agents[0];
    let gets = || agent.metric("esker_store_bytes_total", "get");
    let before = gets();
    let input = text_file(cluster.dir.path(), 500);
    let bootstrap = cluster.bootstrap();
    let consumer = read
        .args([
            "-C",
            "-b",
            &bootstrap,
            "-t",
            "tail",
            "-p",
            "0",
            "-o",
            "beginning",
            "-c",
            "500",
            "-q",
        ])
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    std::thread::sleep(std::time::Duration::from_millis(500));
    must(
        "kcat -P",
        write
            .args(["-P", "-b", &bootstrap, "-t", "tail", "-p", "0", "-l"])
            .arg(&input),
    );
    let got = consumer.wait_with_output().unwrap().stdout;
    assert_eq!(got, fs::read(&input).unwrap());
    assert_eq!(gets() - before, 0.0, "bytes were read from the bucket");
    assert!(agent.metric("esker_fetch_bytes_total", "memory") > 0.0);
}

/// Apache Kafka's consumer keeps a fetch session: what it asks for after its first request is incremental, it gets
/// everything, and closes the session when it ends.
#[test]
fn kafkas_consumer_goes_on_in_one_fetch_session() {
    let cluster = Cluster::dev("sessions-dev", &[]);
    let consumer = kafka_tool("org.apache.kafka.tools.consumer.ConsoleConsumer");
    let (Some(mut consumer), true) = (consumer, kcat().is_some()) else {
        return;
    };
    create_topic(&cluster, "session", 1);
    let agent = &cluster.agents[0];
    let fetches = |kind: &str| agent.metric("esker_fetches_total", &format!("session=\"{kind}\""));
    let input = text_file(cluster.dir.path(), 500);
    let bootstrap = cluster.bootstrap();
    let consumer = consumer
        .args(["--bootstrap-server", &bootstrap, "--topic", "session"])
        .args(["--partition", "0", "--offset", "earliest"])
        .args(["--max-messages", "1500", "--timeout-ms", "30000"])
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let until = |what: &str, holds: &dyn Fn() -> bool| {
        let holds = (0..300).any(|_| {
            std::thread::sleep(std::time::Duration::from_millis(100));
            holds()
        });
        assert!(holds, "{what}");
    };
    for round in 0..3 {
        let before = fetches("incremental");
        until("no incremental fetch", &|| fetches("incremental") >= before + 2.0);
        assert_eq!(agent.metric("esker_fetch_sessions", ""), 1.0);
        assert_eq!(agent.metric("esker_fetch_session_partitions", ""), 1.0);
        must(
            &format!("kcat -P {round}"),
            kcat()
                .unwrap()
                .args(["-P", "-b", &bootstrap, "-t", "session", "-p", "0", "-l"])
                .arg(&input),
        );
    }
    let got = consumer.wait_with_output().unwrap().stdout;
    assert_eq!(got, fs::read(&input).unwrap().repeat(3));
    let counts = ["new", "incremental", "refused", "no_room"].map(fetches);
    println!("fetches: new, incremental, refused, without room: {counts:?}");
    assert!(counts[0] == 1.0 && counts[2..] == [0.0, 0.0], "{counts:?}");
    until("the session is left open", &|| {
        agent.metric("esker_fetch_sessions", "") == 0.0
    });
}

/// SIGTERM seals, commits, acknowledges and leaves with 0.
#[test]
fn sigterm_ends_in_good_order() {
    let mut cluster = Cluster::dev("sigterm-dev", &[]);
    assert_eq!(
        cluster.agents[0].terminate(std::time::Duration::from_secs(35)),
        Some(0)
    );
}
