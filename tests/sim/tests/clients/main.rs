//! The simulated clients against real agents in this process, and against one that answers by script.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a failure here is a failed test"
)]
#![allow(clippy::disallowed_methods, reason = "tests have a runtime of their own")]

mod bytes;
mod java;
mod librdkafka;
mod real;
mod script;
mod support;
