//! A database in a file, opened to read beside the process that uses it.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use esker_metastore::sqlite::SqliteMetastore;
use esker_metastore::{Clusters, Jobs, MetastoreError, MetastoreMetrics, Producers, Reads, Topics};
use esker_model::seams::SystemClock;

use crate::runs::plain;
use crate::world::World;

fn open(path: &Path) -> SqliteMetastore {
    SqliteMetastore::open(path, Arc::new(SystemClock::new()), MetastoreMetrics::default()).unwrap()
}

fn open_to_read(path: &Path) -> Result<SqliteMetastore, MetastoreError> {
    SqliteMetastore::open_to_read(path, Arc::new(SystemClock::new()), MetastoreMetrics::default())
}

fn files(directory: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(directory).unwrap();
    let mut names: Vec<_> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[tokio::test]
async fn a_reader_sees_what_the_writer_commits_and_changes_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("esker.db");
    let world = World::of(Box::new(open(&path)));
    let writer = world.writer("a").await;
    let partition = world.partition().await;
    let reader = open_to_read(&path).unwrap();
    for end in 1..=3 {
        world.commit(&writer, vec![plain(partition, &[1])]).await;
        let heads = reader.heads(&[partition]).await.unwrap();
        assert_eq!(heads[0].unwrap().next_offset, end);
    }
    assert_eq!(reader.cluster().await, world.store.cluster().await);
    assert_eq!(reader.catalog(0).await, world.store.catalog(0).await);
    assert_eq!(reader.upkeep_status().await.unwrap().waiting_segments, 3);
    let refused = reader.allocate_producer_ids(1).await;
    assert!(
        matches!(&refused, Err(MetastoreError::Unavailable(why)) if why.contains("readonly")),
        "{refused:?}"
    );
    assert_eq!(world.store.allocate_producer_ids(1).await, Ok(0));
    drop(world);
    // Whoever reads keeps nobody from beginning again, and stays right.
    let again = World::of(Box::new(open(&path)));
    again.commit(&writer, vec![plain(partition, &[1])]).await;
    assert_eq!(
        reader.heads(&[partition]).await.unwrap()[0].unwrap().next_offset,
        4
    );
}

/// Reads and commits go on beside each other: no reader makes a commit fail, and each sees a whole snapshot.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readers_do_not_disturb_the_writer() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("esker.db");
    let world = World::of(Box::new(open(&path)));
    let writer = world.writer("a").await;
    let partition = world.partition().await;
    let done = Arc::new(AtomicBool::new(false));
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..2 {
        let (done, path) = (Arc::clone(&done), path.clone());
        tasks.spawn(async move {
            let mut looks = 0;
            while !done.load(Ordering::Relaxed) {
                let reader = open_to_read(&path).unwrap();
                for _ in 0..5 {
                    let end = reader.heads(&[partition]).await.unwrap()[0].unwrap().next_offset;
                    let status = reader.upkeep_status().await.unwrap();
                    assert!(status.waiting_segments as i64 >= end);
                    looks += 1;
                }
            }
            looks
        });
    }
    for _ in 0..400 {
        world.commit(&writer, vec![plain(partition, &[1])]).await;
    }
    done.store(true, Ordering::Relaxed);
    for looks in tasks.join_all().await {
        assert!(looks > 0);
    }
    assert_eq!(world.next_offset(partition).await, 400);
}

#[tokio::test]
async fn a_log_that_a_crash_left_is_read() {
    let directory = tempfile::tempdir().unwrap();
    let crashed = tempfile::tempdir().unwrap();
    let path = directory.path().join("esker.db");
    let world = World::of(Box::new(open(&path)));
    let partition = world.partition().await;
    // What a crash leaves: the files as they are now, with nobody behind them.
    for name in ["esker.db", "esker.db-wal"] {
        std::fs::copy(directory.path().join(name), crashed.path().join(name)).unwrap();
    }
    let reader = open_to_read(&crashed.path().join("esker.db")).unwrap();
    assert!(reader.heads(&[partition]).await.unwrap()[0].is_some());
    drop(reader);
    let log = std::fs::metadata(crashed.path().join("esker.db-wal")).unwrap();
    assert!(log.len() > 0, "the log is left to the one who writes");
}

#[test]
fn what_cannot_be_read_is_said_and_nothing_is_made_of_it() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("esker.db");
    let said = format!("there is no database {}", path.display());
    assert_eq!(
        open_to_read(&path).err(),
        Some(MetastoreError::Misconfigured(said))
    );
    assert!(files(directory.path()).is_empty());

    let raw = rusqlite::Connection::open(&path).unwrap();
    raw.execute_batch(concat!(
        include_str!("../../../../migrations/sqlite/0001_first_tables.sql"),
        "PRAGMA user_version = 1; PRAGMA application_id = 0x45736b72;"
    ))
    .unwrap();
    drop(raw);
    let before = std::fs::read(&path).unwrap();
    let refused = open_to_read(&path).err();
    assert!(
        matches!(refused, Some(MetastoreError::NotMigrated { found: 1, needed }) if needed > 1),
        "{refused:?}"
    );
    assert_eq!(std::fs::read(&path).unwrap(), before);
    assert_eq!(files(directory.path()), ["esker.db"]);

    std::fs::write(&path, "not a database, whatever its name says\n".repeat(100)).unwrap();
    let refused = open_to_read(&path).err();
    assert!(
        matches!(&refused, Some(MetastoreError::Misconfigured(why)) if why.contains("is not an esker database")),
        "{refused:?}"
    );
}
