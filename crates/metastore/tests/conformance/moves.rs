//! Archive segments that are mostly dead, and extents that move out of them.

use esker_metastore::*;
use esker_model::{ClusterEpoch, PartitionKey};

use crate::archive_requests::*;
use crate::merge_requests::unneeded_archives;
use crate::runs::*;
use crate::world::{World, Writer, at};

/// Two partitions with four extents of 10 records each, archived to one segment.
async fn two_partitions(world: &World, writer: &Writer) -> [PartitionKey; 2] {
    let topic = world.topic("orders", 2).await;
    let partitions = [at(&topic, 0), at(&topic, 1)];
    for _ in 0..4 {
        let runs = partitions.map(|partition| plain(partition, &[10]));
        world.commit(writer, runs.to_vec()).await;
    }
    let mut moved = Vec::new();
    for partition in partitions {
        let extents = world.extents(partition, 0).await;
        let mut extents = each_archived(&extents, archive_segment(writer, 1));
        for extent in &mut extents {
            extent.bytes = 1_000_000;
        }
        moved.push((partition, extents));
    }
    let request = request(writer, moved);
    assert_eq!(world.store.archive(&request).await, Ok(vec![true, true]));
    partitions
}

pub async fn mostly_dead_segments_are_told(world: &World) {
    let writer = world.writer("a").await;
    // Each object has 9 000 000 bytes.
    let [one, two] = two_partitions(world, &writer).await;
    let segment = archive_segment(&writer, 1);
    let dead = async |bytes_min| world.store.mostly_dead(bytes_min, 10).await.unwrap();
    for (partition, log_start, expected) in [(one, 40, false), (two, 10, false), (two, 20, true)] {
        world
            .store
            .advance_log_start(&[(partition, log_start)])
            .await
            .unwrap();
        world.store.drop_archived(100).await.unwrap();
        let expected: &[_] = if expected { &[segment] } else { &[] };
        assert_eq!(dead(9_000_000).await, expected, "{partition} from {log_start}");
        assert_eq!(dead(9_000_001).await, []);
    }
    assert_eq!(world.store.mostly_dead(0, 0).await, Ok(vec![]));
    let left = world.extents(two, 20).await;
    let found = world
        .store
        .archived_in(&[segment, segment, archive_segment(&writer, 9)])
        .await;
    assert_eq!(found, Ok(left.into_iter().map(|extent| (two, extent)).collect()));
    world.store.advance_log_start(&[(two, 40)]).await.unwrap();
    world.store.drop_archived(100).await.unwrap();
    assert_eq!(dead(0).await, [], "it goes as a whole");
}

pub async fn extents_move_into_another_segment(world: &World) {
    let writer = world.writer("a").await;
    let [one, two] = two_partitions(world, &writer).await;
    let (of_one, of_two) = (world.extents(one, 0).await, world.extents(two, 0).await);
    let to = archive_segment(&writer, 2);
    // Some of one partition, in fewer extents, in two places; all of the other.
    let moves = vec![
        (one, vec![archived(&of_one[..1], to)]),
        (one, vec![archived(&of_one[2..], to)]),
        (two, vec![archived(&of_two, to)]),
    ];
    let asked = request(&writer, moves.clone());
    assert_eq!(world.store.move_archived(&asked).await, Ok(vec![true; 3]));
    let expected = [moves[0].1[0], of_one[1], moves[1].1[0]];
    assert_eq!(world.extents(one, 0).await, expected);
    assert_eq!(world.extents(two, 0).await, moves[2].1);
    assert_eq!(world.head(one).await.unwrap().archived_to, 40);
    assert_eq!(unneeded_archives(world).await, [], "one extent is left in it");
    // With the last it goes. What moved once may move again.
    let last = archive_segment(&writer, 3);
    let rest = request(&writer, vec![(one, vec![archived(&expected, last)])]);
    assert_eq!(world.store.move_archived(&rest).await, Ok(vec![true]));
    assert_eq!(unneeded_archives(world).await, [archive_segment(&writer, 1)]);
    let found = world.store.archived_in(&[to, last]).await.unwrap();
    assert_eq!(found, [(one, archived(&expected, last)), (two, moves[2].1[0])]);
}

pub async fn moves_that_do_not_cover_what_is_there_are_refused_alone(world: &World) {
    let writer = world.writer("a").await;
    let [one, two] = two_partitions(world, &writer).await;
    let extents = world.extents(one, 0).await;
    let to = archive_segment(&writer, 2);
    let whole = archived(&extents, to);
    let part = |base_offset, end_offset| Extent {
        base_offset,
        end_offset,
        ..whole
    };
    let cases = vec![
        (one, vec![part(0, 15)], false),
        (one, vec![part(5, 20)], false),
        (one, vec![part(0, 50)], false),
        (one, vec![part(0, 10), part(20, 30)], false),
        (one, vec![], false),
        (one, vec![part(10, 30)], true),
        // Where others lie already.
        (one, vec![part(10, 20)], false),
        (two, vec![part(0, 40)], true),
    ];
    let expected: Vec<_> = cases.iter().map(|(_, _, accepted)| *accepted).collect();
    let parts = cases
        .into_iter()
        .map(|(partition, extents, _)| (partition, extents));
    let asked = request(&writer, parts.collect());
    assert_eq!(world.store.move_archived(&asked).await, Ok(expected));
    assert_eq!(
        world.extents(one, 0).await,
        [extents[0], part(10, 30), extents[3]]
    );
    // A segment is named once.
    let again = request(&writer, vec![(one, vec![part(0, 10)])]);
    assert_eq!(
        world.store.move_archived(&again).await,
        Err(MetastoreError::AlreadySettled)
    );
    // What nobody moved to is not known.
    let nothing = request(
        &writer,
        vec![(
            one,
            vec![Extent {
                segment: archive_segment(&writer, 3),
                ..part(0, 5)
            }],
        )],
    );
    assert_eq!(world.store.move_archived(&nothing).await, Ok(vec![false]));
    let released = world.store.release(&[archive_segment(&writer, 3)]).await;
    assert_eq!(released, Ok(vec![true]));
    let elsewhere = ArchiveRequest {
        epoch: ClusterEpoch(2),
        ..nothing.clone()
    };
    let wrong = Err(MetastoreError::WrongEpoch {
        expected: 2,
        found: 1,
    });
    assert_eq!(world.store.move_archived(&elsewhere).await, wrong);
    world.writer("a").await;
    assert_eq!(
        world.store.move_archived(&nothing).await,
        Err(MetastoreError::Fenced)
    );
}

pub async fn what_lies_below_the_log_start_does_not_move(world: &World) {
    let writer = world.writer("a").await;
    let [one, two] = two_partitions(world, &writer).await;
    let (of_one, of_two) = (world.extents(one, 0).await, world.extents(two, 0).await);
    let segment = archive_segment(&writer, 1);
    // One extent below it and one that reaches beyond, which is needed.
    let moved = world.store.advance_log_start(&[(one, 15), (two, 40)]).await;
    assert_eq!(moved.map(|heads| heads.len()), Ok(2));
    let needed: Vec<_> = of_one[1..].iter().map(|extent| (one, *extent)).collect();
    assert_eq!(world.store.archived_in(&[segment]).await, Ok(needed));
    let to = archive_segment(&writer, 2);
    let asked = request(
        &writer,
        vec![
            (one, each_archived(&of_one[..1], to)),
            (one, vec![archived(&of_one[..3], to)]),
            (one, each_archived(&of_one[1..], to)),
            (two, vec![archived(&of_two, to)]),
        ],
    );
    let accepted = vec![false, false, true, false];
    assert_eq!(world.store.move_archived(&asked).await, Ok(accepted));
    let expected = [&of_one[..1], &each_archived(&of_one[1..], to)].concat();
    assert_eq!(world.extents(one, 0).await, expected);
    assert_eq!(world.extents(two, 0).await, of_two);
    // It goes where it lies.
    assert_eq!(world.store.archived_in(&[segment]).await, Ok(vec![]));
    assert_eq!(world.store.release(&[segment]).await, Ok(vec![false]));
    assert_eq!(world.store.drop_archived(100).await, Ok(5));
    assert_eq!(unneeded_archives(world).await, [segment]);
    assert_eq!(world.extents(one, 0).await, expected[1..]);
}

pub async fn moved_records_are_as_old_as_before(world: &World) {
    let writer = world.writer("a").await;
    let partition = world.partition().await;
    let mut run = plain(partition, &[10]);
    run.max_timestamp = -1;
    world.commit(&writer, vec![run]).await;
    archive_all(world, &writer, partition, 1).await;
    let extents = world.extents(partition, 0).await;
    world.pass(60).await;
    let moved = request(
        &writer,
        vec![(partition, each_archived(&extents, archive_segment(&writer, 2)))],
    );
    assert_eq!(world.store.move_archived(&moved).await, Ok(vec![true]));
    let retain = RetainRequest {
        partition,
        ms: Some(50),
        bytes: None,
    };
    let reply = world.store.retain(&[retain]).await.unwrap();
    assert_eq!(reply.moved.len(), 1);
}

pub async fn who_was_registered_is_told_until_its_object_is_gone(world: &World) {
    let writer = world.writer("a").await;
    let [one, two] = two_partitions(world, &writer).await;
    let segments = [1, 2, 3].map(|seq| archive_segment(&writer, seq));
    let registered = async || world.store.registered(&segments).await.unwrap();
    assert_eq!(registered().await, [true, false, false]);
    let extents = world.extents(one, 0).await;
    let moved = request(&writer, vec![(one, vec![archived(&extents, segments[1])])]);
    assert_eq!(world.store.move_archived(&moved).await, Ok(vec![true]));
    // Asked for something else, it would be refused, and has no row.
    let refused = vec![(one, vec![archived(&extents[..1], segments[2])])];
    let refused = request(&writer, refused);
    assert_eq!(world.store.move_archived(&refused).await, Ok(vec![false]));
    assert_eq!(registered().await, [true, true, false]);
    for partition in [one, two] {
        world.store.advance_log_start(&[(partition, 40)]).await.unwrap();
    }
    world.store.drop_archived(100).await.unwrap();
    assert_eq!(unneeded_archives(world).await, segments[..2]);
    assert_eq!(registered().await, [true, true, false], "both are still there");
    let gone = segments[..2].iter().map(|id| esker_model::ObjectId::Segment(*id));
    world
        .store
        .forget_objects(&gone.collect::<Vec<_>>())
        .await
        .unwrap();
    assert_eq!(registered().await, [false; 3]);
    // A segment of another kind of the same number is not meant.
    let ingest = esker_model::SegmentId {
        kind: esker_model::SegmentKind::Ingest,
        ..segments[0]
    };
    assert_eq!(world.store.registered(&[ingest]).await, Ok(vec![false]));
}
