//! The changes of one call, brought into a form that a store can make set by set.
//!
//! All changes of one group become one [`Step`], where that says the same. Where it does not (because what comes later
//! depends on whether the group was there, or still is) the group gets another step in the next round. Rounds are made one
//! after the other; in each, every group comes once at most. Nearly always there is one round.
//!
//! What holds: making the rounds leaves what making the changes one by one would leave.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use esker_model::groups::shard_of;
use esker_model::{IncarnationId, PartitionKey, TopicKey};

use crate::{
    CommittedOffset, GroupChange, GroupWrites, MetastoreError, OffsetOf, Result, ShardLease, StateChange,
};

/// What becomes of one group. The parts are made in this order.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Step {
    pub(crate) lease: ShardLease,
    pub(crate) group: Arc<str>,
    /// It goes, with its members and offsets.
    pub(crate) delete: bool,
    pub(crate) put: Option<Put>,
    /// Nothing comes of these two if the group is not there now.
    pub(crate) members: BTreeMap<Arc<str>, Option<Bytes>>,
    pub(crate) offsets: BTreeMap<PartitionKey, Option<CommittedOffset>>,
    /// It goes if no offset is kept for it now.
    pub(crate) delete_without_offsets: bool,
}

/// The group's new state.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Put {
    pub(crate) state: Bytes,
    pub(crate) empty: bool,
}

/// The rounds of a call, each ascending by group.
///
/// Errors: [`check_shard`]'s.
pub(crate) fn rounds(writes: &GroupWrites) -> Result<Vec<Vec<Step>>> {
    // One group may come with several leases, of which one holds at most.
    let mut groups: BTreeMap<(&str, ShardLease), Vec<Step>> = BTreeMap::new();
    for change in &writes.changes {
        check_shard(writes.incarnation, change.lease, &change.group)?;
        let steps = groups.entry((&change.group, change.lease)).or_default();
        match steps.last_mut() {
            Some(last) if last.can_take(change) => last.take(change),
            _ => {
                let mut step = Step::new(change);
                step.take(change);
                steps.push(step);
            }
        }
    }
    let mut rounds: Vec<Vec<Step>> = Vec::new();
    for steps in groups.into_values() {
        for (index, step) in steps.into_iter().enumerate() {
            match rounds.get_mut(index) {
                Some(round) => round.push(step),
                None => rounds.push(vec![step]),
            }
        }
    }
    Ok(rounds)
}

/// Errors: `Corrupt` if a group is said to be of a shard that is not its own: no coordinator may say so.
pub(crate) fn check_shard(who: IncarnationId, lease: ShardLease, group: &str) -> Result<()> {
    if lease.shard == shard_of(group) {
        return Ok(());
    }
    Err(MetastoreError::Corrupt(format!(
        "{who} says that group {group:?} is of shard {}",
        lease.shard.0
    )))
}

/// The first id that comes behind one, by bytes; the first of all if there is none.
pub(crate) fn id_from(after: Option<&str>) -> String {
    after.map_or_else(String::new, |after| format!("{after}\0"))
}

/// From behind which group and partition on; from before all that there are.
pub(crate) fn place(after: Option<&OffsetOf>) -> (&str, PartitionKey) {
    let before_all = PartitionKey {
        topic: TopicKey(i32::MIN),
        partition: i32::MIN,
    };
    after.map_or(("", before_all), |(group, partition)| (group, *partition))
}

impl Step {
    fn new(change: &GroupChange) -> Self {
        Self {
            lease: change.lease,
            group: Arc::clone(&change.group),
            delete: false,
            put: None,
            members: BTreeMap::new(),
            offsets: BTreeMap::new(),
            delete_without_offsets: false,
        }
    }

    /// Whether this step with the change says what the one after the other says.
    fn can_take(&self, change: &GroupChange) -> bool {
        match (&change.state, &self.put) {
            // Whatever was there before.
            (StateChange::Delete, _) => true,
            // Nobody knows here whether the group is still there.
            _ if self.delete_without_offsets => false,
            // It was not empty in between.
            (StateChange::Put { empty, .. }, Some(before)) => before.empty || !empty,
            // Members and offsets so far were for a group that was there already.
            (StateChange::Put { .. }, None) => self.members.is_empty() && self.offsets.is_empty(),
            (StateChange::Keep | StateChange::DeleteWithoutOffsets, _) => true,
        }
    }

    fn take(&mut self, change: &GroupChange) {
        match &change.state {
            StateChange::Keep => {}
            StateChange::Put { state, empty } => {
                self.put = Some(Put {
                    state: state.clone(),
                    empty: *empty,
                });
            }
            StateChange::Delete => {
                *self = Self::new(change);
                self.delete = true;
            }
            StateChange::DeleteWithoutOffsets => self.delete_without_offsets = !self.is_gone(),
        }
        if self.is_gone() {
            return;
        }
        self.members.extend(change.members.iter().cloned());
        self.offsets.extend(change.offsets.iter().cloned());
    }

    /// The group is surely not there.
    fn is_gone(&self) -> bool {
        self.delete && self.put.is_none()
    }
}

#[cfg(test)]
mod tests;
