//! From an extent's bytes to the batches of a response.
//!
//! Ingest segments hold batches as their producers sent them, with base offset 0. Which offsets they have follows
//! from their extent: they lie back to back and their offsets are dense. So the headers are walked to the
//! batch that holds the wanted offset, and each batch that is sent gets its base offset and leader epoch
//! in 16 fresh bytes; archived ones, which carry theirs, get the same. Everything behind those goes out as it is stored: no copy, no decompression.
//!
//! What the headers say has to add up to what the extent promises; if it does not, the object is damaged
//! and nothing of that extent beyond the damage is sent.

use bytes::{Bytes, BytesMut};
use esker_metastore::Extent;
use esker_model::planted::{Mistake, planted};
use esker_protocol::batch::{BATCH_HEADER_BYTES, Batch, BatchError, BatchHeader, PATCH_BYTES};
use esker_storage::Slices;

/// The stored bytes are not what the extent says.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Damage {
    /// A batch cannot be read.
    #[error("offset {offset}: {error}")]
    Batch {
        /// Offset of the batch.
        offset: i64,
        /// What is wrong with it.
        error: BatchError,
    },
    /// The batches hold other offsets than the extent.
    #[error("batches reach from {base} to {found}, the extent to {end}")]
    Offsets {
        /// Where the extent begins.
        base: i64,
        /// Where its batches end.
        found: i64,
        /// Where it ends.
        end: i64,
    },
}

/// The batches of an extent, one after the other.
pub(crate) struct ExtentBatches<'a> {
    slices: &'a [Bytes],
    /// Bytes of the first slice that were passed.
    passed: usize,
    extent: &'a Extent,
    next_offset: i64,
    bytes_left: u64,
    failed: bool,
}

/// One stored batch with the offset it has in its partition.
pub(crate) struct StoredBatch {
    /// Its header as it goes to readers: with its real base offset; the leader epoch is the stored one.
    pub header: BatchHeader,
    /// Its bytes as they are stored.
    slices: Vec<Bytes>,
}

impl<'a> ExtentBatches<'a> {
    /// `slices` are exactly the bytes of `extent`.
    pub(crate) fn new(extent: &'a Extent, slices: &'a [Bytes]) -> Self {
        let bytes_left = slices.iter().map(|slice| slice.len() as u64).sum();
        Self {
            slices,
            passed: 0,
            extent,
            next_offset: extent.base_offset,
            bytes_left,
            failed: false,
        }
    }

    /// Looks at the next batch's header without passing it.
    fn peek(&self) -> Result<BatchHeader, Damage> {
        let damage = |error| Damage::Batch {
            offset: self.next_offset,
            error,
        };
        let first = self
            .slices
            .first()
            .map(|slice| &slice[self.passed..])
            .unwrap_or_default();
        let header = if first.len() >= BATCH_HEADER_BYTES {
            BatchHeader::parse(first)
        } else {
            // A batch that was stamped on arrival lies in two slices.
            let mut together = Vec::with_capacity(BATCH_HEADER_BYTES);
            together.extend_from_slice(first);
            for slice in self.slices.iter().skip(1) {
                if together.len() >= BATCH_HEADER_BYTES {
                    break;
                }
                let room = BATCH_HEADER_BYTES - together.len();
                together.extend_from_slice(&slice[..slice.len().min(room)]);
            }
            BatchHeader::parse(&together)
        };
        let mut header = header.map_err(damage)?;
        let bytes = header.total_bytes();
        if bytes as u64 > self.bytes_left {
            return Err(damage(BatchError::CutOff {
                expected: bytes,
                found: self.bytes_left as usize,
            }));
        }
        header.base_offset = self.next_offset;
        // A delta below 0 would make offsets go back.
        if header.last_offset_delta < 0 || header.next_offset() > self.extent.end_offset {
            return Err(self.wrong_offsets(header.next_offset()));
        }
        Ok(header)
    }

    fn wrong_offsets(&self, found: i64) -> Damage {
        Damage::Offsets {
            base: self.extent.base_offset,
            found,
            end: self.extent.end_offset,
        }
    }

    fn advance(&mut self, header: &BatchHeader) {
        let mut left = header.total_bytes();
        self.bytes_left -= left as u64;
        self.next_offset = header.next_offset();
        while let Some(first) = self.slices.first() {
            let here = first.len() - self.passed;
            if left < here {
                self.passed += left;
                return;
            }
            left -= here;
            self.passed = 0;
            self.slices = &self.slices[1..];
        }
    }

    fn take(&mut self, header: BatchHeader) -> StoredBatch {
        let (slices, passed) = (self.slices, self.passed);
        self.advance(&header);
        let mut left = header.total_bytes();
        let mut from = passed;
        let mut taken = Vec::with_capacity(1);
        for slice in slices {
            let to = slice.len().min(from + left);
            if from < to {
                taken.push(slice.slice(from..to));
            }
            left -= to - from;
            from = 0;
            if left == 0 {
                break;
            }
        }
        StoredBatch {
            header,
            slices: taken,
        }
    }

    /// Passes the batches that end at or before `offset`.
    pub(super) fn skip_to(&mut self, offset: i64) -> Result<(), Damage> {
        while self.bytes_left > 0 {
            let header = self.peek()?;
            if header.next_offset() > offset {
                return Ok(());
            }
            self.advance(&header);
        }
        Ok(())
    }

    /// The next batch if `wanted` says so, else it stays.
    pub(crate) fn next_if(
        &mut self,
        wanted: impl FnOnce(&BatchHeader) -> bool,
    ) -> Result<Option<StoredBatch>, Damage> {
        if self.bytes_left == 0 {
            if self.next_offset != self.extent.end_offset && !self.failed {
                self.failed = true;
                return Err(self.wrong_offsets(self.next_offset));
            }
            return Ok(None);
        }
        let header = self.peek()?;
        Ok(if wanted(&header) {
            Some(self.take(header))
        } else {
            None
        })
    }
}

impl StoredBatch {
    /// Bytes on the wire.
    pub(super) fn bytes(&self) -> u64 {
        self.header.total_bytes() as u64
    }

    /// Its bytes as they are stored.
    pub(crate) fn into_slices(self) -> Slices {
        self.slices.into_iter().collect()
    }

    /// The batch in one piece, for opening it. Offsets of its records are real ones.
    pub(crate) fn into_batch(self) -> Batch {
        Batch {
            header: self.header,
            bytes: self.into_slices().into_bytes(),
        }
    }
}

/// Record slices of one partition, as they go out.
pub(super) struct Outgoing {
    leader_epoch: i32,
    batches: Vec<StoredBatch>,
    bytes: u64,
}

impl Outgoing {
    /// Nothing yet.
    pub(super) fn new(leader_epoch: i32) -> Self {
        Self {
            leader_epoch,
            batches: Vec::new(),
            bytes: 0,
        }
    }

    /// Bytes on the wire so far.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Appends a batch.
    pub(super) fn push(&mut self, batch: StoredBatch) {
        self.bytes += batch.bytes();
        self.batches.push(batch);
    }

    /// The slices in order: for each batch 16 new bytes and the untouched rest.
    pub(super) fn into_slices(self) -> Vec<Bytes> {
        let mut patches = BytesMut::with_capacity(self.batches.len() * PATCH_BYTES);
        let mut out = Vec::with_capacity(self.batches.len() * 2);
        let first = self.batches.first().map_or(0, |batch| batch.header.base_offset);
        for batch in self.batches {
            let mut header = batch.header;
            if planted(Mistake::WrongBaseOffset) {
                header.base_offset = first;
            }
            header.partition_leader_epoch = self.leader_epoch;
            patches.extend_from_slice(&header.write()[..PATCH_BYTES]);
            out.push(patches.split().freeze());
            let mut patched = PATCH_BYTES;
            for slice in batch.slices {
                let here = patched.min(slice.len());
                patched -= here;
                if here < slice.len() {
                    out.push(if here == 0 { slice } else { slice.slice(here..) });
                }
            }
        }
        out
    }
}

#[cfg(test)]
mod tests;
