//! How the question "was it committed?" ends.

use esker_metastore::{CommitRequest, MetastoreError, Settled};

use crate::archive_requests::{forget, unneeded};
use crate::runs::*;
use crate::world::{World, at};

pub async fn an_uncommitted_segment_is_tombstoned_for_ever(world: &World) {
    let writer = world.writer("a").await;
    let partition = world.partition().await;
    let request = writer.request(vec![vec![produced(partition, 0, &[1])]]);
    let seq = request.segments[0].seq;
    let settled = world.store.settle(writer.incarnation, &[seq]).await;
    assert_eq!(settled, Ok(vec![Settled::Tombstoned]));
    let late = world.store.commit(request).await;
    assert_eq!(late, Err(MetastoreError::AlreadySettled));
    assert_eq!(world.next_offset(partition).await, 0);
    // The same records in another segment are not refused.
    let pieces = world.commit(&writer, vec![produced(partition, 0, &[1])]).await;
    assert_eq!(pieces, [[piece(0, 1, appended(0))]]);
}

pub async fn what_was_settled_stays_refused_when_its_tombstone_is_gone(world: &World) {
    let writer = world.writer("a").await;
    let partition = world.partition().await;
    let late = writer.request(vec![vec![plain(partition, &[1])], vec![plain(partition, &[2])]]);
    let seqs: Vec<_> = late.segments.iter().map(|segment| segment.seq).collect();
    world.store.settle(writer.incarnation, &seqs).await.unwrap();
    let next = CommitRequest {
        settled_through: seqs[1],
        ..writer.request(vec![vec![plain(partition, &[3])]])
    };
    world.store.commit(next).await.unwrap();
    let gone = unneeded(world).await;
    assert_eq!(gone.iter().map(|id| id.seq).collect::<Vec<_>>(), seqs);
    forget(world, &gone).await;
    assert_eq!(unneeded(world).await, []);
    let only_second = CommitRequest {
        segments: late.segments[1..].to_vec(),
        ..late.clone()
    };
    for late in [late, only_second] {
        let refused = world.store.commit(late).await;
        assert_eq!(refused, Err(MetastoreError::AlreadySettled));
    }
    assert_eq!(world.next_offset(partition).await, 3);
    world.commit(&writer, vec![plain(partition, &[1])]).await;
    assert_eq!(world.next_offset(partition).await, 4);
}

pub async fn a_committed_segment_reads_back_the_identical_reply(world: &World) {
    let writer = world.writer("a").await;
    let topic = world.topic("orders", 2).await;
    let (p0, beyond) = (at(&topic, 0), at(&topic, 2));
    world
        .commit(
            &writer,
            vec![produced(p0, 0, &[2, 3]), plain(p0, &[i32::MAX]), plain(p0, &[9])],
        )
        .await;
    for first in 5..11 {
        world.commit(&writer, vec![produced(p0, first, &[1])]).await;
    }
    let every_outcome = vec![
        timed(42, produced(p0, 9, &[1, 1, 7, 3])),
        produced(p0, 3, &[1]),
        produced(p0, i32::MAX - 3, &[1]),
        produced(p0, 90, &[1, 1]),
        produced_by(7, 1, p0, 0, &[1]),
        plain(beyond, &[1, 1]),
        plain(p0, &[1, 1]),
    ];
    let reply = world
        .commit_segments(&writer, vec![every_outcome, vec![], vec![produced(p0, 9, &[1])]])
        .await;
    let kinds = &reply.segments[0].runs;
    assert_eq!((kinds[0].len(), kinds[1][0].outcome), (3, OLD_DUPLICATE));
    assert_eq!(kinds[2][0].outcome, OUT_OF_ORDER);
    let seqs: Vec<_> = reply.segments.iter().map(|segment| segment.seq).collect();
    let settled = world.store.settle(writer.incarnation, &seqs).await.unwrap();
    let expected: Vec<_> = reply.segments.into_iter().map(Settled::Committed).collect();
    assert_eq!(settled, expected);
}

pub async fn settling_twice_says_the_same(world: &World) {
    let writer = world.writer("a").await;
    let partition = world.partition().await;
    let reply = world
        .commit_segments(&writer, vec![vec![plain(partition, &[1])]])
        .await;
    let committed = reply.segments[0].seq;
    let never = writer.take_seq();
    let expected = [
        Settled::Tombstoned,
        Settled::Committed(reply.segments[0].clone()),
        Settled::Tombstoned,
        Settled::Committed(reply.segments[0].clone()),
    ];
    for _ in 0..2 {
        let settled = world
            .store
            .settle(writer.incarnation, &[never, committed, never, committed])
            .await;
        assert_eq!(settled.unwrap(), expected);
    }
}

pub async fn segments_settle_each_on_their_own(world: &World) {
    let writer = world.writer("a").await;
    let partition = world.partition().await;
    assert_eq!(world.store.settle(writer.incarnation, &[]).await, Ok(vec![]));
    let lost = writer.take_seq();
    let reply = world
        .commit_segments(&writer, vec![vec![plain(partition, &[1])]])
        .await;
    let late = writer.take_seq();
    let settled = world
        .store
        .settle(writer.incarnation, &[late, reply.segments[0].seq, lost])
        .await
        .unwrap();
    assert_eq!(
        settled,
        [
            Settled::Tombstoned,
            Settled::Committed(reply.segments[0].clone()),
            Settled::Tombstoned
        ]
    );
}

pub async fn incarnations_have_their_own_segments(world: &World) {
    let a = world.writer("a").await;
    let b = world.writer("b").await;
    let partition = world.partition().await;
    let reply = world
        .commit_segments(&a, vec![vec![plain(partition, &[1])]])
        .await;
    let settled = world.store.settle(b.incarnation, &[reply.segments[0].seq]).await;
    assert_eq!(settled, Ok(vec![Settled::Tombstoned]));
    let settled = world.store.settle(a.incarnation, &[reply.segments[0].seq]).await;
    assert_eq!(settled, Ok(vec![Settled::Committed(reply.segments[0].clone())]));
}

pub async fn a_fenced_incarnation_cannot_settle(world: &World) {
    let old = world.writer("a").await;
    let partition = world.partition().await;
    world.commit(&old, vec![plain(partition, &[1])]).await;
    world.writer("a").await;
    for seqs in [&[1, 2][..], &[]] {
        let refused = world.store.settle(old.incarnation, seqs).await;
        assert_eq!(refused, Err(MetastoreError::Fenced));
    }
}

pub async fn a_reply_outlives_its_topic(world: &World) {
    let writer = world.writer("a").await;
    let topic = world.topic("orders", 1).await;
    let reply = world
        .commit_segments(&writer, vec![vec![plain(at(&topic, 0), &[1])]])
        .await;
    world.store.delete_topics(&[topic.uuid]).await.unwrap();
    let settled = world
        .store
        .settle(writer.incarnation, &[reply.segments[0].seq])
        .await;
    assert_eq!(settled, Ok(vec![Settled::Committed(reply.segments[0].clone())]));
}
