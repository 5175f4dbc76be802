//! Background work, as readers and the bucket see it.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    unreachable_pub,
    reason = "a failure here is a failed test"
)]

mod archive;
mod disorder;
mod hidden;
mod merge;
mod past;
mod remove;
mod retention;
mod sizes;
mod stubborn;
#[path = "../support/mod.rs"]
mod support;
mod sweep;
mod unknown;
mod world;
