//! Takes the shards that this agent is to coordinate, and gives back those that another one is.
//!
//! Each shard has an agent that it prefers: rendezvous hashing over the agents that serve and can coordinate. Every
//! [`LOOK_EVERY`] each agent takes those that prefer it and that nobody holds, and learns who holds the others. A shard that
//! prefers another agent is given back once that one has been there for [`SETTLED`], after everything of it was written.
//!
//! What holds: a shard is coordinated from when its groups are read until it is given back, somebody else has taken it, or
//! this agent is not current. Then its memory is dropped: what was not written was not told to anybody. It may be written
//! later, by a call that was given up: so no lease is used again after its memory was dropped. Whoever still has it gives it
//! back, which waits for writes that are under way, and reads the groups under a new one, which keeps out all others.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use esker_metastore::{Agent, MetastoreError, ShardLease, ShardOwner};
use esker_model::groups::SHARDS;
use esker_model::seams::Instant;
use esker_model::{IncarnationId, NodeId, ShardId, routing};
use tracing::{info, warn};

use super::shard::{Shard, Slot, until_written};
use super::{Groups, stored};
use crate::config;
use crate::membership::in_time;

/// What this release can coordinate, as it tells the others. 1: groups of both kinds.
pub(crate) const GROUPS_COORDINATED: u32 = 1;

/// The time between two looks at who holds which shard.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// How long an agent must have been there before shards move to it.
const SETTLED: Duration = Duration::from_secs(3);

/// Groups that are read at a time.
const LOAD_PAGE: usize = 500;

/// No answer of the metastore for so long is none.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);

/// Since when each incarnation has been seen.
type Seen = BTreeMap<IncarnationId, Instant>;

/// Keeps to it until the incarnation ends.
pub(super) async fn keep(groups: Arc<Groups>, serves: bool) {
    let (mut seen, mut failing) = (Seen::new(), false);
    loop {
        let looked = if groups.member.is_current() {
            look(&groups, serves, &mut seen).await
        } else {
            // What it took now it could not coordinate.
            give_up(&groups);
            Ok(())
        };
        match looked {
            Ok(()) => failing = false,
            Err(MetastoreError::Fenced) => give_up(&groups),
            Err(err) => {
                if !failing {
                    warn!(%err, "cannot learn which groups this agent coordinates");
                    failing = true;
                }
            }
        }
        tokio::select! {
            biased;
            _ = groups.member.until_stopped() => break,
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
    }
    give_up(&groups);
}

/// Drops everything: those who wait look for another coordinator.
fn give_up(groups: &Groups) {
    let leases = groups.leases();
    if !leases.is_empty() {
        info!(
            shards = leases.len(),
            "coordinates no groups any more: this agent is not current"
        );
    }
    for lease in leases {
        groups.drop_shard(lease);
    }
}

/// One look.
async fn look(groups: &Arc<Groups>, serves: bool, seen: &mut Seen) -> Result<(), MetastoreError> {
    let live = groups.member.live();
    let now = groups.seams.clock.now();
    seen.retain(|incarnation, _| live.iter().any(|agent| agent.incarnation == *incarnation));
    for agent in live.iter() {
        seen.entry(agent.incarnation).or_insert(now);
    }
    let me = groups.member.node_id();
    let takes = serves && !groups.draining.load(Ordering::Relaxed);
    let wanted: Vec<ShardId> = if takes {
        shards()
            .filter(|shard| preferred(*shard, &live) == Some(me))
            .collect()
    } else {
        Vec::new()
    };
    let dropped = claim(groups, &wanted).await?;
    if !dropped.is_empty() {
        let mine = groups.member.incarnation();
        in_time(PATIENCE, groups.metastore.release_shards(mine, &dropped)).await?;
        claim(groups, &wanted).await?;
    }
    let settled: Vec<Agent> = live
        .iter()
        .filter(|agent| {
            agent.node_id == me
                || seen
                    .get(&agent.incarnation)
                    .is_some_and(|since| now - *since >= SETTLED)
        })
        .cloned()
        .collect();
    let strange = groups.leases().into_iter();
    let strange: Vec<_> = strange
        .filter(|lease| preferred(lease.shard, &settled) != Some(me))
        .collect();
    give_back(groups, &strange).await
}

/// Takes what nobody holds, and heeds who holds what. Returns leases that are this agent's and not used any more.
async fn claim(groups: &Arc<Groups>, wanted: &[ShardId]) -> Result<Vec<ShardLease>, MetastoreError> {
    let mine = groups.member.incarnation();
    let owners = in_time(PATIENCE, groups.metastore.claim_shards(mine, wanted)).await?;
    groups.owners.learn(&owners);
    Ok(heed(groups, &owners))
}

/// Takes up what is held, and drops what is not. Returns the leases that were dropped before and are still there.
fn heed(groups: &Arc<Groups>, owners: &[ShardOwner]) -> Vec<ShardLease> {
    let mine = groups.member.incarnation();
    let mut dropped = Vec::new();
    for owner in owners {
        let held = owner.incarnation == Some(mine);
        let Some(mut slot) = groups.slot(owner.lease.shard) else {
            continue;
        };
        let known = slot.lease();
        if held && known == Some(owner.lease) {
            continue;
        }
        if known.is_some() {
            warn!(shard = %owner.lease.shard, "another agent coordinates a shard that was this one's");
            *slot = Slot::NotHeld;
        }
        if held && matches!(*slot, Slot::Dropped(lease) if lease == owner.lease) {
            dropped.push(owner.lease);
        } else if held {
            *slot = Slot::Loading(owner.lease);
            let load = load(Arc::clone(groups), owner.lease);
            groups.seams.spawner.spawn("group shard", Box::pin(load));
        }
    }
    dropped
}

/// Reads what is kept of a shard, and holds it from then on.
async fn load(groups: Arc<Groups>, lease: ShardLease) {
    let read = read(&groups, lease).await;
    let Some(mut slot) = groups.slot(lease.shard) else {
        return;
    };
    // Given up meanwhile, and perhaps taken again.
    if !matches!(*slot, Slot::Loading(loading) if loading == lease) {
        return;
    }
    match read {
        Ok(Some(shard)) => {
            groups.heed(&shard);
            *slot = Slot::Held(shard);
        }
        Ok(None) => slot.drop_shard(),
        Err(err) => {
            warn!(%err, shard = %lease.shard, "cannot read the groups of a shard: trying again");
            // The next look gives it back, takes it under a new lease, and has it read.
            slot.drop_shard();
        }
    }
}

async fn read(groups: &Groups, lease: ShardLease) -> Result<Option<Shard>, MetastoreError> {
    let mine = groups.member.incarnation();
    // What groups subscribe to is to be known before they are looked at.
    in_time(PATIENCE, groups.catalog.refresh()).await?;
    let mut found = Vec::new();
    loop {
        let after = found
            .last()
            .map(|group: &esker_metastore::StoredGroup| Arc::clone(&group.id));
        let page = groups
            .metastore
            .load_groups(mine, lease, after.as_deref(), LOAD_PAGE);
        let Some(page) = in_time(PATIENCE, page).await? else {
            return Ok(None);
        };
        let last = page.len() < LOAD_PAGE;
        found.extend(page);
        if last {
            break;
        }
    }
    // Their members' time begins when they can be heard.
    let now = groups.seams.clock.now();
    let mut shard = Shard::new(lease, Arc::clone(&groups.bytes), groups.metrics.clone());
    for group in found {
        match stored::group(&group, now) {
            Ok(state) => shard.restore(group.id, state),
            Err(err) => {
                warn!(%err, group = %group.id, "what is kept of a group cannot be read: it begins anew")
            }
        }
    }
    Ok(Some(shard))
}

/// Gives shards back after everything of them is written.
async fn give_back(groups: &Groups, leases: &[ShardLease]) -> Result<(), MetastoreError> {
    if leases.is_empty() {
        return Ok(());
    }
    let waits = leases.iter().flat_map(|lease| groups.close(*lease));
    // What cannot be written was told to nobody.
    futures::future::join_all(waits.map(|written| until_written(Some(written)))).await;
    for lease in leases {
        groups.drop_shard(*lease);
    }
    info!(
        shards = leases.len(),
        "gives groups to the agents that are to coordinate them"
    );
    let mine = groups.member.incarnation();
    in_time(PATIENCE, groups.metastore.release_shards(mine, leases)).await
}

impl Groups {
    /// What is still to be written of a shard.
    fn close(&self, lease: ShardLease) -> Vec<super::shard::Written> {
        let Some(mut slot) = self.slot(lease.shard) else {
            return Vec::new();
        };
        match &mut *slot {
            Slot::Held(shard) if shard.lease == lease => {
                let ids: Vec<_> = shard.unwritten();
                let waits = ids.iter().filter_map(|id| shard.when_written(id)).collect();
                self.heed(shard);
                waits
            }
            _ => Vec::new(),
        }
    }

    /// Writes what is to be written and gives all shards back, for good.
    pub(crate) async fn drain(&self) {
        self.draining.store(true, Ordering::Relaxed);
        if let Err(err) = give_back(self, &self.leases()).await {
            warn!(%err, "could not give groups back; other agents will take them");
        }
    }
}

fn can_coordinate(agent: &Agent) -> bool {
    agent.profile.groups >= GROUPS_COORDINATED && config::serves(&agent.profile.roles)
}

/// Whether any of these agents can coordinate groups.
pub(super) fn somebody_can(live: &[Agent]) -> bool {
    live.iter().any(can_coordinate)
}

/// The agent that is to coordinate a shard.
fn preferred(shard: ShardId, live: &[Agent]) -> Option<NodeId> {
    let able = live.iter().filter(|agent| can_coordinate(agent));
    let nodes: Vec<NodeId> = able.map(|agent| agent.node_id).collect();
    routing::coordinator(shard, &nodes)
}

pub(super) fn shards() -> impl Iterator<Item = ShardId> {
    (0..SHARDS).map(ShardId)
}
