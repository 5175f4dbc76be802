mod produce;
mod rewrite;

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
        opened_bytes_max: usize::MAX,
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
