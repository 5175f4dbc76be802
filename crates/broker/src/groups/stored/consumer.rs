//! A group of KIP-848 and its members as texts.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use esker_model::TopicUuid;
use esker_model::groups::consumer::{ConsumerGroup, MemberState, StoredConsumerGroup, StoredConsumerMember};
use esker_model::seams::Instant;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::Unreadable;
use super::classic::millis;

#[derive(Serialize, Deserialize)]
pub(super) struct ConsumerText {
    group_epoch: i32,
    assignment_epoch: i32,
    metadata_hash: i64,
}

/// Topics by their ids, with partitions.
type Partitions = Vec<(String, Vec<i32>)>;

#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum StateText {
    Stable,
    Revoking,
    Waiting,
}

#[derive(Serialize, Deserialize)]
pub(super) struct MemberText {
    id: String,
    #[serde(default)]
    instance_id: Option<String>,
    #[serde(default)]
    rack: Option<String>,
    client_id: String,
    client_host: String,
    rebalance_timeout_ms: u64,
    #[serde(default)]
    subscribed_names: Vec<String>,
    #[serde(default)]
    subscribed_regex: Option<String>,
    #[serde(default)]
    assignor: Option<String>,
    member_epoch: i32,
    previous_epoch: i32,
    state: StateText,
    #[serde(default)]
    assigned: Partitions,
    #[serde(default)]
    revoking: Partitions,
    #[serde(default)]
    target: Partitions,
}

impl From<StoredConsumerGroup> for ConsumerText {
    fn from(stored: StoredConsumerGroup) -> Self {
        Self {
            group_epoch: stored.group_epoch,
            assignment_epoch: stored.assignment_epoch,
            metadata_hash: stored.metadata_hash,
        }
    }
}

impl ConsumerText {
    pub(super) fn restore(
        self,
        members: &[(Arc<str>, Bytes)],
        now: Instant,
    ) -> Result<ConsumerGroup, Unreadable> {
        let group = StoredConsumerGroup {
            group_epoch: self.group_epoch,
            assignment_epoch: self.assignment_epoch,
            metadata_hash: self.metadata_hash,
        };
        let read = |(_, text): &(Arc<str>, Bytes)| -> Result<StoredConsumerMember, serde_json::Error> {
            Ok(serde_json::from_slice::<MemberText>(text)?.stored())
        };
        let members = members.iter().map(read).collect::<Result<Vec<_>, _>>()?;
        Ok(ConsumerGroup::restore(group, members, now))
    }
}

impl From<StoredConsumerMember> for MemberText {
    fn from(member: StoredConsumerMember) -> Self {
        let text = |text: Arc<str>| text.to_string();
        Self {
            id: text(member.member_id),
            instance_id: member.instance_id.map(text),
            rack: member.rack.map(text),
            client_id: text(member.client_id),
            client_host: text(member.client_host),
            rebalance_timeout_ms: millis(member.rebalance_timeout),
            subscribed_names: member.subscribed_names.into_iter().map(text).collect(),
            subscribed_regex: member.subscribed_regex.map(text),
            assignor: member.assignor,
            member_epoch: member.member_epoch,
            previous_epoch: member.previous_epoch,
            state: match member.state {
                MemberState::Stable => StateText::Stable,
                MemberState::Revoking => StateText::Revoking,
                MemberState::Waiting => StateText::Waiting,
            },
            assigned: to_text(member.assigned),
            revoking: to_text(member.revoking),
            target: to_text(member.target),
        }
    }
}

impl MemberText {
    fn stored(self) -> StoredConsumerMember {
        StoredConsumerMember {
            member_id: self.id.into(),
            instance_id: self.instance_id.map(Arc::from),
            rack: self.rack.map(Arc::from),
            client_id: self.client_id.into(),
            client_host: self.client_host.into(),
            rebalance_timeout: Duration::from_millis(self.rebalance_timeout_ms),
            subscribed_names: self.subscribed_names.into_iter().map(Arc::from).collect(),
            subscribed_regex: self.subscribed_regex.map(Arc::from),
            assignor: self.assignor,
            member_epoch: self.member_epoch,
            previous_epoch: self.previous_epoch,
            state: match self.state {
                StateText::Stable => MemberState::Stable,
                StateText::Revoking => MemberState::Revoking,
                StateText::Waiting => MemberState::Waiting,
            },
            assigned: from_text(self.assigned),
            revoking: from_text(self.revoking),
            target: from_text(self.target),
        }
    }
}

fn to_text(partitions: Vec<(TopicUuid, Vec<i32>)>) -> Partitions {
    let topics = partitions.into_iter();
    topics
        .map(|(topic, partitions)| (topic.0.simple().to_string(), partitions))
        .collect()
}

/// What is no id was written by nobody, and is the id of no topic.
fn from_text(partitions: Partitions) -> Vec<(TopicUuid, Vec<i32>)> {
    let topics = partitions.into_iter();
    let known =
        topics.filter_map(|(topic, partitions)| Some((TopicUuid(Uuid::try_parse(&topic).ok()?), partitions)));
    known.collect()
}
