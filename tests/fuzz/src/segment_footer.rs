//! What the bucket holds: what can be read can be written again, and reads the same.

use bytes::Bytes;
use esker_model::seams::Seams;
use esker_model::{ClusterEpoch, IncarnationId, SegmentId};
use esker_storage::segment::{
    Batch, Footer, Run, RunExtent, SegmentError, SegmentWriter, TAIL_BYTES, Tail, object_key, parse_key,
    verify,
};
use esker_storage::{Bucket, cluster_file, inspect};
use uuid::Uuid;

use crate::heap::peak_of;
use crate::input::Input;

/// Payloads up to this size are made, so that whole segments can be written and verified.
const PAYLOAD_BYTES_MAX: u64 = 256 * 1024;
/// A batch has its own checksum at 17, of what follows from 21 on.
const CRC_AT: usize = 17;
const CRC_FROM: usize = 21;

/// What the first byte of an input says that the rest is.
pub(crate) mod kind {
    /// A whole object.
    pub(crate) const OBJECT: u8 = 0;
    /// A footer; payload and tail are made to suit it.
    pub(crate) const FOOTER: u8 = 1;
    /// The bodies of the sections for extents (a block) and receipts (the rest).
    pub(crate) const SECTIONS: u8 = 2;
    /// A tail, whose own checksum is put right.
    pub(crate) const TAIL: u8 = 3;
    /// `cluster.json`.
    pub(crate) const CLUSTER_FILE: u8 = 4;
    /// An object's key.
    pub(crate) const KEY: u8 = 5;
    /// How many there are.
    pub(crate) const COUNT: u8 = 6;
}

/// Objects are refused or read without a panic, in memory that their size bounds; what is read can be written,
/// and is then read as the same again.
pub fn segment_footer(data: &[u8]) {
    let mut input = Input::new(data);
    match input.u8() % kind::COUNT {
        kind::FOOTER => check_footer(input.rest()),
        kind::SECTIONS => {
            let extents = input.block();
            check_footer(&sections(extents, input.rest()));
        }
        kind::TAIL => check_tail(input.array()),
        kind::CLUSTER_FILE => check_cluster_file(input.rest()),
        kind::KEY => check_key(input.rest()),
        _ => check_object(&Bytes::copy_from_slice(input.rest())),
    }
}

/// Whose segments these are.
pub(crate) fn segment_id() -> SegmentId {
    SegmentId {
        epoch: ClusterEpoch(2),
        incarnation: IncarnationId(Uuid::from_u128(0xabc)),
        seq: 9,
    }
}

/// A footer of the three sections that every segment has.
fn sections(extents: &[u8], receipts: &[u8]) -> Vec<u8> {
    let id = segment_id();
    let mut identity = id.epoch.0.to_be_bytes().to_vec();
    identity.extend_from_slice(id.incarnation.0.as_bytes());
    identity.extend_from_slice(&id.seq.to_be_bytes());
    let mut footer = Vec::new();
    for (tag, flags, body) in [(1u16, 1u16, &identity[..]), (2, 1, extents), (3, 0, receipts)] {
        footer.extend_from_slice(&tag.to_be_bytes());
        footer.extend_from_slice(&flags.to_be_bytes());
        footer.extend_from_slice(&u32::try_from(body.len()).unwrap().to_be_bytes());
        footer.extend_from_slice(body);
    }
    footer
}

fn check_object(object: &Bytes) {
    let (read, peak) = peak_of(|| verify(object));
    assert!(peak <= bound(object.len()), "{peak} bytes for {}", object.len());
    let said = inspect::describe("ingest/1/000/x/1", object);
    match read {
        Ok(footer) => {
            assert!(said.contains("all checksums are right"));
            check_written_again(&footer, object);
        }
        Err(_) => assert!(!said.contains("all checksums are right")),
    }
}

/// Heap in bytes that reading so many bytes may take.
fn bound(bytes: usize) -> usize {
    128 * bytes + 4096
}

/// Reads a footer by itself, then within a segment whose payload is what it describes.
fn check_footer(footer: &[u8]) {
    let payload_bytes = stated_payload_bytes(footer);
    let tail = Tail {
        object_bytes: payload_bytes
            .saturating_add(footer.len() as u64)
            .saturating_add(TAIL_BYTES as u64),
        footer_bytes: u32::try_from(footer.len()).unwrap(),
        footer_crc: crc32c::crc32c(footer),
        payload_crc: 0,
    };
    let (read, peak) = peak_of(|| Footer::read_after_tail(&tail, footer));
    assert!(peak <= bound(footer.len()), "{peak} bytes for {}", footer.len());
    let Ok(read) = read else { return };
    assert_runs_are_adjacent(&read.runs, payload_bytes);
    assert_pieces_are_adjacent(&read);
    for change in [-1, 1] {
        if payload_bytes == 0 && change < 0 {
            continue;
        }
        let object_bytes = tail.object_bytes.wrapping_add_signed(change);
        let other = Tail { object_bytes, ..tail };
        assert!(
            Footer::read_after_tail(&other, footer).is_err(),
            "the payload may have any length"
        );
    }
    if payload_bytes > PAYLOAD_BYTES_MAX {
        return;
    }
    let payload = payload_of(&read.runs);
    let tail = Tail {
        payload_crc: crc32c::crc32c(&payload),
        ..tail
    };
    let object = Bytes::from([&payload, footer, &tail.encode()].concat());
    assert_eq!(verify(&object).as_ref(), Ok(&read));
    check_object(&object);
    check_damage(&object);
}

/// No byte of a segment can change unnoticed: one is looked at, chosen by the checksum of all.
fn check_damage(object: &Bytes) {
    let mut damaged = object.to_vec();
    let at = crc32c::crc32c(object) as usize % damaged.len();
    damaged[at] ^= 1 << (at % 8);
    assert!(
        verify(&Bytes::from(damaged)).is_err(),
        "damage at {at} was not noticed"
    );
}

fn assert_runs_are_adjacent(runs: &[RunExtent], payload_bytes: u64) {
    let mut position = 0;
    for run in runs {
        assert_eq!(run.position, position);
        assert!(run.partition >= 0 && !run.batches.is_empty());
        assert!((1..=i64::from(i32::MAX)).contains(&run.records()));
        let bytes: u64 = run.batches.iter().map(|batch| u64::from(batch.bytes)).sum();
        assert_eq!(run.bytes, bytes);
        position += bytes;
    }
    assert_eq!(position, payload_bytes);
}

fn assert_pieces_are_adjacent(footer: &Footer) {
    for pieces in footer.receipts.receipts.iter().flat_map(|receipt| &receipt.runs) {
        let mut next = 0;
        for piece in pieces {
            assert_eq!(piece.first_batch, next);
            assert!(piece.batches > 0);
            next += piece.batches;
        }
    }
}

/// Bytes for these runs; every batch that has room for its own checksum has a right one.
fn payload_of(runs: &[RunExtent]) -> Vec<u8> {
    let mut payload = Vec::new();
    for batch in runs.iter().flat_map(|run| &run.batches) {
        let start = payload.len();
        let end = start + batch.bytes as usize;
        payload.extend((start..end).map(|at| (at as u8).wrapping_mul(31) ^ (at >> 8) as u8));
        let bytes = &mut payload[start..];
        if bytes.len() >= CRC_FROM {
            let crc = crc32c::crc32c(&bytes[CRC_FROM..]);
            bytes[CRC_AT..CRC_FROM].copy_from_slice(&crc.to_be_bytes());
        }
    }
    payload
}

/// Writes what was read: the new object may be shorter, but says the same.
fn check_written_again(footer: &Footer, object: &Bytes) {
    let write = |split: bool| {
        let mut writer = SegmentWriter::new(footer.id, footer.receipts.clone());
        for run in &footer.runs {
            let position = writer.push(run_of(run, object, split)).unwrap();
            assert_eq!((position.position, position.bytes), (run.position, run.bytes));
        }
        let sealed = writer.seal();
        let bytes = Bytes::from(sealed.payload.concat());
        assert_eq!(sealed.object_bytes, bytes.len() as u64);
        bytes
    };
    if !checksums_are_right(&footer.runs, object) {
        return; // The writer relies on them.
    }
    let again = write(false);
    assert_eq!(again, write(true), "the same runs gave other bytes");
    let read = verify(&again).unwrap();
    assert!(read.skipped.is_empty());
    assert_eq!(
        (&read.id, &read.runs, &read.receipts),
        (&footer.id, &footer.runs, &footer.receipts)
    );
}

fn batches_of<'a>(run: &'a RunExtent, object: &'a Bytes) -> impl Iterator<Item = (i32, Bytes)> + 'a {
    let mut at = run.position as usize;
    run.batches.iter().map(move |batch| {
        let from = at;
        at += batch.bytes as usize;
        (batch.records, object.slice(from..at))
    })
}

fn checksums_are_right(runs: &[RunExtent], object: &Bytes) -> bool {
    let mut batches = runs.iter().flat_map(|run| batches_of(run, object));
    batches.all(|(_, bytes)| {
        bytes.len() < CRC_FROM || bytes[CRC_AT..CRC_FROM] == crc32c::crc32c(&bytes[CRC_FROM..]).to_be_bytes()
    })
}

fn run_of(run: &RunExtent, object: &Bytes, split: bool) -> Run {
    let batch = |(records, bytes): (i32, Bytes)| {
        if split && bytes.len() > CRC_FROM {
            let at = CRC_FROM + bytes.len() % (bytes.len() - CRC_FROM);
            Batch::rewritten(records, bytes.slice(..at), bytes.slice(at..))
        } else {
            Batch::whole(records, bytes)
        }
    };
    Run {
        topic: run.topic,
        partition: run.partition,
        producer: run.producer,
        transactional: run.transactional,
        control: run.control,
        max_timestamp: run.max_timestamp,
        batches: batches_of(run, object).map(batch).collect(),
    }
}

/// The payload that the extents of a footer describe, found without the product's reader. What it makes of a
/// footer that is wrong does not matter.
fn stated_payload_bytes(footer: &[u8]) -> u64 {
    let mut from = Input::new(footer);
    while !from.is_empty() {
        let (tag, _flags) = (from.u16(), from.u16());
        let bytes = from.i32() as u32 as usize;
        let body = from.take(bytes);
        if tag == 2 {
            return extents_bytes(Input::new(body));
        }
    }
    0
}

fn extents_bytes(mut from: Input<'_>) -> u64 {
    let mut total = 0u64;
    for _ in 0..varint(&mut from) {
        from.take(16 + 4);
        for _ in 0..varint(&mut from) {
            let has_producer = from.u8() & 1 != 0;
            from.take(if has_producer { 8 + 8 + 2 + 4 } else { 8 });
            for _ in 0..varint(&mut from) {
                varint(&mut from);
                total = total.saturating_add(varint(&mut from));
                if from.is_empty() {
                    return total;
                }
            }
            if from.is_empty() {
                return total;
            }
        }
        if from.is_empty() {
            return total;
        }
    }
    total
}

fn varint(from: &mut Input<'_>) -> u64 {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let byte = from.u8();
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            break;
        }
    }
    value
}

fn check_tail(mut bytes: [u8; TAIL_BYTES]) {
    let right = crc32c::crc32c(&bytes[..24]);
    bytes[24..28].copy_from_slice(&right.to_be_bytes());
    match Tail::decode(&bytes) {
        Ok(tail) => {
            assert_eq!(tail.encode(), bytes);
            let besides = u64::from(tail.footer_bytes) + TAIL_BYTES as u64;
            assert_eq!(tail.payload_bytes() + besides, tail.object_bytes);
            assert!(Footer::read_after_tail(&tail, &[]).is_err());
        }
        Err(error) => assert_ne!(error, SegmentError::TailCrc),
    }
    let object = Bytes::copy_from_slice(&bytes);
    if Tail::of_object(&object).is_ok() {
        assert!(Footer::read(&object).is_err(), "a tail alone is no segment");
    }
}

fn check_cluster_file(json: &[u8]) {
    let described = inspect::describe(cluster_file::CLUSTER_FILE, &Bytes::copy_from_slice(json));
    let Ok(file) = cluster_file::ClusterFile::decode(json) else {
        return;
    };
    assert!(described.contains("format version"));
    assert!(file.epoch.0 >= 1 && !file.cluster_id.0.is_empty());
    let stored = crate::runtime::block_on(async {
        let bucket = Bucket::memory(Seams::real());
        cluster_file::create(&bucket, &file).await
    });
    assert_eq!(stored, Ok(file));
}

fn check_key(key: &[u8]) {
    let Ok(key) = std::str::from_utf8(key) else {
        return;
    };
    if let Some(id) = parse_key(key) {
        assert_eq!(object_key(&id), key);
    }
}
