//! One agent as the metastore sees it, which commits segments; nothing is in a bucket.

use std::collections::BTreeMap;
use std::future::Future;

use esker_metastore::benching::appended;
use esker_metastore::postgres::{PostgresConfig, PostgresMetastore, migrate};
use esker_metastore::{
    AgentProfile, Agents, Clusters, CommitRequest, Commits, MetastoreError, NewTopic, Registration, RunBatch,
    RunCommit, SegmentCommit, Topic, Topics,
};
use esker_model::{ClusterEpoch, ClusterId, IncarnationId, PartitionKey, SegmentId, SegmentKind, TopicUuid};
use tokio::runtime::Runtime;
use uuid::Uuid;

use super::merge::Merged;

pub(super) const PARTITIONS: usize = 1000;
/// Extents of each segment: so many partitions in turn.
pub(super) const EXTENTS: usize = 200;
/// Of an ingest segment that is full.
pub(super) const SEGMENT_BYTES: u64 = 8 << 20;
pub(super) const RUN_BYTES: u64 = SEGMENT_BYTES / EXTENTS as u64;
const RUN_RECORDS: i32 = (RUN_BYTES / 1024) as i32;

/// The agent.
pub(super) struct Agent {
    runtime: Runtime,
    pub store: PostgresMetastore,
    pub incarnation: IncarnationId,
    topic: Topic,
    /// Names that were given so far.
    ingest: u64,
    pub archive: u64,
    pub merged: u64,
    pub manifests: u64,
    /// What the manifest of each partition lists.
    pub listed: Vec<Vec<Merged>>,
}

pub(super) fn failed(error: MetastoreError) -> String {
    format!("the metastore: {error}")
}

impl Agent {
    /// Registers with an empty database, and makes a topic that keeps everything.
    pub(super) fn new(url: &str) -> Result<Self, String> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|err| format!("no runtime: {err}"))?;
        let incarnation = IncarnationId(Uuid::from_u128(1));
        let (store, topic) = runtime.block_on(register(url, incarnation)).map_err(failed)?;
        Ok(Self {
            runtime,
            store,
            incarnation,
            topic,
            ingest: 0,
            archive: 0,
            merged: 0,
            manifests: 0,
            listed: vec![Vec::new(); PARTITIONS],
        })
    }

    /// Waits for one call.
    pub(super) fn wait<T>(&self, call: impl Future<Output = Result<T, MetastoreError>>) -> Result<T, String> {
        self.runtime.block_on(call).map_err(failed)
    }

    pub(super) fn segment(&self, kind: SegmentKind, seq: u64) -> SegmentId {
        SegmentId {
            kind,
            epoch: ClusterEpoch(1),
            incarnation: self.incarnation,
            seq,
        }
    }

    /// Commits so many segments in one call.
    pub(super) fn commit(&mut self, segments: u64) -> Result<(), String> {
        let request = CommitRequest {
            epoch: ClusterEpoch(1),
            incarnation: self.incarnation,
            settled_through: self.ingest,
            segments: (1..=segments)
                .map(|more| self.filled(self.ingest + more))
                .collect(),
        };
        let reply = self.wait(self.store.commit(request))?;
        self.ingest += segments;
        match appended(&reply) {
            count if count as u64 == segments * EXTENTS as u64 => Ok(()),
            count => Err(format!("only {count} runs were appended")),
        }
    }

    fn filled(&self, seq: u64) -> SegmentCommit {
        let run = |at: usize| RunCommit {
            partition: PartitionKey {
                topic: self.topic.key,
                partition: ((seq as usize * EXTENTS + at) % PARTITIONS) as i32,
            },
            producer: None,
            position: at as u64 * RUN_BYTES,
            batches: vec![RunBatch {
                records: RUN_RECORDS,
                bytes: RUN_BYTES as u32,
            }],
            max_timestamp: 7,
            transactional: false,
        };
        SegmentCommit {
            seq,
            object_bytes: SEGMENT_BYTES,
            runs: (0..EXTENTS).map(run).collect(),
        }
    }
}

async fn register(
    url: &str,
    incarnation: IncarnationId,
) -> Result<(PostgresMetastore, Topic), MetastoreError> {
    migrate(url).await?;
    let store = PostgresMetastore::connect(PostgresConfig::new(url)).await?;
    store.init_cluster(&ClusterId("bench".into())).await?;
    let registration = Registration {
        node_name: "bench".to_owned(),
        incarnation,
        epoch: ClusterEpoch(1),
        profile: AgentProfile::default(),
    };
    store.register(&registration).await?;
    let topic = NewTopic {
        uuid: TopicUuid(incarnation.0),
        name: "bench".to_owned(),
        partitions: PARTITIONS as i32,
        replication_factor: 1,
        configs: BTreeMap::from([("retention.ms".to_owned(), "-1".to_owned())]),
    };
    let mut created = store.create_topics(&[topic]).await?;
    match created.pop() {
        Some(Ok(topic)) => Ok((store, topic)),
        _ => Err(MetastoreError::Misconfigured("the topic exists already".into())),
    }
}
