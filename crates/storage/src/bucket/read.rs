//! Reads.

use std::ops::Range;
use std::time::Duration;

use bytes::Bytes;
use esker_model::planted::{Mistake, planted};
use esker_model::{ManifestId, ObjectId, SegmentId};
use object_store::{GetOptions, ObjectStore, ObjectStoreExt};
use tracing::warn;

use super::attempt::attempt_time;
use super::{Bucket, OBJECT_BYTES_MAX, ObjectInfo};
use crate::error::StoreError;
use crate::manifest::Manifest;
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
        let check = |object: &Bytes| {
            let footer = segment::verify(object).map_err(|err| StoreError::corrupt(&key, &err))?;
            is_named(&key, ObjectId::Segment(footer.id), ObjectId::Segment(*id))
        };
        self.get_right(&key, None, check).await
    }

    /// Reads a manifest whole and verifies all of it, and that it is the one that its key names. `NotFound` and `Corrupt`
    /// as of [`Bucket::get_segment`].
    pub async fn get_manifest(&self, id: &ManifestId) -> Result<Bytes, StoreError> {
        let key = keys::manifest_key(id);
        let check = |object: &Bytes| {
            let manifest = Manifest::decode(object).map_err(|err| StoreError::corrupt(&key, &err))?;
            is_named(&key, ObjectId::Manifest(manifest.id), ObjectId::Manifest(*id))
        };
        self.get_right(&key, None, check).await
    }

    /// Reads a chunk of an archive segment or a merged one, given in bytes, and verifies it. `NotFound` and `Corrupt` as
    /// of [`Bucket::get_segment`].
    pub async fn get_chunk(&self, id: &SegmentId, range: Range<u64>, crc: u32) -> Result<Bytes, StoreError> {
        let key = keys::object_key(id);
        let (start, bytes) = (range.start, range.end.saturating_sub(range.start));
        if bytes > OBJECT_BYTES_MAX {
            return Err(StoreError::Corrupt {
                key,
                what: format!("a chunk of {bytes} bytes where at most {OBJECT_BYTES_MAX} were written"),
            });
        }
        let check = |chunk: &Bytes| {
            if crc32c::crc32c(chunk) == crc {
                return Ok(());
            }
            Err(StoreError::Corrupt {
                key: key.clone(),
                what: format!("the checksum of the chunk at {start} does not match"),
            })
        };
        self.get_right(&key, Some(range), check).await
    }

    /// Reads an object, or a range of it, until it is right. What `check` says is believed only after several reads.
    async fn get_right(
        &self,
        key: &str,
        range: Option<Range<u64>>,
        check: impl Fn(&Bytes) -> Result<(), StoreError>,
    ) -> Result<Bytes, StoreError> {
        let mut reads = 0;
        loop {
            let bytes = match &range {
                None => self.get(key).await?,
                Some(range) => self.get_range(key, range.clone()).await?,
            };
            reads += 1;
            if planted(Mistake::SkipChecksum) {
                return Ok(bytes);
            }
            match check(&bytes) {
                Ok(()) => return Ok(bytes),
                Err(err) if reads == CORRUPT_READS => return Err(err),
                Err(err) => warn!(%err, "reading it again: it may have been damaged on its way"),
            }
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
}

/// An error unless an object is the one that its key names.
fn is_named(key: &str, held: ObjectId, named: ObjectId) -> Result<(), StoreError> {
    if held == named {
        return Ok(());
    }
    let what = match held {
        ObjectId::Segment(id) => format!("it holds segment {id}"),
        ObjectId::Manifest(id) => format!("it holds manifest {id} of {}", id.log),
    };
    Err(StoreError::Corrupt {
        key: key.to_owned(),
        what,
    })
}
