//! An open port under attack: the real agent with the smallest memory budget, somebody who means it no good,
//! and a bystander who does ordinary work beside it.
//!
//! What is judged, of every attack: the bystander meets no error and goes on, its p99 stays bounded, nothing
//! that it was acknowledged is lost; the agent's memory stays below its budget and a named allowance; it does
//! not panic; its log does not grow with the attack. Figures are printed. The short forms run in `make test`,
//! the long ones (`#[ignore]`) in `make attack`. Attacks take turns: each has the machine for itself.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test program: a failure here is a failed test"
)]

mod bystander;
mod bytes;
mod frames;
mod overload;
mod peers;
mod requests;
mod stand;
mod wide;
