use esker_metastore::ChunkRange;
use esker_model::{ClusterEpoch, IncarnationId, SegmentId, SegmentKind};
use proptest::prelude::*;
use uuid::Uuid;

use super::*;

fn key(topic: i32, partition: i32) -> PartitionKey {
    PartitionKey {
        topic: TopicKey(topic),
        partition,
    }
}

fn recent(base: i64, end: i64) -> Extent {
    Extent {
        base_offset: base,
        end_offset: end,
        segment: SegmentId {
            kind: SegmentKind::Archive,
            epoch: ClusterEpoch(1),
            incarnation: IncarnationId(Uuid::nil()),
            seq: 1,
        },
        object_bytes: 1000,
        chunk: None,
        position: 0,
        bytes: (end - base) as u64 * 10,
        max_timestamp: -1,
        producer: None,
        transactional: false,
    }
}

fn archived(base: i64, end: i64) -> Extent {
    let chunk = ChunkRange {
        position: 0,
        bytes: 100,
        crc: 0,
    };
    Extent {
        chunk: Some(chunk),
        ..recent(base, end)
    }
}

fn plan(bases: std::ops::Range<i64>) -> Vec<Extent> {
    bases.map(|base| archived(base * 10, base * 10 + 10)).collect()
}

fn spans(found: Option<Vec<Extent>>) -> Option<(i64, i64, usize)> {
    let found = found?;
    Some((found.first()?.base_offset, found.last()?.end_offset, found.len()))
}

#[test]
fn what_a_plan_said_of_archived_records_is_known_and_nothing_else() {
    let plans = HistoryPlans::default();
    let mut said = plan(0..3);
    // A hole, more of the archive, and what is not archived yet.
    said.extend([recent(30, 40), archived(40, 50), archived(50, 60), recent(60, 70)]);
    plans.remember(key(1, 0), &said, None);
    let known = |from| spans(plans.lookup(key(1, 0), from, u64::MAX, 100));
    assert_eq!(known(0), Some((0, 30, 3)));
    assert_eq!(known(15), Some((10, 30, 2)));
    assert_eq!(
        (known(30), known(39), known(60), known(-1)),
        (None, None, None, None)
    );
    assert_eq!(known(40), Some((40, 60, 2)));
    assert_eq!(spans(plans.lookup(key(1, 1), 0, u64::MAX, 100)), None);
    plans.remember(key(1, 1), &[recent(0, 10)], None);
    assert_eq!(spans(plans.lookup(key(1, 1), 0, u64::MAX, 100)), None);
}

#[test]
fn a_lookup_ends_where_enough_was_found() {
    let plans = HistoryPlans::default();
    plans.remember(key(1, 0), &plan(0..3), None);
    plans.remember(key(1, 0), &plan(3..6), None);
    let known = |bytes, extents| spans(plans.lookup(key(1, 0), 5, bytes, extents));
    assert_eq!(known(0, 0), Some((0, 10, 1)));
    // Half of the first is behind the reader.
    assert_eq!(known(50, 9), Some((0, 10, 1)));
    assert_eq!(known(51, 9), Some((0, 20, 2)));
    assert_eq!(known(250, 9), Some((0, 30, 3)));
    assert_eq!(known(251, 9), Some((0, 40, 4)));
    assert_eq!(known(u64::MAX, 4), Some((0, 40, 4)));
    assert_eq!(known(u64::MAX, 9), Some((0, 60, 6)));
}

#[test]
fn later_plans_replace_what_they_overlap() {
    let plans = HistoryPlans::default();
    plans.remember(key(1, 0), &plan(0..9), None);
    // The same records, cut in another way.
    plans.remember(key(1, 0), &[archived(25, 45), archived(45, 60)], None);
    let known = |from| spans(plans.lookup(key(1, 0), from, u64::MAX, 100));
    assert_eq!(known(0), Some((0, 20, 2)));
    // What lay across its beginning is gone: rather a query than records twice.
    assert_eq!(known(22), None);
    assert_eq!(known(25), Some((25, 90, 5)));
    assert_eq!(plans.stretches.lock().extents, 2 + 2 + 3);
}

#[test]
fn partitions_and_topics_are_forgotten() {
    let plans = HistoryPlans::default();
    for (topic, partition) in [(1, 0), (1, 1), (2, 0)] {
        plans.remember(key(topic, partition), &plan(0..3), None);
    }
    let known = |topic, partition| plans.lookup(key(topic, partition), 0, 1, 1).is_some();
    plans.forget(key(1, 0));
    assert_eq!((known(1, 0), known(1, 1), known(2, 0)), (false, true, true));
    plans.forget_topic(TopicKey(1));
    assert_eq!((known(1, 1), known(2, 0)), (false, true));
    plans.forget_topic(TopicKey(2));
    let stretches = plans.stretches.lock();
    assert_eq!((stretches.by_place.len(), stretches.extents), (0, 0));
}

#[test]
fn the_least_recently_used_go() {
    let plans = HistoryPlans::with_limits(8, 1000);
    for partition in 0..8 {
        plans.remember(key(1, partition), &plan(0..1), None);
    }
    assert!(plans.lookup(key(1, 0), 0, 1, 1).is_some());
    plans.remember(key(1, 8), &plan(0..1), None);
    let known = |partition| plans.lookup(key(1, partition), 0, 1, 1).is_some();
    let left: Vec<i32> = (0..9).filter(|partition| known(*partition)).collect();
    assert_eq!(left, [0, 3, 4, 5, 6, 7, 8]);
    let plans = HistoryPlans::with_limits(100, 80);
    for partition in 0..10 {
        plans.remember(key(1, partition), &plan(0..10), None);
        assert!(plans.stretches.lock().extents <= 80);
    }
}

proptest! {
    /// Whatever was said in whatever order: lookups are contiguous, hold what they were asked for, and the counts
    /// are right.
    #[test]
    fn lookups_never_skip(said in prop::collection::vec((0i64..60, 1usize..20, 1i64..7), 1..30)) {
        let plans = HistoryPlans::with_limits(1000, 200);
        for (base, count, step) in said {
            let extents: Vec<Extent> = (0..count as i64)
                .map(|at| archived(base + at * step, base + (at + 1) * step))
                .collect();
            plans.remember(key(1, 0), &extents, None);
            prop_assert!(plans.lookup(key(1, 0), base, u64::MAX, 1000).is_some());
            for from in 0..200 {
                let Some(found) = plans.lookup(key(1, 0), from, 100, 5) else { continue };
                prop_assert!(found[0].base_offset <= from && from < found[0].end_offset);
                prop_assert!(found.len() <= 5);
                prop_assert!(found.windows(2).all(|pair| pair[0].end_offset == pair[1].base_offset));
            }
            let stretches = plans.stretches.lock();
            let extents: usize = stretches.by_place.values().map(|stretch| stretch.extents.len()).sum();
            prop_assert_eq!(extents, stretches.extents);
            prop_assert!(stretches.extents <= 200);
        }
    }
}
