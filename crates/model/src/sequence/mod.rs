//! Which batches of an idempotent producer are appended: the pure rule that every metastore follows.
//!
//! A Kafka leader sees the batches of a producer in order (KIP-98). Esker's agents do not: a routing
//! hint moves, an upload is retried, and batches 5 to 9 may be offered before 4. So a *gap* is normal
//! for a moment and is answered retriably, and "out of order" is said only of what can never fit: a
//! sequence at or below the last accepted one of which nobody knows whether it was appended. (Answering a
//! gap with OUT_OF_ORDER_SEQUENCE_NUMBER lets a stale answer kill the client or make it write twice.)
//!
//! A client's window of five requests holds for one connection. When its partition's leader moves while an
//! answer is outstanding, it sends on to the next one, and any number of runs may be appended before it
//! repeats the batch whose answer was lost. So a batch below the remembered runs is no error of the client:
//! a producer that is known since sequence 0 has had all below its last sequence appended, and is told so,
//! only without an offset.
//!
//! What holds: of the batches of one (partition, producer, epoch), each sequence is appended at most
//! once and in order, whatever the order in which, and the agents to which, they were offered.
//!
//! Sequences count from 0 to `i32::MAX` and go on at 0.

use std::collections::VecDeque;

use crate::ProducerEpoch;
use crate::planted::{Mistake, planted};

#[cfg(test)]
mod tests;

/// Runs remembered per (partition, producer): at least a client's window of five requests (KIP-98).
pub const RUNS_REMEMBERED: usize = 5;

/// Offset and timestamp of an [`Outcome::OldDuplicate`] where it is stored as a duplicate.
pub const NOT_REMEMBERED: i64 = -1;

const SEQUENCES: i64 = 1 << 31;

/// The sequence `by` after `sequence`.
pub fn advance(sequence: i32, by: i64) -> i32 {
    ((i64::from(sequence) + by) % SEQUENCES) as i32
}

/// The sequence before `sequence`.
pub fn before(sequence: i32) -> i32 {
    advance(sequence, SEQUENCES - 1)
}

/// How far `to` lies after `from`, in `0..2^31`. Half the circle or more means that `to` lies before.
fn distance(from: i32, to: i32) -> i64 {
    (i64::from(to) - i64::from(from)).rem_euclid(SEQUENCES)
}

/// Batches that were appended together, as remembered to recognise a retry.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RememberedRun {
    /// Sequence of the first record.
    pub first: i32,
    /// Records in the run, so that its last sequence is `advance(first, records - 1)`.
    pub records: i32,
    /// Offset of the first record.
    pub base_offset: i64,
    /// The run's largest timestamp: what a retry is told as append time on a LogAppendTime topic.
    pub max_timestamp: i64,
}

/// What a partition knows of one producer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Memory {
    /// Nothing was appended yet, but sequences above 0 were offered although this partition forgot the
    /// producer: the lowest of them, and its epoch.
    Noted {
        /// The producer's epoch.
        epoch: ProducerEpoch,
        /// The lowest sequence offered.
        lowest: i32,
    },
    /// Runs were appended.
    Known(Known),
}

/// A producer that this partition has appended runs of.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Known {
    /// The producer's epoch.
    pub epoch: ProducerEpoch,
    /// The last sequence appended.
    pub last: i32,
    /// Appended were all sequences from 0 on: what lies below the remembered runs is in the log as well. Not
    /// so for a producer that was forgotten and taken up later on.
    pub from_zero: bool,
    /// The last runs appended, oldest first, at most [`RUNS_REMEMBERED`].
    pub runs: VecDeque<RememberedRun>,
}

/// Consecutive batches of one producer for one partition, offered together. Their sequences follow on
/// each other: the caller starts a new run where they do not.
#[derive(Clone, Copy, Debug)]
pub struct Offer<'a> {
    /// The producer's epoch.
    pub epoch: ProducerEpoch,
    /// Sequence of the first record of the first batch.
    pub first: i32,
    /// Records of each batch, each at least 1.
    pub batches: &'a [i32],
    /// Largest timestamp of the run.
    pub max_timestamp: i64,
}

/// Why batches were not appended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Refusal {
    /// An earlier batch has not arrived: offer it again later (Kafka error 19).
    Gap,
    /// Can never be appended: at or below the last accepted sequence, and whether it was appended is unknown
    /// (45).
    OutOfOrder,
    /// The producer was replaced by one with a higher epoch (47).
    StaleEpoch,
    /// The partition does not exist (any more) (3 or 100).
    UnknownPartition,
}

/// What became of some batches of an offer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// Appended now; the first record of the first of them has this offset.
    Appended {
        /// Offset of the first record.
        base_offset: i64,
    },
    /// Was appended before, at this offset.
    Duplicate {
        /// Offset of the first record, as answered the first time.
        base_offset: i64,
        /// Largest timestamp of the run it was appended with.
        max_timestamp: i64,
    },
    /// Was appended before, so long ago that its offset is not remembered (Kafka error 46, which clients take
    /// as an acknowledgement without an offset).
    OldDuplicate,
    /// Not appended.
    Refused(Refusal),
}

impl Outcome {
    /// Batches that were appended before, as commits' replies and receipts store them.
    pub fn duplicate(base_offset: i64, max_timestamp: i64) -> Self {
        if (base_offset, max_timestamp) == (NOT_REMEMBERED, NOT_REMEMBERED) {
            return Self::OldDuplicate;
        }
        Self::Duplicate {
            base_offset,
            max_timestamp,
        }
    }
}

/// The outcome of some consecutive batches of an offer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Piece {
    /// Index of the first batch.
    pub first_batch: usize,
    /// How many batches.
    pub batches: usize,
    /// What became of them.
    pub outcome: Outcome,
}

/// Judges an offer and remembers what was appended.
///
/// `memory` is what the partition knows of the producer. `forgotten` says that the partition once knew
/// this producer and really forgot it (idle for `producer.id.expiration.ms`, or its topic was deleted and
/// created again under its name): only then may it start above 0, and only with the lowest sequence that
/// was offered before.
/// `next_offset` is given to the first batch appended.
///
/// The pieces cover the offer in order: leading duplicates, one piece per batch; then either all
/// remaining batches appended, or all remaining ones refused.
pub fn judge(
    memory: &mut Option<Memory>,
    forgotten: bool,
    offer: &Offer<'_>,
    next_offset: i64,
) -> Vec<Piece> {
    let mut pieces = Vec::with_capacity(1);
    let mut sequence = offer.first;
    for (index, records) in offer.batches.iter().copied().enumerate() {
        let outcome = judge_batch(memory, forgotten, offer.epoch, sequence, records, next_offset);
        let duplicate = matches!(outcome, Outcome::Duplicate { .. } | Outcome::OldDuplicate);
        if duplicate && planted(Mistake::DuplicateRejectsRun) && offer.batches.len() > 1 {
            pieces.push(Piece {
                first_batch: index,
                batches: offer.batches.len() - index,
                outcome: Outcome::Refused(Refusal::OutOfOrder),
            });
            break;
        }
        if duplicate {
            pieces.push(Piece {
                first_batch: index,
                batches: 1,
                outcome,
            });
            sequence = advance(sequence, i64::from(records));
            continue;
        }
        if let Outcome::Appended { base_offset } = outcome {
            let records = offer.batches[index..]
                .iter()
                .map(|records| i64::from(*records))
                .sum::<i64>();
            let run = RememberedRun {
                first: sequence,
                records: records as i32,
                base_offset,
                max_timestamp: offer.max_timestamp,
            };
            remember(memory, offer.epoch, run);
        }
        pieces.push(Piece {
            first_batch: index,
            batches: offer.batches.len() - index,
            outcome,
        });
        break;
    }
    pieces
}

fn judge_batch(
    memory: &mut Option<Memory>,
    forgotten: bool,
    epoch: ProducerEpoch,
    first: i32,
    records: i32,
    next_offset: i64,
) -> Outcome {
    let appended = Outcome::Appended {
        base_offset: next_offset,
    };
    match memory {
        None if first == 0 => appended,
        None if forgotten => {
            *memory = Some(Memory::Noted { epoch, lowest: first });
            Outcome::Refused(Refusal::Gap)
        }
        None => Outcome::Refused(Refusal::Gap),
        Some(Memory::Noted { epoch: noted, .. }) if *noted > epoch => Outcome::Refused(Refusal::StaleEpoch),
        Some(Memory::Noted { .. }) if first == 0 => appended,
        Some(Memory::Noted { epoch: noted, lowest }) if *noted < epoch => {
            *noted = epoch;
            *lowest = first;
            Outcome::Refused(Refusal::Gap)
        }
        Some(Memory::Noted { lowest, .. }) if first == *lowest => appended,
        Some(Memory::Noted { lowest, .. }) => {
            *lowest = first.min(*lowest);
            Outcome::Refused(Refusal::Gap)
        }
        Some(Memory::Known(known)) if known.epoch > epoch => Outcome::Refused(Refusal::StaleEpoch),
        Some(Memory::Known(known)) if known.epoch < epoch => {
            if first == 0 {
                appended
            } else {
                Outcome::Refused(Refusal::Gap)
            }
        }
        Some(Memory::Known(known)) => known.judge(first, records, next_offset),
    }
}

impl Known {
    fn judge(&self, first: i32, records: i32, next_offset: i64) -> Outcome {
        for run in self.runs.iter().rev() {
            let into = distance(run.first, first);
            if into + i64::from(records) <= i64::from(run.records) {
                return Outcome::Duplicate {
                    base_offset: run.base_offset + into,
                    max_timestamp: run.max_timestamp,
                };
            }
        }
        let ahead = distance(advance(self.last, 1), first);
        if ahead == 0 || (planted(Mistake::IgnoreSequenceGap) && ahead < SEQUENCES / 2) {
            Outcome::Appended {
                base_offset: next_offset,
            }
        } else if ahead < SEQUENCES / 2 {
            Outcome::Refused(Refusal::Gap)
        } else if self.from_zero
            && !planted(Mistake::OldIsOutOfOrder)
            && i64::from(first) + i64::from(records) <= i64::from(advance(self.last, 1))
        {
            // Not counted round the circle: before they wrap, high sequences were never appended.
            Outcome::OldDuplicate
        } else {
            Outcome::Refused(Refusal::OutOfOrder)
        }
    }
}

fn remember(memory: &mut Option<Memory>, epoch: ProducerEpoch, run: RememberedRun) {
    let last = advance(run.first, i64::from(run.records) - 1);
    match memory {
        Some(Memory::Known(known)) if known.epoch == epoch => {
            known.last = last;
            if known.runs.len() == RUNS_REMEMBERED || planted(Mistake::RememberOneRun) {
                known.runs.pop_front();
            }
            known.runs.push_back(run);
        }
        _ => {
            *memory = Some(Memory::Known(Known {
                epoch,
                last,
                from_zero: run.first == 0,
                runs: VecDeque::from([run]),
            }))
        }
    }
}
