//! A Fetch request, checked: what is wanted of which partition, or which error it gets.
//!
//! Limits below zero are answered with INVALID_REQUEST: for one partition if they are its own, for the
//! whole request if they are the request's. Fetch sessions (KIP-227) are not kept: who asks for one gets
//! session 0, which means that there is none; who names one is told that it is not known, and starts anew.

use std::sync::Arc;
use std::time::Duration;

use esker_protocol::fetch_response::{FetchPartitionParts, FetchResponseParts, FetchTopicParts};
use esker_protocol::messages::FetchRequest;
use esker_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use esker_protocol::{ErrorCode, StrBytes};
use uuid::Uuid;

use super::plan::Wanted;
use super::resolve::{Resolver, TopicRef, check_leader_epoch};
use super::yield_after;
use crate::Broker;
use crate::authorizer::Operation;
use crate::context::RequestContext;
use crate::topics::TopicState;

/// Most bytes of records in one response: Kafka's `fetch.max.bytes` of brokers.
pub const RESPONSE_BYTES_MAX: u64 = 57_671_680;

/// The longest wait. A client that asks for more gets an empty response and asks again; meanwhile a
/// vanished client is noticed.
const WAIT_MAX: Duration = Duration::from_secs(60);

/// First version with fetch sessions and a top-level error.
const SESSIONS: i16 = 7;
/// First version that names topics by id.
const TOPIC_IDS: i16 = 13;

/// A checked request.
pub(super) struct Asked {
    pub topics: Vec<AskedTopic>,
    /// All partitions, in request order.
    pub partitions: Vec<AskedPartition>,
    pub min_bytes: u64,
    pub max_wait: Duration,
    pub bytes_max: u64,
    pub committed_only: bool,
    /// Topics were named by id.
    pub by_id: bool,
}

/// A topic as the request named it.
pub(super) struct AskedTopic {
    pub name: StrBytes,
    pub id: Uuid,
    pub state: Option<Arc<TopicState>>,
}

/// A partition of the request.
pub(super) struct AskedPartition {
    /// Its topic's place in [`Asked::topics`].
    pub topic: usize,
    pub index: i32,
    pub wanted: Result<Wanted, ErrorCode>,
}

/// Checks a request. `Err` is the response to one that is refused as a whole.
pub(super) async fn check(
    broker: &Broker,
    context: &RequestContext,
    request: FetchRequest,
) -> Result<Asked, FetchResponseParts> {
    let version = context.api_version;
    if version >= SESSIONS && !matches!(request.session_epoch, 0 | -1) {
        return Err(FetchResponseParts::empty(ErrorCode::FetchSessionIdNotFound));
    }
    let (Ok(min_bytes), Ok(max_bytes), Ok(max_wait_ms), 0 | 1) = (
        u64::try_from(request.min_bytes),
        u64::try_from(request.max_bytes),
        u64::try_from(request.max_wait_ms),
        request.isolation_level,
    ) else {
        return Err(refuse_all(request, version));
    };
    let mut asked = Asked {
        topics: Vec::with_capacity(request.topics.len()),
        partitions: Vec::new(),
        min_bytes,
        max_wait: Duration::from_millis(max_wait_ms).min(WAIT_MAX),
        // A response has to fit into its share of the memory budget, beside another one.
        bytes_max: max_bytes
            .min(RESPONSE_BYTES_MAX)
            .min(broker.budget.fetch.bytes() / 2),
        committed_only: request.isolation_level == 1,
        by_id: version >= TOPIC_IDS,
    };
    let replica = request.replica_id.0.max(request.replica_state.replica_id.0);
    let mut resolver = Resolver::new(broker, context, Operation::Read);
    for topic in request.topics {
        asked.topic(broker, &mut resolver, topic, replica).await;
    }
    yield_after(asked.partitions.len()).await;
    Ok(asked)
}

impl Asked {
    async fn topic(&mut self, broker: &Broker, resolver: &mut Resolver<'_>, topic: FetchTopic, replica: i32) {
        let reference = if self.by_id {
            TopicRef::Id(topic.topic_id)
        } else {
            TopicRef::Name(&topic.topic)
        };
        let state = resolver.topic(reference).await;
        let at = self.topics.len();
        for partition in topic.partitions {
            let wanted = match &state {
                Err(error) => Err(*error),
                // We have no followers.
                Ok(_) if replica >= 0 => Err(ErrorCode::NotLeaderOrFollower),
                Ok(state) => self.wanted(broker, resolver, state, &partition).await,
            };
            self.partitions.push(AskedPartition {
                topic: at,
                index: partition.partition,
                wanted,
            });
        }
        self.topics.push(AskedTopic {
            name: topic.topic.0,
            id: topic.topic_id,
            state: state.ok(),
        });
    }

    async fn wanted(
        &self,
        broker: &Broker,
        resolver: &mut Resolver<'_>,
        topic: &TopicState,
        asked: &FetchPartition,
    ) -> Result<Wanted, ErrorCode> {
        let partition = resolver.partition(topic, asked.partition).await?;
        check_leader_epoch(broker, asked.current_leader_epoch)?;
        let bytes_max = u64::try_from(asked.partition_max_bytes).map_err(|_| ErrorCode::InvalidRequest)?;
        Ok(Wanted {
            partition,
            from: asked.fetch_offset,
            bytes_max: bytes_max.min(self.bytes_max),
            committed_only: self.committed_only,
        })
    }
}

/// INVALID_REQUEST for everything. As Kafka, partitions are listed only where clients of that version
/// look for them.
fn refuse_all(request: FetchRequest, version: i16) -> FetchResponseParts {
    let mut parts = FetchResponseParts::empty(ErrorCode::InvalidRequest);
    if version < TOPIC_IDS {
        parts.topics = request
            .topics
            .into_iter()
            .map(|topic| FetchTopicParts {
                name: topic.topic.0,
                topic_id: topic.topic_id,
                partitions: topic
                    .partitions
                    .iter()
                    .map(|one| FetchPartitionParts::error(one.partition, ErrorCode::InvalidRequest))
                    .collect(),
            })
            .collect();
    }
    parts
}
