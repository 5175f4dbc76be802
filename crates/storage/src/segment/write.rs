//! Sealing: from runs to the bytes of an object, without copying a record.

use bytes::Bytes;
use esker_model::SegmentId;

use super::error::InvalidRun;
use super::receipts::Receipts;
use super::run::Run;
use super::tail::{TAIL_BYTES, Tail};
use super::{crc, footer};
use crate::keys::ObjectKind;

/// Where a run lies in the object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RunPosition {
    /// Byte position of the first batch.
    pub position: u64,
    /// Bytes of all batches.
    pub bytes: u64,
}

/// A segment, ready to be put. The same bytes for the same input, whenever and wherever.
#[derive(Clone, Debug)]
pub struct Sealed {
    /// Whose segment this is.
    pub id: SegmentId,
    /// The whole object, tail included, in slices.
    pub payload: Vec<Bytes>,
    /// Size of the object.
    pub object_bytes: u64,
    /// Where each run lies, in the order in which the runs were pushed.
    pub runs: Vec<RunPosition>,
    /// The last bytes of the object.
    pub tail: [u8; TAIL_BYTES],
}

/// Collects the runs of one segment.
pub struct SegmentWriter {
    id: SegmentId,
    receipts: Receipts,
    runs: Vec<Run>,
    positions: Vec<RunPosition>,
    payload: Vec<Bytes>,
    payload_bytes: u64,
    payload_crc: u32,
}

impl SegmentWriter {
    /// Starts an empty segment that carries these receipts of earlier ones. A segment without runs is
    /// valid: it carries receipts only.
    pub fn new(id: SegmentId, receipts: Receipts) -> Self {
        Self {
            id,
            receipts,
            runs: Vec::new(),
            positions: Vec::new(),
            payload: Vec::new(),
            payload_bytes: 0,
            payload_crc: 0,
        }
    }

    /// Appends a run. Runs of one partition should be pushed one after the other, in the order in which
    /// they were accepted: they then lie together, and the footer is smallest.
    ///
    /// The CRC inside each batch must be right: where that saves a pass over the bytes, the segment's
    /// checksum is made from it, and a wrong one makes the whole segment unreadable.
    pub fn push(&mut self, run: Run) -> Result<RunPosition, InvalidRun> {
        run.check()?;
        let start = self.payload_bytes;
        for batch in &run.batches {
            self.payload_crc = crc::append(self.payload_crc, &batch.head, std::slice::from_ref(&batch.rest));
            for slice in [&batch.head, &batch.rest] {
                if !slice.is_empty() {
                    self.payload.push(slice.clone());
                }
            }
            self.payload_bytes += batch.len() as u64;
        }
        let position = RunPosition {
            position: start,
            bytes: self.payload_bytes - start,
        };
        self.positions.push(position);
        self.runs.push(run);
        Ok(position)
    }

    /// Bytes of all runs so far.
    pub fn payload_bytes(&self) -> u64 {
        self.payload_bytes
    }

    /// Closes the segment.
    pub fn seal(self) -> Sealed {
        let footer = footer::encode(&self.id, &self.runs, &self.receipts);
        let mut payload = self.payload;
        let tail = append_end(
            &mut payload,
            self.id.kind.into(),
            self.payload_bytes,
            self.payload_crc,
            footer,
        );
        Sealed {
            id: self.id,
            payload,
            object_bytes: tail.object_bytes,
            runs: self.positions,
            tail: tail.encode(),
        }
    }
}

/// Appends footer and tail to a payload of so many bytes; returns the tail.
pub(super) fn append_end(
    payload: &mut Vec<Bytes>,
    kind: ObjectKind,
    payload_bytes: u64,
    payload_crc: u32,
    footer: Vec<u8>,
) -> Tail {
    let tail = Tail {
        kind,
        object_bytes: payload_bytes + footer.len() as u64 + TAIL_BYTES as u64,
        footer_bytes: footer.len() as u32,
        footer_crc: crc32c::crc32c(&footer),
        payload_crc,
    };
    let mut end = footer;
    end.extend_from_slice(&tail.encode());
    payload.push(Bytes::from(end));
    tail
}
