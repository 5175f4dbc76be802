//! What was read can be written again.

use bytes::Bytes;
use esker_storage::segment::{Batch, Footer, Run, RunExtent, SegmentWriter, verify};

use super::footer::{CRC_AT, CRC_FROM};

/// Writes what was read: the new object may be shorter, but says the same.
pub(super) fn check_written_again(footer: &Footer, object: &Bytes) {
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
