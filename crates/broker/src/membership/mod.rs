//! Who is alive, in which epoch, and whether this incarnation may still speak.
//!
//! What holds: an incarnation that was fenced, that sees a higher cluster epoch, or that could not renew
//! its registration for [`OWN_TIMER`] by its own monotonic clock answers nothing that must be current (no
//! ListOffsets, no OFFSET_OUT_OF_RANGE). The first two end it for good. The own timer counts from the
//! moment a heartbeat was *sent*, and passes one heartbeat before the peers' timer by the database's clock
//! can: the two clocks may drift by that much before a fenced agent speaks as if it were current.
//!
//! What time it is, the metastore says with every heartbeat. There is no member before the first one, so every member
//! knows.

mod gate;
mod heartbeat;
mod metastore_time;
mod start;

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use esker_metastore::Agent;
use esker_model::limits::{HEARTBEAT_INTERVAL, LIVENESS_TIMEOUT};
use esker_model::seams::{Clock, Signal};
use esker_model::{ClusterEpoch, ClusterId, IncarnationId, NodeId};
use parking_lot::RwLock;

use crate::config::serves;

pub(crate) use gate::shows_our_cluster;
pub use gate::{EpochGate, GateClosed};
pub(crate) use heartbeat::in_time;
pub use metastore_time::MetastoreTime;
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
    /// Of the last heartbeat that succeeded.
    time: RwLock<MetastoreTime>,
    /// Clients are sent elsewhere.
    leaving: AtomicBool,
    stopped: Signal<Option<StopReason>>,
}

impl Membership {
    /// A member whose first heartbeat was answered just now.
    pub fn new(identity: Identity, me: Agent, clock: Arc<dyn Clock>, time: MetastoreTime) -> Self {
        Self {
            identity,
            live: RwLock::new(Arc::new(vec![me.clone()])),
            me,
            clock,
            time: RwLock::new(time),
            leaving: AtomicBool::new(false),
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

    /// Whether other agents serve clients, as far as this one knows.
    pub(crate) fn others_serve(&self) -> bool {
        self.live()
            .iter()
            .any(|agent| agent.node_id != self.me.node_id && serves(&agent.profile.roles))
    }

    /// Whether clients are sent elsewhere, because this incarnation leaves and others know.
    pub(crate) fn is_leaving(&self) -> bool {
        self.leaving.load(Ordering::Relaxed)
    }

    /// From now on clients are sent elsewhere.
    pub(crate) fn leaves(&self) {
        self.leaving.store(true, Ordering::Relaxed);
    }

    /// Whether this incarnation may give answers that must be current.
    pub fn is_current(&self) -> bool {
        self.stopped.look(Option::is_none) && self.clock.now() - self.time.read().sent < OWN_TIMER
    }

    /// What the metastore's clock shows: milliseconds since 1970-01-01 UTC, a round trip too many at most.
    pub fn now_ms(&self) -> i64 {
        let time = *self.time.read();
        time.at(self.clock.now())
    }

    /// What is to be said of this agent's wall clock, if it is off.
    fn judge_wall_clock(&self) -> Option<String> {
        let time = *self.time.read();
        time.judge_wall_clock(self.clock.now(), self.clock.wall_ms())
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

    /// A heartbeat succeeded.
    fn renew(&self, time: MetastoreTime, mut live: Vec<Agent>) {
        *self.time.write() = time;
        // The metastore counts by its own clock; to its clients this agent is there as long as it answers.
        if let Err(at) = live.binary_search_by_key(&self.me.node_id, |agent| agent.node_id) {
            live.insert(at, self.me.clone());
        }
        *self.live.write() = Arc::new(live);
    }
}
