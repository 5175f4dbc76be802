//! The program: its options, its one line, its end, and what a directory holds after `kill -9`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "tests: a failure is a failed test"
)]

mod suite;

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use esker_harness::dirs::TestDir;
use esker_harness::s3_server::S3Server;
use esker_harness::wait_until;
use serde_json::{Value, json};
use suite::{Target, bytes};

const PROGRAM: &str = env!("CARGO_BIN_EXE_esker-s3-server");

fn refused(arguments: &[&str]) -> Output {
    Command::new(PROGRAM)
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

#[test]
fn a_wrong_option_gets_one_sentence() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap().to_string();
    for (arguments, why) in [
        (&["--listen", "here"][..], "--listen"),
        (&["--listen", &taken], "cannot listen on 127.0.0.1:"),
        (&["--control", &taken], "Address already in use"),
        (&["--bucket", "UPPER"], "cannot make the bucket \"UPPER\""),
        (&["--etag", "sha1"], "crc64, md5"),
        (&["--sync"], "--data"),
        (&["--data", "/proc/none"], "cannot keep objects in /proc/none"),
        (&["--data", "x", "--memory-bytes-max", "5"], "cannot be used with"),
        (&["--seed", "x"], "--seed"),
        (&["--port", "1"], "--port"),
    ] {
        let output = refused(arguments);
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(
            said.starts_with("esker-s3-server: ") && said.contains(why),
            "{arguments:?}: {said}"
        );
        assert_eq!(said.lines().count(), 1, "{said}");
        assert!(output.stdout.is_empty());
    }
    let help = refused(&["--help"]);
    assert!(help.status.success());
    let help = String::from_utf8(help.stdout).unwrap();
    assert!(help.contains("curl -X POST $CONTROL/faults") && help.contains("--until-stdin-closes"));
}

struct Running(Child, Value);

fn start(arguments: &[&str]) -> Running {
    let mut child = Command::new(PROGRAM)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.as_mut().unwrap())
        .read_line(&mut line)
        .unwrap();
    Running(child, serde_json::from_str(&line).unwrap())
}

impl Running {
    fn exit_code(&mut self) -> Option<i32> {
        let mut status = None;
        wait_until(Duration::from_secs(10), || {
            status = self.0.try_wait().unwrap();
            status.is_some()
        });
        status.and_then(|status| status.code())
    }

    fn signal(&self, name: &str) {
        let pid = self.0.id().to_string();
        assert!(
            Command::new("kill")
                .args([&format!("-{name}"), &pid])
                .status()
                .unwrap()
                .success()
        );
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn it_ends_when_it_is_told_to() {
    for signal in ["TERM", "INT"] {
        let mut server = start(&["--bucket", "one", "--bucket", "two"]);
        assert_eq!(server.1["buckets"], json!(["one", "two"]));
        assert_eq!(server.1["pid"], json!(server.0.id()));
        drop(server.0.stdin.take());
        server.signal(signal);
        assert_eq!(server.exit_code(), Some(0), "{signal}");
    }
    let mut server = start(&["--until-stdin-closes"]);
    std::thread::sleep(Duration::from_millis(200));
    assert!(server.0.try_wait().unwrap().is_none());
    drop(server.0.stdin.take());
    assert_eq!(server.exit_code(), Some(0));
}

#[tokio::test]
async fn it_tells_of_each_request_if_it_is_asked_to() {
    let dir = TestDir::new("s3-log");
    let server = S3Server::start(dir.path(), &["--log"]);
    let target = Target::new(server.endpoint());
    server.add_faults(&json!({"op": "get", "kind": "drop_before", "count": 1}));
    target.put("a key", b"x").await;
    assert_eq!(target.request("GET", "a key").exchange().await, None);
    let mut lines = Vec::new();
    wait_until(Duration::from_secs(5), || {
        let log = server.process().log();
        let parsed = log
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).unwrap());
        lines = parsed.filter(|line| line.get("request").is_some()).collect();
        lines.len() == 2
    });
    assert_eq!(lines[0]["request"], "PUT /esker/a%20key?");
    assert_eq!(
        (&lines[0]["action"], &lines[0]["status"]),
        (&json!("put_object"), &json!(200))
    );
    assert_eq!(
        (&lines[1]["status"], &lines[1]["faults"]),
        (&Value::Null, &json!(["drop_before"]))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_directory_survives_kill_9() {
    let dir = TestDir::new("s3-kill");
    let data = dir.join("data").display().to_string();
    let mut acknowledged: Vec<(String, u8)> = Vec::new();
    for round in 0..3_u8 {
        let mut server = S3Server::start(dir.path(), &["--data", &data]);
        let target = Target::new(server.endpoint());
        assert_eq!(server.objects("").len(), acknowledged.len());
        for (key, fill) in &acknowledged {
            assert!(
                target.get(key).await == bytes(*fill, 50_000),
                "{key} in round {round}"
            );
        }
        let second = refused(&["--data", &data]);
        let said = String::from_utf8(second.stderr).unwrap();
        assert!(said.contains("another server is using it"), "{said}");

        let writing = tokio::spawn(async move {
            let mut done = Vec::new();
            for number in 0.. {
                let key = format!("kill/{round}/{number}");
                let put = target.request("PUT", &key).header("if-none-match", "*");
                match put.body(&bytes(number as u8, 50_000)).exchange().await {
                    Some(answer) => assert_eq!(answer.status, 200, "{answer:?}"),
                    None => break,
                }
                // Every third one goes again; one more begins and never ends.
                if number % 3 == 0 {
                    match target.request("DELETE", &key).exchange().await {
                        Some(answer) => assert_eq!(answer.status, 204),
                        None => break,
                    }
                } else {
                    done.push((key, number as u8));
                }
            }
            done
        });
        let start = Instant::now();
        while server.objects("").len() < acknowledged.len() + 20 {
            assert!(start.elapsed() < Duration::from_secs(30));
            std::thread::sleep(Duration::from_millis(5));
        }
        server.process_mut().kill();
        acknowledged.extend(writing.await.unwrap());

        // What was under way when it died may have taken effect, too; the next round is told of it.
        let server = S3Server::start(dir.path(), &["--data", &data]);
        let target = Target::new(server.endpoint());
        for (key, _) in server.objects("kill/") {
            if !acknowledged.iter().any(|(known, _)| *known == key) {
                assert_eq!(target.request("DELETE", &key).send().await.status, 204);
            }
        }
        let files = std::fs::read_dir(dir.join("data").join("blobs")).unwrap().count();
        assert_eq!(files, acknowledged.len(), "a file for each object, and no other");
    }
}
