//! What the threads of a server share.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::body::EtagKind;
use crate::counts::{Counts, Snapshot};
use crate::error::S3Error;
use crate::faults::Faults;
use crate::ops::Effect;
use crate::options::Options;
use crate::reply::Reply;
use crate::store::{ListQuery, Store};

/// An object that is stored.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct ObjectInfo {
    /// Where.
    pub bucket: String,
    /// Its key.
    pub key: String,
    /// Its size.
    pub bytes: u64,
    /// Its entity tag, without the quotes.
    pub etag: String,
}

#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) store: Store,
    pub(crate) faults: Faults,
    pub(crate) counts: Arc<Counts>,
    pub(crate) etag: EtagKind,
    pub(crate) access_keys: Vec<String>,
    pub(crate) bad_signature_keys: Vec<String>,
    pub(crate) log: bool,
    next_request: AtomicU64,
}

impl Shared {
    pub(crate) fn new(options: &Options, store: Store) -> Self {
        Self {
            store,
            faults: Faults::new(options.seed),
            counts: Arc::default(),
            etag: options.etag,
            access_keys: options.access_keys.clone(),
            bad_signature_keys: options.bad_signature_keys.clone(),
            log: options.log,
            next_request: AtomicU64::new(1),
        }
    }

    pub(crate) fn request_id(&self) -> String {
        format!("{:016X}", self.next_request.fetch_add(1, Ordering::Relaxed))
    }

    /// Carries out what a request comes down to, on a thread that may wait for the disk if it must. Once
    /// begun it is done, whatever becomes of the request.
    pub(crate) async fn run(self: &Arc<Self>, effect: &Effect) -> Result<Reply, S3Error> {
        if !self.store.blocks() {
            return effect(self);
        }
        let (shared, effect) = (Arc::clone(self), Arc::clone(effect));
        tokio::task::spawn_blocking(move || effect(&shared))
            .await
            .unwrap_or_else(|_| Err(S3Error::new(500, "InternalError", "The thread that ran it died.")))
    }

    pub(crate) fn snapshot(&self) -> Snapshot {
        self.counts.snapshot(self.store.usage())
    }

    pub(crate) fn reset_counts(&self) -> Snapshot {
        self.counts.reset(self.store.usage())
    }

    /// The objects whose keys start with `prefix`, in all buckets or in one.
    pub(crate) fn objects(&self, bucket: Option<&str>, prefix: &str) -> Result<Vec<ObjectInfo>, S3Error> {
        let buckets = match bucket {
            Some(name) => vec![name.to_owned()],
            None => self.store.buckets().into_iter().map(|(name, _)| name).collect(),
        };
        let query = ListQuery {
            prefix: prefix.to_owned(),
            entries_max: usize::MAX,
            ..ListQuery::default()
        };
        let mut found = Vec::new();
        for bucket in buckets {
            let listing = self.store.list(&bucket, &query)?;
            found.extend(listing.objects.into_iter().map(|(key, object)| ObjectInfo {
                bucket: bucket.clone(),
                key,
                bytes: object.bytes,
                etag: object.etag.clone(),
            }));
        }
        Ok(found)
    }
}
