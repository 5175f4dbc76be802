//! Topics, very many of them: created, then asked for, one request after the other.

use esker_protocol::StrBytes;
use esker_protocol::messages::create_topics_request::CreatableTopic;
use esker_protocol::messages::delete_topics_request::DeleteTopicState;
use esker_protocol::messages::{
    CreateTopicsRequest, DeleteTopicsRequest, MetadataRequest, MetadataResponse, TopicName,
};
use serde::{Deserialize, Serialize};

use super::connection::{Connection, runtime};
use super::{Latency, Outcome, process};
use crate::clock::{monotonic_ns, seconds};

/// How long a broker may take to create or delete topics.
const TIMEOUT_MS: i32 = 100_000;
/// How long until all that were created are there.
const VISIBLE_LIMIT_S: f64 = 60.0;
/// Topics that are deleted in one request.
const DELETED_AT_ONCE: usize = 100;

/// Creates topics, then asks for all topics. It ends by itself: the outcome's seconds are those of creating, its latency
/// that of the requests for all topics (without what reading the answer takes), and its records are the partitions in
/// the last answer.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct TopicsSpec {
    pub bootstrap: String,
    /// The topics' names begin with it.
    pub name: String,
    pub topics: usize,
    /// Of each topic.
    pub partitions: i32,
    /// Created in one request.
    pub at_once: usize,
    /// Requests for all topics that count, after one that does not.
    pub requests: usize,
    /// They are deleted at the end.
    pub delete: bool,
}

pub(super) fn run(spec: &TopicsSpec) -> Result<Outcome, String> {
    runtime()?.block_on(work(spec))
}

async fn work(spec: &TopicsSpec) -> Result<Outcome, String> {
    let mut connection = Connection::open(&spec.bootstrap).await?;
    process::say_ready();
    let names: Vec<_> = (0..spec.topics)
        .map(|topic| TopicName(StrBytes::from_string(format!("{}-{topic}", spec.name))))
        .collect();
    let mut created_ns = 0;
    for some in names.chunks(spec.at_once.max(1)) {
        create(&mut connection, spec, some).await?;
        created_ns += connection.last_ns();
    }
    let all = spec.topics * usize::try_from(spec.partitions).unwrap_or(0);
    let began = monotonic_ns();
    while partitions(&ask(&mut connection).await?) < all {
        if seconds(began, monotonic_ns()) > VISIBLE_LIMIT_S {
            return Err("not all topics that were created are there".to_owned());
        }
    }
    let mut latencies = Vec::with_capacity(spec.requests);
    let mut answer = ask(&mut connection).await?;
    for _ in 0..spec.requests {
        answer = ask(&mut connection).await?;
        latencies.push(u32::try_from(connection.last_ns() / 1000).unwrap_or(u32::MAX));
    }
    let outcome = Outcome {
        seconds: seconds(0, created_ns),
        records: partitions(&answer) as u64,
        latency: Latency::of(latencies),
        ..Outcome::default()
    };
    if spec.delete {
        for some in names.chunks(DELETED_AT_ONCE) {
            let named = |name: &TopicName| DeleteTopicState::default().with_name(Some(name.clone()));
            let request = DeleteTopicsRequest::default()
                .with_topics(some.iter().map(named).collect())
                .with_timeout_ms(TIMEOUT_MS);
            // What is left behind is of no interest to what was measured.
            connection.call(&request).await?;
        }
    }
    Ok(outcome)
}

async fn create(connection: &mut Connection, spec: &TopicsSpec, names: &[TopicName]) -> Result<(), String> {
    let topic = |name: &TopicName| {
        CreatableTopic::default()
            .with_name(name.clone())
            .with_num_partitions(spec.partitions)
            .with_replication_factor(1)
    };
    let request = CreateTopicsRequest::default()
        .with_topics(names.iter().map(topic).collect())
        .with_timeout_ms(TIMEOUT_MS);
    let answer = connection.call(&request).await?;
    match answer.topics.iter().find(|topic| topic.error_code != 0) {
        None if answer.topics.len() == names.len() => Ok(()),
        None => Err("CreateTopics: not every topic was answered".to_owned()),
        Some(refused) => Err(format!(
            "CreateTopics was refused: error {} {}",
            refused.error_code,
            refused.error_message.as_deref().unwrap_or_default()
        )),
    }
}

async fn ask(connection: &mut Connection) -> Result<MetadataResponse, String> {
    let request = MetadataRequest::default()
        .with_topics(None)
        .with_allow_auto_topic_creation(false);
    connection.call(&request).await
}

/// Partitions that somebody leads.
fn partitions(answer: &MetadataResponse) -> usize {
    let topics = answer.topics.iter().filter(|topic| topic.error_code == 0);
    let partitions = topics.flat_map(|topic| &topic.partitions);
    partitions.filter(|partition| partition.leader_id.0 >= 0).count()
}
