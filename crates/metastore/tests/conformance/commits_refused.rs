//! What a commit refuses, run by run or as a whole.

use esker_metastore::MetastoreError;
use esker_model::{ClusterEpoch, IncarnationId, PartitionKey, TopicKey};

use crate::runs::*;
use crate::world::{EPOCH, World, at};

pub async fn a_gap_is_refused_and_leaves_nothing(world: &World) {
    let writer = world.writer("a").await;
    let partition = world.partition().await;
    let pieces = world.commit(&writer, vec![produced(partition, 3, &[1, 1])]).await;
    assert_eq!(
        pieces,
        [[piece(0, 2, GAP)]],
        "an unknown producer that does not start at 0"
    );
    world.commit(&writer, vec![produced(partition, 0, &[2])]).await;
    let pieces = world
        .commit(&writer, vec![produced(partition, 3, &[1, 1, 1])])
        .await;
    assert_eq!(pieces, [[piece(0, 3, GAP)]]);
    assert_eq!(world.next_offset(partition).await, 2);
    assert_eq!(world.extents(partition, 0).await.len(), 1);
    let pieces = world.commit(&writer, vec![produced(partition, 2, &[1])]).await;
    assert_eq!(pieces, [[piece(0, 1, appended(2))]]);
}

pub async fn a_refused_run_stops_neither_later_runs_nor_other_partitions(world: &World) {
    let writer = world.writer("a").await;
    let topic = world.topic("orders", 2).await;
    let (p0, p1) = (at(&topic, 0), at(&topic, 1));
    let runs = vec![
        produced(p0, 9, &[1]),
        plain(p0, &[2]),
        produced(p1, 0, &[1]),
        produced(p0, 0, &[3]),
    ];
    let pieces = world.commit(&writer, runs).await;
    let outcomes: Vec<_> = pieces.iter().map(|pieces| pieces[0].outcome).collect();
    assert_eq!(outcomes, [GAP, appended(0), appended(0), appended(2)]);
}

pub async fn below_the_remembered_runs_all_was_appended(world: &World) {
    let writer = world.writer("a").await;
    let partition = world.partition().await;
    for first in 0..7 {
        world
            .commit(&writer, vec![produced(partition, first, &[1])])
            .await;
    }
    let runs = vec![
        produced(partition, 1, &[1]),
        produced(partition, 2, &[1]),
        produced(partition, 6, &[2]),
        produced(partition, 2, &[1, 1, 1, 1, 1, 1]),
        produced(partition, 1, &[1, 1]),
    ];
    let pieces = world.commit(&writer, runs).await;
    assert_eq!(pieces[0], [piece(0, 1, OLD_DUPLICATE)]);
    assert_eq!(pieces[1], [piece(0, 1, duplicate(2))]);
    assert_eq!(
        pieces[2],
        [piece(0, 1, OUT_OF_ORDER)],
        "it overlaps the end of what was appended"
    );
    assert_eq!(pieces[3][5], piece(5, 1, appended(7)));
    // Appending 7 pushed 2 out of the memory.
    assert_eq!(
        pieces[4],
        [piece(0, 1, OLD_DUPLICATE), piece(1, 1, OLD_DUPLICATE)]
    );
    let runs = vec![
        produced(partition, 2, &[1, 1]),
        produced(partition, 0, &[3]),
        produced(partition, i32::MAX - 3, &[1]),
        produced(partition, 1, &[1, 6, 1]),
    ];
    let pieces = world.commit(&writer, runs).await;
    assert_eq!(pieces[0], [piece(0, 1, OLD_DUPLICATE), piece(1, 1, duplicate(3))]);
    assert_eq!(pieces[1], [piece(0, 1, OLD_DUPLICATE)], "cut in another way");
    assert_eq!(
        pieces[2],
        [piece(0, 1, OUT_OF_ORDER)],
        "behind on the circle, and never appended"
    );
    assert_eq!(
        pieces[3],
        [
            piece(0, 1, OLD_DUPLICATE),
            piece(1, 1, OLD_DUPLICATE),
            piece(2, 1, appended(8))
        ]
    );
    assert_eq!(world.next_offset(partition).await, 9);
}

pub async fn an_old_epoch_is_stale(world: &World) {
    let writer = world.writer("a").await;
    let partition = world.partition().await;
    world.commit(&writer, vec![produced(partition, 0, &[5])]).await;
    let runs = vec![
        produced_by(7, 2, partition, 5, &[1]),
        produced_by(7, 2, partition, 0, &[5]),
    ];
    let pieces = world.commit(&writer, runs).await;
    assert_eq!(pieces, [[piece(0, 1, STALE_EPOCH)], [piece(0, 1, STALE_EPOCH)]]);
}

pub async fn an_unknown_partition_is_refused_beside_good_ones(world: &World) {
    let writer = world.writer("a").await;
    let topic = world.topic("orders", 2).await;
    let good = at(&topic, 1);
    let nowhere = PartitionKey {
        topic: TopicKey(topic.key.0 + 1000),
        partition: 0,
    };
    let runs = vec![
        plain(nowhere, &[1, 2]),
        plain(good, &[3]),
        produced(at(&topic, 2), 0, &[1, 1, 1]),
        produced(good, 0, &[1]),
    ];
    let reply = world.commit_segments(&writer, vec![runs]).await;
    assert_eq!(
        reply.segments[0].runs,
        [
            [piece(0, 2, UNKNOWN_PARTITION)],
            [piece(0, 1, appended(0))],
            [piece(0, 3, UNKNOWN_PARTITION)],
            [piece(0, 1, appended(3))]
        ]
    );
    let heads: Vec<_> = reply.heads.iter().map(|(key, _)| *key).collect();
    assert_eq!(heads, [good]);
}

pub async fn a_deleted_topic_is_an_unknown_partition(world: &World) {
    let writer = world.writer("a").await;
    let topic = world.topic("orders", 1).await;
    let partition = at(&topic, 0);
    world.commit(&writer, vec![produced(partition, 0, &[5])]).await;
    assert_eq!(world.store.delete_topics(&[topic.uuid]).await, Ok(vec![true]));
    let runs = vec![produced(partition, 0, &[5]), plain(partition, &[1])];
    let pieces = world.commit(&writer, runs).await;
    assert_eq!(
        pieces,
        [[piece(0, 1, UNKNOWN_PARTITION)], [piece(0, 1, UNKNOWN_PARTITION)]]
    );
    assert_eq!(world.head(partition).await, None);
    assert!(world.extents(partition, 0).await.is_empty());
}

pub async fn a_fenced_incarnation_commits_nothing(world: &World) {
    let old = world.writer("a").await;
    let partition = world.partition().await;
    world.commit(&old, vec![plain(partition, &[1])]).await;
    let new = world.writer("a").await;
    let refused = world
        .store
        .commit(old.request(vec![vec![plain(partition, &[1])]]))
        .await;
    assert_eq!(refused, Err(MetastoreError::Fenced));
    assert_eq!(world.next_offset(partition).await, 1);
    let pieces = world.commit(&new, vec![plain(partition, &[1])]).await;
    assert_eq!(pieces, [[piece(0, 1, appended(1))]]);
    assert_eq!(
        world.extents(partition, 0).await.len(),
        2,
        "what it committed before stays"
    );
}

pub async fn an_unregistered_incarnation_is_fenced(world: &World) {
    let writer = world.writer("a").await;
    let partition = world.partition().await;
    let mut request = writer.request(vec![vec![plain(partition, &[1])]]);
    request.incarnation = IncarnationId(world.id());
    assert_eq!(world.store.commit(request).await, Err(MetastoreError::Fenced));
    assert_eq!(world.next_offset(partition).await, 0);
}

pub async fn another_epoch_commits_nothing(world: &World) {
    let writer = world.writer("a").await;
    let partition = world.partition().await;
    for epoch in [EPOCH.0 - 1, EPOCH.0 + 1] {
        let mut request = writer.request(vec![vec![plain(partition, &[1])]]);
        request.epoch = ClusterEpoch(epoch);
        let expected = MetastoreError::WrongEpoch {
            expected: epoch,
            found: EPOCH.0,
        };
        assert_eq!(world.store.commit(request).await, Err(expected));
    }
    assert_eq!(world.next_offset(partition).await, 0);
}

pub async fn another_epoch_is_said_before_fenced(world: &World) {
    let old = world.writer("a").await;
    world.writer("a").await;
    let mut request = old.request(vec![]);
    request.epoch = ClusterEpoch(EPOCH.0 + 1);
    let refused = world.store.commit(request).await;
    assert!(
        matches!(refused, Err(MetastoreError::WrongEpoch { .. })),
        "{refused:?}"
    );
}

pub async fn a_segment_is_committed_once(world: &World) {
    let writer = world.writer("a").await;
    let partition = world.partition().await;
    let request = writer.request(vec![vec![plain(partition, &[1])]]);
    assert!(world.store.commit(request.clone()).await.is_ok());
    let again = world.store.commit(request).await;
    assert_eq!(again, Err(MetastoreError::AlreadySettled));
    assert_eq!(world.next_offset(partition).await, 1);
}

pub async fn one_settled_segment_refuses_the_whole_call(world: &World) {
    let writer = world.writer("a").await;
    let partition = world.partition().await;
    let run = |first| vec![produced(partition, first, &[1])];
    let request = writer.request(vec![run(0), run(1), run(2)]);
    let seqs: Vec<_> = request.segments.iter().map(|segment| segment.seq).collect();
    let tombstoned = world.store.settle(writer.incarnation, &seqs[1..2]).await;
    assert!(tombstoned.is_ok());
    let refused = world.store.commit(request.clone()).await;
    assert_eq!(refused, Err(MetastoreError::AlreadySettled));
    assert_eq!(world.next_offset(partition).await, 0);
    assert!(world.extents(partition, 0).await.is_empty());

    // Nothing was changed: the others can still be committed, and nobody remembers their sequences.
    let mut rest = request;
    rest.segments.remove(1);
    let reply = world.store.commit(rest).await.unwrap();
    assert_eq!(reply.segments[0].runs, [[piece(0, 1, appended(0))]]);
    assert_eq!(reply.segments[1].runs, [[piece(0, 1, GAP)]]);
}
