//! The write path: `validate → hot segment → seal → upload → commit → ack`.
//!
//! A produce request is [`accept`]ed when its batches lie in the hot segment, in the order in which its
//! connection sent them; [`PendingProduce::answer`] waits for the rest. What holds:
//!
//! - a batch is acknowledged only after its segment is in the bucket, its offsets are committed in the
//!   metastore and the epoch gate was open after that;
//! - segments are committed in the order in which they were sealed, one call at a time;
//! - a batch whose fate is unknown to this agent is never answered with an offset, and never with an
//!   error that would make an idempotent client give up;
//! - the bytes of a batch are never copied: hot segment, upload and recent segments share the frame's
//!   memory, and the frame stays charged until the last of them lets go.
//!
//! On a crash at any point nothing acknowledged is lost: what was not committed is an object that nobody
//! refers to.

mod accept;
mod ack;
#[cfg(feature = "benching")]
pub(crate) mod benching;
mod commit;
mod failures;
mod flush;
mod hot_segment;
mod receipts;
mod recent;
mod seal;
mod traced;
mod upload;
mod validate;

use std::sync::Arc;

use esker_metastore::Metastore;
use esker_model::seams::{Seams, Signal};
use esker_storage::bucket::Bucket;
use parking_lot::Mutex;
use tokio::sync::{Notify, Semaphore, mpsc};

use crate::broker::Dependencies;
use crate::config::BrokerConfig;
use crate::fetch::HotIndex;
use crate::membership::{EpochGate, Membership};
use crate::metrics::BrokerMetrics;

pub(crate) use accept::accept;
pub use recent::RecentSegments;

use failures::Failures;
use hot_segment::HotSegment;
use receipts::PendingReceipts;

/// Uploads under way at once. Further segments wait in the hot segment, which grows meanwhile.
pub const UPLOADS_MAX: usize = 16;

/// Segments that are sealed but not committed. At the limit nothing more is sealed, the hot segment
/// fills the produce share of the budget, and sockets are not read.
pub const SEALED_MAX: usize = 64;

/// What the stages of one incarnation share.
struct Stages {
    config: BrokerConfig,
    seams: Seams,
    metastore: Arc<dyn Metastore>,
    bucket: Bucket,
    metrics: BrokerMetrics,
    member: Arc<Membership>,
    gate: Arc<EpochGate>,
    hot_index: Arc<HotIndex>,
    recent: Arc<RecentSegments>,
    hot: Mutex<HotSegment>,
    appended: Notify,
    upload_slots: Arc<Semaphore>,
    failures: Failures,
    receipts: PendingReceipts,
    /// Batches appended and neither acknowledged nor failed yet.
    outstanding: Signal<u64>,
    draining: Signal<bool>,
}

/// The write path of one incarnation.
pub struct ProducePath {
    stages: Arc<Stages>,
}

impl ProducePath {
    /// Starts the stages' tasks.
    pub(crate) fn start(
        config: &BrokerConfig,
        on: &Dependencies,
        member: &Arc<Membership>,
        gate: &Arc<EpochGate>,
        hot_index: &Arc<HotIndex>,
        recent: &Arc<RecentSegments>,
    ) -> Arc<Self> {
        let stages = Arc::new(Stages {
            config: config.clone(),
            seams: on.seams.clone(),
            metastore: Arc::clone(&on.metastore),
            bucket: on.bucket.clone(),
            metrics: on.metrics.clone(),
            member: Arc::clone(member),
            gate: Arc::clone(gate),
            hot_index: Arc::clone(hot_index),
            recent: Arc::clone(recent),
            hot: Mutex::new(HotSegment::default()),
            appended: Notify::new(),
            upload_slots: Arc::new(Semaphore::new(UPLOADS_MAX)),
            failures: Failures::default(),
            receipts: PendingReceipts::default(),
            outstanding: Signal::new(0),
            draining: Signal::new(false),
        });
        let (sealed, queue) = mpsc::channel(SEALED_MAX);
        let spawner = &on.seams.spawner;
        spawner.spawn("flush", Box::pin(flush::run(Arc::clone(&stages), sealed)));
        spawner.spawn("commit", Box::pin(commit::run(Arc::clone(&stages), queue)));
        Arc::new(Self { stages })
    }

    /// Refuses new batches, seals what is there and waits until every batch taken has its answer.
    pub(crate) async fn drain(&self) {
        self.stages.draining.set(true);
        self.stages.appended.notify_one();
        self.stages.outstanding.until(|count| *count == 0).await;
    }
}

impl Stages {
    fn is_draining(&self) -> bool {
        self.draining.look(|draining| *draining)
    }

    fn resolved(&self, batches: u64) {
        self.outstanding.change(|count| {
            *count = count.saturating_sub(batches);
            *count == 0
        });
    }
}
