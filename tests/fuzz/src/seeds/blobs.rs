//! What the metastores store for themselves.

use std::collections::VecDeque;

use esker_metastore::fuzzing::{encode_sqlite_reply, encode_sqlite_runs};
use esker_model::sequence::{Outcome, Piece, Refusal, RememberedRun};

use super::{batches, seed};
use crate::Seed;
use crate::metastore_values::kind;

pub(crate) fn metastore_values() -> Vec<Seed> {
    let piece = |first_batch, batches, outcome| Piece {
        first_batch,
        batches,
        outcome,
    };
    let duplicate = Outcome::Duplicate {
        base_offset: 100,
        max_timestamp: batches::TIMESTAMP,
    };
    let mut reply = vec![
        vec![
            piece(0, 1, duplicate),
            piece(1, 2, Outcome::Appended { base_offset: 103 }),
            piece(3, 1, Outcome::OldDuplicate),
        ],
        Vec::new(),
    ];
    for refusal in [
        Refusal::Gap,
        Refusal::OutOfOrder,
        Refusal::StaleEpoch,
        Refusal::UnknownPartition,
    ] {
        reply.push(vec![piece(0, 5, Outcome::Refused(refusal))]);
    }
    let runs: VecDeque<_> = (0..5)
        .map(|n| RememberedRun {
            first: n * 10,
            records: 10,
            base_offset: 1000 + i64::from(n) * 10,
            max_timestamp: -1,
        })
        .collect();
    // A word holds batches (from bit 4), whether it ends its run (bit 3), and the outcome's number.
    let words: [i64; 9] = [
        16 + 1,
        100,
        7,
        2 * 16 + 8,
        103,
        14,
        3 * 16 + 8 + 2,
        16 + 6,
        8 + 16 + 5,
    ];
    let words: Vec<u8> = words.iter().flat_map(|word| word.to_be_bytes()).collect();
    vec![
        seed(
            "sqlite-reply",
            &[&[kind::SQLITE_REPLY], &encode_sqlite_reply(&reply)],
        ),
        seed(
            "sqlite-no-runs",
            &[&[kind::SQLITE_REPLY], &encode_sqlite_reply(&[])],
        ),
        seed("sqlite-runs", &[&[kind::SQLITE_RUNS], &encode_sqlite_runs(&runs)]),
        seed("postgres-reply", &[&[kind::POSTGRES_REPLY], &words]),
        seed("postgres-no-runs", &[&[kind::POSTGRES_REPLY]]),
    ]
}
