//! The sweep: objects that nothing refers to, and that nothing ever will.
//!
//! What holds: what a listing shows is judged by one answer of the metastore that was asked for afterwards. An object is
//! an orphan if that answer does not know it, and the incarnation in its key does not live in it (or has settled it):
//! whoever does not live can make nothing refer to anything any more, and what it did before the answer shows. So a
//! paused writer that wakes up later finds its registration refused. No clock is compared. A put that lands after any
//! number of sweeps is found by the next, because every sweep lists everything. When the last one ended stands in the
//! metastore: it is one for all agents, and those that live for minutes only sweep, too.
//!
//! An incarnation that ended before a sweep began is swept when it is over; the metastore forgets it with the last of its
//! segments. Keys that are none of ours are left alone.

mod logs;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use esker_metastore::{JobReport, MetastoreError};
use esker_model::{ObjectId, SegmentId};
use esker_storage::bucket::DELETE_AT_ONCE;
use esker_storage::keys::{self, ObjectKind};
use esker_storage::{ObjectInfo, StoreError};
use futures::StreamExt;
use futures::stream::BoxStream;
use tracing::{info, warn};

use super::Upkeep;
use super::job::{Lease, Work};

/// Incarnations that one sweep says are swept; more are left to the next.
const INCARNATIONS_MAX: usize = 1_000;

/// In each sweep interval an agent looks so often, but every [`LOOK_MAX`] at least, whether a sweep is due: less than
/// half an interval after it was due one begins.
const LOOKS: u32 = 8;
const LOOK_MAX: Duration = Duration::from_secs(60);

/// Why a sweep stopped.
#[derive(Debug, thiserror::Error)]
enum SweepError {
    #[error(transparent)]
    Metastore(#[from] MetastoreError),
    #[error(transparent)]
    Bucket(#[from] StoreError),
    #[error("this agent may not go on")]
    Stopped,
}

/// The job of one incarnation.
pub(super) struct Sweep {
    upkeep: Upkeep,
    sweeps: u64,
    listed: u64,
    orphans: u64,
    failures: u64,
    /// The last round went through all of the bucket.
    done: bool,
    /// The bucket failed the last round.
    failed: bool,
}

#[async_trait]
impl Work for Sweep {
    const NAME: &'static str = "sweep";

    fn every(&self) -> Duration {
        let interval = self.upkeep.sweep_interval;
        match self.failed {
            // Listing costs, and nobody knows how soon the bucket gets well.
            true => interval / 2,
            false => (interval / LOOKS).min(LOOK_MAX),
        }
    }

    fn rests(&self) -> Duration {
        self.upkeep.sweep_interval
    }

    fn is_done(&mut self) -> bool {
        std::mem::take(&mut self.done)
    }

    async fn round(&mut self, lease: &Lease) {
        let orphans = self.orphans;
        let swept = self.sweep(lease).await;
        self.done = swept.is_ok();
        self.failed = matches!(swept, Err(SweepError::Bucket(_)));
        match swept {
            Ok(()) => self.sweeps += 1,
            Err(SweepError::Stopped) => {}
            Err(err) => {
                self.failures += 1;
                self.upkeep.metrics.sweep.failures.inc();
                warn!(%err, "sweeping is left to the next round");
            }
        }
        if self.orphans > orphans {
            info!(
                objects = self.orphans - orphans,
                "removed objects that nothing referred to"
            );
        }
    }

    fn report(&self) -> JobReport {
        [
            ("sweeps", self.sweeps),
            ("listed", self.listed),
            ("orphans", self.orphans),
            ("failures", self.failures),
        ]
        .map(|(name, number)| (name.to_owned(), number as i64))
        .into()
    }
}

impl Sweep {
    pub(super) fn new(upkeep: Upkeep) -> Self {
        Self {
            upkeep,
            sweeps: 0,
            listed: 0,
            orphans: 0,
            failures: 0,
            done: false,
            failed: false,
        }
    }

    async fn sweep(&mut self, lease: &Lease) -> Result<(), SweepError> {
        let metastore = Arc::clone(&self.upkeep.metastore);
        // Before anything is listed.
        let ended = metastore.to_sweep(INCARNATIONS_MAX).await?;
        for kind in [ObjectKind::Ingest, ObjectKind::Archive] {
            self.sweep_shared(kind, lease).await?;
        }
        self.sweep_logs(lease).await?;
        metastore.swept(&ended).await?;
        Ok(())
    }

    /// Objects of many partitions: the metastore has a row for each that is needed.
    async fn sweep_shared(&mut self, kind: ObjectKind, lease: &Lease) -> Result<(), SweepError> {
        let mut pages = self.pages(&keys::kind_prefix(kind));
        while let Some(page) = self.next_page(&mut pages, lease).await? {
            let segments: Vec<SegmentId> = page
                .into_iter()
                .filter_map(|id| match id {
                    ObjectId::Segment(segment) => Some(segment),
                    ObjectId::Manifest(_) => None,
                })
                .collect();
            let epoch = self.upkeep.member.epoch();
            let orphans = self.upkeep.metastore.orphans(epoch, &segments).await?;
            let orphans: Vec<ObjectId> = orphans.into_iter().map(ObjectId::Segment).collect();
            self.delete(&orphans).await?;
        }
        Ok(())
    }

    fn pages(&self, prefix: &str) -> Pages {
        self.upkeep
            .bucket
            .list(prefix)
            .ready_chunks(DELETE_AT_ONCE)
            .boxed()
    }

    /// The next objects of a listing.
    async fn next_page(
        &mut self,
        pages: &mut Pages,
        lease: &Lease,
    ) -> Result<Option<Vec<ObjectId>>, SweepError> {
        if !lease.renew().await {
            return Err(SweepError::Stopped);
        }
        let Some(page) = pages.next().await else {
            return Ok(None);
        };
        let objects = page.into_iter().collect::<Result<Vec<_>, _>>()?;
        self.listed += objects.len() as u64;
        self.upkeep.metrics.sweep.listed.inc_by(objects.len() as u64);
        // What a restored cluster wrote in a later epoch is not ours to judge.
        let epoch = self.upkeep.member.epoch();
        let known = objects
            .iter()
            .filter_map(|object| keys::parse_key(&object.key))
            .filter(|id| id.epoch() <= epoch);
        Ok(Some(known.collect()))
    }

    async fn delete(&mut self, orphans: &[ObjectId]) -> Result<(), SweepError> {
        for part in orphans.chunks(DELETE_AT_ONCE) {
            let keys: Vec<String> = part.iter().map(keys::key_of).collect();
            let outcomes = self.upkeep.bucket.delete_many(&keys).await?;
            let gone = outcomes.iter().filter(|outcome| outcome.is_ok()).count() as u64;
            self.orphans += gone;
            self.upkeep.metrics.sweep.orphans.inc_by(gone);
            if let Some(err) = outcomes.into_iter().find_map(Result::err) {
                // The others go nevertheless; the next sweep finds it again.
                self.failures += 1;
                self.upkeep.metrics.sweep.failures.inc();
                warn!(%err, "some orphans cannot be deleted now");
            }
        }
        Ok(())
    }
}

type Pages = BoxStream<'static, Vec<Result<ObjectInfo, StoreError>>>;
