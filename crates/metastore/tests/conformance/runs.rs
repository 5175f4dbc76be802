//! Runs as the cases write them, and pieces as they expect them.

use esker_metastore::*;
use esker_model::sequence::{Outcome, Piece, Refusal};
use esker_model::{PartitionKey, ProducerEpoch, ProducerId};

/// Every batch has this many bytes per record.
pub const RECORD_BYTES: u32 = 10;
pub const POSITION: u64 = 4096;
pub const TIME: i64 = 1_700_000_000_000;

/// Batches of these many records without a producer.
pub fn plain(partition: PartitionKey, records: &[i32]) -> RunCommit {
    RunCommit {
        partition,
        producer: None,
        position: POSITION,
        batches: records.iter().map(|records| batch(*records)).collect(),
        max_timestamp: TIME,
        transactional: false,
    }
}

fn batch(records: i32) -> RunBatch {
    RunBatch {
        records,
        bytes: (records as u32).min(1000) * RECORD_BYTES,
    }
}

/// Batches of producer 7 in epoch 3.
pub fn produced(partition: PartitionKey, first_sequence: i32, records: &[i32]) -> RunCommit {
    produced_by(7, 3, partition, first_sequence, records)
}

pub fn produced_by(
    id: i64,
    epoch: i16,
    partition: PartitionKey,
    first_sequence: i32,
    records: &[i32],
) -> RunCommit {
    RunCommit {
        producer: Some(RunProducer {
            id: ProducerId(id),
            epoch: ProducerEpoch(epoch),
            first_sequence,
        }),
        ..plain(partition, records)
    }
}

pub fn timed(max_timestamp: i64, run: RunCommit) -> RunCommit {
    RunCommit { max_timestamp, ..run }
}

pub fn piece(first_batch: usize, batches: usize, outcome: Outcome) -> Piece {
    Piece {
        first_batch,
        batches,
        outcome,
    }
}

pub fn appended(base_offset: i64) -> Outcome {
    Outcome::Appended { base_offset }
}

pub fn duplicate(base_offset: i64) -> Outcome {
    duplicate_at(base_offset, TIME)
}

pub fn duplicate_at(base_offset: i64, max_timestamp: i64) -> Outcome {
    Outcome::Duplicate {
        base_offset,
        max_timestamp,
    }
}

pub const GAP: Outcome = Outcome::Refused(Refusal::Gap);
pub const OLD_DUPLICATE: Outcome = Outcome::OldDuplicate;
pub const OUT_OF_ORDER: Outcome = Outcome::Refused(Refusal::OutOfOrder);
pub const STALE_EPOCH: Outcome = Outcome::Refused(Refusal::StaleEpoch);
pub const UNKNOWN_PARTITION: Outcome = Outcome::Refused(Refusal::UnknownPartition);
