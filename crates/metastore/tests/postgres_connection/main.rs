//! What an agent sees of Postgres when something is wrong with it: connections, schemas, servers.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods
)]

use esker_harness::throwaway_postgres as server;

mod losses;
mod misconfigured;
mod past;
mod schema;

use std::collections::BTreeMap;
use std::time::Duration;

use esker_metastore::postgres::{self, PostgresConfig, PostgresMetastore};
use esker_metastore::{
    AgentProfile, Agents, Clusters, CommitRequest, NewTopic, Registration, RunBatch, RunCommit,
    SegmentCommit, Topics,
};
use esker_model::{ClusterEpoch, ClusterId, IncarnationId, PartitionKey, TopicUuid};
use sqlx::{Connection, PgConnection};
use uuid::Uuid;

const INCARNATION: IncarnationId = IncarnationId(Uuid::from_u128(1));

/// Short deadlines, so that tests need not wait.
fn config(url: &str) -> PostgresConfig {
    PostgresConfig {
        connect_timeout: Duration::from_secs(3),
        lock_timeout: Duration::from_millis(500),
        ..PostgresConfig::new(url)
    }
}

/// A migrated database with one agent and one topic of one partition.
async fn agent(url: &str) -> (PostgresMetastore, PartitionKey) {
    postgres::migrate(url).await.unwrap();
    let store = PostgresMetastore::connect(config(url)).await.unwrap();
    store.init_cluster(&ClusterId("test".into())).await.unwrap();
    let registration = Registration {
        node_name: "node".into(),
        incarnation: INCARNATION,
        epoch: ClusterEpoch(1),
        profile: AgentProfile::default(),
    };
    store.register(&registration).await.unwrap();
    let topic = NewTopic {
        uuid: TopicUuid(Uuid::from_u128(2)),
        name: "topic".into(),
        partitions: 1,
        replication_factor: 1,
        configs: BTreeMap::new(),
    };
    let topic = store.create_topics(&[topic]).await.unwrap().remove(0).unwrap();
    let partition = PartitionKey {
        topic: topic.key,
        partition: 0,
    };
    (store, partition)
}

fn commit(partition: PartitionKey, seq: u64) -> CommitRequest {
    CommitRequest {
        epoch: ClusterEpoch(1),
        incarnation: INCARNATION,
        settled_through: 0,
        segments: vec![SegmentCommit {
            seq,
            object_bytes: 100,
            runs: vec![RunCommit {
                partition,
                producer: None,
                position: 0,
                batches: vec![RunBatch {
                    records: 1,
                    bytes: 100,
                }],
                max_timestamp: 1,
                transactional: false,
            }],
        }],
    }
}

async fn admin(url: &str) -> PgConnection {
    PgConnection::connect(url).await.unwrap()
}

async fn execute(connection: &mut PgConnection, sql: &'static str) {
    sqlx::raw_sql(sql).execute(connection).await.unwrap();
}
