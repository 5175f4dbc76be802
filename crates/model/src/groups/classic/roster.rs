//! The members of a group, with what is counted of them: an event must not have to count anew.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::Join;
use crate::groups::CallId;

/// One member. What the roster counts changes only through the roster.
#[derive(Debug)]
pub(super) struct Member {
    pub(super) id: Arc<str>,
    pub(super) instance_id: Option<Arc<str>>,
    pub(super) client_id: Arc<str>,
    pub(super) client_host: Arc<str>,
    pub(super) session_timeout: Duration,
    pub(super) rebalance_timeout: Duration,
    pub(super) sync_call: Option<CallId>,
    /// It has not been given a generation yet.
    pub(super) is_new: bool,
    protocols: Vec<(String, Bytes)>,
    assignment: Bytes,
    join_call: Option<CallId>,
}

impl Member {
    /// A new member that joins. Nothing waits yet.
    pub(super) fn new(id: Arc<str>, join: Join) -> Self {
        Self {
            id,
            instance_id: join.instance_id.map(Arc::from),
            client_id: join.client_id,
            client_host: join.client_host,
            session_timeout: join.session_timeout,
            rebalance_timeout: join.rebalance_timeout,
            sync_call: None,
            is_new: true,
            protocols: join.protocols,
            assignment: Bytes::new(),
            join_call: None,
        }
    }

    /// What a Join changes of a member that is there, or that is taken over.
    pub(super) fn update(&mut self, join: Join) {
        self.client_id = join.client_id;
        self.client_host = join.client_host;
        self.session_timeout = join.session_timeout;
        self.rebalance_timeout = join.rebalance_timeout;
        self.protocols = join.protocols;
    }

    /// As found again: see [`super::StoredClassicMember`].
    pub(super) fn with_assignment(mut self, assignment: Bytes) -> Self {
        self.assignment = assignment;
        self
    }

    pub(super) fn protocols(&self) -> &[(String, Bytes)] {
        &self.protocols
    }

    pub(super) fn assignment(&self) -> &Bytes {
        &self.assignment
    }

    pub(super) fn join_call(&self) -> Option<CallId> {
        self.join_call
    }

    /// Its metadata for a protocol; empty if it does not have it.
    pub(super) fn metadata(&self, protocol: Option<&str>) -> Bytes {
        self.protocols
            .iter()
            .find(|(name, _)| Some(&**name) == protocol)
            .map(|(_, metadata)| metadata.clone())
            .unwrap_or_default()
    }

    /// The protocols' names, each once.
    fn names(&self) -> impl Iterator<Item = &str> {
        self.protocols.iter().enumerate().filter_map(|(at, (name, _))| {
            let again = self.protocols.iter().take(at).any(|(before, _)| before == name);
            (!again).then_some(name.as_str())
        })
    }

    /// The bytes that are kept for it.
    pub(super) fn bytes(&self) -> usize {
        self.id.len()
            + self.instance_id.as_ref().map_or(0, |id| id.len())
            + self.told_bytes()
            + self.assignment.len()
    }

    /// Those of what its Join told: see [`told_bytes`].
    pub(super) fn told_bytes(&self) -> usize {
        self.client_id.len() + self.client_host.len() + protocol_bytes(&self.protocols)
    }
}

/// The bytes that a Join brings, or brings in the place of what an earlier one brought.
pub(super) fn told_bytes(join: &Join) -> usize {
    join.client_id.len() + join.client_host.len() + protocol_bytes(&join.protocols)
}

/// The bytes of a member's protocols.
pub(super) fn protocol_bytes(protocols: &[(String, Bytes)]) -> usize {
    protocols
        .iter()
        .map(|(name, metadata)| name.len() + metadata.len())
        .sum()
}

/// All members.
#[derive(Debug, Default)]
pub(super) struct Roster {
    members: BTreeMap<Arc<str>, Member>,
    /// Instance id to member id.
    instances: BTreeMap<Arc<str>, Arc<str>>,
    /// By how many members a protocol is supported.
    supported: BTreeMap<String, usize>,
    joining: usize,
    bytes: usize,
}

impl Roster {
    pub(super) fn len(&self) -> usize {
        self.members.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// Members whose Join waits.
    pub(super) fn joining(&self) -> usize {
        self.joining
    }

    /// The bytes that are kept for all members.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn get(&self, id: &str) -> Option<&Member> {
        self.members.get(id)
    }

    pub(super) fn get_mut(&mut self, id: &str) -> Option<&mut Member> {
        self.members.get_mut(id)
    }

    /// Ascending by id.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Member> {
        self.members.values()
    }

    /// The ids of all members, to go through while they change.
    pub(super) fn ids(&self) -> Vec<Arc<str>> {
        self.members.keys().cloned().collect()
    }

    /// Who has the instance id.
    pub(super) fn of_instance(&self, instance_id: &str) -> Option<&Arc<str>> {
        self.instances.get(instance_id)
    }

    /// Takes in a member whose id and instance id nobody has.
    pub(super) fn insert(&mut self, member: Member) {
        debug_assert!(!self.members.contains_key(&member.id));
        for name in member.names() {
            match self.supported.get_mut(name) {
                Some(count) => *count += 1,
                None => {
                    self.supported.insert(name.to_owned(), 1);
                }
            }
        }
        if let Some(instance_id) = &member.instance_id {
            self.instances.insert(instance_id.clone(), member.id.clone());
        }
        self.joining += usize::from(member.join_call.is_some());
        self.bytes += member.bytes();
        self.members.insert(member.id.clone(), member);
    }

    /// Gives a member back, with the calls that wait for it.
    pub(super) fn remove(&mut self, id: &str) -> Option<Member> {
        let member = self.members.remove(id)?;
        for name in member.names() {
            if let Some(count) = self.supported.get_mut(name) {
                *count -= 1;
                if *count == 0 {
                    self.supported.remove(name);
                }
            }
        }
        if let Some(instance_id) = &member.instance_id {
            self.instances.remove(instance_id);
        }
        self.joining -= usize::from(member.join_call.is_some());
        self.bytes -= member.bytes();
        Some(member)
    }

    /// A Join of the member waits, or none does. Gives back the one that waited before.
    pub(super) fn set_join_call(&mut self, id: &str, call: Option<CallId>) -> Option<CallId> {
        let member = self.members.get_mut(id)?;
        let before = std::mem::replace(&mut member.join_call, call);
        self.joining += usize::from(call.is_some());
        self.joining -= usize::from(before.is_some());
        before
    }

    pub(super) fn set_assignment(&mut self, id: &str, assignment: Bytes) {
        if let Some(member) = self.members.get_mut(id) {
            self.bytes += assignment.len();
            self.bytes -= member.assignment.len();
            member.assignment = assignment;
        }
    }

    /// Whether all members support the protocol.
    pub(super) fn all_support(&self, protocol: &str) -> bool {
        self.supported.get(protocol).copied().unwrap_or(0) == self.members.len()
    }

    /// The largest rebalance timeout.
    pub(super) fn rebalance_timeout(&self) -> Duration {
        self.iter()
            .map(|member| member.rebalance_timeout)
            .max()
            .unwrap_or_default()
    }

    /// The protocol with most votes: each member votes for the first of its own that all support. Kafka leaves open who
    /// wins a tie; here it is the one that `leader` likes better.
    pub(super) fn elect_protocol(&self, leader: Option<&str>) -> Option<String> {
        let mut votes: BTreeMap<&str, usize> = BTreeMap::new();
        for member in self.iter() {
            if let Some(name) = member.names().find(|name| self.all_support(name)) {
                *votes.entry(name).or_default() += 1;
            }
        }
        let most = votes.values().copied().max()?;
        votes.retain(|_, count| *count == most);
        let leader = leader.and_then(|id| self.get(id));
        leader
            .and_then(|leader| leader.names().find(|name| votes.contains_key(name)))
            .or_else(|| votes.first_key_value().map(|(name, _)| *name))
            .map(str::to_owned)
    }

    /// Takes every call that waits.
    pub(super) fn take_calls(&mut self) -> Vec<CallId> {
        self.joining = 0;
        self.members
            .values_mut()
            .flat_map(|member| [member.join_call.take(), member.sync_call.take()])
            .flatten()
            .collect()
    }
}
