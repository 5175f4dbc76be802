//! A fresh database, metastores on it, and the control over pauses.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use esker_metastore::postgres::{self, PostgresConfig, PostgresMetastore};
use esker_metastore::{AgentProfile, Agents, Clusters, NewTopic, Registration, Topic, Topics};
use esker_model::{ClusterEpoch, ClusterId, IncarnationId, TopicUuid};
use sqlx::{Connection, PgConnection, Row};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};
use uuid::Uuid;

use crate::functions::{self, Mistake};
use crate::server;

pub(crate) const EPOCH: ClusterEpoch = ClusterEpoch(1);

/// A session that was seen waiting so often in a row is blocked.
const SEEN_WAITING: u32 = 4;
const LOOK_EVERY: Duration = Duration::from_millis(5);
const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) struct World {
    url: String,
    admin: PgConnection,
    ids: AtomicU64,
}

impl World {
    /// `None` without Postgres.
    pub(crate) async fn new(sleep_ms: u32, mistake: Option<&Mistake>) -> Option<Self> {
        let url = server::start_or_reuse()?;
        postgres::migrate(&url).await.unwrap();
        let mut admin = PgConnection::connect(&url).await.unwrap();
        functions::install(&mut admin, sleep_ms, mistake).await;
        let world = Self {
            url,
            admin,
            ids: AtomicU64::new(1),
        };
        let id = ClusterId("concurrent".into());
        world.store().await.init_cluster(&id).await.unwrap();
        Some(world)
    }

    pub(crate) async fn store(&self) -> Arc<PostgresMetastore> {
        let config = PostgresConfig::new(&self.url);
        Arc::new(PostgresMetastore::connect(config).await.unwrap())
    }

    pub(crate) async fn connect(&self) -> PgConnection {
        PgConnection::connect(&self.url).await.unwrap()
    }

    pub(crate) fn id(&self) -> Uuid {
        Uuid::from_u128(u128::from(self.ids.fetch_add(1, Ordering::Relaxed)))
    }

    pub(crate) async fn agent(&self, name: &str) -> Agent {
        let store = self.store().await;
        let incarnation = IncarnationId(self.id());
        store.register(&registration(name, incarnation)).await.unwrap();
        Agent { store, incarnation }
    }

    pub(crate) fn new_topic(&self, partitions: i32) -> NewTopic {
        let uuid = self.id();
        NewTopic {
            uuid: TopicUuid(uuid),
            name: format!("topic-{uuid}"),
            partitions,
            replication_factor: 1,
            configs: BTreeMap::new(),
        }
    }

    pub(crate) async fn topic(&self, store: &PostgresMetastore, partitions: i32) -> Topic {
        let topic = self.new_topic(partitions);
        store.create_topics(&[topic]).await.unwrap().remove(0).unwrap()
    }

    /// From now on whoever comes to the pause stops there.
    pub(crate) async fn hold(&mut self, pause: &str) {
        self.admin("SELECT pg_advisory_lock(1, abs(hashtext($1)))", pause)
            .await;
    }

    /// Lets go on whoever stopped there.
    pub(crate) async fn release(&mut self, pause: &str) {
        self.admin("SELECT pg_advisory_unlock(1, abs(hashtext($1)))", pause)
            .await;
    }

    async fn admin(&mut self, sql: &'static str, pause: &str) {
        sqlx::query(sql)
            .bind(pause)
            .execute(&mut self.admin)
            .await
            .unwrap();
    }

    /// Waits until `count` transactions stopped at the pause.
    pub(crate) async fn wait_for(&mut self, pause: &str, count: i64) {
        let waiting = "SELECT count(*) FROM pg_locks
             WHERE locktype = 'advisory' AND classid = 1 AND NOT granted AND objid::bigint = abs(hashtext($1))
                 AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";
        let arrived = async {
            loop {
                let row = sqlx::query(waiting)
                    .bind(pause)
                    .fetch_one(&mut self.admin)
                    .await
                    .unwrap();
                if row.get::<i64, _>(0) >= count {
                    return;
                }
                sleep(LOOK_EVERY).await;
            }
        };
        timeout(PATIENCE, arrived)
            .await
            .unwrap_or_else(|_| panic!("{count} did not come to {pause:?}"));
    }

    /// Waits until a task either ends or is blocked in Postgres, beside the one transaction that stopped at a
    /// pause; whether it is blocked.
    pub(crate) async fn is_blocked<T>(&mut self, task: &JoinHandle<T>) -> bool {
        let waiting = "SELECT count(*) FROM pg_stat_activity
             WHERE datname = current_database() AND wait_event_type = 'Lock'";
        let decided = async {
            let mut seen = 0;
            while seen < SEEN_WAITING {
                if task.is_finished() {
                    return false;
                }
                let row = sqlx::query(waiting).fetch_one(&mut self.admin).await.unwrap();
                seen = if row.get::<i64, _>(0) >= 2 { seen + 1 } else { 0 };
                sleep(LOOK_EVERY).await;
            }
            true
        };
        timeout(PATIENCE, decided)
            .await
            .expect("a task that neither ends nor waits")
    }

    pub(crate) fn connection(&mut self) -> &mut PgConnection {
        &mut self.admin
    }
}

pub(crate) fn registration(name: &str, incarnation: IncarnationId) -> Registration {
    Registration {
        node_name: name.to_owned(),
        incarnation,
        epoch: EPOCH,
        profile: AgentProfile::default(),
    }
}

#[derive(Clone)]
pub(crate) struct Agent {
    pub(crate) store: Arc<PostgresMetastore>,
    pub(crate) incarnation: IncarnationId,
}

/// Starts something that may block.
pub(crate) fn start<T: Send + 'static>(future: impl Future<Output = T> + Send + 'static) -> JoinHandle<T> {
    tokio::spawn(future)
}

/// What a task returned.
pub(crate) async fn end<T>(task: JoinHandle<T>) -> T {
    timeout(PATIENCE, task)
        .await
        .expect("a task that never ends")
        .unwrap()
}
