//! Where records live: segments in a bucket, their format, and the caches in front of it.
//!
//! * [`bucket`]: the handle through which everything reaches the object store. Puts never replace,
//!   retries repeat the same bytes under the same key, and every request on the wire is counted.
//! * [`open()`]: from a `bucket_url` to a [`Bucket`]; [`preflight`] says whether the store behind it does
//!   what Esker stands on.
//! * [`local`]: a crash-safe store on a directory, for one machine.
//! * [`segment`]: the bytes of an ingest segment (`docs/format.md`): written, read, verified.
//! * [`manifest`]: the bytes of a manifest, and what is found by it.
//! * [`cluster_file`]: `cluster.json`, the bucket's identity.
//! * [`cache`]: segments in memory, fetched once however many ask.
//! * [`keys`]: what objects are called.
//! * [`inspect`]: any object in words.
//!
//! Nothing here knows a topic's name, an offset's meaning or SQL.

pub mod bucket;
pub mod cache;
pub mod cluster_file;
pub mod error;
pub mod inspect;
pub mod keys;
pub mod local;
pub mod manifest;
pub mod metrics;
mod open;
pub mod preflight;
pub mod segment;
mod slices;

pub use bucket::{Bucket, BucketOptions, ObjectInfo};
pub use error::StoreError;
pub use metrics::StoreMetrics;
pub use open::{Environment, NoAnswer, S3Access, S3Credentials, S3Sender, open, open_to_read, open_with};
pub use slices::Slices;
