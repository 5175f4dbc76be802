//! Offsets of partitions: first, next, and by time.

use std::collections::BTreeMap;

use esker_protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use esker_protocol::messages::{BrokerId, ListOffsetsRequest, ListOffsetsResponse};

use super::cluster::topic_name;
use super::{ClientError, Cluster, Partition, Result, leaders};

/// A place in a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// The first record there is.
    Beginning,
    /// Behind the last record.
    End,
    /// The first record with this timestamp or a later one (milliseconds since 1970); the end if there is none.
    Time(i64),
}

/// The offset of a place in each of the partitions.
pub(crate) async fn find(
    cluster: &mut Cluster,
    topic: &str,
    partitions: &[Partition],
    place: Place,
) -> Result<BTreeMap<i32, i64>> {
    let timestamp = match place {
        Place::Beginning => -2,
        Place::End => -1,
        Place::Time(timestamp) => timestamp,
    };
    let timeout_ms = i32::try_from(cluster.share().as_millis()).unwrap_or(i32::MAX);
    let build = |indexes: &[i32]| {
        let asked = indexes.iter().map(|index| {
            ListOffsetsPartition::default()
                .with_partition_index(*index)
                .with_current_leader_epoch(-1)
                .with_timestamp(timestamp)
        });
        ListOffsetsRequest::default()
            .with_replica_id(BrokerId(-1))
            .with_timeout_ms(timeout_ms)
            .with_topics(vec![
                ListOffsetsTopic::default()
                    .with_name(topic_name(topic))
                    .with_partitions(asked.collect()),
            ])
    };
    let mut found = BTreeMap::new();
    let take = |_: &[i32], response: ListOffsetsResponse| {
        for partition in response.topics.iter().flat_map(|topic| &topic.partitions) {
            let index = partition.partition_index;
            let what = || format!("offsets of {topic}/{index}");
            ClientError::check(partition.error_code, what, None)?;
            found.insert(index, partition.offset);
        }
        Ok(())
    };
    leaders::ask(cluster, topic, partitions, build, take).await?;
    // No record is that new: reading starts behind the last one.
    let missing: Vec<_> = partitions
        .iter()
        .filter(|p| found.get(&p.index).is_some_and(|offset| *offset < 0))
        .cloned()
        .collect();
    if matches!(place, Place::Time(_)) && !missing.is_empty() {
        found.extend(Box::pin(find(cluster, topic, &missing, Place::End)).await?);
    }
    Ok(found)
}
