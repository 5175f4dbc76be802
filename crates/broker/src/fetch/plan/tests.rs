use esker_model::{ClusterEpoch, IncarnationId, SegmentId, SegmentKind, TopicKey};
use uuid::Uuid;

use super::known::covered;
use super::*;
use crate::fetch::hot_index::Known;

const OPEN: Seen = Seen {
    gate_open: true,
    current: true,
    last_attempt: false,
};

fn extent(base: i64, end: i64) -> Extent {
    Extent {
        base_offset: base,
        end_offset: end,
        segment: SegmentId {
            kind: SegmentKind::Ingest,
            epoch: ClusterEpoch(1),
            incarnation: IncarnationId(Uuid::nil()),
            seq: 1,
        },
        object_bytes: 1000,
        chunk: None,
        position: 0,
        bytes: 100,
        max_timestamp: -1,
        producer: None,
        transactional: false,
    }
}

fn head(log_start: i64, next_offset: i64) -> Head {
    Head {
        log_start,
        next_offset,
        last_stable_offset: next_offset,
        archived_to: 0,
    }
}

fn wanted(from: i64) -> Wanted {
    let partition = PartitionKey {
        topic: TopicKey(1),
        partition: 0,
    };
    Wanted {
        partition,
        from,
        bytes_max: 1000,
        committed_only: false,
    }
}

fn bases(found: Option<Result<Found, ErrorCode>>) -> Vec<i64> {
    found
        .unwrap()
        .unwrap()
        .extents
        .iter()
        .map(|extent| extent.base_offset)
        .collect()
}

#[test]
fn a_plan_must_cover_the_offset_and_have_no_gap() {
    let whole = vec![extent(0, 5), extent(5, 9)];
    assert_eq!(
        bases(judge(&wanted(3), head(0, 9), whole, PLAN_EXTENTS_MAX, OPEN)),
        [0, 5]
    );
    let gap = vec![extent(0, 5), extent(6, 9)];
    assert_eq!(
        judge(&wanted(3), head(0, 9), gap.clone(), PLAN_EXTENTS_MAX, OPEN),
        None
    );
    assert_eq!(
        judge(&wanted(5), head(0, 9), vec![extent(6, 9)], PLAN_EXTENTS_MAX, OPEN),
        None
    );
    assert_eq!(
        judge(&wanted(5), head(0, 9), vec![], PLAN_EXTENTS_MAX, OPEN),
        None
    );
    // In the end what is contiguous is served, and a hole is an error that clients repeat.
    let last = Seen {
        last_attempt: true,
        ..OPEN
    };
    assert_eq!(
        bases(judge(&wanted(3), head(0, 9), gap, PLAN_EXTENTS_MAX, last)),
        [0]
    );
    assert_eq!(
        judge(&wanted(5), head(0, 9), vec![extent(6, 9)], PLAN_EXTENTS_MAX, last),
        Some(Err(ErrorCode::KafkaStorageError))
    );
}

#[test]
fn out_of_range_is_claimed_only_by_who_may() {
    for from in [-1, 1, 10] {
        let claim = |seen| {
            judge(&wanted(from), head(2, 9), vec![], PLAN_EXTENTS_MAX, seen)
                .unwrap()
                .unwrap_err()
        };
        assert_eq!(claim(OPEN), ErrorCode::OffsetOutOfRange);
        assert_eq!(
            claim(Seen {
                gate_open: false,
                ..OPEN
            }),
            ErrorCode::KafkaStorageError
        );
        assert_eq!(
            claim(Seen {
                current: false,
                ..OPEN
            }),
            ErrorCode::NotLeaderOrFollower
        );
        assert_eq!(
            claim(Seen {
                current: false,
                gate_open: false,
                ..OPEN
            }),
            ErrorCode::NotLeaderOrFollower
        );
    }
    assert_eq!(
        bases(judge(&wanted(9), head(2, 9), vec![], PLAN_EXTENTS_MAX, OPEN)),
        [0; 0]
    );
}

#[test]
fn nothing_above_what_the_gate_let_through_is_shown() {
    // The plan saw 12, the visible head is 9.
    let seen = Seen {
        gate_open: false,
        ..OPEN
    };
    let plan = vec![extent(0, 5), extent(5, 9), extent(9, 12)];
    assert_eq!(
        bases(judge(&wanted(4), head(0, 9), plan, PLAN_EXTENTS_MAX, seen)),
        [0, 5]
    );
    assert_eq!(
        bases(judge(
            &wanted(9),
            head(0, 9),
            vec![extent(9, 12)],
            PLAN_EXTENTS_MAX,
            seen
        )),
        [0; 0]
    );
}

#[test]
fn committed_readers_stop_at_the_last_stable_offset() {
    let head = Head {
        last_stable_offset: 5,
        ..head(0, 9)
    };
    let committed = Wanted {
        committed_only: true,
        ..wanted(0)
    };
    let plan = vec![extent(0, 5), extent(5, 9)];
    assert_eq!(
        bases(judge(&committed, head, plan.clone(), PLAN_EXTENTS_MAX, OPEN)),
        [0]
    );
    assert_eq!(
        bases(judge(
            &Wanted { from: 7, ..committed },
            head,
            plan.clone(),
            PLAN_EXTENTS_MAX,
            OPEN
        )),
        [0; 0]
    );
    let known = Known {
        head,
        confirmed: esker_model::seams::Instant(Duration::ZERO),
        extents: Some(plan),
    };
    assert_eq!(covered(&committed, known.clone(), true).unwrap().extents.len(), 1);
    assert_eq!(covered(&wanted(0), known, true).unwrap().extents.len(), 2);
}

#[test]
fn the_index_answers_only_what_it_covers() {
    let at = esker_model::seams::Instant(Duration::ZERO);
    let known = |extents| Known {
        head: head(2, 9),
        confirmed: at,
        extents,
    };
    assert!(covered(&wanted(4), known(None), true).is_none());
    assert!(covered(&wanted(1), known(None), true).is_none());
    assert!(covered(&wanted(10), known(None), true).is_none());
    assert!(covered(&wanted(9), known(None), true).unwrap().extents.is_empty());
    // That nothing is there has to be fresh if the client will not wait.
    assert!(covered(&wanted(9), known(None), false).is_none());
    assert!(covered(&wanted(4), known(Some(vec![extent(2, 9)])), false).is_some());
}

#[test]
fn a_reader_is_shown_as_much_as_it_wants_of_a_long_plan() {
    let plan = vec![extent(0, 5), extent(5, 10), extent(10, 15), extent(16, 20)];
    let shown = |bytes_max, extents_max| {
        let wanted = Wanted {
            bytes_max,
            ..wanted(0)
        };
        judge(&wanted, head(0, 20), plan.clone(), extents_max, OPEN)
    };
    assert_eq!(bases(shown(1, 100)), [0]);
    assert_eq!(bases(shown(101, 100)), [0, 5]);
    assert_eq!(bases(shown(1000, 2)), [0, 5]);
    // The gap matters to those who want what lies behind it.
    assert_eq!(bases(shown(300, 100)), [0, 5, 10]);
    assert_eq!(shown(301, 100), None);
}
