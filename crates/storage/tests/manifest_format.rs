//! The bytes of a manifest: pinned by golden files, read back, and damaged in every way.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use bytes::Bytes;
use esker_storage::inspect::describe;
use esker_storage::keys::{ObjectKind, manifest_key, object_key};
use esker_storage::manifest::{Leaf, Manifest};
use esker_storage::segment::archive::ArchiveFooter;
use esker_storage::segment::{self, Footer, Receipts, SegmentError, TAIL_BYTES, Tail};
use proptest::prelude::*;
use support::golden::{golden, matches_golden};
use support::manifests::{any_manifest, chunk, everything, leaf, manifest_id, segment};
use support::segments::{seal, segment_id, whole, with_footer};

fn encoded(manifest: &Manifest) -> Bytes {
    manifest.encode().unwrap().payload
}

#[test]
fn todays_writer_makes_the_golden_bytes_and_todays_reader_reads_them() {
    let leaf_object = encoded(&leaf());
    let mut manifest = everything();
    manifest.leaves[0] = Leaf::of(&leaf(), leaf_object.len() as u64).unwrap();
    for (name, manifest) in [("v1-manifest", manifest), ("v1-manifest-leaf", leaf())] {
        let object = encoded(&manifest);
        matches_golden(&format!("{name}.segment"), &object);
        let stored = Bytes::from(std::fs::read(golden(&format!("{name}.segment"))).unwrap());
        assert_eq!(Manifest::decode(&stored).unwrap(), manifest);
        matches_golden(
            &format!("{name}.txt"),
            describe(&manifest_key(&manifest.id), &stored).text.as_bytes(),
        );
    }
}

#[test]
fn what_is_encoded_can_be_put() {
    let encoded = everything().encode().unwrap();
    assert_eq!(encoded.object_bytes(), encoded.payload.len() as u64);
    assert_eq!(encoded.payload.last_chunk(), Some(&encoded.tail));
    let tail = Tail::of_object(&encoded.payload).unwrap();
    assert_eq!((tail.kind, tail.payload_bytes()), (ObjectKind::Manifest, 0));
}

#[test]
fn a_chunk_takes_about_twenty_bytes() {
    let chunks = |count| {
        let chunks = vec![chunk(4_000, 4 << 20, 0); count];
        let mut manifest = Manifest::empty(manifest_id(1), 0);
        manifest.entries = vec![segment(1, 0, chunks)];
        encoded(&manifest).len()
    };
    // One byte more, for the size of a segment so large.
    assert_eq!(chunks(116) - chunks(16), 18 * 100 + 1);
}

#[test]
fn a_manifest_that_lists_nothing_is_one() {
    let empty = Manifest::empty(manifest_id(1), i64::MAX);
    assert_eq!(Manifest::decode(&encoded(&empty)), Ok(empty));
}

#[test]
fn kinds_are_not_taken_for_each_other() {
    let manifest = encoded(&everything());
    let kind = SegmentError::Kind(ObjectKind::Manifest);
    assert_eq!(Footer::read(&manifest), Err(kind.clone()));
    assert_eq!(ArchiveFooter::read(&manifest), Err(kind));
    let ingest = whole(&seal(segment_id(1), vec![], Receipts::default()));
    assert!(segment::verify(&ingest).is_ok());
    assert_eq!(
        Manifest::decode(&ingest),
        Err(SegmentError::Kind(ObjectKind::Ingest))
    );
}

#[test]
fn a_manifest_under_anothers_key_is_called_misplaced() {
    let object = encoded(&everything());
    let said = |key: &str| describe(key, &object).text;
    let own = manifest_key(&everything().id);
    assert!(!said(&own).contains("MISPLACED"));
    for key in [manifest_key(&manifest_id(22)), object_key(&segment_id(21))] {
        assert!(said(&key).contains(&format!("MISPLACED: its own key is {own}\n")));
    }
    let mut damaged = object.to_vec();
    damaged[30] ^= 1;
    let said = describe(&own, &damaged.into()).text;
    assert!(said.contains("a damaged manifest: the footer's checksum is wrong"));
}

#[test]
fn no_flipped_bit_and_no_cut_goes_unnoticed() {
    let object = encoded(&everything());
    for at in 0..object.len() {
        for bit in 0..8 {
            let mut damaged = object.to_vec();
            damaged[at] ^= 1 << bit;
            assert!(
                Manifest::decode(&damaged.into()).is_err(),
                "bit {bit} of byte {at}"
            );
        }
    }
    for bytes in 0..object.len() {
        assert!(
            Manifest::decode(&object.slice(..bytes)).is_err(),
            "cut to {bytes}"
        );
        let last = object.slice(object.len() - bytes..);
        assert!(Manifest::decode(&last).is_err(), "the last {bytes}");
    }
    let longer = Bytes::from([&object[..], &[0]].concat());
    assert!(Manifest::decode(&longer).is_err());
}

fn section(tag: u16, flags: u16, body: &[u8]) -> Vec<u8> {
    let mut section = Vec::new();
    section.extend_from_slice(&tag.to_be_bytes());
    section.extend_from_slice(&flags.to_be_bytes());
    section.extend_from_slice(&(body.len() as u32).to_be_bytes());
    section.extend_from_slice(body);
    section
}

/// The sections of a manifest: 8 bytes before the body of the second, which begins after the first.
const BODY_AT: usize = 8 + 28 + 8;

fn own_footer() -> Vec<u8> {
    let object = encoded(&everything());
    object[..object.len() - TAIL_BYTES].to_vec()
}

fn decode_footer(footer: &[u8]) -> Result<Manifest, SegmentError> {
    Manifest::decode(&with_footer(ObjectKind::Manifest, b"", footer))
}

#[test]
fn unknown_sections_are_skipped_unless_they_are_required() {
    let footer = own_footer();
    let optional = [section(900, 0, b"whatever"), footer.clone(), section(901, 2, b"")].concat();
    let read = decode_footer(&optional).unwrap();
    assert_eq!(read.skipped, [900, 901]);
    let again = Manifest::decode(&encoded(&read)).unwrap();
    assert_eq!(again, everything(), "they are not written again");
    let required = [footer.clone(), section(902, 1, b"whatever")].concat();
    assert_eq!(decode_footer(&required), Err(SegmentError::UnknownSection(902)));
    let twice = [&footer[..], &section(8, 1, &footer[BODY_AT..])].concat();
    assert!(matches!(
        decode_footer(&twice),
        Err(SegmentError::Malformed { .. })
    ));
    let (identity, body) = footer.split_at(BODY_AT - 8);
    assert_eq!(
        decode_footer(identity),
        Err(SegmentError::MissingSection("manifest"))
    );
    assert_eq!(decode_footer(body), Err(SegmentError::MissingSection("identity")));
}

#[test]
fn there_is_no_payload() {
    let footer = own_footer();
    let object = |payload: &[u8]| with_footer(ObjectKind::Manifest, payload, &footer);
    assert!(Manifest::decode(&object(b"")).is_ok());
    let refused = SegmentError::Malformed {
        section: "manifest",
        what: "there is a payload before it",
    };
    assert_eq!(Manifest::decode(&object(b"x")), Err(refused.clone()));
    // Not even one whose checksum is that of no bytes; nor another checksum of no bytes.
    for (payload, payload_crc) in [(&b"x"[..], 0), (b"", 1)] {
        let tail = Tail {
            payload_crc,
            ..Tail::of_object(&object(payload)).unwrap()
        };
        let object = Bytes::from([payload, &footer, &tail.encode()].concat());
        assert_eq!(Manifest::decode(&object), Err(refused.clone()));
    }
}

/// Whatever is read is right, and can be written and read again.
fn assert_sound(read: Result<Manifest, SegmentError>) {
    let Ok(mut read) = read else { return };
    read.skipped.clear();
    assert_eq!(Manifest::decode(&encoded(&read)).unwrap(), read);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn what_is_written_is_read(manifest in any_manifest()) {
        let object = encoded(&manifest);
        prop_assert_eq!(&encoded(&manifest), &object);
        prop_assert_eq!(Manifest::decode(&object).unwrap(), manifest);
    }

    #[test]
    fn any_footer_with_right_checksums_is_read_or_refused(
        mut footer in Just(own_footer()),
        at in any::<prop::sample::Index>(),
        bytes in prop::collection::vec(any::<u8>(), 1..12),
    ) {
        let at = at.index(footer.len());
        for (there, byte) in footer[at..].iter_mut().zip(&bytes) {
            *there = *byte;
        }
        let _ = describe("some/key", &with_footer(ObjectKind::Manifest, b"", &footer));
        assert_sound(decode_footer(&footer));
    }

    #[test]
    fn any_section_with_right_checksums_is_read_or_refused(
        keep in 0usize..60,
        random in prop::collection::vec(any::<u8>(), 0..300),
    ) {
        let footer = own_footer();
        let body = [&footer[BODY_AT..BODY_AT + keep], &random].concat();
        assert_sound(decode_footer(&[&footer[..BODY_AT - 8], &section(8, 1, &body)].concat()));
    }
}
