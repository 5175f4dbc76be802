//! What a commit accepts, and the offsets it gives.

use esker_model::{ProducerEpoch, ProducerId, SegmentId, SegmentKind};

use crate::runs::*;
use crate::world::{EPOCH, World, at};

pub async fn offsets_are_dense_and_heads_follow(world: &World) {
    let writer = world.writer("a").await;
    let topic = world.topic("orders", 3).await;
    let (p0, p1, p2) = (at(&topic, 0), at(&topic, 1), at(&topic, 2));

    let runs = vec![plain(p1, &[2, 3]), plain(p0, &[1]), plain(p1, &[4])];
    let reply = world.commit_segments(&writer, vec![runs]).await;
    assert_eq!(
        reply.segments[0].runs,
        [
            vec![piece(0, 2, appended(0))],
            vec![piece(0, 1, appended(0))],
            vec![piece(0, 1, appended(5))]
        ]
    );
    let heads: Vec<_> = reply
        .heads
        .iter()
        .map(|(key, head)| (*key, head.next_offset))
        .collect();
    assert_eq!(
        heads,
        [(p0, 1), (p1, 9)],
        "those that were touched, ascending by key"
    );
    for (key, head) in reply.heads {
        assert_eq!(world.head(key).await, Some(head));
        assert_eq!(head.last_stable_offset, head.next_offset);
        assert_eq!((head.log_start, head.archived_to), (0, 0));
    }
    assert_eq!(world.next_offset(p2).await, 0);

    let pieces = world.commit(&writer, vec![plain(p1, &[1])]).await;
    assert_eq!(pieces, [vec![piece(0, 1, appended(9))]]);
}

pub async fn nothing_to_commit_is_fine(world: &World) {
    let writer = world.writer("a").await;
    let reply = world.commit_segments(&writer, vec![]).await;
    assert_eq!((reply.segments.len(), reply.heads.len()), (0, 0));
    assert!(world.commit(&writer, vec![]).await.is_empty());
}

pub async fn an_extent_says_where_its_bytes_are(world: &World) {
    let writer = world.writer("a").await;
    let partition = world.partition().await;
    let mut transactional = produced(partition, 0, &[2, 3]);
    transactional.transactional = true;
    transactional.position = 70_000;
    world
        .commit_segments(
            &writer,
            vec![vec![plain(partition, &[1])], vec![timed(-1, transactional)]],
        )
        .await;

    let extents = world.extents(partition, 0).await;
    assert_eq!(extents.len(), 2);
    let [first, second] = [extents[0], extents[1]];
    assert_eq!((first.base_offset, first.end_offset), (0, 1));
    assert_eq!((first.position, first.bytes), (POSITION, 10));
    assert_eq!((first.max_timestamp, first.object_bytes), (TIME, 1_000_000));
    assert_eq!((first.producer, first.transactional), (None, false));
    let segment = |seq| SegmentId {
        kind: SegmentKind::Ingest,
        epoch: EPOCH,
        incarnation: writer.incarnation,
        seq,
    };
    assert_eq!(first.segment, segment(1));
    assert_eq!((second.base_offset, second.end_offset), (1, 6));
    assert_eq!((second.position, second.bytes), (70_000, 50));
    assert_eq!((second.max_timestamp, second.transactional), (-1, true));
    assert_eq!(second.producer, Some((ProducerId(7), ProducerEpoch(3))));
    assert_eq!(second.segment, segment(2));
}

pub async fn leading_duplicates_are_peeled_off(world: &World) {
    let writer = world.writer("a").await;
    let partition = world.partition().await;
    world
        .commit(&writer, vec![timed(5, produced(partition, 0, &[2, 3]))])
        .await;
    let pieces = world
        .commit(&writer, vec![timed(9, produced(partition, 0, &[2, 3, 4, 1]))])
        .await;
    let expected = [
        piece(0, 1, duplicate_at(0, 5)),
        piece(1, 1, duplicate_at(2, 5)),
        piece(2, 2, appended(5)),
    ];
    assert_eq!(pieces, [expected]);
    let extents = world.extents(partition, 0).await;
    assert_eq!(extents.len(), 2);
    assert_eq!((extents[1].base_offset, extents[1].end_offset), (5, 10));
    assert_eq!(
        (extents[1].position, extents[1].bytes, extents[1].max_timestamp),
        (POSITION + 50, 50, 9),
        "the bytes of the peeled batches lie before the extent"
    );

    let pieces = world
        .commit(&writer, vec![produced(partition, 0, &[2, 3, 4, 1])])
        .await;
    let expected = [
        piece(0, 1, duplicate_at(0, 5)),
        piece(1, 1, duplicate_at(2, 5)),
        piece(2, 1, duplicate_at(5, 9)),
        piece(3, 1, duplicate_at(9, 9)),
    ];
    assert_eq!(pieces, [expected]);
    assert_eq!(world.extents(partition, 0).await.len(), 2);
}

pub async fn a_duplicate_may_cover_part_of_a_run(world: &World) {
    let writer = world.writer("a").await;
    let partition = world.partition().await;
    world.commit(&writer, vec![plain(partition, &[100])]).await;
    world
        .commit(&writer, vec![produced(partition, 0, &[2, 3, 4])])
        .await;
    let pieces = world.commit(&writer, vec![produced(partition, 2, &[3])]).await;
    assert_eq!(pieces, [[piece(0, 1, duplicate(102))]]);
    let pieces = world.commit(&writer, vec![produced(partition, 3, &[1, 5])]).await;
    assert_eq!(
        pieces,
        [[piece(0, 1, duplicate(103)), piece(1, 1, duplicate(104))]]
    );
}

pub async fn a_duplicate_inside_one_call_is_answered_from_that_call(world: &World) {
    let writer = world.writer("a").await;
    let partition = world.partition().await;
    let run = || produced(partition, 0, &[2, 3]);
    let reply = world
        .commit_segments(&writer, vec![vec![run(), run()], vec![run()]])
        .await;
    let duplicates = vec![piece(0, 1, duplicate(0)), piece(1, 1, duplicate(2))];
    assert_eq!(
        reply.segments[0].runs,
        [vec![piece(0, 2, appended(0))], duplicates.clone()]
    );
    assert_eq!(reply.segments[1].runs, [duplicates]);
    assert_eq!(world.next_offset(partition).await, 5);
    assert_eq!(world.extents(partition, 0).await.len(), 1);
}

pub async fn producers_interleave_in_one_call(world: &World) {
    let writer = world.writer("a").await;
    let partition = world.partition().await;
    let runs = vec![
        produced_by(1, 0, partition, 0, &[1]),
        produced_by(2, 0, partition, 0, &[2]),
        plain(partition, &[10]),
        produced_by(1, 0, partition, 1, &[3]),
        produced_by(2, 0, partition, 2, &[4]),
    ];
    let pieces = world.commit(&writer, runs).await;
    let bases = [0, 1, 3, 13, 16];
    let expected: Vec<_> = bases.map(|base| vec![piece(0, 1, appended(base))]).to_vec();
    assert_eq!(pieces, expected);
    let extents = world.extents(partition, 0).await;
    assert_eq!(extents.iter().map(|e| e.base_offset).collect::<Vec<_>>(), bases);
    assert_eq!(world.next_offset(partition).await, 20);
}

pub async fn a_producer_goes_on_in_the_next_segment_of_a_call(world: &World) {
    let writer = world.writer("a").await;
    let partition = world.partition().await;
    let other = at(&world.topic("payments", 1).await, 0);
    let segments = vec![
        vec![produced(partition, 0, &[2]), produced(other, 0, &[1])],
        vec![produced(other, 1, &[1]), produced(partition, 2, &[2])],
        vec![produced(partition, 4, &[2]), produced(other, 3, &[1])],
    ];
    let reply = world.commit_segments(&writer, segments).await;
    assert_eq!(
        reply.segments[1].runs,
        [[piece(0, 1, appended(1))], [piece(0, 1, appended(2))]]
    );
    assert_eq!(
        reply.segments[2].runs,
        [[piece(0, 1, appended(4))], [piece(0, 1, GAP)]]
    );
}

pub async fn runs_of_one_producer_follow_on_each_other_in_one_segment(world: &World) {
    let writer = world.writer("a").await;
    let partition = world.partition().await;
    let runs = vec![
        produced(partition, 0, &[2]),
        produced(partition, 2, &[2]),
        produced(partition, 5, &[1]),
        produced(partition, 4, &[1]),
        produced(partition, 5, &[1]),
    ];
    let pieces = world.commit(&writer, runs).await;
    let outcomes: Vec<_> = pieces.iter().map(|pieces| pieces[0].outcome).collect();
    assert_eq!(
        outcomes,
        [appended(0), appended(2), GAP, appended(4), appended(5)]
    );
    assert_eq!(world.next_offset(partition).await, 6);
}

pub async fn partitions_know_producers_each_on_their_own(world: &World) {
    let writer = world.writer("a").await;
    let topic = world.topic("orders", 2).await;
    world
        .commit(&writer, vec![produced(at(&topic, 0), 0, &[5])])
        .await;
    let runs = vec![produced(at(&topic, 1), 5, &[1]), produced(at(&topic, 0), 5, &[1])];
    let pieces = world.commit(&writer, runs).await;
    assert_eq!(pieces, [[piece(0, 1, GAP)], [piece(0, 1, appended(5))]]);
}

pub async fn sequences_wrap(world: &World) {
    let writer = world.writer("a").await;
    let partition = world.partition().await;
    // A first run of nearly the whole circle, and enough small ones that it is not remembered.
    let first_records = i32::MAX - 10;
    let mut runs = vec![produced(partition, 0, &[first_records])];
    runs.extend((0..5).map(|n| produced(partition, first_records + 2 * n, &[2])));
    let pieces = world.commit(&writer, runs).await;
    let all = i64::from(i32::MAX);
    assert_eq!(pieces[5], [piece(0, 1, appended(all - 2))]);

    let offers: [(i32, &[i32], &[_]); _] = [
        // Sequences MAX, 0, 1.
        (i32::MAX, &[1, 2], &[piece(0, 2, appended(all))]),
        (
            i32::MAX,
            &[3, 1],
            &[piece(0, 1, duplicate(all)), piece(1, 1, appended(all + 3))],
        ),
        (1, &[1], &[piece(0, 1, duplicate(all + 2))]),
        (
            i32::MAX - 2,
            &[2, 1],
            &[piece(0, 1, duplicate(all - 2)), piece(1, 1, duplicate(all))],
        ),
        (4, &[1], &[piece(0, 1, GAP)]),
        (i32::MAX - 20, &[1], &[piece(0, 1, OUT_OF_ORDER)]),
        (3, &[1], &[piece(0, 1, appended(all + 4))]),
    ];
    for (first, records, expected) in offers {
        let pieces = world
            .commit(&writer, vec![produced(partition, first, records)])
            .await;
        assert_eq!(pieces, [expected], "offered {first} {records:?}");
    }
}

pub async fn a_higher_epoch_starts_again_at_zero(world: &World) {
    let writer = world.writer("a").await;
    let partition = world.partition().await;
    world.commit(&writer, vec![produced(partition, 0, &[5])]).await;
    let runs = vec![
        produced_by(7, 4, partition, 5, &[1]),
        produced_by(7, 4, partition, 0, &[2]),
        produced_by(7, 4, partition, 0, &[2]),
        produced_by(7, 4, partition, 2, &[1]),
    ];
    let pieces = world.commit(&writer, runs).await;
    let outcomes: Vec<_> = pieces.iter().map(|pieces| pieces[0].outcome).collect();
    assert_eq!(outcomes, [GAP, appended(5), duplicate(5), appended(7)]);
}

pub async fn a_large_group_is_one_commit(world: &World) {
    let writer = world.writer("a").await;
    let topic = world.topic("orders", 50).await;
    let segment = |n: i32| {
        (0..50)
            .map(|index| produced(at(&topic, index), n, &[1]))
            .collect::<Vec<_>>()
    };
    let reply = world
        .commit_segments(&writer, (0..64).map(segment).collect())
        .await;
    for (n, segment) in reply.segments.iter().enumerate() {
        assert_eq!(
            segment.runs,
            vec![vec![piece(0, 1, appended(n as i64))]; 50],
            "segment {n}"
        );
    }
    assert_eq!(reply.heads.len(), 50);
    assert!(reply.heads.iter().all(|(_, head)| head.next_offset == 64));
    assert_eq!(world.extents(at(&topic, 49), 0).await.len(), 64);
}
