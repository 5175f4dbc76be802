//! What a broker writes into a batch: stamps and patches.

use super::*;

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

/// A batch that produce does not open may say that it is compressed and hold nothing.
#[test]
fn stamping_a_header_without_payload_keeps_its_checksum_right() {
    let original = batch(&built(BatchBuilder::new().log_append_time(7)));
    assert!(original.payload().is_empty());
    for stamped in [
        stamp_log_append_time(&original, 9),
        stamp_max_timestamp(&original, 8),
    ] {
        let stamped = batch(&stamped.concat().into());
        assert_ne!(stamped.header.crc, original.header.crc);
        stamped.check_crc().expect("checksum");
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
