//! Commit: a small one of one extent, and one of 1,600 extents over 640 partitions in three segments of 640, 640
//! and 320 runs, each run of a producer of its partition's own. A run is one batch of 10 records.
//!
//! Here on SQLite in memory, which commits on the caller's thread. The tables grow from run to run, as they do.

use std::collections::BTreeMap;
use std::sync::Arc;

use esker_metastore::benching::{GroupCommits, appended};
use esker_metastore::sqlite::SqliteMetastore;
use esker_metastore::{
    AgentProfile, CommitReply, CommitRequest, Metastore, MetastoreMetrics, NewTopic, Registration,
};
use esker_model::{ClusterEpoch, ClusterId, IncarnationId, TopicKey, TopicUuid};
use tokio::runtime::Runtime;
use uuid::Uuid;

use crate::agent::StillClock;
use crate::inputs::{NOW_MS, PARTITIONS};
use crate::{Stage, Work, agent};

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
        work(1, self.writer.commits.extents)
    }

    fn prepare(&mut self) {
        self.reply = None;
        self.request = Some(self.writer.commits.request());
    }

    fn run(&mut self) -> u64 {
        let request = self.request.take().expect("prepared");
        let reply = agent::now(&self.runtime, self.writer.store.commit(request)).expect("a commit");
        appended(self.reply.insert(reply)) as u64
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

/// One agent, as the metastore sees it.
pub(super) struct Writer {
    pub store: Arc<dyn Metastore>,
    pub commits: GroupCommits,
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
            commits: GroupCommits {
                incarnation,
                topic,
                partitions: PARTITIONS,
                extents,
                first_producer: Some(number as i64 * i64::from(PARTITIONS)),
                batch_bytes: BATCH_BYTES,
                max_timestamp: NOW_MS,
                segments: 0,
                calls: 0,
            },
        }
    }
}
