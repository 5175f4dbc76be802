//! Receipts: what earlier segments of the same incarnation were given at commit. They make the bucket
//! alone enough to restore the log.

use esker_model::sequence::{NOT_REMEMBERED, Outcome, Piece, Refusal};

use super::codec::{Decoder, Encoder};
use super::error::SegmentError;

const APPENDED: u8 = 0;
const DUPLICATE: u8 = 1;
const REFUSED_GAP: u8 = 2;
const REFUSED_OUT_OF_ORDER: u8 = 3;
const REFUSED_STALE_EPOCH: u8 = 4;
const REFUSED_UNKNOWN_PARTITION: u8 = 5;

/// What was known of earlier segments when a segment was sealed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Receipts {
    /// Every seq of this incarnation at or below this without a receipt was never committed and never
    /// will be.
    pub settled_through: u64,
    /// The receipts that were not written before, ascending by seq.
    pub receipts: Vec<Receipt>,
}

/// What one segment was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// The segment's number within the incarnation.
    pub seq: u64,
    /// One per run, in the order of that segment's footer: pieces that cover the run's batches in order.
    /// Empty for a run that was not offered to the commit.
    pub runs: Vec<Vec<Piece>>,
}

pub(super) fn encode(receipts: &Receipts, out: &mut Encoder) {
    out.u64(receipts.settled_through);
    out.varint(receipts.receipts.len() as u64);
    for receipt in &receipts.receipts {
        out.u64(receipt.seq);
        out.varint(receipt.runs.len() as u64);
        for pieces in &receipt.runs {
            out.varint(pieces.len() as u64);
            for piece in pieces {
                encode_piece(piece, out);
            }
        }
    }
}

fn encode_piece(piece: &Piece, out: &mut Encoder) {
    out.varint(piece.batches as u64);
    match piece.outcome {
        Outcome::Appended { base_offset } => {
            out.u8(APPENDED);
            out.i64(base_offset);
        }
        Outcome::Duplicate {
            base_offset,
            max_timestamp,
        } => {
            out.u8(DUPLICATE);
            out.i64(base_offset);
            out.i64(max_timestamp);
        }
        Outcome::OldDuplicate => {
            out.u8(DUPLICATE);
            out.i64(NOT_REMEMBERED);
            out.i64(NOT_REMEMBERED);
        }
        Outcome::Refused(refusal) => out.u8(match refusal {
            Refusal::Gap => REFUSED_GAP,
            Refusal::OutOfOrder => REFUSED_OUT_OF_ORDER,
            Refusal::StaleEpoch => REFUSED_STALE_EPOCH,
            Refusal::UnknownPartition => REFUSED_UNKNOWN_PARTITION,
        }),
    }
}

pub(super) fn decode(body: &[u8]) -> Result<Receipts, SegmentError> {
    let mut from = Decoder::new(body, "receipts");
    let settled_through = from.u64()?;
    let count = from.count(9)?;
    let mut receipts: Vec<Receipt> = Vec::with_capacity(count);
    for _ in 0..count {
        let seq = from.u64()?;
        if receipts.last().is_some_and(|last| last.seq >= seq) {
            return Err(from.malformed("receipts are not ascending"));
        }
        let run_count = from.count(1)?;
        let mut runs = Vec::with_capacity(run_count);
        for _ in 0..run_count {
            runs.push(decode_pieces(&mut from)?);
        }
        receipts.push(Receipt { seq, runs });
    }
    from.end()?;
    Ok(Receipts {
        settled_through,
        receipts,
    })
}

fn decode_pieces(from: &mut Decoder<'_>) -> Result<Vec<Piece>, SegmentError> {
    let count = from.count(2)?;
    let mut pieces = Vec::with_capacity(count);
    let mut first_batch = 0usize;
    for _ in 0..count {
        let batches = from.positive(i32::MAX as u64)? as usize;
        let outcome = match from.u8()? {
            APPENDED => Outcome::Appended {
                base_offset: from.i64()?,
            },
            DUPLICATE => Outcome::duplicate(from.i64()?, from.i64()?),
            REFUSED_GAP => Outcome::Refused(Refusal::Gap),
            REFUSED_OUT_OF_ORDER => Outcome::Refused(Refusal::OutOfOrder),
            REFUSED_STALE_EPOCH => Outcome::Refused(Refusal::StaleEpoch),
            REFUSED_UNKNOWN_PARTITION => Outcome::Refused(Refusal::UnknownPartition),
            _ => return Err(from.malformed("a verdict is unknown")),
        };
        pieces.push(Piece {
            first_batch,
            batches,
            outcome,
        });
        first_batch = first_batch.saturating_add(batches);
    }
    Ok(pieces)
}
