//! Offsets of topics that a group with members does not read any more (KIP-211): they are forgotten when
//! `offsets.retention.minutes` have passed since they were committed.
//!
//! The metastore knows how old an offset is, the coordinator what its group reads. So old offsets are asked for, those of
//! topics that are read are left out, and the writer has the others forgotten.
//!
//! What holds:
//! - what a group reads is looked at by the writer, between two writes. Whoever subscribes to a topic later is answered
//!   after a later write, and finds either no offset there or one that stays: a call that is given up and comes late is
//!   refused, as it has the lower number;
//! - an offset that was committed since it was found to be old stays;
//! - where it is not known what a group reads, everything stays: a classic group that is not Stable, whose members are no
//!   consumers or say what cannot be read; expressions that were not matched yet, after a takeover.
//!
//! On failure: nothing is repeated. The next look finds what is left.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use esker_metastore::{ForgetOffsets, MetastoreError, OffsetOf, ShardLease};
use esker_model::ShardId;
use esker_model::groups::classic::ClassicState;
use esker_protocol::consumer_protocol::subscribed_topics;
use tokio::sync::oneshot;
use tracing::{debug, warn};

use super::Groups;
use super::expire::{LIMIT, REST, Turns};
use super::group::{CONSUMER, Group};
use super::keeper::PATIENCE;
use super::shard::Slot;
use crate::membership::in_time;

/// Where a look that had no turn left goes on with the next one, by shard.
pub(super) type Places = BTreeMap<ShardId, OffsetOf>;

/// Old offsets of one shard, for the writer.
pub(super) struct Old {
    lease: ShardLease,
    offsets: Vec<OffsetOf>,
    /// Dropped when that is done.
    done: oneshot::Sender<()>,
}

/// What members read, as far as it takes the group to know it.
enum Reads {
    /// Those of the topics that were asked about.
    Topics(BTreeSet<String>),
    /// What classic members subscribe to, as they said it.
    Subscriptions(Vec<Bytes>),
}

/// One look at all shards.
pub(super) async fn look(groups: &Groups, places: &mut Places) -> Result<(), MetastoreError> {
    let leases = groups.leases();
    places.retain(|shard, _| leases.iter().any(|lease| lease.shard == *shard));
    let mut turns = Turns::new(leases);
    while let Some(lease) = turns.next() {
        let looked = look_at(groups, places, lease).await;
        turns.had(lease, looked);
    }
    turns.end()
}

/// Returns whether there may be more.
async fn look_at(groups: &Groups, places: &mut Places, lease: ShardLease) -> Result<bool, MetastoreError> {
    let after = places.remove(&lease.shard);
    let retention_ms = groups.offsets_retention_ms();
    let old = groups
        .metastore
        .old_offsets(lease.shard, retention_ms, after.as_ref(), LIMIT);
    let offsets = old.await?;
    let more = offsets.len() >= LIMIT;
    if let Some(last) = offsets.last() {
        if more {
            places.insert(lease.shard, last.clone());
        }
        hand_over(groups, lease, offsets).await;
        tokio::time::sleep(REST).await;
    }
    Ok(more)
}

/// Gives the writer what is old, and waits until it has seen to it.
async fn hand_over(groups: &Groups, lease: ShardLease, offsets: Vec<OffsetOf>) {
    let (done, seen_to) = oneshot::channel();
    *groups.old_offsets.lock() = Some(Old { lease, offsets, done });
    groups.to_write.notify_one();
    // Nothing is ever sent.
    drop(seen_to.await);
}

/// Forgets what was handed over and is not read. For the writer: while this goes on, nothing else is written.
pub(super) async fn forget(groups: &Groups) {
    let handed_over = groups.old_offsets.lock().take();
    let Some(Old {
        lease,
        offsets,
        done: _done,
    }) = handed_over
    else {
        return;
    };
    let offsets = unread(groups, lease, offsets);
    if offsets.is_empty() {
        return;
    }
    let count = offsets.len();
    let forget = ForgetOffsets {
        incarnation: groups.member.incarnation(),
        lease,
        number: groups.next_write(),
        age_ms: groups.offsets_retention_ms(),
        offsets,
    };
    match in_time(PATIENCE, groups.metastore.forget_offsets(&forget)).await {
        Ok(true) => {
            debug!(count, shard = %lease.shard, "forgot old offsets of topics that are not read any more")
        }
        Ok(false) => groups.drop_shard(lease),
        Err(err) => {
            warn!(%err, "cannot forget offsets of topics that are not read any more: trying again later")
        }
    }
}

/// Those of the offsets whose topics their groups, which have members, surely do not read.
fn unread(groups: &Groups, lease: ShardLease, offsets: Vec<OffsetOf>) -> Vec<OffsetOf> {
    // Of each group the offsets, with the names of their topics.
    let mut of: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for (group, partition) in offsets {
        // Those of deleted topics expire.
        if let Some(topic) = groups.catalog.by_key(partition.topic) {
            of.entry(group).or_default().push((partition, topic));
        }
    }
    let mut unread = Vec::new();
    for (group, offsets) in of {
        let topics: BTreeSet<&str> = offsets
            .iter()
            .map(|(_, topic)| topic.topic.name.as_str())
            .collect();
        let Some(reads) = reads(groups, lease, &group, &topics).and_then(Reads::topics) else {
            continue;
        };
        let left = offsets
            .iter()
            .filter(|(_, topic)| !reads.contains(&topic.topic.name));
        unread.extend(left.map(|(partition, _)| (group.clone(), *partition)));
    }
    unread
}

/// What the members of a group read; `None`: there are none, or that is not known.
fn reads(groups: &Groups, lease: ShardLease, id: &str, topics: &BTreeSet<&str>) -> Option<Reads> {
    let mut slot = groups.slot(lease.shard)?;
    let Slot::Held(shard) = &mut *slot else {
        return None;
    };
    if shard.lease != lease {
        return None;
    }
    match shard.group(id)? {
        Group::Consumer(group) if !group.is_empty() && group.has_matched() => {
            let read = topics.iter().filter(|topic| group.is_subscribed(topic));
            Some(Reads::Topics(read.map(|topic| (*topic).to_owned()).collect()))
        }
        Group::Classic(group)
            if group.state() == ClassicState::Stable && group.protocol_type() == Some(CONSUMER) =>
        {
            let members = group.describe().members.into_iter();
            Some(Reads::Subscriptions(
                members.map(|member| member.metadata).collect(),
            ))
        }
        Group::Consumer(_) | Group::Classic(_) | Group::Gone => None,
    }
}

impl Reads {
    /// `None` if what one of the members said cannot be read.
    fn topics(self) -> Option<BTreeSet<String>> {
        match self {
            Self::Topics(topics) => Some(topics),
            Self::Subscriptions(members) => {
                let mut all = BTreeSet::new();
                for metadata in &members {
                    all.extend(subscribed_topics(metadata)?);
                }
                Some(all)
            }
        }
    }
}
