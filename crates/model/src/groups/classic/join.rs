//! JoinGroup.
//!
//! In this order: session timeout out of bounds 26; too large 42; no room 81; protocol type or protocols that do not fit
//! 23; then by the member id:
//! - none, and an instance id that somebody has: that member is taken over (`static_member.rs`);
//! - none, dynamic, v4+: 79 with an id that is pending for the session timeout (KIP-394);
//! - none, or a pending one: a new member, which rebalances the group;
//! - a member's: Preparing: it has joined. Completing, Stable: the current generation again if its metadata are the same,
//!   else a rebalance; also if it is the leader of a Stable group, which asks for a rebalance in this way;
//! - any other 25, or 82 if its instance id is somebody else's.
//!
//! A new member whose Join waits cannot send heartbeats: it is removed if it has no generation after
//! [`NEW_MEMBER_JOIN_TIMEOUT`]. Nobody may have told its client, so 25 is all that it hears.

use std::sync::Arc;

use super::roster::{Member, protocol_bytes, told_bytes};
use super::{ClassicGroup, Effects, Join, Joined, Phase};
use crate::groups::{
    CallId, GROUP_BYTES_MAX, GroupError, GroupLimits, MEMBER_ID_BYTES_MAX, MEMBER_METADATA_BYTES_MAX,
    MEMBER_PROTOCOLS_MAX, NEW_MEMBER_JOIN_TIMEOUT, PENDING_MEMBERS_MAX,
};
use crate::seams::Instant;

impl ClassicGroup {
    /// A member joins. Its call is answered here or in the effects of a later event.
    pub fn join(&mut self, now: Instant, call: CallId, join: Join, limits: &GroupLimits) -> Effects {
        let mut effects = Effects::default();
        let member_id = join.member_id.clone();
        if let Err(error) = self.try_join(now, call, join, limits, &mut effects) {
            effects.refuse_join(call, error, member_id);
        }
        effects
    }

    fn try_join(
        &mut self,
        now: Instant,
        call: CallId,
        join: Join,
        limits: &GroupLimits,
        effects: &mut Effects,
    ) -> Result<(), GroupError> {
        check_request(&join, limits)?;
        let taken_over = match &join.instance_id {
            Some(instance_id) if join.member_id.is_empty() => self.roster.of_instance(instance_id).cloned(),
            _ => None,
        };
        if !self.has_room(taken_over.as_deref().unwrap_or(&join.member_id), limits.max_size) {
            self.turn_away(now, &join, effects);
            return Err(GroupError::GroupMaxSizeReached);
        }
        self.check_protocols(&join)?;
        if let Some(old) = taken_over {
            return self.take_over(now, call, &old, join, effects);
        }
        if join.member_id.is_empty() {
            return self.join_unknown(now, call, join, limits, effects);
        }
        if join.instance_id.is_none() && self.pending.contains(&*join.member_id) {
            let id = Arc::from(&*join.member_id);
            return self.add(now, call, id, join, limits, effects);
        }
        self.check_member(&join.member_id, join.instance_id.as_deref())?;
        self.rejoin(now, call, join, effects)
    }

    /// Whether a member, or somebody new, may join. While the group prepares, those count that have joined: if the group
    /// is too large the last ones do not come in again.
    fn has_room(&self, member_id: &str, max_size: usize) -> bool {
        let member = self.roster.get(member_id);
        match self.phase {
            Phase::Empty => true,
            Phase::Preparing { .. } => {
                member.is_some_and(|member| member.join_call().is_some()) || self.roster.joining() < max_size
            }
            Phase::Completing | Phase::Stable => member.is_some() || self.roster.len() < max_size,
        }
    }

    /// Whoever finds no room is not waited for any more.
    fn turn_away(&mut self, now: Instant, join: &Join, effects: &mut Effects) {
        if self.pending.remove(&*join.member_id) {
            self.sessions.clear(&join.member_id);
        } else if self
            .check_member(&join.member_id, join.instance_id.as_deref())
            .is_ok()
        {
            self.remove(&join.member_id, GroupError::UnknownMemberId, effects);
        } else {
            return;
        }
        self.complete_join_if_all_joined(now, effects);
    }

    /// A group without members takes any type and protocols; one with members, those that have its type and a protocol
    /// that all of them support.
    fn check_protocols(&self, join: &Join) -> Result<(), GroupError> {
        let fits = !join.protocol_type.is_empty()
            && if self.roster.is_empty() {
                !join.protocols.is_empty()
            } else {
                self.protocol_type.as_deref() == Some(&*join.protocol_type)
                    && join
                        .protocols
                        .iter()
                        .any(|(name, _)| self.roster.all_support(name))
            };
        if fits {
            Ok(())
        } else {
            Err(GroupError::InconsistentGroupProtocol)
        }
    }

    fn join_unknown(
        &mut self,
        now: Instant,
        call: CallId,
        join: Join,
        limits: &GroupLimits,
        effects: &mut Effects,
    ) -> Result<(), GroupError> {
        self.check_unused(&join.new_member_id)?;
        let id: Arc<str> = Arc::from(&*join.new_member_id);
        if join.instance_id.is_some() || !join.id_required {
            return self.add(now, call, id, join, limits, effects);
        }
        if self.pending.len() >= PENDING_MEMBERS_MAX {
            return Err(GroupError::GroupMaxSizeReached);
        }
        self.sessions.set(id.clone(), now.plus(join.session_timeout));
        self.pending.insert(id);
        effects.refuse_join(call, GroupError::MemberIdRequired, join.new_member_id);
        Ok(())
    }

    /// Ids are drawn at random. Should one be drawn twice, whoever got it last tries again.
    pub(super) fn check_unused(&self, id: &str) -> Result<(), GroupError> {
        if id.is_empty() || self.pending.contains(id) || self.roster.get(id).is_some() {
            return Err(GroupError::UnknownMemberId);
        }
        Ok(())
    }

    fn add(
        &mut self,
        now: Instant,
        call: CallId,
        id: Arc<str>,
        join: Join,
        limits: &GroupLimits,
        effects: &mut Effects,
    ) -> Result<(), GroupError> {
        let protocol_type = join.protocol_type.clone();
        let member = Member::new(id.clone(), join);
        self.check_bytes(0, member.bytes())?;
        self.pending.remove(&id);
        if self.roster.is_empty() {
            self.protocol_type = Some(protocol_type);
        }
        self.roster.insert(member);
        self.roster.set_join_call(&id, Some(call));
        if self.leader.is_none() {
            self.leader = Some(id.clone());
        }
        self.sessions.set(id, now.plus(NEW_MEMBER_JOIN_TIMEOUT));
        match &mut self.phase {
            Phase::Empty => self.begin_first_rebalance(now, limits),
            Phase::Preparing {
                first: Some(first), ..
            } => first.came = true,
            _ => self.rebalance_or_complete(now, effects),
        }
        Ok(())
    }

    fn rejoin(
        &mut self,
        now: Instant,
        call: CallId,
        join: Join,
        effects: &mut Effects,
    ) -> Result<(), GroupError> {
        let Some(member) = self.roster.get(&join.member_id) else {
            return Err(GroupError::UnknownMemberId);
        };
        let id = member.id.clone();
        let same = member.protocols() == join.protocols;
        let is_leader = self.is_leader(&id);
        let current = match self.phase {
            Phase::Completing => same,
            Phase::Stable => same && !is_leader,
            Phase::Preparing { .. } | Phase::Empty => false,
        };
        if current {
            self.touch(now, &id);
            let joined = self.joined(&id, is_leader);
            effects.joined(call, joined);
            return Ok(());
        }
        self.check_bytes(member.told_bytes(), told_bytes(&join))?;
        if let Some(mut member) = self.roster.remove(&id) {
            member.update(join);
            self.roster.insert(member);
        }
        if let Some(earlier) = self.roster.set_join_call(&id, Some(call)) {
            effects.refuse_join(earlier, GroupError::RebalanceInProgress, id.to_string());
        }
        self.touch(now, &id);
        self.rebalance_or_complete(now, effects);
        Ok(())
    }

    /// Whether the group may keep `more` bytes in the place of `less`.
    pub(super) fn check_bytes(&self, less: usize, more: usize) -> Result<(), GroupError> {
        let kept = self.roster.bytes().saturating_sub(less);
        if more > less && kept.saturating_add(more) > GROUP_BYTES_MAX {
            return Err(GroupError::GroupMaxSizeReached);
        }
        Ok(())
    }

    /// What a member is told of the current generation.
    pub(super) fn joined(&self, member_id: &str, with_members: bool) -> Joined {
        Joined {
            generation: self.generation,
            protocol_type: self.protocol_type.clone(),
            protocol: self.protocol.clone(),
            leader: self.leader.as_deref().unwrap_or_default().to_owned(),
            member_id: member_id.to_owned(),
            skip_assignment: false,
            members: if with_members {
                self.joined_members()
            } else {
                Vec::new()
            },
        }
    }
}

fn check_request(join: &Join, limits: &GroupLimits) -> Result<(), GroupError> {
    if join.session_timeout < limits.min_session_timeout || join.session_timeout > limits.max_session_timeout
    {
        return Err(GroupError::InvalidSessionTimeout);
    }
    let instance_id_bytes = join.instance_id.as_ref().map_or(0, String::len);
    if instance_id_bytes > MEMBER_ID_BYTES_MAX
        || join.protocols.len() > MEMBER_PROTOCOLS_MAX
        || protocol_bytes(&join.protocols) > MEMBER_METADATA_BYTES_MAX
    {
        return Err(GroupError::InvalidRequest);
    }
    Ok(())
}
