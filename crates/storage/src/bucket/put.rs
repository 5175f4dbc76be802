//! Writing an object once.
//!
//! Every attempt sends the same bytes under the same key on the condition that nothing is there. When
//! something is, its tail tells whether it is ours (an earlier attempt landed although its answer was
//! lost) or another's. A tail carries checksums of all that stands before it, so equal tails mean equal
//! objects; the size alone would not.
//!
//! S3 answers 409 while two conditional puts of one key are under way, which the client reports like
//! 412. If nothing is there after all, the put is simply tried again.

use bytes::Bytes;
use esker_model::planted::{Mistake, planted};
use esker_model::seams::Instant;
use object_store::{ObjectStore, ObjectStoreExt, PutMode, PutPayload};

use super::Bucket;
use super::attempt::attempt_time;
use super::failure::Failure;
use crate::error::StoreError;
use crate::metrics::Op;
use crate::segment::TAIL_BYTES;

/// Who holds a key.
enum Holder {
    Us,
    Another,
    Nobody,
}

impl Bucket {
    /// Writes a new object: `payload` is all of it, in slices that are not copied, and `tail` repeats its
    /// last [`TAIL_BYTES`]. Tries until `deadline` (on the bucket's own clock).
    ///
    /// * `Ok`: the object is there with these bytes, whichever attempt wrote it.
    /// * `Conflict`: the key holds other bytes. Never try it again.
    /// * `GaveUp`: the deadline passed. The bytes may be there, or may still land later.
    /// * `Denied`, `Misconfigured`: trying again will not help. If an earlier attempt went unanswered its
    ///   bytes may still land, so treat the key as after `GaveUp`.
    pub async fn put_new(
        &self,
        key: &str,
        payload: Vec<Bytes>,
        tail: [u8; TAIL_BYTES],
        deadline: Instant,
    ) -> Result<(), StoreError> {
        let payload = PutPayload::from_iter(payload);
        let bytes = payload.content_length() as u64;
        let mut attempts = 0;
        loop {
            attempts += 1;
            let failure = match self.put_once(key, payload.clone(), deadline).await {
                Ok(()) => return Ok(()),
                Err(Failure::Exists) => match self.holder(key, bytes, &tail, deadline).await {
                    Ok(Holder::Us) => return Ok(()),
                    Ok(Holder::Another) => return Err(StoreError::Conflict { key: key.to_owned() }),
                    Ok(Holder::Nobody) => {
                        Failure::Unavailable(format!("{} is busy with another put of {key}", self.place()))
                    }
                    Err(failure) => failure,
                },
                Err(failure) => failure,
            };
            if !failure.is_transient() {
                return Err(failure.into_error(key));
            }
            if !self.pause(attempts, deadline).await {
                let last = failure.sentence().to_owned();
                return Err(StoreError::GaveUp {
                    key: key.to_owned(),
                    attempts,
                    last,
                });
            }
        }
    }

    /// One conditional put. `Exists` says that something is there already.
    pub(super) async fn put_once(
        &self,
        key: &str,
        payload: PutPayload,
        deadline: Instant,
    ) -> Result<(), Failure> {
        let path = self.path(key);
        let bytes = payload.content_length() as u64;
        let mode = if planted(Mistake::ReuseSegmentKey) {
            PutMode::Overwrite
        } else {
            PutMode::Create
        };
        let put = self.0.store.put_opts(&path, payload, mode.into());
        self.attempt(Op::Put, attempt_time(bytes), deadline, put).await?;
        self.metrics().moved(Op::Put, bytes);
        Ok(())
    }

    /// Looks at what holds a key that a put found taken.
    async fn holder(
        &self,
        key: &str,
        bytes: u64,
        tail: &[u8; TAIL_BYTES],
        deadline: Instant,
    ) -> Result<Holder, Failure> {
        let path = self.path(key);
        let time = attempt_time(0);
        let meta = match self
            .attempt(Op::Head, time, deadline, self.0.store.head(&path))
            .await
        {
            Ok(meta) => meta,
            Err(Failure::NotFound) => return Ok(Holder::Nobody),
            Err(failure) => return Err(failure),
        };
        let Some(start) = bytes
            .checked_sub(TAIL_BYTES as u64)
            .filter(|_| meta.size == bytes)
        else {
            return Ok(Holder::Another);
        };
        match self
            .attempt(
                Op::Get,
                time,
                deadline,
                self.0.store.get_range(&path, start..bytes),
            )
            .await
        {
            Ok(stored) if stored.as_ref() == tail => Ok(Holder::Us),
            Ok(_) | Err(Failure::Range) => Ok(Holder::Another),
            Err(Failure::NotFound) => Ok(Holder::Nobody),
            Err(failure) => Err(failure),
        }
    }
}

impl Bucket {
    /// Writes a small object unless the key is taken; `Ok` in both cases. For objects without a tail:
    /// the caller reads what is there now.
    pub(crate) async fn put_if_absent(
        &self,
        key: &str,
        payload: PutPayload,
        deadline: Instant,
    ) -> Result<(), StoreError> {
        let mut attempts = 0;
        loop {
            attempts += 1;
            match self.put_once(key, payload.clone(), deadline).await {
                Ok(()) | Err(Failure::Exists) => return Ok(()),
                Err(failure) if failure.is_transient() => {
                    if !self.pause(attempts, deadline).await {
                        let last = failure.sentence().to_owned();
                        return Err(StoreError::GaveUp {
                            key: key.to_owned(),
                            attempts,
                            last,
                        });
                    }
                }
                Err(failure) => return Err(failure.into_error(key)),
            }
        }
    }
}
