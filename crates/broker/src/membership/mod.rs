//! Who is alive, in which epoch, and whether this incarnation may still speak.
//!
//! What holds: an incarnation that was fenced, that sees a higher cluster epoch, or that could not renew
//! its registration for [`OWN_TIMER`] by its own monotonic clock answers nothing that must be current (no
//! ListOffsets, no OFFSET_OUT_OF_RANGE). The first two end it for good. The own timer counts from the
//! moment a heartbeat was *sent*, and passes one heartbeat before the peers' timer by the database's clock
//! can: the two clocks may drift by that much before a fenced agent speaks as if it were current.

mod gate;
mod heartbeat;
mod start;

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use esker_metastore::Agent;
use esker_model::limits::{HEARTBEAT_INTERVAL, LIVENESS_TIMEOUT};
use esker_model::seams::{Clock, Instant, Signal};
use esker_model::{ClusterEpoch, ClusterId, IncarnationId, NodeId};
use parking_lot::RwLock;

pub(crate) use gate::shows_our_cluster;
pub use gate::{EpochGate, GateClosed};
pub use start::{Identity, StartError, join};

/// How long an incarnation is current without a heartbeat that succeeded.
pub const OWN_TIMER: Duration = LIVENESS_TIMEOUT.saturating_sub(HEARTBEAT_INTERVAL);

/// Why an incarnation ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StopReason {
    /// Another incarnation took its place, or its peers thought it dead. The process may start anew.
    Fenced,
    /// The bucket is in a higher epoch: a restore took over. The process must stop.
    HigherEpoch {
        /// The epoch in the bucket.
        found: i32,
    },
    /// It left in good order.
    Drained,
}

/// This incarnation among the others.
pub struct Membership {
    identity: Identity,
    /// This agent as the others see it.
    me: Agent,
    clock: Arc<dyn Clock>,
    live: RwLock<Arc<Vec<Agent>>>,
    renewed: RwLock<Instant>,
    stopped: Signal<Option<StopReason>>,
}

impl Membership {
    /// A member that registered just now.
    pub fn new(identity: Identity, me: Agent, clock: Arc<dyn Clock>, registered: Instant) -> Self {
        Self {
            identity,
            live: RwLock::new(Arc::new(vec![me.clone()])),
            me,
            clock,
            renewed: RwLock::new(registered),
            stopped: Signal::new(None),
        }
    }

    /// The id of this incarnation.
    pub fn incarnation(&self) -> IncarnationId {
        self.identity.incarnation
    }

    /// The node id that clients see.
    pub fn node_id(&self) -> NodeId {
        self.identity.node_id
    }

    /// The cluster's id.
    pub fn cluster_id(&self) -> &ClusterId {
        &self.identity.cluster_id
    }

    /// The epoch that this incarnation lives in.
    pub fn epoch(&self) -> ClusterEpoch {
        self.identity.epoch
    }

    /// The agents that are alive as far as this one knows, ascending by node id; itself always among them.
    pub fn live(&self) -> Arc<Vec<Agent>> {
        Arc::clone(&self.live.read())
    }

    /// Whether this incarnation may give answers that must be current.
    pub fn is_current(&self) -> bool {
        self.stopped.look(Option::is_none) && self.clock.now() - *self.renewed.read() < OWN_TIMER
    }

    /// Ends this incarnation. The first reason stands.
    pub fn stop(&self, reason: StopReason) {
        self.stopped.change(|stopped| {
            let first = stopped.is_none();
            if first {
                *stopped = Some(reason);
            }
            first
        });
    }

    /// Why this incarnation ended, if it did.
    pub fn stopped(&self) -> Option<StopReason> {
        self.stopped.look(Clone::clone)
    }

    /// Waits until this incarnation ends.
    pub async fn until_stopped(&self) -> StopReason {
        self.stopped.until(Option::is_some).await;
        self.stopped().unwrap_or(StopReason::Drained)
    }

    /// A heartbeat that began at `began` succeeded.
    fn renew(&self, began: Instant, mut live: Vec<Agent>) {
        *self.renewed.write() = began;
        // The metastore counts by its own clock; to its clients this agent is there as long as it answers.
        if let Err(at) = live.binary_search_by_key(&self.me.node_id, |agent| agent.node_id) {
            live.insert(at, self.me.clone());
        }
        *self.live.write() = Arc::new(live);
    }
}
