//! What DescribeGroups says of a group.

use std::sync::Arc;

use bytes::Bytes;

use super::{ClassicGroup, ClassicState, Phase};

/// A group, as DescribeGroups shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Described {
    /// Its state.
    pub state: ClassicState,
    /// What kind of members it has, or had last.
    pub protocol_type: Option<String>,
    /// The protocol that was chosen; while Stable only.
    pub protocol: Option<String>,
    /// Its members, ascending by id.
    pub members: Vec<DescribedMember>,
}

/// A member, as DescribeGroups shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DescribedMember {
    /// Its id.
    pub member_id: String,
    /// Its instance id, if it is static.
    pub instance_id: Option<String>,
    /// Its client id.
    pub client_id: Arc<str>,
    /// Where it comes from.
    pub client_host: Arc<str>,
    /// Its metadata for the protocol that was chosen; while Stable only, else empty.
    pub metadata: Bytes,
    /// What the leader gave it, while Stable; what it had before, while the group prepares for the next generation.
    pub assignment: Bytes,
}

impl ClassicGroup {
    /// The group as it is now.
    pub fn describe(&self) -> Described {
        let protocol = match self.phase {
            Phase::Stable => self.protocol.clone(),
            _ => None,
        };
        let members = self
            .roster
            .iter()
            .map(|member| DescribedMember {
                member_id: member.id.to_string(),
                instance_id: member.instance_id.as_deref().map(str::to_owned),
                client_id: member.client_id.clone(),
                client_host: member.client_host.clone(),
                metadata: member.metadata(protocol.as_deref()),
                assignment: member.assignment().clone(),
            })
            .collect();
        Described {
            state: self.state(),
            protocol_type: self.protocol_type.clone(),
            protocol,
            members,
        }
    }
}
