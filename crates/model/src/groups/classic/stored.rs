//! What a coordinator keeps of a group, and how the next one goes on from it.
//!
//! A group that was kept while Stable is Stable again, with generation and assignments: its members just go on. Any other
//! that has members prepares a rebalance: they hear 27 (or 22, or 25 if they came later) and join again. Calls that
//! waited, pending ids and members that came since are forgotten; sessions begin anew.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::roster::Member;
use super::{ClassicGroup, Join, Phase};
use crate::seams::Instant;

/// A group as it is kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StoredClassic {
    /// Its generation.
    pub generation: i32,
    /// Generations up to this one may have been given: a group that is found again goes on behind it.
    pub given_up_to: i32,
    /// What kind of members it has, or had last.
    pub protocol_type: Option<String>,
    /// The protocol that was chosen for the generation.
    pub protocol: Option<String>,
    /// The member that assigns.
    pub leader: Option<String>,
    /// The assignments below are those of the generation.
    pub stable: bool,
    /// Its members, ascending by id.
    pub members: Vec<StoredClassicMember>,
}

/// A member as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredClassicMember {
    /// Its id.
    pub member_id: String,
    /// Its instance id, if it is static.
    pub instance_id: Option<String>,
    /// Its client id.
    pub client_id: Arc<str>,
    /// Where it came from.
    pub client_host: Arc<str>,
    /// As in [`Join::session_timeout`].
    pub session_timeout: Duration,
    /// As in [`Join::rebalance_timeout`].
    pub rebalance_timeout: Duration,
    /// As in [`Join::protocols`].
    pub protocols: Vec<(String, Bytes)>,
    /// What the leader gave it.
    pub assignment: Bytes,
}

impl ClassicGroup {
    /// What is to be kept now.
    pub fn stored(&self) -> StoredClassic {
        StoredClassic {
            generation: self.generation,
            given_up_to: self.given_up_to,
            protocol_type: self.protocol_type.clone(),
            protocol: self.protocol.clone(),
            leader: self.leader.as_deref().map(str::to_owned),
            stable: self.phase == Phase::Stable,
            members: self
                .roster
                .iter()
                .map(|member| StoredClassicMember {
                    member_id: member.id.to_string(),
                    instance_id: member.instance_id.as_deref().map(str::to_owned),
                    client_id: member.client_id.clone(),
                    client_host: member.client_host.clone(),
                    session_timeout: member.session_timeout,
                    rebalance_timeout: member.rebalance_timeout,
                    protocols: member.protocols().to_vec(),
                    assignment: member.assignment().clone(),
                })
                .collect(),
        }
    }

    /// The group again, for whoever coordinates it next.
    pub fn restore(stored: StoredClassic, now: Instant) -> Self {
        let mut group = Self::new();
        group.generation = stored.generation;
        group.given = stored.given_up_to.max(stored.generation);
        group.given_up_to = group.given;
        group.protocol_type = stored.protocol_type;
        group.protocol = stored.protocol;
        for member in stored.members {
            group.restore_member(member, now);
        }
        group.leader = stored
            .leader
            .and_then(|leader| group.roster.get(&leader))
            .or_else(|| group.roster.iter().next())
            .map(|member| member.id.clone());
        group.phase = if group.roster.is_empty() {
            Phase::Empty
        } else if stored.stable {
            Phase::Stable
        } else {
            Phase::Preparing {
                until: now.plus(group.roster.rebalance_timeout()),
                first: None,
            }
        };
        group
    }

    /// An id or instance id that is there twice was not written by a group: the first one counts.
    fn restore_member(&mut self, stored: StoredClassicMember, now: Instant) {
        let instance_taken = stored
            .instance_id
            .as_deref()
            .is_some_and(|instance_id| self.roster.of_instance(instance_id).is_some());
        if instance_taken || self.roster.get(&stored.member_id).is_some() {
            return;
        }
        let id: Arc<str> = Arc::from(stored.member_id);
        let join = Join {
            member_id: String::new(),
            instance_id: stored.instance_id,
            client_id: stored.client_id,
            client_host: stored.client_host,
            session_timeout: stored.session_timeout,
            rebalance_timeout: stored.rebalance_timeout,
            protocol_type: String::new(),
            protocols: stored.protocols,
            id_required: false,
            can_skip_assignment: false,
            new_member_id: String::new(),
            reason: None,
        };
        let mut member = Member::new(id.clone(), join).with_assignment(stored.assignment);
        member.is_new = false;
        self.roster.insert(member);
        self.touch(now, &id);
    }
}
