//! What the read path is told.

use esker_metastore::{Extent, Plan, PlanRequest, TimeQuery, TimeReply, TimeRequest};
use esker_model::{PartitionKey, TopicKey};

use crate::runs::*;
use crate::world::{World, Writer, at, plan_from};

pub async fn heads_answer_in_order(world: &World) {
    let writer = world.writer("a").await;
    let topic = world.topic("orders", 2).await;
    let (p0, p1) = (at(&topic, 0), at(&topic, 1));
    world
        .commit(&writer, vec![plain(p1, &[7]), plain(p0, &[1])])
        .await;
    assert_eq!(world.store.heads(&[]).await, Ok(vec![]));
    let nowhere = PartitionKey {
        topic: TopicKey(topic.key.0 + 1000),
        partition: 0,
    };
    let heads = world
        .store
        .heads(&[p1, at(&topic, 2), nowhere, p0, p1])
        .await
        .unwrap();
    let ends: Vec<_> = heads
        .iter()
        .map(|head| head.map(|head| head.next_offset))
        .collect();
    assert_eq!(ends, [Some(7), None, None, Some(1), Some(7)]);
}

/// Ten extents of 10 records and 100 bytes each.
async fn ten_extents(world: &World, writer: &Writer) -> PartitionKey {
    let topic = world.topic("orders", 3).await;
    let partition = at(&topic, 1);
    for _ in 0..5 {
        let runs = vec![
            plain(at(&topic, 0), &[3]),
            plain(partition, &[4, 6]),
            plain(at(&topic, 2), &[5]),
        ];
        world
            .commit_segments(writer, vec![runs, vec![plain(partition, &[10])]])
            .await;
    }
    partition
}

fn ranges(extents: &[Extent]) -> Vec<(i64, i64)> {
    extents.iter().map(|e| (e.base_offset, e.end_offset)).collect()
}

pub async fn a_plan_is_contiguous_from_the_extent_that_holds_the_offset(world: &World) {
    let writer = world.writer("a").await;
    let partition = ten_extents(world, &writer).await;
    for from in 0..100 {
        let extents = world.extents(partition, from).await;
        let first = from / 10 * 10;
        let expected: Vec<_> = (first..100).step_by(10).map(|base| (base, base + 10)).collect();
        assert_eq!(ranges(&extents), expected, "from {from}");
    }
    let extents = world.extents(partition, 0).await;
    let seqs: Vec<_> = extents.iter().map(|e| e.segment.seq).collect();
    assert_eq!(seqs, (1..=10).collect::<Vec<_>>());
}

pub async fn a_plan_stops_at_its_limits(world: &World) {
    let writer = world.writer("a").await;
    let partition = ten_extents(world, &writer).await;
    let cases = [
        // (from, bytes_max, extents_max) and how many extents.
        ((0, u64::MAX, 3), 3),
        ((0, u64::MAX, 10), 10),
        ((0, u64::MAX, 1), 1),
        ((0, 1, 10), 1),
        ((0, 0, 10), 1),
        ((0, 100, 10), 1),
        ((0, 101, 10), 2),
        ((0, 200, 10), 2),
        ((5, 250, 10), 3),
        ((0, 1000, 10), 10),
        ((95, 100_000, 10), 1),
        ((40, 301, 2), 2),
    ];
    for ((from, bytes_max, extents_max), expected) in cases {
        let request = PlanRequest {
            partition,
            from,
            bytes_max,
            extents_max,
        };
        let plans = world.store.plan(&[request]).await.unwrap();
        assert_eq!(plans[0].extents.len(), expected, "{request:?}");
        assert!(plans[0].extents[0].base_offset <= from);
    }
}

pub async fn a_plan_ends_at_the_head(world: &World) {
    let writer = world.writer("a").await;
    let partition = ten_extents(world, &writer).await;
    let head = world.head(partition).await;
    assert_eq!(head.map(|head| head.next_offset), Some(100));
    for from in [100, 101, i64::MAX] {
        let plans = world.store.plan(&[plan_from(partition, from)]).await;
        let expected = Plan {
            head,
            manifest: None,
            extents: vec![],
        };
        assert_eq!(plans, Ok(vec![expected]), "from {from}");
    }
}

pub async fn plans_answer_in_order(world: &World) {
    let writer = world.writer("a").await;
    let partition = ten_extents(world, &writer).await;
    let sibling = |index| PartitionKey {
        partition: index,
        ..partition
    };
    let requests = [
        plan_from(sibling(2), 7),
        plan_from(sibling(3), 0),
        plan_from(partition, 95),
        plan_from(sibling(0), 0),
        plan_from(sibling(2), 24),
        plan_from(partition, 85),
    ];
    assert_eq!(world.store.plan(&[]).await, Ok(vec![]));
    let plans = world.store.plan(&requests).await.unwrap();
    let heads: Vec<_> = plans
        .iter()
        .map(|plan| plan.head.map(|head| head.next_offset))
        .collect();
    assert_eq!(heads, [Some(25), None, Some(100), Some(15), Some(25), Some(100)]);
    let expected = [
        vec![(5, 10), (10, 15), (15, 20), (20, 25)],
        vec![],
        vec![(90, 100)],
        vec![(0, 3), (3, 6), (6, 9), (9, 12), (12, 15)],
        vec![(20, 25)],
        vec![(80, 90), (90, 100)],
    ];
    assert_eq!(
        plans.iter().map(|plan| ranges(&plan.extents)).collect::<Vec<_>>(),
        expected
    );
}

/// Extents of 10 records with these largest timestamps.
async fn timed_extents(world: &World, times: &[i64]) -> PartitionKey {
    let writer = world.writer("a").await;
    let partition = world.partition().await;
    for time in times {
        world
            .commit(&writer, vec![timed(*time, plain(partition, &[10]))])
            .await;
    }
    partition
}

async fn found(world: &World, partition: PartitionKey, query: TimeQuery) -> Option<i64> {
    let replies = world
        .store
        .find_by_time(&[TimeRequest { partition, query }])
        .await;
    let reply = replies.unwrap().remove(0);
    assert_eq!(reply.head, world.head(partition).await);
    reply.extent.map(|extent| extent.base_offset)
}

pub async fn find_at_or_after_a_time(world: &World) {
    let partition = timed_extents(world, &[100, 300, -1, 200, 300, 400]).await;
    let cases = [
        ((i64::MIN, 0), Some(0)),
        ((0, 0), Some(0)),
        ((100, 0), Some(0)),
        ((101, 0), Some(10)),
        ((300, 0), Some(10)),
        // The extent that holds `from` counts.
        ((101, 19), Some(10)),
        ((101, 20), Some(30)),
        ((201, 20), Some(40)),
        ((400, 0), Some(50)),
        ((400, 59), Some(50)),
        ((401, 0), None),
        ((0, 60), None),
    ];
    for ((timestamp, from), expected) in cases {
        let query = TimeQuery::AtOrAfter { timestamp, from };
        assert_eq!(found(world, partition, query).await, expected, "{query:?}");
    }
}

pub async fn find_the_largest_time(world: &World) {
    let partition = timed_extents(world, &[100, 300, -1, 200, 300]).await;
    assert_eq!(
        found(world, partition, TimeQuery::Max).await,
        Some(10),
        "the first of the largest"
    );
    let extents = world.extents(partition, 10).await;
    let replies = world
        .store
        .find_by_time(&[TimeRequest {
            partition,
            query: TimeQuery::Max,
        }])
        .await
        .unwrap();
    assert_eq!(
        replies[0].extent,
        Some(extents[0]),
        "the same extent that a plan shows"
    );
}

pub async fn find_by_time_in_an_empty_log(world: &World) {
    let topic = world.topic("orders", 1).await;
    let request = |partition, query| TimeRequest {
        partition: at(&topic, partition),
        query,
    };
    let any = TimeQuery::AtOrAfter {
        timestamp: 0,
        from: 0,
    };
    let replies = world
        .store
        .find_by_time(&[
            request(0, TimeQuery::Max),
            request(1, TimeQuery::Max),
            request(0, any),
            request(1, any),
        ])
        .await
        .unwrap();
    let reply = |head| TimeReply {
        head,
        manifest: None,
        extent: None,
    };
    let head = world.head(at(&topic, 0)).await;
    assert!(head.is_some());
    assert_eq!(replies, [reply(head), reply(None), reply(head), reply(None)]);
}

pub async fn stored_bytes_answer_in_order(world: &World) {
    let writer = world.writer("a").await;
    let partition = ten_extents(world, &writer).await;
    let sibling = |index| PartitionKey {
        partition: index,
        ..partition
    };
    assert_eq!(world.store.stored_bytes(&[], 10).await, Ok(vec![]));
    let asked = [sibling(2), sibling(3), partition, sibling(0), partition];
    let sizes = world.store.stored_bytes(&asked, 10).await;
    assert_eq!(
        sizes,
        Ok(vec![Some(250), None, Some(1000), Some(150), Some(1000)])
    );
    // One extent more than may be counted.
    let sizes = world.store.stored_bytes(&asked, 9).await;
    assert_eq!(sizes, Ok(vec![Some(250), None, None, Some(150), None]));
    let sizes = world.store.stored_bytes(&asked[..2], usize::MAX).await;
    assert_eq!(sizes, Ok(vec![Some(250), None]));
    let empty = at(&world.topic("empty", 1).await, 0);
    assert_eq!(world.store.stored_bytes(&[empty], 0).await, Ok(vec![Some(0)]));
}
