use esker_metastore::{Extent, Head, ManifestRef, ManifestSummary};
use esker_model::{ClusterEpoch, IncarnationId, LogId, ManifestId, SegmentId, SegmentKind, TopicUuid};
use uuid::Uuid;

use super::*;

const BY: IncarnationId = IncarnationId(Uuid::from_u128(1));

fn head(log_start: i64, next_offset: i64) -> Option<Head> {
    Some(Head {
        log_start,
        next_offset,
        last_stable_offset: next_offset,
        archived_to: log_start,
    })
}

fn extent(base_offset: i64, end_offset: i64, bytes: u64) -> Extent {
    Extent {
        base_offset,
        end_offset,
        segment: SegmentId {
            kind: SegmentKind::Ingest,
            epoch: ClusterEpoch(1),
            incarnation: BY,
            seq: 1,
        },
        object_bytes: 1000,
        chunk: None,
        position: 0,
        bytes,
        max_timestamp: -1,
        producer: None,
        transactional: false,
    }
}

fn manifest(seq: u64, end_offset: i64) -> ManifestRef {
    ManifestRef {
        id: manifest_id(seq),
        object_bytes: 10,
        base_offset: 0,
        end_offset,
    }
}

fn manifest_id(seq: u64) -> ManifestId {
    ManifestId {
        log: LogId {
            topic: TopicUuid(Uuid::from_u128(2)),
            partition: 0,
        },
        epoch: ClusterEpoch(1),
        incarnation: BY,
        seq,
    }
}

fn known(seq: u64, bytes: u64) -> KnownManifest {
    KnownManifest {
        id: manifest_id(seq),
        summary: ManifestSummary {
            bytes,
            ..ManifestSummary::default()
        },
    }
}

fn plan(head: Option<Head>, manifest: Option<ManifestRef>, extents: Vec<Extent>) -> Plan {
    Plan {
        head,
        manifest,
        extents,
    }
}

#[test]
fn what_is_shown_whole_is_summed() {
    assert_eq!(size(&plan(head(0, 0), None, vec![]), None), Some(0));
    assert_eq!(size(&plan(head(7, 7), None, vec![]), None), Some(0));
    let two = vec![extent(0, 5, 100), extent(5, 9, 50)];
    assert_eq!(size(&plan(head(0, 9), None, two.clone()), None), Some(150));
    // Below the log start, not dropped yet.
    assert_eq!(size(&plan(head(9, 9), None, two), None), Some(150));
    let behind = vec![extent(20, 30, 7)];
    let whole = plan(head(3, 30), Some(manifest(4, 20)), behind);
    assert_eq!(size(&whole, Some(&known(4, 1000))), Some(1007));
}

#[test]
fn what_is_not_shown_whole_has_no_size() {
    assert_eq!(size(&plan(None, None, vec![]), None), None);
    // Cut off at the limit.
    assert_eq!(size(&plan(head(0, 10), None, vec![extent(0, 9, 1)]), None), None);
    // A gap.
    let gap = vec![extent(0, 4, 1), extent(5, 10, 1)];
    assert_eq!(size(&plan(head(0, 10), None, gap), None), None);
    // The manifest was replaced meanwhile, or went.
    let merged = plan(head(0, 20), Some(manifest(4, 20)), vec![]);
    assert_eq!(size(&merged, Some(&known(5, 1000))), None);
    assert_eq!(size(&merged, None), None);
}
