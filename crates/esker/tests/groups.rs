//! The group commands, and a consumer in a group, against `esker dev`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods
)]

mod support;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use esker_protocol::StrBytes;
use esker_protocol::client;
use esker_protocol::messages::{
    ConsumerGroupHeartbeatRequest, ConsumerGroupHeartbeatResponse, GroupId, TopicName,
};
use serde_json::{Value, json};
use support::cutting::Cutting;
use support::{Background, Dev, PATIENCE, esker, free_port, get, run};

/// Kafka's code of OffsetFetch.
const OFFSET_FETCH: i16 = 9;

fn as_json(dev: &Dev, arguments: &[&str]) -> Value {
    let out = dev.client(&[arguments, &["--json"]].concat()).ok();
    serde_json::from_str(&out).unwrap_or_else(|error| panic!("{error}: {out}"))
}

/// A topic with so many records in one partition, `1` and so on.
fn filled(dev: &Dev, records: std::ops::RangeInclusive<u32>) {
    let lines: String = records.map(|number| format!("{number}\n")).collect();
    dev.client_with(&["produce", "orders"], lines.as_bytes()).ok();
}

/// The command that gives a group a committed offset of that topic.
fn set_to_0(group: &str) -> [&str; 8] {
    [
        "group",
        "reset-offsets",
        group,
        "--topic",
        "orders",
        "--to",
        "0",
        "--execute",
    ]
}

#[test]
fn a_group_from_its_first_record_to_its_end() {
    let dir = tempfile::tempdir().unwrap();
    let dev = Background::dev(dir.path(), &[]);
    dev.client(&["topic", "create", "orders"]).ok();
    filled(&dev, 1..=5);
    let read = |count: &str| dev.client(&["consume", "orders", "--group", "billing", "--count", count]);
    assert_eq!(read("2").ok(), "1\n2\n");
    assert_eq!(read("1").ok(), "3\n", "it goes on behind what it committed");

    let listed = as_json(&dev, &["group", "list"]);
    assert_eq!(
        (&listed[0]["group"], &listed[0]["state"]),
        (&json!("billing"), &json!("Empty"))
    );
    let described = as_json(&dev, &["group", "describe", "billing", "--offsets"]);
    let offsets = &described[0]["offsets"][0];
    assert_eq!(
        (&offsets["current_offset"], &offsets["lag"]),
        (&json!(3), &json!(2))
    );

    let reset = [
        "group",
        "reset-offsets",
        "billing",
        "--topic",
        "orders",
        "--to",
        "earliest",
    ];
    let shown = dev.client(&reset).ok();
    assert!(
        shown.contains("nothing was changed: --execute does it"),
        "{shown}"
    );
    assert_eq!(read("1").ok(), "4\n");
    let done = as_json(&dev, &[&reset[..], &["--execute"]].concat());
    assert_eq!(
        (&done["executed"], &done["offsets"][0]["new_offset"]),
        (&json!(true), &json!(0))
    );
    assert_eq!(read("1").ok(), "1\n");

    let forget = ["group", "delete-offsets", "billing", "--topic", "orders"];
    dev.client(&forget).ok();
    assert_eq!(read("1").ok(), "1\n", "nothing is committed any more");
    assert_eq!(
        dev.client(&["group", "delete", "billing"]).ok(),
        "deleted group billing\n"
    );
    dev.client(&["group", "delete", "billing"])
        .says(1, "there is no such group");
    dev.client(&["group", "describe", "billing"])
        .says(1, "there is no group billing");
    assert_eq!(as_json(&dev, &["group", "list"]), json!([]));
}

#[test]
fn a_group_with_members_keeps_its_offsets() {
    let dir = tempfile::tempdir().unwrap();
    let dev = Background::dev(dir.path(), &[]);
    dev.client(&["topic", "create", "orders"]).ok();
    filled(&dev, 1..=3);
    let mut command = esker(&["consume", "orders", "--group", "billing"]);
    command.env("ESKER_BOOTSTRAP_SERVER", &dev.kafka);
    let mut member = Background::start(command);
    for expected in ["1", "2", "3"] {
        assert_eq!(member.out_line(), expected);
    }
    let described = as_json(&dev, &["group", "describe", "billing"]);
    assert_eq!(
        (&described[0]["state"], &described[0]["member_count"]),
        (&json!("Stable"), &json!(1))
    );
    let has_metrics = |samples: &[&str]| {
        let (_, page) = get(&dev.admin, "/metrics").unwrap();
        for sample in samples {
            assert!(
                page.lines().any(|line| line.starts_with(sample)),
                "{sample}: {page}"
            );
        }
    };
    has_metrics(&[
        "esker_groups{protocol=\"classic\",state=\"Stable\"} 1",
        "esker_groups{protocol=\"consumer\",state=\"Stable\"} 0",
        "esker_group_members{protocol=\"classic\"} 1",
        "esker_group_rebalances_total{protocol=\"classic\"} 1",
        "esker_group_write_seconds_count ",
    ]);
    let reset = [
        "group",
        "reset-offsets",
        "billing",
        "--all-topics",
        "--to",
        "earliest",
        "--execute",
    ];
    assert_ne!(dev.client(&reset).code, Some(0), "its members go on reading");
    dev.client(&["group", "delete", "billing"])
        .says(1, "NON_EMPTY_GROUP");

    // It leaves in good order: what it read is committed.
    member.signal("INT");
    member.wait();
    let described = as_json(&dev, &["group", "describe", "billing", "--offsets"]);
    assert_eq!(
        (&described[0]["state"], &described[0]["offsets"][0]["lag"]),
        (&json!("Empty"), &json!(0))
    );
    has_metrics(&[
        "esker_groups{protocol=\"classic\",state=\"Stable\"} 0",
        "esker_groups{protocol=\"classic\",state=\"Empty\"} 1",
        "esker_group_members{protocol=\"classic\"} 0",
        "esker_offset_commits_total ",
    ]);
}

#[test]
fn a_group_that_cannot_be_asked_does_not_stop_the_others() {
    let dir = tempfile::tempdir().unwrap();
    let between = Cutting::bind();
    let address = format!("127.0.0.1:{}", free_port());
    let dev = Background::dev_at(dir.path(), &address, &["--advertised-addr", &between.address()]);
    between.start(&address);
    let ask = |arguments: &[&str]| dev.client(&[arguments, &["--timeout-seconds", "1"]].concat());
    ask(&["topic", "create", "orders"]).ok();
    for group in ["broken", "first", "last"] {
        ask(&set_to_0(group)).ok();
    }
    between.cut(OFFSET_FETCH, "broken");
    let describe = [
        "group",
        "describe",
        "first",
        "broken",
        "none",
        "last",
        "--offsets",
    ];
    let failures = ["cannot say how far group broken is", "there is no group none"];
    let described = ask(&describe);
    described.says_each(1, &failures);
    for part in ["group        first", "group        broken", "group        last"] {
        assert!(described.out.contains(part), "{}", described.out);
    }
    assert_eq!(described.out.matches("LOG END OFFSET").count(), 2);
    let described = ask(&[&describe[..], &["--json"]].concat());
    described.says_each(1, &failures);
    let described: Value = serde_json::from_str(&described.out).unwrap();
    assert_eq!(described[0]["offsets"][0]["current_offset"], json!(0));
    assert_eq!(
        (&described[1]["state"], &described[1]["offsets"]),
        (&json!("Empty"), &Value::Null)
    );
    assert_eq!(described[2]["group"], json!("last"));

    let shown = ask(&["topic", "describe", "nothing", "orders", "--groups"]);
    let failures = [
        "topic nothing: UNKNOWN_TOPIC_OR_PARTITION",
        "cannot say how far group broken is in topic orders",
    ];
    shown.says_each(1, &failures);
    assert!(
        shown.out.contains("\nfirst ") && shown.out.contains("\nlast "),
        "{}",
        shown.out
    );
}

#[test]
fn a_member_goes_on_when_the_only_broker_was_killed_and_started_again() {
    let dir = tempfile::tempdir().unwrap();
    // Where a consumer finds it again.
    let address = format!("127.0.0.1:{}", free_port());
    let mut dev = Background::dev_at(dir.path(), &address, &[]);
    dev.client(&["topic", "create", "orders"]).ok();
    filled(&dev, 1..=2);
    let mut command = esker(&["consume", "orders", "--group", "billing"]);
    command.env("ESKER_BOOTSTRAP_SERVER", &dev.kafka);
    let mut member = Background::start(command);
    for expected in ["1", "2"] {
        assert_eq!(member.out_line(), expected);
    }
    dev.process.signal("KILL");
    dev.process.wait();
    // Longer than its pause between heartbeats, so that it notices.
    std::thread::sleep(Duration::from_secs(5));
    assert!(member.is_running(), "{}", member.rest_of_err());
    let dev = Background::dev_at(dir.path(), &address, &[]);
    filled(&dev, 3..=4);
    // What it had read and not committed when the broker died may come once more.
    while member.out_line() != "4" {}
    member.signal("INT");
    member.wait();
    let described = as_json(&dev, &["group", "describe", "billing", "--offsets"]);
    assert_eq!(described[0]["offsets"][0]["lag"], json!(0), "{described}");
}

/// One heartbeat of KIP-848 with which a member joins; asked again while the group's coordinator comes up.
fn joins(dev: &Dev, group: &str) -> ConsumerGroupHeartbeatResponse {
    let text = |text: &str| StrBytes::from_string(text.to_owned());
    let request = ConsumerGroupHeartbeatRequest::default()
        .with_group_id(GroupId(text(group)))
        .with_member_id(text("member"))
        .with_member_epoch(0)
        .with_rebalance_timeout_ms(10_000)
        .with_subscribed_topic_names(Some(vec![TopicName(text("orders"))]))
        .with_topic_partitions(Some(Vec::new()));
    let mut stream = TcpStream::connect(&dev.kafka).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    for correlation in 1..100 {
        let header = client::request_header::<ConsumerGroupHeartbeatRequest>(1, correlation, "test");
        let frame = client::encode_request(&header, &request).unwrap();
        stream.write_all(&frame).unwrap();
        let mut size = [0; 4];
        stream.read_exact(&mut size).unwrap();
        let mut frame = vec![0; u32::from_be_bytes(size) as usize];
        stream.read_exact(&mut frame).unwrap();
        let decoded = client::decode_response::<ConsumerGroupHeartbeatRequest>(1, frame.into());
        let response = decoded.unwrap().1;
        // 14 and 16: not yet.
        if !matches!(response.error_code, 14 | 16) {
            return response;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    panic!("nobody coordinates {group}");
}

#[test]
fn configs_of_a_group_outlive_the_broker() {
    let dir = tempfile::tempdir().unwrap();
    let dev = Background::dev(dir.path(), &[]);
    dev.client(&["topic", "create", "orders"]).ok();
    let interval = "consumer.heartbeat.interval.ms";
    let alter = ["config", "alter", "group", "billing"];
    assert_eq!(as_json(&dev, &["config", "list", "group"]), json!([]));
    assert_eq!(joins(&dev, "billing").error_code, 0);
    let set = [&alter[..], &["--set", "consumer.heartbeat.interval.ms=7000"]].concat();
    assert_eq!(dev.client(&set).ok(), "altered group billing\n");
    dev.client(&[&alter[..], &["--set", "consumer.heartbeat.interval.ms=70"]].concat())
        .says(1, "cannot alter group billing: INVALID_CONFIG");
    let own = json!([{ "name": interval, "value": "7000", "source": "group", "read_only": false }]);
    let describe = ["config", "describe", "group", "billing"];
    assert_eq!(as_json(&dev, &describe), own);
    let listed = json!([{ "kind": "group", "name": "billing" }]);
    assert_eq!(as_json(&dev, &["config", "list", "group"]), listed);
    let all = dev.client(&["config", "list"]).ok();
    let lines: Vec<_> = all.lines().collect();
    assert_eq!((lines.len(), lines[0]), (4, "KIND    NAME"), "{all}");
    assert_eq!((lines[1], lines[3]), ("topic   orders", "group   billing"));
    dev.terminate();

    let dev = Background::dev(dir.path(), &[]);
    assert_eq!(as_json(&dev, &describe), own);
    // The member is there again, and nothing new happens in its group.
    let joined = joins(&dev, "billing");
    assert_eq!((joined.error_code, joined.heartbeat_interval_ms), (0, 7_000));
    dev.client(&[&alter[..], &["--delete", interval]].concat()).ok();
    assert_eq!(joins(&dev, "billing").heartbeat_interval_ms, 5_000);
    assert_eq!(as_json(&dev, &describe), json!([]));
    assert_eq!(as_json(&dev, &["config", "list", "group"]), json!([]));
}

/// A member of `billing` that reads these topics.
fn member(dev: &Dev, topics: &[&str]) -> Background {
    let mut command = esker(&[&["consume", "--group", "billing"], topics].concat());
    command.env("ESKER_BOOTSTRAP_SERVER", &dev.kafka);
    Background::start(command)
}

/// Waits until the only member of `billing` has exactly these topics.
fn wait_for_assignment(dev: &Dev, topics: &[&str]) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        // It may not have joined yet.
        let described = dev.client(&["group", "describe", "billing", "--json"]).out;
        let described: Value = serde_json::from_str(&described).unwrap_or_default();
        let assigned = described[0]["members"][0]["assignment"].as_object();
        let assigned: Vec<_> = assigned.into_iter().flatten().map(|(topic, _)| topic).collect();
        if assigned == topics {
            return;
        }
        assert!(Instant::now() < deadline, "{topics:?}: {described}");
        std::thread::sleep(Duration::from_millis(200));
    }
}

#[test]
fn a_member_goes_on_without_a_topic_that_is_deleted() {
    let dir = tempfile::tempdir().unwrap();
    let dev = Background::dev(dir.path(), &["--auto-create-topics", "false"]);
    dev.client(&["topic", "create", "orders"]).ok();
    dev.client(&["topic", "create", "returns"]).ok();
    let write = |topic: &str, lines: &str| {
        dev.client_with(&["produce", topic], lines.as_bytes()).ok();
    };
    let mut member = member(&dev, &["orders", "returns"]);
    wait_for_assignment(&dev, &["orders", "returns"]);
    write("returns", "r1\nr2\n");
    write("orders", "1\n");
    let mut read: Vec<_> = (0..3).map(|_| member.out_line()).collect();
    read.sort_unstable();
    assert_eq!(read, ["1", "r1", "r2"]);
    // What was read is not committed yet.
    dev.client(&["topic", "delete", "returns"]).ok();
    member.err_line("topic returns is gone");
    write("orders", "2\n");
    assert_eq!(member.out_line(), "2");
    wait_for_assignment(&dev, &["orders"]);

    // It comes again, and is another one.
    dev.client(&["topic", "create", "returns"]).ok();
    write("returns", "r3\n");
    assert_eq!(member.out_line(), "r3");
    // One that is gone so shortly that nobody may have noticed.
    dev.client(&["topic", "delete", "returns"]).ok();
    dev.client(&["topic", "create", "returns"]).ok();
    write("returns", "r4\n");
    assert_eq!(member.out_line(), "r4");
    member.signal("INT");
    assert_eq!(member.wait().code(), Some(0), "{}", member.rest_of_err());
    let described = as_json(&dev, &["group", "describe", "billing", "--offsets"]);
    for offsets in described[0]["offsets"].as_array().unwrap() {
        assert_eq!(offsets["lag"], json!(0), "{described}");
    }
}

#[test]
fn a_member_whose_topics_are_all_gone_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let dev = Background::dev(dir.path(), &["--auto-create-topics", "false"]);
    dev.client(&["topic", "create", "orders"]).ok();
    filled(&dev, 1..=1);
    let mut member = member(&dev, &["orders"]);
    assert_eq!(member.out_line(), "1");
    dev.client(&["topic", "delete", "orders"]).ok();
    assert_eq!(member.wait().code(), Some(1));
    let said = member.rest_of_err();
    assert_eq!(said, "esker: topic orders is gone: nothing is left to read\n");
}

#[test]
fn names_do_not_move_the_cursor() {
    let dir = tempfile::tempdir().unwrap();
    let dev = Background::dev(dir.path(), &[]);
    dev.client(&["topic", "create", "orders"]).ok();
    let group = "g\x1b[2J\x07\nesker: done";
    dev.client(&set_to_0(group)).ok();
    let shown = dev.client(&["group", "describe", group, "none\x1b\nesker: done"]);
    shown.says_each(1, &["there is no group none  esker: done"]);
    assert!(
        shown.out.starts_with("group        g [2J  esker: done\n"),
        "{:?}",
        shown.out
    );
    let deleted = dev.client(&["group", "delete", group]).ok();
    assert_eq!(deleted, "deleted group g [2J  esker: done\n");
    let refused = dev.client(&["group", "delete", group]);
    refused.says(1, "cannot delete group g [2J  esker: done");
}

/// An agent that is named as the leader of everything is not there, and then it is: so it looks after another one was
/// killed, until somebody takes over.
#[test]
fn commands_wait_for_a_leader_that_is_not_there() {
    let dir = tempfile::tempdir().unwrap();
    let (own, advertised) = (
        format!("127.0.0.1:{}", free_port()),
        format!("127.0.0.1:{}", free_port()),
    );
    let dev = Background::dev_at(dir.path(), &own, &["--advertised-addr", &advertised]);
    let started = Instant::now();
    dev.client(&["topic", "create", "orders"]).ok();
    std::thread::scope(|scope| {
        let commands: [&[&str]; 4] = [
            &["topic", "describe", "orders", "--groups"],
            &["group", "list"],
            &["consume", "orders", "--until-end"],
            &["topic", "describe", "orders", "--json"],
        ];
        let own = own.as_str();
        let running = commands.map(|command| {
            let command = [command, &["--timeout-seconds", "20", "-b", own]].concat();
            scope.spawn(move || (run(&command), Instant::now()))
        });
        std::thread::sleep(Duration::from_secs(2));
        // First it takes connections and does not answer, as one that is frozen; then it answers new ones.
        let between = Cutting::bind_at(&advertised);
        std::thread::sleep(Duration::from_secs(2));
        let there = Instant::now();
        between.start(own);
        for running in running {
            let (ended, at) = running.join().unwrap();
            ended.ok();
            assert!(at >= there, "it ended after {:?}", at - started);
        }
    });
}
