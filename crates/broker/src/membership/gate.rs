//! The epoch gate: nothing is acknowledged, and no new offset becomes visible, unless *after* its commit
//! a read of `cluster.json` that began less than T ago showed our epoch.
//!
//! A restore raises the epoch in the bucket first, waits longer than T, and only then lists what is
//! there. So whatever an old agent acknowledged, the restore has seen; an agent that went on against an
//! old database acknowledges nothing more. Time is the agent's own monotonic clock; one read every few
//! seconds serves all.

use std::sync::Arc;
use std::time::Duration;

use esker_model::limits::{EPOCH_GATE, EPOCH_READ_INTERVAL};
use esker_model::seams::{Clock, Instant, Seams, Signal};
use esker_model::{ClusterEpoch, ClusterId};
use esker_storage::bucket::Bucket;
use esker_storage::cluster_file::{self, ClusterFile};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use tracing::{error, warn};

use super::{Membership, StopReason};
use crate::metrics::{SEEN, SeenLabels};

/// How long one read of `cluster.json` may take; then the next one begins.
const READ_PATIENCE: Duration = EPOCH_READ_INTERVAL;

/// The gate did not open in time: the outcome is as unknown to the client as a lost reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the bucket did not confirm the cluster epoch in time")]
pub struct GateClosed;

/// When a read that showed our epoch began last.
pub struct EpochGate {
    clock: Arc<dyn Clock>,
    confirmed: Signal<Option<Instant>>,
}

impl EpochGate {
    /// A gate that is open from a read that began at `confirmed`.
    pub fn new(clock: Arc<dyn Clock>, confirmed: Instant) -> Self {
        Self {
            clock,
            confirmed: Signal::new(Some(confirmed)),
        }
    }

    /// Whether acknowledgements may pass now.
    pub fn is_open(&self) -> bool {
        self.confirmed.look(|confirmed| self.opens(confirmed))
    }

    fn opens(&self, confirmed: &Option<Instant>) -> bool {
        confirmed.is_some_and(|began| self.clock.now() - began < EPOCH_GATE)
    }

    /// Waits until the gate is open, at most for `patience`.
    pub async fn pass(&self, patience: Duration) -> Result<(), GateClosed> {
        if self.is_open() {
            return Ok(());
        }
        let opened = self.confirmed.until(|confirmed| self.opens(confirmed));
        match tokio::time::timeout(patience, opened).await {
            Ok(()) if self.is_open() => Ok(()),
            _ => Err(GateClosed),
        }
    }

    pub(super) fn confirm(&self, began: Instant) {
        self.confirmed.set(Some(began));
    }

    pub(super) fn close(&self) {
        self.confirmed.set(None);
    }
}

/// Reads `cluster.json` every few seconds until the incarnation ends.
pub(super) async fn watch_epoch(
    gate: Arc<EpochGate>,
    member: Arc<Membership>,
    bucket: Bucket,
    seams: Seams,
    reads: Family<SeenLabels, Counter>,
) {
    let ours: ClusterEpoch = member.epoch();
    let mut failing = false;
    loop {
        tokio::select! {
            biased;
            _ = member.until_stopped() => return,
            () = tokio::time::sleep(EPOCH_READ_INTERVAL) => {}
        }
        let began = seams.clock.now();
        let read = tokio::time::timeout(READ_PATIENCE, cluster_file::read(&bucket));
        let seen = match read.await {
            Ok(Ok(file)) => judge(file.as_ref(), ours, member.cluster_id()),
            Ok(Err(err)) => Seen::Nothing(err.to_string()),
            Err(_) => Seen::Nothing("the bucket did not answer in time".to_owned()),
        };
        let labels = SeenLabels {
            outcome: seen.label(),
        };
        reads.get_or_create(&labels).inc();
        match seen {
            Seen::Ours => {
                gate.confirm(began);
                if failing {
                    warn!("the bucket confirms our epoch again: acknowledgements go on");
                    failing = false;
                }
            }
            Seen::HigherEpoch(found) => {
                gate.close();
                error!(
                    ours = ours.0,
                    found, "the bucket is in a higher cluster epoch: stopping"
                );
                member.stop(StopReason::HigherEpoch { found });
                return;
            }
            Seen::Foreign(what) => {
                gate.close();
                if !failing {
                    error!("{what}: nothing is acknowledged until that is put right");
                    failing = true;
                }
            }
            Seen::Nothing(why) => {
                if !failing {
                    let seconds = EPOCH_GATE.as_secs();
                    warn!(%why, "cannot read cluster.json: acknowledgements stop in {seconds} s");
                    failing = true;
                }
            }
        }
    }
}

/// Whether a read of `cluster.json` that begins now shows the cluster and the epoch of this incarnation; the error says
/// what it shows instead.
pub(crate) async fn shows_our_cluster(member: &Membership, bucket: &Bucket) -> Result<(), String> {
    let read = tokio::time::timeout(READ_PATIENCE, cluster_file::read(bucket));
    match read.await {
        Ok(Ok(file)) => match judge(file.as_ref(), member.epoch(), member.cluster_id()) {
            Seen::Ours => Ok(()),
            Seen::HigherEpoch(found) => Err(format!("the bucket is in cluster epoch {found}")),
            Seen::Foreign(what) | Seen::Nothing(what) => Err(what),
        },
        Ok(Err(err)) => Err(err.to_string()),
        Err(_) => Err("the bucket did not answer in time".to_owned()),
    }
}

/// What a read of `cluster.json` means to an incarnation.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Seen {
    /// Acknowledgements may go on.
    Ours,
    /// A restore took over, for ever.
    HigherEpoch(i32),
    /// Somebody damaged the bucket, or it is another one; it may be put right again.
    Foreign(String),
    /// No news.
    Nothing(String),
}

impl Seen {
    fn label(&self) -> &'static str {
        let [ours, higher, foreign, nothing] = SEEN;
        match self {
            Self::Ours => ours,
            Self::HigherEpoch(_) => higher,
            Self::Foreign(_) => foreign,
            Self::Nothing(_) => nothing,
        }
    }
}

pub(super) fn judge(file: Option<&ClusterFile>, ours: ClusterEpoch, cluster: &ClusterId) -> Seen {
    match file {
        None => Seen::Foreign("cluster.json is gone from the bucket".to_owned()),
        Some(file) if file.cluster_id != *cluster => {
            Seen::Foreign(format!("the bucket belongs to cluster {}", file.cluster_id))
        }
        Some(file) if file.epoch > ours => Seen::HigherEpoch(file.epoch.0),
        Some(file) if file.epoch < ours => {
            Seen::Foreign(format!("the bucket went back to cluster epoch {}", file.epoch))
        }
        Some(_) => Seen::Ours,
    }
}
