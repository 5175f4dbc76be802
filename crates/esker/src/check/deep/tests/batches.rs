//! What has to hold of the batches of an extent.

use bytes::Bytes;
use esker_metastore::{ChunkRange, Extent};
use esker_model::{ClusterEpoch, IncarnationId, SegmentId, SegmentKind};
use uuid::Uuid;

use super::world::batch;
use crate::check::deep::batches::{cut, verify};

const CHUNK: ChunkRange = ChunkRange {
    position: 0,
    bytes: 1,
    crc: 0,
};

fn extent(base_offset: i64, end_offset: i64, chunk: Option<ChunkRange>) -> Extent {
    Extent {
        base_offset,
        end_offset,
        segment: SegmentId {
            kind: match chunk {
                None => SegmentKind::Ingest,
                Some(_) => SegmentKind::Archive,
            },
            epoch: ClusterEpoch(1),
            incarnation: IncarnationId(Uuid::nil()),
            seq: 1,
        },
        object_bytes: 1_000,
        chunk,
        position: 100,
        bytes: 50,
        max_timestamp: -1,
        producer: None,
        transactional: false,
    }
}

fn batches(records: &[i32]) -> Vec<u8> {
    records.iter().flat_map(|records| batch(*records, 20)).collect()
}

fn wrong(extent: &Extent, bytes: Vec<u8>) -> String {
    verify(extent, Bytes::from(bytes)).unwrap_err()
}

#[test]
fn right_ones_are_right() {
    assert_eq!(
        verify(&extent(5, 12, None), Bytes::from(batches(&[3, 4]))),
        Ok(())
    );
    let mut archived = batches(&[3, 4]);
    let second = archived.len() / 2;
    archived[..8].copy_from_slice(&5_i64.to_be_bytes());
    archived[second..second + 8].copy_from_slice(&8_i64.to_be_bytes());
    assert_eq!(
        verify(&extent(5, 12, Some(CHUNK)), Bytes::from(archived.clone())),
        Ok(())
    );
    archived[second + 7] += 1;
    assert_eq!(
        wrong(&extent(5, 12, Some(CHUNK)), archived),
        "the batch at offset 8 says that it begins at 9"
    );
}

#[test]
fn wrong_ones_are_told_apart() {
    let recent = extent(5, 12, None);
    assert!(wrong(&recent, batches(&[3, 3])).contains("reach from offset 5 to before 11"));
    assert!(wrong(&recent, batches(&[3, 5])).contains("reach from offset 5 to before 13"));
    assert!(wrong(&recent, Vec::new()).contains("reach from offset 5 to before 5"));
    let mut cut_off = batches(&[3, 4]);
    cut_off.pop();
    assert!(wrong(&recent, cut_off).starts_with("the batch at offset 8: record batch of "));
    for at in 21..81 {
        let mut flipped = batches(&[3, 4]);
        flipped[81 + at] ^= 1;
        let why = wrong(&recent, flipped);
        assert!(why.starts_with("the batch at offset 8"), "{at}: {why}");
    }
    let mut none = batches(&[3, 4]);
    none[23..27].copy_from_slice(&(-1_i32).to_be_bytes());
    let crc = crc32c::crc32c(&none[21..81]);
    none[17..21].copy_from_slice(&crc.to_be_bytes());
    assert_eq!(wrong(&recent, none), "the batch at offset 5 has 0 offsets");
}

#[test]
fn an_extent_lies_in_what_holds_it() {
    let read = Bytes::from(vec![0; 100]);
    let inside = extent(0, 1, None);
    assert_eq!(cut(&read, 60, &inside).map(|slice| slice.len()), Ok(50));
    for begins in [0, 49, 101] {
        assert!(cut(&read, begins, &inside).is_err(), "{begins}");
    }
    assert!(cut(&read, 50, &inside).is_ok());
}
