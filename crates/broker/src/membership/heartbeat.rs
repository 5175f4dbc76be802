//! Renews this agent's registration, learns who else is alive, and fences those that are not.
//!
//! A failed heartbeat changes nothing: the agent goes on with what it knows until its own timer passes
//! ([`Membership::is_current`]). One that gets no answer is given up before that, and the next is sent;
//! repeating it is harmless.

use std::sync::Arc;

use esker_metastore::{Metastore, MetastoreError};
use esker_model::limits::{HEARTBEAT_INTERVAL, LIVENESS_TIMEOUT};
use esker_model::seams::Seams;
use tracing::{info, warn};

use super::{Membership, OWN_TIMER, StopReason};
use crate::topics::Catalog;

/// Sends heartbeats until the incarnation ends.
pub(super) async fn beat(
    member: Arc<Membership>,
    metastore: Arc<dyn Metastore>,
    catalog: Arc<Catalog>,
    seams: Seams,
) {
    let mut failing = false;
    loop {
        match once(&member, metastore.as_ref(), &catalog, &seams).await {
            Ok(()) => {
                if failing {
                    info!("the metastore answers again");
                    failing = false;
                }
            }
            Err(MetastoreError::Fenced) => {
                warn!("this incarnation was fenced: it commits nothing any more");
                member.stop(StopReason::Fenced);
                return;
            }
            Err(err) => {
                if !failing {
                    warn!(%err, "heartbeat failed");
                    failing = true;
                }
            }
        }
        tokio::select! {
            biased;
            _ = member.until_stopped() => return,
            () = tokio::time::sleep(HEARTBEAT_INTERVAL) => {}
        }
    }
}

/// One heartbeat. Also run once before an agent says that it is ready.
pub(super) async fn once(
    member: &Membership,
    metastore: &dyn Metastore,
    catalog: &Catalog,
    seams: &Seams,
) -> Result<(), MetastoreError> {
    let liveness_ms = LIVENESS_TIMEOUT.as_millis() as i64;
    let began = seams.clock.now();
    let beat = in_time(metastore.heartbeat(member.incarnation(), liveness_ms)).await?;
    if beat.epoch > member.epoch() {
        member.stop(StopReason::HigherEpoch { found: beat.epoch.0 });
        return Ok(());
    }
    if beat.epoch < member.epoch() {
        // An older database in the place of ours: it renews nothing.
        return Err(MetastoreError::WrongEpoch {
            expected: member.epoch().0,
            found: beat.epoch.0,
        });
    }
    member.renew(began, beat.live);
    // The catalog does not wait for the fencing of others, nor the other way round.
    let known = if beat.catalog_version > catalog.version() {
        catalog.refresh().await
    } else {
        Ok(())
    };
    if !beat.expired.is_empty() {
        for incarnation in in_time(metastore.fence_expired(&beat.expired, liveness_ms)).await? {
            info!(%incarnation, "fenced an agent that was silent for too long");
        }
    }
    known
}

/// The answer, if it comes while there is time for another attempt.
async fn in_time<T>(call: impl Future<Output = Result<T, MetastoreError>>) -> Result<T, MetastoreError> {
    let silent = || MetastoreError::Unavailable("no answer in time".to_owned());
    tokio::time::timeout(OWN_TIMER / 2, call)
        .await
        .unwrap_or_else(|_| Err(silent()))
}
