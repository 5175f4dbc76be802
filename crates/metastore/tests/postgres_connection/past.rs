//! A server with another past: reads go on, commits wait until it is accepted.

use esker_metastore::postgres::{self, PostgresMetastore};
use esker_metastore::{Commits, MetastoreError, Reads};

use crate::{admin, agent, commit, config, execute, server};

#[tokio::test]
async fn commits_wait_until_another_past_is_accepted() {
    let Some(url) = server::start_or_reuse() else {
        return;
    };
    let (store, partition) = agent(&url).await;
    let mut admin = admin(&url).await;
    // As after a failover: the server is on a later timeline than the cluster last saw.
    execute(&mut admin, "UPDATE cluster SET timeline = timeline - 1").await;
    let restarted = PostgresMetastore::connect(config(&url)).await.unwrap();
    for store in [&store, &restarted] {
        let result = store.commit(commit(partition, 1)).await;
        assert!(
            matches!(result, Err(MetastoreError::DifferentPast { timeline: 1, .. })),
            "{result:?}"
        );
        assert!(store.heads(&[partition]).await.unwrap()[0].is_some());
    }
    postgres::accept_past(&url).await.unwrap();
    restarted.commit(commit(partition, 1)).await.unwrap();
}

/// The row of a primary that was left behind agrees with itself; the agent knows better.
#[tokio::test]
async fn an_agent_that_saw_a_later_past_does_not_believe_an_earlier_one() {
    let Some(url) = server::start_or_reuse() else {
        return;
    };
    let (_, partition) = agent(&url).await;
    let mut admin = admin(&url).await;
    execute(&mut admin, "UPDATE cluster SET timeline = timeline + 1").await;
    let store = PostgresMetastore::connect(config(&url)).await.unwrap();
    execute(&mut admin, "UPDATE cluster SET timeline = timeline - 1").await;
    for _ in 0..2 {
        let result = store.commit(commit(partition, 1)).await;
        assert!(
            matches!(result, Err(MetastoreError::DifferentPast { .. })),
            "{result:?}"
        );
    }
}

#[tokio::test]
async fn another_system_is_not_believed_without_a_new_start() {
    let Some(url) = server::start_or_reuse() else {
        return;
    };
    let (_, partition) = agent(&url).await;
    let mut admin = admin(&url).await;
    execute(
        &mut admin,
        "UPDATE cluster SET system_identifier = system_identifier - 1",
    )
    .await;
    let store = PostgresMetastore::connect(config(&url)).await.unwrap();
    postgres::accept_past(&url).await.unwrap();
    let result = store.commit(commit(partition, 1)).await;
    assert!(
        matches!(result, Err(MetastoreError::DifferentPast { .. })),
        "{result:?}"
    );
    let restarted = PostgresMetastore::connect(config(&url)).await.unwrap();
    restarted.commit(commit(partition, 1)).await.unwrap();
}
