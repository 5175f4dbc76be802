//! How segments go: they wait to be archived, are released, unneeded and forgotten.

use esker_metastore::*;
use esker_model::{PartitionKey, SegmentId};

use crate::archive_requests::*;
use crate::runs::*;
use crate::world::{LONG_MS, World, Writer, at};

/// Commits a segment with one extent of 10 records in each of these partitions.
async fn segment(world: &World, writer: &Writer, partitions: &[PartitionKey]) -> SegmentId {
    let runs = partitions
        .iter()
        .map(|partition| plain(*partition, &[10]))
        .collect();
    let reply = world.commit_segments(writer, vec![runs]).await;
    // Segments that are committed one after the other are told apart by time.
    world.pass(5).await;
    ingest_segment(writer, reply.segments[0].seq)
}

/// Says that the writer knows the outcome of all its segments.
async fn settle_all(world: &World, writer: &Writer, through: &SegmentId) {
    // What is settled is said with a segment.
    let request = CommitRequest {
        settled_through: through.seq,
        ..writer.request(vec![vec![]])
    };
    let reply = world.store.commit(request).await.unwrap();
    let carrier = ingest_segment(writer, reply.segments[0].seq);
    assert!(release(world, carrier).await);
    forget(world, &[carrier]).await;
}

async fn waiting(world: &World, bytes_max: u64, segments_max: usize) -> Vec<SegmentId> {
    let waiting = world.store.waiting_segments(0, bytes_max, segments_max).await;
    let waiting = waiting.unwrap();
    waiting.iter().map(|segment| segment.id).collect()
}

async fn release(world: &World, segment: SegmentId) -> bool {
    world.store.release(&[segment]).await.unwrap()[0]
}

pub async fn segments_wait_in_the_order_of_their_commits(world: &World) {
    let (a, b) = (world.writer("a").await, world.writer("b").await);
    let partition = world.partition().await;
    assert_eq!(waiting(world, u64::MAX, 10).await, []);
    let mut segments = Vec::new();
    for writer in [&b, &a, &a, &b] {
        segments.push(segment(world, writer, &[partition]).await);
    }
    world.store.settle(a.incarnation, &[a.take_seq()]).await.unwrap();
    // Each has 1 000 000 bytes.
    for (bytes_max, segments_max, expected) in [
        (u64::MAX, 10, 4),
        (u64::MAX, 4, 4),
        (u64::MAX, 2, 2),
        (0, 10, 1),
        (1_000_000, 10, 1),
        (1_000_001, 10, 2),
        (3_000_000, 10, 3),
        (3_000_000, 2, 2),
    ] {
        let found = waiting(world, bytes_max, segments_max).await;
        assert_eq!(
            found,
            segments[..expected],
            "{bytes_max} bytes, {segments_max} segments"
        );
    }
    for (skip, bytes_max, segments_max, expected) in [
        (1, u64::MAX, 10, 1..4),
        (2, 0, 10, 2..3),
        (1, 1_000_001, 10, 1..3),
        (1, u64::MAX, 1, 1..2),
        (4, u64::MAX, 10, 4..4),
    ] {
        let found = world.store.waiting_segments(skip, bytes_max, segments_max).await;
        let found: Vec<_> = found.unwrap().iter().map(|segment| segment.id).collect();
        assert_eq!(found, segments[expected], "after {skip}");
    }
    world.pass(50).await;
    let waiting = world.store.waiting_segments(0, u64::MAX, 10).await.unwrap();
    assert!(waiting.iter().all(|segment| segment.object_bytes == 1_000_000));
    let ages: Vec<_> = waiting.iter().map(|segment| segment.age_ms).collect();
    assert!(ages.is_sorted_by(|older, newer| older >= newer), "{ages:?}");
    assert!((50..LONG_MS).contains(&ages[3]), "{ages:?}");
}

pub async fn what_is_not_archived_is_told_in_order(world: &World) {
    let writer = world.writer("a").await;
    let topic = world.topic("orders", 2).await;
    let (p0, p1) = (at(&topic, 0), at(&topic, 1));
    let mut segments = Vec::new();
    for partitions in [&[p1, p0][..], &[p1], &[p0, p1]] {
        segments.push(segment(world, &writer, partitions).await);
    }
    let extents = [world.extents(p0, 0).await, world.extents(p1, 0).await];
    let all = async |segments: &[SegmentId]| world.store.unarchived(segments).await.unwrap();
    let (of_p0, of_p1) = (|at: usize| (p0, extents[0][at]), |at: usize| (p1, extents[1][at]));
    let expected = [of_p0(0), of_p0(1), of_p1(0), of_p1(1), of_p1(2)];
    assert_eq!(all(&segments).await, expected);
    // In whatever order they are named, also twice.
    assert_eq!(
        all(&[segments[2], segments[1], segments[0], segments[2]]).await,
        expected
    );
    assert_eq!(all(&segments[1..2]).await, [of_p1(1)]);
    let moved = each_archived(&extents[1][..2], archive_segment(&writer, 1));
    archive(world, &writer, p1, moved).await;
    assert_eq!(all(&segments).await, [of_p0(0), of_p0(1), of_p1(2)]);
    let nobody = ingest_segment(&writer, 77);
    assert_eq!(all(&[nobody, archive_segment(&writer, 1)]).await, []);
    world.store.delete_topics(&[topic.uuid]).await.unwrap();
    assert_eq!(all(&segments).await, []);
}

pub async fn a_segment_is_released_when_all_of_it_is_archived(world: &World) {
    let writer = world.writer("a").await;
    let topic = world.topic("orders", 2).await;
    let (p0, p1) = (at(&topic, 0), at(&topic, 1));
    let first = segment(world, &writer, &[p0, p1]).await;
    let second = segment(world, &writer, &[p0]).await;
    let released = world.store.release(&[first, second]).await;
    assert_eq!(released, Ok(vec![false, false]));
    archive_all(world, &writer, p0, 1).await;
    let released = world.store.release(&[first, second, first]).await;
    assert_eq!(released, Ok(vec![false, true, false]));
    assert_eq!(waiting(world, u64::MAX, 10).await, [first]);
    archive_all(world, &writer, p1, 2).await;
    assert_eq!(waiting(world, u64::MAX, 10).await, [first]);
    for _ in 0..2 {
        let released = world.store.release(&[second, first]).await;
        assert_eq!(released, Ok(vec![true, true]));
    }
    assert_eq!(waiting(world, u64::MAX, 10).await, []);
    let archive = [archive_segment(&writer, 1), archive_segment(&writer, 2)];
    assert_eq!(world.store.release(&archive).await, Ok(vec![false, false]));
}

pub async fn what_was_never_committed_is_released(world: &World) {
    let writer = world.writer("a").await;
    let partition = world.partition().await;
    let committed = segment(world, &writer, &[partition]).await;
    let given_up = ingest_segment(&writer, writer.take_seq());
    let settled = world.store.settle(writer.incarnation, &[given_up.seq]).await;
    assert_eq!(settled, Ok(vec![Settled::Tombstoned]));
    let unknown = ingest_segment(&writer, writer.take_seq());
    let released = world.store.release(&[given_up, committed, unknown]).await;
    assert_eq!(released, Ok(vec![true, false, true]));
    // The tombstone stays as long as somebody may ask.
    assert_eq!(unneeded(world).await, []);
    forget(world, &[given_up, committed]).await;
    let mut late = writer.request(vec![vec![plain(partition, &[1])]]);
    late.segments[0].seq = given_up.seq;
    assert_eq!(
        world.store.commit(late).await,
        Err(MetastoreError::AlreadySettled)
    );
    // Then it goes, and so does the object, which may be there.
    settle_all(world, &writer, &unknown).await;
    assert_eq!(unneeded(world).await, [given_up]);
    forget(world, &[given_up]).await;
    assert_eq!(unneeded(world).await, []);
    // One without records of its own waits for nobody.
    let empty = segment(world, &writer, &[]).await;
    assert_eq!(waiting(world, u64::MAX, 10).await, [committed, empty]);
    assert!(release(world, empty).await);
    assert_eq!(waiting(world, u64::MAX, 10).await, [committed]);
}

pub async fn a_released_segment_is_settled_as_committed(world: &World) {
    let writer = world.writer("a").await;
    let partition = world.partition().await;
    let reply = world
        .commit_segments(&writer, vec![vec![plain(partition, &[10])]])
        .await;
    let seq = reply.segments[0].seq;
    archive_all(world, &writer, partition, 1).await;
    assert!(release(world, ingest_segment(&writer, seq)).await);
    let settled = world.store.settle(writer.incarnation, &[seq]).await;
    assert_eq!(settled, Ok(vec![Settled::Committed(reply.segments[0].clone())]));
    assert!(release(world, ingest_segment(&writer, seq)).await);
}

pub async fn released_segments_wait_for_their_grace(world: &World) {
    let writer = world.writer("a").await;
    let partition = world.partition().await;
    let mut segments = Vec::new();
    for _ in 0..3 {
        segments.push(segment(world, &writer, &[partition]).await);
    }
    settle_all(world, &writer, &segments[2]).await;
    archive_all(world, &writer, partition, 1).await;
    assert_eq!(unneeded(world).await, []);
    segments.reverse();
    for segment in &segments {
        assert!(release(world, *segment).await);
        world.pass(5).await;
    }
    assert_eq!(world.store.unneeded(LONG_MS, 0, 10).await, Ok(vec![]));
    // Those released first come first.
    assert_eq!(unneeded(world).await, segments);
    let part = async |skip, limit| world.store.unneeded(0, skip, limit).await.unwrap();
    assert_eq!(part(0, 2).await, objects(&segments[..2]));
    assert_eq!(part(1, 2).await, objects(&segments[1..]));
    assert_eq!(part(2, 9).await, objects(&segments[2..]));
    assert_eq!(part(3, 9).await, []);
    assert_eq!(part(0, 0).await, []);
    world.pass(50).await;
    // Released again, it is not as if it went now.
    assert!(release(world, segments[0]).await);
    assert_eq!(world.store.unneeded(50, 0, 10).await.unwrap(), objects(&segments));
}

pub async fn a_living_incarnation_may_ask_for_what_it_has_not_settled(world: &World) {
    let (a, b) = (world.writer("a").await, world.writer("b").await);
    let partition = world.partition().await;
    let mut segments = Vec::new();
    for writer in [&a, &a, &b] {
        segments.push(segment(world, writer, &[partition]).await);
    }
    archive_all(world, &b, partition, 1).await;
    for segment in &segments {
        assert!(release(world, *segment).await);
        world.pass(5).await;
    }
    // Their objects go, whether they are settled or not.
    assert_eq!(unneeded(world).await, segments);
    forget(world, &segments[..2]).await;
    assert_eq!(unneeded(world).await, segments[2..]);
    assert_eq!(world.store.upkeep_status().await.unwrap().unneeded_objects, 1);
    let is_known = async |segment: &SegmentId| {
        let settled = world
            .store
            .settle(segment.incarnation, &[segment.seq])
            .await
            .unwrap();
        matches!(&settled[..], [Settled::Committed(_)])
    };
    assert!(is_known(&segments[0]).await && is_known(&segments[1]).await);
    assert!(release(world, segments[0]).await);
    let late = async |segment: &SegmentId| {
        let mut late = a.request(vec![vec![plain(partition, &[1])]]);
        late.segments[0].seq = segment.seq;
        world.store.commit(late).await
    };
    assert_eq!(late(&segments[0]).await, Err(MetastoreError::AlreadySettled));
    // One is settled, and its row goes with a later call; it stays refused.
    settle_all(world, &a, &segments[0]).await;
    forget(world, &[]).await;
    assert!(!is_known(&segments[0]).await && is_known(&segments[1]).await);
    for segment in &segments[..2] {
        assert_eq!(late(segment).await, Err(MetastoreError::AlreadySettled));
    }
    world.store.leave(a.incarnation).await.unwrap();
    forget(world, &[]).await;
    assert_eq!(world.store.upkeep_status().await.unwrap().unneeded_objects, 2);
}

pub async fn what_nobody_can_ask_for_any_more_does_not_keep_its_incarnation(world: &World) {
    let (a, b) = (world.writer("a").await, world.writer("b").await);
    let partition = world.partition().await;
    let released = segment(world, &a, &[partition]).await;
    archive_all(world, &b, partition, 1).await;
    assert!(release(world, released).await);
    forget(world, &[released]).await;
    assert_eq!(world.store.swept(&[a.incarnation]).await, Ok(0));
    world.store.leave(a.incarnation).await.unwrap();
    assert_eq!(world.store.swept(&[a.incarnation]).await, Ok(1));
}

pub async fn what_is_forgotten_is_not_unneeded_any_more(world: &World) {
    let writer = world.writer("a").await;
    let partition = world.partition().await;
    let released = segment(world, &writer, &[partition]).await;
    archive_all(world, &writer, partition, 1).await;
    let live = segment(world, &writer, &[partition]).await;
    assert!(release(world, released).await);
    settle_all(world, &writer, &released).await;
    assert_eq!(unneeded(world).await, [released]);
    // The archive segment of the same seq is another one, and in use, as is the one that still waits.
    let in_use = [archive_segment(&writer, 1), live];
    forget(world, &in_use).await;
    assert_eq!(unneeded(world).await, [released]);
    assert_eq!(waiting(world, u64::MAX, 10).await, [live]);
    for _ in 0..2 {
        forget(world, &[released]).await;
        assert_eq!(unneeded(world).await, []);
        assert!(release(world, released).await);
    }
    assert_eq!(world.extents(partition, 0).await.len(), 2);
    assert!(!release(world, archive_segment(&writer, 1)).await);
}

pub async fn an_archive_segment_goes_with_the_last_of_its_topics(world: &World) {
    let writer = world.writer("a").await;
    let (one, two) = (world.topic("one", 2).await, world.topic("two", 1).await);
    let partitions = [at(&one, 0), at(&one, 1), at(&two, 0)];
    let ingest = segment(world, &writer, &partitions).await;
    let shared = archive_segment(&writer, 1);
    let alone = archive_segment(&writer, 2);
    let mut moved = Vec::new();
    for (partition, to) in partitions.into_iter().zip([shared, alone, shared]) {
        moved.push((partition, each_archived(&world.extents(partition, 0).await, to)));
    }
    let request = request(&writer, moved);
    assert_eq!(world.store.archive(&request).await, Ok(vec![true; 3]));
    assert!(release(world, ingest).await);
    forget(world, &[ingest]).await;
    world.store.delete_topics(&[one.uuid]).await.unwrap();
    assert_eq!(world.store.release(&[shared, alone]).await, Ok(vec![false, true]));
    assert_eq!(unneeded(world).await, [alone]);
    world.pass(5).await;
    world.store.delete_topics(&[two.uuid]).await.unwrap();
    assert_eq!(unneeded(world).await, [alone, shared]);
    assert_eq!(world.store.unneeded(LONG_MS, 0, 10).await, Ok(vec![]));
    forget(world, &[alone]).await;
    assert_eq!(unneeded(world).await, [shared]);
    // A topic of the name begins anew.
    let again = world.topic("one", 1).await;
    assert_eq!(world.head(at(&again, 0)).await.unwrap().archived_to, 0);
    assert_eq!(world.extents(at(&again, 0), 0).await, []);
}

pub async fn a_segment_that_holes_name_is_kept_longer(world: &World) {
    let writer = world.writer("a").await;
    let (one, two) = (world.topic("one", 1).await, world.topic("two", 1).await);
    let lost = segment(world, &writer, &[at(&one, 0)]).await;
    let fine = segment(world, &writer, &[at(&two, 0)]).await;
    archive(world, &writer, at(&one, 0), world.extents(at(&one, 0), 0).await).await;
    archive_all(world, &writer, at(&two, 0), 1).await;
    assert_eq!(world.store.release(&[lost, fine]).await, Ok(vec![true, true]));
    world.store.leave(writer.incarnation).await.unwrap();
    assert_eq!(unneeded(world).await, [fine]);
    forget(world, &[fine]).await;
    // Nobody can wait for it here, but one can ask from later.
    let later = world.store.unneeded(-HOLE_KEPT_MS - LONG_MS, 0, 10).await;
    assert_eq!(later, Ok(objects(&[lost])));
    let not_yet = world.store.unneeded(-HOLE_KEPT_MS + LONG_MS, 0, 10).await;
    assert_eq!(not_yet, Ok(vec![]));
}

pub async fn a_hole_keeps_no_segment(world: &World) {
    let writer = world.writer("a").await;
    let (one, two) = (world.topic("one", 1).await, world.topic("two", 1).await);
    let lost = segment(world, &writer, &[at(&one, 0)]).await;
    segment(world, &writer, &[at(&two, 0)]).await;
    // The archive segment of the same number is not the one that the hole names.
    let same_seq = archive_segment(&writer, lost.seq);
    archive(world, &writer, at(&one, 0), world.extents(at(&one, 0), 0).await).await;
    archive_all(world, &writer, at(&two, 0), same_seq.seq).await;
    assert_eq!(
        world.store.release(&[lost, same_seq]).await,
        Ok(vec![true, false])
    );
    world.store.delete_topics(&[two.uuid]).await.unwrap();
    assert_eq!(unneeded(world).await, [same_seq]);
}

pub async fn ingest_segments_do_not_wait_for_deleted_topics(world: &World) {
    let writer = world.writer("a").await;
    let (one, two) = (world.topic("one", 1).await, world.topic("two", 1).await);
    let mixed = segment(world, &writer, &[at(&one, 0), at(&two, 0)]).await;
    let alone = segment(world, &writer, &[at(&one, 0)]).await;
    world.store.delete_topics(&[one.uuid]).await.unwrap();
    assert_eq!(waiting(world, u64::MAX, 10).await, [mixed, alone]);
    let released = world.store.release(&[mixed, alone]).await;
    assert_eq!(released, Ok(vec![false, true]));
    archive_all(world, &writer, at(&two, 0), 1).await;
    assert!(release(world, mixed).await);
}

pub async fn emptying_buckets_changes_nothing_that_is_read(world: &World) {
    let writer = world.writer("a").await;
    let topic = world.topic("orders", 2).await;
    let (p0, p1) = (at(&topic, 0), at(&topic, 1));
    for _ in 0..3 {
        segment(world, &writer, &[p0, p1]).await;
    }
    archive_all(world, &writer, p0, 1).await;
    let moved = each_archived(&world.extents(p1, 0).await[..1], archive_segment(&writer, 2));
    archive(world, &writer, p1, moved).await;
    let before = [world.extents(p0, 0).await, world.extents(p1, 0).await];
    world.store.empty_buckets().await.unwrap();
    assert_eq!([world.extents(p0, 0).await, world.extents(p1, 0).await], before);
    world.commit(&writer, vec![plain(p1, &[1])]).await;
    assert_eq!(world.next_offset(p1).await, 31);
}
