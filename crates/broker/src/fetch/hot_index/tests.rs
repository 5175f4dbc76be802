use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use esker_metastore::ChunkRange;
use esker_model::{ClusterEpoch, IncarnationId, SegmentId, SegmentKind};
use proptest::prelude::*;
use uuid::Uuid;

use super::*;

/// A clock that tests move.
#[derive(Default)]
struct Ticks(AtomicU64);

impl Clock for Ticks {
    fn now(&self) -> Instant {
        Instant(Duration::from_millis(self.0.fetch_add(1, Ordering::Relaxed)))
    }

    fn wall_ms(&self) -> i64 {
        0
    }
}

fn index(extents_max: usize) -> HotIndex {
    HotIndex::with_extents_max(Arc::new(Ticks::default()), extents_max)
}

fn key(partition: i32) -> PartitionKey {
    PartitionKey {
        topic: TopicKey(1),
        partition,
    }
}

fn extent(base: i64, end: i64, seq: u64) -> Extent {
    Extent {
        base_offset: base,
        end_offset: end,
        segment: SegmentId {
            kind: SegmentKind::Ingest,
            epoch: ClusterEpoch(1),
            incarnation: IncarnationId(Uuid::from_u128(3)),
            seq,
        },
        object_bytes: 10_000,
        chunk: None,
        position: 0,
        bytes: (end - base) as u64 * 10,
        max_timestamp: base,
        producer: None,
        transactional: false,
    }
}

fn head(next_offset: i64) -> Head {
    Head {
        log_start: 0,
        next_offset,
        last_stable_offset: next_offset,
        archived_to: 0,
    }
}

/// What one step of the random history does to one of a few partitions.
#[derive(Clone, Copy, Debug)]
enum Step {
    /// This agent commits some extents and publishes them.
    Publish { lengths: [i64; 3], count: usize },
    /// Another agent commits: the log grows unseen.
    Elsewhere { length: i64 },
    /// A query shows a few extents from somewhere on, with the head of that moment.
    Query { from: i64, count: usize },
    /// A query shows only the head.
    Head,
    /// Records are deleted up to somewhere.
    Truncate { to: i64 },
    /// The extents are forgotten.
    Forget,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (prop::array::uniform3(1..5_i64), 1..4_usize)
            .prop_map(|(lengths, count)| Step::Publish { lengths, count }),
        2 => (1..5_i64).prop_map(|length| Step::Elsewhere { length }),
        3 => (0..200_i64, 0..6_usize).prop_map(|(from, count)| Step::Query { from, count }),
        1 => Just(Step::Head),
        1 => (0..200_i64).prop_map(|to| Step::Truncate { to }),
        1 => Just(Step::Forget),
    ]
}

/// A partition as the metastore has it.
#[derive(Default)]
struct Log {
    extents: Vec<Extent>,
    start: i64,
    /// The highest offset that this agent was told of.
    told: i64,
}

impl Log {
    fn end(&self) -> i64 {
        self.extents.last().map_or(0, |extent| extent.end_offset)
    }

    fn grow(&mut self, length: i64) {
        let seq = self.extents.len() as u64;
        self.extents.push(extent(self.end(), self.end() + length, seq));
    }

    fn head(&self) -> Head {
        Head {
            log_start: self.start,
            ..head(self.end())
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// Whatever is published, learned, jumped over and evicted: a lookup returns exactly the extents of
    /// the log from the one that holds the offset on, or nothing; and heads never go back.
    #[test]
    fn lookups_are_contiguous_and_never_skip(
        steps in prop::collection::vec((0..3_i32, step()), 1..120),
        probes in prop::collection::vec((0..200_i64, 1..200_u64, 1..10_usize), 8),
        extents_max in prop_oneof![Just(16 * 6_usize), Just(EXTENTS_MAX)],
    ) {
        let index = index(extents_max);
        let mut logs: BTreeMap<i32, Log> = BTreeMap::new();
        for (partition, step) in steps {
            let log = logs.entry(partition).or_default();
            let before = index.head(key(partition)).map(|(head, _)| head);
            match step {
                Step::Publish { lengths, count } => {
                    let first = log.extents.len();
                    lengths[..count].iter().for_each(|length| log.grow(*length));
                    index.publish(key(partition), &log.extents[first..], log.head());
                    log.told = log.end();
                    if extents_max == EXTENTS_MAX {
                        // What this agent just wrote is there for its readers.
                        let newest = log.extents.last().unwrap();
                        let known = index.lookup(key(partition), newest.base_offset, 1, 1).unwrap();
                        let there = known.extents.is_some() || newest.end_offset <= log.start;
                        prop_assert!(there);
                    }
                }
                Step::Elsewhere { length } => log.grow(length),
                Step::Query { from, count } => {
                    let at = log.extents.partition_point(|extent| extent.end_offset <= from);
                    let shown: Vec<Extent> = log.extents[at..].iter().take(count).copied().collect();
                    index.absorb(key(partition), &shown, log.head(), Instant(Duration::ZERO));
                    log.told = log.end();
                }
                Step::Head => {
                    index.absorb(key(partition), &[], log.head(), Instant(Duration::ZERO));
                    log.told = log.end();
                }
                Step::Truncate { to } => log.start = log.start.max(to.min(log.end())),
                Step::Forget => index.forget_extents(key(partition)),
            }
            prop_assert!(index.extents() <= extents_max);
            if let (Some(before), Some((after, _))) = (before, index.head(key(partition))) {
                prop_assert!(before.next_offset <= after.next_offset);
                prop_assert!(before.log_start <= after.log_start);
            }
            for (from, bytes_max, extents_max) in &probes {
                let Some(known) = index.lookup(key(partition), *from, *bytes_max, *extents_max) else { continue };
                prop_assert_eq!(known.head.next_offset, log.told);
                let Some(extents) = known.extents else { continue };
                let at = log.extents.partition_point(|extent| extent.end_offset <= *from);
                prop_assert!(!extents.is_empty() && extents.len() <= *extents_max);
                prop_assert_eq!(&extents[..], &log.extents[at..at + extents.len()]);
                prop_assert!(extents[0].base_offset <= *from);
                prop_assert!(extents.last().unwrap().end_offset <= known.head.next_offset);
            }
        }
        for partition in 0..3 {
            index.forget(key(partition));
        }
        prop_assert_eq!(index.extents(), 0);
    }
}

#[test]
fn a_gap_drops_the_older_part_and_a_query_fills_it_in_front() {
    let index = index(EXTENTS_MAX);
    index.publish(key(0), &[extent(0, 5, 1)], head(5));
    index.publish(key(0), &[extent(8, 9, 3)], head(9));
    assert!(index.lookup(key(0), 4, 100, 9).unwrap().extents.is_none());
    assert!(index.lookup(key(0), 6, 100, 9).unwrap().extents.is_none());
    assert!(index.lookup(key(0), 8, 100, 9).unwrap().extents.is_some());
    index.absorb(
        key(0),
        &[extent(5, 8, 2), extent(8, 9, 3)],
        head(9),
        Instant(Duration::ZERO),
    );
    let bases: Vec<i64> = index
        .lookup(key(0), 6, 100, 9)
        .unwrap()
        .extents
        .unwrap()
        .iter()
        .map(|e| e.base_offset)
        .collect();
    assert_eq!(bases, [5, 8]);
}

#[test]
fn archived_extents_are_not_taken_for_recent_ones() {
    let index = index(EXTENTS_MAX);
    let chunk = ChunkRange {
        position: 0,
        bytes: 100,
        crc: 0,
    };
    let archived = Extent {
        chunk: Some(chunk),
        ..extent(0, 5, 1)
    };
    index.publish(key(0), &[archived, extent(5, 7, 2), extent(7, 9, 3)], head(9));
    let found = |from| index.lookup(key(0), from, u64::MAX, 100).unwrap().extents;
    assert_eq!((found(0), found(5).unwrap().len()), (None, 2));
    index.publish(key(0), &[archived], head(9));
    assert_eq!((index.extents(), found(5).unwrap().len()), (2, 2));
}

#[test]
fn one_partition_is_bounded_and_keeps_its_newest_extents() {
    let index = index(EXTENTS_MAX);
    let count = log::PARTITION_EXTENTS_MAX as i64 + 100;
    for base in 0..count {
        index.publish(key(0), &[extent(base, base + 1, base as u64)], head(base + 1));
    }
    assert_eq!(index.extents(), log::PARTITION_EXTENTS_MAX);
    assert!(index.lookup(key(0), 99, 1, 1).unwrap().extents.is_none());
    assert!(index.lookup(key(0), 100, 1, 1).unwrap().extents.is_some());
    assert_eq!(index.lookup(key(0), count, 1, 1).unwrap().head.next_offset, count);
}

#[test]
fn a_deleted_topic_leaves_nothing() {
    let index = index(EXTENTS_MAX);
    for partition in 0..100 {
        index.publish(key(partition), &[extent(0, 5, 1)], head(5));
    }
    let other = PartitionKey {
        topic: TopicKey(2),
        partition: 0,
    };
    index.publish(other, &[extent(0, 5, 1)], head(5));
    index.forget_topic(TopicKey(1));
    assert_eq!(index.extents(), 1);
    assert!(index.head(key(7)).is_none() && index.head(other).is_some());
}

#[tokio::test(start_paused = true)]
async fn waiters_wake_when_enough_came_and_not_before() {
    let index = index(EXTENTS_MAX);
    index.publish(key(0), &[extent(0, 5, 1)], head(5));
    index.publish(key(1), &[extent(0, 5, 1)], head(5));
    let waiting = index.wait(&[(key(0), head(5)), (key(1), head(5))], 30).unwrap();
    let asleep = || tokio::time::timeout(Duration::from_millis(1), waiting.woken());
    index.publish(key(0), &[extent(5, 7, 2)], head(7));
    assert!(asleep().await.is_err());
    index.publish(key(1), &[extent(5, 6, 2)], head(6));
    asleep().await.unwrap();
    // Something that cannot be counted wakes at once.
    let waiting = index.wait(&[(key(0), head(7))], 1_000_000).unwrap();
    index.publish(key(0), &[extent(9, 10, 4)], head(10));
    tokio::time::timeout(Duration::from_millis(1), waiting.woken())
        .await
        .unwrap();
    // So does the end of the partition.
    let waiting = index.wait(&[(key(0), head(10))], 1_000_000).unwrap();
    index.forget(key(0));
    tokio::time::timeout(Duration::from_millis(1), waiting.woken())
        .await
        .unwrap();
}

#[test]
fn who_looked_too_early_is_told_to_look_again() {
    let index = index(EXTENTS_MAX);
    index.publish(key(0), &[extent(0, 5, 1)], head(5));
    assert!(index.wait(&[(key(0), head(4))], 1).is_none());
    assert!(index.wait(&[(key(1), head(4))], 1).is_none());
    let waiting = index.wait(&[(key(0), head(5))], 1).unwrap();
    drop(waiting);
    let shard = index.shard(key(0)).lock();
    assert!(shard.partitions[&key(0)].waiters.is_empty());
}
