//! ListOffsets: the question of those who read, and of those who only ask. Every answer is in the history.

use std::sync::Arc;

use esker_history::What;
use esker_history::event::{Partition, Query};
use esker_model::seams::Rng;
use esker_protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use esker_protocol::messages::{BrokerId, ListOffsetsRequest};

use super::ClientContext;
use super::connection::{Lost, protest};
use super::metadata::{Cluster, View, topic_name};

const VERSION: i16 = 8;

/// A partition, and the name of its topic.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub(super) topic: String,
    pub(super) partition: Partition,
}

/// Some of the partitions of these topics that exist: at most so many, none twice.
pub(super) fn choose(
    ctx: &ClientContext,
    topics: &[(String, Vec<i32>)],
    view: &View,
    most: u64,
) -> Vec<Place> {
    let mut places: Vec<Place> = Vec::new();
    for _ in 0..1 + ctx.rng.below(most) {
        let at = ctx.rng.below(topics.len() as u64) as usize;
        let Some((name, partitions)) = topics.get(at) else {
            continue;
        };
        let at = ctx.rng.below(partitions.len() as u64) as usize;
        let (Some(topic), Some(index)) = (view.topic(name), partitions.get(at)) else {
            continue;
        };
        let partition = Partition {
            topic: topic.topic,
            index: *index,
        };
        if places.iter().all(|place| place.partition != partition) {
            let topic = name.clone();
            places.push(Place { topic, partition });
        }
    }
    places
}

/// Asks one host the same about several partitions. Answers: (error code, offset), in their order.
pub(super) async fn list(
    cluster: &Arc<Cluster>,
    host: &str,
    places: &[Place],
    query: Query,
) -> Result<Vec<(i16, i64)>, Lost> {
    let ctx = &cluster.ctx;
    let link = cluster.link(host).await?;
    let asked_us = ctx.record.now_us();
    let response = link.send(VERSION, &request(places, query), cluster.patience);
    let response = response.await?;
    let mut answers = Vec::with_capacity(places.len());
    for place in places {
        let name = topic_name(&place.topic);
        let topics = response.topics.iter().filter(|topic| topic.name == name);
        let mut partitions = topics.flat_map(|topic| &topic.partitions);
        let answer = partitions.find(|answer| answer.partition_index == place.partition.index);
        let Some(answer) = answer else {
            let (topic, index) = (&place.topic, place.partition.index);
            protest(ctx, format!("no offset for partition {index} of {topic}"));
            return Err(Lost);
        };
        let (error, moment) = (answer.error_code, answer.timestamp);
        if error != 0 && (moment != -1 || answer.leader_epoch != -1) {
            let why = format!("ListOffsets got error {error} and the timestamp {moment}");
            protest(ctx, why);
        }
        let what = What::Listed {
            partition: place.partition,
            query,
            asked_us,
            by: Some(link.life()),
            error: answer.error_code,
            offset: answer.offset,
        };
        ctx.record.tell(ctx.me, what);
        answers.push((answer.error_code, answer.offset));
    }
    Ok(answers)
}

fn request(places: &[Place], query: Query) -> ListOffsetsRequest {
    let timestamp = match query {
        Query::Latest => -1,
        Query::Earliest => -2,
        Query::Time(timestamp_ms) => timestamp_ms,
    };
    let mut topics: Vec<ListOffsetsTopic> = Vec::new();
    for place in places {
        let name = topic_name(&place.topic);
        let partition = ListOffsetsPartition::default()
            .with_partition_index(place.partition.index)
            .with_current_leader_epoch(-1)
            .with_timestamp(timestamp);
        match topics.iter_mut().find(|topic| topic.name == name) {
            Some(topic) => topic.partitions.push(partition),
            None => topics.push(
                ListOffsetsTopic::default()
                    .with_name(name)
                    .with_partitions(vec![partition]),
            ),
        }
    }
    ListOffsetsRequest::default()
        .with_replica_id(BrokerId(-1))
        .with_topics(topics)
}
