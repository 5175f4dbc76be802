//! A metastore to test, with its clock, and short ways to say what the cases say often.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use esker_metastore::postgres::{self, PostgresConfig, PostgresMetastore};
use esker_metastore::sqlite::SqliteMetastore;
use esker_metastore::*;
use esker_model::seams::{Clock, Instant, SystemClock};
use esker_model::sequence::Piece;
use esker_model::{ClusterEpoch, ClusterId, IncarnationId, PartitionKey, TopicUuid};
use uuid::Uuid;

use crate::postgres_server;
use crate::reference::Reference;

/// A fresh store.
pub struct World {
    pub store: Box<dyn Metastore>,
    /// `None`: the store lives in real time.
    clock: Option<Arc<TestClock>>,
    ids: AtomicU64,
    /// Goes after the store: fields drop in order.
    _directory: Option<tempfile::TempDir>,
}

/// An incarnation that writes segments.
pub struct Writer {
    pub incarnation: IncarnationId,
    next_seq: AtomicU64,
}

pub const EPOCH: ClusterEpoch = ClusterEpoch(1);
/// Longer than any test runs.
pub const LONG_MS: i64 = 3_600_000;

impl World {
    fn new(store: Box<dyn Metastore>, clock: Option<Arc<TestClock>>) -> Self {
        Self {
            store,
            clock,
            ids: AtomicU64::new(1),
            _directory: None,
        }
    }

    /// A store that lives in real time.
    pub fn of(store: Box<dyn Metastore>) -> Self {
        Self::new(store, None)
    }

    pub fn sqlite_memory() -> Self {
        let clock = Arc::new(TestClock::default());
        let store = SqliteMetastore::in_memory(clock.clone(), MetastoreMetrics::default()).unwrap();
        Self::new(Box::new(store), Some(clock))
    }

    pub fn reference() -> Self {
        let clock = Arc::new(TestClock::default());
        Self::new(Box::new(Reference::new(clock.clone())), Some(clock))
    }

    pub fn sqlite_file() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let clock = Arc::new(TestClock::default());
        let path: PathBuf = directory.path().join("esker.db");
        let store = SqliteMetastore::open(&path, clock.clone(), MetastoreMetrics::default()).unwrap();
        Self {
            _directory: Some(directory),
            ..Self::new(Box::new(store), Some(clock))
        }
    }

    /// `None` where there is no Postgres.
    pub async fn postgres() -> Option<Self> {
        let url = postgres_server::start_or_reuse()?;
        postgres::migrate(&url).await.unwrap();
        let store = PostgresMetastore::connect(PostgresConfig::new(url))
            .await
            .unwrap();
        Some(Self::of(Box::new(store)))
    }

    /// Lets at least this much time pass on the store's clock.
    pub async fn pass(&self, ms: i64) {
        match &self.clock {
            Some(clock) => clock.advance(ms),
            None => tokio::time::sleep(Duration::from_millis(ms as u64)).await,
        }
    }

    /// What the store's clock shows.
    pub fn now_ms(&self) -> i64 {
        match &self.clock {
            Some(clock) => clock.wall_ms(),
            // Postgres runs on this machine: its clock is the machine's.
            None => SystemClock::new().wall_ms(),
        }
    }

    /// Moves the clock a little, where it stands still by itself.
    pub fn tick(&self) {
        if let Some(clock) = &self.clock {
            clock.advance(7);
        }
    }

    pub fn id(&self) -> Uuid {
        // Random ones would be as good; these are easy to read in a failure.
        Uuid::from_u128(u128::from(self.ids.fetch_add(1, Ordering::Relaxed)) << 64 | 0xe5)
    }

    pub async fn init(&self) -> Cluster {
        let id = ClusterId("wHmWSyTPTH-B5wJFMxVvlg".to_owned());
        self.store.init_cluster(&id).await.unwrap()
    }

    /// Registers a new incarnation of a node, in a cluster that is set up.
    pub async fn writer(&self, node_name: &str) -> Writer {
        self.init().await;
        let incarnation = IncarnationId(self.id());
        self.store
            .register(&registration(node_name, incarnation))
            .await
            .unwrap();
        Writer::of(incarnation)
    }

    pub async fn topic(&self, name: &str, partitions: i32) -> Topic {
        let created = self
            .store
            .create_topics(&[self.new_topic(name, partitions)])
            .await;
        created.unwrap().remove(0).unwrap()
    }

    pub fn new_topic(&self, name: &str, partitions: i32) -> NewTopic {
        NewTopic {
            uuid: TopicUuid(self.id()),
            name: name.to_owned(),
            partitions,
            replication_factor: 3,
            configs: Default::default(),
        }
    }

    /// A topic with one partition; returns that.
    pub async fn partition(&self) -> PartitionKey {
        at(&self.topic("orders", 1).await, 0)
    }

    /// Commits runs as one segment; returns their pieces.
    pub async fn commit(&self, writer: &Writer, runs: Vec<RunCommit>) -> Vec<Vec<Piece>> {
        let mut reply = self.commit_segments(writer, vec![runs]).await;
        reply.segments.remove(0).runs
    }

    /// Commits segments in one call.
    pub async fn commit_segments(&self, writer: &Writer, segments: Vec<Vec<RunCommit>>) -> CommitReply {
        let request = writer.request(segments);
        let seqs: Vec<_> = request.segments.iter().map(|segment| segment.seq).collect();
        let reply = self.store.commit(request).await.unwrap();
        let answered: Vec<_> = reply.segments.iter().map(|segment| segment.seq).collect();
        assert_eq!(answered, seqs);
        reply
    }

    pub async fn head(&self, partition: PartitionKey) -> Option<Head> {
        self.store.heads(&[partition]).await.unwrap().remove(0)
    }

    pub async fn next_offset(&self, partition: PartitionKey) -> i64 {
        self.head(partition).await.unwrap().next_offset
    }

    /// All extents from an offset on.
    pub async fn extents(&self, partition: PartitionKey, from: i64) -> Vec<Extent> {
        let mut plans = self.store.plan(&[plan_from(partition, from)]).await.unwrap();
        plans.remove(0).extents
    }
}

impl Writer {
    pub fn of(incarnation: IncarnationId) -> Self {
        Self {
            incarnation,
            next_seq: AtomicU64::new(1),
        }
    }

    /// A request for the next segments.
    pub fn request(&self, segments: Vec<Vec<RunCommit>>) -> CommitRequest {
        let segment = |runs| SegmentCommit {
            seq: self.take_seq(),
            object_bytes: 1_000_000,
            runs,
        };
        CommitRequest {
            epoch: EPOCH,
            incarnation: self.incarnation,
            settled_through: 0,
            segments: segments.into_iter().map(segment).collect(),
        }
    }

    pub fn take_seq(&self) -> u64 {
        self.next_seq.fetch_add(1, Ordering::Relaxed)
    }
}

pub fn registration(node_name: &str, incarnation: IncarnationId) -> Registration {
    Registration {
        node_name: node_name.to_owned(),
        incarnation,
        epoch: EPOCH,
        profile: AgentProfile {
            addresses: vec![AdvertisedAddress {
                listener: "PLAINTEXT".to_owned(),
                host: format!("{node_name}.example"),
                port: 9092,
            }],
            zone: Some("zone-1".to_owned()),
            roles: vec!["serve".to_owned()],
            version: "0.1.0".to_owned(),
            history: HISTORY_READ,
            groups: 1,
        },
    }
}

pub fn at(topic: &Topic, partition: i32) -> PartitionKey {
    PartitionKey {
        topic: topic.key,
        partition,
    }
}

pub fn plan_from(partition: PartitionKey, from: i64) -> PlanRequest {
    PlanRequest {
        partition,
        from,
        bytes_max: u64::MAX,
        extents_max: 10_000,
    }
}

/// Time that moves when told to.
#[derive(Default)]
pub struct TestClock {
    ms: AtomicI64,
}

impl TestClock {
    pub fn starting_at(ms: i64) -> Self {
        Self {
            ms: AtomicI64::new(ms),
        }
    }

    pub fn advance(&self, ms: i64) {
        self.ms.fetch_add(ms, Ordering::Relaxed);
    }
}

impl Clock for TestClock {
    fn now(&self) -> Instant {
        Instant(Duration::from_millis(self.ms.load(Ordering::Relaxed) as u64))
    }

    fn wall_ms(&self) -> i64 {
        1_700_000_000_000 + self.ms.load(Ordering::Relaxed)
    }
}
