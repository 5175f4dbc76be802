//! Record batches: what produce accepts, readers must be able to read.
//!
//! The first byte says what is put right before the check, so that mutations get past length and checksum; the
//! second holds the topic's rules; the third chooses limits. The rest is what a produce request has as `records`.

use bytes::Bytes;
use esker_protocol::batch::{
    Attributes, BATCH_HEADER_BYTES, Batch, BatchHeader, Batches, CheckedBatch, Codec, LOG_OVERHEAD_BYTES,
    ProduceRules, TimestampType, check_produce, patch_on_read, patch_run, stamp_log_append_time,
    stamp_max_timestamp,
};
use esker_protocol::limits::{DECOMPRESSED_BYTES_MAX, RECORD_ERRORS_MAX};
use esker_protocol::records::{
    OpenBatch, Record, RecordReader, RecordsError, decompress, find_by_timestamp, max_timestamp_record,
};

use crate::heap::peak_of;
use crate::input::Input;
use crate::seeds::batches::{CODECS, TIMESTAMP};

/// Decompressed bytes that are allowed here: enough for every interesting batch, and quick.
const OPENED_BYTES_MAX: usize = 256 * 1024;
/// What a decompressor may hold beside its output: lz4's two blocks of up to 8 MiB, and what belongs to them.
const DECOMPRESSOR_BYTES: usize = 20 << 20;

/// What a byte of raw snappy can become, and as much again while the output grows.
const SNAPPY_EXPANSION: usize = 3 * 22;

/// What the first byte asks for.
pub(crate) mod fix {
    /// Make batchLength that of the input.
    pub(crate) const LENGTH: u8 = 1;
    /// Make the checksum right.
    pub(crate) const CRC: u8 = 2;
    /// Feed the input to the decompressors instead.
    pub(crate) const DECOMPRESS: u8 = 4;
    /// Make the number of records that of the offsets.
    pub(crate) const COUNT: u8 = 8;
}

/// Batches are refused or accepted without a panic; what is accepted reads back as it was checked.
pub fn record_batch(data: &[u8]) {
    let mut input = Input::new(data);
    let (fixes, rules, limit) = (input.u8(), input.u8(), input.u8());
    if fixes & fix::DECOMPRESS != 0 {
        return check_decompression(rules, usize::from(limit) * 512, input.rest());
    }
    let bytes = put_right(fixes, input.rest());
    for batch in Batches::new(bytes.clone()).flatten() {
        check_batch(&batch);
    }
    check_split(bytes.clone());
    let version = if rules & 8 == 0 { 9 } else { 6 };
    let rules = self::rules(rules);
    match check_produce(Some(bytes.clone()), version, &rules) {
        Ok(checked) => check_accepted(&bytes, &checked, &rules),
        Err(error) => {
            let _ = (error.code(), error.to_string());
            assert!(error.record_errors().is_sorted() && error.record_errors().len() <= RECORD_ERRORS_MAX);
        }
    }
}

fn rules(choice: u8) -> ProduceRules {
    let narrow = choice & 16 != 0;
    ProduceRules {
        max_message_bytes: if choice & 32 == 0 { 1 << 20 } else { 200 },
        timestamp_type: match choice & 1 {
            0 => TimestampType::CreateTime,
            _ => TimestampType::LogAppendTime,
        },
        timestamp_before_max_ms: if narrow { 3 } else { i64::MAX },
        timestamp_after_max_ms: if narrow { 1 } else { i64::MAX },
        now_ms: TIMESTAMP,
        keys_required: choice & 2 != 0,
        open_compressed: choice & 4 != 0,
        opened_bytes_max: usize::MAX,
    }
}

/// The input with the fields put right that the first byte names.
fn put_right(fixes: u8, bytes: &[u8]) -> Bytes {
    let mut bytes = bytes.to_vec();
    if let Ok(mut header) = BatchHeader::parse(&bytes) {
        if fixes & fix::LENGTH != 0 {
            header.batch_length = i32::try_from(bytes.len() - LOG_OVERHEAD_BYTES).unwrap();
        }
        if fixes & fix::COUNT != 0 {
            header.record_count = header.last_offset_delta.wrapping_add(1);
        }
        let end = header.total_bytes().min(bytes.len());
        bytes[..BATCH_HEADER_BYTES].copy_from_slice(&header.write());
        if fixes & fix::CRC != 0 {
            header.crc = crc32c::crc32c(&bytes[CRC_FROM..end]);
            bytes[..BATCH_HEADER_BYTES].copy_from_slice(&header.write());
        }
    }
    Bytes::from(bytes)
}

/// The checksum covers a batch from here on.
const CRC_FROM: usize = 21;

/// A batch that fails to split leaves the bytes alone; one that splits takes exactly its own.
fn check_split(mut bytes: Bytes) {
    let before = bytes.clone();
    match Batch::split_from(&mut bytes) {
        Err(_) => assert_eq!(bytes, before),
        Ok(batch) => {
            assert_eq!(batch.bytes.len(), batch.header.total_bytes());
            assert_eq!([batch.bytes, bytes].concat(), before);
        }
    }
}

/// What holds for every batch, right or wrong.
fn check_batch(batch: &Batch) {
    assert_eq!(batch.header.write(), batch.bytes[..BATCH_HEADER_BYTES]);
    assert_eq!(BATCH_HEADER_BYTES + batch.payload().len(), batch.bytes.len());
    let _ = (batch.header.last_sequence(), batch.header.next_offset());
    match OpenBatch::open(batch, OPENED_BYTES_MAX) {
        Err(RecordsError::TooLarge { .. }) => {}
        Err(_) => {
            assert!(batch.header.attributes.codec() != Ok(Codec::None));
            assert!(max_timestamp_record(batch).is_err());
        }
        Ok(open) => check_search(batch, &open),
    }
    check_patches(batch);
}

/// Searching by time agrees with looking at every record.
fn check_search(batch: &Batch, open: &OpenBatch) {
    let records: Result<Vec<Record<'_>>, _> = open.records().collect();
    let largest = max_timestamp_record(batch);
    let Ok(records) = records else {
        assert!(largest.is_err());
        let _ = find_by_timestamp(batch, batch.header.base_timestamp);
        return;
    };
    for record in &records {
        assert!(
            record
                .headers()
                .all(|header| header.key.len() <= batch_limit(open))
        );
    }
    let of = |record: &Record<'_>| (record.offset_delta, record.timestamp);
    let best = records.iter().map(|record| record.timestamp).max();
    let first_best = records.iter().find(|record| Some(record.timestamp) == best);
    assert_eq!(largest, Ok(first_best.map(of)));
    let header = &batch.header;
    for wanted in [
        header.base_timestamp,
        header.max_timestamp,
        i64::MIN,
        i64::MAX,
        best.unwrap_or(0),
    ] {
        let naive = records.iter().find(|record| record.timestamp >= wanted).map(of);
        assert_eq!(find_by_timestamp(batch, wanted), Ok(naive), "from {wanted}");
    }
}

fn batch_limit(open: &OpenBatch) -> usize {
    OPENED_BYTES_MAX.max(open.header().total_bytes())
}

/// Patching changes offset and epoch, and nothing that the checksum covers.
fn check_patches(batch: &Batch) {
    let was_right = batch.check_crc().is_ok();
    let patched = patch_on_read(&batch.bytes, 1 << 40, 3).unwrap();
    let mut patched = Bytes::from(patched.concat());
    let again = Batch::split_from(&mut patched).unwrap();
    assert!(patched.is_empty());
    assert_eq!(
        again.header,
        BatchHeader {
            base_offset: 1 << 40,
            partition_leader_epoch: 3,
            ..batch.header
        }
    );
    assert_eq!(again.check_crc().is_ok(), was_right);
    assert_eq!(again.payload(), batch.payload());

    let twice = Bytes::from([batch.bytes.clone(), batch.bytes.clone()].concat());
    let mut slices = Vec::new();
    let next = patch_run(&twice, 5, 3, &mut slices).unwrap();
    let offsets = i64::from(batch.header.last_offset_delta) + 1;
    assert_eq!(next, 5 + 2 * offsets);
    let headers: Vec<_> = Batches::new(Bytes::from(slices.concat()))
        .map(|batch| batch.unwrap().header.base_offset)
        .collect();
    assert_eq!(headers, [5, 5 + offsets]);
}

/// A batch that produce accepted.
fn check_accepted(bytes: &Bytes, checked: &CheckedBatch, rules: &ProduceRules) {
    let batch = &checked.batch;
    assert_eq!(batch.bytes, bytes[..batch.bytes.len()]);
    assert_eq!(batch.check_crc(), Ok(()));
    assert!(batch.bytes.len() <= rules.max_message_bytes);
    let codec = batch.header.attributes.codec().unwrap();
    let walked = codec == Codec::None || rules.keys_required || rules.open_compressed;
    if walked {
        match OpenBatch::open(batch, OPENED_BYTES_MAX) {
            Ok(open) => check_records(checked, &open, rules),
            // Produce opens more than is done here.
            Err(error) => assert!(matches!(error, RecordsError::TooLarge { .. }), "{error}"),
        }
    }
    for (stamped, time) in [
        (stamp_log_append_time(batch, TIMESTAMP), TIMESTAMP),
        (
            stamp_max_timestamp(batch, checked.max_timestamp_ms),
            checked.max_timestamp_ms,
        ),
    ] {
        let mut stamped = Bytes::from(stamped.concat());
        let stamped = Batch::split_from(&mut stamped).unwrap();
        assert_eq!(stamped.check_crc(), Ok(()));
        assert_eq!(stamped.header.max_timestamp, time);
        assert_eq!(stamped.payload(), batch.payload());
        assert_eq!(stamped.bytes.len(), batch.bytes.len());
    }
}

/// The reader's side finds exactly what was accepted.
fn check_records(checked: &CheckedBatch, open: &OpenBatch, rules: &ProduceRules) {
    let header = &checked.batch.header;
    let records: Vec<Record<'_>> = open.records().collect::<Result<_, _>>().unwrap();
    assert_eq!(records.len(), usize::try_from(header.record_count).unwrap());
    for (index, record) in records.iter().enumerate() {
        assert_eq!(usize::try_from(record.offset_delta), Ok(index));
        assert!(!rules.keys_required || record.key.is_some());
    }
    let payload = decompress(
        header.attributes.codec().unwrap(),
        checked.batch.payload(),
        OPENED_BYTES_MAX,
    );
    let payload = payload.unwrap();
    let mut reader = RecordReader::new(&payload);
    assert!(records.iter().all(|_| reader.next_record(header).is_ok()));
    assert_eq!(reader.remaining(), 0, "bytes behind the last record");
    let largest = records.iter().map(|record| record.timestamp).max();
    assert_eq!(checked.max_timestamp_ms, largest.unwrap().max(-1));
    assert_eq!(header.last_offset_delta, header.record_count - 1);
    assert_eq!(header.attributes.timestamp_type(), TimestampType::CreateTime);
    assert_ne!(header.attributes, Attributes(header.attributes.0).control());
}

/// Decompression ends within its limit, in output and in memory.
fn check_decompression(codec: u8, limit: usize, block: &[u8]) {
    let codec = CODECS[usize::from(codec) % CODECS.len()];
    let block = Bytes::copy_from_slice(block);
    let (opened, peak) = peak_of(|| decompress(codec, block.clone(), limit));
    assert!(
        peak <= 4 * limit + DECOMPRESSOR_BYTES,
        "{codec} took {peak} bytes"
    );
    if codec == Codec::Snappy {
        // A size is declared before anything else: it is not believed.
        let (_, peak) = peak_of(|| decompress(codec, block.clone(), DECOMPRESSED_BYTES_MAX));
        assert!(
            peak <= SNAPPY_EXPANSION * block.len() + 4096,
            "{codec} took {peak} bytes"
        );
    }
    match opened {
        Ok(opened) if codec == Codec::None => assert_eq!(opened, block),
        Ok(opened) => {
            assert!(opened.len() <= limit);
            if !opened.is_empty() {
                let short = decompress(codec, block, opened.len() - 1);
                assert!(short.is_err(), "{codec} ignored its limit");
            }
        }
        Err(error) => assert!(codec != Codec::None, "{error}"),
    }
}
