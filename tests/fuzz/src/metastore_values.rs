//! What the metastores hold for themselves: it may be damaged, and must not take an agent down.

use esker_metastore::fuzzing::{
    decode_postgres_reply, decode_sqlite_reply, decode_sqlite_runs, encode_sqlite_reply, encode_sqlite_runs,
};
use esker_model::sequence::Piece;

use crate::heap::peak_of;
use crate::input::Input;

/// What the first byte of an input says that the rest is.
pub(crate) mod kind {
    /// A segment's reply in SQLite.
    pub(crate) const SQLITE_REPLY: u8 = 0;
    /// A producer's runs in SQLite.
    pub(crate) const SQLITE_RUNS: u8 = 1;
    /// A segment's reply in Postgres: big-endian words of eight bytes.
    pub(crate) const POSTGRES_REPLY: u8 = 2;
    /// How many there are.
    pub(crate) const COUNT: u8 = 3;
}

/// Stored values are refused or read without a panic, in memory that their size bounds; SQLite's are written
/// again as the same bytes.
pub fn metastore_values(data: &[u8]) {
    let mut input = Input::new(data);
    match input.u8() % kind::COUNT {
        kind::SQLITE_RUNS => {
            let blob = input.rest();
            let (runs, peak) = peak_of(|| decode_sqlite_runs(blob));
            check_peak(peak, blob.len());
            if let Ok(runs) = runs {
                assert_eq!(encode_sqlite_runs(&runs), blob);
            }
        }
        kind::POSTGRES_REPLY => {
            let bytes = input.rest();
            let words: Vec<i64> = bytes
                .chunks_exact(8)
                .map(|word| i64::from_be_bytes(word.try_into().unwrap()))
                .collect();
            let (reply, peak) = peak_of(|| decode_postgres_reply(&words));
            check_peak(peak, bytes.len());
            if let Ok(reply) = reply {
                for pieces in &reply {
                    let mut end = 0;
                    for piece in pieces {
                        // Pieces that were not offered leave holes.
                        assert!(piece.first_batch >= end);
                        end = piece.first_batch.checked_add(piece.batches).unwrap();
                    }
                }
            }
        }
        _ => {
            let blob = input.rest();
            let (reply, peak) = peak_of(|| decode_sqlite_reply(blob));
            check_peak(peak, blob.len());
            if let Ok(reply) = reply {
                reply.iter().for_each(|pieces| check_adjacent(pieces));
                assert_eq!(encode_sqlite_reply(&reply), blob);
            }
        }
    }
}

fn check_adjacent(pieces: &[Piece]) {
    let mut next = 0;
    for piece in pieces {
        assert_eq!(piece.first_batch, next);
        next += piece.batches;
    }
}

fn check_peak(peak: usize, bytes: usize) {
    assert!(peak <= 128 * bytes + 4096, "{peak} bytes for {bytes}");
}
