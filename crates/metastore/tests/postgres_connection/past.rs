//! A server with another past: reads go on, commits wait until it is accepted.

use esker_metastore::postgres::{self, PostgresMetastore};
use esker_metastore::{
    AgentProfile, Agents, ArchiveRequest, Archives, Commits, Coordinators, GroupChange, GroupWrites, Groups,
    Jobs, MergeRequest, Merges, MetastoreError, NewTopic, Producers, Reads, Registration, StateChange,
    Sweeps, Topics,
};
use esker_model::groups::shard_of;
use esker_model::{ClusterEpoch, IncarnationId, LogId, SegmentId, SegmentKind, TopicUuid};
use uuid::Uuid;

use crate::{INCARNATION, admin, agent, commit, config, execute, server};

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

/// Ids and keys that a failover lost are with producers and in agents' memories: nobody else may get them.
#[tokio::test]
async fn what_is_given_out_by_counting_is_not_given_out_again() {
    let Some(url) = server::start_or_reuse() else {
        return;
    };
    let (store, partition) = agent(&url).await;
    let mut admin = admin(&url).await;
    let before = store.allocate_producer_ids(10).await.unwrap();
    let version = store.catalog(0).await.unwrap().version;
    execute(&mut admin, "UPDATE cluster SET timeline = timeline - 1").await;
    // The agent knows the later timeline: it may be one of those that saw what was lost.
    let refused = store.allocate_producer_ids(10).await;
    assert!(
        matches!(refused, Err(MetastoreError::DifferentPast { .. })),
        "{refused:?}"
    );
    let refused = store.create_topics(&[topic(3, "other")]).await;
    assert!(
        matches!(refused, Err(MetastoreError::DifferentPast { .. })),
        "{refused:?}"
    );
    let refused = store.delete_topics(&[TopicUuid(Uuid::from_u128(2))]).await;
    assert!(
        matches!(refused, Err(MetastoreError::DifferentPast { .. })),
        "{refused:?}"
    );
    assert_eq!(store.catalog(0).await.unwrap().version, version);
    for _ in 0..2 {
        postgres::accept_past(&url).await.unwrap();
    }
    let after = store.allocate_producer_ids(10).await.unwrap();
    assert!((1 << 20..1 << 21).contains(&(after - before)), "{before} {after}");
    let other = store
        .create_topics(&[topic(3, "other")])
        .await
        .unwrap()
        .remove(0)
        .unwrap();
    assert!((1 << 20..1 << 21).contains(&(other.key.0 - partition.topic.0)));
    assert!(other.version - version > 1 << 20);
    // What an agent knows of topics and of groups' configs may be lost as well: it is told of all there are, once.
    let catalog = store.catalog(version).await.unwrap();
    assert!(catalog.groups_anew);
    let told: Vec<_> = catalog.changed.iter().map(|topic| topic.key).collect();
    assert_eq!(told, [partition.topic, other.key]);
    let later = store.catalog(catalog.version).await.unwrap();
    assert!(!later.groups_anew && later.changed.is_empty());
}

fn topic(uuid: u128, name: &str) -> NewTopic {
    NewTopic {
        uuid: TopicUuid(Uuid::from_u128(uuid)),
        name: name.into(),
        partitions: 1,
        replication_factor: 1,
        configs: Default::default(),
    }
}

/// What a job would write then is refused, so no job begins.
#[tokio::test]
async fn nobody_does_a_job_until_another_past_is_accepted() {
    let Some(url) = server::start_or_reuse() else {
        return;
    };
    let (store, _) = agent(&url).await;
    let mut admin = admin(&url).await;
    assert_eq!(store.claim_job("archive", INCARNATION, 60_000, 0).await, Ok(true));
    execute(&mut admin, "UPDATE cluster SET timeline = timeline - 1").await;
    for job in ["archive", "sweep"] {
        let refused = store.claim_job(job, INCARNATION, 60_000, 0).await;
        assert!(
            matches!(refused, Err(MetastoreError::DifferentPast { timeline: 1, .. })),
            "{refused:?}"
        );
    }
    postgres::accept_past(&url).await.unwrap();
    assert_eq!(store.claim_job("archive", INCARNATION, 60_000, 0).await, Ok(true));
}

/// Who holds a shard may be lost, and what its groups kept.
#[tokio::test]
async fn nobody_coordinates_until_another_past_is_accepted() {
    let Some(url) = server::start_or_reuse() else {
        return;
    };
    let (store, _) = agent(&url).await;
    let mut admin = admin(&url).await;
    let shard = shard_of("group");
    let owners = store.claim_shards(INCARNATION, &[shard]).await.unwrap();
    let writes = GroupWrites {
        incarnation: INCARNATION,
        number: 1,
        changes: vec![GroupChange {
            lease: owners[0].lease,
            group: "group".into(),
            state: StateChange::Put {
                state: b"state".to_vec().into(),
                empty: true,
            },
            members: Vec::new(),
            offsets: Vec::new(),
        }],
    };
    execute(&mut admin, "UPDATE cluster SET timeline = timeline - 1").await;
    for refused in [
        store.claim_shards(INCARNATION, &[]).await.err(),
        store.claim_shards(INCARNATION, &[shard]).await.err(),
        store.write_groups(&writes).await.err(),
    ] {
        assert!(
            matches!(refused, Some(MetastoreError::DifferentPast { timeline: 1, .. })),
            "{refused:?}"
        );
    }
    let stored = store.load_groups(INCARNATION, owners[0].lease, None, 10).await;
    assert_eq!(stored, Ok(Some(vec![])), "what is read goes on");
    postgres::accept_past(&url).await.unwrap();
    assert_eq!(store.write_groups(&writes).await, Ok(vec![true]));
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

/// A server that lost commits does not know what the bucket's objects are needed for, and must not point at others.
#[tokio::test]
async fn what_may_have_lost_commits_calls_nothing_an_orphan() {
    let Some(url) = server::start_or_reuse() else {
        return;
    };
    let (store, partition) = agent(&url).await;
    let mut admin = admin(&url).await;
    let segment = SegmentId {
        kind: SegmentKind::Archive,
        epoch: ClusterEpoch(1),
        incarnation: IncarnationId(Uuid::from_u128(77)),
        seq: 1,
    };
    let log = LogId {
        topic: TopicUuid(Uuid::from_u128(2)),
        partition: 0,
    };
    let nothing = MergeRequest {
        epoch: ClusterEpoch(1),
        incarnation: INCARNATION,
        partitions: vec![],
    };
    let no_move = ArchiveRequest {
        epoch: ClusterEpoch(1),
        incarnation: INCARNATION,
        partitions: vec![],
    };
    execute(&mut admin, "UPDATE cluster SET timeline = timeline - 1").await;
    let (epoch, incarnations) = (ClusterEpoch(1), [INCARNATION]);
    for refused in [
        store.orphans(epoch, &[segment]).await.map(drop),
        store.references(epoch, &incarnations, &[log]).await.map(drop),
        store.merge(&nothing).await.map(drop),
        store.move_archived(&no_move).await.map(drop),
    ] {
        assert!(
            matches!(refused, Err(MetastoreError::DifferentPast { timeline: 1, .. })),
            "{refused:?}"
        );
    }
    assert!(store.heads(&[partition]).await.unwrap()[0].is_some());
    postgres::accept_past(&url).await.unwrap();
    // It still does not know what those from before made known, whoever they were.
    let restarted = PostgresMetastore::connect(config(&url)).await.unwrap();
    restarted.leave(INCARNATION).await.unwrap();
    let of = |incarnation| SegmentId {
        incarnation,
        ..segment
    };
    let asked = [segment, of(INCARNATION)];
    assert_eq!(restarted.orphans(epoch, &asked).await, Ok(vec![]));
    let incarnations = [INCARNATION, segment.incarnation];
    let references = restarted.references(epoch, &incarnations, &[log]).await.unwrap();
    assert_eq!(references.live, [true, true]);
    assert!(references.logs[0].exists);
    // Of whoever came since it knows everything.
    let since = IncarnationId(Uuid::from_u128(78));
    let registration = Registration {
        node_name: "since".to_owned(),
        incarnation: since,
        epoch,
        profile: AgentProfile::default(),
    };
    restarted.register(&registration).await.unwrap();
    restarted.leave(since).await.unwrap();
    assert_eq!(restarted.orphans(epoch, &[of(since)]).await, Ok(vec![of(since)]));
    let references = restarted.references(epoch, &[since], &[]).await.unwrap();
    assert_eq!(references.live, [false]);
}

/// The clock of the server before was ahead of this one's.
#[tokio::test]
async fn who_registered_with_a_server_whose_clock_was_ahead_is_from_before_all_the_same() {
    let Some(url) = server::start_or_reuse() else {
        return;
    };
    let (store, _) = agent(&url).await;
    let mut admin = admin(&url).await;
    let ahead = "UPDATE agent SET registered_at = registered_at + interval '1 hour'";
    execute(&mut admin, ahead).await;
    execute(&mut admin, "UPDATE cluster SET timeline = timeline - 1").await;
    postgres::accept_past(&url).await.unwrap();
    store.leave(INCARNATION).await.unwrap();
    let segment = SegmentId {
        kind: SegmentKind::Archive,
        epoch: ClusterEpoch(1),
        incarnation: INCARNATION,
        seq: 1,
    };
    let restarted = PostgresMetastore::connect(config(&url)).await.unwrap();
    assert_eq!(restarted.orphans(ClusterEpoch(1), &[segment]).await, Ok(vec![]));
    let references = restarted.references(ClusterEpoch(1), &[INCARNATION], &[]).await;
    assert_eq!(references.unwrap().live, [true]);
}
