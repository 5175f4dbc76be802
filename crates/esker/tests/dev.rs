//! `esker dev` as a process: how it starts, what it says, how it ends.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods
)]

mod support;

use std::time::{Duration, Instant};

use support::{Background, PATIENCE, esker, get, run};

#[test]
fn starts_says_where_and_what_and_ends_in_good_order() {
    let dir = tempfile::tempdir().unwrap();
    let mut dev = Background::dev(&dir.path().join("new"), &[]);
    assert!(dev.lines.len() <= 5);
    assert!(
        dev.lines[0].starts_with("esker is ready after "),
        "{:?}",
        dev.lines
    );
    assert!(dev.lines[1].ends_with("/new"), "{:?}", dev.lines);
    assert!(
        dev.lines[3].contains(&format!("esker produce greetings -b {}", dev.kafka)),
        "{:?}",
        dev.lines
    );
    assert_eq!(get(&dev.admin, "/readyz").unwrap(), (200, "ready\n".to_owned()));
    assert_eq!(get(&dev.admin, "/livez").unwrap().0, 200);
    assert_eq!(get(&dev.admin, "/nothing").unwrap().0, 404);
    let (_, status) = get(&dev.admin, "/status").unwrap();
    for part in [
        "\"state\":\"ready\"",
        "\"name\":\"dev\"",
        "\"epoch\":1",
        "\"answers\"",
        &dev.kafka,
    ] {
        assert!(status.contains(part), "{part}: {status}");
    }
    dev.process.signal("TERM");
    assert_eq!(dev.process.wait().code(), Some(0));
    assert_eq!(dev.process.rest_of_out(), Vec::<String>::new());
    assert_eq!(dev.process.rest_of_err(), "");
}

#[test]
fn metrics_have_the_names_that_others_read() {
    let dir = tempfile::tempdir().unwrap();
    let dev = Background::dev(dir.path(), &[]);
    dev.client_with(&["produce", "t", "-q"], b"x\n").ok();
    assert_eq!(dev.client(&["consume", "t", "--until-end"]).ok(), "x\n");
    // A fetch that waits for records notices only then that its client is gone.
    let deadline = Instant::now() + PATIENCE;
    let page = loop {
        let (_, page) = get(&dev.admin, "/metrics").unwrap();
        if page.contains("\nesker_connections 0\n") || Instant::now() > deadline {
            break page;
        }
        std::thread::sleep(Duration::from_millis(50));
    };
    for sample in [
        "esker_produce_bytes_total{topic=\"t\"} ",
        "esker_fetch_bytes_total{topic=\"t\",source=\"memory\"} ",
        "esker_store_requests_total{op=\"put\",outcome=\"ok\"} ",
        "esker_store_bytes_total{op=\"put\"} ",
        "esker_metastore_statements_total{statement=\"commit\"} ",
        "esker_commit_seconds_count 1",
        "esker_ack_seconds_count 1",
        "esker_hot_segment_bytes ",
        "esker_memory_bytes{use=\"produce\"} ",
        "esker_memory_bytes{use=\"cache\"} ",
        "esker_requests_total{api=\"Produce\",error=\"NONE\"} 1",
        "esker_request_seconds_count{api=\"Produce\"} 1",
        "esker_connections 0",
        "esker_build_info{version=",
    ] {
        assert!(
            page.lines().any(|line| line.starts_with(sample)),
            "{sample} is not in\n{page}"
        );
    }
}

#[test]
fn both_signals_end_it_and_a_waiting_client_does_not_delay_it() {
    for signal in ["TERM", "INT"] {
        let dir = tempfile::tempdir().unwrap();
        let mut dev = Background::dev(dir.path(), &[]);
        dev.client(&["topic", "create", "t"]).ok();
        let mut command = esker(&["consume", "t", "-b", &dev.kafka]);
        command.env("RUST_LOG", "off");
        let _waiting = Background::start(command);
        std::thread::sleep(Duration::from_millis(200));
        let asked = Instant::now();
        dev.process.signal(signal);
        assert_eq!(
            dev.process.wait().code(),
            Some(0),
            "{}",
            dev.process.rest_of_err()
        );
        assert!(asked.elapsed() < Duration::from_secs(5));
    }
}

#[test]
fn a_second_process_on_the_directory_says_so_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let _first = Background::dev(dir.path(), &[]);
    let began = Instant::now();
    let directory = dir.path().to_str().unwrap();
    let second = run(&[
        "dev",
        "--data-dir",
        directory,
        "--kafka-addr",
        "127.0.0.1:0",
        "--admin-addr",
        "127.0.0.1:0",
    ]);
    second.says(1, "another esker process is using");
    assert!(began.elapsed() < Duration::from_secs(3));
    // The same with the ports of the first: the directory is what matters to a person.
    run(&["dev", "--data-dir", directory]).says(1, "another esker process is using");
}

#[test]
fn a_port_in_use_is_named() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let dir = tempfile::tempdir().unwrap();
    let directory = dir.path().to_str().unwrap();
    let said = format!("cannot listen on {address}: another process uses this port");
    run(&[
        "dev",
        "--data-dir",
        directory,
        "--kafka-addr",
        &address,
        "--admin-addr",
        "none",
    ])
    .says(1, &said);
    run(&[
        "dev",
        "--data-dir",
        directory,
        "--kafka-addr",
        "127.0.0.1:0",
        "--admin-addr",
        &address,
    ])
    .says(1, "choose another with --admin-addr");
    run(&[
        "dev",
        "--data-dir",
        directory,
        "--kafka-addr",
        "no-such-host.invalid:0",
    ])
    .says(1, "there is no host");
    run(&["dev", "--data-dir", directory, "--kafka-addr", "192.0.2.1:0"])
        .says(1, "does not have this address");
}

#[test]
fn a_directory_that_cannot_be_used_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    std::fs::write(&file, "").unwrap();
    let inside = file.join("data");
    let ended = run(&["dev", "--data-dir", inside.to_str().unwrap()]);
    ended.says(1, inside.to_str().unwrap());
    let database = dir.path().join("data");
    std::fs::create_dir(&database).unwrap();
    std::fs::write(
        database.join("metastore.sqlite"),
        "this is no database, but it is long enough to look at",
    )
    .unwrap();
    run(&["dev", "--data-dir", database.to_str().unwrap()]).says(1, "is not an esker database");
}

#[test]
fn records_survive_a_kill() {
    let dir = tempfile::tempdir().unwrap();
    let mut dev = Background::dev(dir.path(), &[]);
    dev.client_with(&["produce", "t"], b"one\ntwo\n").ok();
    dev.process.signal("KILL");
    dev.process.wait();
    let again = Background::dev(dir.path(), &[]);
    again.client_with(&["produce", "t"], b"three\n").ok();
    assert_eq!(again.client(&["consume", "t", "-e"]).ok(), "one\ntwo\nthree\n");
    again.terminate();
}

#[test]
fn logs_as_json_are_one_object_per_line() {
    let dir = tempfile::tempdir().unwrap();
    let directory = dir.path().to_str().unwrap();
    let mut command = esker(&[
        "dev",
        "--data-dir",
        directory,
        "--kafka-addr",
        "127.0.0.1:0",
        "--admin-addr",
        "none",
        "--log-format",
        "json",
    ]);
    command.env("RUST_LOG", "info");
    let mut dev = Background::start(command);
    let ready = dev.err_line("\"ready\"");
    dev.signal("TERM");
    assert_eq!(dev.wait().code(), Some(0));
    let rest = dev.rest_of_err();
    for line in rest.lines().chain([ready.as_str()]) {
        let object: serde_json::Value =
            serde_json::from_str(line).unwrap_or_else(|error| panic!("{line}: {error}"));
        assert!(
            object["level"].is_string() && object["message"].is_string(),
            "{line}"
        );
    }
    assert_eq!(dev.rest_of_out().len(), 3);
}
