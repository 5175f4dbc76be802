//! Somebody who deletes records (DeleteRecords): below offsets in the log, below its end, and what makes no sense.
//!
//! What holds: every attempt is one `Deleting` for each partition, followed by one `Deleted`, unless no answer came.
//! A request whose outcome is unknown is mostly repeated as it is. Topics and partitions that do not exist are asked
//! for now and then: any other answer than that they are unknown is told as fatal.

use std::collections::BTreeMap;
use std::sync::Arc;

use esker_history::What;
use esker_history::event::Query;
use esker_model::seams::Rng;
use esker_protocol::messages::delete_records_request::{DeleteRecordsPartition, DeleteRecordsTopic};
use esker_protocol::messages::{DeleteRecordsRequest, DeleteRecordsResponse};

use super::connection::{Lost, protest};
use super::metadata::{Cluster, View, topic_name};
use super::offsets::{self, Place};
use super::{ClientContext, DeleterPlan, Phase, pause};

/// Versions that are spoken.
const VERSIONS: [i16; 2] = [0, 2];
const TIMEOUT_MS: i32 = 10_000;
/// The offset that stands for the high watermark.
const HIGH_WATERMARK: i64 = -1;
/// Partitions in one request, at most.
const PLACES_MAX: u64 = 3;
/// Requests between two looks at Metadata.
const REFRESH_EVERY: u32 = 5;
/// How often a request is sent whose outcome is unknown.
const ATTEMPTS_MAX: u32 = 4;
/// One request in so many also asks for what does not exist.
const UNKNOWN: u64 = 8;
const NOBODY: &str = "nobody-has-this-name";
/// More partitions than any topic has.
const NO_PARTITION: i32 = 1_000;

const UNKNOWN_TOPIC: i16 = 3;
/// Answers after which nothing more will be done.
const FINAL: [i16; 3] = [0, 1, UNKNOWN_TOPIC];

/// Deletes until the run is healed.
pub async fn run_deleter(ctx: ClientContext, plan: DeleterPlan) {
    let flush = super::until(ctx.phase.clone(), Phase::Flush);
    tokio::select! {
        biased;
        () = flush => {}
        () = work(&ctx, &plan) => {}
    }
    ctx.record.tell(ctx.me, What::Finished);
}

async fn work(ctx: &ClientContext, plan: &DeleterPlan) {
    let cluster = Cluster::new(ctx.clone(), super::PATIENCE);
    let names: Vec<String> = plan.topics.iter().map(|(name, _)| name.clone()).collect();
    let mut view = View::default();
    let mut turn = 0;
    loop {
        if turn % REFRESH_EVERY == 0 {
            view.update(cluster.find(&names).await);
        }
        turn += 1;
        tokio::time::sleep(pause(&ctx.rng, plan.pause)).await;
        let places = offsets::choose(ctx, &plan.topics, &view, PLACES_MAX);
        if places.is_empty() {
            continue;
        }
        let host = cluster.any_host();
        let (Ok(starts), Ok(ends)) = (
            offsets::list(&cluster, &host, &places, Query::Earliest).await,
            offsets::list(&cluster, &host, &places, Query::Latest).await,
        ) else {
            continue;
        };
        let known = starts.into_iter().zip(ends);
        let mut wanted: Vec<(Place, i64)> = places
            .into_iter()
            .zip(known)
            .filter_map(|(place, bounds)| match bounds {
                ((0, start), (0, end)) => Some((place, offset(ctx, start, end))),
                _ => None,
            })
            .collect();
        let attempts = 1 + ctx.rng.below(u64::from(ATTEMPTS_MAX));
        for _ in 0..attempts {
            if wanted.is_empty() {
                break;
            }
            let host = cluster.any_host();
            wanted = delete(&cluster, &host, wanted).await;
        }
    }
}

/// Up to which offset, given where the log begins and ends.
fn offset(ctx: &ClientContext, start: i64, end: i64) -> i64 {
    let below = |most: i64| ctx.rng.below(most.max(0) as u64 + 1) as i64;
    match ctx.rng.below(20) {
        0..=10 => start + below(end - start),
        11 | 12 => start + below((end - start).min(3)),
        13 | 14 => HIGH_WATERMARK,
        15 => end,
        16 => end + 1 + below(500),
        17 => below(start),
        18 => HIGH_WATERMARK - 1 - below(5),
        _ => start,
    }
}

/// Sends one request; returns what may or may not have been done.
async fn delete(cluster: &Arc<Cluster>, host: &str, wanted: Vec<(Place, i64)>) -> Vec<(Place, i64)> {
    let ctx = &cluster.ctx;
    let Ok(link) = cluster.link(host).await else {
        return wanted;
    };
    let version = VERSIONS[ctx.rng.below(VERSIONS.len() as u64) as usize];
    let strange = match ctx.rng.below(2 * UNKNOWN) {
        0 => Some((NOBODY.to_owned(), 0)),
        1 => wanted
            .first()
            .map(|(place, _)| (place.topic.clone(), NO_PARTITION)),
        _ => None,
    };
    let asked_us = ctx.record.now_us();
    for (place, offset) in &wanted {
        let what = What::Deleting {
            partition: place.partition,
            offset: *offset,
            to: Some(link.life()),
        };
        ctx.record.tell(ctx.me, what);
    }
    let response = link.send(version, &request(&wanted, &strange), cluster.patience);
    let response: Result<DeleteRecordsResponse, Lost> = response.await;
    let Ok(response) = response else {
        return wanted;
    };
    let mut answers = BTreeMap::new();
    for topic in response.topics {
        for answer in topic.partitions {
            answers.insert((topic.name.to_string(), answer.partition_index), answer);
        }
    }
    if let Some(strange) = strange {
        let error = answers.remove(&strange).map(|answer| answer.error_code);
        if !may_not_know(error) {
            let (topic, index) = strange;
            protest(
                ctx,
                format!("DeleteRecords of {topic}-{index}, which is not there, gave {error:?}"),
            );
        }
    }
    let mut open = Vec::new();
    for (place, offset) in wanted {
        let key = (place.topic.clone(), place.partition.index);
        let Some(answer) = answers.remove(&key) else {
            protest(ctx, format!("no answer to DeleteRecords of {}-{}", key.0, key.1));
            continue;
        };
        let error = answer.error_code;
        ctx.record.tell(
            ctx.me,
            What::Deleted {
                partition: place.partition,
                offset,
                asked_us,
                by: Some(link.life()),
                error,
                low_watermark: answer.low_watermark,
            },
        );
        if !FINAL.contains(&error) {
            open.push((place, offset));
        }
    }
    if !answers.is_empty() {
        protest(ctx, "answers to DeleteRecords that nobody asked for".to_owned());
    }
    open
}

/// What may be said of something that does not exist: that, or that nobody can be asked.
fn may_not_know(error: Option<i16>) -> bool {
    matches!(error, Some(UNKNOWN_TOPIC | 6 | 7 | 56))
}

fn request(wanted: &[(Place, i64)], strange: &Option<(String, i32)>) -> DeleteRecordsRequest {
    let wanted = wanted
        .iter()
        .map(|(place, offset)| (&place.topic, place.partition.index, *offset));
    let strange = strange.iter().map(|(topic, index)| (topic, *index, 0));
    let mut topics: Vec<DeleteRecordsTopic> = Vec::new();
    for (topic, index, offset) in wanted.chain(strange) {
        let name = topic_name(topic);
        let partition = DeleteRecordsPartition::default()
            .with_partition_index(index)
            .with_offset(offset);
        match topics.iter_mut().find(|topic| topic.name == name) {
            Some(topic) => topic.partitions.push(partition),
            None => topics.push(
                DeleteRecordsTopic::default()
                    .with_name(name)
                    .with_partitions(vec![partition]),
            ),
        }
    }
    DeleteRecordsRequest::default()
        .with_topics(topics)
        .with_timeout_ms(TIMEOUT_MS)
}
