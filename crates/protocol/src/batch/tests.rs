use super::*;
use crate::records::{BatchBuilder, RecordsError};
use crate::test_rng::TestRng;
use crate::{ErrorCode, wire};
use bytes::{BufMut, Bytes, BytesMut};

const NOW_MS: i64 = 1_700_000_000_000;

fn rules() -> ProduceRules {
    ProduceRules {
        max_message_bytes: 1_048_588,
        timestamp_type: TimestampType::CreateTime,
        timestamp_before_max_ms: i64::MAX,
        timestamp_after_max_ms: 3_600_000,
        now_ms: NOW_MS,
        keys_required: false,
        open_compressed: false,
    }
}

fn three() -> BatchBuilder {
    BatchBuilder::new()
        .record(NOW_MS, Some(b"a"), Some(b"1"), &[])
        .record(NOW_MS + 5, Some(b"b"), None, &[(b"h", Some(b"x")), (b"h", None)])
        .record(NOW_MS - 5, None, Some(b"3"), &[])
}

fn built(builder: BatchBuilder) -> Bytes {
    builder.build().expect("build")
}

fn batch(bytes: &Bytes) -> Batch {
    Batch::split_from(&mut bytes.clone()).expect("batch")
}

/// Overwrites bytes of a batch and makes its checksum right again.
fn with(bytes: &Bytes, at: usize, new: &[u8]) -> Bytes {
    let mut out = BytesMut::from(&bytes[..]);
    out[at..at + new.len()].copy_from_slice(new);
    let crc = crc32c::crc32c(&out[at::ATTRIBUTES..]);
    out[at::CRC..at::CRC + 4].copy_from_slice(&crc.to_be_bytes());
    out.freeze()
}

fn refusal(bytes: Bytes) -> (ErrorCode, BatchError) {
    let error = check_produce(Some(bytes), 9, &rules()).expect_err("accepted");
    (error.code(), error)
}

#[test]
fn header_round_trips_and_counts() {
    let bytes = built(
        three()
            .producer(9, 2, i32::MAX)
            .base_offset(100)
            .leader_epoch(4)
            .transactional(),
    );
    let header = BatchHeader::parse(&bytes).expect("header");
    assert_eq!(header.write()[..], bytes[..BATCH_HEADER_BYTES]);
    assert_eq!(header.total_bytes(), bytes.len());
    assert_eq!(
        (header.last_offset(), header.next_offset(), header.record_count),
        (102, 103, 3)
    );
    assert_eq!(
        (header.base_timestamp, header.max_timestamp),
        (NOW_MS, NOW_MS + 5)
    );
    assert!(header.attributes.is_transactional() && !header.attributes.is_control() && header.has_producer());
    // i32::MAX, then 0, then 1.
    assert_eq!(header.last_sequence(), 1);
    assert_eq!(
        BatchHeader {
            base_sequence: 5,
            ..header
        }
        .last_sequence(),
        7
    );
    assert_eq!(
        BatchHeader {
            base_sequence: -1,
            ..header
        }
        .last_sequence(),
        -1
    );
}

#[test]
fn attribute_bits() {
    for (number, codec) in [Codec::None, Codec::Gzip, Codec::Snappy, Codec::Lz4, Codec::Zstd]
        .into_iter()
        .enumerate()
    {
        let attributes = Attributes(0x7ff8).with_codec(codec);
        assert_eq!(attributes, Attributes(0x7ff8 | number as i16));
        assert_eq!(attributes.codec(), Ok(codec));
        assert_eq!(Codec::from_name(codec.name()), Some(codec));
    }
    assert_eq!(Attributes(7).codec(), Err(7));
    let stamped = Attributes(0).with_timestamp_type(TimestampType::LogAppendTime);
    assert_eq!(
        (stamped, stamped.timestamp_type()),
        (Attributes(8), TimestampType::LogAppendTime)
    );
    assert_eq!(
        stamped.with_timestamp_type(TimestampType::CreateTime),
        Attributes(0)
    );
    assert!(Attributes(0x40).has_delete_horizon() && Attributes(0x20).is_control());
}

#[test]
fn a_good_batch_is_taken_as_it_is() {
    let bytes = built(three());
    let mut sent = BytesMut::from(&bytes[..]);
    sent.put_slice(b"garbage that is no batch");
    let checked = check_produce(Some(sent.freeze()), 3, &rules()).expect("accepted");
    assert_eq!(checked.batch.bytes, bytes);
    assert_eq!(checked.max_timestamp_ms, NOW_MS + 5);
}

#[test]
fn framing_errors_have_kafkas_codes() {
    let good = built(three());
    assert_eq!(
        check_produce(None, 9, &rules()).expect_err("null").code(),
        ErrorCode::InvalidRecord
    );
    assert_eq!(
        refusal(Bytes::new()),
        (ErrorCode::InvalidRecord, BatchError::NoBatch)
    );
    for cut in 0..good.len() {
        assert_eq!(
            refusal(good.slice(..cut)).0,
            ErrorCode::InvalidRecord,
            "cut at {cut}"
        );
    }
    let twice = Bytes::from([&good[..], &good[..]].concat());
    assert_eq!(
        refusal(twice),
        (ErrorCode::InvalidRecord, BatchError::ManyBatches)
    );
    for magic in [0, 1] {
        assert_eq!(
            refusal(with(&good, at::MAGIC, &[magic])).0,
            ErrorCode::InvalidRecord
        );
    }
    for magic in [3, 127, 0xff] {
        assert_eq!(
            refusal(with(&good, at::MAGIC, &[magic])).0,
            ErrorCode::CorruptMessage
        );
    }
    for length in [-1i32, 0, 13, 48] {
        let error = refusal(with(&good, at::BATCH_LENGTH, &length.to_be_bytes()));
        assert_eq!(error, (ErrorCode::CorruptMessage, BatchError::Length(length)));
    }
}

#[test]
fn zstd_needs_version_7() {
    let bytes = built(three().codec(Codec::Zstd));
    let error = check_produce(Some(bytes.clone()), 6, &rules()).expect_err("v6");
    assert_eq!(
        (error.code(), error),
        (ErrorCode::UnsupportedCompressionType, BatchError::ZstdNotAllowed)
    );
    assert!(check_produce(Some(bytes), 7, &rules()).is_ok());
}

#[test]
fn header_errors_have_kafkas_codes() {
    let good = built(three());
    assert_eq!(
        refusal(with(&good, 0, &1i64.to_be_bytes())),
        (ErrorCode::InvalidRecord, BatchError::BaseOffset(1))
    );
    let limit = ProduceRules {
        max_message_bytes: good.len(),
        ..rules()
    };
    assert!(check_batch(batch(&good), &limit).is_ok());
    let limit = ProduceRules {
        max_message_bytes: good.len() - 1,
        ..rules()
    };
    assert_eq!(
        check_batch(batch(&good), &limit).expect_err("size").code(),
        ErrorCode::MessageTooLarge
    );
    for at in [
        at::CRC,
        at::ATTRIBUTES + 1,
        at::RECORD_COUNT,
        BATCH_HEADER_BYTES,
        good.len() - 1,
    ] {
        let mut damaged = BytesMut::from(&good[..]);
        damaged[at] ^= 0x80;
        assert_eq!(
            refusal(damaged.freeze()).0,
            ErrorCode::CorruptMessage,
            "byte {at}"
        );
    }
    for count in [-1i32, 0, 2, 4] {
        assert!(matches!(
            refusal(with(&good, at::RECORD_COUNT, &count.to_be_bytes())).1,
            BatchError::Count { .. }
        ));
    }
    for (record_count, delta) in [(2i32, 1i32), (4, 3)] {
        let fewer = with(&good, at::RECORD_COUNT, &record_count.to_be_bytes());
        let (code, error) = refusal(with(&fewer, at::LAST_OFFSET_DELTA, &delta.to_be_bytes()));
        assert_eq!(code, ErrorCode::InvalidRecord);
        assert!(matches!(
            error,
            BatchError::Records(RecordsError::LeftOver(_) | RecordsError::Malformed)
        ));
    }
    assert_eq!(
        refusal(built(three().control())),
        (ErrorCode::InvalidRecord, BatchError::Control)
    );
    assert!(matches!(
        refusal(built(three().producer(1, 0, -1))).1,
        BatchError::Sequence { .. }
    ));
    for codec in 5..=7i16 {
        let (code, error) = refusal(with(&good, at::ATTRIBUTES, &codec.to_be_bytes()));
        assert_eq!(
            (code, error),
            (ErrorCode::InvalidRecord, BatchError::UnknownCodec(codec as u8))
        );
    }
    // Unused attribute bits, the delete horizon bit and odd producer ids pass.
    for attributes in [0x40i16, 0x7f80, -128] {
        assert!(
            check_produce(
                Some(with(&good, at::ATTRIBUTES, &attributes.to_be_bytes())),
                9,
                &rules()
            )
            .is_ok()
        );
    }
    assert!(
        check_produce(
            Some(with(&good, at::PRODUCER_ID, &(-2i64).to_be_bytes())),
            9,
            &rules()
        )
        .is_ok()
    );
}

#[test]
fn record_framing_errors_are_invalid_records() {
    let builder = || BatchBuilder::new().record(NOW_MS, Some(b"k"), Some(b"v"), &[(b"h", Some(b"x"))]);
    let good = built(builder());
    assert!(check_produce(Some(good.clone()), 9, &rules()).is_ok());
    // length, attributes, timestamp delta, offset delta, key length, key, value length, value, header count, ...
    for (at, byte) in [
        (0, 0x7e),
        (0, 0x01),
        (0, 0x16),
        (4, 0x7e),
        (4, 0x03),
        (6, 0x7e),
        (8, 0x01),
        (8, 0x04),
        (9, 1),
    ] {
        let damaged = with(&good, BATCH_HEADER_BYTES + at, &[byte]);
        assert_eq!(
            refusal(damaged),
            (ErrorCode::InvalidRecord, RecordsError::Malformed.into()),
            "{at} {byte}"
        );
    }
    let (code, error) = refusal(with(&good, BATCH_HEADER_BYTES + 3, &[2]));
    assert_eq!(
        (code, error),
        (
            ErrorCode::InvalidRecord,
            BatchError::OffsetDelta {
                index: 0,
                offset_delta: 1
            }
        )
    );
    let gap = BatchBuilder::new()
        .record(NOW_MS, None, None, &[])
        .record_at(2, NOW_MS, None, None, &[]);
    assert!(matches!(refusal(built(gap)).1, BatchError::Count { .. }));
}

#[test]
fn timestamps_are_judged_by_the_topic() {
    let bytes = built(
        BatchBuilder::new()
            .record(NOW_MS, None, Some(b"0"), &[])
            .record(NOW_MS + 11, None, Some(b"1"), &[])
            .record(-1, None, Some(b"2"), &[])
            .record(NOW_MS - 21, None, Some(b"3"), &[]),
    );
    let narrow = ProduceRules {
        timestamp_before_max_ms: 20,
        timestamp_after_max_ms: 10,
        ..rules()
    };
    let error = check_batch(batch(&bytes), &narrow).expect_err("range");
    assert_eq!(
        (error.code(), error.record_errors()),
        (ErrorCode::InvalidTimestamp, &[1, 3][..])
    );
    let just = ProduceRules {
        timestamp_before_max_ms: 21,
        timestamp_after_max_ms: 11,
        ..rules()
    };
    assert!(check_batch(batch(&bytes), &just).is_ok());
    let log_append = ProduceRules {
        timestamp_type: TimestampType::LogAppendTime,
        ..narrow
    };
    assert!(check_batch(batch(&bytes), &log_append).is_ok());
    // Compressed: base and maximum only, unless the rules open it.
    let late = BatchBuilder::new()
        .codec(Codec::Lz4)
        .record(NOW_MS + 11, None, None, &[]);
    let error = check_batch(batch(&built(late.clone())), &narrow).expect_err("range");
    assert_eq!(
        (error.code(), error.record_errors().len()),
        (ErrorCode::InvalidTimestamp, 0)
    );
    let opened = ProduceRules {
        open_compressed: true,
        ..narrow
    };
    assert_eq!(
        check_batch(batch(&built(late)), &opened)
            .expect_err("range")
            .record_errors(),
        [0]
    );
    for extreme in [i64::MIN, i64::MAX, -2] {
        let bytes = built(BatchBuilder::new().record(extreme, None, None, &[]));
        let _ = check_batch(batch(&bytes), &narrow).expect_err("range");
    }
    for (timestamp_type, set) in [
        (TimestampType::CreateTime, 8i16),
        (TimestampType::LogAppendTime, 8),
    ] {
        let sent = with(&bytes, at::ATTRIBUTES, &set.to_be_bytes());
        let error = check_batch(
            batch(&sent),
            &ProduceRules {
                timestamp_type,
                ..rules()
            },
        )
        .expect_err("bit");
        assert_eq!(
            (error.code(), error),
            (ErrorCode::InvalidTimestamp, BatchError::LogAppendTimeFromClient)
        );
    }
}

#[test]
fn record_errors_are_bounded() {
    let mut builder = BatchBuilder::new();
    for _ in 0..crate::limits::RECORD_ERRORS_MAX + 500 {
        builder = builder.record(0, None, None, &[]);
    }
    let bytes = built(builder);
    let narrow = ProduceRules {
        timestamp_before_max_ms: 1,
        ..rules()
    };
    let error = check_batch(batch(&bytes), &narrow).expect_err("range");
    assert_eq!(error.record_errors().len(), crate::limits::RECORD_ERRORS_MAX);
}

#[test]
fn keys_are_required_where_the_topic_says_so() {
    let keyed = ProduceRules {
        keys_required: true,
        ..rules()
    };
    for codec in [Codec::None, Codec::Gzip, Codec::Snappy, Codec::Lz4, Codec::Zstd] {
        let bytes = built(three().codec(codec));
        assert!(check_batch(batch(&bytes), &rules()).is_ok());
        let error = check_batch(batch(&bytes), &keyed).expect_err("null key");
        assert_eq!(
            (error.code(), error.record_errors()),
            (ErrorCode::InvalidRecord, &[2][..]),
            "{codec}"
        );
    }
    // A payload that does not decompress is noticed only when opened.
    let bytes = with(&built(three().codec(Codec::Zstd)), BATCH_HEADER_BYTES, &[0; 4]);
    assert!(check_batch(batch(&bytes), &rules()).is_ok());
    assert_eq!(
        check_batch(batch(&bytes), &keyed).expect_err("zstd").code(),
        ErrorCode::InvalidRecord
    );
}

#[test]
fn the_walk_finds_the_true_largest_timestamp() {
    let bytes = with(&built(three()), at::MAX_TIMESTAMP, &77i64.to_be_bytes());
    let checked = check_produce(Some(bytes.clone()), 9, &rules()).expect("accepted");
    assert_eq!(
        (checked.batch.header.max_timestamp, checked.max_timestamp_ms),
        (77, NOW_MS + 5)
    );
    let corrected = stamp_max_timestamp(&checked.batch, checked.max_timestamp_ms).concat();
    assert_eq!(corrected, built(three())[..]);
}

#[test]
fn checking_a_good_uncompressed_batch_allocates_nothing() {
    let bytes = batch(&built(three()));
    let (result, peak) = crate::guard::tests::heap::peak_of(|| check_batch(bytes, &rules()));
    assert!(result.is_ok());
    assert_eq!(peak, 0);
}

#[test]
fn stamping_rewrites_the_header_and_shares_the_payload() {
    let mut rng = TestRng::new(21);
    for size in [0usize, 1, 7, 100, 4096, 100_000] {
        for codec in [Codec::None, Codec::Lz4] {
            let value = rng.bytes(size);
            let bytes = built(
                BatchBuilder::new()
                    .codec(codec)
                    .record(5, None, Some(&value), &[]),
            );
            let original = batch(&bytes);
            let stamped = stamp_log_append_time(&original, NOW_MS + size as i64);
            assert_eq!(
                stamped[1].as_ptr(),
                bytes[BATCH_HEADER_BYTES..].as_ptr(),
                "payload was copied"
            );
            let stamped = batch(&stamped.concat().into());
            stamped.check_crc().expect("checksum");
            let mut expected = original.header;
            expected.attributes = expected
                .attributes
                .with_timestamp_type(TimestampType::LogAppendTime);
            expected.max_timestamp = NOW_MS + size as i64;
            expected.crc = stamped.header.crc;
            assert_eq!(stamped.header, expected);
            // Twice is once with the later time; a wrong checksum stays wrong.
            let again = batch(&stamp_log_append_time(&stamped, 3).concat().into());
            again.check_crc().expect("checksum");
            let mut damaged = original.clone();
            damaged.header.crc ^= 1;
            let stamped = batch(&stamp_log_append_time(&damaged, 3).concat().into());
            assert!(stamped.check_crc().is_err());
        }
    }
}

#[test]
fn patching_touches_sixteen_bytes_and_no_checksum() {
    let bytes = built(three());
    let longer = Bytes::from([&bytes[..], b"next"].concat());
    let patched = patch_on_read(&longer, 1 << 40, 17).expect("patch");
    assert_eq!(patched[0].len(), PATCH_BYTES);
    assert_eq!(patched[1].as_ptr(), longer[PATCH_BYTES..].as_ptr());
    let read = batch(&patched.concat().into());
    read.check_crc().expect("checksum");
    assert_eq!(
        (read.header.base_offset, read.header.partition_leader_epoch),
        (1 << 40, 17)
    );
    assert_eq!(read.bytes.len(), bytes.len());
    assert!(patch_on_read(&bytes.slice(..bytes.len() - 1), 0, 0).is_err());
    assert!(patch_on_read(&Bytes::new(), 0, 0).is_err());
}

#[test]
fn a_run_gets_dense_offsets() {
    let run = Bytes::from(
        [
            &built(three())[..],
            &built(three().codec(Codec::Gzip)),
            &built(three()),
        ]
        .concat(),
    );
    let mut out = vec![Bytes::from_static(b"before")];
    assert_eq!(patch_run(&run, 50, 2, &mut out), Ok(59));
    assert_eq!(out.len(), 7);
    let read: Vec<Batch> = Batches::new(out[1..].concat().into())
        .collect::<Result<_, _>>()
        .expect("batches");
    assert_eq!(
        read.iter().map(|b| b.header.base_offset).collect::<Vec<_>>(),
        [50, 53, 56]
    );
    assert!(
        read.iter()
            .all(|b| b.check_crc().is_ok() && b.header.partition_leader_epoch == 2)
    );
    let mut untouched = Vec::new();
    assert!(patch_run(&run.slice(..run.len() - 1), 50, 2, &mut untouched).is_err());
    assert!(untouched.is_empty());
    assert_eq!(patch_run(&Bytes::new(), 50, 2, &mut untouched), Ok(50));
}

#[test]
fn iteration_ends_at_the_first_error() {
    let good = built(three());
    let mut batches = Batches::new(Bytes::from([&good[..], &good[..70]].concat()));
    assert!(batches.next().expect("first").is_ok());
    assert_eq!(
        batches.next(),
        Some(Err(BatchError::CutOff {
            expected: good.len(),
            found: 70
        }))
    );
    assert_eq!(batches.next(), None);
}

/// Random damage, with and without a right checksum: no panic, no allocation worth naming, only typed errors.
#[test]
fn damaged_batches_never_panic() {
    let mut rng = TestRng::new(22);
    let keyed = ProduceRules {
        keys_required: true,
        timestamp_before_max_ms: 10,
        ..rules()
    };
    for round in 0..6000 {
        let codec = [
            Codec::None,
            Codec::None,
            Codec::Gzip,
            Codec::Snappy,
            Codec::Lz4,
            Codec::Zstd,
        ][round % 6];
        let mut bytes = built(three().codec(codec)).to_vec();
        rng.mutate(&mut bytes);
        let mut bytes = Bytes::from(bytes);
        if bytes.len() >= BATCH_HEADER_BYTES && !rng.chance(4) {
            bytes = with(&bytes, 0, &0i64.to_be_bytes());
        }
        for rules in [&rules(), &keyed] {
            if let Ok(checked) = check_produce(Some(bytes.clone()), 9, rules) {
                stamp_log_append_time(&checked.batch, 1);
                patch_on_read(&checked.batch.bytes, 7, 7).expect("whole");
            }
        }
        Batches::new(bytes.clone()).for_each(drop);
        let _ = patch_run(&bytes, i64::MAX, 0, &mut Vec::new());
    }
}

#[test]
fn varints_in_records_may_be_longer_than_needed() {
    // Kafka reads them, too: a record of 8 bytes, its length written in two bytes.
    let mut record = BytesMut::new();
    record.put_slice(&[0x90, 0x00, 0, 0, 0, 1, 2, b'v', 0x80, 0]);
    assert_eq!(wire::Reader::new(&record).varint(), Ok(8));
    let mut bytes =
        BytesMut::from(&built(BatchBuilder::new().record(NOW_MS, None, None, &[]))[..BATCH_HEADER_BYTES]);
    bytes.put_slice(&record);
    let length = (bytes.len() - LOG_OVERHEAD_BYTES) as i32;
    let bytes = with(&bytes.freeze(), at::BATCH_LENGTH, &length.to_be_bytes());
    assert!(check_produce(Some(bytes), 9, &rules()).is_ok());
}
