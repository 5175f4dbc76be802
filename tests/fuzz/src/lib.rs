//! Fuzz targets: what must hold for whatever bytes arrive.
//!
//! A target is a function of any bytes that panics when the product breaks a promise. The same functions run in
//! two ways: for a second or two on every `cargo test` (`tests/targets.rs`: all seeds, all regressions and a
//! bounded number of seeded mutations), and for as long as one likes under a coverage-guided fuzzer
//! (`scripts/fuzz`, with the programs in `/fuzz`).
//!
//! | target | what it feeds |
//! |---|---|
//! | [`request_frame`] | one request frame: header, length guard, body |
//! | [`request_stream`] | a connection of a whole broker |
//! | [`record_batch`] | record batches: checks, records, codecs, patches |
//! | [`segment_footer`] | what the bucket holds: segments, manifests, `cluster.json`, keys |
//! | [`metastore_values`] | what the metastores hold: SQLite's blobs, Postgres's replies |
//! | [`fetch_response`] | Fetch responses, written by hand and read by the message crate |
//! | [`settings`] | text from outside: client ids, bucket URLs |
//!
//! A target finds its structure in the first bytes of its input, so that mutations reach deep: sizes and
//! checksums are put right where they would stop everything at the door.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a promise that is broken is a panic: that is what fuzzers look for"
)]

mod fetch_response;
pub mod heap;
mod input;
mod metastore_values;
pub mod mutate;
mod record_batch;
mod request_frame;
mod request_stream;
mod runtime;
mod seeds;
mod segment_footer;
mod settings;
mod topics;

pub use fetch_response::fetch_response;
pub use metastore_values::metastore_values;
pub use record_batch::record_batch;
pub use request_frame::request_frame;
pub use request_stream::request_stream;
pub use segment_footer::segment_footer;
pub use settings::settings;

/// One target.
pub struct Target {
    /// Its name, which is that of its function, of its program and of its folders.
    pub name: &'static str,
    /// Feeds it one input.
    pub run: fn(&[u8]),
    /// Inputs to begin with.
    pub seeds: fn() -> Vec<Seed>,
}

/// An input to begin with.
pub struct Seed {
    /// What it is: a name for a file.
    pub name: String,
    /// The input.
    pub bytes: Vec<u8>,
}

/// All targets.
pub const TARGETS: [Target; 7] = [
    Target {
        name: "request_frame",
        run: request_frame,
        seeds: seeds::request_frame,
    },
    Target {
        name: "request_stream",
        run: request_stream,
        seeds: seeds::request_stream,
    },
    Target {
        name: "record_batch",
        run: record_batch,
        seeds: seeds::record_batch,
    },
    Target {
        name: "segment_footer",
        run: segment_footer,
        seeds: seeds::segment_footer,
    },
    Target {
        name: "metastore_values",
        run: metastore_values,
        seeds: seeds::metastore_values,
    },
    Target {
        name: "fetch_response",
        run: fetch_response,
        seeds: seeds::fetch_response,
    },
    Target {
        name: "settings",
        run: settings,
        seeds: seeds::settings,
    },
];
