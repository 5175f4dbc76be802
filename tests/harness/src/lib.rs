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
pub mod moto;
pub mod postgres;
pub mod proc;
pub mod process;
pub mod s3_server;
pub mod stop;
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

/// A TCP port of 127.0.0.1 that was free a moment ago, outside the range that the system takes ports of
/// outgoing connections from: one of those would else sit on the port of a server that is started again, or
/// a client that tries again and again would at last connect to itself.
pub fn free_port() -> u16 {
    loop {
        let port = SERVER_PORTS.start + random() % (SERVER_PORTS.end - SERVER_PORTS.start);
        if std::net::TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

/// Linux begins its own range at 32768.
const SERVER_PORTS: std::ops::Range<u16> = 12_000..32_000;

fn random() -> u16 {
    use std::hash::BuildHasher;
    // Every state has keys of its own.
    std::hash::RandomState::new().hash_one(0) as u16
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
