//! Requests of members of groups, and of who looks after groups.

use bytes::Bytes;
use esker_protocol::messages::consumer_group_heartbeat_request::TopicPartitions;
use esker_protocol::messages::join_group_request::JoinGroupRequestProtocol;
use esker_protocol::messages::leave_group_request::MemberIdentity;
use esker_protocol::messages::offset_commit_request::{
    OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use esker_protocol::messages::offset_delete_request::{
    OffsetDeleteRequestPartition, OffsetDeleteRequestTopic,
};
use esker_protocol::messages::offset_fetch_request::{
    OffsetFetchRequestGroup, OffsetFetchRequestTopic, OffsetFetchRequestTopics,
};
use esker_protocol::messages::sync_group_request::SyncGroupRequestAssignment;
use esker_protocol::messages::{
    ConsumerGroupDescribeRequest, ConsumerGroupHeartbeatRequest, DeleteGroupsRequest, DescribeGroupsRequest,
    GroupId, HeartbeatRequest, JoinGroupRequest, LeaveGroupRequest, ListGroupsRequest, OffsetCommitRequest,
    OffsetDeleteRequest, OffsetFetchRequest, SyncGroupRequest,
};
use uuid::Uuid;

use super::{Requests, name, text};
use crate::topics::PLAIN;

/// The subscription of a consumer to one topic, `a`.
const SUBSCRIPTION: &[u8] = b"\0\x01\0\0\0\x01\0\x01a\xff\xff\xff\xff\0\0\0\0";

pub(super) fn add(requests: &mut Requests) {
    requests.add("", join);
    requests.add("", sync);
    requests.add("", heartbeat);
    requests.add("", leave);
    requests.add("", commit);
    requests.add("", fetch);
    requests.add("", consumer_heartbeat);
    requests.add("", |_| {
        let partitions = vec![OffsetDeleteRequestPartition::default()];
        let topic = OffsetDeleteRequestTopic::default()
            .with_name(name(PLAIN.name))
            .with_partitions(partitions);
        OffsetDeleteRequest::default()
            .with_group_id(group("g"))
            .with_topics(vec![topic])
    });
    let both = || vec![group("g"), group("none")];
    requests.add("", |_| DescribeGroupsRequest::default().with_groups(both()));
    requests.add("", |_| DeleteGroupsRequest::default().with_groups_names(both()));
    requests.add("", |_| {
        ConsumerGroupDescribeRequest::default().with_group_ids(both())
    });
    requests.add("", |version| {
        let mut request = ListGroupsRequest::default();
        if version >= 4 {
            request.states_filter = vec![text("Stable")];
        }
        if version >= 5 {
            request.types_filter = vec![text("classic")];
        }
        request
    });
}

fn group(id: &str) -> GroupId {
    GroupId(text(id))
}

fn join(version: i16) -> JoinGroupRequest {
    let protocol = JoinGroupRequestProtocol::default()
        .with_name(text("range"))
        .with_metadata(Bytes::from_static(SUBSCRIPTION));
    let mut request = JoinGroupRequest::default()
        .with_group_id(group("g"))
        .with_session_timeout_ms(10_000)
        .with_protocol_type(text("consumer"))
        .with_protocols(vec![protocol]);
    if version >= 1 {
        request.rebalance_timeout_ms = 10_000;
    }
    if version >= 5 {
        request.group_instance_id = Some(text("static"));
    }
    if version >= 8 {
        request.reason = Some(text("first"));
    }
    request
}

fn sync(version: i16) -> SyncGroupRequest {
    let assignment = SyncGroupRequestAssignment::default()
        .with_member_id(text("m"))
        .with_assignment(Bytes::from_static(b"\0\0\0\0\0\0"));
    let request = SyncGroupRequest::default()
        .with_group_id(group("g"))
        .with_generation_id(1)
        .with_member_id(text("m"))
        .with_assignments(vec![assignment]);
    if version < 5 {
        return request;
    }
    request
        .with_protocol_type(Some(text("consumer")))
        .with_protocol_name(Some(text("range")))
}

fn heartbeat(_: i16) -> HeartbeatRequest {
    HeartbeatRequest::default()
        .with_group_id(group("g"))
        .with_generation_id(1)
        .with_member_id(text("m"))
}

fn leave(version: i16) -> LeaveGroupRequest {
    let request = LeaveGroupRequest::default().with_group_id(group("g"));
    if version < 3 {
        return request.with_member_id(text("m"));
    }
    let member = MemberIdentity::default()
        .with_member_id(text("m"))
        .with_group_instance_id(Some(text("static")));
    request.with_members(vec![member])
}

fn commit(_: i16) -> OffsetCommitRequest {
    let partition = OffsetCommitRequestPartition::default()
        .with_committed_offset(5)
        .with_committed_metadata(Some(text("kept")));
    let topic = OffsetCommitRequestTopic::default()
        .with_name(name(PLAIN.name))
        .with_partitions(vec![partition]);
    OffsetCommitRequest::default()
        .with_group_id(group("offsets"))
        .with_generation_id_or_member_epoch(-1)
        .with_topics(vec![topic])
}

fn fetch(version: i16) -> OffsetFetchRequest {
    let indexes = vec![0, 99];
    if version < 8 {
        let topic = OffsetFetchRequestTopic::default()
            .with_name(name(PLAIN.name))
            .with_partition_indexes(indexes);
        return OffsetFetchRequest::default()
            .with_group_id(group("offsets"))
            .with_topics(Some(vec![topic]));
    }
    let topic = OffsetFetchRequestTopics::default()
        .with_name(name(PLAIN.name))
        .with_partition_indexes(indexes);
    let some = OffsetFetchRequestGroup::default()
        .with_group_id(group("offsets"))
        .with_topics(Some(vec![topic]));
    let all = OffsetFetchRequestGroup::default()
        .with_group_id(group("g"))
        .with_topics(None);
    OffsetFetchRequest::default().with_groups(vec![some, all])
}

fn consumer_heartbeat(version: i16) -> ConsumerGroupHeartbeatRequest {
    let owned = TopicPartitions::default()
        .with_topic_id(Uuid::from_u128(1))
        .with_partitions(vec![0]);
    let mut request = ConsumerGroupHeartbeatRequest::default()
        .with_group_id(group("new"))
        .with_member_id(text("m"))
        .with_rebalance_timeout_ms(10_000)
        .with_subscribed_topic_names(Some(vec![name(PLAIN.name)]))
        .with_topic_partitions(Some(vec![owned]));
    if version >= 1 {
        request.subscribed_topic_regex = Some(text("a.*|b"));
    }
    request
}
