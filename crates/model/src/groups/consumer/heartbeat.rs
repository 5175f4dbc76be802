//! ConsumerGroupHeartbeat: one call is all that a member ever says.

use std::sync::Arc;
use std::time::Duration;

use super::assign::Assignor;
use super::join::Arrival;
use super::member::{LEAVE, LEAVE_STATIC, Member};
use super::subscription::Subscription;
use super::{Changes, ConsumerGroup, Keep, SubscribableTopics};
use crate::TopicUuid;
use crate::groups::{
    GROUP_BYTES_MAX, GroupError, GroupLimits, MEMBER_ID_BYTES_MAX, MEMBER_METADATA_BYTES_MAX,
    SUBSCRIBED_TOPICS_MAX,
};
use crate::seams::Instant;

/// What a member says. `None` means that it is as it was when it last said it.
#[derive(Clone, Debug, Default)]
pub struct Heartbeat {
    /// The member's id; from version 1 on it makes it itself.
    pub member_id: String,
    /// 0 to join (again), the epoch that it was given, -1 to leave, -2 to leave as a static member that will be back.
    pub member_epoch: i32,
    /// Its group instance id (KIP-345).
    pub instance_id: Option<String>,
    /// Its rack.
    pub rack: Option<String>,
    /// How long it may take to give partitions up; on the wire -1 is `None`.
    pub rebalance_timeout: Option<Duration>,
    /// The topics that it subscribes to by name.
    pub subscribed_names: Option<Vec<String>>,
    /// The regular expression that it subscribes to; empty: to none.
    pub subscribed_regex: Option<String>,
    /// The assignor that it would like.
    pub assignor: Option<String>,
    /// The partitions that it owns.
    pub owned: Option<Vec<(TopicUuid, Vec<i32>)>>,
    /// The client id of the request.
    pub client_id: Arc<str>,
    /// The address that it came from.
    pub client_host: Arc<str>,
    /// Version 0 only: the id for a member that joins without one.
    pub new_member_id: Option<String>,
}

/// The answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeartbeatReply {
    /// The member's id.
    pub member_id: String,
    /// The epoch that it has from now on; -1 or -2 if it left.
    pub member_epoch: i32,
    /// When to come again; zero if it left.
    pub heartbeat_interval: Duration,
    /// All partitions that it is to have; `None`: as it was told last.
    pub assignment: Option<Vec<(TopicUuid, Vec<i32>)>>,
}

/// Whether a text says nothing, as Kafka sees it: nothing but characters up to the space.
pub fn is_blank(text: &str) -> bool {
    text.chars().all(|char| char <= ' ')
}

impl Heartbeat {
    /// What is wrong with it whatever the group is, and whether there is one: `InvalidRequest`, `UnsupportedAssignor`.
    pub fn check(&self) -> Result<(), GroupError> {
        let blank = is_blank(&self.member_id);
        let nameless = blank && !matches!(self.member_epoch, 0 | LEAVE_STATIC);
        let no_new_id = self.new_member_id.as_ref().is_none_or(String::is_empty);
        let without_id = blank && no_new_id;
        let texts = [&self.instance_id, &self.rack];
        let mut texts = texts.into_iter().flatten();
        let bad_text = texts.any(|text| is_blank(text) || text.len() > MEMBER_ID_BYTES_MAX);
        let id_too_long = self.member_id.len() > MEMBER_ID_BYTES_MAX;
        let names = self.subscribed_names.as_ref().map_or(0, Vec::len);
        let bad_epoch = match self.member_epoch {
            0 => {
                self.rebalance_timeout.is_none()
                    || self.owned.as_ref().is_none_or(|owned| !owned.is_empty())
                    || (self.subscribed_names.is_none() && self.subscribed_regex.is_none())
            }
            LEAVE_STATIC => self.instance_id.is_none(),
            epoch => epoch < LEAVE_STATIC,
        };
        if nameless || without_id || bad_text || id_too_long || bad_epoch || names > SUBSCRIBED_TOPICS_MAX {
            return Err(GroupError::InvalidRequest);
        }
        match &self.assignor {
            Some(assignor) if Assignor::named(assignor).is_none() => Err(GroupError::UnsupportedAssignor),
            _ => Ok(()),
        }
    }

    /// Whether it says everything: who does may have lost an answer, and is told everything.
    fn is_full(&self) -> bool {
        self.rebalance_timeout.is_some()
            && (self.subscribed_names.is_some() || self.subscribed_regex.is_some())
            && self.owned.is_some()
    }

    /// Bytes that a member with this subscription takes.
    fn bytes(&self, subscription: &Subscription) -> usize {
        let texts = [&self.instance_id, &self.rack];
        let texts: usize = texts.into_iter().flatten().map(String::len).sum();
        self.member_id.len() + texts + self.client_id.len() + self.client_host.len() + subscription.bytes
    }
}

impl ConsumerGroup {
    /// A member's heartbeat.
    ///
    /// Refused: malformed, too many topics, too large: `InvalidRequest`; no such assignor: `UnsupportedAssignor`; the
    /// group never had a member: `GroupIdNotFound`; unknown: `UnknownMemberId`; a wrong epoch: `FencedMemberEpoch`;
    /// another member has the instance id: `UnreleasedInstanceId` for who joins, `FencedInstanceId` else; too many
    /// members or bytes: `GroupMaxSizeReached`; `InvalidRegularExpression`. Nothing is changed then.
    pub fn heartbeat(
        &mut self,
        now: Instant,
        mut heartbeat: Heartbeat,
        topics: &dyn SubscribableTopics,
        limits: &GroupLimits,
    ) -> (Result<HeartbeatReply, GroupError>, Keep) {
        let mut changes = Changes::default();
        let answer = heartbeat.check().and_then(|()| {
            if heartbeat.member_id.is_empty() && heartbeat.member_epoch == 0 {
                heartbeat.member_id = heartbeat.new_member_id.take().unwrap_or_default();
            }
            match heartbeat.member_epoch {
                LEAVE | LEAVE_STATIC => self.leave_by_heartbeat(now, heartbeat, &mut changes),
                _ => self.stay(now, heartbeat, topics, limits, &mut changes),
            }
        });
        (answer, changes.keep())
    }

    /// The answer to a member's heartbeat goes out only now: its session begins anew, as the member counts from here.
    pub fn answered(&mut self, now: Instant, member_id: &str) {
        if let Some(member) = self.members.get_mut(member_id) {
            member.heard = member.heard.max(now);
        }
    }

    /// A heartbeat that does not leave.
    fn stay(
        &mut self,
        now: Instant,
        mut heartbeat: Heartbeat,
        topics: &dyn SubscribableTopics,
        limits: &GroupLimits,
        changes: &mut Changes,
    ) -> Result<HeartbeatReply, GroupError> {
        let full = heartbeat.is_full();
        let arrival = self.admit(&heartbeat, limits)?;
        let subscription = self.new_subscription(&arrival, &mut heartbeat)?;
        // Nothing is refused from here on.
        let id = self.arrive(arrival, &heartbeat, now, changes);
        let subscription_changed = subscription.is_some();
        self.update(&id, &heartbeat, subscription, now, changes);
        self.wake_by(Some(now.plus(limits.consumer_session_timeout)));
        self.refresh(subscription_changed, now, topics, changes);
        let epoch = self.members.get(&id).map_or(0, |member| member.epoch);
        // Who lost an answer gets that one again: what it owns says nothing about what that answer told it.
        let lost = heartbeat.member_epoch != 0 && heartbeat.member_epoch != epoch;
        let owned = heartbeat.owned.as_deref();
        let told = !lost && self.reconcile(&id, owned, subscription_changed, now, topics, changes);
        let Some(member) = self.members.get(&id) else {
            return Err(GroupError::UnknownMemberId);
        };
        let tell = heartbeat.member_epoch == 0 || lost || full || told;
        Ok(HeartbeatReply {
            member_id: heartbeat.member_id,
            member_epoch: member.epoch,
            heartbeat_interval: self.next_heartbeat(member, now, limits.consumer_heartbeat_interval),
            assignment: tell.then(|| member.assigned.to_list()),
        })
    }

    /// What the member subscribes to from now on; `None` if that does not change.
    fn new_subscription(
        &self,
        arrival: &Arrival,
        heartbeat: &mut Heartbeat,
    ) -> Result<Option<Subscription>, GroupError> {
        let (names, regex) = (
            heartbeat.subscribed_names.take(),
            heartbeat.subscribed_regex.take(),
        );
        if names.is_none() && regex.is_none() {
            return Ok(None);
        }
        let member = arrival.known().and_then(|id| self.members.get(id));
        let nothing = Subscription::default();
        let before = member.map_or(&nothing, |member| &*member.subscription);
        let subscription = before.changed(names, regex);
        let changed = subscription != *before;
        if !changed && member.is_some() {
            return Ok(None);
        }
        let bytes = heartbeat.bytes(&subscription);
        if bytes > MEMBER_METADATA_BYTES_MAX {
            return Err(GroupError::InvalidRequest);
        }
        if self.bytes - member.map_or(0, Member::bytes) + bytes > GROUP_BYTES_MAX {
            return Err(GroupError::GroupMaxSizeReached);
        }
        self.subscriptions.check(&subscription)?;
        Ok(changed.then_some(subscription))
    }

    /// Takes over what the member says of itself.
    fn update(
        &mut self,
        id: &Arc<str>,
        heartbeat: &Heartbeat,
        subscription: Option<Subscription>,
        now: Instant,
        changes: &mut Changes,
    ) {
        let Some(member) = self.members.get_mut(id) else {
            return;
        };
        member.heard = now;
        self.bytes -= member.bytes();
        let mut changed = false;
        if let Some(subscription) = subscription {
            let subscription = self.subscriptions.add(subscription);
            self.subscriptions.remove(&member.subscription);
            member.subscription = subscription;
            changed = true;
        }
        for (text, said) in [
            (&mut member.client_id, &heartbeat.client_id),
            (&mut member.client_host, &heartbeat.client_host),
        ] {
            if text != said {
                *text = said.clone();
                changed = true;
            }
        }
        for (text, said) in [
            (&mut member.rack, heartbeat.rack.as_deref()),
            (&mut member.instance, heartbeat.instance_id.as_deref()),
        ] {
            if said.is_some() && said != text.as_deref() {
                *text = said.map(Arc::from);
                changed = true;
            }
        }
        if let Some(timeout) = heartbeat.rebalance_timeout
            && timeout != member.rebalance_timeout
        {
            member.rebalance_timeout = timeout;
            changed = true;
        }
        let assignor = heartbeat.assignor.as_deref().and_then(Assignor::named);
        if assignor.is_some() && assignor != member.assignor {
            member.assignor = assignor;
            changed = true;
        }
        self.bytes += member.bytes();
        if changed {
            changes.kept(&member.id);
        }
    }
}
