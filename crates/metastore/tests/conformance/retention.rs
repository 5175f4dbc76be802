//! Retention: log starts move, and what lies below them goes.

use esker_metastore::*;
use esker_model::PartitionKey;

use crate::archive_requests::*;
use crate::merge_requests::merge;
use crate::runs::*;
use crate::world::{World, Writer, at};

/// Later than any clock of a test.
const FAR_MS: i64 = 1 << 50;

/// Four chunks of 10 records each, all archived, with these timestamps and 100 bytes each.
async fn four_chunks(world: &World, writer: &Writer, seq: u64, timestamps: [i64; 4]) -> PartitionKey {
    let partition = at(&world.topic(&format!("topic-{seq}"), 1).await, 0);
    for _ in timestamps {
        world
            .commit_segments(writer, vec![vec![plain(partition, &[10])]])
            .await;
    }
    let extents = world.extents(partition, 0).await;
    let segment = archive_segment(writer, seq);
    let mut moved = each_archived(&extents, segment);
    for (extent, timestamp) in moved.iter_mut().zip(timestamps) {
        extent.max_timestamp = timestamp;
        extent.bytes = 100;
    }
    archive(world, writer, partition, moved).await;
    partition
}

async fn retain(world: &World, partition: PartitionKey, ms: Option<i64>, bytes: Option<u64>) -> i64 {
    let request = RetainRequest { partition, ms, bytes };
    let before = world.head(partition).await.unwrap();
    let RetainReply { moved, ripe } = world.store.retain(&[request]).await.unwrap();
    assert_eq!(ripe, []);
    let head = world.head(partition).await.unwrap();
    let expected = if head == before {
        vec![]
    } else {
        vec![(partition, head)]
    };
    assert_eq!(moved, expected);
    head.log_start
}

pub async fn log_starts_move_forward_within_the_log(world: &World) {
    let writer = world.writer("a").await;
    let partition = world.partition().await;
    world
        .commit_segments(&writer, vec![vec![plain(partition, &[10])]])
        .await;
    let gone = PartitionKey {
        partition: 99,
        ..partition
    };
    for (to, expected) in [(4, 4), (2, 4), (-1, 4), (11, 10), (i64::MAX, 10)] {
        let heads = world
            .store
            .advance_log_start(&[(partition, to), (gone, 1)])
            .await
            .unwrap();
        assert_eq!(heads[0].unwrap().log_start, expected, "to {to}");
        assert_eq!(heads[1], None);
        assert_eq!(world.head(partition).await, heads[0]);
    }
    assert_eq!(world.store.advance_log_start(&[]).await, Ok(vec![]));
}

pub async fn old_chunks_go_from_the_beginning_on(world: &World) {
    let writer = world.writer("a").await;
    // The third is young: the fourth stays behind it.
    let partition = four_chunks(world, &writer, 1, [1, 2, FAR_MS, 3]).await;
    assert_eq!(retain(world, partition, None, None).await, 0);
    assert_eq!(retain(world, partition, Some(i64::MAX), None).await, 0);
    assert_eq!(retain(world, partition, Some(0), None).await, 20);
    assert_eq!(retain(world, partition, Some(0), None).await, 20);
    let all_old = four_chunks(world, &writer, 2, [1, 2, 3, 4]).await;
    assert_eq!(retain(world, all_old, Some(1), None).await, 40);
}

pub async fn records_without_a_timestamp_are_as_old_as_their_archiving(world: &World) {
    let writer = world.writer("a").await;
    let partition = four_chunks(world, &writer, 1, [-1; 4]).await;
    assert_eq!(retain(world, partition, Some(60_000), None).await, 0);
    world.pass(20).await;
    assert_eq!(retain(world, partition, Some(10), None).await, 40);
}

pub async fn chunks_go_that_have_enough_behind_them(world: &World) {
    let writer = world.writer("a").await;
    let partition = four_chunks(world, &writer, 1, [FAR_MS; 4]).await;
    for (bytes, expected) in [(401, 0), (400, 0), (301, 0), (300, 10), (250, 10), (100, 30)] {
        assert_eq!(
            retain(world, partition, None, Some(bytes)).await,
            expected,
            "{bytes} bytes"
        );
    }
    // What is not archived counts, too.
    world
        .commit_segments(&writer, vec![vec![plain(partition, &[10])]])
        .await;
    assert_eq!(retain(world, partition, None, Some(1)).await, 40);
    assert_eq!(retain(world, partition, None, Some(0)).await, 40);
    let other = four_chunks(world, &writer, 2, [FAR_MS; 4]).await;
    assert_eq!(retain(world, other, None, Some(0)).await, 40);
}

pub async fn what_a_manifest_lists_is_judged_by_who_can_read_it(world: &World) {
    let writer = world.writer("a").await;
    let partition = four_chunks(world, &writer, 1, [1, 1, 1, FAR_MS]).await;
    world
        .commit_segments(&writer, vec![vec![plain(partition, &[10])]])
        .await;
    let manifest = merge(world, &writer, partition, 2, 1).await;
    let behind = 200 + world.extents(partition, 40).await[0].bytes;
    // It lists 500 bytes, 100 of them in its first entry, which is from long ago and ends at 10.
    let ask = async |ms, bytes| {
        let request = RetainRequest { partition, ms, bytes };
        let RetainReply { moved, ripe } = world.store.retain(&[request]).await.unwrap();
        assert_eq!(moved, [], "nothing behind it goes before what it lists");
        assert!(ripe.len() <= 1);
        for one in &ripe {
            assert_eq!((one.request, one.manifest), (request, manifest));
            assert_eq!(one.bytes_behind, behind);
            assert!(one.now_ms > 1_000_000_000_000);
        }
        ripe.first().map(|one| one.log_start)
    };
    assert_eq!(ask(None, None).await, None);
    assert_eq!(ask(Some(i64::MAX), None).await, None);
    assert_eq!(ask(Some(60_000), None).await, Some(0));
    assert_eq!(ask(None, Some(400 + behind + 1)).await, None);
    assert_eq!(ask(None, Some(400 + behind)).await, Some(0));
    world.store.advance_log_start(&[(partition, 9)]).await.unwrap();
    assert_eq!(ask(Some(60_000), None).await, Some(9));
    // Its first entry goes without retention.
    world.store.advance_log_start(&[(partition, 10)]).await.unwrap();
    assert_eq!(ask(Some(60_000), Some(0)).await, None);
    // All that it lists is below the log start: the others are next.
    world.store.advance_log_start(&[(partition, 20)]).await.unwrap();
    assert_eq!(retain(world, partition, Some(0), None).await, 30);
    assert_eq!(retain(world, partition, None, Some(0)).await, 40);
}

pub async fn what_lies_below_the_log_start_is_dropped(world: &World) {
    let writer = world.writer("a").await;
    let partition = four_chunks(world, &writer, 1, [1; 4]).await;
    assert_eq!(world.store.drop_archived(10).await, Ok(0));
    world.store.advance_log_start(&[(partition, 25)]).await.unwrap();
    assert_eq!(world.store.drop_archived(1).await, Ok(1));
    assert_eq!(world.store.drop_archived(10).await, Ok(1));
    assert_eq!(world.store.drop_archived(10).await, Ok(0));
    assert_eq!(unneeded(world).await, []);
    // The chunk that holds the log start stays.
    let extents = world.extents(partition, 25).await;
    assert_eq!(
        extents
            .iter()
            .map(|extent| extent.base_offset)
            .collect::<Vec<_>>(),
        [20, 30]
    );
    world.store.advance_log_start(&[(partition, 40)]).await.unwrap();
    assert_eq!(world.store.drop_archived(10).await, Ok(2));
    assert_eq!(unneeded(world).await, [archive_segment(&writer, 1)]);
}

pub async fn a_shared_archive_segment_goes_with_its_last_chunk(world: &World) {
    let writer = world.writer("a").await;
    let topic = world.topic("orders", 2).await;
    let (one, two) = (at(&topic, 0), at(&topic, 1));
    let runs = vec![plain(one, &[10]), plain(two, &[10])];
    world.commit_segments(&writer, vec![runs]).await;
    let segment = archive_segment(&writer, 1);
    let mut partitions = Vec::new();
    for partition in [one, two] {
        partitions.push((
            partition,
            each_archived(&world.extents(partition, 0).await, segment),
        ));
    }
    let request = request(&writer, partitions);
    assert_eq!(world.store.archive(&request).await, Ok(vec![true, true]));
    for (partition, expected) in [(one, vec![]), (two, vec![segment])] {
        world.store.advance_log_start(&[(partition, 10)]).await.unwrap();
        assert_eq!(world.store.drop_archived(10).await, Ok(1));
        assert_eq!(unneeded(world).await, expected);
    }
}
