//! The client commands against `esker dev`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods
)]

mod support;

use serde_json::Value;
use support::{Background, Dev, esker, run_command};

fn json(dev: &Dev, arguments: &[&str]) -> Value {
    let out = dev.client(&[arguments, &["--json"]].concat()).ok();
    serde_json::from_str(&out).unwrap_or_else(|error| panic!("{error}: {out}"))
}

#[test]
fn topics_from_creation_to_deletion() {
    let dir = tempfile::tempdir().unwrap();
    let dev = Background::dev(dir.path(), &[]);
    let created = dev.client(&[
        "topic",
        "create",
        "orders",
        "--partitions",
        "3",
        "--config",
        "retention.ms=1000",
    ]);
    assert_eq!(created.ok(), "created topic orders with 3 partitions\n");
    dev.client(&["topic", "create", "orders"])
        .says(1, "cannot create topic orders: TOPIC_ALREADY_EXISTS");
    dev.client(&["topic", "create", "orders", "--if-not-exists"]).ok();
    dev.client(&["topic", "create", "a b"])
        .says(1, "INVALID_TOPIC_EXCEPTION");
    dev.client(&["topic", "create", "x", "--config", "no.such=1"])
        .says(1, "INVALID_CONFIG");
    assert_eq!(json(&dev, &["topic", "list"])[0]["topic"], "orders");
    let described = json(&dev, &["topic", "describe", "orders"]);
    assert_eq!(described[0]["configs"]["retention.ms"], "1000");
    assert_eq!(described[0]["partitions"].as_array().unwrap().len(), 3);
    assert_eq!(described[0]["partitions"][2]["next_offset"], 0);
    assert_eq!(
        described[0]["partitions"][2]["leader_address"],
        dev.kafka.as_str()
    );
    assert_eq!(
        (&described[0]["bytes"], &described[0]["bytes_error"]),
        (&0.into(), &Value::Null)
    );
    dev.client_with(&["produce", "orders", "-p", "1"], b"something\n")
        .ok();
    let described = json(&dev, &["topic", "describe", "orders"]);
    let bytes = described[0]["bytes"].as_u64().unwrap();
    assert!(bytes > 50, "{described}");
    let partitions = described[0]["partitions"].as_array().unwrap().iter();
    let sizes: Vec<_> = partitions
        .map(|partition| partition["bytes"].as_u64().unwrap())
        .collect();
    assert_eq!(sizes, [0, bytes, 0]);
    let text = dev.client(&["topic", "describe", "orders"]).ok();
    assert!(text.contains(&format!("\nsize: {bytes} B\n")), "{text}");
    dev.client(&["topic", "describe", "nothing"])
        .says(1, "topic nothing: UNKNOWN_TOPIC_OR_PARTITION");
    dev.client(&["topic", "alter", "orders", "--partitions", "2"])
        .says(1, "INVALID_PARTITIONS");
    dev.client(&["topic", "alter", "orders", "--partitions", "5"])
        .ok();
    assert_eq!(json(&dev, &["topic", "list"])[0]["partitions"], 5);
    dev.client(&["topic", "delete", "orders"]).ok();
    dev.client(&["topic", "delete", "orders"])
        .says(1, "UNKNOWN_TOPIC_OR_PARTITION");
    dev.client(&["topic", "delete", "orders", "--if-exists"]).ok();
    assert_eq!(json(&dev, &["topic", "list"]), serde_json::json!([]));
}

#[test]
fn configs_are_set_and_given_back() {
    let dir = tempfile::tempdir().unwrap();
    let dev = Background::dev(dir.path(), &[]);
    dev.client(&["topic", "create", "t"]).ok();
    let alter = ["config", "alter", "topic", "t"];
    dev.client(
        &[
            &alter[..],
            &["--set", "retention.ms=5000", "--set", "cleanup.policy=compact"],
        ]
        .concat(),
    )
    .ok();
    let set = json(&dev, &["config", "describe", "topic", "t"]);
    assert_eq!(set.as_array().unwrap().len(), 2, "{set}");
    assert!(
        set.as_array()
            .unwrap()
            .iter()
            .all(|config| config["source"] == "topic")
    );
    dev.client(
        &[
            &alter[..],
            &["--delete", "cleanup.policy", "--delete", "retention.ms"],
        ]
        .concat(),
    )
    .ok();
    assert_eq!(
        json(&dev, &["config", "describe", "topic", "t"]),
        serde_json::json!([])
    );
    assert!(
        json(&dev, &["config", "describe", "topic", "t", "--all"])
            .as_array()
            .unwrap()
            .len()
            > 20
    );
    dev.client(&[&alter[..], &["--set", "no.such=1"]].concat())
        .says(1, "cannot alter topic t: INVALID_CONFIG");
    dev.client(&alter).says(2, "nothing to alter");
    let cluster = json(&dev, &["cluster", "agents"]);
    let node = cluster[0]["node"].to_string();
    assert!(
        json(&dev, &["config", "describe", "broker", &node, "--all"])
            .as_array()
            .unwrap()
            .len()
            > 5
    );
    dev.client(&["config", "describe", "broker", "x"])
        .says(2, "is not a node id");
    let described = json(&dev, &["cluster", "describe"]);
    assert_eq!(
        (&described["agents"], &described["topics"]),
        (&1.into(), &1.into())
    );
    assert_eq!(described["cluster_id"].as_str().unwrap().len(), 22);
}

#[test]
fn every_codec_and_every_byte_comes_back() {
    let dir = tempfile::tempdir().unwrap();
    let dev = Background::dev(dir.path(), &[]);
    // Every byte but the line's end, in lines of different lengths, some of them empty.
    let mut input = Vec::new();
    for line in 0..2000_usize {
        input.extend(
            (0..line % 300)
                .map(|at| ((line * 31 + at * 7) % 256) as u8)
                .filter(|byte| *byte != b'\n'),
        );
        input.push(b'\n');
    }
    for codec in ["none", "gzip", "snappy", "lz4", "zstd"] {
        let topic = format!("codec-{codec}");
        let written = dev
            .client_with(&["produce", &topic, "--compression", codec, "--json"], &input)
            .ok();
        let written: Value = serde_json::from_str(&written).unwrap();
        assert_eq!(written["records"], 2000);
        assert_eq!(written["partitions"][0]["first_offset"], 0);
        let mut consume = esker(&["consume", &topic, "--until-end", "-b", &dev.kafka]);
        let output = consume.output().unwrap();
        assert!(output.status.success());
        assert!(output.stdout == input, "{codec}: other bytes");
    }
}

#[test]
fn keys_headers_nulls_and_places() {
    let dir = tempfile::tempdir().unwrap();
    let dev = Background::dev(dir.path(), &["--num-partitions", "4"]);
    let flags = [
        "produce", "t", "-K", ":", "--null", "NULL", "-H", "h=v", "-H", "h=w",
    ];
    dev.client_with(&flags, b"a:1\nb:NULL\na:2\nNULL:3\n").ok();
    let out = dev.client(&["consume", "t", "-e", "--json"]).ok();
    let records: Vec<Value> = out
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(records.len(), 4);
    let of = |value: Value| records.iter().find(|record| record["value"] == value).unwrap();
    let (first, second) = (of("1".into()), of("2".into()));
    assert_eq!(
        (&first["key"], &first["partition"]),
        (&second["key"], &second["partition"])
    );
    assert!(second["offset"].as_i64() > first["offset"].as_i64());
    assert_eq!(of(Value::Null)["key"], "b");
    assert_eq!(of("3".into())["key"], Value::Null);
    assert_eq!(
        first["headers"],
        serde_json::json!([{"key": "h", "value": "v"}, {"key": "h", "value": "w"}])
    );
    // Another topic, one partition: places to start at.
    dev.client_with(&["produce", "p", "-p", "2"], b"x\ny\nz\n").ok();
    let consume = |more: &[&str]| dev.client(&[&["consume", "p", "-p", "2", "-e"], more].concat());
    assert_eq!(consume(&["--from", "1"]).ok(), "y\nz\n");
    assert_eq!(consume(&["--from", "end"]).ok(), "");
    assert_eq!(consume(&["--from", "@1"]).ok(), "x\ny\nz\n");
    assert_eq!(consume(&["--from", "2100-01-01T00:00:00Z"]).ok(), "");
    assert_eq!(consume(&["--count", "2", "-D", "|"]).ok(), "x|y|");
    assert_eq!(
        consume(&["--count", "1", "--format", "key-value"]).ok(),
        "null\tx\n"
    );
    consume(&["--from", "99"]).ok();
    dev.client(&["consume", "p", "-p", "2", "--from", "99"])
        .says(1, "cannot read p/2 at offset 99: OFFSET_OUT_OF_RANGE");
    dev.client(&["consume", "p", "-p", "4"])
        .says(1, "topic p has no partition 4: it has 4");
    dev.client_with(&["produce", "p", "-p", "4"], b"x\n")
        .says(1, "topic p has no partition 4: it has 4");
    dev.client(&["consume", "nothing"])
        .says(1, "UNKNOWN_TOPIC_OR_PARTITION");
    let ended = dev.client_with(&["produce", "p", "-K", ":"], b"a:1\nnothing\n");
    ended.says(1, "line 2: it has no key separator (1 records were written)");
}

#[test]
fn what_somebody_types_is_sent_at_once_and_read_as_it_comes() {
    let dir = tempfile::tempdir().unwrap();
    let dev = Background::dev(dir.path(), &[]);
    dev.client(&["topic", "create", "t"]).ok();
    let mut reader = Background::start(esker(&["consume", "t", "-b", &dev.kafka]));
    let mut writer = Background::start(esker(&["produce", "t", "-b", &dev.kafka]));
    for line in ["one", "two", "three"] {
        writer.write(format!("{line}\n").as_bytes());
        assert_eq!(reader.out_line(), line);
    }
    writer.close_stdin();
    assert_eq!(writer.wait().code(), Some(0));
    assert!(writer.rest_of_err().starts_with("3 records acknowledged"));
}

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let dir = tempfile::tempdir().unwrap();
    let dev = Background::dev(dir.path(), &[]);
    let input = "a line of some length\n".repeat(50_000);
    dev.client_with(&["produce", "t"], input.as_bytes()).ok();
    let line = format!(
        "{} consume t -e -b {} | head -n 1; echo ${{PIPESTATUS[0]}}",
        env!("CARGO_BIN_EXE_esker"),
        dev.kafka
    );
    let mut shell = std::process::Command::new("bash");
    shell.args(["-c", &line]);
    let ended = run_command(shell, b"");
    assert_eq!(ended.out, "a line of some length\n0\n");
    assert_eq!(ended.err, "");
}

#[test]
fn a_record_that_is_too_large_is_refused_by_name() {
    let dir = tempfile::tempdir().unwrap();
    let dev = Background::dev(dir.path(), &[]);
    let mut input = vec![b'x'; 2_000_000];
    input.push(b'\n');
    dev.client_with(&["produce", "t"], &input)
        .says(1, "cannot write to t/0: MESSAGE_TOO_LARGE");
    dev.client(&["topic", "create", "big", "--config", "max.message.bytes=4000000"])
        .ok();
    dev.client_with(&["produce", "big"], &input).ok();
    assert_eq!(dev.client(&["consume", "big", "-e"]).ok().len(), input.len());
}
