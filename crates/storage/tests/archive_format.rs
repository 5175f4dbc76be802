//! The bytes of an archive segment: pinned by a golden file, read back, and damaged in every way.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use bytes::Bytes;
use esker_model::{ClusterEpoch, LogId, SegmentId, SegmentKind, TopicUuid};
use esker_storage::inspect::describe;
use esker_storage::keys::{ObjectKind, object_key};
use esker_storage::segment::archive::{
    ArchiveWriter, ArchivedBatch, CHUNK_BYTES_MAX, INDEX_BYTES, SHARED_CHUNK_BYTES, SealedArchive, verify,
};
use esker_storage::segment::{self, SegmentError, TAIL_BYTES};
use proptest::prelude::*;
use support::golden::{golden, matches_golden};
use support::segments::{batch_bytes, segment_id};
use uuid::Uuid;

const TOPIC: TopicUuid = TopicUuid(Uuid::from_u128(7));

fn archive_id(seq: u64) -> SegmentId {
    SegmentId {
        kind: SegmentKind::Archive,
        ..segment_id(seq)
    }
}

fn batch(seed: u8, records: i32, bytes: usize) -> ArchivedBatch {
    ArchivedBatch {
        records,
        max_timestamp: 1_700_000_000_000 + i64::from(seed),
        epoch: ClusterEpoch(5),
        bytes: batch_bytes(seed, bytes).into(),
    }
}

fn whole(sealed: &SealedArchive) -> Bytes {
    Bytes::from(sealed.payload.concat())
}

/// Small parts that share a chunk, then one that has an index of two entries.
fn small() -> SealedArchive {
    small_of(|batch| batch)
}

/// The same of batches that lie otherwise in memory.
fn small_of(lies: impl Fn(ArchivedBatch) -> ArchivedBatch) -> SealedArchive {
    let batch = |seed, records, bytes| lies(batch(seed, records, bytes));
    let mut writer = ArchiveWriter::new(archive_id(9));
    writer
        .push(TOPIC, 0, 0, &[batch(1, 1, 70), batch(2, 10, 300)])
        .unwrap();
    writer
        .push(
            TOPIC,
            3,
            1 << 40,
            &[batch(3, i32::MAX, 61), batch(4, i32::MAX, 61)],
        )
        .unwrap();
    let last = [
        batch(5, 2, INDEX_BYTES as usize),
        ArchivedBatch {
            max_timestamp: -1,
            ..batch(6, 1, 100)
        },
    ];
    writer.push(TopicUuid(Uuid::from_u128(8)), 0, 44, &last).unwrap();
    writer.seal()
}

#[test]
fn it_does_not_matter_in_which_slices_batches_lie() {
    for cuts in [&[1][..], &[20], &[21], &[22], &[3, 15, 1, 5, 30]] {
        let sliced = |mut batch: ArchivedBatch| {
            let mut rest = batch.bytes.into_bytes();
            let mut slices: Vec<Bytes> = cuts.iter().map(|bytes| rest.split_to(*bytes)).collect();
            slices.push(rest);
            batch.bytes = slices.into_iter().collect();
            batch
        };
        let (one, many) = (small(), small_of(sliced));
        assert_eq!(whole(&one), whole(&many));
        assert_eq!((one.tail, one.object_bytes), (many.tail, many.object_bytes));
    }
}

#[test]
fn todays_writer_makes_the_golden_bytes_and_todays_reader_reads_them() {
    let sealed = small();
    let object = whole(&sealed);
    matches_golden("v1-archive.segment", &object);
    let stored = Bytes::from(std::fs::read(golden("v1-archive.segment")).unwrap());
    assert_eq!(verify(&stored).unwrap(), verify(&object).unwrap());
    matches_golden(
        "v1-archive.txt",
        describe(&object_key(&sealed.id), &stored).text.as_bytes(),
    );
}

/// One partition's records.
fn merged() -> SealedArchive {
    let log = LogId {
        topic: TOPIC,
        partition: 3,
    };
    let mut writer = ArchiveWriter::new(SegmentId {
        kind: SegmentKind::Merged(log),
        ..segment_id(10)
    });
    let small = [batch(1, 1, 70), batch(2, 10, 300)];
    writer.push(TOPIC, 3, 1 << 40, &small).unwrap();
    writer.seal()
}

#[test]
fn a_merged_segment_has_golden_bytes_and_is_of_one_partition() {
    let sealed = merged();
    let key = object_key(&sealed.id);
    matches_golden("v1-merged.segment", &whole(&sealed));
    let stored = Bytes::from(std::fs::read(golden("v1-merged.segment")).unwrap());
    let footer = verify(&stored).unwrap();
    assert_eq!(footer.id, sealed.id);
    assert_eq!((&footer.chunks, &footer.parts), (&sealed.chunks, &sealed.parts));
    let said = describe(&key, &stored).text;
    matches_golden("v1-merged.txt", said.as_bytes());
    assert!(!said.contains("MISPLACED"));
    // Neither another partition's key nor that of an archive segment with the same number.
    for other in [key.replace("/00003/", "/00004/"), object_key(&archive_id(10))] {
        let said = describe(&other, &stored).text;
        assert!(
            said.contains(&format!("MISPLACED: its own key is {key}\n")),
            "{said}"
        );
    }
    let mut writer = ArchiveWriter::new(sealed.id);
    assert!(writer.push(TOPIC, 4, 0, &[batch(1, 1, 70)]).is_err());
}

#[test]
fn a_merged_segment_of_many_partitions_or_none_is_refused() {
    let object = tiny();
    let (payload, footer) = object[..object.len() - TAIL_BYTES].split_at(492);
    let as_kind = |kind| verify(&support::segments::with_footer(kind, payload, footer));
    assert!(as_kind(ObjectKind::Archive).is_ok());
    let refused = Err(SegmentError::Malformed {
        section: "parts",
        what: "a merged segment is of one partition",
    });
    assert_eq!(as_kind(ObjectKind::Merged), refused);
    let none = whole(&ArchiveWriter::new(archive_id(1)).seal());
    let footer = &none[..none.len() - TAIL_BYTES];
    let merged = support::segments::with_footer(ObjectKind::Merged, b"", footer);
    assert_eq!(verify(&merged), refused);
}

#[test]
fn what_is_sealed_is_what_is_read() {
    let sealed = small();
    let object = whole(&sealed);
    assert_eq!(object.len() as u64, sealed.object_bytes);
    assert_eq!(object.last_chunk(), Some(&sealed.tail));
    let footer = verify(&object).unwrap();
    assert_eq!(footer.id, archive_id(9));
    assert_eq!((&footer.chunks, &footer.parts), (&sealed.chunks, &sealed.parts));
    assert_eq!(footer.chunks.len(), 1);
    let part = footer.part(TOPIC, 3).unwrap();
    assert_eq!(part.base_offset, 1 << 40);
    assert_eq!(part.end_offset(), (1 << 40) + 2 * i64::from(i32::MAX));
    assert!(footer.part(TOPIC, 1).is_none());
}

#[test]
fn batches_carry_their_final_offsets_and_epoch_and_nothing_else_changes() {
    let sealed = small();
    let object = whole(&sealed);
    let part = &sealed.parts[0];
    let first = &object[part.position as usize..part.position as usize + 70];
    let second = &object[part.position as usize + 70..(part.position + part.bytes()) as usize];
    for (stored, sent, offset) in [
        (first, batch_bytes(1, 70), 0i64),
        (second, batch_bytes(2, 300), 1),
    ] {
        assert_eq!(stored[..8], offset.to_be_bytes());
        assert_eq!(stored[8..12], sent[8..12]);
        assert_eq!(stored[12..16], 5i32.to_be_bytes());
        assert_eq!(stored[16..], sent[16..]);
    }
}

#[test]
fn offsets_and_times_are_found_by_the_index() {
    let sealed = small();
    let part = &sealed.parts[2];
    let places: Vec<_> = part.places().collect();
    assert_eq!(places.len(), 2);
    assert_eq!(part.find(43), None);
    assert_eq!(part.find(45), Some(places[0]));
    assert_eq!(part.find(46), Some(places[1]));
    assert_eq!(part.find(47), None);
    assert_eq!(part.find_time(0, 0), Some(places[0]));
    assert_eq!(part.find_time(0, 46), None);
    assert_eq!(part.max_timestamp(), 1_700_000_000_005);
}

#[test]
fn chunks_are_bounded_and_end_where_index_entries_do() {
    let mut writer = ArchiveWriter::new(archive_id(1));
    let mut batches: Vec<_> = (0..100).map(|seed| batch(seed, 1, 90_000)).collect();
    batches.insert(50, batch(0, 1, CHUNK_BYTES_MAX as usize + 1));
    writer.push(TOPIC, 0, 0, &batches).unwrap();
    for partition in 1..200 {
        writer.push(TOPIC, partition, 0, &[batch(1, 1, 1_000)]).unwrap();
    }
    writer.push(TOPIC, 200, 0, &[batch(1, 1, 100_000)]).unwrap();
    let sealed = writer.seal();
    let footer = verify(&whole(&sealed)).unwrap();
    let large = |bytes| bytes > CHUNK_BYTES_MAX;
    assert_eq!(footer.chunks.iter().filter(|chunk| large(chunk.bytes)).count(), 1);
    for place in footer.parts.iter().flat_map(|part| part.places()) {
        let chunk = footer.chunks[footer.chunk_at(place.position).unwrap()];
        assert!(place.position + place.entry.bytes <= chunk.position + chunk.bytes);
    }
    // 66 small parts share each of three chunks, the one that is left goes with the last part.
    let shared = footer
        .chunks
        .iter()
        .filter(|chunk| chunk.bytes < 2 * SHARED_CHUNK_BYTES);
    assert_eq!(shared.count(), 4);
    assert_eq!(footer.chunk_at(sealed.object_bytes), None);
}

#[test]
fn parts_that_cannot_be_stored_are_refused() {
    let mut writer = ArchiveWriter::new(archive_id(1));
    writer.push(TOPIC, 5, 0, &[batch(1, 1, 70)]).unwrap();
    for (partition, base_offset, batches) in [
        (5, 1, vec![batch(1, 1, 70)]),
        (4, 0, vec![batch(1, 1, 70)]),
        (6, 0, vec![]),
        (6, -1, vec![batch(1, 1, 70)]),
        (6, i64::MAX, vec![batch(1, 1, 70)]),
        (6, 0, vec![batch(1, 0, 70)]),
        (6, 0, vec![batch(1, -1, 70)]),
        (
            6,
            0,
            vec![ArchivedBatch {
                bytes: Bytes::from_static(&[0; 21]).into(),
                ..batch(1, 1, 70)
            }],
        ),
    ] {
        assert!(
            writer.push(TOPIC, partition, base_offset, &batches).is_err(),
            "{partition} {base_offset}"
        );
    }
    assert_eq!(writer.payload_bytes(), 70);
}

#[test]
fn kinds_are_not_taken_for_each_other() {
    let archive = whole(&small());
    assert_eq!(
        segment::verify(&archive),
        Err(SegmentError::Kind(ObjectKind::Archive))
    );
    let ingest = support::segments::whole(&support::segments::large(1, 1_000, 100));
    assert_eq!(verify(&ingest), Err(SegmentError::Kind(ObjectKind::Ingest)));
}

#[test]
fn no_flipped_bit_and_no_cut_goes_unnoticed() {
    let object = whole(&small());
    for at in 0..object.len() {
        if at % 97 != 0 && at > 600 && at + 600 < object.len() {
            continue;
        }
        let mut damaged = object.to_vec();
        damaged[at] ^= 1 << (at % 8);
        assert!(verify(&damaged.into()).is_err(), "byte {at}");
    }
    for bytes in (0..object.len()).rev().step_by(1009) {
        assert!(verify(&object.slice(..bytes)).is_err(), "cut to {bytes}");
    }
}

/// A footer of the test's own making behind a payload of 492 bytes.
fn with_footer(footer: &[u8]) -> Bytes {
    support::segments::with_footer(ObjectKind::Archive, &tiny()[..492], footer)
}

fn tiny() -> Bytes {
    let mut writer = ArchiveWriter::new(archive_id(1));
    writer
        .push(TOPIC, 0, 0, &[batch(1, 1, 70), batch(2, 10, 300)])
        .unwrap();
    writer
        .push(TOPIC, 1, 9, &[batch(3, 1, 61), batch(4, 2, 61)])
        .unwrap();
    whole(&writer.seal())
}

fn own_footer() -> Vec<u8> {
    let object = tiny();
    object[492..object.len() - TAIL_BYTES].to_vec()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn any_footer_with_right_checksums_is_read_or_refused(
        mut footer in Just(own_footer()),
        at in 0usize..300,
        bytes in prop::collection::vec(any::<u8>(), 1..12),
    ) {
        let at = at % footer.len();
        for (i, byte) in bytes.iter().enumerate() {
            if let Some(there) = footer.get_mut(at + i) {
                *there = *byte;
            }
        }
        let object = with_footer(&footer);
        let _ = describe("some/key", &object);
        if let Ok(footer) = verify(&object) {
            let covered: u64 = footer.parts.iter().map(|part| part.bytes()).sum();
            prop_assert_eq!(covered, 492);
            prop_assert!(footer.parts.iter().all(|part| part.end_offset() > part.base_offset));
        }
    }
}
