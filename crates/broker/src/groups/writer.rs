//! Writes what is to be kept of groups: those of all shards meet in one call, one at a time.
//!
//! What holds: what waits for a write is told after it, in order. A call that failed is repeated with the same changes until
//! it is answered, the shards are lost, or this agent is not current. Each attempt has a number of its own, higher than all
//! before: one that was given up for lost changes nothing once a later one was made. The next call begins
//! [`WRITE_INTERVAL`] after the one before at the soonest, so that thousands of commits meet.

use std::sync::Arc;
use std::time::Duration;

use esker_metastore::{
    GROUP_CHANGES_MAX, GROUP_OFFSETS_MAX, GroupChange, GroupWrites, MetastoreError, ShardLease, StateChange,
};
use tracing::warn;

use super::group::Group;
use super::shard::{Pending, Slot, Waiter};
use super::{Groups, stored, unread};

/// Between the beginnings of two writes.
const WRITE_INTERVAL: Duration = Duration::from_millis(6);

/// Before a write is repeated.
const RETRY: Duration = Duration::from_millis(100);

/// A write that is not answered for so long is repeated.
const PATIENCE: Duration = Duration::from_secs(5);

/// A write, and who is told of it.
#[derive(Default)]
struct Round {
    changes: Vec<GroupChange>,
    /// Who waits for what.
    parts: Vec<Part>,
    offsets: usize,
}

struct Part {
    lease: ShardLease,
    group: Arc<str>,
    then: Vec<Waiter>,
}

/// Writes until the incarnation ends.
pub(super) async fn write(groups: Arc<Groups>) {
    let mut from = 0;
    loop {
        tokio::select! {
            biased;
            _ = groups.member.until_stopped() => return,
            () = groups.to_write.notified() => {}
        }
        loop {
            unread::forget(&groups).await;
            let began = groups.seams.clock.now();
            let round = gather(&groups, &mut from);
            if round.parts.is_empty() {
                break;
            }
            let wrote = !round.changes.is_empty();
            write_round(&groups, round).await;
            let rest = WRITE_INTERVAL.saturating_sub(groups.seams.clock.now() - began);
            if wrote && !rest.is_zero() {
                tokio::time::sleep(rest).await;
            }
        }
    }
}

/// Takes what is to be written, beginning with the shard behind the last one that was looked at.
fn gather(groups: &Groups, from: &mut usize) -> Round {
    let mut round = Round::default();
    let shards = groups.slots.len();
    for _ in 0..shards {
        if round.is_full() {
            break;
        }
        let at = *from % shards;
        if let Some(slot) = groups.slots.get(at)
            && let Slot::Held(shard) = &mut *slot.lock()
        {
            let lease = shard.lease;
            while !round.is_full()
                && let Some((id, group, pending)) = shard.next_write()
            {
                round.add(lease, id, group, pending);
            }
            if shard.has_writes() {
                // The rest of this shard is first next time.
                break;
            }
        }
        *from = (at + 1) % shards;
    }
    round
}

async fn write_round(groups: &Groups, round: Round) {
    let lost = if round.changes.is_empty() {
        Vec::new()
    } else {
        let mut writes = GroupWrites {
            incarnation: groups.member.incarnation(),
            number: groups.next_write(),
            changes: round.changes,
        };
        let began = groups.seams.clock.now();
        let replies = until_answered(groups, &mut writes).await;
        let took = groups.seams.clock.now() - began;
        groups.metrics.write_seconds.observe(took.as_secs_f64());
        match replies {
            Some(replies) => {
                let refused = writes.changes.iter().zip(replies).filter(|(_, made)| !made);
                refused.map(|(change, _)| change.lease).collect()
            }
            None => writes.changes.iter().map(|change| change.lease).collect(),
        }
    };
    for part in round.parts {
        if lost.contains(&part.lease) {
            // With the senders of `then` those who wait learn that the shard is lost.
            groups.drop_shard(part.lease);
            continue;
        }
        if let Some(mut slot) = groups.slot(part.lease.shard)
            && let Slot::Held(shard) = &mut *slot
            && shard.lease == part.lease
        {
            shard.written(&part.group);
            part.then.into_iter().for_each(Waiter::tell);
        }
    }
}

/// `None`: it was given up, and may have been made.
async fn until_answered(groups: &Groups, writes: &mut GroupWrites) -> Option<Vec<bool>> {
    let mut failing = false;
    loop {
        let call = groups.metastore.write_groups(writes);
        let error = match tokio::time::timeout(PATIENCE, call).await {
            Ok(Ok(replies)) => return Some(replies),
            Ok(Err(MetastoreError::Fenced)) => return None,
            Ok(Err(error)) => error,
            Err(_) => MetastoreError::UnknownOutcome("no answer in time".to_owned()),
        };
        if !failing {
            warn!(%error, "cannot write what groups have to keep: trying again");
            failing = true;
        }
        if !groups.member.is_current() {
            return None;
        }
        tokio::time::sleep(groups.seams.rng.jitter(RETRY)).await;
        writes.number = groups.next_write();
    }
}

impl Round {
    fn is_full(&self) -> bool {
        self.changes.len() >= GROUP_CHANGES_MAX || self.offsets >= GROUP_OFFSETS_MAX
    }

    fn add(&mut self, lease: ShardLease, id: Arc<str>, group: &Group, pending: Pending) {
        let change = |state| GroupChange {
            lease,
            group: Arc::clone(&id),
            state,
            members: Vec::new(),
            offsets: Vec::new(),
        };
        if pending.delete {
            self.changes.push(change(StateChange::Delete));
        } else if pending.delete_without_offsets {
            self.changes.push(change(StateChange::DeleteWithoutOffsets));
        }
        if pending.state || !pending.members.is_empty() || !pending.offsets.is_empty() {
            self.offsets += pending.offsets.len();
            self.changes.push(GroupChange {
                state: if pending.state {
                    stored::state(group)
                } else {
                    StateChange::Keep
                },
                members: pending
                    .members
                    .into_iter()
                    .map(|id| stored::member(group, id))
                    .collect(),
                offsets: pending.offsets.into_iter().collect(),
                ..change(StateChange::Keep)
            });
        }
        self.parts.push(Part {
            lease,
            group: id,
            then: pending.then,
        });
    }
}
