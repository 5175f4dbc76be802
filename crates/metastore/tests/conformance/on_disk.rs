//! What only SQLite in a file has to do: survive a kill, refuse a second process, say what is wrong.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use esker_metastore::sqlite::SqliteMetastore;
use esker_metastore::{Agents, CommitRequest, MetastoreError, MetastoreMetrics, SegmentCommit, Settled};
use esker_model::seams::SystemClock;
use esker_model::{IncarnationId, PartitionKey, ShardId, TopicKey};
use uuid::Uuid;

use crate::runs::{GAP, appended, piece, plain, produced, produced_by};
use crate::world::{EPOCH, LONG_MS, TestClock, World, at, registration};

fn open(path: &Path) -> Result<SqliteMetastore, MetastoreError> {
    SqliteMetastore::open(path, Arc::new(SystemClock::new()), MetastoreMetrics::default())
}

pub fn world(path: &Path) -> World {
    World::of(Box::new(open(path).unwrap()))
}

fn misconfigured(path: &Path) -> String {
    match open(path).err() {
        Some(MetastoreError::Misconfigured(sentence)) => sentence,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn what_was_answered_is_there_after_reopening() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("deeper").join("esker.db");
    let first = world(&path);
    let writer = first.writer("a").await;
    let partition = first.partition().await;
    let reply = first
        .commit_segments(&writer, vec![vec![produced(partition, 0, &[2, 3])]])
        .await;
    let extents = first.extents(partition, 0).await;
    drop(first);

    let second = world(&path);
    assert_eq!(second.extents(partition, 0).await, extents);
    assert_eq!(second.head(partition).await, Some(reply.heads[0].1));
    let settled = second.store.settle(writer.incarnation, &[1]).await;
    assert_eq!(settled, Ok(vec![Settled::Committed(reply.segments[0].clone())]));
    assert!(second.store.heartbeat(writer.incarnation, LONG_MS).await.is_ok());
    let request = plain(partition, &[1]);
    writer.take_seq();
    assert_eq!(
        second.commit(&writer, vec![request]).await[0],
        [piece(0, 1, appended(5))]
    );
}

#[tokio::test]
async fn the_database_clock_never_runs_backwards() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("esker.db");
    let at = |ms| {
        let clock = TestClock::starting_at(ms);
        SqliteMetastore::open(&path, Arc::new(clock), MetastoreMetrics::default()).unwrap()
    };
    let incarnation = IncarnationId(Uuid::from_u128(1));
    let late = at(1_000_000);
    late.register(&registration("a", incarnation)).await.unwrap();
    drop(late);
    // The machine's clock was set back by a quarter of an hour: nobody lives longer for it.
    let early = at(100_000);
    let other = IncarnationId(Uuid::from_u128(2));
    early.register(&registration("b", other)).await.unwrap();
    let heartbeat = early.heartbeat(other, 0).await.unwrap();
    assert_eq!(heartbeat.live.len(), 2, "no time has passed");
    drop(early);
    let later = at(1_000_500);
    later.heartbeat(other, LONG_MS).await.unwrap();
    assert_eq!(later.heartbeat(other, 499).await.unwrap().expired, [incarnation]);
}

#[test]
fn a_second_open_of_a_directory_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("esker.db");
    let first = open(&path).unwrap();
    let start = Instant::now();
    let expected = format!("another esker process is using {}", directory.path().display());
    assert_eq!(misconfigured(&path), expected);
    assert_eq!(
        misconfigured(&directory.path().join("other.db")),
        expected,
        "the directory is taken, not the file"
    );
    assert!(start.elapsed() < Duration::from_secs(1), "at once");
    drop(first);
    assert!(open(&path).is_ok());
}

#[test]
fn what_is_wrong_is_said_in_one_sentence() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name| directory.path().join(name);
    let check = |path: &Path, starts: &str| {
        let sentence = misconfigured(path);
        assert!(sentence.starts_with(starts), "{sentence}");
        assert!(!sentence.contains('\n'), "{sentence}");
    };

    std::fs::write(
        path("text"),
        "not a database, whatever its name says\n".repeat(100),
    )
    .unwrap();
    let text = path("text");
    check(&text, &format!("{} is not an esker database", text.display()));
    assert!(
        std::fs::read_to_string(&text).unwrap().starts_with("not"),
        "nothing was written to it"
    );

    let foreign = path("foreign");
    let other = rusqlite::Connection::open(&foreign).unwrap();
    other.execute_batch("CREATE TABLE cluster (id)").unwrap();
    drop(other);
    check(
        &foreign,
        &format!("{} is not an esker database", foreign.display()),
    );

    check(
        &text.join("esker.db"),
        &format!("cannot create the directory {}", text.display()),
    );
    std::fs::create_dir(path("directory")).unwrap();
    check(
        &path("directory"),
        &format!("cannot open {} for writing", path("directory").display()),
    );
}

#[test]
fn a_directory_that_cannot_be_written_is_refused() {
    use std::os::unix::fs::PermissionsExt;
    let directory = tempfile::tempdir().unwrap();
    let closed = directory.path().join("closed");
    std::fs::create_dir(&closed).unwrap();
    std::fs::set_permissions(&closed, std::fs::Permissions::from_mode(0o500)).unwrap();
    if std::fs::write(closed.join("probe"), "").is_ok() {
        // Permissions mean nothing to root; a file system that takes no files does.
        let sentence = misconfigured(Path::new("/proc/self/esker.db"));
        assert!(
            sentence.starts_with("cannot write to the directory /proc/self"),
            "{sentence}"
        );
        return;
    }
    let sentence = misconfigured(&closed.join("esker.db"));
    assert!(
        sentence.starts_with("cannot write to the directory"),
        "{sentence}"
    );
}

#[test]
fn a_creation_that_was_cut_short_is_begun_again() {
    let directory = tempfile::tempdir().unwrap();
    for name in ["esker.db.new", "esker.db.new-journal"] {
        std::fs::write(directory.path().join(name), "half a database").unwrap();
    }
    let store = open(&directory.path().join("esker.db")).unwrap();
    assert!(!directory.path().join("esker.db.new").exists());
    assert!(!directory.path().join("esker.db.new-journal").exists());
    drop(store);
}

#[tokio::test]
async fn a_log_without_its_database_is_not_replayed() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("esker.db");
    let log = directory.path().join("esker.db-wal");
    let first = world(&path);
    first.partition().await;
    let kept = std::fs::read(&log).unwrap();
    assert!(!kept.is_empty());
    drop(first);
    std::fs::remove_file(&path).unwrap();
    std::fs::write(&log, kept).unwrap();
    let second = world(&path);
    assert!(second.store.catalog(0).await.unwrap().changed.is_empty());
}

#[test]
fn a_newer_schema_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("esker.db");
    drop(open(&path).unwrap());
    let raw = rusqlite::Connection::open(&path).unwrap();
    raw.pragma_update(None, "user_version", 999).unwrap();
    drop(raw);
    let refused = open(&path).err();
    assert!(
        matches!(refused, Some(MetastoreError::TooNew { found: 999, known }) if known < 999),
        "{refused:?}"
    );
}

#[tokio::test]
async fn a_file_of_the_first_schema_is_brought_up_to_date() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("esker.db");
    let raw = rusqlite::Connection::open(&path).unwrap();
    raw.execute_batch(concat!(
        include_str!("../../../../migrations/sqlite/0001_first_tables.sql"),
        "PRAGMA user_version = 1;
         PRAGMA application_id = 0x45736b72;
         INSERT INTO topic VALUES (1, x'00000000000000010000000000000001', 'orders', 'orders', 1, 1, '{}', 1);
         INSERT INTO log_head (topic, partition, next_offset) VALUES (1, 0, 5);
         UPDATE cluster SET catalog_version = 1, next_producer_id = 9;"
    ))
    .unwrap();
    drop(raw);

    let world = world(&path);
    let writer = world.writer("a").await;
    let old = world.store.catalog(0).await.unwrap().changed.remove(0);
    let (id, sequence) = (8, 7);
    let run = |topic| vec![produced_by(id, 0, at(topic, 0), sequence, &[1])];
    for _ in 0..2 {
        assert_eq!(world.commit(&writer, run(&old)).await, [[piece(0, 1, GAP)]]);
    }
    assert_eq!(world.next_offset(at(&old, 0)).await, 5);
    // From now on it is known which names were deleted.
    world.store.delete_topics(&[old.uuid]).await.unwrap();
    let new = world.topic("orders", 1).await;
    for expected in [GAP, appended(0)] {
        assert_eq!(world.commit(&writer, run(&new)).await, [[piece(0, 1, expected)]]);
    }
    // And there are groups.
    let owners = world.store.claim_shards(writer.incarnation, &[ShardId(3)]).await;
    assert_eq!(owners.unwrap()[0].incarnation, Some(writer.incarnation));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_of_many_tasks_are_all_answered() {
    let directory = tempfile::tempdir().unwrap();
    let world = Arc::new(world(&directory.path().join("esker.db")));
    let writer = Arc::new(world.writer("a").await);
    let partition = world.partition().await;
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..300 {
        let (world, writer) = (world.clone(), writer.clone());
        tasks.spawn(async move { world.commit(&writer, vec![plain(partition, &[1])]).await });
    }
    let mut offsets: Vec<_> = tasks
        .join_all()
        .await
        .into_iter()
        .map(|pieces| match pieces[0][0].outcome {
            esker_model::sequence::Outcome::Appended { base_offset } => base_offset,
            other => panic!("{other:?}"),
        })
        .collect();
    offsets.sort_unstable();
    assert_eq!(offsets, (0..300).collect::<Vec<_>>());
}

/// Where the child of the next test finds its database.
const CHILD_PATH: &str = "ESKER_TEST_CHILD_DATABASE";
/// The child's one topic is the first of its database.
const CHILD_PARTITION: PartitionKey = PartitionKey {
    topic: TopicKey(1),
    partition: 0,
};
const CHILD: IncarnationId = IncarnationId(Uuid::from_u128(77));

#[tokio::test]
async fn a_killed_process_loses_nothing_that_it_answered() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("esker.db");
    let setup = world(&path);
    setup.init().await;
    assert_eq!(setup.partition().await, CHILD_PARTITION);
    setup.store.register(&registration("child", CHILD)).await.unwrap();
    drop(setup);

    let mut acknowledged = 0;
    for round in 1..=5 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args([
                "on_disk::child_commits_until_it_is_killed",
                "--exact",
                "--nocapture",
            ])
            .env(CHILD_PATH, &path)
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .unwrap();
        let mut seqs = BufReader::new(child.stdout.take().unwrap())
            .lines()
            .map_while(Result::ok)
            .filter_map(|line| line.strip_prefix("committed ")?.parse::<i64>().ok());
        // Killed wherever it happens to be, after a different number of commits each time.
        acknowledged = seqs.nth(7 * round + 20).unwrap();
        child.kill().unwrap();
        acknowledged = seqs.last().unwrap_or(acknowledged);
        child.wait().unwrap();

        let reopened = world(&path);
        let end = reopened.next_offset(CHILD_PARTITION).await;
        assert!(
            end == 3 * acknowledged || end == 3 * (acknowledged + 1),
            "{acknowledged} commits were answered, the log ends at {end}"
        );
        let extents = reopened.extents(CHILD_PARTITION, 0).await;
        assert_eq!(extents.len() as i64, end / 3);
        for (index, extent) in extents.iter().enumerate() {
            assert_eq!(extent.base_offset, 3 * index as i64);
            assert_eq!(extent.segment.seq, index as u64 + 1);
        }
        let answered: Vec<_> = (1..=acknowledged as u64).collect();
        let settled = reopened.store.settle(CHILD, &answered).await.unwrap();
        assert!(
            settled
                .iter()
                .all(|settled| matches!(settled, Settled::Committed(_)))
        );
    }
    assert!(acknowledged > 100);
}

/// Not a test of its own: the child of the one above.
#[tokio::test]
async fn child_commits_until_it_is_killed() {
    let Some(path) = std::env::var_os(CHILD_PATH) else {
        return;
    };
    let child = world(Path::new(&path));
    let mut seq = child.next_offset(CHILD_PARTITION).await / 3;
    loop {
        seq += 1;
        let request = CommitRequest {
            epoch: EPOCH,
            incarnation: CHILD,
            settled_through: 0,
            segments: vec![SegmentCommit {
                seq: seq as u64,
                object_bytes: 1,
                runs: vec![produced(CHILD_PARTITION, 3 * (seq as i32 - 1), &[3])],
            }],
        };
        let reply = child.store.commit(request).await.unwrap();
        let expected = appended(3 * (seq - 1));
        assert_eq!(reply.segments[0].runs[0][0].outcome, expected);
        println!("committed {seq}");
    }
}
