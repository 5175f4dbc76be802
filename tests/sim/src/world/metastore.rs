//! The metastore as one process reaches it.
//!
//! A call is a request, an effect and a reply, each after its delay. The effect happens whatever becomes of
//! the caller; when the connection breaks, the caller does not know whether, and it may even come after.

mod groups;
mod upkeep;

use std::result::Result as StdResult;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use esker_metastore::sqlite::SqliteMetastore;
use esker_metastore::*;
use esker_model::seams::Rng;
use esker_model::{ClusterId, IncarnationId, PartitionKey, TopicUuid};
use tokio::sync::oneshot;

use super::World;
use super::reach::Reach;
use super::tasks::Tasks;

/// The latest that a call takes effect whose caller has lost the connection: the server ends a statement
/// that runs longer.
const LATE_MAX_MS: u64 = 4_000;

/// How long a caller waits for a connection, or for an answer that does not come.
const SILENCE_MS: (u64, u64) = (300, 6_000);

/// A process's client of the metastore.
pub(super) struct ProcessMetastore {
    pub(super) world: Arc<World>,
    pub(super) who: String,
    pub(super) process: Arc<Tasks>,
    pub(super) reach: Arc<Reach>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Fate {
    Done,
    LostRequest,
    LostReply,
    Late,
    Refused,
}

/// Whether a call changes anything: then a lost reply leaves its outcome unknown.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Reads,
    Writes,
}

impl ProcessMetastore {
    fn fate(&self) -> Fate {
        let weather = self.world.weather().metastore;
        let chances = [
            (weather.lost_request, Fate::LostRequest),
            (weather.lost_reply, Fate::LostReply),
            (weather.late, Fate::Late),
            (weather.refused, Fate::Refused),
        ];
        let mut at = self.world.rng.below(1000) as u32;
        for (chance, fate) in chances {
            if at < chance {
                return fate;
            }
            at -= chance;
        }
        Fate::Done
    }

    fn is_cut(&self) -> bool {
        self.reach.now().metastore || self.world.weather.read().metastore.down
    }

    async fn silence(&self) {
        tokio::time::sleep(self.world.between_ms(SILENCE_MS.0, SILENCE_MS.1)).await;
    }

    fn lost<T>(kind: Kind) -> Result<T> {
        let why = "the connection was lost".to_owned();
        Err(match kind {
            Kind::Reads => MetastoreError::Unavailable(why),
            Kind::Writes => MetastoreError::UnknownOutcome(why),
        })
    }

    fn trace(&self, what: &str, detail: u64) {
        let world = &self.world;
        tracing::trace!(who = %self.who, detail, "{what}");
        world.trace.add(world.record.now_us(), &self.who, what, detail);
    }

    async fn call<T, F, E>(&self, what: &'static str, kind: Kind, effect: E) -> Result<T>
    where
        T: Send + 'static,
        F: Future<Output = Result<T>> + Send,
        E: FnOnce(Arc<SqliteMetastore>) -> F + Send + 'static,
    {
        self.call_late(what, kind, LATE_MAX_MS, effect).await
    }

    /// A call that may take effect so long after its sender gave it up.
    async fn call_late<T, F, E>(
        &self,
        what: &'static str,
        kind: Kind,
        late_max_ms: u64,
        effect: E,
    ) -> Result<T>
    where
        T: Send + 'static,
        F: Future<Output = Result<T>> + Send,
        E: FnOnce(Arc<SqliteMetastore>) -> F + Send + 'static,
    {
        if self.is_cut() {
            self.silence().await;
            return Err(MetastoreError::Unavailable("no connection".to_owned()));
        }
        let range = self.world.weather.read().metastore.call;
        let (there, back) = (self.world.between(range), self.world.between(range));
        let fate = self.fate();
        self.trace(what, fate as u64);
        match fate {
            Fate::Refused => {
                tokio::time::sleep(there).await;
                return Err(MetastoreError::Unavailable(
                    "could not serialize access".to_owned(),
                ));
            }
            Fate::LostRequest => {
                self.silence().await;
                return Self::lost(kind);
            }
            _ => {}
        }
        let delay = match fate {
            Fate::Late => self.world.between_ms(10, late_max_ms),
            _ => there,
        };
        let mut answer = self.send(what, delay, effect);
        if fate == Fate::Late {
            tokio::time::sleep(there).await;
            return Self::lost(kind);
        }
        let answered = (&mut answer).await;
        if fate == Fate::LostReply {
            // Sometimes the connection breaks at once, sometimes it falls silent.
            if self.world.chance(500) {
                self.silence().await;
            }
            return Self::lost(kind);
        }
        tokio::time::sleep(back).await;
        if self.is_cut() {
            self.silence().await;
            return Self::lost(kind);
        }
        answered.unwrap_or_else(|_| Self::lost(kind))
    }

    fn send<T, F, E>(&self, what: &'static str, delay: Duration, effect: E) -> oneshot::Receiver<Result<T>>
    where
        T: Send + 'static,
        F: Future<Output = Result<T>> + Send,
        E: FnOnce(Arc<SqliteMetastore>) -> F + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let (world, who) = (Arc::clone(&self.world), self.who.clone());
        tokio::task::spawn(async move {
            if !delay.is_zero() {
                tokio::time::sleep(delay).await;
            }
            let result = effect(Arc::clone(&world.database)).await;
            world
                .trace
                .add(world.record.now_us(), &who, what, 100 + u64::from(result.is_ok()));
            let _ = reply.send(result);
        });
        answer
    }
}

#[async_trait]
impl Commits for ProcessMetastore {
    async fn commit(&self, request: CommitRequest) -> Result<CommitReply> {
        self.call("commit", Kind::Writes, move |db| async move {
            db.commit(request).await
        })
        .await
    }

    async fn settle(&self, incarnation: IncarnationId, seqs: &[u64]) -> Result<Vec<Settled>> {
        let seqs = seqs.to_vec();
        self.call("settle", Kind::Writes, move |db| async move {
            db.settle(incarnation, &seqs).await
        })
        .await
    }
}

#[async_trait]
impl Reads for ProcessMetastore {
    async fn heads(&self, partitions: &[PartitionKey]) -> Result<Vec<Option<Head>>> {
        let partitions = partitions.to_vec();
        self.call("heads", Kind::Reads, move |db| async move {
            db.heads(&partitions).await
        })
        .await
    }

    async fn plan(&self, requests: &[PlanRequest]) -> Result<Vec<Plan>> {
        let requests = requests.to_vec();
        self.call(
            "plan",
            Kind::Reads,
            move |db| async move { db.plan(&requests).await },
        )
        .await
    }

    async fn find_by_time(&self, requests: &[TimeRequest]) -> Result<Vec<TimeReply>> {
        let requests = requests.to_vec();
        self.call("find_by_time", Kind::Reads, move |db| async move {
            db.find_by_time(&requests).await
        })
        .await
    }

    async fn stored_bytes(
        &self,
        partitions: &[PartitionKey],
        extents_max: usize,
    ) -> Result<Vec<Option<u64>>> {
        let partitions = partitions.to_vec();
        self.call("stored_bytes", Kind::Reads, move |db| async move {
            db.stored_bytes(&partitions, extents_max).await
        })
        .await
    }
}

#[async_trait]
impl Topics for ProcessMetastore {
    async fn catalog(&self, since: i64) -> Result<Catalog> {
        self.call("catalog", Kind::Reads, move |db| async move {
            db.catalog(since).await
        })
        .await
    }

    async fn create_topics(&self, topics: &[NewTopic]) -> Result<Vec<StdResult<Topic, CreateTopicRefusal>>> {
        let topics = topics.to_vec();
        self.call("create_topics", Kind::Writes, move |db| async move {
            db.create_topics(&topics).await
        })
        .await
    }

    async fn delete_topics(&self, topics: &[TopicUuid]) -> Result<Vec<bool>> {
        let topics = topics.to_vec();
        self.call("delete_topics", Kind::Writes, move |db| async move {
            db.delete_topics(&topics).await
        })
        .await
    }

    async fn create_partitions(
        &self,
        requests: &[NewPartitions],
    ) -> Result<Vec<StdResult<Topic, CreatePartitionsRefusal>>> {
        let requests = requests.to_vec();
        self.call("create_partitions", Kind::Writes, move |db| async move {
            db.create_partitions(&requests).await
        })
        .await
    }

    async fn alter_configs(&self, changes: &[ConfigChange]) -> Result<Vec<StdResult<Altered, AlterRefusal>>> {
        let changes = changes.to_vec();
        self.call("alter_configs", Kind::Writes, move |db| async move {
            db.alter_configs(&changes).await
        })
        .await
    }
}

#[async_trait]
impl Producers for ProcessMetastore {
    async fn allocate_producer_ids(&self, count: u32) -> Result<i64> {
        self.call("allocate_producer_ids", Kind::Writes, move |db| async move {
            db.allocate_producer_ids(count).await
        })
        .await
    }

    async fn forget_idle_producers(&self, idle_ms: i64, limit: u32) -> Result<u64> {
        self.call("forget_idle_producers", Kind::Writes, move |db| async move {
            db.forget_idle_producers(idle_ms, limit).await
        })
        .await
    }

    async fn active_producers(
        &self,
        partitions: &[PartitionKey],
        limit: u32,
    ) -> Result<Vec<Vec<ActiveProducer>>> {
        let partitions = partitions.to_vec();
        self.call("active_producers", Kind::Reads, move |db| async move {
            db.active_producers(&partitions, limit).await
        })
        .await
    }
}

#[async_trait]
impl Agents for ProcessMetastore {
    async fn register(&self, registration: &Registration) -> Result<Registered> {
        let registration = registration.clone();
        self.call("register", Kind::Writes, move |db| async move {
            db.register(&registration).await
        })
        .await
    }

    async fn heartbeat(&self, incarnation: IncarnationId, liveness_ms: i64) -> Result<Heartbeat> {
        self.call("heartbeat", Kind::Writes, move |db| async move {
            db.heartbeat(incarnation, liveness_ms).await
        })
        .await
    }

    async fn fence_expired(
        &self,
        incarnations: &[IncarnationId],
        liveness_ms: i64,
    ) -> Result<Vec<IncarnationId>> {
        let incarnations = incarnations.to_vec();
        self.call("fence_expired", Kind::Writes, move |db| async move {
            db.fence_expired(&incarnations, liveness_ms).await
        })
        .await
    }

    async fn announce_leave(&self, incarnation: IncarnationId) -> Result<()> {
        self.call("announce_leave", Kind::Writes, move |db| async move {
            db.announce_leave(incarnation).await
        })
        .await
    }

    async fn leave(&self, incarnation: IncarnationId) -> Result<()> {
        self.call("leave", Kind::Writes, move |db| async move {
            db.leave(incarnation).await
        })
        .await
    }
}

#[async_trait]
impl Clusters for ProcessMetastore {
    async fn cluster(&self) -> Result<Option<Cluster>> {
        self.call(
            "cluster",
            Kind::Reads,
            move |db| async move { db.cluster().await },
        )
        .await
    }

    async fn init_cluster(&self, id: &ClusterId) -> Result<Cluster> {
        let id = id.clone();
        self.call("init_cluster", Kind::Writes, move |db| async move {
            db.init_cluster(&id).await
        })
        .await
    }

    async fn bucket_bound(&self) -> Result<()> {
        self.call("bucket_bound", Kind::Writes, move |db| async move {
            db.bucket_bound().await
        })
        .await
    }
}
