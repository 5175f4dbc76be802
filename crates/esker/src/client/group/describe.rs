//! What a group is doing: its state, its members and what they were assigned.
//!
//! ConsumerGroupDescribe knows the groups of KIP-848 only, DescribeGroups the classic ones only; whoever has a name does
//! not know which it is, so both are asked in this order, as Kafka's own tools do.

use std::collections::BTreeMap;
use std::time::Duration;

use esker_protocol::ErrorCode;
use esker_protocol::messages::consumer_group_describe_response as consumer;
use esker_protocol::messages::describe_groups_response as classic;
use esker_protocol::messages::{ConsumerGroupDescribeRequest, DescribeGroupsRequest};

use super::{Coordinator, assignment, group_id, is_code};
use crate::client::{ClientError, Cluster, Result};

/// Kafka's state of a group that does not exist.
const DEAD: &str = "Dead";

/// Partitions by topic.
pub(crate) type Partitions = BTreeMap<String, Vec<i32>>;

/// A group.
#[derive(Clone, Debug)]
pub(crate) struct Described {
    pub(crate) group: String,
    /// `classic` or `consumer`.
    pub(crate) kind: &'static str,
    /// As Kafka names it: `Stable`, `Empty`, …
    pub(crate) state: String,
    /// `consumer`, `connect`, …; empty if nobody ever joined.
    pub(crate) protocol_type: String,
    /// How partitions are given out; empty while nobody decided.
    pub(crate) assignor: String,
    /// The group's epoch; classic groups do not tell their generation.
    pub(crate) epoch: Option<i32>,
    pub(crate) members: Vec<Member>,
}

/// A member of a group.
#[derive(Clone, Debug)]
pub(crate) struct Member {
    pub(crate) id: String,
    pub(crate) instance_id: Option<String>,
    pub(crate) client_id: String,
    pub(crate) host: String,
    /// Of a KIP-848 member.
    pub(crate) epoch: Option<i32>,
    /// Topics that it subscribed to by name, as far as that can be read.
    pub(crate) topics: Vec<String>,
    /// Empty as well where it cannot be read: only consumers write it as Kafka specifies.
    pub(crate) assigned: Partitions,
}

impl Member {
    /// How many partitions it has.
    pub(crate) fn partitions(&self) -> usize {
        self.assigned.values().map(Vec::len).sum()
    }
}

/// The group; `None` if there is none of this name.
pub(crate) async fn describe(
    cluster: &mut Cluster,
    coordinator: &mut Coordinator,
) -> Result<Option<Described>> {
    match consumer_group(cluster, coordinator).await {
        Ok(found) => Ok(Some(found)),
        Err(ClientError::Unsupported { .. }) => classic_group(cluster, coordinator).await,
        Err(error)
            if is_code(&error, ErrorCode::GroupIdNotFound)
                || is_code(&error, ErrorCode::UnsupportedVersion) =>
        {
            classic_group(cluster, coordinator).await
        }
        Err(error) => Err(error),
    }
}

fn no_answer(group: &str) -> ClientError {
    ClientError::Input(format!("no answer about group {group}"))
}

async fn consumer_group(cluster: &mut Cluster, coordinator: &mut Coordinator) -> Result<Described> {
    let group = coordinator.group().to_owned();
    let build = |_| Ok(ConsumerGroupDescribeRequest::default().with_group_ids(vec![group_id(&group)]));
    let response = coordinator
        .ask(cluster, Duration::ZERO, build, |response| {
            response.groups.first().map_or(0, |group| group.error_code)
        })
        .await?;
    let found = response
        .groups
        .into_iter()
        .next()
        .ok_or_else(|| no_answer(&group))?;
    let what = || format!("cannot describe group {group}");
    ClientError::check(found.error_code, what, found.error_message.as_deref())?;
    Ok(Described {
        kind: "consumer",
        state: found.group_state.to_string(),
        protocol_type: super::CONSUMER.to_owned(),
        assignor: found.assignor_name.to_string(),
        epoch: Some(found.group_epoch),
        members: found.members.iter().map(consumer_member).collect(),
        group,
    })
}

fn consumer_member(member: &consumer::Member) -> Member {
    let mut assigned = Partitions::new();
    for topic in &member.assignment.topic_partitions {
        let partitions: &mut Vec<i32> = assigned.entry(topic.topic_name.to_string()).or_default();
        partitions.extend(&topic.partitions);
        partitions.sort_unstable();
    }
    Member {
        id: member.member_id.to_string(),
        instance_id: member.instance_id.as_ref().map(ToString::to_string),
        client_id: member.client_id.to_string(),
        host: host(&member.client_host),
        epoch: Some(member.member_epoch),
        topics: member
            .subscribed_topic_names
            .iter()
            .map(|topic| topic.to_string())
            .collect(),
        assigned,
    }
}

async fn classic_group(cluster: &mut Cluster, coordinator: &mut Coordinator) -> Result<Option<Described>> {
    let group = coordinator.group().to_owned();
    let build = |_| Ok(DescribeGroupsRequest::default().with_groups(vec![group_id(&group)]));
    let response = coordinator
        .ask(cluster, Duration::ZERO, build, |response| {
            response.groups.first().map_or(0, |group| group.error_code)
        })
        .await?;
    let found = response
        .groups
        .into_iter()
        .next()
        .ok_or_else(|| no_answer(&group))?;
    if found.error_code == ErrorCode::GroupIdNotFound.code() {
        return Ok(None);
    }
    let what = || format!("cannot describe group {group}");
    ClientError::check(found.error_code, what, found.error_message.as_deref())?;
    if found.group_state.as_str() == DEAD {
        return Ok(None);
    }
    Ok(Some(Described {
        kind: "classic",
        state: found.group_state.to_string(),
        protocol_type: found.protocol_type.to_string(),
        assignor: found.protocol_data.to_string(),
        epoch: None,
        members: found.members.iter().map(classic_member).collect(),
        group,
    }))
}

fn classic_member(member: &classic::DescribedGroupMember) -> Member {
    Member {
        id: member.member_id.to_string(),
        instance_id: member.group_instance_id.as_ref().map(ToString::to_string),
        client_id: member.client_id.to_string(),
        host: host(&member.client_host),
        epoch: None,
        topics: esker_protocol::consumer_protocol::subscribed_topics(&member.member_metadata)
            .unwrap_or_default(),
        assigned: assignment::decode(&member.member_assignment).unwrap_or_default(),
    }
}

/// Kafka writes a slash before addresses.
fn host(text: &str) -> String {
    text.trim_start_matches('/').to_owned()
}
