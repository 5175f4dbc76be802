//! Who a heartbeat comes from: a member, a new one, or a static one that is back.

use std::sync::Arc;
use std::time::Duration;

use super::heartbeat::Heartbeat;
use super::member::{LEAVE_STATIC, Member};
use super::partitions::Partitions;
use super::stored::MemberState;
use super::subscription::Subscription;
use super::{Changes, ConsumerGroup};
use crate::groups::{GroupError, GroupLimits};
use crate::seams::Instant;

/// Who it is.
pub(super) enum Arrival {
    /// A member that the group does not know yet.
    New,
    /// This member.
    Known(Arc<str>),
    /// A static member that left under this id to be back.
    Back(Arc<str>),
}

impl Arrival {
    /// The id that the group knows it by.
    pub(super) fn known(&self) -> Option<&Arc<str>> {
        match self {
            Self::New => None,
            Self::Known(id) | Self::Back(id) => Some(id),
        }
    }
}

impl ConsumerGroup {
    /// Finds out who it is, and whether it may be here.
    pub(super) fn admit(&self, heartbeat: &Heartbeat, limits: &GroupLimits) -> Result<Arrival, GroupError> {
        let joins = heartbeat.member_epoch == 0;
        if self.epoch == 0 && !joins {
            return Err(GroupError::GroupIdNotFound);
        }
        let known = self.members.get(&*heartbeat.member_id);
        if let Some(instance) = &heartbeat.instance_id {
            let holder = self.statics.get(&**instance).and_then(|id| self.members.get(id));
            match holder {
                None if !joins => return Err(GroupError::UnknownMemberId),
                None => {}
                Some(holder) if joins && holder.epoch == LEAVE_STATIC => {
                    // Its new id must not be that of somebody else.
                    return match known {
                        Some(other) if other.id != holder.id => Err(GroupError::InvalidRequest),
                        _ => Ok(Arrival::Back(holder.id.clone())),
                    };
                }
                Some(holder) if *holder.id == *heartbeat.member_id => {}
                Some(_) if joins => return Err(GroupError::UnreleasedInstanceId),
                Some(_) => return Err(GroupError::FencedInstanceId),
            }
        }
        match known {
            Some(member) => {
                member.check_epoch(heartbeat.member_epoch, heartbeat.owned.as_deref())?;
                Ok(Arrival::Known(member.id.clone()))
            }
            None if !joins => Err(GroupError::UnknownMemberId),
            None if self.members.len() >= limits.consumer_max_size => Err(GroupError::GroupMaxSizeReached),
            None => Ok(Arrival::New),
        }
    }

    /// Makes it a member under the id that it comes with, which is answered.
    pub(super) fn arrive(
        &mut self,
        arrival: Arrival,
        heartbeat: &Heartbeat,
        now: Instant,
        changes: &mut Changes,
    ) -> Arc<str> {
        let id: Arc<str> = match &arrival {
            Arrival::Known(id) => id.clone(),
            Arrival::New | Arrival::Back(_) => Arc::from(heartbeat.member_id.as_str()),
        };
        match arrival {
            Arrival::Known(_) => self.rename_instance(&id, heartbeat),
            Arrival::New => {
                let member = Member {
                    id: id.clone(),
                    instance: heartbeat.instance_id.as_deref().map(Arc::from),
                    rack: None,
                    client_id: heartbeat.client_id.clone(),
                    client_host: heartbeat.client_host.clone(),
                    rebalance_timeout: heartbeat.rebalance_timeout.unwrap_or(Duration::ZERO),
                    subscription: self.subscriptions.add(Subscription::default()),
                    assignor: None,
                    epoch: 0,
                    previous_epoch: 0,
                    state: MemberState::Stable,
                    assigned: Partitions::default(),
                    revoking: Partitions::default(),
                    target: Partitions::default(),
                    heard: now,
                    revoke_by: None,
                };
                self.enter(member, changes);
            }
            Arrival::Back(former) => {
                if let Some(mut member) = self.take(&former) {
                    changes.gone(&former);
                    member.id = id.clone();
                    member.epoch = 0;
                    member.previous_epoch = 0;
                    self.enter(member, changes);
                }
            }
        }
        id
    }

    /// A member that takes another instance id gives its former one up.
    fn rename_instance(&mut self, id: &Arc<str>, heartbeat: &Heartbeat) {
        let Some(said) = heartbeat.instance_id.as_deref() else {
            return;
        };
        let before = self.members.get(id).and_then(|member| member.instance.as_deref());
        if before == Some(said) {
            return;
        }
        if let Some(before) = before {
            self.statics.remove(before);
        }
        self.statics.insert(Arc::from(said), id.clone());
    }

    fn enter(&mut self, member: Member, changes: &mut Changes) {
        changes.kept(&member.id);
        self.bytes += member.bytes();
        if let Some(instance) = &member.instance {
            self.statics.insert(instance.clone(), member.id.clone());
        }
        let id = member.id.clone();
        self.owners
            .extend(member.owned().map(|partition| (partition, id.clone())));
        self.members.insert(id, member);
    }

    /// Takes a member out, with its subscription: who does not enter it again removes that.
    pub(super) fn take(&mut self, id: &str) -> Option<Member> {
        let member = self.members.remove(id)?;
        self.bytes -= member.bytes();
        if let Some(instance) = &member.instance {
            self.statics.remove(instance);
        }
        for partition in member.owned() {
            self.owners.remove(&partition);
        }
        Some(member)
    }
}
