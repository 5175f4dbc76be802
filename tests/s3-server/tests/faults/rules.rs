//! Which requests a rule is for, and the control listener that rules come over.

use esker_harness::wait_until;
use esker_s3_server::{Kind, Op, Options, Rule, Server};
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use crate::suite::BUCKET;
use crate::{create, start, start_with, stored};

#[tokio::test]
async fn rules_are_for_some_requests() {
    let (server, target) = start();
    server.faults().add(
        Rule::on(Op::Put, Kind::slow_down())
            .key_prefix("ingest/")
            .skip(1)
            .count(2),
    );
    let mut statuses = Vec::new();
    for number in 0..5 {
        assert_eq!(
            create(&target, &format!("other/{number}"), b"x")
                .await
                .unwrap()
                .status,
            200
        );
        statuses.push(
            create(&target, &format!("ingest/{number}"), b"x")
                .await
                .unwrap()
                .status,
        );
    }
    assert_eq!(statuses, [200, 503, 503, 200, 200]);

    server
        .faults()
        .replace([Rule::on(Op::List, Kind::slow_down()).key_prefix("ingest/")]);
    let list = |prefix: &str| {
        target
            .bucket_request("GET", BUCKET)
            .query("list-type", "2")
            .query("prefix", prefix)
            .send()
    };
    assert_eq!(
        (list("ingest/a").await.status, list("other/").await.status),
        (503, 200)
    );

    server
        .faults()
        .replace([Rule::on(Op::Delete, Kind::DropBefore).key_prefix("ingest/3")]);
    let delete = |keys: &[&str]| {
        let keys = keys
            .iter()
            .map(|key| format!("<Object><Key>{key}</Key></Object>"));
        let document = format!("<Delete>{}</Delete>", keys.collect::<String>());
        let request = target.bucket_request("POST", BUCKET).query("delete", "");
        request.body(document.as_bytes()).exchange()
    };
    assert_eq!(delete(&["other/1", "ingest/3"]).await, None);
    assert!(stored(&server, "other/1").is_some());
    assert_eq!(delete(&["other/1", "ingest/0"]).await.unwrap().status, 200);
    assert!(stored(&server, "other/1").is_none());
}

#[tokio::test]
async fn the_seed_repeats_a_run() {
    let mut runs = Vec::new();
    for seed in [7, 7, 8] {
        let (server, target) = start_with(&Options {
            seed,
            ..Options::default()
        });
        server
            .faults()
            .add(Rule::on(Op::Put, Kind::slow_down()).probability(0.3));
        server
            .faults()
            .add(Rule::on(Op::Put, Kind::DropAfter).probability(0.3));
        let mut run = Vec::new();
        for number in 0..60 {
            run.push(
                create(&target, &number.to_string(), b"x")
                    .await
                    .map(|answer| answer.status),
            );
        }
        runs.push(run);
    }
    assert_eq!(runs[0], runs[1]);
    assert_ne!(runs[0], runs[2]);
}

/// Status and JSON of a request to the control listener.
fn control(server: &Server, method: &str, path: &str, body: &str) -> (u16, Value) {
    let endpoint = server.control_endpoint();
    let mut stream = TcpStream::connect(endpoint.trim_start_matches("http://")).unwrap();
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, serde_json::from_str(body).unwrap())
}

#[tokio::test]
async fn the_control_listener_does_what_its_table_says() {
    let (server, target) = start();
    let ask = |method: &str, path: &str, body: &str| control(&server, method, path, body);
    assert_eq!(ask("GET", "/health", ""), (200, json!({"ok": true})));
    let one = r#"{"op":"put","key_prefix":"a/","kind":"drop_after","count":1}"#;
    assert_eq!(ask("POST", "/faults", one), (200, json!({"ids": [1]})));
    let two = r#"[{"kind":"slow_down"},{"op":"get","kind":"latency","ms":1,"p99_ms":5}]"#;
    assert_eq!(ask("POST", "/faults", two), (200, json!({"ids": [2, 3]})));
    assert_eq!(ask("DELETE", "/faults/2", ""), (200, json!({"removed": 1})));
    assert_eq!(ask("DELETE", "/faults/2", ""), (200, json!({"removed": 0})));

    assert_eq!(create(&target, "a/1", b"hello").await, None);
    assert_eq!(create(&target, "a/2", b"hello").await.unwrap().status, 200);
    assert_eq!(target.get("a/1").await, b"hello");
    let (_, rules) = ask("GET", "/faults", "");
    assert_eq!(
        (&rules[0]["matched"], &rules[0]["done"], &rules[0]["op"]),
        (&json!(2), &json!(1), &json!("put"))
    );
    assert_eq!((&rules[1]["id"], &rules[1]["p99_ms"]), (&json!(3), &json!(5)));

    let (_, counts) = ask("GET", "/counts", "");
    assert_eq!(
        counts["requests"],
        json!({"put": {"200": 1, "none": 1}, "get": {"200": 1}})
    );
    assert_eq!(counts["actions"], json!({"put_object": 2, "get_object": 1}));
    assert_eq!(
        (&counts["bytes_in"], &counts["bytes_out"]),
        (&json!(10), &json!(5))
    );
    assert_eq!(counts["faults"], json!({"drop_after": 1, "latency": 1}));
    assert_eq!(
        (&counts["objects"], &counts["bytes_stored"]),
        (&json!(2), &json!(10))
    );
    assert_eq!(ask("POST", "/counts/reset", ""), (200, counts));
    let (_, counts) = ask("GET", "/counts", "");
    assert_eq!((&counts["requests"], &counts["objects"]), (&json!({}), &json!(2)));

    let (_, objects) = ask("GET", "/objects?prefix=a/1&bucket=esker", "");
    assert_eq!(
        (&objects[0]["key"], &objects[0]["bytes"]),
        (&json!("a/1"), &json!(5))
    );
    assert_eq!(objects.as_array().unwrap().len(), 1);
    assert_eq!(ask("GET", "/objects?bucket=none", "").0, 404);

    assert_eq!(ask("PUT", "/faults", one), (200, json!({"ids": [4]})));
    assert_eq!(ask("POST", "/seed", r#"{"seed":9}"#), (200, json!({"seed": 9})));
    assert_eq!(ask("POST", "/faults/clear", ""), (200, json!({"removed": 1})));
    assert_eq!(ask("GET", "/faults", ""), (200, json!([])));

    for (method, path, body, status, why) in [
        ("POST", "/faults", "{", 400, "the body is not as it should be"),
        (
            "POST",
            "/faults",
            r#"{"kind":"explode"}"#,
            400,
            "kind is \"explode\"",
        ),
        (
            "POST",
            "/faults",
            r#"{"kind":"hang","color":1}"#,
            400,
            "unknown field `color`",
        ),
        (
            "POST",
            "/faults",
            r#"[{"kind":"hang"},{"kind":"error"}]"#,
            400,
            "needs the field status",
        ),
        ("POST", "/seed", r#"{"seed":"x"}"#, 400, "the body is not"),
        ("DELETE", "/faults/x", "", 400, "names no rule"),
        ("GET", "/nothing", "", 404, "there is no GET /nothing"),
    ] {
        let (got, answer) = ask(method, path, body);
        assert_eq!(got, status, "{path} {body}");
        assert!(answer["error"].as_str().unwrap().contains(why), "{answer}");
    }
    assert_eq!(ask("GET", "/faults", ""), (200, json!([])), "no half of a list");
}

#[tokio::test]
async fn a_server_that_is_dropped_is_gone() {
    let (server, target) = start();
    server.faults().add(Rule::on(
        Op::Put,
        Kind::Hang {
            ms: None,
            after_effect: false,
        },
    ));
    let hung = tokio::spawn({
        let target = target.clone();
        async move { create(&target, "hung", b"x").await }
    });
    crate::until("it hangs", || server.counts().requests_open == 1).await;
    drop(server);
    assert_eq!(hung.await.unwrap(), None);
    let address = target.endpoint.trim_start_matches("http://");
    assert!(wait_until(Duration::from_secs(5), || TcpStream::connect(address).is_err()));
}
