//! Administration through real frames: every rule that `docs/protocol.md` states, in every version.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a failure here is a failed test"
)]
#![allow(
    clippy::disallowed_methods,
    reason = "clients and waiting callers are tasks of the test itself"
)]

mod catalog;
mod cluster;
mod configs;
mod create;
mod create_partitions;
mod delete;
mod describe_partitions;
mod describe_producers;
mod elect_leaders;
mod list_config_resources;
mod log_dirs;
mod membership;
mod metadata;
#[path = "../support/pass_on.rs"]
mod pass_on;
mod producers;
mod reassignments;
mod watched;
mod world;
