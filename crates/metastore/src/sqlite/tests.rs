use std::collections::VecDeque;
use std::sync::Arc;

use esker_model::sequence::{Outcome, Piece, Refusal, RememberedRun};

use esker_model::seams::SystemClock;

use super::{codec, open};

/// One of everything.
fn reply() -> Vec<Vec<Piece>> {
    let outcomes = [
        Outcome::Duplicate {
            base_offset: 7,
            max_timestamp: -1,
        },
        Outcome::Appended {
            base_offset: i64::MAX,
        },
        Outcome::OldDuplicate,
        Outcome::Refused(Refusal::Gap),
        Outcome::Refused(Refusal::OutOfOrder),
        Outcome::Refused(Refusal::StaleEpoch),
        Outcome::Refused(Refusal::UnknownPartition),
    ];
    let pieces = outcomes.into_iter().enumerate().map(|(index, outcome)| Piece {
        first_batch: index * 3,
        batches: 3,
        outcome,
    });
    vec![pieces.collect(), vec![]]
}

#[test]
fn replies_are_read_back_as_they_were_written() {
    let blob = codec::encode_reply(&reply());
    assert_eq!(codec::decode_reply(&blob), Ok(reply()));
}

#[test]
fn a_stored_reply_keeps_its_bytes() {
    // A file written by an earlier version must stay readable: these bytes never change.
    let blob = codec::encode_reply(&[vec![
        Piece {
            first_batch: 0,
            batches: 1,
            outcome: Outcome::Duplicate {
                base_offset: 5,
                max_timestamp: 9,
            },
        },
        Piece {
            first_batch: 1,
            batches: 2,
            outcome: Outcome::Refused(Refusal::Gap),
        },
    ]]);
    let expected = [
        1, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0, 9, 0, 0, 0, 2,
        2,
    ];
    assert_eq!(blob, expected);
}

#[test]
fn damaged_blobs_are_errors() {
    let blob = codec::encode_reply(&reply());
    for end in 0..blob.len() {
        assert!(codec::decode_reply(&blob[..end]).is_err(), "cut at {end}");
    }
    let mut longer = blob.clone();
    longer.push(0);
    assert!(codec::decode_reply(&longer).is_err());
    assert!(codec::decode_reply(&[1, 255, 255, 255, 255]).is_err());
    assert!(codec::decode_runs(&[2]).is_err());
}

#[test]
fn remembered_runs_are_read_back_as_they_were_written() {
    let runs: VecDeque<_> = (0..5)
        .map(|n| RememberedRun {
            first: i32::MAX - n,
            records: n + 1,
            base_offset: i64::from(n) << 40,
            max_timestamp: -1,
        })
        .collect();
    assert_eq!(codec::decode_runs(&codec::encode_runs(&runs)), Ok(runs));
}

#[test]
fn every_commit_of_a_file_is_synced() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("esker.db");
    let (mut database, _lock) = open::open_file(&path, Arc::new(SystemClock::new())).unwrap();
    let pragma = |name: &'static str| {
        move |tx: &super::database::Transaction<'_>| {
            Ok(tx.pragma_query_value(None, name, |row| row.get::<_, rusqlite::types::Value>(0))?)
        }
    };
    let full = rusqlite::types::Value::Integer(2);
    assert_eq!(database.read(pragma("synchronous")), Ok(full));
    let wal = rusqlite::types::Value::Text("wal".to_owned());
    assert_eq!(database.read(pragma("journal_mode")), Ok(wal));
}
