//! What operators see of a group: ConsumerGroupDescribe and ListGroups.

use std::fmt;
use std::sync::Arc;

use super::{ConsumerGroup, Member};
use crate::TopicUuid;

/// The state of a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConsumerState {
    /// It has no members.
    Empty,
    /// The next heartbeat makes a new target.
    Assigning,
    /// Members are on their way to their target.
    Reconciling,
    /// All members have what they are to.
    Stable,
    /// There is no such group. A group never says so itself.
    Dead,
}

impl fmt::Display for ConsumerState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "Empty",
            Self::Assigning => "Assigning",
            Self::Reconciling => "Reconciling",
            Self::Stable => "Stable",
            Self::Dead => "Dead",
        })
    }
}

/// A group as it is described.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Described {
    /// Its state.
    pub state: ConsumerState,
    /// Its epoch.
    pub group_epoch: i32,
    /// The epoch of the target that members follow.
    pub assignment_epoch: i32,
    /// The assignor that makes the next target.
    pub assignor: &'static str,
    /// Its members, by id.
    pub members: Vec<DescribedMember>,
}

/// A member as it is described.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DescribedMember {
    /// Its id.
    pub member_id: Arc<str>,
    /// Its group instance id.
    pub instance_id: Option<Arc<str>>,
    /// Its rack.
    pub rack: Option<Arc<str>>,
    /// Its epoch; -2 for a static member that will be back.
    pub member_epoch: i32,
    /// Its client id.
    pub client_id: Arc<str>,
    /// Its address.
    pub client_host: Arc<str>,
    /// The topics that it names.
    pub subscribed_names: Vec<Arc<str>>,
    /// Its regular expression.
    pub subscribed_regex: Option<Arc<str>>,
    /// What it was told that it owns.
    pub assignment: Vec<(TopicUuid, Vec<i32>)>,
    /// What it is to own.
    pub target: Vec<(TopicUuid, Vec<i32>)>,
}

impl ConsumerGroup {
    /// The group's state.
    pub fn state(&self) -> ConsumerState {
        let reconciled = |member: &Member| member.is_reconciled(self.assignment_epoch);
        if self.members.is_empty() {
            ConsumerState::Empty
        } else if self.epoch > self.assignment_epoch {
            ConsumerState::Assigning
        } else if self.members.values().all(reconciled) {
            ConsumerState::Stable
        } else {
            ConsumerState::Reconciling
        }
    }

    /// Everything that operators may see.
    pub fn describe(&self) -> Described {
        let members = self.members.values().map(|member| DescribedMember {
            member_id: member.id.clone(),
            instance_id: member.instance.clone(),
            rack: member.rack.clone(),
            member_epoch: member.epoch,
            client_id: member.client_id.clone(),
            client_host: member.client_host.clone(),
            subscribed_names: member.subscription.names.clone(),
            subscribed_regex: member.subscription.regex.clone(),
            assignment: member.assigned.to_list(),
            target: member.target.to_list(),
        });
        Described {
            state: self.state(),
            group_epoch: self.epoch,
            assignment_epoch: self.assignment_epoch,
            assignor: self.assignor().name(),
            members: members.collect(),
        }
    }
}
