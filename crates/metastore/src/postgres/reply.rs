//! Reads the replies of `commit_v1` and `settle_v1`. The encoding is explained in `commit_v1.sql`.

use esker_model::PartitionKey;
use esker_model::sequence::{Outcome, Piece, Refusal};
use sqlx::Row;
use sqlx::postgres::PgRow;

use crate::{CommitReply, CommitRequest, Head, MetastoreError, Result, SegmentReply, Settled};

const TOMBSTONE: i16 = 2;

/// The reply of a commit whose heads were `heads`.
pub(super) fn commit(row: &PgRow, request: &CommitRequest, heads: &[PartitionKey]) -> Result<CommitReply> {
    let words: Vec<i64> = row.try_get("o_reply")?;
    let ends: Option<Vec<i32>> = row.try_get("o_reply_to")?;
    let ends = ends.unwrap_or_default();
    if ends.len() != request.segments.len() {
        return Err(corrupt());
    }
    let mut segments = Vec::with_capacity(ends.len());
    let mut from = 0;
    for (segment, end) in request.segments.iter().zip(ends) {
        let end = usize::try_from(end).map_err(|_| corrupt())?;
        let runs = runs(words.get(from..end).ok_or_else(corrupt)?)?;
        if runs.len() != segment.runs.len() {
            return Err(corrupt());
        }
        segments.push(SegmentReply {
            seq: segment.seq,
            runs,
        });
        from = end;
    }
    Ok(CommitReply {
        segments,
        heads: self::heads(row, heads)?,
    })
}

fn heads(row: &PgRow, keys: &[PartitionKey]) -> Result<Vec<(PartitionKey, Head)>> {
    if keys.is_empty() {
        return Ok(Vec::new());
    }
    let column = |name| row.try_get::<Vec<Option<i64>>, _>(name);
    let log_start = column("o_log_start")?;
    let next_offset = column("o_next_offset")?;
    let last_stable_offset = column("o_last_stable_offset")?;
    let archived_to = column("o_archived_to")?;
    let lengths = [&log_start, &next_offset, &last_stable_offset, &archived_to];
    if lengths.iter().any(|column| column.len() != keys.len()) {
        return Err(corrupt());
    }
    // A partition that does not exist has no head.
    let head = |index: usize| {
        Some(Head {
            log_start: log_start[index]?,
            next_offset: next_offset[index]?,
            last_stable_offset: last_stable_offset[index]?,
            archived_to: archived_to[index]?,
        })
    };
    let found = keys.iter().enumerate();
    Ok(found
        .filter_map(|(index, key)| Some((*key, head(index)?)))
        .collect())
}

/// What stands in a segment's row: columns seq, state and reply.
pub(super) fn settled(row: &PgRow) -> Result<Settled> {
    if row.try_get::<i16, _>(1)? == TOMBSTONE {
        return Ok(Settled::Tombstoned);
    }
    let seq: i64 = row.try_get(0)?;
    let words: Vec<i64> = row.try_get(2)?;
    Ok(Settled::Committed(SegmentReply {
        seq: u64::try_from(seq).map_err(|_| corrupt())?,
        runs: runs(&words)?,
    }))
}

/// Decodes the pieces of a segment's runs.
pub(super) fn runs(words: &[i64]) -> Result<Vec<Vec<Piece>>> {
    let mut words = words.iter().copied();
    let mut runs = Vec::new();
    let mut pieces = Vec::with_capacity(1);
    let mut first_batch = 0;
    while let Some(header) = words.next() {
        let batches = usize::try_from(header >> 4).map_err(|_| corrupt())?;
        let mut next = || words.next().ok_or_else(corrupt);
        let outcome = match header & 7 {
            0 => Some(Outcome::Appended { base_offset: next()? }),
            1 => Some(Outcome::duplicate(next()?, next()?)),
            2 => Some(Outcome::Refused(Refusal::Gap)),
            3 => Some(Outcome::Refused(Refusal::OutOfOrder)),
            4 => Some(Outcome::Refused(Refusal::StaleEpoch)),
            5 => Some(Outcome::Refused(Refusal::UnknownPartition)),
            6 => None,
            _ => return Err(corrupt()),
        };
        pieces.extend(outcome.map(|outcome| Piece {
            first_batch,
            batches,
            outcome,
        }));
        first_batch = first_batch.checked_add(batches).ok_or_else(corrupt)?;
        if header & 8 != 0 {
            runs.push(std::mem::replace(&mut pieces, Vec::with_capacity(1)));
            first_batch = 0;
        }
    }
    if pieces.is_empty() {
        Ok(runs)
    } else {
        Err(corrupt())
    }
}

fn corrupt() -> MetastoreError {
    MetastoreError::Corrupt("a commit's reply that cannot be read".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_cover_each_run_from_its_first_batch() {
        let words = [16 + 1, 100, 7, 2 * 16 + 8, 103, 14, 3 * 16 + 8 + 2];
        let piece = |first_batch, batches, outcome| Piece {
            first_batch,
            batches,
            outcome,
        };
        let duplicate = Outcome::Duplicate {
            base_offset: 100,
            max_timestamp: 7,
        };
        let appended = Outcome::Appended { base_offset: 103 };
        let expected = vec![
            vec![piece(0, 1, duplicate), piece(1, 2, appended)],
            vec![],
            vec![piece(0, 3, Outcome::Refused(Refusal::Gap))],
        ];
        assert_eq!(runs(&words).unwrap(), expected);
    }

    #[test]
    fn a_reply_that_is_cut_off_is_refused() {
        for words in [&[8][..], &[9, 1], &[16, 5], &[15]] {
            assert!(runs(words).is_err(), "{words:?}");
        }
    }

    #[test]
    fn more_batches_than_can_be_counted_are_refused() {
        let most = i64::MAX - 15 + 2;
        assert!(runs(&[[most; 40].as_slice(), &[most + 8]].concat()).is_err());
    }
}
