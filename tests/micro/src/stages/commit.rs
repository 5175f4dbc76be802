//! Commit: a small one of one extent, and one of 1,600 extents over 640 partitions in three segments of 640, 640
//! and 320 runs, each run of a producer of its partition's own. A run is one batch of 10 records.
//!
//! Here on SQLite in memory, which commits on the caller's thread. The tables grow from run to run, as they do.

use std::collections::BTreeMap;
use std::sync::Arc;

use esker_metastore::sqlite::SqliteMetastore;
use esker_metastore::{
    AgentProfile, CommitReply, CommitRequest, Metastore, MetastoreMetrics, NewTopic, Registration, RunBatch,
    RunCommit, RunProducer, SegmentCommit,
};
use esker_model::sequence::Outcome;
use esker_model::{
    ClusterEpoch, ClusterId, IncarnationId, PartitionKey, ProducerEpoch, ProducerId, TopicKey, TopicUuid,
};
use tokio::runtime::Runtime;
use uuid::Uuid;

use crate::agent::StillClock;
use crate::inputs::{MIB, NOW_MS, PARTITIONS};
use crate::{Stage, Work, agent};

const RECORDS: i32 = 10;
const BATCH_BYTES: u32 = 10_340;

struct Commit {
    runtime: Runtime,
    writer: Writer,
    request: Option<CommitRequest>,
    reply: Option<CommitReply>,
}

pub(super) fn in_memory(extents: usize) -> Box<dyn Stage> {
    let runtime = agent::runtime();
    let writer = runtime.block_on(async {
        let clock = Arc::new(StillClock);
        let store = SqliteMetastore::in_memory(clock, MetastoreMetrics::default()).unwrap();
        let store: Arc<dyn Metastore> = Arc::new(store);
        let topic = set_up(&*store).await;
        Writer::new(store, topic, 0, extents).await
    });
    Box::new(Commit {
        runtime,
        writer,
        request: None,
        reply: None,
    })
}

/// What one run of `writers` does.
pub(super) fn work(writers: usize, extents: usize) -> Work {
    Work {
        bytes: 0,
        items: (writers * extents) as u64,
        item: "extent",
        comes_out: (writers * extents) as u64,
    }
}

impl Stage for Commit {
    fn work(&self) -> Work {
        work(1, self.writer.extents)
    }

    fn prepare(&mut self) {
        self.reply = None;
        self.request = Some(self.writer.request());
    }

    fn run(&mut self) -> u64 {
        let request = self.request.take().expect("prepared");
        let reply = agent::now(&self.runtime, self.writer.store.commit(request)).expect("a commit");
        appended(self.reply.insert(reply))
    }
}

/// A cluster with a topic of 640 partitions.
pub(super) async fn set_up(store: &dyn Metastore) -> TopicKey {
    store.init_cluster(&ClusterId("micro".into())).await.unwrap();
    let topic = NewTopic {
        uuid: TopicUuid(Uuid::from_u128(1)),
        name: "micro".into(),
        partitions: PARTITIONS,
        replication_factor: 1,
        configs: BTreeMap::new(),
    };
    let created = store.create_topics(&[topic]).await.unwrap();
    created[0].as_ref().expect("the topic is new").key
}

/// How many runs were appended whole.
pub(super) fn appended(reply: &CommitReply) -> u64 {
    let runs = reply.segments.iter().flat_map(|segment| &segment.runs);
    let whole = runs.filter(
        |pieces| matches!(pieces[..], [ref piece] if matches!(piece.outcome, Outcome::Appended { .. })),
    );
    whole.count() as u64
}

/// One agent, as the metastore sees it.
pub(super) struct Writer {
    pub store: Arc<dyn Metastore>,
    pub extents: usize,
    incarnation: IncarnationId,
    topic: TopicKey,
    first_producer: i64,
    seq: u64,
    commits: usize,
}

impl Writer {
    /// Registers; `number` tells writers to the same topic apart.
    pub(super) async fn new(
        store: Arc<dyn Metastore>,
        topic: TopicKey,
        number: usize,
        extents: usize,
    ) -> Self {
        let incarnation = IncarnationId(Uuid::from_u128(number as u128 + 1));
        let registration = Registration {
            node_name: format!("micro-{number}"),
            incarnation,
            epoch: ClusterEpoch(1),
            profile: AgentProfile::default(),
        };
        store.register(&registration).await.unwrap();
        // Ids that were never given out are as good as others.
        Self {
            store,
            extents,
            incarnation,
            topic,
            first_producer: number as i64 * i64::from(PARTITIONS),
            seq: 0,
            commits: 0,
        }
    }

    /// The next commit: at most one run of each partition in a segment.
    pub(super) fn request(&mut self) -> CommitRequest {
        let settled_through = self.seq;
        let mut extents = 0..self.extents;
        let mut segments = Vec::new();
        while !extents.is_empty() {
            let runs = extents.by_ref().take(PARTITIONS as usize);
            let runs = runs.map(|at| self.run(at)).collect();
            self.seq += 1;
            segments.push(SegmentCommit {
                seq: self.seq,
                object_bytes: 8 * MIB,
                runs,
            });
        }
        self.commits += 1;
        CommitRequest {
            epoch: ClusterEpoch(1),
            incarnation: self.incarnation,
            settled_through,
            segments,
        }
    }

    fn run(&self, at: usize) -> RunCommit {
        let (round, partition) = (at / PARTITIONS as usize, at % PARTITIONS as usize);
        // Sequences go on from run to run and from commit to commit.
        let rounds = (self.extents - partition).div_ceil(PARTITIONS as usize);
        let runs_before = self.commits * rounds + round;
        RunCommit {
            partition: PartitionKey {
                topic: self.topic,
                partition: partition as i32,
            },
            producer: Some(RunProducer {
                id: ProducerId(self.first_producer + partition as i64),
                epoch: ProducerEpoch(0),
                first_sequence: (runs_before * RECORDS as usize) as i32,
            }),
            position: partition as u64 * u64::from(BATCH_BYTES),
            batches: vec![RunBatch {
                records: RECORDS,
                bytes: BATCH_BYTES,
            }],
            max_timestamp: NOW_MS,
            transactional: false,
        }
    }
}
