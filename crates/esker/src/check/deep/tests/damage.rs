//! Each kind of damage is found, where it is, and nothing else.

use std::sync::atomic::Ordering;

use esker_storage::keys::{manifest_key, object_key};
use esker_storage::manifest::Entry;
use esker_storage::metrics::Op;

use super::world::{World, found};
use crate::check::deep::ingest::Tail;

/// Partitions 0 and 1: two archived extents each, in shared chunks, and one in an ingest segment. Partition 2: nothing.
async fn cluster() -> World {
    let world = World::new(3).await;
    world.ingest(&[(0, &[2, 3]), (1, &[4])]).await;
    world.archive(&[0, 1], &[]).await;
    world.ingest(&[(0, &[1, 1]), (1, &[6])]).await;
    world.archive(&[0, 1], &[]).await;
    world.ingest(&[(0, &[7]), (1, &[1, 1])]).await;
    world
}

const OFFSETS: u64 = 14 + 12;

#[tokio::test]
async fn a_whole_cluster_is_right() {
    let world = World::new(2).await;
    assert_eq!(world.check().await, (0, vec![]));
    let world = cluster().await;
    assert_eq!(world.check().await, (OFFSETS, vec![]));
    world.merge(0, 1, |_| ()).await;
    assert_eq!(world.check().await, (OFFSETS, vec![]));
    world.merge(1, 0, |_| ()).await;
    assert_eq!(world.check().await, (OFFSETS, vec![]));
}

#[tokio::test]
async fn what_is_below_the_log_start_is_not_asked_for() {
    let world = cluster().await;
    let merged = world.merge(0, 1, |_| ()).await;
    let first = object_key(&merged.segments[0]);
    // In the middle of what the first merged segment holds: that is still needed.
    world.advance(0, 3).await;
    assert_eq!(world.check().await.1, Vec::<String>::new());
    assert_eq!(world.without(&first).await.1, [format!("missing 0 0..5 {first}")]);
    world.advance(0, 5).await;
    assert_eq!(world.without(&first).await, (OFFSETS - 5, vec![]));
}

#[tokio::test]
async fn objects_and_chunks_are_read_once() {
    let world = cluster().await;
    let deep = world.deep();
    let before = world.bucket.metrics().requests(Op::Get, "ok");
    deep.everything_in(&Tail::default()).await.unwrap();
    let requests = world.bucket.metrics().requests(Op::Get, "ok") - before;
    // One ingest segment, and two archive segments with one chunk and one end each.
    assert_eq!(requests, 1 + 2 * 2);
    assert_eq!(deep.progress.objects.load(Ordering::Relaxed), 3);
    // With no room for extents that wait, an ingest segment is read again for each partition; all is found right.
    let deep = world.deep();
    deep.everything_in(&Tail::of(1)).await.unwrap();
    assert_eq!(deep.progress.offsets.load(Ordering::Relaxed), OFFSETS);
    assert_eq!(deep.progress.objects.load(Ordering::Relaxed), 4);
    assert!(found(&deep).is_empty());
}

#[tokio::test]
async fn an_ingest_segment() {
    let world = cluster().await;
    let segment = world.plan(0, 7).await.extents[0].segment;
    let key = object_key(&segment);
    let both = |kind| vec![format!("{kind} 0 7..14 {key}"), format!("{kind} 1 10..12 {key}")];
    let size = world.bucket.head(&key).await.unwrap().bytes as usize;
    for at in [0, 61, 400, 800, size - 100, size - 33, size - 1] {
        let found = world.changed(&key, |bytes| bytes[at] ^= 1).await;
        assert_eq!(found, (17, both("corrupt")), "{at}");
    }
    for left in [size - 1, 400, 10, 0] {
        let found = world.changed(&key, |bytes| bytes.truncate(left)).await;
        assert_eq!(found, (17, both("truncated")), "{left}");
    }
    assert_eq!(
        world.changed(&key, |bytes| bytes.push(0)).await,
        (17, both("corrupt"))
    );
    assert_eq!(world.without(&key).await, (17, both("missing")));
    assert_eq!(world.check().await, (OFFSETS, vec![]));
}

#[tokio::test]
async fn a_shared_archive_segment() {
    let world = cluster().await;
    let chunk = world.plan(0, 0).await.extents[0];
    let key = object_key(&chunk.segment);
    let both = |kind| vec![format!("{kind} 0 0..5 {key}"), format!("{kind} 1 0..4 {key}")];
    // Any byte of the chunk makes all of it unreadable.
    for at in [5, chunk.bytes as usize + 20] {
        let found = world.changed(&key, |bytes| bytes[at] ^= 1).await;
        assert_eq!(found, (17, both("corrupt")), "{at}");
    }
    assert_eq!(world.without(&key).await, (17, both("missing")));
    // The footer, and the size: said once for the object, and the records are right.
    let size = chunk.object_bytes as usize;
    for at in [size - 1, size - 20, size - 40] {
        let (offsets, found) = world.changed(&key, |bytes| bytes[at] ^= 1).await;
        assert_eq!((offsets, found.len()), (OFFSETS, 1), "{at}: {found:?}");
        assert!(
            found[0].starts_with("footer ") && found[0].ends_with(&key),
            "{found:?}"
        );
    }
    for longer in [true, false] {
        let change = |bytes: &mut Vec<u8>| bytes.resize(if longer { size + 1 } else { size - 1 }, 0);
        let (offsets, found) = world.changed(&key, change).await;
        assert_eq!((offsets, found.len()), (OFFSETS, 1), "{found:?}");
        assert!(
            found[0].starts_with("size ") && found[0].ends_with(&key),
            "{found:?}"
        );
    }
    // A part of the chunk is left.
    let (offsets, mut found) = world.changed(&key, |bytes| bytes.truncate(400)).await;
    assert_eq!(offsets, 17);
    found.retain(|one| !one.starts_with("size "));
    assert_eq!(found, both("truncated"));
}

#[tokio::test]
async fn a_manifest() {
    let world = cluster().await;
    let merged = world.merge(0, 1, |_| ()).await;
    // A leaf is not known without its root.
    for (id, lost) in [(merged.root, 7), (merged.leaf, 5)] {
        let key = manifest_key(&id);
        let only = |kind: &str| (OFFSETS - lost, vec![format!("{kind} 0 0..{lost} {key}")]);
        assert_eq!(world.changed(&key, |bytes| bytes[30] ^= 1).await, only("corrupt"));
        assert_eq!(world.changed(&key, |bytes| bytes.push(1)).await, only("corrupt"));
        assert_eq!(
            world.changed(&key, |bytes| bytes.truncate(70)).await,
            only("truncated")
        );
        assert_eq!(world.without(&key).await, only("missing"));
    }
}

#[tokio::test]
async fn a_merged_segment() {
    let world = cluster().await;
    let merged = world.merge(0, 1, |_| ()).await;
    for (segment, (offsets, lost)) in merged.segments.iter().zip([("0..5", 5), ("5..7", 2)]) {
        let key = object_key(segment);
        let only = |kind: &str| (OFFSETS - lost, vec![format!("{kind} 0 {offsets} {key}")]);
        assert_eq!(
            world.changed(&key, |bytes| bytes[100] ^= 1).await,
            only("corrupt")
        );
        assert_eq!(world.without(&key).await, only("missing"));
    }
}

#[tokio::test]
async fn a_leaf_that_is_another_than_its_line_says() {
    let world = cluster().await;
    let merged = world
        .merge(0, 1, |leaf| {
            if let Some(Entry::Segment(segment)) = leaf.entries.first_mut() {
                segment.chunks[0].max_timestamp += 1;
            }
        })
        .await;
    let key = manifest_key(&merged.leaf);
    assert_eq!(world.check().await.1, [format!("inconsistent 0 0..5 {key}")]);
}

#[tokio::test]
async fn the_metastore_and_the_bucket_disagree() {
    let world = cluster().await;
    let merged = world.merge(0, 1, |_| ()).await;
    let key = manifest_key(&merged.root);
    world.sql("UPDATE manifest SET object_bytes = object_bytes + 1");
    assert_eq!(world.check().await, (OFFSETS, vec![format!("size 0 0..7 {key}")]));
    world.sql("UPDATE manifest SET object_bytes = object_bytes - 1");
    for column in [
        "objects",
        "bytes",
        "first_end_offset",
        "first_bytes",
        "first_timestamp",
    ] {
        let add = |more: i32| format!("UPDATE manifest SET {column} = {column} + {more}");
        world.sql(&add(1));
        let found = world.check().await;
        assert_eq!(
            found,
            (OFFSETS, vec![format!("inconsistent 0 0..7 {key}")]),
            "{column}"
        );
        world.sql(&add(-1));
    }
    let archive = object_key(&world.plan(1, 0).await.extents[1].segment);
    world.sql("UPDATE archive_extent SET object_bytes = object_bytes + 1 WHERE base_offset = 4");
    assert_eq!(
        world.check().await,
        (OFFSETS, vec![format!("size 1 4..10 {archive}")])
    );
    world.sql("UPDATE archive_extent SET object_bytes = object_bytes - 1 WHERE base_offset = 4");
    let ingest = object_key(&world.plan(1, 10).await.extents[0].segment);
    world.sql("UPDATE segment SET object_bytes = object_bytes + 1");
    let both = [
        format!("size 0 7..14 {ingest}"),
        format!("size 1 10..12 {ingest}"),
    ];
    assert_eq!(world.check().await, (OFFSETS, both.to_vec()));
    world.sql("UPDATE segment SET object_bytes = object_bytes - 1");
    // Batches of another place.
    world.sql("UPDATE extent SET position = position + 1 WHERE partition = 0");
    assert_eq!(world.check().await.1, [format!("corrupt 0 7..14 {ingest}")]);
    world.sql("UPDATE extent SET position = 1 << 40 WHERE partition = 0");
    assert_eq!(world.check().await.1, [format!("corrupt 0 7..14 {ingest}")]);
}

#[tokio::test]
async fn gaps_and_overlaps() {
    let world = cluster().await;
    world.merge(0, 0, |_| ()).await;
    world.sql("DELETE FROM archive_extent WHERE partition = 1 AND base_offset = 0");
    assert_eq!(
        world.check().await,
        (OFFSETS - 4, vec!["gap 1 0..4 -".to_owned()])
    );
    world.sql("UPDATE archive_extent SET base_offset = 3 WHERE partition = 1 AND base_offset = 4");
    let found = world.check().await.1;
    assert!(found.contains(&"gap 1 0..3 -".to_owned()), "{found:?}");
    world.sql("DELETE FROM extent WHERE partition = 0");
    let found = world.check().await.1;
    assert!(found.contains(&"gap 0 7..14 -".to_owned()), "{found:?}");
    world.sql("UPDATE extent SET base_offset = 8 WHERE partition = 1");
    let found = world.check().await.1;
    assert!(
        found.iter().any(|one| one.starts_with("inconsistent 1 8..10")),
        "{found:?}"
    );
    // A manifest that begins behind the log start.
    world.sql("UPDATE manifest SET base_offset = 2");
    let found = world.check().await.1;
    assert!(found.contains(&"gap 0 0..2 -".to_owned()), "{found:?}");
    assert!(
        found
            .iter()
            .any(|one| one.starts_with("inconsistent 0 2..7 manifest/")),
        "{found:?}"
    );
}

#[tokio::test]
async fn holes() {
    let world = World::new(2).await;
    let ingest = world.ingest(&[(0, &[2]), (1, &[3])]).await;
    world.archive(&[0, 1], &[1]).await;
    let key = object_key(&ingest);
    // As long as somebody keeps the object, or repaired it, its records can be read.
    let repaired = (5, vec![format!("repaired 1 0..3 {key}")]);
    let lost = (2, vec![format!("hole 1 0..3 {key}")]);
    assert_eq!(world.check().await, repaired);
    assert_eq!(world.without(&key).await, lost);
    assert_eq!(world.changed(&key, |bytes| bytes[9] ^= 1).await, lost);
    world.merge(1, 0, |_| ()).await;
    assert_eq!(world.check().await, repaired);
    assert_eq!(world.without(&key).await, lost);
}

#[tokio::test]
async fn holes_in_archive_segments() {
    let world = cluster().await;
    let archive = object_key(&world.plan(0, 0).await.extents[0].segment);
    world.merge_without(0, 1, |_| (), 1).await;
    world.merge(1, 0, |_| ()).await;
    let lost = (OFFSETS - 5, vec![format!("hole 0 0..5 {archive}")]);
    // What is in it now, readers do not ask: the sentence says what can be had.
    let mut sentences = Vec::new();
    for left in [usize::MAX, 400, 0] {
        let cut = |bytes: &mut Vec<u8>| bytes.truncate(left);
        let checked = world.checked_while_changed(&archive, cut).await;
        assert_eq!(found(&checked), lost.1);
        sentences.push(checked.findings.sorted()[0].what.clone());
    }
    assert!(sentences[0].ends_with("its object has them until it is removed, but readers do not get them"));
    for cut in &sentences[1..] {
        assert!(cut.contains(" bytes are left"), "{cut}");
    }
    assert_eq!(world.changed(&archive, |bytes| bytes[90] ^= 1).await, lost);
    assert_eq!(world.without(&archive).await, lost);
}

#[tokio::test]
async fn a_footer_that_does_not_come_at_once() {
    let world = World::new(1_700).await;
    let runs: Vec<(i32, &[i32])> = (0..1_700).map(|partition| (partition, &[1][..])).collect();
    world.ingest(&runs).await;
    let partitions: Vec<i32> = (0..1_700).collect();
    let archive = world.archive(&partitions, &[]).await;
    assert_eq!(world.check().await, (1_700, vec![]));
    let key = object_key(&archive);
    let payload_bytes = 1_700 * 361;
    let (offsets, found) = world.changed(&key, |bytes| bytes[payload_bytes + 9] ^= 1).await;
    assert_eq!((offsets, found.len()), (1_700, 1));
    assert!(found[0].starts_with("footer "), "{found:?}");
}
