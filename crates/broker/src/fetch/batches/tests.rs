use esker_model::{ClusterEpoch, IncarnationId, SegmentId, SegmentKind};
use esker_protocol::batch::Batches;
use esker_protocol::records::BatchBuilder;
use proptest::prelude::*;
use uuid::Uuid;

use super::*;

fn batch(records: usize, fill: u8) -> Bytes {
    (0..records)
        .fold(BatchBuilder::new(), |batch, i| {
            batch.record(i as i64, None, Some(&[fill; 20]), &[])
        })
        .build()
        .unwrap()
}

fn extent(base_offset: i64, records: i64, bytes: usize) -> Extent {
    Extent {
        base_offset,
        end_offset: base_offset + records,
        segment: SegmentId {
            kind: SegmentKind::Ingest,
            epoch: ClusterEpoch(1),
            incarnation: IncarnationId(Uuid::nil()),
            seq: 1,
        },
        object_bytes: 1000,
        chunk: None,
        position: 0,
        bytes: bytes as u64,
        max_timestamp: 0,
        producer: None,
        transactional: false,
    }
}

/// Cuts `whole` at the given positions.
fn cut(whole: &Bytes, cuts: &[usize]) -> Vec<Bytes> {
    let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut % (whole.len() + 1)).collect();
    cuts.push(whole.len());
    cuts.sort_unstable();
    let mut from = 0;
    cuts.into_iter()
        .map(|to| whole.slice(std::mem::replace(&mut from, to)..to))
        .collect()
}

proptest! {
    /// Wherever the slices are cut, readers get the same batches with dense offsets from the one that
    /// holds the wanted offset, and every checksum still fits.
    #[test]
    fn sends_the_batch_that_holds_the_offset_and_those_behind_it(
        records in prop::collection::vec(1..4_usize, 1..8),
        cuts in prop::collection::vec(0..2000_usize, 0..6),
        base in 0..1000_i64,
        wanted in 0..40_i64,
    ) {
        let stored: Vec<Bytes> = records.iter().enumerate().map(|(i, n)| batch(*n, i as u8)).collect();
        let whole = Bytes::from(stored.concat());
        let total: i64 = records.iter().map(|n| *n as i64).sum();
        let wanted = base + wanted % total;
        let extent = extent(base, total, whole.len());
        let slices = cut(&whole, &cuts);
        let mut batches = ExtentBatches::new(&extent, &slices);
        batches.skip_to(wanted).unwrap();
        let mut out = Outgoing::new(7);
        while let Some(batch) = batches.next_if(|_| true).unwrap() {
            out.push(batch);
        }
        let bytes = out.bytes();
        let sent = Bytes::from(out.into_slices().concat());
        prop_assert_eq!(sent.len() as u64, bytes);
        let mut next = None;
        let mut from = 0;
        let mut bounds = Vec::new();
        for n in &records {
            bounds.push((base + from, *n));
            from += *n as i64;
        }
        let first = bounds.iter().position(|(start, n)| start + *n as i64 > wanted).unwrap();
        let mut count = 0;
        for (batch, (start, _)) in Batches::new(sent).zip(&bounds[first..]) {
            let batch = batch.unwrap();
            prop_assert_eq!(batch.header.base_offset, *start);
            prop_assert_eq!(batch.header.partition_leader_epoch, 7);
            batch.check_crc().unwrap();
            prop_assert!(next.is_none_or(|next| next == batch.header.base_offset));
            next = Some(batch.header.next_offset());
            count += 1;
        }
        prop_assert_eq!(count, bounds.len() - first);
    }
}

#[test]
fn whole_batches_are_not_copied() {
    let stored = batch(2, 1);
    let extent = extent(5, 2, stored.len());
    let slices = [stored.clone()];
    let mut batches = ExtentBatches::new(&extent, &slices);
    let mut out = Outgoing::new(1);
    out.push(batches.next_if(|_| true).unwrap().unwrap());
    let slices = out.into_slices();
    assert_eq!(slices[1].as_ptr(), stored[PATCH_BYTES..].as_ptr());
    assert!(batches.next_if(|_| true).unwrap().is_none());
}

#[test]
fn damage_is_told_and_nothing_behind_it_is_sent() {
    let stored = [batch(2, 1), batch(1, 2)].concat();
    // Offsets that do not add up.
    for records in [2, 4] {
        let extent = extent(0, records, stored.len());
        let slices = [Bytes::from(stored.clone())];
        let mut batches = ExtentBatches::new(&extent, &slices);
        let first = batches.next_if(|_| true).unwrap();
        assert_eq!(first.unwrap().header.next_offset(), 2);
        let rest = batches.next_if(|_| true);
        let rest = if records == 4 {
            batches.next_if(|_| true).map(|_| None)
        } else {
            rest
        };
        assert!(matches!(rest, Err(Damage::Offsets { .. })));
    }
    // A batch that is cut off, and one that is no batch.
    let mut cut_off = stored.clone();
    cut_off.truncate(stored.len() - 1);
    let mut overwritten = stored.clone();
    overwritten[16] = 9;
    for bytes in [cut_off, overwritten] {
        let extent = extent(0, 3, bytes.len());
        let slices = [Bytes::from(bytes)];
        let mut batches = ExtentBatches::new(&extent, &slices);
        let mut outcome = Ok(());
        for _ in 0..3 {
            if let Err(damage) = batches.next_if(|_| true) {
                outcome = Err(damage);
                break;
            }
        }
        assert!(matches!(outcome, Err(Damage::Batch { .. })));
    }
}
