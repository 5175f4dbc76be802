//! Consumer groups, as clients see them: several agents in this process, spoken to in real Kafka frames.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a failure here is a failed test"
)]
#![allow(clippy::disallowed_methods, reason = "tests have a runtime of their own")]

#[path = "../support/mod.rs"]
mod support;

mod administration;
mod calls;
mod classic;
mod configs;
mod consumer;
mod counted;
mod expiry;
mod offsets;
mod sessions;
mod takeover;
mod writes;
