//! Lost connections, deadlines and cancelled calls.

use std::sync::Arc;
use std::time::Duration;

use esker_metastore::{Agents, Commits, MetastoreError, Reads, Settled};
use esker_model::PartitionKey;
use tokio::time::{sleep, timeout};

use crate::{INCARNATION, admin, agent, commit, execute, server};

const LOCK_HEADS: &str = "BEGIN; SELECT * FROM log_head FOR UPDATE";
const WAITING: &str = "SELECT pid FROM pg_stat_activity
     WHERE query LIKE '%commit_v1%' AND wait_event_type = 'Lock' AND datname = current_database()";

async fn wait_until_a_commit_waits(connection: &mut sqlx::PgConnection) {
    loop {
        let waiting = sqlx::query(WAITING).fetch_all(&mut *connection).await.unwrap();
        if !waiting.is_empty() {
            return;
        }
        sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn a_commit_that_waits_too_long_for_a_lock_had_no_effect() {
    let Some(url) = server::start_or_reuse() else {
        return;
    };
    let (store, partition) = agent(&url).await;
    let mut other = admin(&url).await;
    execute(&mut other, LOCK_HEADS).await;
    let result = store.commit(commit(partition, 1)).await;
    assert!(
        matches!(result, Err(MetastoreError::Unavailable(_))),
        "{result:?}"
    );
    execute(&mut other, "ROLLBACK").await;
    store.commit(commit(partition, 1)).await.unwrap();
}

#[tokio::test]
async fn a_session_that_the_server_ends_leaves_a_commit_unknown() {
    let Some(url) = server::start_or_reuse() else {
        return;
    };
    let (store, partition) = agent(&url).await;
    let (mut locker, mut other) = (admin(&url).await, admin(&url).await);
    execute(&mut locker, LOCK_HEADS).await;
    let end = async {
        wait_until_a_commit_waits(&mut other).await;
        execute(
            &mut other,
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
             WHERE query LIKE '%commit_v1%' AND wait_event_type = 'Lock' AND datname = current_database()",
        )
        .await;
    };
    let (result, ()) = tokio::join!(store.commit(commit(partition, 1)), end);
    assert!(
        matches!(result, Err(MetastoreError::UnknownOutcome(_))),
        "{result:?}"
    );
    execute(&mut locker, "ROLLBACK").await;
    assert_eq!(
        store.settle(INCARNATION, &[1]).await,
        Ok(vec![Settled::Tombstoned])
    );
    let again = store.commit(commit(partition, 1)).await;
    assert_eq!(again.map(|_| ()), Err(MetastoreError::AlreadySettled));
}

#[tokio::test]
async fn a_server_that_crashes_leaves_a_commit_unknown_and_then_is_unavailable() {
    let Some(mut server) = server::Server::start() else {
        return;
    };
    let url = server.database();
    let (store, partition) = agent(&url).await;
    let store = Arc::new(store);
    let (mut locker, mut other) = (admin(&url).await, admin(&url).await);
    execute(&mut locker, LOCK_HEADS).await;
    let committing = tokio::spawn({
        let store = store.clone();
        async move { store.commit(commit(partition, 1)).await }
    });
    wait_until_a_commit_waits(&mut other).await;
    server.stop();
    let result = committing.await.unwrap();
    assert!(
        matches!(result, Err(MetastoreError::UnknownOutcome(_))),
        "{result:?}"
    );
    let result = store.commit(commit(partition, 2)).await;
    assert!(
        matches!(result, Err(MetastoreError::Unavailable(_))),
        "{result:?}"
    );
    let result = store.heartbeat(INCARNATION, 6000).await;
    assert!(result.is_err_and(|error| error.is_transient()));
}

/// A caller that gives up takes its connection with it: the next one is not given its answer.
#[tokio::test]
async fn a_cancelled_commit_leaves_no_answer_behind() {
    let Some(url) = server::start_or_reuse() else {
        return;
    };
    let (store, partition) = agent(&url).await;
    let mut locker = admin(&url).await;
    execute(&mut locker, LOCK_HEADS).await;
    let given_up = timeout(Duration::from_millis(100), store.commit(commit(partition, 1))).await;
    assert!(given_up.is_err());
    execute(&mut locker, "ROLLBACK").await;
    // Whether the first one takes effect is open, as for any lost answer.
    let settled = store.settle(INCARNATION, &[1]).await.unwrap();
    let reply = store.commit(commit(partition, 2)).await.unwrap();
    let expected = if settled == [Settled::Tombstoned] { 1 } else { 2 };
    assert_eq!(reply.heads[0].1.next_offset, expected);
}

#[tokio::test]
async fn connections_that_died_while_idle_are_not_used() {
    let Some(url) = server::start_or_reuse() else {
        return;
    };
    let (store, partition) = agent(&url).await;
    store.commit(commit(partition, 1)).await.unwrap();
    let mut other = admin(&url).await;
    execute(
        &mut other,
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
         WHERE application_name = 'esker' AND datname = current_database()",
    )
    .await;
    sleep(Duration::from_millis(2500)).await;
    store.commit(commit(partition, 2)).await.unwrap();
    store.heartbeat(INCARNATION, 6000).await.unwrap();
}

/// Reads that take all their connections delay neither a commit nor a heartbeat.
#[tokio::test]
async fn reads_do_not_starve_commits() {
    let Some(url) = server::start_or_reuse() else {
        return;
    };
    let (store, partition) = agent(&url).await;
    let store = Arc::new(store);
    let mut locker = admin(&url).await;
    execute(&mut locker, "BEGIN; LOCK TABLE epoch_start; LOCK TABLE topic").await;
    let mut reads = Vec::new();
    for _ in 0..20 {
        let store = store.clone();
        reads.push(tokio::spawn(async move {
            use esker_metastore::Topics;
            store.catalog(0).await
        }));
    }
    sleep(Duration::from_millis(100)).await;
    let soon = Duration::from_millis(300);
    timeout(soon, store.commit(commit(partition, 1)))
        .await
        .unwrap()
        .unwrap();
    timeout(soon, store.heartbeat(INCARNATION, 6000))
        .await
        .unwrap()
        .unwrap();
    execute(&mut locker, "ROLLBACK").await;
    for read in reads {
        let _ = read.await.unwrap();
    }
    let missing = PartitionKey {
        partition: 9,
        ..partition
    };
    assert_eq!(store.heads(&[missing]).await, Ok(vec![None]));
}
