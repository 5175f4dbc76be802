//! The two blobs of the schema: a segment's reply and a producer's remembered runs.
//!
//! Both begin with a format byte, and all numbers are big-endian. A reply is, for each run, the count
//! of its pieces, and each piece its count of batches, the ordinal of its outcome and that outcome's
//! numbers (-1 where a duplicate's are not remembered). Ordinals and formats are never given another meaning.

use std::collections::VecDeque;

use esker_model::sequence::{NOT_REMEMBERED, Outcome, Piece, Refusal, RememberedRun};

use crate::{MetastoreError, Result};

const FORMAT: u8 = 1;

const APPENDED: u8 = 0;
const DUPLICATE: u8 = 1;
const GAP: u8 = 2;
const OUT_OF_ORDER: u8 = 3;
const STALE_EPOCH: u8 = 4;
const UNKNOWN_PARTITION: u8 = 5;

pub(super) fn encode_reply(runs: &[Vec<Piece>]) -> Vec<u8> {
    let mut out = vec![FORMAT];
    out.extend((runs.len() as u32).to_be_bytes());
    for pieces in runs {
        out.extend((pieces.len() as u32).to_be_bytes());
        for piece in pieces {
            out.extend((piece.batches as u32).to_be_bytes());
            encode_outcome(&mut out, piece.outcome);
        }
    }
    out
}

fn encode_outcome(out: &mut Vec<u8>, outcome: Outcome) {
    match outcome {
        Outcome::Appended { base_offset } => {
            out.push(APPENDED);
            out.extend(base_offset.to_be_bytes());
        }
        Outcome::Duplicate {
            base_offset,
            max_timestamp,
        } => {
            out.push(DUPLICATE);
            out.extend(base_offset.to_be_bytes());
            out.extend(max_timestamp.to_be_bytes());
        }
        Outcome::OldDuplicate => {
            out.push(DUPLICATE);
            out.extend(NOT_REMEMBERED.to_be_bytes());
            out.extend(NOT_REMEMBERED.to_be_bytes());
        }
        Outcome::Refused(refusal) => out.push(match refusal {
            Refusal::Gap => GAP,
            Refusal::OutOfOrder => OUT_OF_ORDER,
            Refusal::StaleEpoch => STALE_EPOCH,
            Refusal::UnknownPartition => UNKNOWN_PARTITION,
        }),
    }
}

pub(super) fn decode_reply(blob: &[u8]) -> Result<Vec<Vec<Piece>>> {
    let mut reader = Reader::new(blob)?;
    let runs = reader.u32()?;
    // Nothing is reserved by a count that was read: the blob may be damaged.
    let mut reply = Vec::new();
    for _ in 0..runs {
        let mut pieces = Vec::new();
        let mut first_batch = 0;
        for _ in 0..reader.u32()? {
            let batches = reader.u32()? as usize;
            pieces.push(Piece {
                first_batch,
                batches,
                outcome: decode_outcome(&mut reader)?,
            });
            first_batch += batches;
        }
        reply.push(pieces);
    }
    reader.end()?;
    Ok(reply)
}

fn decode_outcome(reader: &mut Reader<'_>) -> Result<Outcome> {
    Ok(match reader.u8()? {
        APPENDED => Outcome::Appended {
            base_offset: reader.i64()?,
        },
        DUPLICATE => Outcome::duplicate(reader.i64()?, reader.i64()?),
        GAP => Outcome::Refused(Refusal::Gap),
        OUT_OF_ORDER => Outcome::Refused(Refusal::OutOfOrder),
        STALE_EPOCH => Outcome::Refused(Refusal::StaleEpoch),
        UNKNOWN_PARTITION => Outcome::Refused(Refusal::UnknownPartition),
        other => return Err(damaged(&format!("outcome {other}"))),
    })
}

pub(super) fn encode_runs(runs: &VecDeque<RememberedRun>) -> Vec<u8> {
    let mut out = Vec::with_capacity(1 + runs.len() * 24);
    out.push(FORMAT);
    for run in runs {
        out.extend(run.first.to_be_bytes());
        out.extend(run.records.to_be_bytes());
        out.extend(run.base_offset.to_be_bytes());
        out.extend(run.max_timestamp.to_be_bytes());
    }
    out
}

pub(super) fn decode_runs(blob: &[u8]) -> Result<VecDeque<RememberedRun>> {
    let mut reader = Reader::new(blob)?;
    let mut runs = VecDeque::new();
    while !reader.rest.is_empty() {
        runs.push_back(RememberedRun {
            first: reader.u32()? as i32,
            records: reader.u32()? as i32,
            base_offset: reader.i64()?,
            max_timestamp: reader.i64()?,
        });
    }
    Ok(runs)
}

struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    fn new(blob: &'a [u8]) -> Result<Self> {
        let mut reader = Self { rest: blob };
        match reader.u8()? {
            FORMAT => Ok(reader),
            other => Err(damaged(&format!("format {other}"))),
        }
    }

    fn take<const N: usize>(&mut self) -> Result<[u8; N]> {
        let (taken, rest) = self
            .rest
            .split_first_chunk::<N>()
            .ok_or_else(|| damaged("an early end"))?;
        self.rest = rest;
        Ok(*taken)
    }

    fn u8(&mut self) -> Result<u8> {
        self.take::<1>().map(|[byte]| byte)
    }

    fn u32(&mut self) -> Result<u32> {
        self.take().map(u32::from_be_bytes)
    }

    fn i64(&mut self) -> Result<i64> {
        self.take().map(i64::from_be_bytes)
    }

    fn end(&self) -> Result<()> {
        if self.rest.is_empty() {
            Ok(())
        } else {
            Err(damaged("bytes after its end"))
        }
    }
}

fn damaged(what: &str) -> MetastoreError {
    MetastoreError::Corrupt(format!("a stored blob has {what}"))
}
