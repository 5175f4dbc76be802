//! Renews this agent's registration, learns who else is alive, and fences those that are not.
//!
//! A failed heartbeat changes nothing: the agent goes on with what it knows until its own timer passes
//! ([`Membership::is_current`]). One that gets no answer is given up before that, and the next is sent;
//! repeating it is harmless. What a heartbeat tells to do (learn the catalog's changes, fence others) is
//! done beside the heartbeats: a slow metastore that keeps them coming must not cost this agent its life.
//!
//! Others are fenced only by an agent whose own heartbeats came through for as long as they were silent.
//! When the metastore was away everybody's last heartbeat is old: whoever came back first would fence all
//! the others, which live.

use std::sync::Arc;
use std::time::Duration;

use esker_metastore::{Heartbeat, Metastore, MetastoreError};
use esker_model::IncarnationId;
use esker_model::limits::{HEARTBEAT_INTERVAL, LIVENESS_TIMEOUT};
use esker_model::seams::{Instant, Seams, Signal};
use tracing::{info, warn};

use super::metastore_time::HEARTBEAT_PATIENCE;
use super::{Membership, MetastoreTime, StopReason};
use crate::throttled_log::ThrottledLog;
use crate::topics::Catalog;

/// Heartbeats further apart than this do not show that the metastore could be reached in between.
const CONTACT_GAP: Duration = HEARTBEAT_INTERVAL.saturating_mul(2);

/// How often it is said that the wall clock is off.
const WALL_CLOCK_TOLD_EVERY: Duration = Duration::from_secs(3600);

/// What the last heartbeat told to do.
#[derive(Clone, Default)]
pub(super) struct ToDo {
    /// The catalog's version in the metastore.
    catalog_version: i64,
    /// Who is to be fenced.
    silent: Vec<IncarnationId>,
}

/// How long heartbeats have been coming through.
struct Contact {
    since: Instant,
    last: Instant,
}

impl Contact {
    fn at(now: Instant) -> Self {
        Self {
            since: now,
            last: now,
        }
    }

    /// A heartbeat came through. Whether they have for as long as it takes to be called silent.
    fn is_long(&mut self, now: Instant) -> bool {
        if now - self.last > CONTACT_GAP {
            self.since = now;
        }
        self.last = now;
        now - self.since >= LIVENESS_TIMEOUT
    }
}

/// Sends heartbeats until the incarnation ends, and has done what they tell.
pub(super) async fn beat(
    member: Arc<Membership>,
    metastore: Arc<dyn Metastore>,
    catalog: Arc<Catalog>,
    seams: Seams,
) {
    let to_do = Arc::new(Signal::new(ToDo::default()));
    let learn = learn_catalog(Arc::clone(&member), catalog, Arc::clone(&to_do));
    seams.spawner.spawn("catalog", Box::pin(learn));
    let fence = fence_silent(Arc::clone(&member), Arc::clone(&metastore), Arc::clone(&to_do));
    seams.spawner.spawn("fence", Box::pin(fence));
    let mut contact = Contact::at(seams.clock.now());
    let wall_clock = ThrottledLog::new(Arc::clone(&seams.clock), WALL_CLOCK_TOLD_EVERY);
    let mut failing = false;
    loop {
        match once(&member, metastore.as_ref(), &seams).await {
            Ok(mut told) => {
                if let Some(off) = member.judge_wall_clock() {
                    wall_clock.tell(|_| warn!("{off}"));
                }
                if !contact.is_long(seams.clock.now()) {
                    told.silent.clear();
                }
                to_do.set(told);
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

/// One heartbeat.
async fn once(member: &Membership, metastore: &dyn Metastore, seams: &Seams) -> Result<ToDo, MetastoreError> {
    let (time, beat) = send(member.incarnation(), metastore, seams).await?;
    heed(member, time, beat)
}

/// Sends a heartbeat. The first one makes a member of an incarnation.
pub(super) async fn send(
    incarnation: IncarnationId,
    metastore: &dyn Metastore,
    seams: &Seams,
) -> Result<(MetastoreTime, Heartbeat), MetastoreError> {
    let liveness_ms = LIVENESS_TIMEOUT.as_millis() as i64;
    let sent = seams.clock.now();
    let beat = in_time(HEARTBEAT_PATIENCE, metastore.heartbeat(incarnation, liveness_ms)).await?;
    let time = MetastoreTime {
        sent,
        told_ms: beat.now_ms,
    };
    Ok((time, beat))
}

/// Takes what a heartbeat tells.
pub(super) fn heed(
    member: &Membership,
    time: MetastoreTime,
    beat: Heartbeat,
) -> Result<ToDo, MetastoreError> {
    if beat.epoch > member.epoch() {
        member.stop(StopReason::HigherEpoch { found: beat.epoch.0 });
        return Ok(ToDo::default());
    }
    if beat.epoch < member.epoch() {
        // An older database in the place of ours: it renews nothing.
        return Err(MetastoreError::WrongEpoch {
            expected: member.epoch().0,
            found: beat.epoch.0,
        });
    }
    member.renew(time, beat.live);
    Ok(ToDo {
        catalog_version: beat.catalog_version,
        silent: beat.expired,
    })
}

async fn learn_catalog(member: Arc<Membership>, catalog: Arc<Catalog>, to_do: Arc<Signal<ToDo>>) {
    let (mut failing, mut seen) = (false, 0);
    while let Some(told) = next(&member, &to_do, &mut seen).await {
        let there = told.catalog_version;
        if there <= catalog.version() {
            continue;
        }
        match catalog.refresh().await {
            Ok(()) => failing = false,
            Err(err) => {
                if !failing {
                    warn!(%err, "cannot learn what changed in the catalog");
                    failing = true;
                }
            }
        }
    }
}

async fn fence_silent(member: Arc<Membership>, metastore: Arc<dyn Metastore>, to_do: Arc<Signal<ToDo>>) {
    let liveness_ms = LIVENESS_TIMEOUT.as_millis() as i64;
    let (mut failing, mut seen) = (false, 0);
    while let Some(ToDo { silent, .. }) = next(&member, &to_do, &mut seen).await {
        if silent.is_empty() {
            continue;
        }
        match in_time(HEARTBEAT_PATIENCE, metastore.fence_expired(&silent, liveness_ms)).await {
            Ok(fenced) => {
                failing = false;
                for incarnation in fenced {
                    info!(%incarnation, "fenced an agent that was silent for too long");
                }
            }
            Err(err) => {
                if !failing {
                    warn!(%err, "cannot fence an agent that was silent for too long");
                    failing = true;
                }
            }
        }
    }
}

/// What the next heartbeat told. `None`: there will be none.
async fn next(member: &Membership, to_do: &Signal<ToDo>, seen: &mut u64) -> Option<ToDo> {
    tokio::select! {
        biased;
        _ = member.until_stopped() => None,
        (version, told) = to_do.later_than(*seen) => {
            *seen = version;
            Some(told)
        }
    }
}

/// The answer, if it comes before the patience is over.
pub(crate) async fn in_time<T>(
    patience: Duration,
    call: impl Future<Output = Result<T, MetastoreError>>,
) -> Result<T, MetastoreError> {
    let silent = || MetastoreError::Unavailable("no answer in time".to_owned());
    tokio::time::timeout(patience, call)
        .await
        .unwrap_or_else(|_| Err(silent()))
}
