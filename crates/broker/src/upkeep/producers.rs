//! Forgetting producers that were idle for a day.

use std::sync::Arc;
use std::time::Duration;

use esker_metastore::Metastore;
use esker_model::seams::Seams;
use tracing::{debug, info};

use crate::membership::Membership;

/// A producer that appended nothing to a partition for so long is forgotten there
/// (`producer.id.expiration.ms`).
const PRODUCER_IDLE_MAX: Duration = Duration::from_secs(24 * 60 * 60);

/// Between two rounds.
const ROUND: Duration = Duration::from_secs(10 * 60);

/// Pairs of partition and producer that one call forgets; a full call is followed by another.
const FORGET_AT_ONCE: u32 = 5_000;

/// Between two calls of a round, so that commits come in between.
const BREATH: Duration = Duration::from_millis(200);

/// Does the work until the incarnation ends.
pub(super) async fn run(member: Arc<Membership>, metastore: Arc<dyn Metastore>, seams: Seams) {
    loop {
        // Agents that started together do not work together.
        let pause = ROUND / 2 + seams.rng.jitter(ROUND);
        tokio::select! {
            biased;
            _ = member.until_stopped() => return,
            () = tokio::time::sleep(pause) => {}
        }
        forget_idle_producers(&member, metastore.as_ref()).await;
    }
}

async fn forget_idle_producers(member: &Membership, metastore: &dyn Metastore) {
    let idle_ms = PRODUCER_IDLE_MAX.as_millis() as i64;
    let mut forgotten = 0;
    while member.is_current() {
        match metastore.forget_idle_producers(idle_ms, FORGET_AT_ONCE).await {
            Ok(count) => {
                forgotten += count;
                if count < u64::from(FORGET_AT_ONCE) {
                    break;
                }
            }
            Err(err) => {
                debug!(%err, "forgetting idle producers is left to the next round");
                break;
            }
        }
        tokio::time::sleep(BREATH).await;
    }
    if forgotten > 0 {
        info!(forgotten, "forgot producers that were idle for a day");
    }
}
