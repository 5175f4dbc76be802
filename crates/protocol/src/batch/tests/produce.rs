//! The table of a Produce's checks, row by row.

use super::*;

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
fn checking_a_good_uncompressed_batch_allocates_nothing() {
    let bytes = batch(&built(three()));
    let (result, peak) = crate::guard::tests::heap::peak_of(|| check_batch(bytes, &rules()));
    assert!(result.is_ok());
    assert_eq!(peak, 0);
}
