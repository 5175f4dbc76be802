//! OffsetCommit and OffsetFetch; all that is asked and told is in the history.

use std::collections::BTreeMap;

use esker_history::What;
use esker_history::event::Partition;
use esker_history::group::{InGroup, Kind, Member};
use esker_protocol::StrBytes;
use esker_protocol::messages::offset_commit_request::{
    OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use esker_protocol::messages::offset_fetch_request::{OffsetFetchRequestGroup, OffsetFetchRequestTopics};
use esker_protocol::messages::{GroupId, OffsetCommitRequest, OffsetFetchRequest};

use super::coordinator::{Coordinator, PATIENCE, Trouble};
use crate::clients::ClientContext;
use crate::clients::metadata::topic_name;
use crate::clients::offsets::Place;

const COMMIT_VERSION: i16 = 9;
const FETCH_VERSION: i16 = 9;

/// No member, no generation.
const NOBODY: i32 = -1;

/// Has offsets kept. Answers: those that are.
pub(super) async fn commit(
    ctx: &ClientContext,
    coordinator: &mut Coordinator,
    member: &Member,
    instance: Option<&str>,
    offsets: &[(Place, i64)],
) -> Result<Vec<(Partition, i64)>, Trouble> {
    let to = coordinator.reach().await?;
    let mut topics: BTreeMap<&str, Vec<OffsetCommitRequestPartition>> = BTreeMap::new();
    for (place, offset) in offsets {
        let partition = OffsetCommitRequestPartition::default()
            .with_partition_index(place.partition.index)
            .with_committed_offset(*offset)
            .with_committed_leader_epoch(-1)
            .with_committed_metadata(Some(StrBytes::from_static_str("")));
        topics.entry(&place.topic).or_default().push(partition);
    }
    let topics = topics.into_iter().map(|(name, partitions)| {
        OffsetCommitRequestTopic::default()
            .with_name(topic_name(name))
            .with_partitions(partitions)
    });
    let request = OffsetCommitRequest::default()
        .with_group_id(GroupId(StrBytes::from_string(member.group.clone())))
        .with_generation_id_or_member_epoch(member.generation)
        .with_member_id(StrBytes::from_string(member.id.clone()))
        .with_group_instance_id(instance.map(|id| StrBytes::from_string(id.to_owned())))
        .with_topics(topics.collect());
    let asked_us = ctx.record.now_us();
    for (place, offset) in offsets {
        let committing = InGroup::Committing {
            member: member.clone(),
            partition: place.partition,
            offset: *offset,
            to: Some(to),
        };
        ctx.record.tell(ctx.me, What::InGroup(committing));
    }
    let answer = coordinator.call(COMMIT_VERSION, &request, PATIENCE).await;
    let mut kept = Vec::new();
    let mut trouble = Ok(());
    for (place, offset) in offsets {
        let (by, error) = match &answer {
            Ok((_, by, answer)) => {
                let name = topic_name(&place.topic);
                let topics = answer.topics.iter().filter(|topic| topic.name == name);
                let mut partitions = topics.flat_map(|topic| &topic.partitions);
                let found = partitions.find(|answer| answer.partition_index == place.partition.index);
                (Some(*by), found.map(|answer| answer.error_code))
            }
            Err(_) => (None, None),
        };
        let committed = InGroup::Committed {
            member: member.clone(),
            partition: place.partition,
            asked_us,
            by,
            error,
        };
        ctx.record.tell(ctx.me, What::InGroup(committed));
        match error {
            Some(error) => match coordinator.judge("OffsetCommit", error) {
                Ok(()) => kept.push((place.partition, *offset)),
                Err(why) => trouble = Err(why),
            },
            None => trouble = Err(Trouble::Again),
        }
    }
    match trouble {
        Err(Trouble::Member(error)) => Err(Trouble::Member(error)),
        _ if !kept.is_empty() => Ok(kept),
        trouble => trouble.map(|()| kept),
    }
}

/// What a group committed; by a member of KIP-848 with its id and epoch, by others without. Answers in the order of
/// asking; -1: nothing.
pub(super) async fn committed(
    ctx: &ClientContext,
    coordinator: &mut Coordinator,
    group: &str,
    member: Option<&Member>,
    places: &[Place],
) -> Result<Vec<i64>, Trouble> {
    let mut topics: BTreeMap<&str, Vec<i32>> = BTreeMap::new();
    for place in places {
        topics
            .entry(&place.topic)
            .or_default()
            .push(place.partition.index);
    }
    let topics = topics.into_iter().map(|(name, partitions)| {
        OffsetFetchRequestTopics::default()
            .with_name(topic_name(name))
            .with_partition_indexes(partitions)
    });
    let member = member.filter(|member| member.kind == Kind::Consumer);
    let asked = OffsetFetchRequestGroup::default()
        .with_group_id(GroupId(StrBytes::from_string(group.to_owned())))
        .with_member_id(member.map(|member| StrBytes::from_string(member.id.clone())))
        .with_member_epoch(member.map_or(NOBODY, |member| member.generation))
        .with_topics(Some(topics.collect()));
    let request = OffsetFetchRequest::default()
        .with_groups(vec![asked])
        .with_require_stable(true);
    let (asked_us, by, answer) = coordinator.call(FETCH_VERSION, &request, PATIENCE).await?;
    let Some(answer) = answer.groups.first() else {
        return Err(Trouble::Again);
    };
    coordinator.judge("OffsetFetch", answer.error_code)?;
    let mut found = Vec::with_capacity(places.len());
    for place in places {
        let name = topic_name(&place.topic);
        let topics = answer.topics.iter().filter(|topic| topic.name == name);
        let mut partitions = topics.flat_map(|topic| &topic.partitions);
        let one = partitions.find(|answer| answer.partition_index == place.partition.index);
        let Some(one) = one else {
            return Err(Trouble::Again);
        };
        coordinator.judge("OffsetFetch", one.error_code)?;
        let told = InGroup::Told {
            group: group.to_owned(),
            partition: place.partition,
            asked_us,
            by: Some(by),
            offset: one.committed_offset,
        };
        ctx.record.tell(ctx.me, What::InGroup(told));
        found.push(one.committed_offset);
    }
    Ok(found)
}
