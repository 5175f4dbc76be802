//! Reads, and deletes.

use std::ops::Range;
use std::time::Duration;

use bytes::Bytes;
use esker_model::SegmentId;
use esker_model::planted::{Mistake, planted};
use object_store::{GetOptions, ObjectStore, ObjectStoreExt};
use tracing::warn;

use super::attempt::attempt_time;
use super::{Bucket, OBJECT_BYTES_MAX, ObjectInfo};
use crate::error::StoreError;
use crate::metrics::Op;
use crate::{keys, segment};

/// What an attempt is allowed to read when the size is not known beforehand.
const UNKNOWN_BYTES: u64 = 16 * 1024 * 1024;

/// Reads of an object until it is believed to be damaged in the store, and not on its way.
const CORRUPT_READS: u32 = 3;

/// A body, or the size of one that was not read because it is too large.
enum Body {
    Whole(Bytes),
    TooLarge(u64),
}

impl Bucket {
    /// Reads an object whole. One larger than [`OBJECT_BYTES_MAX`] is `Corrupt`: Esker writes none.
    pub async fn get(&self, key: &str) -> Result<Bytes, StoreError> {
        self.get_within(key, OBJECT_BYTES_MAX, self.0.options.read_patience)
            .await
    }

    /// Reads an object of at most `bytes_max` whole, trying for `patience`.
    pub(crate) async fn get_within(
        &self,
        key: &str,
        bytes_max: u64,
        patience: Duration,
    ) -> Result<Bytes, StoreError> {
        let path = self.path(key);
        let time = attempt_time(bytes_max.min(UNKNOWN_BYTES));
        let body = self
            .retry(Op::Get, key, patience, time, || async {
                let answer = self.0.store.get_opts(&path, GetOptions::default()).await?;
                if answer.meta.size > bytes_max {
                    return Ok(Body::TooLarge(answer.meta.size));
                }
                Ok(Body::Whole(answer.bytes().await?))
            })
            .await?;
        match body {
            Body::Whole(bytes) => {
                self.metrics().moved(Op::Get, bytes.len() as u64);
                Ok(bytes)
            }
            Body::TooLarge(bytes) => Err(StoreError::Corrupt {
                key: key.to_owned(),
                what: format!("{bytes} bytes where at most {bytes_max} were written"),
            }),
        }
    }

    /// Reads a range, given in bytes. An object that ends inside or before it is `Corrupt`.
    pub async fn get_range(&self, key: &str, range: Range<u64>) -> Result<Bytes, StoreError> {
        if range.is_empty() {
            return Ok(Bytes::new());
        }
        let path = self.path(key);
        let wanted = range.end - range.start;
        let bytes = self
            .retry(
                Op::Get,
                key,
                self.0.options.read_patience,
                attempt_time(wanted),
                || self.0.store.get_range(&path, range.clone()),
            )
            .await?;
        self.metrics().moved(Op::Get, bytes.len() as u64);
        if bytes.len() as u64 == wanted {
            Ok(bytes)
        } else {
            let what = format!("{} bytes where a range of {wanted} was asked for", bytes.len());
            Err(StoreError::Corrupt {
                key: key.to_owned(),
                what,
            })
        }
    }

    /// Reads an ingest segment whole and verifies all of it: its tail, every checksum, that it is the
    /// segment that its key names. `NotFound` and `Corrupt` are told apart; `Corrupt` is said only after
    /// several reads, because consumers take it for the end.
    pub async fn get_segment(&self, id: &SegmentId) -> Result<Bytes, StoreError> {
        let key = keys::object_key(id);
        let mut reads = 0;
        loop {
            let object = self.get(&key).await?;
            reads += 1;
            match verify_segment(&key, id, &object) {
                Ok(()) => return Ok(object),
                Err(err) if reads == CORRUPT_READS => return Err(err),
                Err(err) => warn!(%err, "reading it again: it may have been damaged on its way"),
            }
        }
    }

    /// Reads a chunk of an archive segment, given in bytes, and verifies it. `NotFound` and `Corrupt` as of
    /// [`Bucket::get_segment`].
    pub async fn get_chunk(&self, id: &SegmentId, range: Range<u64>, crc: u32) -> Result<Bytes, StoreError> {
        let key = keys::object_key(id);
        let mut reads = 0;
        loop {
            let chunk = self.get_range(&key, range.clone()).await?;
            reads += 1;
            if crc32c::crc32c(&chunk) == crc || planted(Mistake::SkipChecksum) {
                return Ok(chunk);
            }
            let err = StoreError::Corrupt {
                key: key.clone(),
                what: format!("the checksum of the chunk at {} does not match", range.start),
            };
            if reads == CORRUPT_READS {
                return Err(err);
            }
            warn!(%err, "reading it again: it may have been damaged on its way");
        }
    }

    /// Asks for an object's size.
    pub async fn head(&self, key: &str) -> Result<ObjectInfo, StoreError> {
        let path = self.path(key);
        let meta = self
            .retry(
                Op::Head,
                key,
                self.0.options.read_patience,
                attempt_time(0),
                || self.0.store.head(&path),
            )
            .await?;
        Ok(ObjectInfo {
            key: key.to_owned(),
            bytes: meta.size,
        })
    }

    /// Removes an object. One that is not there is removed already.
    pub async fn delete(&self, key: &str) -> Result<(), StoreError> {
        let path = self.path(key);
        let removed = self
            .retry(
                Op::Delete,
                key,
                self.0.options.read_patience,
                attempt_time(0),
                || self.0.store.delete(&path),
            )
            .await;
        match removed {
            Err(StoreError::NotFound { .. }) => Ok(()),
            other => other,
        }
    }
}

fn verify_segment(key: &str, id: &SegmentId, object: &Bytes) -> Result<(), StoreError> {
    if planted(Mistake::SkipChecksum) {
        return Ok(());
    }
    match segment::verify(object) {
        Ok(footer) if footer.id == *id => Ok(()),
        Ok(footer) => Err(StoreError::Corrupt {
            key: key.to_owned(),
            what: format!("it holds segment {}", footer.id),
        }),
        Err(err) => Err(StoreError::corrupt(key, &err)),
    }
}
