//! Migrations: repeatable, side by side, and checked at every connection.

use esker_metastore::postgres::{self, PostgresMetastore, SCHEMA_KNOWN, SCHEMA_NEEDED};
use esker_metastore::{Agents, Archives, Clusters, Commits, MetastoreError, Reads, Removals, Sweeps, Topics};
use esker_model::{ClusterEpoch, LogId, PartitionKey, SegmentId, SegmentKind, TopicUuid};
use sqlx::Row;
use uuid::Uuid;

use crate::{INCARNATION, admin, agent, commit, config, execute, server};

#[tokio::test]
async fn an_empty_database_needs_a_migration() {
    let Some(url) = server::start_or_reuse() else {
        return;
    };
    assert_eq!(postgres::schema_version(&url).await, Ok(0));
    let error = PostgresMetastore::connect(config(&url)).await.err();
    let not_migrated = MetastoreError::NotMigrated {
        found: 0,
        needed: SCHEMA_NEEDED,
    };
    assert_eq!(error, Some(not_migrated));
}

#[tokio::test]
async fn migrations_at_the_same_time_apply_once() {
    let Some(url) = server::start_or_reuse() else {
        return;
    };
    let (one, two, three) = tokio::join!(
        postgres::migrate(&url),
        postgres::migrate(&url),
        postgres::migrate(&url)
    );
    let reports = [one.unwrap(), two.unwrap(), three.unwrap()];
    assert!(reports.iter().all(|report| report.to == SCHEMA_KNOWN));
    let applied: usize = reports.iter().map(|report| report.applied.len()).sum();
    assert_eq!(applied as i64, SCHEMA_KNOWN);
    assert_eq!(postgres::schema_version(&url).await, Ok(SCHEMA_KNOWN));
}

#[tokio::test]
async fn repeating_a_migration_beside_an_agent_changes_nothing() {
    let Some(url) = server::start_or_reuse() else {
        return;
    };
    let (store, partition) = agent(&url).await;
    store.commit(commit(partition, 1)).await.unwrap();
    let report = postgres::migrate(&url).await.unwrap();
    assert_eq!((report.from, report.applied.len()), (SCHEMA_KNOWN, 0));
    let reply = store.commit(commit(partition, 2)).await.unwrap();
    assert_eq!(reply.heads[0].1.next_offset, 2);
}

/// As the release before left it, with an agent of that release at work.
#[tokio::test]
async fn a_database_of_the_release_before_is_brought_up_to_date() {
    let Some(url) = server::start_or_reuse() else {
        return;
    };
    let (store, partition) = agent(&url).await;
    store.commit(commit(partition, 1)).await.unwrap();
    let mut admin = admin(&url).await;
    execute(
        &mut admin,
        "DROP FUNCTION archived_in_v2, move_archived_v2, stored_bytes_v1;
         ALTER TABLE producer_partition DROP COLUMN from_zero;
         DROP FUNCTION catalog_v2, alter_configs_v2;
         DROP TABLE group_config, group_config_emptied;
         DROP FUNCTION expire_offsets_v2, old_offsets_v1, forget_offsets_v1;
         DELETE FROM schema_migration WHERE version > 8",
    )
    .await;
    let not_migrated = MetastoreError::NotMigrated {
        found: 8,
        needed: SCHEMA_NEEDED,
    };
    assert_eq!(
        PostgresMetastore::connect(config(&url)).await.err(),
        Some(not_migrated)
    );
    // Nobody who writes is waited for, nor has to wait.
    let mut open = crate::admin(&url).await;
    execute(
        &mut open,
        "BEGIN; LOCK TABLE cluster, agent, topic, log_head, segment, extent IN ROW EXCLUSIVE MODE",
    )
    .await;
    let report = postgres::migrate(&url).await.unwrap();
    execute(&mut open, "ROLLBACK").await;
    let applied = vec![
        "moves_above_log_start",
        "from_zero",
        "stored_bytes",
        "group_configs",
        "old_offsets",
        "alter_configs_by_index",
    ];
    assert_eq!((report.from, report.applied), (8, applied));
    store.commit(commit(partition, 2)).await.unwrap();
    let restarted = PostgresMetastore::connect(config(&url)).await.unwrap();
    let segment = SegmentId {
        kind: SegmentKind::Archive,
        epoch: ClusterEpoch(1),
        incarnation: INCARNATION,
        seq: 1,
    };
    assert_eq!(restarted.archived_in(&[segment]).await, Ok(vec![]));
}

/// Functions that the release before calls, on the schema of this one.
#[tokio::test]
async fn agents_of_the_release_before_go_on_living() {
    let Some(url) = server::start_or_reuse() else {
        return;
    };
    let (store, _) = agent(&url).await;
    let mut admin = admin(&url).await;
    let theirs = sqlx::query("SELECT * FROM heartbeat_v1($1, 6000)").bind(INCARNATION.0);
    let theirs = theirs.fetch_one(&mut admin).await.unwrap();
    let ours = store.heartbeat(INCARNATION, 6_000).await.unwrap();
    assert_eq!(theirs.get::<Uuid, _>("o_incarnation"), INCARNATION.0);
    assert_eq!(theirs.get::<i64, _>("o_catalog_version"), ours.catalog_version);
    assert!(!theirs.get::<bool, _>("o_expired"));
}

#[tokio::test]
async fn agents_of_the_release_before_go_on_creating() {
    let Some(url) = server::start_or_reuse() else {
        return;
    };
    let (store, partition) = agent(&url).await;
    let mut admin = admin(&url).await;
    execute(
        &mut admin,
        "SELECT * FROM create_topics_v1(ARRAY[gen_random_uuid()], ARRAY['theirs'], ARRAY[1],
                                        ARRAY[1::smallint], ARRAY['{}']);
         SELECT * FROM create_partitions_v1(
             ARRAY(SELECT topic_uuid FROM topic WHERE name = 'theirs'), ARRAY[3])",
    )
    .await;
    execute(
        &mut admin,
        "SELECT * FROM alter_configs_v1(
             ARRAY(SELECT topic_uuid FROM topic WHERE name = 'theirs'), ARRAY[false], ARRAY['{\"a\": \"1\"}'])",
    )
    .await;
    let told = sqlx::query("SELECT * FROM catalog_v1(0)").fetch_all(&mut admin);
    let catalog = store.catalog(0).await.unwrap();
    assert_eq!(told.await.unwrap().len(), catalog.changed.len());
    let theirs = catalog
        .changed
        .iter()
        .find(|topic| topic.name == "theirs")
        .unwrap();
    assert_eq!(theirs.partitions, 3);
    assert_eq!(theirs.configs["a"], "1");
    let last = PartitionKey {
        topic: theirs.key,
        partition: 2,
    };
    for (seq, to) in [(1, partition), (2, last)] {
        let reply = store.commit(commit(to, seq)).await.unwrap();
        assert_eq!(reply.heads[0].1.next_offset, 1);
    }
}

#[tokio::test]
async fn agents_of_the_release_before_go_on_keeping_and_deleting() {
    let Some(url) = server::start_or_reuse() else {
        return;
    };
    let (store, partition) = agent(&url).await;
    store.commit(commit(partition, 1)).await.unwrap();
    let mut admin = admin(&url).await;
    execute(
        &mut admin,
        "SELECT * FROM plan_v2(ARRAY[1], ARRAY[0], ARRAY[0], ARRAY[1000], ARRAY[10]);
         SELECT * FROM find_by_time_v2(ARRAY[1], ARRAY[0], ARRAY[true], ARRAY[0], ARRAY[0]);
         SELECT * FROM retain_v1(ARRAY[1], ARRAY[0], ARRAY[1], ARRAY[1]);
         SELECT drop_archived_v1(10);
         SELECT * FROM archived_in_v1(ARRAY[gen_random_uuid()], ARRAY[1]);
         SELECT move_archived_v1(1, p.o_system, p.o_timeline, '00000000-0000-0000-0000-000000000001', '{}', '{}', '{}',
                                 '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}')
         FROM past_v1() p;
         SELECT * FROM release_v1(ARRAY[0::smallint], ARRAY[gen_random_uuid()], ARRAY[1]);
         SELECT * FROM unneeded_v1(0, 10);
         SELECT forget_segments_v1(ARRAY[0::smallint], ARRAY[gen_random_uuid()], ARRAY[1]);
         INSERT INTO manifest SELECT topic_id, 0, 1, 1, gen_random_uuid(), 1, 100, 0, 0, 0, 0, 0, 0, 0 FROM topic;
         SELECT * FROM delete_topics_v2(ARRAY(SELECT topic_uuid FROM topic))",
    )
    .await;
    let manifests = sqlx::query("SELECT count(*) FROM manifest");
    let manifests: i64 = manifests.fetch_one(&mut admin).await.unwrap().get(0);
    assert_eq!(manifests, 0);
    assert_eq!(
        store.topics_to_empty(0, 10).await.map(|topics| topics.len()),
        Ok(1)
    );
    let log = LogId {
        topic: TopicUuid(Uuid::from_u128(2)),
        partition: 0,
    };
    let references = store.references(ClusterEpoch(1), &[], &[log]).await.unwrap();
    assert!(!references.logs[0].exists);
    assert_eq!(store.heads(&[partition]).await, Ok(vec![None]));
}

/// Columns that change all the time are in no index, be it as a key or in its condition: then updates stay HOT, and
/// a heartbeat waits for nobody.
#[tokio::test]
async fn updates_stay_hot() {
    let Some(url) = server::start_or_reuse() else {
        return;
    };
    postgres::migrate(&url).await.unwrap();
    let mut admin = admin(&url).await;
    let indexed = "SELECT a.attrelid::regclass::text || '.' || a.attname
         FROM pg_index i
         JOIN pg_depend d ON d.classid = 'pg_class'::regclass AND d.objid = i.indexrelid
             AND d.refclassid = 'pg_class'::regclass AND d.refobjid = i.indrelid
         JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = d.refobjsubid
         WHERE i.indrelid = ANY ($1::text[]::regclass[])
         UNION
         SELECT a.attrelid::regclass::text || '.' || a.attname
         FROM pg_index i
         JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey)
         WHERE i.indrelid = ANY ($1::text[]::regclass[])
         ORDER BY 1";
    let tables = [
        "agent",
        "log_head",
        "coordinator_shard",
        "consumer_group",
        "group_member",
        "group_offset",
    ];
    let rows = sqlx::query(indexed)
        .bind(&tables[..])
        .fetch_all(&mut admin)
        .await
        .unwrap();
    let indexed: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
    let expected = [
        "agent.incarnation",
        "agent.node_id",
        "agent.state",
        "consumer_group.id",
        "consumer_group.shard",
        "coordinator_shard.shard",
        "group_member.group_key",
        "group_member.member_id",
        "group_offset.group_key",
        "group_offset.partition",
        "group_offset.topic_id",
        "log_head.partition",
        "log_head.topic_id",
    ];
    assert_eq!(indexed, expected);
}

#[tokio::test]
async fn a_newer_schema_is_refused() {
    let Some(url) = server::start_or_reuse() else {
        return;
    };
    postgres::migrate(&url).await.unwrap();
    let mut admin = admin(&url).await;
    execute(
        &mut admin,
        "INSERT INTO schema_migration (version, name) VALUES (1000, 'later')",
    )
    .await;
    let too_new = MetastoreError::TooNew {
        found: 1000,
        known: SCHEMA_KNOWN,
    };
    assert_eq!(
        PostgresMetastore::connect(config(&url)).await.err(),
        Some(too_new.clone())
    );
    assert_eq!(postgres::migrate(&url).await.err(), Some(too_new));
}

/// What a later release may leave behind: a migration that says who can still use the schema.
#[tokio::test]
async fn a_newer_schema_that_leaves_what_is_needed_is_used() {
    let Some(url) = server::start_or_reuse() else {
        return;
    };
    postgres::migrate(&url).await.unwrap();
    let mut admin = admin(&url).await;
    let later = format!(
        "ALTER TABLE schema_migration ADD COLUMN usable_from bigint;
         INSERT INTO schema_migration (version, name, usable_from) VALUES ({}, 'later', {SCHEMA_KNOWN})",
        SCHEMA_KNOWN + 1
    );
    sqlx::raw_sql(sqlx::AssertSqlSafe(later))
        .execute(&mut admin)
        .await
        .unwrap();
    let report = postgres::migrate(&url).await.unwrap();
    assert_eq!((report.from, report.to), (SCHEMA_KNOWN + 1, SCHEMA_KNOWN + 1));
    assert!(report.applied.is_empty());
    let store = PostgresMetastore::connect(config(&url)).await.unwrap();
    assert!(store.cluster().await.is_ok());

    // One that takes something away from it ends that.
    let removes = format!(
        "INSERT INTO schema_migration (version, name, usable_from) VALUES ({0}, 'removes', {0})",
        SCHEMA_KNOWN + 2
    );
    sqlx::raw_sql(sqlx::AssertSqlSafe(removes))
        .execute(&mut admin)
        .await
        .unwrap();
    let too_new = MetastoreError::TooNew {
        found: SCHEMA_KNOWN + 2,
        known: SCHEMA_KNOWN,
    };
    assert_eq!(
        PostgresMetastore::connect(config(&url)).await.err(),
        Some(too_new)
    );
}
