//! Reads.

use std::future::Future;
use std::ops::Range;
use std::time::Duration;

use bytes::Bytes;
use esker_model::planted::{Mistake, planted};
use esker_model::{ManifestId, ObjectId, SegmentId};
use futures::TryStreamExt;
use object_store::{GetOptions, GetRange, GetResult, ObjectStore, ObjectStoreExt};
use tracing::warn;

use super::attempt::attempt_time;
use super::{Bucket, OBJECT_BYTES_MAX, ObjectInfo};
use crate::error::StoreError;
use crate::manifest::Manifest;
use crate::metrics::Op;
use crate::slices::Slices;
use crate::{keys, segment};

/// What an attempt is allowed to read when the size is not known beforehand.
const UNKNOWN_BYTES: u64 = 16 * 1024 * 1024;

/// Reads of an object until it is believed to be damaged in the store, and not on its way.
const CORRUPT_READS: u32 = 3;

/// What is read of an object.
enum Part {
    /// All of it, unless it has more bytes.
    Whole { bytes_max: u64 },
    /// Bytes of it.
    Range(Range<u64>),
}

const WHOLE: Part = Part::Whole {
    bytes_max: OBJECT_BYTES_MAX,
};

/// A body, or the size of one that was not read because it is too large.
enum Read<B> {
    Done(B),
    TooLarge(u64),
}

/// A body in memory.
trait Body: Default {
    fn of(answer: GetResult) -> impl Future<Output = object_store::Result<Self>> + Send;

    fn bytes(&self) -> u64;
}

/// In one piece: what came is copied into it.
impl Body for Bytes {
    async fn of(answer: GetResult) -> object_store::Result<Self> {
        answer.bytes().await
    }

    fn bytes(&self) -> u64 {
        self.len() as u64
    }
}

/// As it came.
impl Body for Slices {
    async fn of(answer: GetResult) -> object_store::Result<Self> {
        let came: Vec<Bytes> = answer.into_stream().try_collect().await?;
        Ok(came.into_iter().collect())
    }

    fn bytes(&self) -> u64 {
        self.len() as u64
    }
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
        self.read(key, &Part::Whole { bytes_max }, patience).await
    }

    /// Reads a range, given in bytes. An object that ends inside or before it is `Corrupt`.
    pub async fn get_range(&self, key: &str, range: Range<u64>) -> Result<Bytes, StoreError> {
        self.read(key, &Part::Range(range), self.0.options.read_patience)
            .await
    }

    /// The same, in slices as they came.
    pub(super) async fn get_range_slices(&self, key: &str, range: Range<u64>) -> Result<Slices, StoreError> {
        self.read(key, &Part::Range(range), self.0.options.read_patience)
            .await
    }

    async fn read<B: Body>(&self, key: &str, part: &Part, patience: Duration) -> Result<B, StoreError> {
        let (bytes_max, expected, range) = match part {
            Part::Whole { bytes_max } => (*bytes_max, (*bytes_max).min(UNKNOWN_BYTES), None),
            Part::Range(range) => (
                u64::MAX,
                range.end.saturating_sub(range.start),
                Some(GetRange::Bounded(range.clone())),
            ),
        };
        if let Part::Range(range) = part
            && range.is_empty()
        {
            return Ok(B::default());
        }
        let path = self.path(key);
        let options = GetOptions {
            range,
            ..GetOptions::default()
        };
        let read = self
            .retry(Op::Get, key, patience, attempt_time(expected), || async {
                let answer = self.0.store.get_opts(&path, options.clone()).await?;
                if answer.meta.size > bytes_max {
                    return Ok(Read::TooLarge(answer.meta.size));
                }
                Ok(Read::Done(B::of(answer).await?))
            })
            .await?;
        let corrupt = |what| StoreError::Corrupt {
            key: key.to_owned(),
            what,
        };
        let body = match read {
            Read::Done(body) => body,
            Read::TooLarge(bytes) => {
                let what = format!("{bytes} bytes where at most {bytes_max} were written");
                return Err(corrupt(what));
            }
        };
        let bytes = body.bytes();
        self.metrics().moved(Op::Get, bytes);
        match part {
            Part::Range(range) if bytes != range.end - range.start => Err(corrupt(format!(
                "{bytes} bytes where a range of {expected} was asked for"
            ))),
            _ => Ok(body),
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
        self.get_right(&key, &WHOLE, check).await
    }

    /// The same, in slices as they came: for those who look at all of it once.
    pub async fn get_segment_slices(&self, id: &SegmentId) -> Result<Slices, StoreError> {
        let key = keys::object_key(id);
        let check = |object: &Slices| {
            let footer = segment::verify_slices(object).map_err(|err| StoreError::corrupt(&key, &err))?;
            is_named(&key, ObjectId::Segment(footer.id), ObjectId::Segment(*id))
        };
        self.get_right(&key, &WHOLE, check).await
    }

    /// Reads a manifest whole and verifies all of it, and that it is the one that its key names. `NotFound` and `Corrupt`
    /// as of [`Bucket::get_segment`].
    pub async fn get_manifest(&self, id: &ManifestId) -> Result<Bytes, StoreError> {
        let key = keys::manifest_key(id);
        let check = |object: &Bytes| {
            let manifest = Manifest::decode(object).map_err(|err| StoreError::corrupt(&key, &err))?;
            is_named(&key, ObjectId::Manifest(manifest.id), ObjectId::Manifest(*id))
        };
        self.get_right(&key, &WHOLE, check).await
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
        self.get_right(&key, &Part::Range(range), check).await
    }

    /// Reads an object, or a range of it, until it is right. What `check` says is believed only after several reads.
    async fn get_right<B: Body>(
        &self,
        key: &str,
        part: &Part,
        check: impl Fn(&B) -> Result<(), StoreError>,
    ) -> Result<B, StoreError> {
        let mut reads = 0;
        loop {
            let bytes = self.read(key, part, self.0.options.read_patience).await?;
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
