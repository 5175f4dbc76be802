//! The requests of group members and administrators, in short.

use std::time::Duration;

use bytes::Bytes;
use esker_broker::BrokerConfig;
use esker_protocol::StrBytes;
use esker_protocol::messages::consumer_group_heartbeat_request::TopicPartitions;
use esker_protocol::messages::join_group_request::JoinGroupRequestProtocol;
use esker_protocol::messages::offset_commit_request::{
    OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use esker_protocol::messages::offset_fetch_request::{OffsetFetchRequestGroup, OffsetFetchRequestTopics};
use esker_protocol::messages::sync_group_request::SyncGroupRequestAssignment;
use esker_protocol::messages::{
    ConsumerGroupHeartbeatRequest, ConsumerGroupHeartbeatResponse, FindCoordinatorRequest, GroupId,
    HeartbeatRequest, JoinGroupRequest, JoinGroupResponse, OffsetCommitRequest, OffsetFetchRequest,
    SyncGroupRequest, SyncGroupResponse,
};
use uuid::Uuid;

use crate::support::{Agent, Client, World, topic_name};

pub(crate) fn text(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}

pub(crate) fn group_id(id: &str) -> GroupId {
    GroupId(text(id))
}

/// Settings with which a group waits for nobody.
pub(crate) fn at_once(config: BrokerConfig) -> BrokerConfig {
    let groups = esker_model::groups::GroupLimits {
        initial_rebalance_delay: Duration::ZERO,
        ..config.groups.clone()
    };
    BrokerConfig { groups, ..config }
}

/// An agent that coordinates group `g`, where topic `t` has one partition.
pub(crate) async fn coordinator() -> (World, Agent, Client) {
    let world = World::new();
    let agent = world.agent("a").await;
    let mut client = agent.connect();
    client.create_topic("t", 1).await;
    client.until_coordinated("g").await;
    (world, agent, client)
}

/// A JoinGroup of somebody who knows one protocol.
pub(crate) fn join_request(group: &str, member: &str, session_ms: i32) -> JoinGroupRequest {
    let protocol = JoinGroupRequestProtocol::default()
        .with_name(text("range"))
        .with_metadata(Bytes::from(format!("of {member}")));
    JoinGroupRequest::default()
        .with_group_id(group_id(group))
        .with_session_timeout_ms(session_ms)
        .with_rebalance_timeout_ms(20_000)
        .with_member_id(text(member))
        .with_protocol_type(text("consumer"))
        .with_protocols(vec![protocol])
}

impl Client {
    /// The node that coordinates a group, or the error.
    pub(crate) async fn coordinator(&mut self, group: &str) -> Result<String, i16> {
        let request = FindCoordinatorRequest::default().with_coordinator_keys(vec![text(group)]);
        let found = self.call(4, &request).await.coordinators.remove(0);
        match found.error_code {
            0 => Ok(found.host.to_string()),
            error => Err(error),
        }
    }

    /// Waits until somebody coordinates a group, and says who.
    pub(crate) async fn until_coordinated(&mut self, group: &str) -> String {
        for _ in 0..300 {
            if let Ok(found) = self.coordinator(group).await {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("nobody coordinates {group}");
    }

    /// Gets a member id, then joins.
    pub(crate) async fn join(&mut self, group: &str) -> JoinGroupResponse {
        self.join_for(group, 10_000).await
    }

    pub(crate) async fn join_for(&mut self, group: &str, session_ms: i32) -> JoinGroupResponse {
        let first = self.call(9, &join_request(group, "", session_ms)).await;
        assert_eq!(first.error_code, 79);
        self.call(9, &join_request(group, &first.member_id, session_ms))
            .await
    }

    /// Hands in an assignment (of a leader), and takes its own.
    pub(crate) async fn sync(
        &mut self,
        group: &str,
        generation: i32,
        member: &str,
        assignments: &[(&str, &'static str)],
    ) -> SyncGroupResponse {
        let assignments = assignments.iter().map(|(member, assignment)| {
            SyncGroupRequestAssignment::default()
                .with_member_id(text(member))
                .with_assignment(Bytes::from_static(assignment.as_bytes()))
        });
        let request = SyncGroupRequest::default()
            .with_group_id(group_id(group))
            .with_generation_id(generation)
            .with_member_id(text(member))
            .with_protocol_type(Some(text("consumer")))
            .with_protocol_name(Some(text("range")))
            .with_assignments(assignments.collect());
        self.call(5, &request).await
    }

    pub(crate) async fn heartbeat(&mut self, group: &str, generation: i32, member: &str) -> i16 {
        let request = HeartbeatRequest::default()
            .with_group_id(group_id(group))
            .with_generation_id(generation)
            .with_member_id(text(member));
        self.call(4, &request).await.error_code
    }

    /// Commits an offset of a partition of `t`.
    pub(crate) async fn commit(
        &mut self,
        group: &str,
        (generation, member): (i32, &str),
        partition: i32,
        offset: i64,
    ) -> i16 {
        let request = commit_request(group, generation, member, "t", &[(partition, offset, "")]);
        self.call(9, &request).await.topics[0].partitions[0].error_code
    }

    /// What is committed of partitions of `t`, or the error of the group.
    pub(crate) async fn committed(&mut self, group: &str, partitions: &[i32]) -> Result<Vec<i64>, i16> {
        let topic = OffsetFetchRequestTopics::default()
            .with_name(topic_name("t"))
            .with_partition_indexes(partitions.to_vec());
        let asked = OffsetFetchRequestGroup::default()
            .with_group_id(group_id(group))
            .with_member_epoch(-1)
            .with_topics(Some(vec![topic]));
        let request = OffsetFetchRequest::default().with_groups(vec![asked]);
        let mut found = self.call(9, &request).await.groups.remove(0);
        if found.error_code != 0 {
            return Err(found.error_code);
        }
        let partitions = found.topics.remove(0).partitions;
        Ok(partitions
            .iter()
            .map(|partition| partition.committed_offset)
            .collect())
    }

    /// One heartbeat of KIP-848.
    pub(crate) async fn beat(
        &mut self,
        request: &ConsumerGroupHeartbeatRequest,
    ) -> ConsumerGroupHeartbeatResponse {
        self.call(1, request).await
    }
}

pub(crate) fn commit_request(
    group: &str,
    generation: i32,
    member: &str,
    topic: &str,
    offsets: &[(i32, i64, &str)],
) -> OffsetCommitRequest {
    let partitions = offsets.iter().map(|(partition, offset, metadata)| {
        OffsetCommitRequestPartition::default()
            .with_partition_index(*partition)
            .with_committed_offset(*offset)
            .with_committed_metadata(Some(text(metadata)))
    });
    let topic = OffsetCommitRequestTopic::default()
        .with_name(topic_name(topic))
        .with_partitions(partitions.collect());
    OffsetCommitRequest::default()
        .with_group_id(group_id(group))
        .with_generation_id_or_member_epoch(generation)
        .with_member_id(text(member))
        .with_topics(vec![topic])
}

/// The heartbeat with which a member joins a group that reads `t`.
pub(crate) fn joins(group: &str, member: &str) -> ConsumerGroupHeartbeatRequest {
    ConsumerGroupHeartbeatRequest::default()
        .with_group_id(group_id(group))
        .with_member_id(text(member))
        .with_member_epoch(0)
        .with_rebalance_timeout_ms(10_000)
        .with_subscribed_topic_names(Some(vec![topic_name("t")]))
        .with_topic_partitions(Some(Vec::new()))
}

/// A heartbeat that changes nothing, or says what the member owns.
pub(crate) fn is_there(
    group: &str,
    member: &str,
    epoch: i32,
    owned: Option<&[(Uuid, Vec<i32>)]>,
) -> ConsumerGroupHeartbeatRequest {
    let owned = owned.map(|owned| {
        let topics = owned.iter().map(|(topic, partitions)| {
            TopicPartitions::default()
                .with_topic_id(*topic)
                .with_partitions(partitions.clone())
        });
        topics.collect::<Vec<_>>()
    });
    ConsumerGroupHeartbeatRequest::default()
        .with_group_id(group_id(group))
        .with_member_id(text(member))
        .with_member_epoch(epoch)
        .with_rebalance_timeout_ms(-1)
        .with_topic_partitions(owned)
}

/// What a heartbeat was answered with: topics and partitions.
pub(crate) fn assigned(response: &ConsumerGroupHeartbeatResponse) -> Option<Vec<(Uuid, Vec<i32>)>> {
    let assignment = response.assignment.as_ref()?;
    let topics = assignment.topic_partitions.iter();
    Some(
        topics
            .map(|topic| (topic.topic_id, topic.partitions.clone()))
            .collect(),
    )
}
