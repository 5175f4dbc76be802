//! ConsumerGroupDescribe 0-1: groups of KIP-848 with their members.

use esker_model::TopicUuid;
use esker_model::groups::consumer::{Described, DescribedMember, SubscribableTopics};
use esker_protocol::messages::consumer_group_describe_response::{
    Assignment, DescribedGroup, Member, TopicPartitions,
};
use esker_protocol::messages::{
    ConsumerGroupDescribeRequest, ConsumerGroupDescribeResponse, GroupId, TopicName,
};
use esker_protocol::{ErrorCode, StrBytes};

use super::allow;
use super::describe::text;
use crate::Broker;
use crate::authorizer::Operation;
use crate::cluster::operations;
use crate::context::RequestContext;
use crate::groups::group::Group;
use crate::groups::topics::CatalogTopics;

/// First version that says which protocol a member speaks.
const MEMBER_TYPE_VERSION: i16 = 1;
/// A member that speaks that of KIP-848.
const CONSUMER: i8 = 1;

/// Describes groups.
pub(crate) async fn handle(
    broker: &Broker,
    context: &RequestContext,
    request: ConsumerGroupDescribeRequest,
) -> ConsumerGroupDescribeResponse {
    let groups = request.group_ids.into_iter().map(|id| {
        let mut group = describe(broker, context, id);
        if request.include_authorized_operations && group.error_code == 0 {
            group.authorized_operations = operations::of_group(broker, context, &group.group_id.0);
        }
        group
    });
    ConsumerGroupDescribeResponse::default().with_groups(groups.collect())
}

fn describe(broker: &Broker, context: &RequestContext, id: GroupId) -> DescribedGroup {
    let blank = DescribedGroup::default()
        .with_group_id(id.clone())
        .with_authorized_operations(operations::NOT_ASKED);
    if let Err(error) = allow(broker, context, Operation::Describe, &id.0) {
        return blank.with_error_code(error.code());
    }
    let found = broker
        .groups
        .with_shard(&id.0, |shard, _| match shard.group(&id.0) {
            Some(Group::Consumer(group)) => Ok(group.describe()),
            // Tools ask for it with DescribeGroups then.
            Some(_) => Err("is not a consumer group"),
            None => Err("not found"),
        });
    let group: Described = match found {
        Err(error) => return blank.with_error_code(error.code()),
        Ok(Err(why)) => {
            let message = format!("Group {} {why}.", &*id.0);
            return blank
                .with_error_code(ErrorCode::GroupIdNotFound.code())
                .with_error_message(Some(StrBytes::from_string(message)));
        }
        Ok(Ok(group)) => group,
    };
    let topics = broker.groups.topics();
    let members = group.members.into_iter();
    blank
        .with_group_state(StrBytes::from_string(group.state.to_string()))
        .with_group_epoch(group.group_epoch)
        .with_assignment_epoch(group.assignment_epoch)
        .with_assignor_name(StrBytes::from_static_str(group.assignor))
        .with_members(
            members
                .map(|member| describe_member(context.api_version, &topics, member))
                .collect(),
        )
}

fn describe_member(version: i16, topics: &CatalogTopics<'_>, member: DescribedMember) -> Member {
    let names = member.subscribed_names.into_iter();
    // Kafka says so where there is none, and never null.
    let regex = member.subscribed_regex.as_deref().unwrap_or_default();
    let described = Member::default()
        .with_member_id(text(&member.member_id))
        .with_instance_id(member.instance_id.as_deref().map(text))
        .with_rack_id(member.rack.as_deref().map(text))
        .with_member_epoch(member.member_epoch)
        .with_client_id(text(&member.client_id))
        .with_client_host(text(&member.client_host))
        .with_subscribed_topic_names(names.map(|name| TopicName(text(&name))).collect())
        .with_subscribed_topic_regex(Some(text(regex)))
        .with_assignment(assignment(topics, member.assignment))
        .with_target_assignment(assignment(topics, member.target));
    if version < MEMBER_TYPE_VERSION {
        return described;
    }
    described.with_member_type(CONSUMER)
}

/// Partitions of topics that were deleted are left out.
fn assignment(topics: &CatalogTopics<'_>, partitions: Vec<(TopicUuid, Vec<i32>)>) -> Assignment {
    let named = partitions.into_iter().filter_map(|(topic, partitions)| {
        let name = topics.name(topic)?;
        let named = TopicPartitions::default()
            .with_topic_id(topic.0)
            .with_topic_name(TopicName(text(&name)));
        Some(named.with_partitions(partitions))
    });
    Assignment::default().with_topic_partitions(named.collect())
}
