//! Writing an archive segment: batches get their final base offset and leader epoch, both outside of what
//! their own CRC covers; everything else is shared with the memory that they were read into.

use bytes::{Bytes, BytesMut};
use esker_model::{ClusterEpoch, LogId, SegmentId, SegmentKind, TopicUuid};

use super::super::crc::{self, UNCOVERED, crc32c_combine};
use super::super::error::InvalidRun;
use super::super::tail::TAIL_BYTES;
use super::super::write::append_end;
use super::index::{Chunk, IndexEntry, Part};
use super::{CHUNK_BYTES_MAX, INDEX_BYTES, SHARED_CHUNK_BYTES, footer};
use crate::slices::Slices;

const LEADER_EPOCH_AT: usize = 12;

/// A batch to be archived.
#[derive(Clone, Debug)]
pub struct ArchivedBatch {
    /// Records (offsets) in it, at least 1.
    pub records: i32,
    /// Largest record timestamp, -1 if there is none.
    pub max_timestamp: i64,
    /// The cluster epoch in which it was committed: Kafka's leader epoch.
    pub epoch: ClusterEpoch,
    /// Its bytes, whose own CRC was verified.
    pub bytes: Slices,
}

/// An archive segment, ready to be put. The same bytes for the same input, whenever and wherever.
#[derive(Clone, Debug)]
pub struct SealedArchive {
    /// Whose segment this is.
    pub id: SegmentId,
    /// The whole object, tail included, in slices.
    pub payload: Vec<Bytes>,
    /// Size of the object.
    pub object_bytes: u64,
    /// Its chunks.
    pub chunks: Vec<Chunk>,
    /// Its parts, in the order in which they were pushed.
    pub parts: Vec<Part>,
    /// The last bytes of the object.
    pub tail: [u8; TAIL_BYTES],
}

/// Collects the parts of one archive segment.
pub struct ArchiveWriter {
    id: SegmentId,
    payload: Vec<Bytes>,
    payload_bytes: u64,
    payload_crc: u32,
    chunks: Vec<Chunk>,
    /// The chunk that is being filled; none has no bytes.
    chunk: Chunk,
    parts: Vec<Part>,
}

impl ArchiveWriter {
    /// Starts an empty segment.
    pub fn new(id: SegmentId) -> Self {
        Self {
            id,
            payload: Vec::new(),
            payload_bytes: 0,
            payload_crc: 0,
            chunks: Vec::new(),
            chunk: EMPTY,
            parts: Vec::new(),
        }
    }

    /// Appends a partition's batches, which lie end to end from `base_offset` on. Partitions ascend.
    pub fn push(
        &mut self,
        topic: TopicUuid,
        partition: i32,
        base_offset: i64,
        batches: &[ArchivedBatch],
    ) -> Result<(), InvalidRun> {
        self.check(topic, partition, base_offset, batches)?;
        if self.chunk.bytes >= SHARED_CHUNK_BYTES {
            self.end_chunk();
        }
        let mut part = Part {
            topic,
            partition,
            base_offset,
            position: self.payload_bytes,
            index: Vec::new(),
        };
        let mut heads = BytesMut::with_capacity(batches.len() * UNCOVERED);
        let mut offset = base_offset;
        for batch in batches {
            let rest = split_head(&batch.bytes, &mut heads);
            heads[..8].copy_from_slice(&offset.to_be_bytes());
            heads[LEADER_EPOCH_AT..LEADER_EPOCH_AT + 4].copy_from_slice(&batch.epoch.0.to_be_bytes());
            let head = heads.split().freeze();
            let bytes = batch.bytes.len() as u64;
            // An index entry lies in one chunk.
            let begins = self.append(head, rest, bytes);
            if begins || part.index.last().is_none_or(|entry| entry.bytes >= INDEX_BYTES) {
                part.index.push(NO_BATCHES);
            }
            if let Some(entry) = part.index.last_mut() {
                entry.offsets += u64::from(batch.records.unsigned_abs());
                entry.bytes += bytes;
                entry.max_timestamp = entry.max_timestamp.max(batch.max_timestamp);
            }
            offset += i64::from(batch.records);
        }
        self.parts.push(part);
        Ok(())
    }

    /// Bytes of all batches so far.
    pub fn payload_bytes(&self) -> u64 {
        self.payload_bytes
    }

    /// Closes the segment.
    pub fn seal(mut self) -> SealedArchive {
        self.end_chunk();
        let footer = footer::encode(&self.id, &self.chunks, &self.parts);
        let mut payload = self.payload;
        let tail = append_end(
            &mut payload,
            self.id.kind.into(),
            self.payload_bytes,
            self.payload_crc,
            footer,
        );
        SealedArchive {
            id: self.id,
            payload,
            object_bytes: tail.object_bytes,
            chunks: self.chunks,
            parts: self.parts,
            tail: tail.encode(),
        }
    }

    /// Appends a batch; returns whether it is the first of its chunk.
    fn append(&mut self, head: Bytes, rest: Vec<Bytes>, bytes: u64) -> bool {
        if self.chunk.bytes + bytes > CHUNK_BYTES_MAX {
            self.end_chunk();
        }
        let begins = self.chunk.bytes == 0;
        self.chunk.crc = crc::append(self.chunk.crc, &head, &rest);
        self.chunk.bytes += bytes;
        self.payload_bytes += bytes;
        self.payload.push(head);
        self.payload.extend(rest);
        begins
    }

    fn end_chunk(&mut self) {
        if self.chunk.bytes > 0 {
            self.payload_crc = crc32c_combine(self.payload_crc, self.chunk.crc, self.chunk.bytes);
            self.chunks.push(self.chunk);
        }
        self.chunk = Chunk {
            position: self.payload_bytes,
            ..EMPTY
        };
    }

    fn check(
        &self,
        topic: TopicUuid,
        partition: i32,
        base_offset: i64,
        batches: &[ArchivedBatch],
    ) -> Result<(), InvalidRun> {
        if self
            .parts
            .last()
            .is_some_and(|last| (last.topic, last.partition) >= (topic, partition))
        {
            return Err(InvalidRun("its partition does not come after the one before"));
        }
        let another = LogId { topic, partition };
        if matches!(self.id.kind, SegmentKind::Merged(log) if log != another) {
            return Err(InvalidRun("a merged segment is of one partition"));
        }
        if batches.is_empty() || partition < 0 || base_offset < 0 {
            return Err(InvalidRun("it has no batches, or a negative partition or offset"));
        }
        let fits = |batch: &ArchivedBatch| batch.records > 0 && batch.bytes.len() > UNCOVERED;
        if !batches.iter().all(fits) {
            return Err(InvalidRun("a batch has no records, or not even a header"));
        }
        let records: u64 = batches
            .iter()
            .map(|batch| u64::from(batch.records.unsigned_abs()))
            .sum();
        match base_offset.checked_add_unsigned(records) {
            Some(_) => Ok(()),
            None => Err(InvalidRun("its offsets do not fit")),
        }
    }
}

/// Copies what its own CRC does not cover of a batch, and returns the rest.
fn split_head(batch: &Slices, head: &mut BytesMut) -> Vec<Bytes> {
    let mut left = UNCOVERED;
    let mut rest = Vec::with_capacity(batch.as_slices().len());
    for slice in batch.as_slices() {
        let here = left.min(slice.len());
        head.extend_from_slice(&slice[..here]);
        left -= here;
        if here < slice.len() {
            rest.push(slice.slice(here..));
        }
    }
    rest
}

const NO_BATCHES: IndexEntry = IndexEntry {
    offsets: 0,
    bytes: 0,
    max_timestamp: -1,
};

const EMPTY: Chunk = Chunk {
    position: 0,
    bytes: 0,
    crc: 0,
};
