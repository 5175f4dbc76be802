//! `esker agent`, `migrate` and `check`: stores that do not answer, are not ready, or are not ours.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods
)]

use esker_harness::throwaway_postgres as postgres;
mod support;

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use support::{Background, PATIENCE, esker, free_port, get, run, run_command, wait_for};

/// An agent on a metastore and a directory as its bucket; returns its admin address as well.
fn agent(metastore: &str, bucket: &Path, more: &[&str]) -> (Command, String, String) {
    let (kafka, admin) = (
        format!("127.0.0.1:{}", free_port()),
        format!("127.0.0.1:{}", free_port()),
    );
    let bucket = format!("file://{}", bucket.display());
    let fixed = [
        "agent",
        "--metastore-url",
        metastore,
        "--bucket-url",
        &bucket,
        "--kafka-addr",
        &kafka,
        "--admin-addr",
        &admin,
    ];
    (esker(&[&fixed, more].concat()), kafka, admin)
}

/// An agent that is not ready says why, a moment after it did in its log.
fn page_says(admin: &str, part: &str) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let page = wait_for(admin, "/readyz", 503);
        if page.contains(part) {
            return;
        }
        assert!(Instant::now() < deadline, "{part} is not on the page: {page}");
    }
}

#[test]
fn an_agent_waits_for_postgres_and_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let url = format!("postgres://esker:hush-hush@127.0.0.1:{}/esker", free_port());
    let (command, kafka, admin) = agent(&url, dir.path(), &[]);
    let mut agent = Background::start(command);
    let line = agent.err_line("waiting: ");
    assert!(line.contains("no connection to Postgres at 127.0.0.1:"), "{line}");
    agent.err_line("waiting: ");
    let reason = wait_for(&admin, "/readyz", 503);
    assert!(
        reason.starts_with("waiting: ") && reason.contains("Postgres"),
        "{reason}"
    );
    assert_eq!(get(&admin, "/livez").unwrap().0, 200);
    let (_, status) = get(&admin, "/status").unwrap();
    assert!(
        status.contains("\"state\":\"waiting\"") && status.contains("not reached yet"),
        "{status}"
    );
    assert_eq!(get(&admin, "/metrics").unwrap().0, 200);
    // Clients are refused rather than left hanging.
    assert!(std::net::TcpStream::connect(&kafka).is_err());
    assert!(agent.is_running());
    agent.signal("TERM");
    assert_eq!(agent.wait().code(), Some(0));
    assert!(!agent.rest_of_err().contains("hush") && !status.contains("hush") && !reason.contains("hush"));
}

#[test]
fn an_agent_waits_for_the_bucket_and_says_so() {
    let Some(url) = postgres::start_or_reuse() else {
        return;
    };
    run(&["migrate", "--metastore-url", &url]).ok();
    let (kafka, admin) = (
        format!("127.0.0.1:{}", free_port()),
        format!("127.0.0.1:{}", free_port()),
    );
    let mut command = esker(&[
        "agent",
        "--metastore-url",
        &url,
        "--bucket-url",
        "s3://bucket/x",
        "--kafka-addr",
        &kafka,
        "--admin-addr",
        &admin,
    ]);
    command.env("AWS_ENDPOINT_URL", format!("http://127.0.0.1:{}", free_port()));
    command
        .env("AWS_ACCESS_KEY_ID", "x")
        .env("AWS_SECRET_ACCESS_KEY", "hush-hush");
    let mut agent = Background::start(command);
    let line = agent.err_line("waiting: ");
    assert!(line.contains("s3://bucket"), "{line}");
    wait_for(&admin, "/readyz", 503);
    assert!(agent.is_running());
    agent.signal("INT");
    assert_eq!(agent.wait().code(), Some(0));
    assert!(!agent.rest_of_err().contains("hush"));
}

#[test]
fn an_agent_waits_for_the_migration_and_goes_on_after_it() {
    let Some(url) = postgres::start_or_reuse() else {
        return;
    };
    let dir = tempfile::tempdir().unwrap();
    let (command, kafka, admin) = agent(&url, &dir.path().join("bucket"), &[]);
    let mut agent = Background::start(command);
    agent.err_line("run `esker migrate`");
    page_says(&admin, "esker migrate");
    let first = run(&["migrate", "--metastore-url", &url]).ok();
    assert!(first.contains("the schema went from version 0 to "), "{first}");
    let again = run(&["migrate", "--metastore-url", &url]).ok();
    assert!(again.contains("the schema is up to date at version "), "{again}");
    run(&["migrate", "--metastore-url", &url, "--accept-past"]).ok();
    wait_for(&admin, "/readyz", 200);
    run(&["topic", "create", "t", "-b", &kafka]).ok();
    run_command(esker(&["produce", "t", "-b", &kafka]), b"x\n").ok();
    assert_eq!(run(&["consume", "t", "-e", "-b", &kafka]).ok(), "x\n");
    // Agents do not create topics by themselves.
    run_command(esker(&["produce", "other", "-b", &kafka]), b"x\n").says(1, "UNKNOWN_TOPIC_OR_PARTITION");
    agent.signal("TERM");
    assert_eq!(agent.wait().code(), Some(0));
}

/// What somebody has to put right does not end an agent: its pod stays, is not ready, and says why.
#[test]
fn an_agent_waits_for_a_database_that_is_not_there() {
    let Some(url) = postgres::start_or_reuse() else {
        return;
    };
    let dir = tempfile::tempdir().unwrap();
    let (server, _) = url.rsplit_once('/').unwrap();
    let database = format!("made_late_{}", std::process::id());
    let url = format!("{server}/{database}");
    let (command, _, admin) = agent(&url, &dir.path().join("bucket"), &[]);
    let mut agent = Background::start(command);
    agent.err_line(&format!("has no database \"{database}\""));
    page_says(&admin, "create it");
    let createdb = Path::new(&std::env::var("ESKER_TEST_POSTGRES_BIN").unwrap()).join("createdb");
    let address = server.rsplit_once('@').map_or(server, |(_, address)| address);
    let (host, port) = address.rsplit_once(':').unwrap();
    let made = Command::new(createdb)
        .args([
            "-h",
            host.trim_start_matches("postgres://"),
            "-p",
            port,
            "-U",
            "postgres",
            &database,
        ])
        .status();
    assert!(made.unwrap().success());
    agent.err_line("run `esker migrate`");
    run(&["migrate", "--metastore-url", &url]).ok();
    wait_for(&admin, "/readyz", 200);
    agent.signal("TERM");
    assert_eq!(agent.wait().code(), Some(0));
}

/// As with a Secret of Kubernetes that is mounted, and made after the pod.
#[test]
fn an_agent_waits_for_the_file_with_the_url() {
    let Some(url) = postgres::start_or_reuse() else {
        return;
    };
    run(&["migrate", "--metastore-url", &url]).ok();
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("url");
    let (with_url, _, admin) = agent("postgres://unused@host/esker", &dir.path().join("bucket"), &[]);
    let mut command = esker(&[]);
    let arguments: Vec<_> = with_url
        .get_args()
        .map(|part| part.to_str().unwrap().to_owned())
        .collect();
    let at = arguments
        .iter()
        .position(|part| part == "--metastore-url")
        .unwrap();
    command.args(&arguments[..at]).args(&arguments[at + 2..]);
    command.args(["--metastore-url-file", file.to_str().unwrap()]);
    let mut agent = Background::start(command);
    agent.err_line("with the metastore's URL cannot be read");
    page_says(&admin, "metastore_url_file");
    std::fs::write(&file, "mysql://hush-hush@host/esker").unwrap();
    let line = agent.err_line("must begin with postgres://");
    assert!(!line.contains("hush"), "{line}");
    std::fs::write(&file, format!("{url}\n")).unwrap();
    wait_for(&admin, "/readyz", 200);
    agent.signal("TERM");
    assert_eq!(agent.wait().code(), Some(0));
    run(&["migrate", "--metastore-url", &url]).ok();
}

#[test]
fn what_waiting_cannot_mend_ends_an_agent() {
    let Some(url) = postgres::start_or_reuse() else {
        return;
    };
    let dir = tempfile::tempdir().unwrap();
    // A bucket of another cluster.
    run(&["migrate", "--metastore-url", &url]).ok();
    let cluster = "{\"cluster_id\":\"AAAAAAAAAAAAAAAAAAAAAA\",\"epoch\":1,\"format_version\":1}";
    let bucket = dir.path().join("bucket");
    std::fs::create_dir(&bucket).unwrap();
    std::fs::write(bucket.join("cluster.json"), cluster).unwrap();
    let (command, ..) = agent(&url, &bucket, &[]);
    let ended = run_command(command, b"");
    assert_eq!(ended.code, Some(1), "{}", ended.err);
    assert!(
        ended.err.contains("esker: the bucket belongs to cluster AAAA"),
        "{}",
        ended.err
    );
}

#[test]
fn a_process_with_the_same_name_takes_over_and_the_first_comes_back_to_life() {
    let Some(url) = postgres::start_or_reuse() else {
        return;
    };
    run(&["migrate", "--metastore-url", &url]).ok();
    let dir = tempfile::tempdir().unwrap();
    let bucket = dir.path().join("bucket");
    let name = ["--node-name", "one"];
    let (command, kafka, admin) = agent(&url, &bucket, &name);
    let mut first = Background::start(command);
    wait_for(&admin, "/readyz", 200);
    run(&["topic", "create", "t", "-b", &kafka]).ok();
    let (command, other, admin_of_second) = agent(&url, &bucket, &name);
    let mut second = Background::start(command);
    wait_for(&admin_of_second, "/readyz", 200);
    second.signal("TERM");
    first.err_line("is another process running as one?");
    first.err_line("a new incarnation is ready");
    assert_eq!(second.wait().code(), Some(0), "{}", second.rest_of_err());
    assert_ne!(kafka, other);
    run_command(esker(&["produce", "t", "-b", &kafka]), b"x\n").ok();
    assert_eq!(get(&admin, "/readyz").unwrap().0, 200);
    first.signal("TERM");
    assert_eq!(first.wait().code(), Some(0), "{}", first.rest_of_err());
}

#[test]
fn check_says_one_line_per_finding() {
    let dir = tempfile::tempdir().unwrap();
    let directory = dir.path().to_str().unwrap();
    let addresses = ["--kafka-addr", "127.0.0.1:0", "--admin-addr", "127.0.0.1:0"];
    let good = run(&[&["check", "--data-dir", directory], &addresses[..]].concat()).ok();
    assert!(
        good.lines().count() >= 6 && good.lines().all(|line| line.starts_with("ok ")),
        "{good}"
    );
    assert!(good.contains("bucket.conditional_put"), "{good}");
    let url = format!("postgres://esker:hush-hush@127.0.0.1:{}/esker", free_port());
    let mut command = esker(
        &[
            &["check", "--metastore-url", &url, "--bucket-url", "s3://bucket"],
            &addresses[..],
        ]
        .concat(),
    );
    command.env("AWS_ENDPOINT_URL", format!("http://127.0.0.1:{}", free_port()));
    command
        .env("AWS_ACCESS_KEY_ID", "x")
        .env("AWS_SECRET_ACCESS_KEY", "hush-hush");
    let bad = run_command(command, b"");
    assert_eq!(bad.code, Some(1));
    let failed: Vec<_> = bad.out.lines().filter(|line| line.starts_with("FAIL")).collect();
    assert_eq!(failed.len(), 2, "{}", bad.out);
    assert!(
        failed[0].contains("metastore") && failed[1].contains("bucket"),
        "{failed:?}"
    );
    assert!(
        !bad.out.contains("hush") && bad.err.is_empty(),
        "{}{}",
        bad.out,
        bad.err
    );
}

#[test]
fn check_knows_a_schema_that_is_not_migrated() {
    let Some(url) = postgres::start_or_reuse() else {
        return;
    };
    let dir = tempfile::tempdir().unwrap();
    let bucket = format!("file://{}", dir.path().display());
    let arguments = [
        "check",
        "--metastore-url",
        &url,
        "--bucket-url",
        &bucket,
        "--kafka-addr",
        "127.0.0.1:0",
        "--admin-addr",
        "none",
        "--json",
    ];
    let before = run(&arguments);
    assert_eq!(before.code, Some(1), "{}", before.out);
    assert!(before.out.contains("run `esker migrate`"), "{}", before.out);
    run(&["migrate", "--metastore-url", &url]).ok();
    let after = run(&arguments).ok();
    assert!(
        after.contains("\"ok\": true") && after.contains("is migrated: no cluster yet"),
        "{after}"
    );
}

#[test]
fn migrate_says_why_it_cannot() {
    let url = format!("postgres://esker:hush-hush@127.0.0.1:{}/esker", free_port());
    let ended = run(&["migrate", "--metastore-url", &url]);
    ended.says(1, "no connection to Postgres at 127.0.0.1:");
    assert!(!ended.err.contains("hush"));
    let dir = tempfile::tempdir().unwrap();
    let sqlite = format!("sqlite:{}", dir.path().join("m.sqlite").display());
    assert!(
        run(&["migrate", "--metastore-url", &sqlite])
            .ok()
            .contains("is up to date")
    );
}

#[test]
fn losing_postgres_later_is_no_reason_to_be_unready_nor_to_hang() {
    let Some(mut server) = postgres::Server::start() else {
        return;
    };
    let url = server.database();
    run(&["migrate", "--metastore-url", &url]).ok();
    let dir = tempfile::tempdir().unwrap();
    let (command, _, admin) = agent(&url, dir.path(), &["--shutdown-grace-seconds", "2"]);
    let mut agent = Background::start(command);
    wait_for(&admin, "/readyz", 200);
    server.stop();
    agent.err_line("heartbeat failed");
    let deadline = Instant::now() + PATIENCE;
    while !get(&admin, "/status").unwrap().1.contains("does not answer") {
        assert!(
            Instant::now() < deadline,
            "/status never says that Postgres is gone"
        );
        std::thread::sleep(Duration::from_millis(200));
    }
    assert_eq!(get(&admin, "/readyz").unwrap().0, 200);
    assert_eq!(get(&admin, "/livez").unwrap().0, 200);
    agent.signal("TERM");
    assert_eq!(agent.wait().code(), Some(0), "{}", agent.rest_of_err());
}

/// Two processes under one name shut each other out; one of them gives way, the other goes on.
#[test]
fn of_two_agents_with_one_name_one_gives_way() {
    let Some(url) = postgres::start_or_reuse() else {
        return;
    };
    run(&["migrate", "--metastore-url", &url]).ok();
    let dir = tempfile::tempdir().unwrap();
    let name = ["--node-name", "twin"];
    let (first, _, first_admin) = agent(&url, dir.path(), &name);
    let mut first = Background::start(first);
    wait_for(&first_admin, "/readyz", 200);
    let (second, _, second_admin) = agent(&url, dir.path(), &name);
    let mut second = Background::start(second);
    let deadline = Instant::now() + PATIENCE;
    while first.is_running() && second.is_running() {
        assert!(Instant::now() < deadline, "they go on for ever");
        std::thread::sleep(Duration::from_millis(100));
    }
    let (ended, left, admin) = if first.is_running() {
        (&mut second, &mut first, &first_admin)
    } else {
        (&mut first, &mut second, &second_admin)
    };
    assert_eq!(ended.wait().code(), Some(1));
    assert!(ended.rest_of_err().contains("another process runs as twin"));
    wait_for(admin, "/readyz", 200);
    std::thread::sleep(Duration::from_secs(2));
    assert!(left.is_running());
}
