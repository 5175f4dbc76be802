//! Fetch requests without a session, and their answers.

use std::sync::Arc;
use std::time::Duration;

use esker_history::event::{Life, Partition};
use esker_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use esker_protocol::messages::fetch_response::PartitionData;
use esker_protocol::messages::{BrokerId, FetchRequest, FetchResponse};
use uuid::Uuid;

use crate::clients::connection::{Lost, protest};
use crate::clients::metadata::{Cluster, topic_name};

/// A partition to be read.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    /// Name of its topic.
    pub(crate) topic: String,
    /// Id of its topic.
    pub(crate) uuid: Uuid,
    /// The partition in the history.
    pub(crate) partition: Partition,
    /// The first offset wanted.
    pub(crate) from: i64,
}

/// How much is wanted, and how soon.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Topics are named by id (Fetch 13) or by name (Fetch 12).
    pub(crate) by_id: bool,
    /// `fetch.max.wait.ms`.
    pub(crate) max_wait: Duration,
    /// `fetch.min.bytes`.
    pub(crate) min_bytes: i32,
    /// `fetch.max.bytes` and `max.partition.fetch.bytes`.
    pub(crate) max_bytes: i32,
}

/// An answer to a Fetch.
pub(crate) struct Answer {
    /// Who answered.
    pub(crate) life: Life,
    /// When it was asked.
    pub(crate) asked_us: u64,
    /// What is said of each partition, in the order of asking.
    pub(crate) partitions: Vec<PartitionData>,
    /// How long not to ask again.
    pub(crate) throttle: Duration,
}

/// Reads from one host once.
pub(crate) async fn fetch(
    cluster: &Arc<Cluster>,
    host: &str,
    asked: &[Asked],
    limits: Limits,
) -> Result<Answer, Lost> {
    let link = cluster.link(host).await?;
    let asked_us = cluster.ctx.record.now_us();
    let version = if limits.by_id { 13 } else { 12 };
    let patience = cluster.patience + limits.max_wait;
    let response = link.send(version, &request(asked, limits), patience);
    let mut response = response.await?;
    if response.error_code != 0 {
        let error = response.error_code;
        protest(
            &cluster.ctx,
            format!("a Fetch without session is refused with {error}"),
        );
        return Err(Lost);
    }
    let throttle = u64::try_from(response.throttle_time_ms).unwrap_or(0);
    let partitions: Option<Vec<_>> = asked
        .iter()
        .map(|asked| take(&mut response, asked, limits.by_id))
        .collect();
    let Some(partitions) = partitions else {
        protest(
            &cluster.ctx,
            "a Fetch without session leaves a partition out".into(),
        );
        return Err(Lost);
    };
    partitions.iter().for_each(|data| look_at_offsets(cluster, data));
    Ok(Answer {
        life: link.life(),
        asked_us,
        partitions,
        throttle: Duration::from_millis(throttle),
    })
}

/// The offsets that the history has no place for: an error comes without any, an answer with all of them.
fn look_at_offsets(cluster: &Cluster, data: &PartitionData) {
    let (error, stable) = (data.error_code, data.last_stable_offset);
    if error != 0 && stable != -1 {
        let why = format!("a read got error {error} with the last stable offset {stable}");
        protest(&cluster.ctx, why);
    }
    if error == 0 && (stable != data.high_watermark || data.log_start_offset < 0) {
        let why = format!(
            "a read got the last stable offset {stable}, the high watermark {} and the log start {}, without \
             transactions",
            data.high_watermark, data.log_start_offset
        );
        protest(&cluster.ctx, why);
    }
}

fn take(response: &mut FetchResponse, asked: &Asked, by_id: bool) -> Option<PartitionData> {
    let name = topic_name(&asked.topic);
    for topic in &mut response.responses {
        let same = if by_id {
            topic.topic_id == asked.uuid
        } else {
            topic.topic == name
        };
        let index = asked.partition.index;
        let at = topic
            .partitions
            .iter()
            .position(|data| data.partition_index == index);
        if let (true, Some(at)) = (same, at) {
            return Some(topic.partitions.swap_remove(at));
        }
    }
    None
}

fn request(asked: &[Asked], limits: Limits) -> FetchRequest {
    let mut topics: Vec<FetchTopic> = Vec::new();
    for asked in asked {
        let partition = FetchPartition::default()
            .with_partition(asked.partition.index)
            .with_current_leader_epoch(-1)
            .with_fetch_offset(asked.from)
            .with_last_fetched_epoch(-1)
            .with_log_start_offset(-1)
            .with_partition_max_bytes(limits.max_bytes);
        let (name, id) = (topic_name(&asked.topic), asked.uuid);
        let same = |topic: &&mut FetchTopic| topic.topic == name && topic.topic_id == id;
        match topics.iter_mut().find(same) {
            Some(topic) => topic.partitions.push(partition),
            None => topics.push(
                FetchTopic::default()
                    .with_topic(name)
                    .with_topic_id(id)
                    .with_partitions(vec![partition]),
            ),
        }
    }
    FetchRequest::default()
        .with_replica_id(BrokerId(-1))
        .with_max_wait_ms(i32::try_from(limits.max_wait.as_millis()).unwrap_or(i32::MAX))
        .with_min_bytes(limits.min_bytes)
        .with_max_bytes(limits.max_bytes)
        .with_session_id(0)
        .with_session_epoch(-1)
        .with_topics(topics)
}
