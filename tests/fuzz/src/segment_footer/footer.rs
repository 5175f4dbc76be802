//! Footers, by themselves and within a segment whose payload is what they describe.

use bytes::Bytes;
use esker_storage::keys::ObjectKind;
use esker_storage::segment::{Footer, RunExtent, TAIL_BYTES, Tail, verify};

use super::stated::stated_payload_bytes;
use super::{bound, check_object};
use crate::heap::peak_of;

/// Payloads up to this size are made, so that whole segments can be written and verified.
const PAYLOAD_BYTES_MAX: u64 = 256 * 1024;
/// A batch has its own checksum at 17, of what follows from 21 on.
pub(super) const CRC_AT: usize = 17;
pub(super) const CRC_FROM: usize = 21;

/// Reads a footer by itself, then within a segment whose payload is what it describes.
pub(super) fn check_footer(footer: &[u8]) {
    let payload_bytes = stated_payload_bytes(footer);
    let tail = Tail {
        kind: ObjectKind::Ingest,
        object_bytes: payload_bytes
            .saturating_add(footer.len() as u64)
            .saturating_add(TAIL_BYTES as u64),
        footer_bytes: u32::try_from(footer.len()).unwrap(),
        footer_crc: crc32c::crc32c(footer),
        payload_crc: 0,
    };
    let (read, peak) = peak_of(|| Footer::read_after_tail(&tail, footer));
    assert!(peak <= bound(footer.len()), "{peak} bytes for {}", footer.len());
    let Ok(read) = read else { return };
    assert_runs_are_adjacent(&read.runs, payload_bytes);
    assert_pieces_are_adjacent(&read);
    for change in [-1, 1] {
        if payload_bytes == 0 && change < 0 {
            continue;
        }
        let object_bytes = tail.object_bytes.wrapping_add_signed(change);
        let other = Tail { object_bytes, ..tail };
        assert!(
            Footer::read_after_tail(&other, footer).is_err(),
            "the payload may have any length"
        );
    }
    if payload_bytes > PAYLOAD_BYTES_MAX {
        return;
    }
    let payload = payload_of(&read.runs);
    let tail = Tail {
        payload_crc: crc32c::crc32c(&payload),
        ..tail
    };
    let object = Bytes::from([&payload, footer, &tail.encode()].concat());
    assert_eq!(verify(&object).as_ref(), Ok(&read));
    check_object(&object);
    check_damage(&object);
}

/// No byte of a segment can change unnoticed: one is looked at, chosen by the checksum of all.
fn check_damage(object: &Bytes) {
    let mut damaged = object.to_vec();
    let at = crc32c::crc32c(object) as usize % damaged.len();
    damaged[at] ^= 1 << (at % 8);
    assert!(
        verify(&Bytes::from(damaged)).is_err(),
        "damage at {at} was not noticed"
    );
}

fn assert_runs_are_adjacent(runs: &[RunExtent], payload_bytes: u64) {
    let mut position = 0;
    for run in runs {
        assert_eq!(run.position, position);
        assert!(run.partition >= 0 && !run.batches.is_empty());
        assert!((1..=i64::from(i32::MAX)).contains(&run.records()));
        let bytes: u64 = run.batches.iter().map(|batch| u64::from(batch.bytes)).sum();
        assert_eq!(run.bytes, bytes);
        position += bytes;
    }
    assert_eq!(position, payload_bytes);
}

fn assert_pieces_are_adjacent(footer: &Footer) {
    for pieces in footer.receipts.receipts.iter().flat_map(|receipt| &receipt.runs) {
        let mut next = 0;
        for piece in pieces {
            assert_eq!(piece.first_batch, next);
            assert!(piece.batches > 0);
            next += piece.batches;
        }
    }
}

/// Bytes for these runs; every batch that has room for its own checksum has a right one.
fn payload_of(runs: &[RunExtent]) -> Vec<u8> {
    let mut payload = Vec::new();
    for batch in runs.iter().flat_map(|run| &run.batches) {
        let start = payload.len();
        let end = start + batch.bytes as usize;
        payload.extend((start..end).map(|at| (at as u8).wrapping_mul(31) ^ (at >> 8) as u8));
        let bytes = &mut payload[start..];
        if bytes.len() >= CRC_FROM {
            let crc = crc32c::crc32c(&bytes[CRC_FROM..]);
            bytes[CRC_AT..CRC_FROM].copy_from_slice(&crc.to_be_bytes());
        }
    }
    payload
}
