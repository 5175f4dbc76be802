//! Apache Kafka's own tools for operators, against `esker dev`: what they print and how they end is what an operator of
//! Kafka expects, where there is something behind it, and a clear refusal where there is not.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a failure here is a failed test"
)]

use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::process::Stdio;

use esker_harness::agents::Cluster;
use esker_harness::clients::{esker, kafka_tool};
use serde_json::Value;

const TOPICS: &str = "org.apache.kafka.tools.TopicCommand";
const CONFIGS: &str = "kafka.admin.ConfigCommand";
const OFFSETS: &str = "org.apache.kafka.tools.GetOffsetShell";
const DELETE_RECORDS: &str = "org.apache.kafka.tools.DeleteRecordsCommand";
const LOG_DIRS: &str = "org.apache.kafka.tools.LogDirsCommand";
const ELECTION: &str = "org.apache.kafka.tools.LeaderElectionCommand";
const REASSIGN: &str = "org.apache.kafka.tools.reassign.ReassignPartitionsCommand";
const METRICS: &str = "org.apache.kafka.tools.ClientMetricsCommand";

/// What a tool printed, on both outputs, and whether it ended with 0.
struct Done {
    ok: bool,
    text: String,
}

impl Done {
    #[track_caller]
    fn says(&self, ok: bool, expected: &[&str]) {
        assert_eq!(self.ok, ok, "{}", self.text);
        for part in expected {
            assert!(self.text.contains(part), "no {part:?} in: {}", self.text);
        }
    }
}

/// An agent, and the tools.
struct Stand(Cluster);

impl Stand {
    /// `None` where the tools are not installed.
    fn start(name: &str) -> Option<Self> {
        kafka_tool(TOPICS)?;
        Some(Self(Cluster::dev(name, &[])))
    }

    fn run(&self, tool: &str, arguments: &str) -> Done {
        let output = kafka_tool(tool)
            .unwrap()
            .args(["--bootstrap-server", &self.0.bootstrap()])
            .args(arguments.split(' '))
            .output()
            .unwrap();
        let text = [output.stdout, output.stderr].concat();
        Done {
            ok: output.status.success(),
            text: String::from_utf8(text).unwrap(),
        }
    }

    fn file(&self, name: &str, content: &str) -> PathBuf {
        let path = self.0.dir.path().join(name);
        fs::write(&path, content).unwrap();
        path
    }

    /// Writes so many records to partition 0 of a topic.
    fn write(&self, topic: &str, records: usize) {
        let mut child = esker()
            .args(["produce", topic, "--partition", "0"])
            .args(["--bootstrap-server", &self.0.bootstrap()])
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = "a stone of the river\n".repeat(records);
        child.stdin.take().unwrap().write_all(lines.as_bytes()).unwrap();
        assert!(child.wait().unwrap().success());
    }
}

#[test]
fn topics_offsets_and_their_sizes() {
    let Some(stand) = Stand::start("tools-topics") else {
        return;
    };
    let create = "--create --topic t --partitions 2 --config retention.ms=100000";
    stand.run(TOPICS, create).says(true, &["Created topic t."]);
    stand.run(TOPICS, create).says(false, &["'t' already exists"]);
    stand
        .run(TOPICS, "--describe --topic t")
        .says(true, &["PartitionCount: 2", "retention.ms=100000", "Isr: 1"]);
    stand
        .run(TOPICS, "--alter --topic t --partitions 3")
        .says(true, &[]);
    stand.write("t", 100);
    stand
        .run(OFFSETS, "--topic t --time -1")
        .says(true, &["t:0:100", "t:1:0", "t:2:0"]);
    let request = r#"{"partitions":[{"topic":"t","partition":0,"offset":40}],"version":1}"#;
    let request = stand.file("delete.json", request);
    stand
        .run(
            DELETE_RECORDS,
            &format!("--offset-json-file {}", request.display()),
        )
        .says(true, &["low_watermark: 40"]);
    stand
        .run(OFFSETS, "--topic t --time -2")
        .says(true, &["t:0:40", "t:1:0"]);
    let listed = stand.run(LOG_DIRS, "--describe --topic-list t");
    listed.says(true, &["from brokers 1"]);
    let json = listed.text.lines().find(|line| line.starts_with('{')).unwrap();
    let json: Value = serde_json::from_str(json).unwrap();
    let directory = &json["brokers"][0]["logDirs"][0];
    assert_eq!(
        (&directory["error"], &directory["logDir"]),
        (&Value::Null, &"bucket".into())
    );
    let partitions = directory["partitions"].as_array().unwrap();
    assert_eq!(partitions.len(), 3);
    for partition in partitions {
        assert_eq!(partition["offsetLag"], 0);
        let size = partition["size"].as_i64().unwrap();
        assert_eq!(size > 0, partition["partition"] == "t-0", "{partition}");
    }
    stand.run(TOPICS, "--delete --topic t").says(true, &[]);
}

#[test]
fn nothing_has_to_be_elected_or_moved() {
    let Some(stand) = Stand::start("tools-moves") else {
        return;
    };
    stand
        .run(TOPICS, "--create --topic t --partitions 2")
        .says(true, &[]);
    stand
        .run(ELECTION, "--election-type preferred --topic t --partition 1")
        .says(true, &["Valid replica already elected for partitions t-1"]);
    stand
        .run(ELECTION, "--election-type unclean --all-topic-partitions")
        .says(true, &[]);
    stand
        .run(ELECTION, "--election-type preferred --topic t --partition 7")
        .says(false, &["UnknownTopicOrPartitionException", "t-7"]);
    let moves = r#"{"version":1,"partitions":[{"topic":"t","partition":0,"replicas":[1]}]}"#;
    let moves = stand.file("moves.json", moves);
    let with = |what: &str| format!("--reassignment-json-file {} {what}", moves.display());
    stand
        .run(REASSIGN, &with("--execute"))
        .says(true, &["Successfully started partition reassignment for t-0"]);
    stand.run(REASSIGN, &with("--verify")).says(
        true,
        &[
            "Reassignment of partition t-0 is completed.",
            "Clearing broker-level throttles on broker 1",
        ],
    );
    stand
        .run(REASSIGN, "--list")
        .says(true, &["No partition reassignments found."]);
    stand.run(REASSIGN, &with("--cancel")).says(
        true,
        &["None of the specified partition reassignments are active."],
    );
}

#[test]
fn configs_of_every_kind_are_shown() {
    let Some(stand) = Stand::start("tools-configs") else {
        return;
    };
    stand.run(TOPICS, "--create --topic t").says(true, &[]);
    let of = |what: &str, change: &str| stand.run(CONFIGS, &format!("--entity-type {what} {change}"));
    of("topics --entity-name t", "--alter --add-config retention.ms=5000")
        .says(true, &["Completed updating"]);
    of("topics --entity-name t", "--describe").says(true, &["retention.ms=5000", "DYNAMIC_TOPIC_CONFIG"]);
    of("topics --entity-name t", "--alter --delete-config retention.ms").says(true, &[]);
    of("brokers --entity-name 1", "--describe --all").says(true, &["node.id=1", "STATIC_BROKER_CONFIG"]);
    of("brokers --entity-default", "--describe").says(true, &[]);
    of("brokers --entity-name 1", "--alter --add-config num.partitions=2")
        .says(false, &["InvalidRequestException", "given when it starts"]);
    of("broker-loggers --entity-name 1", "--describe").says(true, &["root="]);
    of("groups --entity-name g", "--describe --all").says(
        true,
        &[
            "consumer.session.timeout.ms=45000",
            "consumer.heartbeat.interval.ms=5000",
        ],
    );
    of(
        "groups --entity-name g",
        "--alter --add-config consumer.session.timeout.ms=5",
    )
    .says(false, &["InvalidConfigurationException"]);
    of("client-metrics", "--describe").says(true, &[]);
    stand.run(METRICS, "--list").says(true, &[]);
    stand
        .run(
            METRICS,
            "--alter --name m --metrics org.apache.kafka. --interval 30000",
        )
        .says(false, &["no metrics of clients are collected here"]);
}
