//! Properties of the public surface, with shrinking: any bytes may come, nothing panics, and what we write we read.
#![allow(clippy::expect_used)]

use bytes::Bytes;
use esker_protocol::batch::{self, Batch, Batches, Codec, ProduceRules, TimestampType};
use esker_protocol::header::{Incoming, decode_request_header};
use esker_protocol::records::{BatchBuilder, OpenBatch, decompress, find_by_timestamp, max_timestamp_record};
use esker_protocol::{frame, guard, request, versions};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{FileFailurePersistence, RngSeed};

fn config(cases: u32) -> ProptestConfig {
    ProptestConfig {
        cases,
        rng_seed: RngSeed::Fixed(0x0e5c_e12a),
        failure_persistence: Some(Box::new(FileFailurePersistence::Off)),
        ..ProptestConfig::default()
    }
}

fn codec() -> impl Strategy<Value = Codec> {
    prop_oneof![
        Just(Codec::None),
        Just(Codec::Gzip),
        Just(Codec::Snappy),
        Just(Codec::Lz4),
        Just(Codec::Zstd)
    ]
}

fn rules() -> ProduceRules {
    ProduceRules {
        max_message_bytes: 1 << 20,
        timestamp_type: TimestampType::CreateTime,
        timestamp_before_max_ms: i64::MAX,
        timestamp_after_max_ms: i64::MAX,
        now_ms: 0,
        keys_required: false,
        open_compressed: true,
        opened_bytes_max: usize::MAX,
    }
}

type Record = (
    i64,
    Option<Vec<u8>>,
    Option<Vec<u8>>,
    Vec<(Vec<u8>, Option<Vec<u8>>)>,
);

fn record() -> impl Strategy<Value = Record> {
    let bytes = || proptest::option::of(vec(any::<u8>(), 0..40));
    (
        0..i64::MAX / 2,
        bytes(),
        bytes(),
        vec((vec(any::<u8>(), 0..6), bytes()), 0..4),
    )
}

fn build(codec: Codec, records: &[Record]) -> Bytes {
    let mut builder = BatchBuilder::new().codec(codec);
    for (timestamp, key, value, headers) in records {
        let headers: Vec<_> = headers
            .iter()
            .map(|(key, value)| (&key[..], value.as_deref()))
            .collect();
        builder = builder.record(*timestamp, key.as_deref(), value.as_deref(), &headers);
    }
    builder.build().expect("build")
}

proptest! {
    #![proptest_config(config(3000))]

    #[test]
    fn any_frame_is_decoded_or_refused(
        key in prop_oneof![any::<i16>(), 0i16..80],
        version in -1i16..20,
        rest in vec(prop_oneof![any::<u8>(), Just(0), Just(0xff), Just(1)], 0..80),
    ) {
        let content = [&key.to_be_bytes()[..], &version.to_be_bytes(), &rest].concat();
        prop_assert_eq!(frame::peek_api_key(&content), Some(key));
        match decode_request_header(Bytes::from(content)) {
            Ok(Incoming::Request(header, body)) => {
                prop_assert!(versions::is_served(header.api_key, header.api_version));
                let walked = guard::measure(header.api_key, header.api_version, &body);
                let decoded = request::decode_request(&header, body);
                prop_assert!(walked.is_ok() || decoded.is_err());
                if let Ok(request) = decoded {
                    prop_assert_eq!(request.api_key(), key);
                }
            }
            Ok(Incoming::UnsupportedApiVersions(header)) => prop_assert_eq!(header.api_key, 18),
            Err(_) => {}
        }
    }

    #[test]
    fn any_bytes_may_be_called_batches(bytes in vec(any::<u8>(), 0..200), version in 3i16..14, magic in 0u8..4) {
        let mut bytes = bytes;
        if bytes.len() > 16 {
            bytes[16] = magic;
            bytes[8..11].fill(0);
        }
        let bytes = Bytes::from(bytes);
        let _ = batch::check_produce(Some(bytes.clone()), version, &rules());
        let _ = batch::patch_on_read(&bytes, 1, 1);
        for found in Batches::new(bytes).flatten() {
            let _ = found.check_crc();
            let _ = find_by_timestamp(&found, 0);
            let _ = max_timestamp_record(&found);
            let _ = batch::stamp_log_append_time(&found, 0);
        }
    }

    #[test]
    fn any_bytes_may_be_decompressed(bytes in vec(any::<u8>(), 0..200), codec in codec()) {
        if let Ok(plain) = decompress(codec, Bytes::from(bytes), 4096) {
            prop_assert!(codec == Codec::None || plain.len() <= 4096);
        }
    }
}

proptest! {
    #![proptest_config(config(300))]

    #[test]
    fn built_batches_pass_and_come_back(codec in codec(), records in vec(record(), 1..8)) {
        let bytes = build(codec, &records);
        let checked = batch::check_produce(Some(bytes.clone()), 9, &rules()).expect("accepted");
        prop_assert_eq!(checked.max_timestamp_ms, records.iter().map(|r| r.0).max().expect("some"));
        prop_assert_eq!(checked.max_timestamp_ms, checked.batch.header.max_timestamp);
        let open = OpenBatch::open(&checked.batch, 1 << 20).expect("open");
        let read: Vec<Record> = open
            .records()
            .map(|record| {
                let record = record.expect("record");
                let headers = record.headers().map(|h| (h.key.to_vec(), h.value.map(<[u8]>::to_vec))).collect();
                (record.timestamp, record.key.map(<[u8]>::to_vec), record.value.map(<[u8]>::to_vec), headers)
            })
            .collect();
        prop_assert_eq!(read, records);
    }

    #[test]
    fn a_flipped_bit_is_noticed(codec in codec(), records in vec(record(), 1..4), at in any::<u16>(), bit in 0u8..8) {
        let mut bytes = build(codec, &records).to_vec();
        let at = 17 + usize::from(at) % (bytes.len() - 17);
        bytes[at] ^= 1 << bit;
        let refused = batch::check_produce(Some(bytes.into()), 9, &rules()).expect_err("accepted");
        prop_assert_eq!(refused.code(), esker_protocol::ErrorCode::CorruptMessage);
    }

    #[test]
    fn patching_and_stamping_leave_the_records(
        codec in codec(), records in vec(record(), 1..4), offset in any::<i64>(), epoch in any::<i32>(),
        now_ms in any::<i64>(),
    ) {
        let sent = Batch::split_from(&mut build(codec, &records)).expect("batch");
        let stamped = Bytes::from(batch::stamp_log_append_time(&sent, now_ms).concat());
        let read = Bytes::from(batch::patch_on_read(&stamped, offset, epoch).expect("patch").concat());
        let read = Batch::split_from(&mut read.clone()).expect("batch");
        prop_assert!(read.check_crc().is_ok());
        prop_assert_eq!((read.header.base_offset, read.header.partition_leader_epoch), (offset, epoch));
        prop_assert_eq!(read.payload(), sent.payload());
        prop_assert_eq!(max_timestamp_record(&read).expect("records"), Some((0, now_ms)));
    }
}
