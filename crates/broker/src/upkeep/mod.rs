//! Background work that any agent with the role `upkeep` does, so that the metastore stays small and the bucket holds
//! what is needed.
//!
//! What holds: every job may be done by several agents at once and may stop at any point, because each step is one call
//! that is right by itself; a lease only keeps them from doing the same work. A failed step is left to the next round.
//! Jobs end with the incarnation.

mod archive;
mod producers;
mod remove;
mod retain;

use std::sync::Arc;
use std::time::Duration;

use esker_metastore::Metastore;
use esker_model::seams::Seams;
use esker_storage::bucket::Bucket;
use esker_storage::cache::SegmentCache;
use tracing::warn;

use crate::membership::Membership;
use crate::metrics::ArchiveMetrics;
use crate::produce::RecentSegments;
use crate::topics::Catalog;

/// The role that an agent needs for this work.
pub(crate) const ROLE: &str = "upkeep";

/// How long a job is left to the agent that took it.
const LEASE: Duration = Duration::from_secs(60);

/// Between two rounds of retention (Kafka's `log.retention.check.interval.ms`).
const RETAIN_INTERVAL: Duration = Duration::from_secs(5 * 60);

/// What the jobs work on.
#[derive(Clone)]
pub(crate) struct Upkeep {
    pub(crate) member: Arc<Membership>,
    pub(crate) metastore: Arc<dyn Metastore>,
    pub(crate) bucket: Bucket,
    pub(crate) cache: Arc<dyn SegmentCache>,
    pub(crate) recent: Arc<RecentSegments>,
    pub(crate) catalog: Arc<Catalog>,
    pub(crate) seams: Seams,
    pub(crate) metrics: ArchiveMetrics,
    /// Ingest segments older than this are archived.
    pub(crate) interval: Duration,
    /// How long what is not needed stays in the bucket.
    pub(crate) grace: Duration,
    /// Bytes of ingest segments in one round.
    pub(crate) round_bytes: u64,
}

impl Upkeep {
    /// Starts all jobs.
    pub(crate) fn start(self) {
        let spawner = Arc::clone(&self.seams.spawner);
        let producers = producers::run(
            Arc::clone(&self.member),
            Arc::clone(&self.metastore),
            self.seams.clone(),
        );
        spawner.spawn("forget-producers", Box::pin(producers));
        spawner.spawn("retain", Box::pin(self.clone().retain()));
        spawner.spawn("archive", Box::pin(archive::run(self)));
    }

    /// Moves log starts, now and then.
    async fn retain(self) {
        let every = RETAIN_INTERVAL.min(self.interval);
        while self.pause(every).await {
            if !self.may_work("retain").await {
                continue;
            }
            if let Err(err) = retain::round(self.metastore.as_ref(), &self.catalog.all()).await {
                warn!(%err, "retention is left to the next round");
            }
        }
    }

    /// Whether this agent does this job now.
    async fn may_work(&self, job: &str) -> bool {
        if !self.member.is_current() {
            return false;
        }
        let lease_ms = LEASE.as_millis() as i64;
        let claimed = self
            .metastore
            .claim_job(job, self.member.incarnation(), lease_ms)
            .await;
        claimed.unwrap_or(false)
    }

    /// Waits about so long; `false` if the incarnation has ended.
    async fn pause(&self, time: Duration) -> bool {
        // Agents that started together do not work together.
        let time = time / 2 + self.seams.rng.jitter(time);
        tokio::select! {
            biased;
            _ = self.member.until_stopped() => false,
            () = tokio::time::sleep(time) => true,
        }
    }
}
