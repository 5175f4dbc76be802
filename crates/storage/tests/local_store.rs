//! What only a local directory can get wrong: crashes, foreign files, full disks.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::fs::{self, File};
use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use esker_storage::metrics::Op;
use esker_storage::segment::TAIL_BYTES;
use esker_storage::{Bucket, ObjectInfo, StoreError, open};
use futures::TryStreamExt;
use futures::future::join_all;
use support::options;

/// A disk that others keep busy may take seconds to sync.
const PATIENCE: Duration = Duration::from_secs(20);
/// For what must fail: it is tried until then.
const BRIEF: Duration = Duration::from_millis(700);

fn bucket(directory: &Path) -> Bucket {
    open(&format!("file://{}", directory.display()), options()).unwrap()
}

async fn put(bucket: &Bucket, key: &str, object: Bytes) -> Result<(), StoreError> {
    put_within(PATIENCE, bucket, key, object).await
}

async fn put_within(time: Duration, bucket: &Bucket, key: &str, object: Bytes) -> Result<(), StoreError> {
    let tail = *object.last_chunk::<TAIL_BYTES>().unwrap();
    let deadline = bucket.seams().clock.now().plus(time);
    bucket.put_new(key, vec![object], tail, deadline).await
}

async fn keys(bucket: &Bucket) -> Vec<String> {
    bucket
        .list("")
        .map_ok(|object: ObjectInfo| object.key)
        .try_collect()
        .await
        .unwrap()
}

fn temporary(directory: &Path) -> Vec<String> {
    let names = fs::read_dir(directory.join(".esker-tmp")).unwrap();
    names
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect()
}

#[tokio::test]
async fn leftovers_of_a_crash_are_no_objects_and_go_at_the_next_open() {
    let directory = tempfile::tempdir().unwrap();
    let first = bucket(directory.path());
    put(&first, "a/b", Bytes::from(vec![1; 100])).await.unwrap();
    fs::write(directory.path().join(".esker-tmp/99999-0"), b"half an obj").unwrap();
    let busy = File::create(directory.path().join(".esker-tmp/99999-1")).unwrap();
    busy.lock().unwrap();
    assert_eq!(keys(&first).await, ["a/b"]);
    let second = bucket(directory.path());
    assert_eq!(
        temporary(directory.path()),
        ["99999-1"],
        "another process writes that one"
    );
    assert_eq!(keys(&second).await, ["a/b"]);
    drop(busy);
    bucket(directory.path());
    assert!(temporary(directory.path()).is_empty());
}

#[tokio::test]
async fn temporary_names_of_another_process_are_stepped_over() {
    let directory = tempfile::tempdir().unwrap();
    let bucket = bucket(directory.path());
    for number in 0..5 {
        let name = format!(".esker-tmp/{}-{number}", std::process::id());
        fs::write(directory.path().join(name), b"x").unwrap();
    }
    put(&bucket, "a", Bytes::from(vec![1; 100])).await.unwrap();
    assert_eq!(temporary(directory.path()).len(), 5);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_stores_on_one_directory_have_one_winner() {
    let directory = tempfile::tempdir().unwrap();
    let buckets = [bucket(directory.path()), bucket(directory.path())];
    for race in 0..30 {
        let key = format!("race/{}/{race}", race % 3);
        let puts = (0..8u8).map(|i| put(&buckets[usize::from(i) % 2], &key, Bytes::from(vec![i; 9000])));
        let results = join_all(puts).await;
        assert_eq!(
            results.iter().filter(|result| result.is_ok()).count(),
            1,
            "{results:?}"
        );
    }
    assert!(temporary(directory.path()).is_empty());
}

#[tokio::test]
async fn foreign_files_and_odd_keys_do_no_harm() {
    let directory = tempfile::tempdir().unwrap();
    let bucket = bucket(directory.path());
    let object = Bytes::from(vec![1; 100]);
    put(&bucket, "a/b", object.clone()).await.unwrap();
    std::os::unix::fs::symlink("/etc/passwd", directory.path().join("link")).unwrap();
    fs::write(directory.path().join("not-ours"), b"x").unwrap();
    assert_eq!(keys(&bucket).await, ["a/b", "not-ours"]);
    for key in ["a/b/c", ".esker-tmp/x"] {
        let err = put_within(BRIEF, &bucket, key, object.clone()).await.unwrap_err();
        assert!(!err.is_transient(), "{key}: {err}");
        assert!(bucket.get(key).await.is_err(), "{key}");
    }
    put(&bucket, "../escape", object.clone()).await.unwrap();
    assert!(!directory.path().parent().unwrap().join("escape").exists());
    assert!(
        put_within(BRIEF, &bucket, "a", object).await.is_err(),
        "a directory is in the way"
    );
}

#[tokio::test]
async fn a_directory_that_was_removed_comes_back() {
    let directory = tempfile::tempdir().unwrap();
    let bucket = bucket(directory.path());
    put(&bucket, "a/b/c", Bytes::from(vec![1; 100])).await.unwrap();
    fs::remove_dir_all(directory.path().join("a")).unwrap();
    put(&bucket, "a/b/c", Bytes::from(vec![1; 100])).await.unwrap();
    assert_eq!(bucket.get("a/b/c").await.unwrap().len(), 100);
}

#[tokio::test]
async fn a_caller_that_leaves_does_not_stop_its_put() {
    let directory = tempfile::tempdir().unwrap();
    let bucket = bucket(directory.path());
    let left = tokio::time::timeout(Duration::ZERO, put(&bucket, "a", Bytes::from(vec![1; 8 << 20]))).await;
    assert!(left.is_err());
    for _ in 0..100 {
        if bucket.get("a").await.is_ok_and(|object| object.len() == 8 << 20) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    // It was not begun: as good.
    assert_eq!(keys(&bucket).await, [""; 0]);
}

/// ESKER_TEST_SMALL_DISK names a directory on a file system of 2 to 16 MiB of its own.
#[tokio::test]
async fn a_full_disk_fails_clearly_and_leaves_nothing_half_visible() {
    let Some(small) = std::env::var_os("ESKER_TEST_SMALL_DISK") else {
        return;
    };
    let directory = tempfile::tempdir_in(small).unwrap();
    let bucket = bucket(directory.path());
    let mut written = Vec::new();
    let err = loop {
        let key = format!("full/{:03}", written.len());
        match put_within(BRIEF, &bucket, &key, Bytes::from(vec![1; 1 << 20])).await {
            Ok(()) => written.push(key),
            Err(err) => break err,
        }
        assert!(written.len() < 100, "that disk is not small");
    };
    assert!(
        err.is_transient() && err.to_string().contains("No space left"),
        "{err}"
    );
    assert_eq!(keys(&bucket).await, written);
    assert!(temporary(directory.path()).is_empty());
    for key in &written {
        assert_eq!(bucket.get(key).await.unwrap().len(), 1 << 20);
        bucket.delete(key).await.unwrap();
    }
    put(&bucket, "full/again", Bytes::from(vec![1; 1 << 20]))
        .await
        .unwrap();
    assert!(bucket.metrics().requests(Op::Put, "unavailable") > 0);
}
