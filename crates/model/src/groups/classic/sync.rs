//! SyncGroup.
//!
//! In this order: member 25, 82; generation 22; protocol type or name (KIP-559) 23; then Preparing 27; Completing: the call
//! waits for the leader's; Stable: the assignment again. The leader's call makes the group Stable, is kept with the
//! assignment, and answers all that wait. An assignment for an id that is no member's is left out; of an id that is there
//! twice the last one counts. Assignments that are too large are answered 42 and change nothing.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;

use super::{ClassicGroup, Effects, Phase, Sync, Synced};
use crate::groups::{CallId, GROUP_BYTES_MAX, GroupError, MEMBER_METADATA_BYTES_MAX};
use crate::planted::{Mistake, planted};
use crate::seams::Instant;

impl ClassicGroup {
    /// A member asks for its assignment. Its call is answered here or in the effects of a later event.
    pub fn sync(&mut self, now: Instant, call: CallId, sync: Sync) -> Effects {
        let mut effects = Effects::default();
        if let Err(error) = self.try_sync(now, call, sync, &mut effects) {
            effects.refuse_sync(call, error);
        }
        effects
    }

    fn try_sync(
        &mut self,
        now: Instant,
        call: CallId,
        sync: Sync,
        effects: &mut Effects,
    ) -> Result<(), GroupError> {
        self.check_member(&sync.member_id, sync.instance_id.as_deref())?;
        if sync.generation != self.generation {
            return Err(GroupError::IllegalGeneration);
        }
        let differs =
            |told: &Option<String>, ours: &Option<String>| told.is_some() && told.as_ref() != ours.as_ref();
        if differs(&sync.protocol_type, &self.protocol_type) || differs(&sync.protocol, &self.protocol) {
            return Err(GroupError::InconsistentGroupProtocol);
        }
        match self.phase {
            Phase::Empty => Err(GroupError::UnknownMemberId),
            Phase::Preparing { .. } => Err(GroupError::RebalanceInProgress),
            Phase::Completing if planted(Mistake::SyncDoesNotWait) && !self.is_leader(&sync.member_id) => {
                let synced = self.synced(&sync.member_id);
                effects.synced(call, synced);
                Ok(())
            }
            Phase::Completing => self.sync_completing(now, call, sync, effects),
            Phase::Stable => {
                self.has_synced(&sync.member_id);
                self.touch(now, &sync.member_id);
                let synced = self.synced(&sync.member_id);
                effects.synced(call, synced);
                Ok(())
            }
        }
    }

    fn sync_completing(
        &mut self,
        now: Instant,
        call: CallId,
        sync: Sync,
        effects: &mut Effects,
    ) -> Result<(), GroupError> {
        let assignment = if self.is_leader(&sync.member_id) {
            Some(self.read_assignment(sync.assignments)?)
        } else {
            None
        };
        if let Some(member) = self.roster.get_mut(&sync.member_id)
            && let Some(earlier) = member.sync_call.replace(call)
        {
            effects.refuse_sync(earlier, GroupError::RebalanceInProgress);
        }
        self.has_synced(&sync.member_id);
        self.touch(now, &sync.member_id);
        if let Some(assignment) = assignment {
            self.stabilize(now, assignment, effects);
        }
        Ok(())
    }

    /// What each member gets, if it is not too much to keep.
    fn read_assignment(
        &self,
        assignments: Vec<(String, Bytes)>,
    ) -> Result<BTreeMap<Arc<str>, Bytes>, GroupError> {
        let mut of = BTreeMap::new();
        for (member_id, assignment) in assignments {
            if assignment.len() > MEMBER_METADATA_BYTES_MAX {
                return Err(GroupError::InvalidRequest);
            }
            if let Some(member) = self.roster.get(&member_id) {
                of.insert(member.id.clone(), assignment);
            }
        }
        // Nobody has an assignment yet in this generation.
        let bytes: usize = of.values().map(Bytes::len).sum();
        if self.roster.bytes().saturating_add(bytes) > GROUP_BYTES_MAX {
            return Err(GroupError::InvalidRequest);
        }
        Ok(of)
    }

    fn stabilize(&mut self, now: Instant, mut assignment: BTreeMap<Arc<str>, Bytes>, effects: &mut Effects) {
        self.phase = Phase::Stable;
        self.keep(effects);
        for id in self.roster.ids() {
            self.roster
                .set_assignment(&id, assignment.remove(&id).unwrap_or_default());
            let call = self
                .roster
                .get_mut(&id)
                .and_then(|member| member.sync_call.take());
            if let Some(call) = call {
                let synced = self.synced(&id);
                effects.synced(call, synced);
                self.touch(now, &id);
            }
        }
    }

    fn synced(&self, member_id: &str) -> Synced {
        Synced {
            protocol_type: self.protocol_type.clone(),
            protocol: self.protocol.clone(),
            assignment: self
                .roster
                .get(member_id)
                .map(|member| member.assignment().clone())
                .unwrap_or_default(),
        }
    }

    /// The member is not waited for any more.
    pub(super) fn has_synced(&mut self, member_id: &str) {
        self.unsynced.remove(member_id);
        if self.unsynced.is_empty() {
            self.sync_until = None;
        }
    }
}
