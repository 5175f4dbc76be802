//! Archiving on SQLite in a file: after reopening, and with what an earlier schema left.

use std::path::Path;
use std::sync::Arc;

use esker_metastore::MetastoreMetrics;
use esker_metastore::sqlite::SqliteMetastore;
use esker_model::seams::SystemClock;
use esker_model::{IncarnationId, PartitionKey, TopicKey};
use uuid::Uuid;

use crate::archive_requests::*;
use crate::runs::plain;
use crate::world::{LONG_MS, TestClock, World, Writer};

fn world(path: &Path) -> World {
    let clock = Arc::new(SystemClock::new());
    World::of(Box::new(
        SqliteMetastore::open(path, clock, MetastoreMetrics::default()).unwrap(),
    ))
}

#[tokio::test]
async fn what_was_archived_is_there_after_reopening() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("esker.db");
    let first = world(&path);
    let writer = first.writer("a").await;
    let partition = first.partition().await;
    for _ in 0..3 {
        first.commit(&writer, vec![plain(partition, &[10])]).await;
    }
    let before = first.extents(partition, 0).await;
    let moved = archived(&before[..2], archive_segment(&writer, 1));
    archive(&first, &writer, partition, vec![moved]).await;
    let released = first.store.release(&[before[0].segment]).await;
    assert_eq!(released, Ok(vec![true]));
    drop(first);

    let second = world(&path);
    assert_eq!(second.extents(partition, 0).await, [moved, before[2]]);
    second.store.leave(writer.incarnation).await.unwrap();
    assert_eq!(unneeded(&second).await, [before[0].segment]);
}

/// The machine's clock was set back: what was committed or released late is not in the future.
#[tokio::test]
async fn the_database_clock_is_not_behind_what_it_wrote() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("esker.db");
    let open = |ms| {
        let clock = Arc::new(TestClock::starting_at(ms));
        SqliteMetastore::open(&path, clock, MetastoreMetrics::default()).unwrap()
    };
    let early = World::of(Box::new(open(0)));
    let writer = early.writer("a").await;
    let partition = early.partition().await;
    drop(early);
    let late = World::of(Box::new(open(1_000_000)));
    late.commit(&writer, vec![plain(partition, &[10])]).await;
    drop(late);
    let back = World::of(Box::new(open(100)));
    let waiting = back.store.waiting_segments(0, u64::MAX, 10).await.unwrap();
    assert_eq!(waiting[0].age_ms, 0);
    archive_all(&back, &writer, partition, 1).await;
    drop(back);
    let later = World::of(Box::new(open(2_000_000)));
    let released = later.store.release(&[waiting[0].id]).await;
    assert_eq!(released, Ok(vec![true]));
    later.store.leave(writer.incarnation).await.unwrap();
    drop(later);
    let back = World::of(Box::new(open(100)));
    assert_eq!(unneeded(&back).await, [waiting[0].id]);
}

#[tokio::test]
async fn segments_of_an_earlier_schema_are_archived_first() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("esker.db");
    let raw = rusqlite::Connection::open(&path).unwrap();
    // Topic 1 lives, topic 2 was deleted and left its extents.
    raw.execute_batch(concat!(
        include_str!("../../../../migrations/sqlite/0001_first_tables.sql"),
        include_str!("../../../../migrations/sqlite/0002_names_again.sql"),
        "PRAGMA user_version = 2;
         PRAGMA application_id = 0x45736b72;
         INSERT INTO topic VALUES (1, x'00000000000000010000000000000001', 'orders', 'orders', 1, 1, '{}', 1, 0);
         INSERT INTO log_head (topic, partition, next_offset) VALUES (1, 0, 5);
         INSERT INTO segment VALUES (1, x'00000000000000000000000000000007', 1, 1, 1, 500, x'0100000000');
         INSERT INTO segment VALUES (2, x'00000000000000000000000000000007', 2, 1, 2, 0, NULL);
         INSERT INTO extent VALUES (1, 0, 0, 5, 1, 10, 20, 30, NULL, NULL, 0, 0);
         INSERT INTO extent VALUES (2, 0, 0, 5, 1, 30, 20, 30, NULL, NULL, 0, 0);
         UPDATE cluster SET catalog_version = 1;"
    ))
    .unwrap();
    drop(raw);

    let world = world(&path);
    let writer = world.writer("a").await;
    let partition = PartitionKey {
        topic: TopicKey(1),
        partition: 0,
    };
    world.commit(&writer, vec![plain(partition, &[10])]).await;
    let waiting = world.store.waiting_segments(0, u64::MAX, 10).await.unwrap();
    let seqs: Vec<_> = waiting
        .iter()
        .map(|segment| (segment.id.incarnation, segment.id.seq))
        .collect();
    let old = IncarnationId(Uuid::from_u128(7));
    assert_eq!(seqs, [(old, 1), (writer.incarnation, 1)]);
    assert!(waiting[0].age_ms > LONG_MS, "as old as can be");
    let unarchived = world.store.unarchived(&[waiting[0].id]).await.unwrap();
    assert_eq!(unarchived.len(), 1);
    let extents: Vec<_> = unarchived.iter().map(|(_, extent)| *extent).collect();
    let moved = each_archived(&extents, archive_segment(&writer, 1));
    archive(&world, &writer, partition, moved).await;
    let released = world.store.release(&[waiting[0].id]).await;
    assert_eq!(released, Ok(vec![true]));
    // Nobody knows its incarnation any more. It had given up one, before there was a time for that.
    let tombstone = ingest_segment(&Writer::of(old), 2);
    assert_eq!(unneeded(&world).await, [tombstone, waiting[0].id]);
    let raw = rusqlite::Connection::open(&path).unwrap();
    let left: i64 = raw
        .query_row("SELECT count(*) FROM extent WHERE topic = 2", [], |row| {
            row.get(0)
        })
        .unwrap();
    assert_eq!(left, 0);
}
