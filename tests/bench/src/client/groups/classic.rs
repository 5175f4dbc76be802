//! A member of a classic group: JoinGroup, SyncGroup, Heartbeat, OffsetFetch, OffsetCommit, LeaveGroup.
//!
//! It says what a consumer says, with the eager protocol. Whoever leads gives member i of n the partitions i, i + n, and
//! so on.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use esker_protocol::client::{Decodable, Encodable};
use esker_protocol::messages::consumer_protocol_assignment::TopicPartition;
use esker_protocol::messages::join_group_request::JoinGroupRequestProtocol;
use esker_protocol::messages::leave_group_request::MemberIdentity;
use esker_protocol::messages::offset_commit_request::{
    OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use esker_protocol::messages::offset_fetch_request::{OffsetFetchRequestGroup, OffsetFetchRequestTopics};
use esker_protocol::messages::sync_group_request::SyncGroupRequestAssignment;
use esker_protocol::messages::{
    ConsumerProtocolAssignment, ConsumerProtocolSubscription, GroupId, HeartbeatRequest, JoinGroupRequest,
    JoinGroupResponse, LeaveGroupRequest, OffsetCommitRequest, OffsetFetchRequest, SyncGroupRequest,
    TopicName,
};
use esker_protocol::{ErrorCode, StrBytes};

use super::rest::Standing;
use super::{Beat, asks_again, pause, refused};
use crate::client::connection::Connection;

/// Defaults of consumers.
const SESSION_TIMEOUT_MS: i32 = 45_000;
const REBALANCE_TIMEOUT_MS: i32 = 300_000;
const PROTOCOL_TYPE: &str = "consumer";
const ASSIGNOR: &str = "range";
/// Version of what members and leaders tell each other: the first one has all that they need.
const CONSUMER_VERSION: i16 = 0;

/// One member, and what it knows of itself.
pub(super) struct Member {
    group: StrBytes,
    topic: StrBytes,
    /// Of the topic.
    partitions: i32,
    id: StrBytes,
    generation: i32,
    /// What it commits to the one partition that it commits: an offset after the other.
    committed: Option<(i32, i64)>,
}

impl Member {
    /// Somebody who has not joined yet. `commits`: a partition that it commits offsets of.
    pub(super) fn new(group: StrBytes, topic: StrBytes, partitions: i32, commits: Option<i32>) -> Self {
        Self {
            group,
            topic,
            partitions,
            id: StrBytes::default(),
            generation: -1,
            committed: commits.map(|partition| (partition, 0)),
        }
    }

    /// Joins, for the first time or again, until it has an assignment. One that commits asks where its group goes on.
    pub(super) async fn join(&mut self, connection: &mut Connection) -> Result<Standing, String> {
        loop {
            let joined = connection.call(&self.join_request()?).await?;
            if self
                .must_join_again("JoinGroup", joined.error_code, &joined.member_id)
                .await?
            {
                continue;
            }
            self.id = joined.member_id.clone();
            self.generation = joined.generation_id;
            let request = self.sync_request(&joined)?;
            let synced = connection.call(&request).await?;
            if self
                .must_join_again("SyncGroup", synced.error_code, &self.id.clone())
                .await?
            {
                continue;
            }
            let standing = Standing {
                epoch: self.generation,
                partitions: read_assignment(synced.assignment)?,
            };
            self.find_committed(connection).await?;
            return Ok(standing);
        }
    }

    /// Says that it is there.
    pub(super) async fn beat(&mut self, connection: &mut Connection) -> Result<Beat, String> {
        let request = HeartbeatRequest::default()
            .with_group_id(GroupId(self.group.clone()))
            .with_generation_id(self.generation)
            .with_member_id(self.id.clone());
        let code = connection.call(&request).await?.error_code;
        self.heard("Heartbeat", code)
    }

    /// Commits the next offset.
    pub(super) async fn commit(&mut self, connection: &mut Connection) -> Result<Beat, String> {
        let Some((partition, offset)) = self.committed else {
            return Err("this member has nothing to commit".to_owned());
        };
        let of = OffsetCommitRequestPartition::default()
            .with_partition_index(partition)
            .with_committed_offset(offset);
        let topic = OffsetCommitRequestTopic::default()
            .with_name(TopicName(self.topic.clone()))
            .with_partitions(vec![of]);
        let request = OffsetCommitRequest::default()
            .with_group_id(GroupId(self.group.clone()))
            .with_generation_id_or_member_epoch(self.generation)
            .with_member_id(self.id.clone())
            .with_topics(vec![topic]);
        let answer = connection.call(&request).await?;
        let partitions = answer.topics.iter().flat_map(|topic| &topic.partitions);
        let Some(code) = partitions.map(|partition| partition.error_code).next() else {
            return Err("OffsetCommit: no answer for the partition".to_owned());
        };
        self.committed = Some((partition, offset.saturating_add(1)));
        self.heard("OffsetCommit", code)
    }

    /// Leaves; that it did not work is of no interest.
    pub(super) async fn leave(&mut self, connection: &mut Connection) {
        let member = MemberIdentity::default().with_member_id(self.id.clone());
        let request = LeaveGroupRequest::default()
            .with_group_id(GroupId(self.group.clone()))
            .with_members(vec![member]);
        let _ = connection.call(&request).await;
    }

    fn join_request(&self) -> Result<JoinGroupRequest, String> {
        let subscription = ConsumerProtocolSubscription::default().with_topics(vec![self.topic.clone()]);
        let protocol = JoinGroupRequestProtocol::default()
            .with_name(StrBytes::from_static_str(ASSIGNOR))
            .with_metadata(told(&subscription)?);
        Ok(JoinGroupRequest::default()
            .with_group_id(GroupId(self.group.clone()))
            .with_session_timeout_ms(SESSION_TIMEOUT_MS)
            .with_rebalance_timeout_ms(REBALANCE_TIMEOUT_MS)
            .with_member_id(self.id.clone())
            .with_protocol_type(StrBytes::from_static_str(PROTOCOL_TYPE))
            .with_protocols(vec![protocol]))
    }

    fn sync_request(&self, joined: &JoinGroupResponse) -> Result<SyncGroupRequest, String> {
        let leads = joined.leader == joined.member_id;
        let members = if leads { joined.members.len() } else { 0 };
        let mut assignments = Vec::with_capacity(members);
        for (at, member) in joined.members.iter().take(members).enumerate() {
            let partitions = (at..usize::try_from(self.partitions).unwrap_or(0)).step_by(members);
            let partitions = partitions.filter_map(|partition| i32::try_from(partition).ok());
            let topic = TopicPartition::default()
                .with_topic(TopicName(self.topic.clone()))
                .with_partitions(partitions.collect());
            let assignment = ConsumerProtocolAssignment::default().with_assigned_partitions(vec![topic]);
            assignments.push(
                SyncGroupRequestAssignment::default()
                    .with_member_id(member.member_id.clone())
                    .with_assignment(told(&assignment)?),
            );
        }
        Ok(SyncGroupRequest::default()
            .with_group_id(GroupId(self.group.clone()))
            .with_generation_id(self.generation)
            .with_member_id(self.id.clone())
            .with_protocol_type(joined.protocol_type.clone())
            .with_protocol_name(joined.protocol_name.clone())
            .with_assignments(assignments))
    }

    /// Whether a refusal is one after which a consumer joins again; other refusals are errors.
    async fn must_join_again(&mut self, what: &str, code: i16, id: &StrBytes) -> Result<bool, String> {
        match ErrorCode::from_code(code) {
            Some(ErrorCode::None) => return Ok(false),
            Some(ErrorCode::MemberIdRequired) => self.id = id.clone(),
            Some(ErrorCode::UnknownMemberId) => self.id = StrBytes::default(),
            Some(ErrorCode::RebalanceInProgress | ErrorCode::IllegalGeneration) => {}
            _ if asks_again(code) => pause(Duration::from_millis(100)).await,
            _ => return Err(refused(what, code)),
        }
        Ok(true)
    }

    async fn find_committed(&mut self, connection: &mut Connection) -> Result<(), String> {
        let Some((partition, _)) = self.committed else {
            return Ok(());
        };
        let topic = OffsetFetchRequestTopics::default()
            .with_name(TopicName(self.topic.clone()))
            .with_partition_indexes(vec![partition]);
        let group = OffsetFetchRequestGroup::default()
            .with_group_id(GroupId(self.group.clone()))
            .with_member_id(Some(self.id.clone()))
            .with_member_epoch(self.generation)
            .with_topics(Some(vec![topic]));
        let request = OffsetFetchRequest::default().with_groups(vec![group]);
        let answer = connection.call(&request).await?;
        let groups = answer.groups.first();
        let partitions = groups.and_then(|group| group.topics.first()?.partitions.first());
        let Some(found) = partitions else {
            return Err(refused(
                "OffsetFetch",
                groups.map_or(-1, |group| group.error_code),
            ));
        };
        if found.error_code != 0 {
            return Err(refused("OffsetFetch", found.error_code));
        }
        self.committed = Some((partition, found.committed_offset.max(0)));
        Ok(())
    }

    fn heard(&mut self, what: &str, code: i16) -> Result<Beat, String> {
        match ErrorCode::from_code(code) {
            Some(ErrorCode::None) => Ok(Beat::Heard),
            Some(ErrorCode::RebalanceInProgress | ErrorCode::IllegalGeneration) => Ok(Beat::MustJoin),
            Some(ErrorCode::UnknownMemberId) => {
                self.id = StrBytes::default();
                Ok(Beat::MustJoin)
            }
            _ if asks_again(code) => Ok(Beat::Refused(refused(what, code))),
            _ => Err(refused(what, code)),
        }
    }
}

/// As members and leaders write it: a version, then the message.
fn told(message: &impl Encodable) -> Result<Bytes, String> {
    let mut out = BytesMut::new();
    out.extend_from_slice(&CONSUMER_VERSION.to_be_bytes());
    message
        .encode(&mut out, CONSUMER_VERSION)
        .map_err(|err| format!("cannot write what a member says: {err}"))?;
    Ok(out.freeze())
}

fn read_assignment(mut bytes: Bytes) -> Result<Vec<i32>, String> {
    if bytes.is_empty() {
        return Ok(Vec::new());
    }
    let version = bytes.split_to(bytes.len().min(2));
    if version != CONSUMER_VERSION.to_be_bytes().as_slice() {
        return Err("an assignment of another version than the leader's".to_owned());
    }
    let assignment = ConsumerProtocolAssignment::decode(&mut bytes, CONSUMER_VERSION)
        .map_err(|err| format!("an assignment does not read: {err}"))?;
    let topics = assignment.assigned_partitions.into_iter();
    Ok(topics.flat_map(|topic| topic.partitions).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use esker_protocol::consumer_protocol::subscribed_topics;
    use esker_protocol::messages::join_group_response::JoinGroupResponseMember;

    fn joined(leader: &'static str, members: &[&'static str]) -> JoinGroupResponse {
        let members = members
            .iter()
            .map(|id| JoinGroupResponseMember::default().with_member_id(StrBytes::from_static_str(id)));
        JoinGroupResponse::default()
            .with_leader(StrBytes::from_static_str(leader))
            .with_member_id(StrBytes::from_static_str("a"))
            .with_members(members.collect())
    }

    fn member() -> Member {
        let topic = StrBytes::from_static_str("t");
        Member::new(StrBytes::from_static_str("g"), topic, 5, None)
    }

    #[test]
    fn who_leads_gives_out_every_partition_once() {
        let request = member().sync_request(&joined("a", &["b", "a"])).unwrap();
        let given: Vec<_> = request
            .assignments
            .iter()
            .map(|of| {
                (
                    of.member_id.to_string(),
                    read_assignment(of.assignment.clone()).unwrap(),
                )
            })
            .collect();
        assert_eq!(
            given,
            [("b".to_owned(), vec![0, 2, 4]), ("a".to_owned(), vec![1, 3])]
        );
        let follows = member().sync_request(&joined("b", &[])).unwrap();
        assert!(follows.assignments.is_empty());
    }

    #[test]
    fn brokers_read_what_a_member_subscribes_to() {
        let request = member().join_request().unwrap();
        let metadata = &request.protocols[0].metadata;
        assert_eq!(subscribed_topics(metadata), Some(vec!["t".to_owned()]));
        assert_eq!(read_assignment(Bytes::new()), Ok(Vec::new()));
        assert!(read_assignment(Bytes::from_static(&[0])).is_err());
        assert!(read_assignment(Bytes::from_static(&[0, 0, 0, 0, 0, 9])).is_err());
    }
}
