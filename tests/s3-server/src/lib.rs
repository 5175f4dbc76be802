//! An S3 server for tests, chaos runs and benchmarks: correct where it is asked, wrong where it is told to be.
//!
//! What it speaks: objects (PUT under `If-None-Match` and `If-Match`, GET with ranges, HEAD, DELETE, deletion
//! of many, copies), listings, multipart uploads and buckets, with the bucket in the path. What holds: of
//! writers that race for one key under `If-None-Match: *` exactly one wins; objects are whole and never
//! change under a reader; every number that a client states about its body (lengths, checksums) is checked.
//! Signatures are accepted unseen.
//!
//! Files follow a request: `route` → `access` → `faults` → `body` → `ops` → `store` → `reply`; `service` ties
//! them together, `control` is the second listener. README.md has the control API.
//!
//! ```
//! use esker_s3_server::{Kind, Op, Options, Rule, Server};
//!
//! let server = Server::start(&Options::default())?;
//! let rule = Rule::on(Op::Put, Kind::DropAfter).key_prefix("ingest/").count(1);
//! server.faults().add(rule);
//! println!("{}", server.endpoint());
//! assert_eq!(server.counts().requests_of("put"), 0);
//! # Ok::<(), esker_s3_server::StartError>(())
//! ```

#![allow(
    clippy::disallowed_methods,
    reason = "a server of its own: real clocks and real tasks, none of them in the product"
)]

mod access;
mod action;
mod body;
mod control;
mod counts;
mod error;
mod faults;
mod log;
mod ops;
mod options;
mod pace;
mod query;
mod reply;
mod route;
mod server;
mod service;
mod shared;
mod store;
mod time;
mod xml;

pub use action::{Action, Op, Target};
pub use body::EtagKind;
pub use counts::Snapshot;
pub use error::S3Error;
pub use faults::{ErrorAnswer, Faults, Kind, Rule, RuleJson, RuleStatus};
pub use options::{Keep, MEMORY_BYTES_MAX, Options};
pub use server::{Server, StartError};
pub use shared::ObjectInfo;
