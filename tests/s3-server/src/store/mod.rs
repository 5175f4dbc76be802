//! Buckets and what is in them.
//!
//! What holds: a change is decided and made under one lock, so that of writers that race under
//! `If-None-Match: *` exactly one wins; a reader has an object whole, as it was when it asked, whatever
//! happens to it meanwhile. In a directory, what was answered survives `kill -9` (and with `sync` the
//! machine's end). Changes to a directory block: callers run them on a thread that may.

mod blob;
mod budget;
mod journal;
mod list;
mod object;
mod reopen;
mod uploads;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::{Mutex, RwLock};

pub(crate) use blob::{Blob, BlobFile, BlobWriter, FILE_CHUNK_BYTES};
pub(crate) use list::{ListQuery, Listing, Start};
pub(crate) use object::{About, Conditions, Object};
pub(crate) use uploads::NewPart;

use crate::error::S3Error;
use crate::options::Keep;
use crate::time;
use blob::Blobs;
use budget::Budget;
use journal::{Journal, PutRecord, Record};
use uploads::Uploads;

#[derive(Debug, Default)]
struct Bucket {
    created_ms: u64,
    objects: BTreeMap<String, Arc<Object>>,
    uploads: Uploads,
}

/// All that is stored.
#[derive(Debug)]
pub(crate) struct Store {
    blobs: Blobs,
    buckets: RwLock<BTreeMap<String, Bucket>>,
    journal: Option<Mutex<Journal>>,
    closing: Arc<AtomicBool>,
}

/// What is stored, summed up.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Usage {
    pub(crate) objects: u64,
    pub(crate) bytes: u64,
    pub(crate) uploads: u64,
}

impl Store {
    pub(crate) fn open(keep: &Keep) -> std::io::Result<Self> {
        match keep {
            Keep::Memory { bytes_max } => Ok(Self {
                blobs: Blobs::Memory(Budget::new(*bytes_max)),
                buckets: RwLock::default(),
                journal: None,
                closing: Arc::default(),
            }),
            Keep::Directory { path, sync } => reopen::open(path, *sync),
        }
    }

    /// Whether changes wait for a file system.
    pub(crate) fn blocks(&self) -> bool {
        self.journal.is_some()
    }

    pub(crate) fn writer(&self, expected: Option<u64>) -> Result<BlobWriter, S3Error> {
        self.blobs.writer(expected)
    }

    /// Appends to the journal; called under the lock of `buckets`.
    fn record(&self, record: impl FnOnce() -> Record) -> Result<(), S3Error> {
        match &self.journal {
            None => Ok(()),
            Some(journal) => journal
                .lock()
                .append(&record())
                .map_err(|err| S3Error::io("cannot write the journal", &err)),
        }
    }

    pub(crate) fn create_bucket(&self, name: &str) -> Result<(), S3Error> {
        let mut buckets = self.buckets.write();
        if buckets.contains_key(name) {
            return Err(S3Error::new(
                409,
                "BucketAlreadyOwnedByYou",
                "The bucket exists already.",
            ));
        }
        let created_ms = time::now_ms();
        self.record(|| Record::CreateBucket {
            bucket: name.to_owned(),
            created_ms,
        })?;
        let bucket = Bucket {
            created_ms,
            ..Bucket::default()
        };
        buckets.insert(name.to_owned(), bucket);
        Ok(())
    }

    pub(crate) fn delete_bucket(&self, name: &str) -> Result<(), S3Error> {
        let mut buckets = self.buckets.write();
        let bucket = buckets.get(name).ok_or_else(S3Error::no_such_bucket)?;
        if !bucket.objects.is_empty() {
            return Err(S3Error::new(
                409,
                "BucketNotEmpty",
                "There are objects in the bucket.",
            ));
        }
        self.record(|| Record::DeleteBucket {
            bucket: name.to_owned(),
        })?;
        buckets.remove(name);
        Ok(())
    }

    /// Names and times of creation.
    pub(crate) fn buckets(&self) -> Vec<(String, u64)> {
        let buckets = self.buckets.read();
        buckets
            .iter()
            .map(|(name, bucket)| (name.clone(), bucket.created_ms))
            .collect()
    }

    fn read<T>(&self, bucket: &str, read: impl FnOnce(&Bucket) -> T) -> Result<T, S3Error> {
        let buckets = self.buckets.read();
        buckets.get(bucket).map(read).ok_or_else(S3Error::no_such_bucket)
    }

    fn change<T>(
        &self,
        bucket: &str,
        change: impl FnOnce(&mut Bucket) -> Result<T, S3Error>,
    ) -> Result<T, S3Error> {
        let mut buckets = self.buckets.write();
        change(buckets.get_mut(bucket).ok_or_else(S3Error::no_such_bucket)?)
    }

    pub(crate) fn check_bucket(&self, bucket: &str) -> Result<(), S3Error> {
        self.read(bucket, |_| ())
    }

    pub(crate) fn get(&self, bucket: &str, key: &str) -> Result<Arc<Object>, S3Error> {
        self.read(bucket, |bucket| bucket.objects.get(key).cloned())?
            .ok_or_else(S3Error::no_such_key)
    }

    /// Stores an object, if the conditions hold at this moment.
    pub(crate) fn put(
        &self,
        bucket: &str,
        key: &str,
        object: Object,
        conditions: &Conditions,
    ) -> Result<(), S3Error> {
        self.change(bucket, |there| {
            conditions.check_write(there.objects.get(key).map(Arc::as_ref))?;
            self.record(|| put_record(bucket, key, &object))?;
            Ok(there.objects.insert(key.to_owned(), Arc::new(object)))
        })
        // What was there before goes here, not under the lock.
        .map(drop)
    }

    /// Removes an object; one that is not there is removed already.
    pub(crate) fn delete(&self, bucket: &str, key: &str, conditions: &Conditions) -> Result<(), S3Error> {
        self.change(bucket, |there| {
            let current = there.objects.get(key);
            if current.is_none() {
                return Ok(None);
            }
            conditions.check_write(current.map(Arc::as_ref))?;
            self.record(|| Record::Delete {
                bucket: bucket.to_owned(),
                key: key.to_owned(),
            })?;
            Ok(there.objects.remove(key))
        })
        .map(drop)
    }

    pub(crate) fn list(&self, bucket: &str, query: &ListQuery) -> Result<Listing, S3Error> {
        self.read(bucket, |bucket| list::list(&bucket.objects, query))
    }

    pub(crate) fn usage(&self) -> Usage {
        let buckets = self.buckets.read();
        let mut usage = Usage::default();
        for bucket in buckets.values() {
            usage.objects += bucket.objects.len() as u64;
            usage.bytes += bucket.objects.values().map(|object| object.bytes).sum::<u64>();
            usage.uploads += bucket.uploads.len() as u64;
        }
        usage
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        // What goes now does not go from the directory.
        self.closing.store(true, Ordering::Relaxed);
    }
}

fn put_record(bucket: &str, key: &str, object: &Object) -> Record {
    let blobs = object.blobs.iter().filter_map(|blob| match blob {
        Blob::File(file) => Some((file.id, file.bytes)),
        Blob::Memory(_) => None,
    });
    let headers = object.about.headers.iter();
    Record::Put(PutRecord {
        bucket: bucket.to_owned(),
        key: key.to_owned(),
        blobs: blobs.collect(),
        etag: object.etag.clone(),
        modified_ms: object.modified_ms,
        headers: headers
            .map(|(name, value)| (name.as_str().to_owned(), value.as_bytes().to_vec()))
            .collect(),
        checksum: object.about.checksum.clone(),
    })
}
