//! A metastore made of the pure rules and plain collections, as short as it can be: what the property
//! test compares the real ones with. It passes the conformance suite itself.

mod agents;
mod archive;
mod commits;
mod groups;
mod jobs;
mod merges;
mod reads;
mod removals;
mod retention;
mod sweeps;
mod topics;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

use async_trait::async_trait;
use esker_metastore::*;
use esker_model::seams::Clock;
use esker_model::sequence::Memory;
use esker_model::{
    ClusterEpoch, ClusterId, IncarnationId, LogId, NodeId, ObjectId, PartitionKey, ProducerId, TopicUuid,
};

use crate::world::TestClock;

pub struct Reference {
    state: Mutex<State>,
    clock: Arc<TestClock>,
}

#[derive(Clone, Default)]
struct State {
    cluster_id: Option<ClusterId>,
    bucket_bound: bool,
    catalog_version: i64,
    next_producer_id: i64,
    topics_made: i32,
    /// Topic `i + 1` was made when the ids below the one at index `i` had been given out.
    producer_ids_before: Vec<i64>,
    /// In the order of their making.
    topics: Vec<Topic>,
    /// With the version of the deletion.
    deleted: Vec<(i64, Topic)>,
    /// With the version of the last change.
    group_configs: BTreeMap<Arc<str>, (i64, BTreeMap<String, String>)>,
    /// The version at which a group lost its last config.
    group_configs_emptied: i64,
    logs: BTreeMap<PartitionKey, Log>,
    segments: BTreeMap<(IncarnationId, u64), SegmentRow>,
    archive_segments: BTreeMap<(IncarnationId, u64), ArchiveRow>,
    /// Merged segments and manifests that may go, and since when.
    unneeded: BTreeMap<ObjectId, i64>,
    /// Deleted topics of which something may be left, and when they were deleted.
    to_empty: Vec<(i64, TopicUuid)>,
    jobs: BTreeMap<String, JobRow>,
    /// Node `i + 1` has the name at index `i`.
    nodes: Vec<String>,
    agents: BTreeMap<IncarnationId, AgentRow>,
    shards: groups::Shards,
    groups: BTreeMap<Arc<str>, groups::GroupRow>,
}

#[derive(Clone)]
struct Log {
    log_start: i64,
    next_offset: i64,
    archived_to: i64,
    forgotten_through: i64,
    manifest: Option<ManifestRow>,
    /// Those of records below `archived_to` that no manifest lists.
    archived: Vec<Extent>,
    /// When each of them was.
    archived_ms: Vec<i64>,
    /// The others.
    extents: Vec<Extent>,
    /// With the time of the last change.
    producers: BTreeMap<ProducerId, (Memory, i64)>,
}

impl Default for Log {
    fn default() -> Self {
        Self {
            log_start: 0,
            next_offset: 0,
            archived_to: 0,
            forgotten_through: -1,
            manifest: None,
            archived: Vec::new(),
            archived_ms: Vec::new(),
            extents: Vec::new(),
            producers: BTreeMap::new(),
        }
    }
}

#[derive(Clone)]
struct ManifestRow {
    version: u64,
    manifest: ManifestRef,
    summary: ManifestSummary,
}

#[derive(Clone)]
struct SegmentRow {
    object_bytes: u64,
    /// When it was committed, or tombstoned.
    committed_ms: i64,
    /// `None`: a tombstone.
    reply: Option<SegmentReply>,
    released_ms: Option<i64>,
    /// How much longer it is kept.
    kept_ms: i64,
    /// Its object was removed.
    gone: bool,
}

#[derive(Clone)]
struct JobRow {
    holder: IncarnationId,
    until_ms: i64,
    /// With its time.
    report: Option<(JobReport, i64)>,
    done_ms: Option<i64>,
}

#[derive(Clone)]
struct ArchiveRow {
    object_bytes: u64,
    released_ms: Option<i64>,
    kept_ms: i64,
}

#[derive(Clone, PartialEq)]
enum Life {
    Live,
    Fenced,
    Left,
    Swept,
}

#[derive(Clone)]
struct AgentRow {
    node_id: NodeId,
    life: Life,
    heartbeat_ms: i64,
    settled_through: u64,
    profile: AgentProfile,
}

const EPOCH: ClusterEpoch = ClusterEpoch(1);

impl Reference {
    pub fn new(clock: Arc<TestClock>) -> Self {
        Self {
            state: Mutex::default(),
            clock,
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    fn now_ms(&self) -> i64 {
        self.clock.wall_ms()
    }
}

impl State {
    fn check_epoch(&self, expected: ClusterEpoch) -> Result<()> {
        if expected == EPOCH {
            return Ok(());
        }
        Err(MetastoreError::WrongEpoch {
            expected: expected.0,
            found: EPOCH.0,
        })
    }

    fn check_fence(&self, incarnation: IncarnationId) -> Result<()> {
        match self.agents.get(&incarnation) {
            Some(agent) if agent.life == Life::Live => Ok(()),
            _ => Err(MetastoreError::Fenced),
        }
    }

    fn lives(&self, incarnation: IncarnationId) -> bool {
        self.check_fence(incarnation).is_ok()
    }

    fn log_id(&self, key: PartitionKey) -> LogId {
        let topic = self.topics.iter().find(|topic| topic.key == key.topic);
        LogId {
            topic: topic.unwrap().uuid,
            partition: key.partition,
        }
    }

    fn cluster(&self) -> Option<Cluster> {
        Some(Cluster {
            id: self.cluster_id.clone()?,
            epoch: EPOCH,
            bucket_bound: self.bucket_bound,
        })
    }
}

impl Log {
    fn head(&self) -> Head {
        Head {
            log_start: self.log_start,
            next_offset: self.next_offset,
            last_stable_offset: self.next_offset,
            archived_to: self.archived_to,
        }
    }

    /// The manifest, if it lists records from an offset on.
    fn listed(&self, from: i64) -> Option<ManifestRef> {
        let row = self.manifest.as_ref()?;
        Some(row.manifest)
            .filter(|manifest| manifest.base_offset < manifest.end_offset && from < manifest.end_offset)
    }

    /// What readers are told of, ascending by offset.
    fn readable(&self) -> impl Iterator<Item = &Extent> {
        self.archived.iter().chain(&self.extents)
    }
}

#[async_trait]
impl Clusters for Reference {
    async fn cluster(&self) -> Result<Option<Cluster>> {
        Ok(self.state().cluster())
    }

    async fn init_cluster(&self, id: &ClusterId) -> Result<Cluster> {
        let mut state = self.state();
        state.cluster_id.get_or_insert_with(|| id.clone());
        Ok(state.cluster().unwrap())
    }

    async fn bucket_bound(&self) -> Result<()> {
        self.state().bucket_bound = true;
        Ok(())
    }
}

#[async_trait]
impl Producers for Reference {
    async fn allocate_producer_ids(&self, count: u32) -> Result<i64> {
        let mut state = self.state();
        state.next_producer_id += i64::from(count);
        Ok(state.next_producer_id - i64::from(count))
    }

    async fn forget_idle_producers(&self, idle_ms: i64, limit: u32) -> Result<u64> {
        let before = self.now_ms() - idle_ms;
        let mut state = self.state();
        let mut idle: Vec<_> = state
            .logs
            .iter()
            .flat_map(|(key, log)| log.producers.iter().map(|(id, (_, at))| (*at, *key, *id)))
            .filter(|(at, _, _)| *at <= before)
            .collect();
        idle.sort_unstable();
        idle.truncate(limit as usize);
        for (_, key, id) in &idle {
            let log = state.logs.get_mut(key).unwrap();
            log.producers.remove(id);
            log.forgotten_through = log.forgotten_through.max(id.0);
        }
        Ok(idle.len() as u64)
    }

    async fn active_producers(
        &self,
        partitions: &[PartitionKey],
        limit: u32,
    ) -> Result<Vec<Vec<ActiveProducer>>> {
        let state = self.state();
        let active = |partition| {
            let producers = state
                .logs
                .get(partition)
                .into_iter()
                .flat_map(|log| &log.producers);
            let mut known: Vec<_> = producers
                .filter_map(|(id, (memory, at))| match memory {
                    Memory::Known(known) => Some((-at, *id, known)),
                    Memory::Noted { .. } => None,
                })
                .collect();
            known.sort_unstable_by_key(|(at, id, _)| (*at, *id));
            known.truncate(limit as usize);
            known.sort_unstable_by_key(|(_, id, _)| *id);
            let told = known.into_iter().map(|(_, id, known)| ActiveProducer {
                id,
                epoch: known.epoch,
                last_sequence: known.last,
                last_timestamp: known.runs.back().unwrap().max_timestamp,
            });
            told.collect()
        };
        Ok(partitions.iter().map(active).collect())
    }
}
