//! How far a group is: what it committed of each partition, and how much there is.

use std::collections::BTreeMap;

use esker_protocol::ErrorCode;

use super::describe::{Described, Partitions};
use super::offsets::Offsets;
use super::{is_code, offsets};
use crate::client::offsets::{self as log, Place};
use crate::client::{ClientError, Cluster, Result, TopicPartition};

/// Most groups that one topic is asked about.
const GROUPS_MAX: usize = 1_000;
/// Each group that does not answer takes a deadline: after so many the others are not asked.
const FAILURES_MAX: usize = 3;

/// One partition that a group reads, or has read.
#[derive(Clone, Debug)]
pub(crate) struct Progress {
    pub(crate) of: TopicPartition,
    /// `None` if nothing is committed.
    pub(crate) committed: Option<i64>,
    /// The next offset of the log; `None` if the partition is not there any more.
    pub(crate) end: Option<i64>,
    /// The member that reads it, by its place in the description.
    pub(crate) reader: Option<usize>,
}

impl Progress {
    /// Records that were written and not committed; `None` where that cannot be said. Below 0 if an offset is committed
    /// that the log does not have: whoever reads will have to start elsewhere.
    pub(crate) fn lag(&self) -> Option<i64> {
        self.end?.checked_sub(self.committed?)
    }
}

/// Every partition that the group committed or reads, and all others of their topics.
pub(crate) async fn progress(
    cluster: &mut Cluster,
    coordinator: &mut super::Coordinator,
    described: &Described,
) -> Result<Vec<Progress>> {
    let committed = offsets::committed(cluster, coordinator, None, false).await?;
    let mut readers = BTreeMap::new();
    for (at, member) in described.members.iter().enumerate() {
        for (topic, indexes) in &member.assigned {
            readers.extend(indexes.iter().map(|index| ((topic.clone(), *index), at)));
        }
    }
    let subscribed = described.members.iter().flat_map(|member| &member.topics);
    let mut topics: Vec<_> = committed
        .keys()
        .chain(readers.keys())
        .map(|(topic, _)| topic)
        .chain(subscribed)
        .cloned()
        .collect();
    topics.sort_unstable();
    topics.dedup();
    let ends = ends(cluster, &topics).await?;
    let mut all: Vec<_> = committed
        .keys()
        .chain(readers.keys())
        .chain(ends.keys())
        .cloned()
        .collect();
    all.sort_unstable();
    all.dedup();
    let progress = all.into_iter().map(|of| Progress {
        committed: committed.get(&of).copied(),
        end: ends.get(&of).copied(),
        reader: readers.get(&of).copied(),
        of,
    });
    Ok(progress.collect())
}

/// The next offset of every partition of these topics; topics that do not exist are left out.
pub(crate) async fn ends(cluster: &mut Cluster, topics: &[String]) -> Result<Offsets> {
    find(cluster, topics, Place::End).await
}

/// The offset of a place in every partition of these topics; topics that do not exist are left out.
pub(crate) async fn find(cluster: &mut Cluster, topics: &[String], place: Place) -> Result<Offsets> {
    let mut found = Offsets::new();
    if topics.is_empty() {
        return Ok(found);
    }
    for (name, topic) in cluster.topics(Some(topics), false).await? {
        let topic = match topic {
            Ok(topic) => topic,
            Err(error) if is_code(&error, ErrorCode::UnknownTopicOrPartition) => continue,
            Err(error) => return Err(error),
        };
        let offsets = log::find(cluster, &name, &topic.partitions, place).await?;
        found.extend(
            offsets
                .into_iter()
                .map(|(index, offset)| ((name.clone(), index), offset)),
        );
    }
    Ok(found)
}

/// How far a group is in one topic.
#[derive(Clone, Debug)]
pub(crate) struct Lag {
    pub(crate) group: String,
    pub(crate) state: Option<String>,
    /// Partitions that it committed.
    pub(crate) partitions: usize,
    /// Records behind the committed offsets.
    pub(crate) lag: i64,
}

/// How far groups are in one topic.
#[derive(Debug, Default)]
pub(crate) struct Lags {
    /// Of those that committed offsets of it.
    pub(crate) lags: Vec<Lag>,
    /// Why others are left out, one sentence each.
    pub(crate) failures: Vec<String>,
}

/// Every group that committed offsets of this topic, whose log ends are `ends`. One request for each group; one that
/// cannot be asked does not stop the others, but for the last of too many.
pub(crate) async fn lags(
    cluster: &mut Cluster,
    seams: &esker_model::seams::Seams,
    topic: &str,
    ends: &BTreeMap<i32, i64>,
) -> Result<Lags> {
    let partitions = Partitions::from([(topic.to_owned(), ends.keys().copied().collect())]);
    let groups = super::list::list(cluster).await?;
    if groups.len() > GROUPS_MAX {
        return Err(ClientError::Input(format!(
            "there are more than {GROUPS_MAX} groups: ask `esker group describe GROUP --offsets` about single ones"
        )));
    }
    let (mut found, count) = (Lags::default(), groups.len());
    for (at, listed) in groups.into_iter().enumerate() {
        if found.failures.len() == FAILURES_MAX {
            let rest = count - at;
            found.failures.push(format!(
                "{rest} more groups were not asked, because {FAILURES_MAX} could not be"
            ));
            break;
        }
        let mut coordinator = super::Coordinator::new(&listed.group, seams.clone());
        let committed = match offsets::committed(cluster, &mut coordinator, Some(&partitions), false).await {
            Ok(committed) => committed,
            Err(error) => {
                let group = &listed.group;
                found.failures.push(format!(
                    "cannot say how far group {group} is in topic {topic}: {error}"
                ));
                continue;
            }
        };
        if committed.is_empty() {
            continue;
        }
        let behind = |((_, index), offset): (&TopicPartition, &i64)| {
            ends.get(index).map_or(0, |end| (end - offset).max(0))
        };
        found.lags.push(Lag {
            partitions: committed.len(),
            lag: committed.iter().map(behind).sum(),
            group: listed.group,
            state: listed.state,
        });
    }
    Ok(found)
}
