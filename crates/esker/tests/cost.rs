//! `esker cost` as people run it: the examples of docs/cost.md, wrong flags, and a live process.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods
)]

mod support;

use std::io::{Read, Write};
use std::net::TcpListener;

use support::{Background, esker, run, run_command};

const DOCUMENT: &str = include_str!("../../../docs/cost.md");

/// Commands with what they print, as the document shows them: blocks of `console` that begin with `$ esker`.
fn examples() -> Vec<(Vec<&'static str>, &'static str)> {
    DOCUMENT
        .split("```console\n$ esker ")
        .skip(1)
        .map(|block| {
            let (command, rest) = block.split_once('\n').unwrap();
            let output = rest.split("```").next().unwrap();
            (command.split_whitespace().collect(), output)
        })
        .collect()
}

#[test]
fn the_examples_of_the_document_are_what_is_printed() {
    let examples = examples();
    assert!(examples.len() >= 3, "{} examples", examples.len());
    for (arguments, expected) in examples {
        let printed = run(&arguments).ok();
        if expected.trim_end().ends_with('…') {
            // Shortened: what stands there is how it begins.
            let beginning = expected.trim_end().trim_end_matches('…').trim_end();
            assert!(
                printed.starts_with(beginning),
                "esker {}:\n{printed}",
                arguments.join(" ")
            );
        } else {
            assert_eq!(printed, expected, "esker {}", arguments.join(" "));
        }
    }
}

#[test]
fn json_says_the_same() {
    let printed = run(&["cost", "--write-rate", "1MiB/s", "--zones", "1", "--json"]).ok();
    let printed: serde_json::Value = serde_json::from_str(&printed).unwrap();
    let systems = printed["systems"].as_array().unwrap();
    assert_eq!(systems.len(), 3);
    for system in systems {
        let lines = system["lines"].as_array().unwrap();
        let sum: f64 = lines.iter().map(|line| line["cost"].as_f64().unwrap()).sum();
        let total = system["total"].as_f64().unwrap();
        assert!((sum - total).abs() < 1e-6 && total > 0.0, "{system}");
    }
    assert_eq!(printed["prices"]["currency"], "USD");
    assert!(printed["measured"].is_null());
}

#[test]
fn wrong_flags_say_what_would_be_right() {
    run(&["cost", "--compression-ratio", "0.5"]).says(2, "write a number from 1 up");
    run(&["cost", "--fan-out=-1"]).says(2, "write a number from 0 up");
    run(&["cost", "--flush-interval-ms", "0"]).says(2, "measure a live cluster with --from-metrics");
    run(&["cost", "--write-rate", "0"]).says(2, "--write-rate is 0");
    run(&["cost", "--write-rate", "900MiB/s"]).says(1, "no number of c7g.xlarge is enough");
    for (flag, value, why) in [
        ("--write-rate", "fast", "is not a rate"),
        ("--retention", "forever", "is not a time"),
    ] {
        let ended = run(&["cost", flag, value]);
        assert!(ended.code == Some(2) && ended.err.contains(why), "{}", ended.err);
    }
}

#[test]
fn prices_of_ones_own() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("prices.toml");
    let builtin = include_str!("../src/prices/aws-us-east-1.toml");
    std::fs::write(&path, builtin.replacen("AWS us-east-1, on demand", "Ours", 1)).unwrap();
    let ours = run(&["cost", "--prices", path.to_str().unwrap()]).ok();
    assert!(ours.contains("prices: Ours, of "), "{ours}");
    std::fs::write(
        &path,
        builtin.replacen("agent_hour = 0.145", "agent_hours = 0.145", 1),
    )
    .unwrap();
    run(&["cost", "--prices", path.to_str().unwrap()]).says(
        2,
        "prices.agent_hours does not exist; did you mean prices.agent_hour?",
    );
}

#[test]
fn a_live_process_is_measured() {
    let dir = tempfile::tempdir().unwrap();
    let dev = Background::dev(dir.path(), &[]);
    let admin = format!("http://{}/metrics", dev.admin);
    let kafka = dev.kafka.clone();
    let writer = std::thread::spawn(move || {
        for _ in 0..20 {
            run_command(
                esker(&["produce", "t", "-b", &kafka]),
                &b"a record that is written\n".repeat(500),
            )
            .ok();
        }
    });
    let measured = run(&["cost", "--from-metrics", &admin, "--interval", "3s", "--json"]).ok();
    writer.join().unwrap();
    let measured: serde_json::Value = serde_json::from_str(&measured).unwrap();
    assert!(
        measured["workload"]["write_bytes_per_s"].as_f64().unwrap() > 100.0,
        "{measured}"
    );
    assert!(
        (2.9..20.0).contains(&measured["measured"]["seconds"].as_f64().unwrap()),
        "{measured}"
    );
    let puts = &measured["systems"][0]["lines"][0];
    assert_eq!(puts["item"], "put");
    assert!(puts["quantity"].as_f64().unwrap() > 0.0, "{measured}");
    // The text says where its numbers come from.
    let text = run(&["cost", "--from-metrics", &admin, "--interval", "100ms"]).ok();
    assert!(
        text.starts_with("measured on 1 agent for ") && text.contains("PUT, measured"),
        "{text}"
    );
    let whole = run(&["cost", "--from-metrics", &admin, "--since-start"]).ok();
    assert!(whole.starts_with("measured on 1 agent for "), "{whole}");
    run(&["cost", "--from-metrics", &format!("{admin},{}", dev.admin)]).says(2, "names an agent twice");
}

#[test]
fn who_cannot_be_measured_is_one_sentence() {
    let port = esker_harness::free_port();
    let nobody = format!("http://127.0.0.1:{port}/metrics");
    run(&["cost", "--from-metrics", &nobody]).says(1, &format!("cannot connect to 127.0.0.1:{port}"));
    run(&["cost", "--from-metrics", "https://agent:9644/metrics"]).says(2, "without TLS");
    for (answer, why) in [
        (
            "HTTP/1.1 200 OK\r\n\r\n<html>hello</html>\n",
            "line 1 is no metric",
        ),
        ("HTTP/1.1 200 OK\r\n\r\nup 1\n", "so that this is no agent"),
        ("HTTP/1.1 404 Not Found\r\n\r\n", "with status 404"),
        ("SSH-2.0-OpenSSH\r\n", "does not speak HTTP"),
    ] {
        let address = serve(answer);
        run(&["cost", "--from-metrics", &address, "--interval", "10ms"]).says(1, why);
    }
}

/// Answers one request with this, whatever it asks.
fn serve(answer: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut request = [0; 1_024];
        let _ = stream.read(&mut request).unwrap();
        stream.write_all(answer.as_bytes()).unwrap();
    });
    address
}

#[test]
fn an_agent_that_is_ready_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let dev = Background::dev(dir.path(), &[]);
    let ready = run(&["check", "--ready", "--admin-addr", &dev.admin]).ok();
    assert!(ready.contains("is ready"), "{ready}");
    let unused = format!("127.0.0.1:{}", esker_harness::free_port());
    run(&["check", "--ready", "--admin-addr", &unused]).says(1, "cannot connect to");
    run(&["check", "--ready", "--admin-addr", "none"]).says(2, "admin_addr is none");
    let waiting =
        serve("HTTP/1.1 503 Service Unavailable\r\nContent-Length: 26\r\n\r\nwaiting for the metastore\n");
    run(&["check", "--ready", "--admin-addr", &waiting]).says(1, "is not ready: waiting for the metastore");
}
