//! Offsets that groups committed: read, set and forgotten.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use esker_protocol::ErrorCode;
use esker_protocol::messages::offset_commit_request::{
    OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use esker_protocol::messages::offset_delete_request::{
    OffsetDeleteRequestPartition, OffsetDeleteRequestTopic,
};
use esker_protocol::messages::offset_fetch_request::{
    OffsetFetchRequestGroup, OffsetFetchRequestTopic, OffsetFetchRequestTopics,
};
use esker_protocol::messages::{
    OffsetCommitRequest, OffsetDeleteRequest, OffsetFetchRequest, OffsetFetchResponse,
};

use super::coordinator::has_moved;
use super::describe::Partitions;
use super::{Coordinator, group_id, text};
use crate::client::cluster::topic_name;
use crate::client::{ClientError, Cluster, Result, TopicPartition};

/// From this version on OffsetFetch asks about several groups.
const FETCH_SEVERAL: i16 = 8;
/// From this version on it can leave out what transactions may still take back.
const FETCH_STABLE: i16 = 7;
/// From this version on it gives all offsets of a group.
const FETCH_ALL: i16 = 2;
/// From this version on OffsetCommit tells which static member commits.
const COMMIT_INSTANCE: i16 = 7;
/// From this version on OffsetCommit has no retention of its own.
const COMMIT_WITHOUT_RETENTION: i16 = 5;

/// Offsets by partition.
pub(crate) type Offsets = BTreeMap<TopicPartition, i64>;

/// Who commits.
#[derive(Clone, Debug)]
pub(crate) struct Identity {
    pub(crate) member_id: String,
    pub(crate) instance_id: Option<String>,
    pub(crate) generation: i32,
}

/// Partitions by topic, as requests have them.
fn by_topic<'a>(partitions: impl IntoIterator<Item = &'a TopicPartition>) -> Partitions {
    let mut topics = Partitions::new();
    for (topic, index) in partitions {
        topics.entry(topic.clone()).or_default().push(*index);
    }
    topics
}

/// An OffsetFetch in this version; of all that the group committed, or of some partitions.
pub(crate) fn fetch_request(
    version: i16,
    group: &str,
    partitions: Option<&Partitions>,
    stable: bool,
) -> Result<OffsetFetchRequest> {
    if version < FETCH_ALL && partitions.is_none() {
        return Err(ClientError::Input(format!(
            "this broker does not list all offsets of group {group}: name the topics"
        )));
    }
    let request = OffsetFetchRequest::default().with_require_stable(stable && version >= FETCH_STABLE);
    if version >= FETCH_SEVERAL {
        let topics = partitions.map(|topics| {
            let topic = |(name, indexes): (&String, &Vec<i32>)| {
                OffsetFetchRequestTopics::default()
                    .with_name(topic_name(name))
                    .with_partition_indexes(indexes.clone())
            };
            topics.iter().map(topic).collect()
        });
        let group = OffsetFetchRequestGroup::default()
            .with_group_id(group_id(group))
            .with_member_epoch(-1)
            .with_topics(topics);
        return Ok(request.with_groups(vec![group]));
    }
    let topics = partitions.map(|topics| {
        let topic = |(name, indexes): (&String, &Vec<i32>)| {
            OffsetFetchRequestTopic::default()
                .with_name(topic_name(name))
                .with_partition_indexes(indexes.clone())
        };
        topics.iter().map(topic).collect()
    });
    Ok(request.with_group_id(group_id(group)).with_topics(topics))
}

/// The code of a whole answer to OffsetFetch.
pub(crate) fn fetch_code(response: &OffsetFetchResponse) -> i16 {
    let group = response.groups.first();
    group.map_or(response.error_code, |group| group.error_code)
}

/// What an answer to OffsetFetch says; partitions without a commit are left out, and those that are gone.
pub(crate) fn fetched(group: &str, response: &OffsetFetchResponse) -> Result<Offsets> {
    let what = || format!("cannot read the offsets of group {group}");
    ClientError::check(fetch_code(response), what, None)?;
    let old = response.topics.iter().flat_map(|topic| {
        let name = topic.name.to_string();
        let partitions = topic.partitions.iter();
        partitions.map(move |p| (name.clone(), p.partition_index, p.committed_offset, p.error_code))
    });
    let groups = response.groups.iter().flat_map(|group| &group.topics);
    let new = groups.flat_map(|topic| {
        let name = topic.name.to_string();
        let partitions = topic.partitions.iter();
        partitions.map(move |p| (name.clone(), p.partition_index, p.committed_offset, p.error_code))
    });
    let mut offsets = Offsets::new();
    for (topic, index, offset, code) in old.chain(new) {
        if code == ErrorCode::UnknownTopicOrPartition.code() {
            continue;
        }
        ClientError::check(code, || format!("{}: {topic}/{index}", what()), None)?;
        if offset >= 0 {
            offsets.insert((topic, index), offset);
        }
    }
    Ok(offsets)
}

/// What the group committed: everything, or of some partitions. `stable` leaves out what a transaction may still
/// take back: then the broker refuses until that is decided.
pub(crate) async fn committed(
    cluster: &mut Cluster,
    coordinator: &mut Coordinator,
    partitions: Option<&Partitions>,
    stable: bool,
) -> Result<Offsets> {
    let group = coordinator.group().to_owned();
    let build = |version| fetch_request(version, &group, partitions, stable);
    let response = coordinator
        .ask(cluster, Duration::ZERO, build, fetch_code)
        .await?;
    fetched(&group, &response)
}

/// Commits offsets: as a member, or as somebody who looks after a group without members. Returns the topics that are
/// gone: of them nothing is committed, of all others everything.
pub(crate) async fn commit(
    cluster: &mut Cluster,
    coordinator: &mut Coordinator,
    identity: Option<&Identity>,
    offsets: &Offsets,
) -> Result<BTreeSet<String>> {
    let group = coordinator.group().to_owned();
    let build = |version| Ok(commit_request(version, &group, identity, offsets));
    let codes = |response: &esker_protocol::messages::OffsetCommitResponse| {
        let partitions = response.topics.iter().flat_map(|topic| &topic.partitions);
        let mut codes = partitions.map(|partition| partition.error_code);
        codes.find(|code| has_moved(*code)).unwrap_or_default()
    };
    let response = coordinator.ask(cluster, Duration::ZERO, build, codes).await?;
    let mut gone = BTreeSet::new();
    for topic in &response.topics {
        for partition in &topic.partitions {
            let (name, index) = (topic.name.as_str(), partition.partition_index);
            if partition.error_code == ErrorCode::UnknownTopicOrPartition.code() {
                gone.insert(name.to_owned());
                continue;
            }
            let what = || format!("cannot commit {name}/{index} for group {group}");
            ClientError::check(partition.error_code, what, None)?;
        }
    }
    Ok(gone)
}

fn commit_request(
    version: i16,
    group: &str,
    identity: Option<&Identity>,
    offsets: &Offsets,
) -> OffsetCommitRequest {
    let mut topics: BTreeMap<&str, Vec<OffsetCommitRequestPartition>> = BTreeMap::new();
    for ((topic, index), offset) in offsets {
        topics.entry(topic).or_default().push(
            OffsetCommitRequestPartition::default()
                .with_partition_index(*index)
                .with_committed_offset(*offset)
                .with_committed_leader_epoch(-1)
                .with_committed_metadata(Some(text(""))),
        );
    }
    let topics = topics.into_iter().map(|(topic, partitions)| {
        OffsetCommitRequestTopic::default()
            .with_name(topic_name(topic))
            .with_partitions(partitions)
    });
    let mut request = OffsetCommitRequest::default()
        .with_group_id(group_id(group))
        .with_generation_id_or_member_epoch(-1)
        .with_topics(topics.collect());
    if version < COMMIT_WITHOUT_RETENTION {
        request.retention_time_ms = -1;
    }
    if let Some(identity) = identity {
        request.generation_id_or_member_epoch = identity.generation;
        request.member_id = text(&identity.member_id);
        if version >= COMMIT_INSTANCE {
            request.group_instance_id = identity.instance_id.as_deref().map(text);
        }
    }
    request
}

/// Forgets committed offsets of partitions that no member subscribes to: what became of each.
pub(crate) async fn delete(
    cluster: &mut Cluster,
    coordinator: &mut Coordinator,
    partitions: &[TopicPartition],
) -> Result<Vec<(TopicPartition, Result<()>)>> {
    let group = coordinator.group().to_owned();
    let topics: Vec<_> = by_topic(partitions)
        .into_iter()
        .map(|(topic, indexes)| {
            let partition = |index| OffsetDeleteRequestPartition::default().with_partition_index(index);
            OffsetDeleteRequestTopic::default()
                .with_name(topic_name(&topic))
                .with_partitions(indexes.into_iter().map(partition).collect())
        })
        .collect();
    let build = |_| {
        Ok(OffsetDeleteRequest::default()
            .with_group_id(group_id(&group))
            .with_topics(topics.clone()))
    };
    let response = coordinator
        .ask(cluster, Duration::ZERO, build, |response| response.error_code)
        .await?;
    let what = || format!("cannot delete offsets of group {group}");
    ClientError::check(response.error_code, what, None)?;
    let mut results = Vec::new();
    for topic in &response.topics {
        for partition in &topic.partitions {
            let of = (topic.name.to_string(), partition.partition_index);
            let what = || format!("cannot delete the offset of {}/{} in group {group}", of.0, of.1);
            let result = ClientError::check(partition.error_code, what, None);
            results.push((of, result));
        }
    }
    Ok(results)
}

#[cfg(test)]
mod tests {
    use esker_protocol::client::{ClientRequest, encode_request, request_header};
    use esker_protocol::{api_key, versions};

    use super::*;

    fn encodes<R: ClientRequest>(version: i16, request: &R) {
        let header = request_header::<R>(version, 1, "c");
        let frame = encode_request(&header, request);
        assert!(frame.is_ok(), "{} v{version}: {frame:?}", R::KEY);
    }

    /// A field that a version does not have is an error of the encoder, and would be one of the command.
    #[test]
    fn every_version_can_be_sent() {
        let partitions = Partitions::from([("t".to_owned(), vec![0, 1])]);
        let offsets = Offsets::from([(("t".to_owned(), 0), 5)]);
        let identity = Identity {
            member_id: "m".to_owned(),
            instance_id: Some("i".to_owned()),
            generation: 3,
        };
        let range = versions::range(api_key::OFFSET_FETCH).unwrap();
        for version in range.min..=range.max {
            for asked in [None, Some(&partitions)] {
                match fetch_request(version, "g", asked, true) {
                    Ok(request) => encodes(version, &request),
                    Err(error) => assert!(version < FETCH_ALL && asked.is_none(), "{error}"),
                }
            }
        }
        let range = versions::range(api_key::OFFSET_COMMIT).unwrap();
        for version in range.min..=range.max {
            encodes(version, &commit_request(version, "g", Some(&identity), &offsets));
            encodes(version, &commit_request(version, "g", None, &offsets));
        }
    }
}
