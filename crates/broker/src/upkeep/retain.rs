//! Retention: log starts move over archived records that topics need not keep, and what lies below them is forgotten.
//!
//! What holds: a log start moves first, in the metastore, and from the beginning of the log on; the objects go a grace
//! period after the last records in them were forgotten. What is not merged yet is judged by the metastore, a chunk at a
//! time; what a manifest lists by who can read it, a merged segment at a time. The configs are those of the catalog, so
//! a change counts from the next round on. Every call is right by itself: a round that stops half-way is continued by
//! the next, and a call that fails does not keep a round from the others.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use esker_metastore::{JobReport, MetastoreError, RetainRequest, Ripe};
use esker_model::PartitionKey;
use esker_model::planted::{Mistake, planted};
use esker_storage::StoreError;
use esker_storage::manifest::Entry;
use futures::{StreamExt, stream};
use tracing::{info, warn};

use super::Upkeep;
use super::job::{Lease, Work};
use crate::manifests;
use crate::topics::TopicState;

/// Between two rounds (Kafka's `log.retention.check.interval.ms`).
const EVERY_MAX: Duration = Duration::from_secs(5 * 60);

/// Partitions of one call.
const PARTITIONS_AT_ONCE: usize = 1_000;

/// Chunks that one call forgets; a full call is followed by another.
const FORGET_AT_ONCE: usize = 2_000;

/// Manifests that are read at a time.
const READS_MAX: usize = 4;

/// The job of one incarnation.
pub(super) struct Retain {
    upkeep: Upkeep,
    /// Log starts that moved.
    moved: u64,
    chunks: u64,
    failures: u64,
}

#[async_trait]
impl Work for Retain {
    const NAME: &'static str = "retain";

    fn every(&self) -> Duration {
        EVERY_MAX.min(self.upkeep.interval)
    }

    async fn round(&mut self, lease: &Lease) {
        let (moved, chunks) = (self.moved, self.chunks);
        if let Err(err) = self.one_round(lease).await {
            self.failures += 1;
            warn!(%err, "retention is left to the next round");
        }
        if (moved, chunks) != (self.moved, self.chunks) {
            info!(
                partitions = self.moved - moved,
                chunks = self.chunks - chunks,
                "records went by their topics' retention"
            );
        }
    }

    fn report(&self) -> JobReport {
        [
            ("moved", self.moved),
            ("chunks", self.chunks),
            ("failures", self.failures),
        ]
        .map(|(name, number)| (name.to_owned(), number as i64))
        .into()
    }
}

impl Retain {
    pub(super) fn new(upkeep: Upkeep) -> Self {
        Self {
            upkeep,
            moved: 0,
            chunks: 0,
            failures: 0,
        }
    }

    /// Goes over all topics, then forgets what lies below log starts. A call that fails holds up nothing behind it; the
    /// first failure is told.
    async fn one_round(&mut self, lease: &Lease) -> Result<(), MetastoreError> {
        let topics = self.upkeep.catalog.all();
        let requests: Vec<RetainRequest> = topics.iter().flat_map(|topic| requests(topic)).collect();
        let mut outcome = Ok(());
        for part in requests.chunks(PARTITIONS_AT_ONCE) {
            if !lease.renew().await {
                return outcome;
            }
            outcome = outcome.and(self.retain(part).await);
        }
        outcome.and(self.forget(lease).await)
    }

    /// Moves the log starts of some partitions.
    async fn retain(&mut self, part: &[RetainRequest]) -> Result<(), MetastoreError> {
        let metastore = Arc::clone(&self.upkeep.metastore);
        let reply = metastore.retain(part).await?;
        self.moved += reply.moved.len() as u64;
        let starts = self.listed_starts(reply.ripe).await;
        if !starts.is_empty() && !planted(Mistake::ListedStays) {
            metastore.advance_log_start(&starts).await?;
            self.moved += starts.len() as u64;
        }
        Ok(())
    }

    /// Forgets what lies below log starts.
    async fn forget(&mut self, lease: &Lease) -> Result<(), MetastoreError> {
        loop {
            let chunks = self.upkeep.metastore.drop_archived(FORGET_AT_ONCE).await?;
            self.chunks += chunks;
            if chunks < FORGET_AT_ONCE as u64 || !lease.renew().await {
                return Ok(());
            }
        }
    }

    /// Where logs begin from now on whose manifests list what may go.
    async fn listed_starts(&mut self, ripe: Vec<Ripe>) -> Vec<(PartitionKey, i64)> {
        let upkeep = &self.upkeep;
        let starts: Vec<_> = stream::iter(ripe)
            .map(|one| async move { (one.request.partition, listed_start(upkeep, &one).await) })
            .buffered(READS_MAX)
            .collect()
            .await;
        let mut moved = Vec::with_capacity(starts.len());
        for (partition, start) in starts {
            match start {
                Ok(start) => moved.extend(start.map(|start| (partition, start))),
                Err(err) => {
                    self.failures += 1;
                    warn!(%partition, %err, "a manifest cannot be read: its records stay until the next round");
                }
            }
        }
        moved
    }
}

/// The first offset that stays of what a manifest lists; `None` if nothing may go.
async fn listed_start(upkeep: &Upkeep, ripe: &Ripe) -> Result<Option<i64>, StoreError> {
    let (cache, bucket) = (upkeep.cache.as_ref(), &upkeep.bucket);
    let root = manifests::read_once(cache, bucket, ripe.manifest.id).await?;
    let mut judge = Judge {
        ripe,
        bytes: ripe.bytes_behind + root.bytes(),
        start: ripe.log_start,
    };
    for leaf in &root.leaves {
        let leaf = manifests::read_once(cache, bucket, leaf.id).await?;
        if !judge.goes_over(&leaf.entries) {
            return Ok(judge.moved());
        }
    }
    judge.goes_over(&root.entries);
    Ok(judge.moved())
}

/// Goes over entries from the beginning of the log on.
struct Judge<'a> {
    ripe: &'a Ripe,
    /// Bytes of what was not gone over yet.
    bytes: u64,
    start: i64,
}

impl Judge<'_> {
    /// Passes what may go; `false` at the first entry that stays.
    fn goes_over(&mut self, entries: &[Entry]) -> bool {
        for entry in entries {
            let behind = self.bytes.saturating_sub(entry.bytes());
            if entry.end_offset() > self.ripe.log_start && !self.may_go(entry, behind) {
                if planted(Mistake::RetainTooFewListed) {
                    self.start = entry.end_offset();
                }
                return false;
            }
            self.bytes = behind;
            self.start = self.start.max(entry.end_offset());
        }
        true
    }

    fn may_go(&self, entry: &Entry, behind: u64) -> bool {
        let request = &self.ripe.request;
        let time = match entry.max_timestamp() {
            -1 => entry.archived_ms(),
            timestamp => timestamp,
        };
        let old = |ms: i64| time < self.ripe.now_ms.saturating_sub(ms);
        request.ms.is_some_and(old) || request.bytes.is_some_and(|bytes| behind >= bytes)
    }

    fn moved(&self) -> Option<i64> {
        (self.start > self.ripe.log_start).then_some(self.start)
    }
}

/// What the partitions of a topic keep; none for a topic that keeps everything.
fn requests(topic: &TopicState) -> Vec<RetainRequest> {
    let config = &topic.config;
    if !config.delete || (config.retention_ms.is_none() && config.retention_bytes.is_none()) {
        return Vec::new();
    }
    (0..topic.topic.partitions)
        .filter_map(|index| topic.partition(index))
        .map(|partition| RetainRequest {
            partition,
            ms: config.retention_ms,
            bytes: config.retention_bytes,
        })
        .collect()
}
