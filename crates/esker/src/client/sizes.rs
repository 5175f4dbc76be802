//! How many bytes partitions have stored, as their leaders say.

use std::collections::BTreeMap;

use esker_protocol::messages::describe_log_dirs_request::DescribableLogDirTopic;
use esker_protocol::messages::{DescribeLogDirsRequest, DescribeLogDirsResponse};

use super::cluster::topic_name;
use super::{ClientError, Cluster, Partition, Result, leaders};

/// Bytes by partition; one whose size is not known is not there.
pub(crate) type Sizes = BTreeMap<i32, u64>;

/// The sizes of these partitions of a topic. One request for each leader: what another replica keeps may differ.
pub(crate) async fn find(cluster: &mut Cluster, topic: &str, partitions: &[Partition]) -> Result<Sizes> {
    let build = |indexes: &[i32]| {
        let asked = DescribableLogDirTopic::default()
            .with_topic(topic_name(topic))
            .with_partitions(indexes.to_vec());
        DescribeLogDirsRequest::default().with_topics(Some(vec![asked]))
    };
    let mut sizes = Sizes::new();
    let take = |indexes: &[i32], response: DescribeLogDirsResponse| {
        sizes.extend(read(topic, indexes, &response)?);
        Ok(())
    };
    leaders::ask(cluster, topic, partitions, build, take).await?;
    Ok(sizes)
}

/// What one leader said. That a directory cannot be read matters only if a partition is in none of the others.
fn read(topic: &str, indexes: &[i32], response: &DescribeLogDirsResponse) -> Result<Sizes> {
    let what = || format!("cannot ask for the sizes of topic {topic}");
    ClientError::check(response.error_code, what, None)?;
    let (mut told, mut sizes) = (Vec::new(), Sizes::new());
    for directory in &response.results {
        let of_topic = directory
            .topics
            .iter()
            .filter(|found| found.name.as_str() == topic);
        for partition in of_topic.flat_map(|found| &found.partitions) {
            // A replica that is to replace another one is no more than a copy of it so far.
            if partition.is_future_key || !indexes.contains(&partition.partition_index) {
                continue;
            }
            told.push(partition.partition_index);
            if let Ok(bytes) = u64::try_from(partition.partition_size) {
                sizes.insert(partition.partition_index, bytes);
            }
        }
    }
    if indexes.iter().any(|index| !told.contains(index)) {
        for directory in &response.results {
            ClientError::check(directory.error_code, what, None)?;
        }
    }
    Ok(sizes)
}

#[cfg(test)]
mod tests {
    use esker_protocol::messages::describe_log_dirs_response::{
        DescribeLogDirsPartition, DescribeLogDirsResult, DescribeLogDirsTopic,
    };

    use super::*;

    fn directory(error: i16, topic: &str, sizes: &[(i32, i64)]) -> DescribeLogDirsResult {
        let partitions = sizes.iter().map(|(index, bytes)| {
            DescribeLogDirsPartition::default()
                .with_partition_index(*index)
                .with_partition_size(*bytes)
        });
        DescribeLogDirsResult::default()
            .with_error_code(error)
            .with_topics(vec![
                DescribeLogDirsTopic::default()
                    .with_name(topic_name(topic))
                    .with_partitions(partitions.collect()),
            ])
    }

    fn said(results: Vec<DescribeLogDirsResult>) -> Result<Vec<(i32, u64)>> {
        let response = DescribeLogDirsResponse::default().with_results(results);
        read("t", &[0, 1], &response).map(|sizes| sizes.into_iter().collect())
    }

    #[test]
    fn what_is_not_known_is_left_out() {
        let found = said(vec![
            directory(0, "t", &[(0, 100), (2, 7)]),
            directory(0, "other", &[(1, 8)]),
            directory(0, "t", &[(1, -1)]),
        ]);
        assert_eq!(found.unwrap(), [(0, 100)]);
        assert_eq!(said(vec![directory(0, "t", &[(0, 0)])]).unwrap(), [(0, 0)]);
    }

    #[test]
    fn a_copy_that_is_being_made_does_not_count() {
        let mut copy = directory(0, "t", &[(0, 5), (1, 6)]);
        copy.topics[0].partitions[0].is_future_key = true;
        let found = said(vec![directory(0, "t", &[(0, 100)]), copy]);
        assert_eq!(found.unwrap(), [(0, 100), (1, 6)]);
    }

    #[test]
    fn an_error_matters_where_a_partition_is_missing() {
        let broken = || directory(56, "t", &[]);
        let whole = vec![broken(), directory(0, "t", &[(0, 1), (1, 2)])];
        assert_eq!(said(whole).unwrap(), [(0, 1), (1, 2)]);
        let error = said(vec![broken(), directory(0, "t", &[(0, 1)])]).unwrap_err();
        assert!(error.to_string().contains("KAFKA_STORAGE_ERROR"), "{error}");
        let refused = DescribeLogDirsResponse::default().with_error_code(31);
        let error = read("t", &[0], &refused).unwrap_err();
        assert!(
            error.to_string().contains("CLUSTER_AUTHORIZATION_FAILED"),
            "{error}"
        );
    }
}
