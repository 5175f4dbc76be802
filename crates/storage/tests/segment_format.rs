//! The bytes of a segment: pinned by golden files, read back, and damaged in every way.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use bytes::Bytes;
use esker_storage::inspect::describe;
use esker_storage::keys::{ObjectKind, object_key};
use esker_storage::segment::{
    Batch, Footer, InvalidRun, Receipts, SegmentError, SegmentWriter, TAIL_BYTES, Tail, verify,
};
use proptest::prelude::*;
use support::golden::{golden, matches_golden};
use support::segments::{batch_bytes, receipts, runs, seal, segment_id, whole};

#[test]
fn todays_writer_makes_the_golden_bytes_and_todays_reader_reads_them() {
    for (name, sealed) in [
        ("v1-every-kind", seal(segment_id(42), runs(), receipts())),
        ("v1-receipts-only", seal(segment_id(43), vec![], receipts())),
    ] {
        let object = whole(&sealed);
        matches_golden(&format!("{name}.segment"), &object);
        let stored = Bytes::from(std::fs::read(golden(&format!("{name}.segment"))).unwrap());
        assert_eq!(verify(&stored).unwrap(), verify(&object).unwrap());
        matches_golden(
            &format!("{name}.txt"),
            describe(&object_key(&sealed.id), &stored).text.as_bytes(),
        );
    }
}

#[test]
fn what_is_sealed_is_what_is_read() {
    let sealed = seal(segment_id(42), runs(), receipts());
    let object = whole(&sealed);
    assert_eq!(object.len() as u64, sealed.object_bytes);
    assert_eq!(object.last_chunk(), Some(&sealed.tail));
    let footer = verify(&object).unwrap();
    assert_eq!(footer.id, segment_id(42));
    assert_eq!(footer.receipts, receipts());
    assert_eq!(footer.runs.len(), runs().len());
    for ((read, written), position) in footer.runs.iter().zip(runs()).zip(&sealed.runs) {
        assert_eq!((read.topic, read.partition), (written.topic, written.partition));
        assert_eq!(
            (read.producer, read.max_timestamp),
            (written.producer, written.max_timestamp)
        );
        assert_eq!(
            (read.transactional, read.control),
            (written.transactional, written.control)
        );
        assert_eq!((read.position, read.bytes), (position.position, position.bytes));
        let mut at = read.position as usize;
        for (read, written) in read.batches.iter().zip(&written.batches) {
            assert_eq!(
                (read.records, read.bytes as usize),
                (written.records, written.len())
            );
            let bytes = [&written.head[..], &written.rest[..]].concat();
            assert_eq!(&object[at..at + written.len()], bytes);
            at += written.len();
        }
    }
}

#[test]
fn the_footer_can_be_fetched_by_itself() {
    let object = whole(&seal(segment_id(42), runs(), receipts()));
    let tail = Tail::decode(object.last_chunk().unwrap()).unwrap();
    let start = tail.payload_bytes() as usize;
    let footer = object.slice(start..object.len() - TAIL_BYTES);
    assert_eq!(
        Footer::read_after_tail(&tail, &footer).unwrap(),
        Footer::read(&object).unwrap()
    );
    assert_eq!(
        Footer::read_after_tail(&tail, &footer[1..]),
        Err(SegmentError::FooterLength(tail.footer_bytes))
    );
}

#[test]
fn records_are_not_copied() {
    let run = runs().swap_remove(1);
    let pointers: Vec<_> = run.batches.iter().map(|batch| batch.head.as_ptr()).collect();
    let sealed = seal(segment_id(1), vec![run], Receipts::default());
    assert_eq!(sealed.payload.len(), 3);
    assert!(
        sealed
            .payload
            .iter()
            .map(|slice| slice.as_ptr())
            .zip(pointers)
            .all(|(a, b)| a == b)
    );
}

#[test]
fn runs_that_cannot_be_stored_are_refused() {
    let mut writer = SegmentWriter::new(segment_id(1), Receipts::default());
    let run = runs().swap_remove(0);
    for batches in [
        vec![],
        vec![Batch::whole(1, Bytes::new())],
        vec![Batch::whole(0, batch_bytes(1, 61))],
        vec![Batch::whole(-1, batch_bytes(1, 61))],
        vec![
            Batch::whole(i32::MAX, batch_bytes(1, 61)),
            Batch::whole(1, batch_bytes(1, 61)),
        ],
    ] {
        let mut run = run.clone();
        run.batches = batches;
        assert!(matches!(writer.push(run), Err(InvalidRun(_))));
    }
    assert_eq!(writer.payload_bytes(), 0);
}

/// A footer of the test's own making behind a payload of 70 bytes.
fn with_footer(footer: &[u8]) -> Bytes {
    support::segments::with_footer(ObjectKind::Ingest, &batch_bytes(1, 70), footer)
}

fn section(tag: u16, flags: u16, body: &[u8]) -> Vec<u8> {
    let mut section = Vec::new();
    section.extend_from_slice(&tag.to_be_bytes());
    section.extend_from_slice(&flags.to_be_bytes());
    section.extend_from_slice(&(body.len() as u32).to_be_bytes());
    section.extend_from_slice(body);
    section
}

fn own_footer() -> Vec<u8> {
    let object = whole(&seal(
        segment_id(1),
        vec![runs().swap_remove(0)],
        Receipts::default(),
    ));
    let tail = Tail::of_object(&object).unwrap();
    object[tail.payload_bytes() as usize..object.len() - TAIL_BYTES].to_vec()
}

#[test]
fn unknown_sections_are_skipped_unless_they_are_required() {
    let footer = own_footer();
    assert_eq!(verify(&with_footer(&footer)).unwrap().skipped, [0u16; 0]);
    let optional = [section(900, 0, b"whatever"), footer.clone(), section(901, 2, b"")].concat();
    assert_eq!(verify(&with_footer(&optional)).unwrap().skipped, [900, 901]);
    let required = [footer.clone(), section(902, 1, b"whatever")].concat();
    assert_eq!(
        verify(&with_footer(&required)),
        Err(SegmentError::UnknownSection(902))
    );
    let twice = [footer.clone(), footer].concat();
    assert!(matches!(
        verify(&with_footer(&twice)),
        Err(SegmentError::Malformed { .. })
    ));
    assert_eq!(
        verify(&with_footer(b"")),
        Err(SegmentError::MissingSection("identity"))
    );
}

#[test]
fn versions_of_later_releases_are_named() {
    let mut object = whole(&seal(segment_id(1), runs(), receipts())).to_vec();
    let tail = object.len() - TAIL_BYTES;
    object[tail + 21] = 2;
    let crc = crc32c::crc32c(&object[tail..tail + 24]);
    object[tail + 24..tail + 28].copy_from_slice(&crc.to_be_bytes());
    assert_eq!(verify(&object.into()), Err(SegmentError::UnknownVersion(2)));
}

#[test]
fn no_flipped_bit_and_no_cut_goes_unnoticed() {
    let object = whole(&seal(segment_id(42), runs(), receipts()));
    let step = 7; // every byte near the end, every seventh in the payload
    for at in 0..object.len() {
        if at % step != 0 && at + 600 < object.len() {
            continue;
        }
        let mut damaged = object.to_vec();
        damaged[at] ^= 1 << (at % 8);
        assert!(verify(&damaged.into()).is_err(), "byte {at}");
    }
    for bytes in (0..object.len()).rev().step_by(11) {
        assert!(verify(&object.slice(..bytes)).is_err(), "cut to {bytes}");
        assert!(
            verify(&object.slice(object.len() - bytes..)).is_err(),
            "the last {bytes}"
        );
    }
    let longer = Bytes::from([&object[..], &[0]].concat());
    assert!(verify(&longer).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn any_footer_with_right_checksums_is_read_or_refused(mut footer in Just(own_footer()), at in 0usize..200, bytes in prop::collection::vec(any::<u8>(), 1..12)) {
        let at = at % footer.len();
        for (i, byte) in bytes.iter().enumerate() {
            if let Some(there) = footer.get_mut(at + i) {
                *there = *byte;
            }
        }
        if let Ok(footer) = verify(&with_footer(&footer)) {
            let covered: u64 = footer.runs.iter().map(|run| run.bytes).sum();
            prop_assert_eq!(covered, 70);
        }
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let object = Bytes::from(bytes);
        prop_assert!(verify(&object).is_err());
        let _ = verify(&with_footer(&object));
        let _ = describe("some/key", &object);
    }
}
