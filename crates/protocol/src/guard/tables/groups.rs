//! The request schemas of consumer groups and their offsets.

use super::{I32S, TEXTS};
use crate::guard::schema::Kind::{Array, Bytes, Struct, Text};
use crate::guard::schema::{BOOL, I32, I64, Schema, UUID, always, between, since, until};
use crate::messages::{
    consumer_group_describe_request as consumer_describe, consumer_group_heartbeat_request as consumer,
    delete_groups_request as delete, describe_groups_request as describe, heartbeat_request as heartbeat,
    join_group_request as join, leave_group_request as leave, list_groups_request as list,
    offset_commit_request as commit, offset_delete_request as forget, offset_fetch_request as fetch,
    sync_group_request as sync,
};

pub(super) static OFFSET_COMMIT: Schema = {
    // Index, offset, leader epoch, metadata.
    const PARTITION: Schema = Schema::of::<commit::OffsetCommitRequestPartition>(&[
        always(I32),
        always(I64),
        since(6, I32),
        always(Text),
    ]);
    const TOPIC: Schema =
        Schema::of::<commit::OffsetCommitRequestTopic>(&[always(Text), always(Array(&Struct(&PARTITION)))]);
    // Group, generation or member epoch, member, instance, retention, topics.
    Schema::of::<commit::OffsetCommitRequest>(&[
        always(Text),
        always(I32),
        always(Text),
        since(7, Text),
        between(2, 4, I64),
        always(Array(&Struct(&TOPIC))),
    ])
};

pub(super) static OFFSET_FETCH: Schema = {
    const TOPIC: Schema = Schema::of::<fetch::OffsetFetchRequestTopic>(&[always(Text), always(I32S)]);
    const GROUP_TOPIC: Schema = Schema::of::<fetch::OffsetFetchRequestTopics>(&[always(Text), always(I32S)]);
    // Group, member, its epoch, topics.
    const GROUP: Schema = Schema::of::<fetch::OffsetFetchRequestGroup>(&[
        always(Text),
        since(9, Text),
        since(9, I32),
        always(Array(&Struct(&GROUP_TOPIC))),
    ]);
    Schema::of::<fetch::OffsetFetchRequest>(&[
        until(7, Text),
        until(7, Array(&Struct(&TOPIC))),
        since(8, Array(&Struct(&GROUP))),
        since(7, BOOL),
    ])
};

pub(super) static JOIN_GROUP: Schema = {
    const PROTOCOL: Schema = Schema::of::<join::JoinGroupRequestProtocol>(&[always(Text), always(Bytes)]);
    // Group, session and rebalance timeout, member, instance, protocol type, protocols, reason.
    Schema::of::<join::JoinGroupRequest>(&[
        always(Text),
        always(I32),
        since(1, I32),
        always(Text),
        since(5, Text),
        always(Text),
        always(Array(&Struct(&PROTOCOL))),
        since(8, Text),
    ])
};

pub(super) static HEARTBEAT: Schema =
    Schema::of::<heartbeat::HeartbeatRequest>(&[always(Text), always(I32), always(Text), since(3, Text)]);

pub(super) static LEAVE_GROUP: Schema = {
    const MEMBER: Schema =
        Schema::of::<leave::MemberIdentity>(&[since(3, Text), since(3, Text), since(5, Text)]);
    Schema::of::<leave::LeaveGroupRequest>(&[always(Text), until(2, Text), since(3, Array(&Struct(&MEMBER)))])
};

pub(super) static SYNC_GROUP: Schema = {
    const ASSIGNMENT: Schema = Schema::of::<sync::SyncGroupRequestAssignment>(&[always(Text), always(Bytes)]);
    // Group, generation, member, instance, protocol type and name, assignments.
    Schema::of::<sync::SyncGroupRequest>(&[
        always(Text),
        always(I32),
        always(Text),
        since(3, Text),
        since(5, Text),
        since(5, Text),
        always(Array(&Struct(&ASSIGNMENT))),
    ])
};

pub(super) static DESCRIBE_GROUPS: Schema =
    Schema::of::<describe::DescribeGroupsRequest>(&[always(TEXTS), since(3, BOOL)]);

pub(super) static LIST_GROUPS: Schema =
    Schema::of::<list::ListGroupsRequest>(&[since(4, TEXTS), since(5, TEXTS)]);

pub(super) static DELETE_GROUPS: Schema = Schema::of::<delete::DeleteGroupsRequest>(&[always(TEXTS)]);

pub(super) static OFFSET_DELETE: Schema = {
    const PARTITION: Schema = Schema::of::<forget::OffsetDeleteRequestPartition>(&[always(I32)]);
    const TOPIC: Schema =
        Schema::of::<forget::OffsetDeleteRequestTopic>(&[always(Text), always(Array(&Struct(&PARTITION)))]);
    Schema::of::<forget::OffsetDeleteRequest>(&[always(Text), always(Array(&Struct(&TOPIC)))])
};

pub(super) static CONSUMER_GROUP_HEARTBEAT: Schema = {
    const OWNED: Schema = Schema::of::<consumer::TopicPartitions>(&[always(UUID), always(I32S)]);
    // Group, member, its epoch, instance, rack, rebalance timeout, subscription by names and by expression, assignor,
    // partitions that it owns.
    Schema::of::<consumer::ConsumerGroupHeartbeatRequest>(&[
        always(Text),
        always(Text),
        always(I32),
        always(Text),
        always(Text),
        always(I32),
        always(TEXTS),
        since(1, Text),
        always(Text),
        always(Array(&Struct(&OWNED))),
    ])
};

pub(super) static CONSUMER_GROUP_DESCRIBE: Schema =
    Schema::of::<consumer_describe::ConsumerGroupDescribeRequest>(&[always(TEXTS), always(BOOL)]);
