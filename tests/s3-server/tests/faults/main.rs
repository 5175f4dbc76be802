//! Faults: each does what README.md says, to what is stored and to who asked.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "tests: a failure is a failed test"
)]

#[path = "../suite/mod.rs"]
mod suite;

mod answers;
mod bodies;
mod effects;
mod rules;

use std::time::{Duration, Instant};

use esker_s3_server::{Keep, Kind, Op, Options, Rule, Server};
use suite::{Answer, Target};

/// A server in memory, and how to reach it.
pub(crate) fn start() -> (Server, Target) {
    start_with(&Options::default())
}

pub(crate) fn start_with(options: &Options) -> (Server, Target) {
    let server = Server::start(options).unwrap();
    let target = Target::new(&server.endpoint());
    (server, target)
}

/// The server has this one rule from now on.
pub(crate) fn only(server: &Server, op: Op, kind: Kind) {
    server.faults().replace([Rule::on(op, kind)]);
}

/// A PUT of something new; `None` if there is no answer.
pub(crate) async fn create(target: &Target, key: &str, body: &[u8]) -> Option<Answer> {
    let put = target.request("PUT", key).header("if-none-match", "*").body(body);
    put.exchange().await
}

/// What is stored under a key, without asking over HTTP.
pub(crate) fn stored(server: &Server, key: &str) -> Option<u64> {
    let objects = server.objects(None, key).unwrap();
    let found = objects.iter().find(|object| object.key == key);
    found.map(|object| object.bytes)
}

/// Waits until something holds.
pub(crate) async fn until(what: &str, done: impl Fn() -> bool) {
    let start = Instant::now();
    while !done() {
        assert!(start.elapsed() < Duration::from_secs(20), "not in time: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
