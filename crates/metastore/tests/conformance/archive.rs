//! The move of `archived_to`, and what the read path is told on both sides of it.

use esker_metastore::*;
use esker_model::{ClusterEpoch, PartitionKey, TopicKey};

use crate::archive_requests::*;
use crate::runs::*;
use crate::world::{EPOCH, World, Writer, at, plan_from};

/// A partition with one extent of 10 records and 100 bytes for each of these largest timestamps.
async fn timed_extents(world: &World, writer: &Writer, times: &[i64]) -> PartitionKey {
    let partition = world.partition().await;
    for time in times {
        let run = timed(*time, plain(partition, &[4, 6]));
        world.commit(writer, vec![run]).await;
    }
    partition
}

pub async fn archiving_moves_archived_to_and_a_plan_crosses_it(world: &World) {
    let writer = world.writer("a").await;
    let partition = world.partition().await;
    for first in 0..5 {
        let run = produced(partition, 2 * first, &[2]);
        let run = RunCommit {
            transactional: first == 1,
            ..run
        };
        world.commit(&writer, vec![run]).await;
    }
    let before = world.extents(partition, 0).await;
    let head = world.head(partition).await.unwrap();
    assert_eq!(head.archived_to, 0);
    // What was a producer's is said by the batches themselves.
    let moved = [
        archived(&before[..2], archive_segment(&writer, 1)),
        archived(&before[2..3], archive_segment(&writer, 2)),
    ];
    let offered = moved.map(|extent| Extent {
        producer: before[0].producer,
        transactional: true,
        ..extent
    });
    archive(world, &writer, partition, offered.to_vec()).await;

    let archived_to = 6;
    assert_eq!(world.head(partition).await, Some(Head { archived_to, ..head }));
    let after = [moved[0], moved[1], before[3], before[4]];
    for (from, first) in [
        (0, 0),
        (3, 0),
        (4, 1),
        (5, 1),
        (6, 2),
        (7, 2),
        (8, 3),
        (9, 3),
        (10, 4),
    ] {
        let plans = world.store.plan(&[plan_from(partition, from)]).await.unwrap();
        assert_eq!(plans[0].extents, after[first..], "from {from}");
        assert_eq!(plans[0].head.unwrap().archived_to, archived_to);
    }
    // The end of the log goes on as it was.
    let pieces = world.commit(&writer, vec![produced(partition, 10, &[1])]).await;
    assert_eq!(pieces, [[piece(0, 1, appended(10))]]);
    assert_eq!(world.head(partition).await.unwrap().archived_to, archived_to);
}

pub async fn a_plan_across_archived_to_stops_at_its_limits(world: &World) {
    let writer = world.writer("a").await;
    let partition = timed_extents(world, &writer, &[TIME; 10]).await;
    let extents = world.extents(partition, 0).await;
    let moved = each_archived(&extents[..4], archive_segment(&writer, 1));
    archive(world, &writer, partition, moved).await;
    let cases = [
        // (from, bytes_max, extents_max), how many extents.
        ((0, u64::MAX, 3), 3),
        ((0, u64::MAX, 4), 4),
        ((0, u64::MAX, 5), 5),
        ((0, u64::MAX, 20), 10),
        ((0, 0, 20), 1),
        ((35, 0, 20), 1),
        ((40, 0, 20), 1),
        ((0, 400, 20), 4),
        ((0, 401, 20), 5),
        ((30, 101, 20), 2),
        ((39, 100, 20), 1),
        ((39, u64::MAX, 1), 1),
        ((39, u64::MAX, 2), 2),
    ];
    for ((from, bytes_max, extents_max), expected) in cases {
        let request = PlanRequest {
            partition,
            from,
            bytes_max,
            extents_max,
        };
        let plans = world.store.plan(&[request]).await.unwrap();
        let planned: Vec<_> = plans[0]
            .extents
            .iter()
            .map(|e| (e.base_offset, e.end_offset))
            .collect();
        let bases = (from / 10 * 10..).step_by(10).take(expected);
        let expected: Vec<_> = bases.map(|base| (base, base + 10)).collect();
        assert_eq!(planned, expected, "{request:?}");
    }
}

pub async fn archiving_goes_on_where_it_ended(world: &World) {
    let writer = world.writer("a").await;
    let partition = timed_extents(world, &writer, &[TIME; 6]).await;
    let before = world.extents(partition, 0).await;
    let mut expected = Vec::new();
    for (seq, part) in before.chunks(2).enumerate() {
        let moved = each_archived(part, archive_segment(&writer, seq as u64));
        expected.extend(moved.clone());
        archive(world, &writer, partition, moved.clone()).await;
        // Only once, as after an unknown outcome.
        let again = request(&writer, vec![(partition, moved)]);
        assert_eq!(world.store.archive(&again).await, Ok(vec![false]));
    }
    assert_eq!(world.extents(partition, 0).await, expected);
    assert_eq!(world.extents(partition, 60).await, []);
    assert_eq!(world.head(partition).await.unwrap().archived_to, 60);
    world.commit(&writer, vec![plain(partition, &[1])]).await;
    assert_eq!(world.extents(partition, 59).await.len(), 2);
}

pub async fn extents_that_do_not_fit_are_refused_alone(world: &World) {
    let writer = world.writer("a").await;
    let topic = world.topic("orders", 8).await;
    let gone = world.topic("gone", 1).await;
    for _ in 0..3 {
        let runs = (0..8).map(|partition| plain(at(&topic, partition), &[10]));
        world.commit(&writer, runs.collect()).await;
    }
    world.commit(&writer, vec![plain(at(&gone, 0), &[10])]).await;
    let extents = world.extents(at(&topic, 0), 0).await;
    let segment = |seq| archive_segment(&writer, seq);
    let moved = each_archived(&extents, segment(1));
    let refused = each_archived(&extents, segment(2));
    let beyond = Extent {
        end_offset: 31,
        ..refused[2]
    };
    let overlap = Extent {
        base_offset: 9,
        ..refused[1]
    };
    world.store.delete_topics(&[gone.uuid]).await.unwrap();
    let nowhere = PartitionKey {
        topic: TopicKey(topic.key.0 + 1000),
        partition: 0,
    };
    let mut partitions = vec![
        (at(&topic, 0), moved.clone(), true),
        // It does not begin at `archived_to`.
        (at(&topic, 1), refused[1..].to_vec(), false),
        // A gap.
        (at(&topic, 2), vec![refused[0], refused[2]], false),
        // More than there is.
        (at(&topic, 3), vec![refused[0], refused[1], beyond], false),
        // Something twice.
        (at(&topic, 4), vec![refused[0], overlap, refused[2]], false),
        (at(&topic, 5), moved[..2].to_vec(), true),
        (at(&topic, 7), vec![], false),
        (at(&gone, 0), refused[..1].to_vec(), false),
        (nowhere, refused.clone(), false),
    ];
    partitions.sort_by_key(|(partition, _, _)| *partition);
    let expected: Vec<_> = partitions.iter().map(|(_, _, expected)| *expected).collect();
    let parts = partitions
        .into_iter()
        .map(|(partition, extents, _)| (partition, extents));
    let replies = world.store.archive(&request(&writer, parts.collect())).await;
    assert_eq!(replies, Ok(expected));
    let heads = (0..8).map(|partition| at(&topic, partition)).collect::<Vec<_>>();
    let heads = world.store.heads(&heads).await.unwrap();
    let archived_to: Vec<_> = heads.iter().map(|head| head.unwrap().archived_to).collect();
    assert_eq!(archived_to, [30, 0, 0, 0, 0, 20, 0, 0]);
    let left: Vec<_> = extents.iter().map(|e| e.base_offset).collect();
    for partition in [1, 2, 3, 4, 6, 7] {
        let extents = world.extents(at(&topic, partition), 0).await;
        assert_eq!(extents.iter().map(|e| e.base_offset).collect::<Vec<_>>(), left);
        assert!(extents.iter().all(|e| e.chunk.is_none()));
    }
    // What nobody was moved to is not known: nobody waits for it.
    let released = world.store.release(&[segment(1), segment(2)]).await;
    assert_eq!(released, Ok(vec![false, true]));
    assert_eq!(unneeded(world).await, []);
    assert_eq!(world.store.archive(&request(&writer, vec![])).await, Ok(vec![]));
}

pub async fn a_hole_is_told(world: &World) {
    let writer = world.writer("a").await;
    let partition = timed_extents(world, &writer, &[TIME; 3]).await;
    let before = world.extents(partition, 0).await;
    let segment = archive_segment(&writer, 1);
    let moved = vec![
        archived(&before[..1], segment),
        before[1],
        archived(&before[2..], segment),
    ];
    archive(world, &writer, partition, moved.clone()).await;
    // Also when nothing else knows the segment any more.
    let lost = before[1].segment;
    assert_eq!(world.store.release(&[lost]).await, Ok(vec![true]));
    world.store.leave(writer.incarnation).await.unwrap();
    forget(world, &[lost]).await;
    assert_eq!(world.extents(partition, 0).await, moved);
    assert_eq!(world.extents(partition, 15).await, moved[1..]);
}

pub async fn who_may_not_archive_changes_nothing(world: &World) {
    let old = world.writer("a").await;
    let partition = timed_extents(world, &old, &[TIME; 2]).await;
    let before = world.extents(partition, 0).await;
    let head = world.head(partition).await;
    let moved = each_archived(&before, archive_segment(&old, 1));
    let good = request(&old, vec![(partition, moved)]);
    let elsewhere = ArchiveRequest {
        epoch: ClusterEpoch(2),
        ..good.clone()
    };
    let (expected, found) = (2, EPOCH.0);
    let wrong = Err(MetastoreError::WrongEpoch { expected, found });
    assert_eq!(world.store.archive(&elsewhere).await, wrong);
    world.writer("a").await;
    assert_eq!(world.store.archive(&elsewhere).await, wrong);
    assert_eq!(world.store.archive(&good).await, Err(MetastoreError::Fenced));
    assert_eq!(world.head(partition).await, head);
    assert_eq!(world.extents(partition, 0).await, before);
}

pub async fn nobody_archives_to_the_segment_of_another(world: &World) {
    let (a, b) = (world.writer("a").await, world.writer("b").await);
    let topic = world.topic("orders", 2).await;
    let (p0, p1) = (at(&topic, 0), at(&topic, 1));
    let runs = vec![plain(p0, &[10]), plain(p1, &[10])];
    world.commit(&a, runs).await;
    let before = world.extents(p0, 0).await;
    let own = each_archived(&before, archive_segment(&b, 1));
    let another = each_archived(&before, archive_segment(&a, 1));
    let mixed = request(&b, vec![(p0, own), (p1, another)]);
    let refused = world.store.archive(&mixed).await;
    assert!(matches!(refused, Err(MetastoreError::Corrupt(_))), "{refused:?}");
    for partition in [p0, p1] {
        assert_eq!(world.head(partition).await.unwrap().archived_to, 0);
    }
    assert_eq!(world.extents(p0, 0).await, before);
    // Ingest segments are everybody's.
    archive_all(world, &b, p0, 1).await;
    archive(world, &b, p1, world.extents(p1, 0).await).await;
}

async fn found(world: &World, partition: PartitionKey, query: TimeQuery) -> Option<i64> {
    let request = TimeRequest { partition, query };
    let replies = world.store.find_by_time(&[request]).await;
    let reply = replies.unwrap().remove(0);
    assert_eq!(reply.head, world.head(partition).await);
    let extent = reply.extent?;
    // The same that a plan shows.
    let planned = world.extents(partition, extent.base_offset).await;
    assert_eq!(planned[0], extent);
    Some(extent.base_offset)
}

pub async fn at_or_after_a_time_looks_at_both(world: &World) {
    let writer = world.writer("a").await;
    let partition = timed_extents(world, &writer, &[100, 300, -1, 200, 300, 400]).await;
    // Whatever is archived, the answer is the same.
    for archived in 0..=6 {
        let cases = [
            ((i64::MIN, 0), Some(0)),
            ((100, 0), Some(0)),
            ((101, 0), Some(10)),
            ((101, 19), Some(10)),
            ((101, 20), Some(30)),
            ((201, 20), Some(40)),
            ((301, 0), Some(50)),
            ((400, 59), Some(50)),
            ((401, 0), None),
            ((0, 60), None),
        ];
        for ((timestamp, from), expected) in cases {
            let query = TimeQuery::AtOrAfter { timestamp, from };
            let found = found(world, partition, query).await;
            assert_eq!(found, expected, "{archived} archived, {query:?}");
        }
        if archived < 6 {
            let extents = world.extents(partition, 10 * archived).await;
            let moved = each_archived(&extents[..1], archive_segment(&writer, archived as u64 + 1));
            archive(world, &writer, partition, moved).await;
        }
    }
}

pub async fn the_largest_time_looks_at_both(world: &World) {
    let writer = world.writer("a").await;
    let partition = timed_extents(world, &writer, &[100, 300, -1, 300, 200]).await;
    for end in 1..=5 {
        let extents = world.extents(partition, 10 * (end - 1)).await;
        let moved = each_archived(&extents[..1], archive_segment(&writer, end as u64));
        archive(world, &writer, partition, moved).await;
        let found = found(world, partition, TimeQuery::Max).await;
        assert_eq!(
            found,
            Some(10),
            "archived to {}, the first of the largest",
            10 * end
        );
    }
    world
        .commit(&writer, vec![timed(301, plain(partition, &[10]))])
        .await;
    assert_eq!(found(world, partition, TimeQuery::Max).await, Some(50));
}

pub async fn an_archive_segment_is_named_by_one_call_only(world: &World) {
    let writer = world.writer("a").await;
    let topic = world.topic("orders", 2).await;
    let (p0, p1) = (at(&topic, 0), at(&topic, 1));
    world
        .commit(&writer, vec![plain(p0, &[10]), plain(p1, &[10])])
        .await;
    archive_all(world, &writer, p0, 1).await;
    let again = each_archived(&world.extents(p1, 0).await, archive_segment(&writer, 1));
    let request = request(&writer, vec![(p1, again)]);
    assert_eq!(
        world.store.archive(&request).await,
        Err(MetastoreError::AlreadySettled)
    );
    assert_eq!(world.head(p1).await.unwrap().archived_to, 0);
    assert_eq!(world.extents(p1, 0).await[0].chunk, None);
}
