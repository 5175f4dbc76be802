//! A run of a few seconds: that everything starts, breaks, heals and is judged.

#![allow(clippy::expect_used, reason = "a failure here is a failed test")]

use std::process::Command;

#[test]
#[ignore = "a minute, and needs esker and esker-s3-server built in this profile, Postgres, Python and Java"]
fn a_few_seconds_of_faults_are_survived() {
    let status = Command::new(env!("CARGO_BIN_EXE_esker-chaos"))
        .args(["--minutes", "0.2", "--seed", "1"])
        .status()
        .expect("esker-chaos starts");
    assert!(status.success(), "{status}");
}
