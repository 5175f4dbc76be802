//! Real parts for tests: servers, agents and clients as processes on loopback.
//!
//! What holds: every process ends when its handle is dropped, and when the test process dies however it
//! dies; every server listens on 127.0.0.1 on a port that was free, and keeps its data under the build
//! directory. What this machine does not have is skipped with a loud line, and fails where
//! `ESKER_TEST_REQUIRE_ALL` is set.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test fixture: a failure here is a failed test"
)]

use std::io::Write;

pub mod agents;
pub mod clients;
pub mod dirs;
pub mod minio;
pub mod postgres;
pub mod process;
pub mod s3_server;
pub mod throwaway_postgres;

/// Says that a test, or a part of one, did not run, and has it counted (a line in the file that
/// `ESKER_TEST_SKIPS` names); fails it where everything is required to run.
pub fn skipped(why: &str) {
    eprintln!("SKIPPED: {why}");
    assert!(
        std::env::var_os("ESKER_TEST_REQUIRE_ALL").is_none(),
        "ESKER_TEST_REQUIRE_ALL is set: {why}"
    );
    if let Some(file) = std::env::var_os("ESKER_TEST_SKIPS") {
        let test = std::thread::current().name().unwrap_or("a test").to_owned();
        let mut file = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(file)
            .unwrap();
        writeln!(file, "{test}: {why}").unwrap();
    }
}

/// A TCP port of 127.0.0.1 that was free a moment ago.
pub fn free_port() -> u16 {
    std::net::TcpListener::bind(("127.0.0.1", 0))
        .unwrap()
        .local_addr()
        .unwrap()
        .port()
}

/// Polls until `done` or until `limit` has passed; says whether it was done.
pub fn wait_until(limit: std::time::Duration, mut done: impl FnMut() -> bool) -> bool {
    let start = std::time::Instant::now();
    while start.elapsed() < limit {
        if done() {
            return true;
        }
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    done()
}
