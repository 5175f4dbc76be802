//! Trying again, within the deadline of a cluster, what a broker did not answer or does not look after any more.
//!
//! One attempt has a share of the deadline only, so that a broker that is frozen does not use up all of it. Between two
//! attempts is a pause; whoever tries again asks where things are now. That not even one broker of the bootstrap list
//! can be connected to is said at once: most often the address is wrong.

use std::time::Duration;

use esker_model::seams::Instant;

use super::{ClientError, Cluster, Result};

/// Pause before the second attempt; doubles up to the second.
const PAUSE: Duration = Duration::from_millis(100);
const PAUSE_MAX: Duration = Duration::from_secs(1);

/// The attempts at one thing; their number is limited by the deadline.
pub(crate) struct Attempts {
    started: Instant,
    pause: Duration,
}

impl Attempts {
    /// The first one begins now.
    pub(crate) fn new(cluster: &Cluster) -> Self {
        Self {
            started: cluster.seams().clock.now(),
            pause: PAUSE,
        }
    }

    /// What is left of the deadline.
    fn left(&self, cluster: &Cluster) -> Duration {
        let spent = cluster.seams().clock.now() - self.started;
        cluster.deadline().saturating_sub(spent)
    }

    /// How long an attempt that begins now may take.
    pub(crate) fn share(&self, cluster: &Cluster) -> Duration {
        cluster.share().min(self.left(cluster))
    }

    /// Waits before the next attempt; returns the error if there is to be none.
    pub(crate) async fn pause(&mut self, cluster: &Cluster, error: ClientError) -> Result<()> {
        let nobody = !cluster.has_answered() && matches!(error, ClientError::Connect { .. });
        let pause = cluster.seams().rng.jitter(self.pause);
        if nobody || !error.is_elsewhere() || self.left(cluster) <= pause {
            return Err(error);
        }
        tokio::time::sleep(pause).await;
        self.pause = (self.pause * 2).min(PAUSE_MAX);
        Ok(())
    }
}
