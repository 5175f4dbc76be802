//! From a directory back to a store.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64};

use hyper::header::{HeaderName, HeaderValue};
use parking_lot::{Mutex, RwLock};

use super::blob::{Blob, BlobDirectory, Blobs};
use super::journal::{self, Journal, PutRecord, Record};
use super::object::{About, Object};
use super::{Bucket, Store};

/// What a journal comes down to.
#[derive(Default)]
struct State(BTreeMap<String, (u64, BTreeMap<String, PutRecord>)>);

impl State {
    fn apply(&mut self, record: Record) {
        match record {
            Record::CreateBucket { bucket, created_ms } => {
                self.0.insert(bucket, (created_ms, BTreeMap::new()));
            }
            Record::DeleteBucket { bucket } => {
                self.0.remove(&bucket);
            }
            Record::Put(put) => {
                if let Some((_, objects)) = self.0.get_mut(&put.bucket) {
                    objects.insert(put.key.clone(), put);
                }
            }
            Record::Delete { bucket, key } => {
                if let Some((_, objects)) = self.0.get_mut(&bucket) {
                    objects.remove(&key);
                }
            }
        }
    }

    fn records(&self) -> Vec<Record> {
        let mut records = Vec::new();
        for (bucket, (created_ms, objects)) in &self.0 {
            records.push(Record::CreateBucket {
                bucket: bucket.clone(),
                created_ms: *created_ms,
            });
            records.extend(objects.values().cloned().map(Record::Put));
        }
        records
    }
}

pub(super) fn open(path: &Path, sync: bool) -> std::io::Result<Store> {
    let (lock, written) = journal::open(path)?;
    let mut state = State::default();
    for record in written {
        state.apply(record);
    }
    let records = state.records();
    let last = journal::sweep(path, &records)?;
    let journal = Journal::rewrite(path, lock, &records, sync)?;
    let closing = Arc::new(AtomicBool::new(false));
    let directory = BlobDirectory {
        path: journal::blob_directory(path),
        next: AtomicU64::new(last + 1),
        sync,
        closing: Arc::clone(&closing),
    };
    let mut files = BTreeMap::new();
    let mut buckets = BTreeMap::new();
    for (name, (created_ms, puts)) in state.0 {
        let mut bucket = Bucket {
            created_ms,
            ..Bucket::default()
        };
        for (key, put) in puts {
            let blobs: Arc<[Blob]> = put
                .blobs
                .iter()
                // Copies share blobs.
                .map(|(id, bytes)| {
                    let file = files.entry(*id).or_insert_with(|| directory.file(*id, *bytes));
                    Blob::File(Arc::clone(file))
                })
                .collect();
            bucket.objects.insert(key, Arc::new(object(&put, blobs)));
        }
        buckets.insert(name, bucket);
    }
    Ok(Store {
        blobs: Blobs::Directory(directory),
        buckets: RwLock::new(buckets),
        journal: Some(Mutex::new(journal)),
        closing,
    })
}

fn object(put: &PutRecord, blobs: Arc<[Blob]>) -> Object {
    let headers = put.headers.iter().filter_map(|(name, value)| {
        let name = HeaderName::from_bytes(name.as_bytes()).ok()?;
        Some((name, HeaderValue::from_bytes(value).ok()?))
    });
    Object {
        bytes: put.blobs.iter().map(|(_, bytes)| bytes).sum(),
        etag: put.etag.clone(),
        modified_ms: put.modified_ms,
        about: About {
            headers: headers.collect(),
            checksum: put.checksum.clone(),
        },
        blobs,
    }
}
