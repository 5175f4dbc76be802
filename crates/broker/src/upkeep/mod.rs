//! Background work that any agent with the role `upkeep` does, so that the metastore stays small and the bucket holds
//! what is needed.
//!
//! `archive → merge → retain → remove`, and `sweep` for what none of them knows.
//!
//! What holds: every job may be done by several agents at once and may stop at any point, because each step is one call
//! that is right by itself; a lease only keeps them from doing the same work. A failed step is left to the next round.
//! Jobs end with the incarnation. Those that hold records in memory take turns, so that an agent holds those of one
//! round; they leave others their turn, see [`pace`].

mod archive;
mod job;
mod leftovers;
mod measure;
mod merge;
mod objects;
mod pace;
mod producers;
mod remove;
mod retain;
mod sealed;
mod sweep;
mod trouble;

use std::sync::Arc;
use std::time::Duration;

use esker_metastore::{HISTORY_READ, Metastore};
use esker_model::seams::{Instant, Seams};
use esker_storage::bucket::Bucket;
use esker_storage::cache::SegmentCache;
use tokio::sync::Semaphore;
use tracing::warn;

pub(crate) use self::leftovers::Leftovers;
pub(crate) use self::objects::Seqs;
use crate::config::MergeLimits;
use crate::membership::{EpochGate, Membership};
use crate::metrics::{TopicMeters, UpkeepMetrics};
use crate::produce::RecentSegments;
use crate::throttled_log::ThrottledLog;
use crate::topics::Catalog;

/// The role that an agent needs for this work.
pub(crate) const ROLE: &str = "upkeep";

/// The longest rest after a round. One that took longer was not work all the time: the process was stopped in between.
const ROUND_REST_MAX: Duration = Duration::from_secs(60);

/// What the jobs work on.
#[derive(Clone)]
pub(crate) struct Upkeep {
    pub(crate) member: Arc<Membership>,
    pub(crate) gate: Arc<EpochGate>,
    pub(crate) metastore: Arc<dyn Metastore>,
    pub(crate) bucket: Bucket,
    pub(crate) cache: Arc<dyn SegmentCache>,
    pub(crate) recent: Arc<RecentSegments>,
    pub(crate) catalog: Arc<Catalog>,
    pub(crate) seams: Seams,
    pub(crate) metrics: UpkeepMetrics,
    pub(crate) topics: TopicMeters,
    /// Ingest segments older than this are archived.
    pub(crate) interval: Duration,
    /// How long what is not needed stays in the bucket.
    pub(crate) grace: Duration,
    /// The time between two sweeps.
    pub(crate) sweep_interval: Duration,
    /// When archived records are merged.
    pub(crate) merge: MergeLimits,
    /// Bytes of records that a round holds in memory.
    pub(crate) round_bytes: u64,
    /// Who holds records in memory.
    pub(crate) turn: Arc<Semaphore>,
    /// Names that were given.
    pub(crate) seqs: Arc<Seqs>,
    /// How often it is told that an agent holds up archiving.
    pub(crate) held_up: Arc<ThrottledLog>,
    /// What was written for nothing.
    pub(crate) leftovers: Arc<Leftovers>,
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
        spawner.spawn("leftovers", Box::pin(leftovers::run(self.clone())));
        let archive = archive::Archive::new(self.clone());
        spawner.spawn("archive", Box::pin(job::run(self.clone(), archive)));
        let merge = merge::Merge::new(self.clone());
        spawner.spawn("merge", Box::pin(job::run(self.clone(), merge)));
        let retain = retain::Retain::new(self.clone());
        spawner.spawn("retain", Box::pin(job::run(self.clone(), retain)));
        let remove = remove::Remove::new(self.clone());
        spawner.spawn("remove", Box::pin(job::run(self.clone(), remove)));
        let measure = measure::Measure::new(self.clone());
        spawner.spawn("measure", Box::pin(job::run(self.clone(), measure)));
        let sweep = sweep::Sweep::new(self.clone());
        spawner.spawn("sweep", Box::pin(job::run(self, sweep)));
    }

    /// Whether all agents can read what archiving and merging leave. Those of an earlier release have to go first.
    fn all_read_history(&self) -> bool {
        let agents = self.member.live();
        let earlier = agents.iter().find(|agent| agent.profile.history < HISTORY_READ);
        if let Some(agent) = earlier {
            self.held_up.tell(|_| {
                warn!(
                    node_id = agent.node_id.0,
                    node_name = agent.node_name,
                    version = agent.profile.version,
                    "nothing is archived or merged, and the metastore grows, as long as this agent of an earlier release \
                     lives, which cannot read merged records: update it, or stop it"
                );
            });
        }
        earlier.is_none()
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

    /// Leaves as much time as a round took that began then, and a minute at most.
    async fn rest(&self, began: Instant) {
        let took = self.seams.clock.now().since(began);
        tokio::time::sleep(took.min(ROUND_REST_MAX)).await;
    }
}
