//! End-to-end tests: real clients, real servers. See `tests/`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a failure here is a failed test"
)]

pub mod load;
pub mod real_data;
pub mod wire;
