//! What the tests of this crate share.
#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    unreachable_pub,
    missing_docs
)]

pub mod golden;
pub mod http_stub;
pub mod manifests;
pub mod s3_server;
pub mod segments;
pub mod store_kit;

use esker_model::seams::Seams;
use esker_storage::{BucketOptions, StoreMetrics};

pub fn options() -> BucketOptions {
    BucketOptions::new(Seams::real(), StoreMetrics::default())
}

/// Says that a test cannot run here: loudly, countably, and as a failure where everything must run.
pub fn skip(test: &str, why: &str) {
    use std::io::Write;
    assert!(
        std::env::var_os("ESKER_TEST_REQUIRE_ALL").is_none(),
        "{test} cannot run here: {why}"
    );
    eprintln!("SKIP {test}: {why}");
    if let Some(file) = std::env::var_os("ESKER_TEST_SKIPS") {
        let mut file = std::fs::OpenOptions::new()
            .append(true)
            .create(true)
            .open(file)
            .unwrap();
        writeln!(file, "{test}: {why}").unwrap();
    }
}
