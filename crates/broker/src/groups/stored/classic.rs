//! A classic group as text.

use std::time::Duration;

use esker_model::groups::classic::{ClassicGroup, StoredClassic, StoredClassicMember};
use esker_model::seams::Instant;
use serde::{Deserialize, Serialize};

use super::Base64;

#[derive(Serialize, Deserialize)]
pub(super) struct ClassicText {
    generation: i32,
    given_up_to: i32,
    #[serde(default)]
    protocol_type: Option<String>,
    #[serde(default)]
    protocol: Option<String>,
    #[serde(default)]
    leader: Option<String>,
    #[serde(default)]
    stable: bool,
    #[serde(default)]
    members: Vec<MemberText>,
}

#[derive(Serialize, Deserialize)]
struct MemberText {
    id: String,
    #[serde(default)]
    instance_id: Option<String>,
    client_id: String,
    client_host: String,
    session_timeout_ms: u64,
    rebalance_timeout_ms: u64,
    /// Names and metadata, in the member's order.
    protocols: Vec<(String, Base64)>,
    #[serde(default)]
    assignment: Base64,
}

impl From<StoredClassic> for ClassicText {
    fn from(stored: StoredClassic) -> Self {
        Self {
            generation: stored.generation,
            given_up_to: stored.given_up_to,
            protocol_type: stored.protocol_type,
            protocol: stored.protocol,
            leader: stored.leader,
            stable: stored.stable,
            members: stored.members.into_iter().map(MemberText::from).collect(),
        }
    }
}

impl From<StoredClassicMember> for MemberText {
    fn from(member: StoredClassicMember) -> Self {
        let protocols = member.protocols.into_iter();
        Self {
            id: member.member_id,
            instance_id: member.instance_id,
            client_id: member.client_id.to_string(),
            client_host: member.client_host.to_string(),
            session_timeout_ms: millis(member.session_timeout),
            rebalance_timeout_ms: millis(member.rebalance_timeout),
            protocols: protocols
                .map(|(name, metadata)| (name, Base64(metadata)))
                .collect(),
            assignment: Base64(member.assignment),
        }
    }
}

impl ClassicText {
    pub(super) fn restore(self, now: Instant) -> ClassicGroup {
        let members = self.members.into_iter();
        let stored = StoredClassic {
            generation: self.generation,
            given_up_to: self.given_up_to,
            protocol_type: self.protocol_type,
            protocol: self.protocol,
            leader: self.leader,
            stable: self.stable,
            members: members.map(MemberText::stored).collect(),
        };
        ClassicGroup::restore(stored, now)
    }
}

impl MemberText {
    fn stored(self) -> StoredClassicMember {
        let protocols = self.protocols.into_iter();
        StoredClassicMember {
            member_id: self.id,
            instance_id: self.instance_id,
            client_id: self.client_id.into(),
            client_host: self.client_host.into(),
            session_timeout: Duration::from_millis(self.session_timeout_ms),
            rebalance_timeout: Duration::from_millis(self.rebalance_timeout_ms),
            protocols: protocols.map(|(name, metadata)| (name, metadata.0)).collect(),
            assignment: self.assignment.0,
        }
    }
}

pub(super) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
