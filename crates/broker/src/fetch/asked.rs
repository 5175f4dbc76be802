//! A Fetch request, checked: what is wanted of which partition, or which error it gets.
//!
//! Limits below zero are answered with INVALID_REQUEST: for one partition if they are its own, for the
//! whole request if they are the request's, whose session stays as it is. What is wanted comes from the request, or from
//! its session ([`super::sessions`]); a session's topics are looked up again only if the catalog has changed.

use std::sync::Arc;
use std::time::Duration;

use esker_protocol::fetch_response::{FetchPartitionParts, FetchResponseParts, FetchTopicParts};
use esker_protocol::messages::FetchRequest;
use esker_protocol::messages::fetch_request::FetchTopic;
use esker_protocol::{ErrorCode, StrBytes};
use uuid::Uuid;

use super::plan::Wanted;
use super::resolve::{Resolver, TopicRef, check_leader_epoch};
use super::sessions::{self, Ask, InSession, Partitions};
use super::{PARTITIONS_PER_TURN, yield_after};
use crate::Broker;
use crate::authorizer::Operation;
use crate::budget::Reservation;
use crate::context::RequestContext;
use crate::topics::TopicState;

/// Most bytes of records in one response: Kafka's `fetch.max.bytes` of brokers.
pub const RESPONSE_BYTES_MAX: u64 = 57_671_680;

/// The longest wait. A client that asks for more gets an empty response and asks again; meanwhile a
/// vanished client is noticed.
const WAIT_MAX: Duration = Duration::from_secs(60);

/// A request that gets no memory for its session is answered after this, no later than its client would wait: it asks
/// again at once.
const SHORT_PAUSE: Duration = Duration::from_millis(100);

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

/// A checked request with what it holds while it is answered.
pub(super) struct Checked<'a> {
    pub asked: Asked,
    pub session: InSession<'a>,
    /// Memory for what the session adds to the request.
    pub charge: Option<Reservation>,
}

/// Checks a request. `Err` is the response to one that gets no other.
pub(super) async fn check<'a>(
    broker: &'a Broker,
    context: &RequestContext,
    request: FetchRequest,
) -> Result<Checked<'a>, FetchResponseParts> {
    let version = context.api_version;
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
    let mut session =
        sessions::open(broker, &request, asked.by_id, replica).map_err(FetchResponseParts::empty)?;
    let Ok(charge) = session.charge(broker, context.charged).await else {
        // No news is an answer that is always true.
        tokio::time::sleep(SHORT_PAUSE.min(asked.max_wait)).await;
        return Err(FetchResponseParts {
            session_id: session.id(),
            ..FetchResponseParts::empty(ErrorCode::None)
        });
    };
    let mut resolver = Resolver::new(broker, context, Operation::Read);
    match session.partitions() {
        Some(partitions) => asked.session(broker, &mut resolver, partitions, replica).await,
        None => {
            for topic in request.topics {
                asked.topic(broker, &mut resolver, topic, replica).await;
            }
        }
    }
    yield_after(asked.partitions.len()).await;
    Ok(Checked {
        asked,
        session,
        charge,
    })
}

impl Asked {
    async fn topic(&mut self, broker: &Broker, resolver: &mut Resolver<'_>, topic: FetchTopic, replica: i32) {
        let state = resolver.topic(self.reference(&topic.topic, topic.topic_id)).await;
        let at = self.topics.len();
        for partition in topic.partitions {
            let (index, ask) = (partition.partition, Ask::from(&partition));
            let wanted = self
                .wanted(broker, resolver, state.as_ref(), index, ask, replica)
                .await;
            self.partitions.push(AskedPartition {
                topic: at,
                index,
                wanted,
            });
        }
        self.topics.push(AskedTopic {
            name: topic.topic.0,
            id: topic.topic_id,
            state: state.ok(),
        });
    }

    /// Asks for all partitions of a session.
    async fn session(
        &mut self,
        broker: &Broker,
        resolver: &mut Resolver<'_>,
        partitions: &mut Partitions,
        replica: i32,
    ) {
        let mut states = Vec::new();
        for topic in partitions.topics_mut() {
            // Read before: a topic that changes meanwhile is looked up again the next time.
            let version = broker.catalog.version();
            let known = topic.known.take().filter(|(at, _)| *at == version);
            let state = match known {
                Some((_, state)) => resolver.still_allowed(state),
                None => resolver.topic(self.reference(&topic.name, topic.id)).await,
            };
            topic.known = state.as_ref().ok().map(|state| (version, Arc::clone(state)));
            self.topics.push(AskedTopic {
                name: topic.name.clone(),
                id: topic.id,
                state: state.as_ref().ok().cloned(),
            });
            states.push(state);
        }
        self.partitions.reserve(partitions.len());
        for (place, (topic, index, ask)) in partitions.asks().enumerate() {
            if place % PARTITIONS_PER_TURN == PARTITIONS_PER_TURN - 1 {
                tokio::task::yield_now().await;
            }
            let state = states[topic].as_ref();
            let wanted = self.wanted(broker, resolver, state, index, ask, replica).await;
            self.partitions.push(AskedPartition { topic, index, wanted });
        }
    }

    fn reference<'n>(&self, name: &'n StrBytes, id: Uuid) -> TopicRef<'n> {
        if self.by_id {
            TopicRef::Id(id)
        } else {
            TopicRef::Name(name)
        }
    }

    async fn wanted(
        &self,
        broker: &Broker,
        resolver: &mut Resolver<'_>,
        topic: Result<&Arc<TopicState>, &ErrorCode>,
        index: i32,
        ask: Ask,
        replica: i32,
    ) -> Result<Wanted, ErrorCode> {
        let topic = topic.map_err(|error| *error)?;
        if replica >= 0 {
            // We have no followers.
            return Err(ErrorCode::NotLeaderOrFollower);
        }
        if broker.member.is_leaving() {
            return Err(ErrorCode::NotLeaderOrFollower);
        }
        let partition = resolver.partition(topic, index).await?;
        check_leader_epoch(broker, ask.leader_epoch)?;
        let bytes_max = u64::try_from(ask.bytes_max).map_err(|_| ErrorCode::InvalidRequest)?;
        Ok(Wanted {
            partition,
            from: ask.from,
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
