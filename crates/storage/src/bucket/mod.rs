//! The handle through which everything reaches the object store.
//!
//! What holds: an object is written once and never replaced; a retry repeats the same bytes under the
//! same key; every attempt on the wire is counted (the client below is told not to retry by itself); an
//! attempt that gets no answer is cut off; a store that asks for fewer requests gets fewer.
//!
//! On failure the caller gets a [`StoreError`] that says what it can do. A read that is cancelled leaves
//! nothing behind; a put that is cancelled, gave up or crashed may still land later.
//!
//! Keys are relative to the bucket's prefix: `ingest/1/…`, `cluster.json`.

mod attempt;
mod chunks;
mod delete;
mod failure;
mod list;
mod pace;
mod put;
mod read;

use std::sync::Arc;
use std::time::Duration;

use esker_model::seams::Seams;
use object_store::ObjectStore;
use object_store::memory::InMemory;
use object_store::path::Path;

pub use self::chunks::ChunkPlace;
pub use self::delete::DELETE_AT_ONCE;
use crate::metrics::StoreMetrics;
use pace::Pace;

/// How long a read, a listing or a delete goes on trying.
const READ_PATIENCE: Duration = Duration::from_secs(10);

/// The largest object that is read whole. A larger one is refused before its body is read.
pub const OBJECT_BYTES_MAX: u64 = 256 * 1024 * 1024;

/// What a bucket is built with.
#[derive(Clone)]
pub struct BucketOptions {
    /// Time and randomness.
    pub seams: Seams,
    /// Counters.
    pub metrics: StoreMetrics,
    /// How long a read, a listing or a delete goes on trying before it is `Unavailable`.
    pub read_patience: Duration,
}

impl BucketOptions {
    /// The usual options.
    pub fn new(seams: Seams, metrics: StoreMetrics) -> Self {
        Self {
            seams,
            metrics,
            read_patience: READ_PATIENCE,
        }
    }
}

/// A bucket, or the part of one below a prefix. Cheap to clone.
#[derive(Clone)]
pub struct Bucket(Arc<Inner>);

struct Inner {
    store: Arc<dyn ObjectStore>,
    prefix: Path,
    place: String,
    options: BucketOptions,
    pace: Pace,
}

/// An object as a listing shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectInfo {
    /// Its key, without the bucket's prefix.
    pub key: String,
    /// Its size in bytes.
    pub bytes: u64,
}

impl Bucket {
    /// A bucket on any store. `prefix` may be empty; `place` is what people are told it is called.
    pub fn new(store: Arc<dyn ObjectStore>, prefix: &str, place: &str, options: BucketOptions) -> Self {
        Self(Arc::new(Inner {
            store,
            prefix: Path::from(prefix),
            place: place.to_owned(),
            options,
            pace: Pace::default(),
        }))
    }

    /// A bucket in memory, for tests.
    pub fn memory(seams: Seams) -> Self {
        let options = BucketOptions::new(seams, StoreMetrics::default());
        Self::new(Arc::new(InMemory::new()), "", "the bucket in memory", options)
    }

    /// What people are told the bucket is called.
    pub fn place(&self) -> &str {
        &self.0.place
    }

    /// Its counters.
    pub fn metrics(&self) -> &StoreMetrics {
        &self.0.options.metrics
    }

    /// Its time and randomness.
    pub fn seams(&self) -> &Seams {
        &self.0.options.seams
    }

    fn path(&self, key: &str) -> Path {
        if self.0.prefix.is_root() {
            Path::from(key)
        } else {
            Path::from(format!("{}/{key}", self.0.prefix))
        }
    }

    /// The key of a path that the store named.
    fn key(&self, path: &Path) -> String {
        let whole: &str = path.as_ref();
        match whole.strip_prefix(self.0.prefix.as_ref()) {
            Some(rest) => rest.trim_start_matches('/').to_owned(),
            None => whole.to_owned(),
        }
    }
}
