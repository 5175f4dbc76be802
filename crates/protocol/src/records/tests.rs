use super::*;
use crate::batch::{Attributes, BATCH_HEADER_BYTES, Batches, Codec, TimestampType};
use crate::limits::DECOMPRESSED_BYTES_MAX;
use crate::test_rng::TestRng;
use kafka_protocol::records::RecordBatchDecoder;

const CODECS: [Codec; 5] = [Codec::None, Codec::Gzip, Codec::Snappy, Codec::Lz4, Codec::Zstd];

macro_rules! golden {
    ($name:literal) => {
        batch(Bytes::from_static(include_bytes!(concat!(
            "../../tests/golden/",
            $name,
            ".batch"
        ))))
    };
}

fn batch(bytes: Bytes) -> Batch {
    let batches: Vec<Batch> = Batches::new(bytes).collect::<Result<_, _>>().expect("batches");
    let [batch] = batches.try_into().expect("one batch");
    batch.check_crc().expect("checksum");
    batch
}

type Plain = (
    i64,
    i64,
    Option<Vec<u8>>,
    Option<Vec<u8>>,
    Vec<(Vec<u8>, Option<Vec<u8>>)>,
);

fn plain(batch: &Batch) -> Vec<Plain> {
    let open = OpenBatch::open(batch, DECOMPRESSED_BYTES_MAX).expect("open");
    let record = |record: Result<Record<'_>, RecordsError>| {
        let record = record.expect("record");
        let headers = record
            .headers()
            .map(|h| (h.key.to_vec(), h.value.map(<[u8]>::to_vec)))
            .collect();
        (
            record.offset,
            record.timestamp,
            record.key.map(<[u8]>::to_vec),
            record.value.map(<[u8]>::to_vec),
            headers,
        )
    };
    open.records().map(record).collect()
}

#[test]
fn batches_of_the_java_client() {
    let long: String = (0..5000).map(|i| format!("esker-{} ", i % 97)).collect();
    let header = |key: &[u8], value: Option<&[u8]>| (key.to_vec(), value.map(<[u8]>::to_vec));
    let headers = vec![
        header(b"h", Some(b"a")),
        header(b"h", Some(b"b")),
        header(b"n", None),
    ];
    let t = 1_700_000_000_000;
    let expected: Vec<Plain> = vec![
        (0, t + 1000, Some(b"k1".to_vec()), Some(b"v1".to_vec()), headers),
        (1, t + 900, None, Some(long.into_bytes()), vec![]),
        (2, t + 1700, Some(b"k3".to_vec()), None, vec![]),
        (3, t + 1700, Some(vec![]), Some(vec![]), vec![]),
    ];
    for (batch, codec) in [
        (golden!("java-gzip"), Codec::Gzip),
        (golden!("java-snappy"), Codec::Snappy),
        (golden!("java-lz4"), Codec::Lz4),
        (golden!("java-zstd"), Codec::Zstd),
    ] {
        assert_eq!(batch.header.attributes.codec(), Ok(codec));
        assert_eq!((batch.header.producer_id, batch.header.producer_epoch), (42, 3));
        assert_eq!(
            (batch.header.base_sequence, batch.header.last_sequence()),
            (7, 10)
        );
        assert_eq!(plain(&batch), expected, "{codec}");
        assert_eq!(max_timestamp_record(&batch), Ok(Some((2, t + 1700))));
        assert_eq!(find_by_timestamp(&batch, t + 901), Ok(Some((0, t + 1000))));
        assert_eq!(find_by_timestamp(&batch, t + 1001), Ok(Some((2, t + 1700))));
        assert_eq!(find_by_timestamp(&batch, t + 1701), Ok(None));
    }
}

#[test]
fn batches_of_librdkafka() {
    for (batch, codec) in [
        (golden!("librdkafka-none"), Codec::None),
        (golden!("librdkafka-gzip"), Codec::Gzip),
        (golden!("librdkafka-snappy"), Codec::Snappy),
        (golden!("librdkafka-lz4"), Codec::Lz4),
        (golden!("librdkafka-zstd"), Codec::Zstd),
    ] {
        assert_eq!(batch.header.attributes.codec(), Ok(codec));
        let records = plain(&batch);
        assert_eq!(records.len(), 60);
        let headers = vec![
            (b"h".to_vec(), Some(b"a".to_vec())),
            (b"h".to_vec(), Some(b"b".to_vec())),
        ];
        for (i, (offset, _, key, value, found)) in records.into_iter().enumerate() {
            let expected = format!("esker line {} is here to be compressed", i + 1);
            assert_eq!(
                (offset, key, value),
                (i as i64, None, Some(expected.into_bytes()))
            );
            assert_eq!(found, headers);
        }
    }
}

#[test]
fn markers_and_log_append_time_of_the_java_client() {
    let marker = golden!("java-commit-marker");
    assert_eq!(marker.bytes.len(), 78);
    assert_eq!(
        (marker.header.attributes, marker.header.base_offset),
        (Attributes(0x30), 5)
    );
    let t = 1_700_000_002_000;
    let value = [0, 0, 0, 0, 0, 11].to_vec();
    assert_eq!(
        plain(&marker),
        [(5, t, Some(vec![0, 0, 0, 1]), Some(value.clone()), vec![])]
    );
    let ours = BatchBuilder::new()
        .base_offset(5)
        .leader_epoch(9)
        .producer(42, 3, -1)
        .transactional()
        .control()
        .record(t, Some(&[0, 0, 0, 1]), Some(&value), &[]);
    assert_eq!(ours.build().expect("build"), marker.bytes);

    let stamped = golden!("java-log-append-time");
    let t = 1_700_000_009_999;
    assert_eq!(
        stamped.header.attributes.timestamp_type(),
        TimestampType::LogAppendTime
    );
    assert_eq!(
        plain(&stamped).iter().map(|r| (r.0, r.1)).collect::<Vec<_>>(),
        [(100, t), (101, t)]
    );
    assert_eq!(max_timestamp_record(&stamped), Ok(Some((0, t))));
    assert_eq!(find_by_timestamp(&stamped, 5), Ok(Some((0, t))));
    assert_eq!(find_by_timestamp(&stamped, t + 1), Ok(None));
}

#[test]
fn what_the_builder_writes_comes_back() {
    let mut rng = TestRng::new(31);
    for round in 0..200 {
        let codec = CODECS[round % 5];
        let mut builder = BatchBuilder::new().codec(codec).base_offset(1000);
        let mut expected = Vec::new();
        let mut delta = -1;
        for _ in 0..rng.below(12) {
            delta += 1 + rng.below(3) as i32;
            let mut bytes = |max: usize| {
                let n = rng.below(max);
                if rng.chance(5) { None } else { Some(rng.bytes(n)) }
            };
            let (key, value) = (bytes(20), bytes(5000));
            let headers: Vec<_> = (0..3).map(|i| (vec![b'h', i / 2], bytes(9))).collect();
            let timestamp = if rng.chance(9) {
                rng.next() as i64
            } else {
                rng.below(5000) as i64
            };
            let borrowed: Vec<_> = headers.iter().map(|(k, v)| (&k[..], v.as_deref())).collect();
            builder = builder.record_at(delta, timestamp, key.as_deref(), value.as_deref(), &borrowed);
            expected.push((1000 + i64::from(delta), timestamp, key, value, headers));
        }
        let batch = batch(builder.build().expect("build"));
        assert_eq!(plain(&batch), expected, "{codec}");
        let max = expected.iter().map(|r| r.1).max();
        assert_eq!(max_timestamp_record(&batch).map(|r| r.map(|r| r.1)), Ok(max));
        let wanted = rng.below(5000) as i64;
        let first = expected
            .iter()
            .find(|r| r.1 >= wanted)
            .map(|r| ((r.0 - 1000) as i32, r.1));
        assert_eq!(find_by_timestamp(&batch, wanted), Ok(first));
    }
}

#[test]
fn the_message_crate_reads_what_the_builder_writes() {
    let bytes = BatchBuilder::new()
        .base_offset(7)
        .producer(1, 2, 3)
        .transactional()
        .record(10, Some(b"k"), Some(b"v"), &[(b"h", Some(b"x"))])
        .record(12, None, None, &[])
        .build()
        .expect("build");
    let set = RecordBatchDecoder::decode(&mut bytes.clone()).expect("decode");
    let records: Vec<_> = set
        .records
        .iter()
        .map(|r| (r.offset, r.timestamp, r.sequence, r.transactional))
        .collect();
    assert_eq!(records, [(7, 10, 3, true), (8, 12, 4, true)]);
    assert_eq!(set.records[0].headers.len(), 1);
}

#[test]
fn output_is_capped_whatever_the_input_declares() {
    let zeros = vec![0u8; 4 << 20];
    for codec in CODECS {
        let batch = batch(
            BatchBuilder::new()
                .codec(codec)
                .record(0, None, Some(&zeros), &[])
                .build()
                .expect("build"),
        );
        if codec == Codec::None {
            continue;
        }
        assert!(batch.bytes.len() < 300_000, "{codec}");
        let (result, peak) = crate::guard::tests::heap::peak_of(|| OpenBatch::open(&batch, 1 << 20));
        assert_eq!(
            result.err(),
            Some(RecordsError::TooLarge { limit: 1 << 20 }),
            "{codec}"
        );
        assert!(peak < 4 << 20, "{codec}: {peak}");
        let exact = zeros.len() + 14;
        let whole = OpenBatch::open(&batch, exact + 100).expect("fits");
        assert_eq!(whole.records().count(), 1);
        assert!(OpenBatch::open(&batch, exact - 100).is_err());
    }
}

#[test]
fn declared_sizes_are_not_trusted() {
    // Raw snappy that declares 48 MiB in five bytes.
    let lie = Bytes::from_static(&[0x80, 0x80, 0x80, 0x18, 0]);
    let (result, peak) =
        crate::guard::tests::heap::peak_of(|| decompress(Codec::Snappy, lie, DECOMPRESSED_BYTES_MAX));
    assert!(matches!(result, Err(RecordsError::Decompress { .. })));
    assert!(peak < 1 << 20);
    // The framing of snappy-java, cut or with absurd block lengths.
    for tail in [
        &[0u8, 0, 0][..],
        &[0x7f, 0xff, 0xff, 0xff],
        &[0xff, 0xff, 0xff, 0xff],
        &[0, 0, 0, 9, 1],
    ] {
        let framed = [b"\x82SNAPPY\0\0\0\0\x01\0\0\0\x01", tail].concat();
        assert!(
            decompress(Codec::Snappy, framed.into(), 1 << 20).is_err(),
            "{tail:?}"
        );
    }
    assert_eq!(
        decompress(
            Codec::Snappy,
            Bytes::from_static(b"\x82SNAPPY\0\0\0\0\x01\0\0\0\x01"),
            9
        ),
        Ok(Bytes::new())
    );
}

#[test]
fn both_forms_of_snappy_are_read() {
    let plain = b"esker esker esker esker".repeat(5000);
    let framed = xerial::compress(&plain).expect("compress");
    assert!(framed.starts_with(b"\x82SNAPPY\0\0\0\0\x01\0\0\0\x01"));
    let raw = snap::raw::Encoder::new().compress_vec(&plain).expect("compress");
    for block in [framed, raw] {
        assert_eq!(
            decompress(Codec::Snappy, block.into(), plain.len()).as_deref(),
            Ok(&plain[..])
        );
    }
}

#[test]
fn concatenated_members_and_frames_are_read() {
    let half = Bytes::from(b"0123456789".repeat(10));
    let whole = half.repeat(2);
    for codec in [Codec::Gzip, Codec::Zstd] {
        let one = compress::compress(codec, half.clone()).expect("compress");
        let two = Bytes::from([&one[..], &one[..]].concat());
        assert_eq!(decompress(codec, two, 1000).as_deref(), Ok(&whole[..]), "{codec}");
    }
}

#[test]
fn cleaned_batches_may_be_empty() {
    let mut header = BatchBuilder::new()
        .build()
        .map(|b| batch(b).header)
        .expect("build");
    assert_eq!((header.record_count, header.last_offset_delta), (0, -1));
    header.last_offset_delta = 41;
    let bytes = Bytes::copy_from_slice(&header.write());
    let empty = Batches::new(bytes).next().expect("one").expect("batch");
    assert_eq!(plain(&empty), []);
    assert_eq!(max_timestamp_record(&empty), Ok(None));
    assert_eq!(find_by_timestamp(&empty, 0), Ok(None));
}

#[test]
fn a_damaged_record_ends_the_iteration() {
    let good = BatchBuilder::new()
        .record(0, None, Some(b"a"), &[])
        .record(0, None, Some(b"b"), &[]);
    let mut bytes = good.build().expect("build").to_vec();
    bytes[BATCH_HEADER_BYTES + 8] = 0x7e;
    let damaged = Batches::new(bytes.into()).next().expect("one").expect("batch");
    let open = OpenBatch::open(&damaged, 100).expect("open");
    let mut records = open.records();
    assert!(records.next().expect("first").is_ok());
    assert_eq!(
        records.next().expect("second").err(),
        Some(RecordsError::Malformed)
    );
    assert!(records.next().is_none());
}

/// Damaged compressed blocks: an error or records, never a panic or memory beyond the cap.
#[test]
fn damaged_blocks_never_panic() {
    let mut rng = TestRng::new(32);
    let sources = CODECS.map(|codec| {
        let value = b"some text that compresses, some text that does ".repeat(20);
        let builder = BatchBuilder::new()
            .codec(codec)
            .record(5, Some(b"k"), Some(&value), &[(b"h", None)]);
        batch(builder.record(6, None, None, &[]).build().expect("build"))
    });
    let sources = [
        &sources[..],
        &[
            golden!("java-snappy"),
            golden!("java-lz4"),
            golden!("librdkafka-lz4"),
        ],
    ]
    .concat();
    for round in 0..4000 {
        let source = &sources[round % sources.len()];
        let mut block = source.payload().to_vec();
        rng.mutate(&mut block);
        let codec = source.header.attributes.codec().expect("codec");
        let (result, peak) =
            crate::guard::tests::heap::peak_of(|| decompress(codec, Bytes::from(block.clone()), 64 << 10));
        // lz4 frames may announce blocks of 8 MiB, which its decoder reserves.
        assert!(peak < 20 << 20, "{codec}: {peak}");
        if codec != Codec::None {
            assert!(result.is_err() || result.is_ok_and(|plain| plain.len() <= 64 << 10));
        }
        let mut bytes = source.header.write().to_vec();
        bytes.extend_from_slice(&block);
        let length = (bytes.len() - 12) as i32;
        bytes[8..12].copy_from_slice(&length.to_be_bytes());
        let batch = Batches::new(bytes.into()).next().expect("one").expect("batch");
        let _ = find_by_timestamp(&batch, 6);
        let _ = max_timestamp_record(&batch);
    }
}
