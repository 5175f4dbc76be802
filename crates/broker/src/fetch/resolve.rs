//! From the names in a request to partitions: what Fetch, ListOffsets, OffsetForLeaderEpoch, DeleteRecords,
//! DescribeProducers and the requests about committed offsets share.
//!
//! A topic or partition that this agent does not know is looked for in the metastore before it becomes
//! an answer, once per request however many are missing: one look shows all that existed when the
//! request came.

use std::sync::Arc;

use esker_model::{PartitionKey, TopicUuid};
use esker_protocol::ErrorCode;
use uuid::Uuid;

use crate::authorizer::{Operation, Resource};
use crate::context::RequestContext;
use crate::topics::TopicState;
use crate::{Broker, errors};

/// How a request names a topic.
#[derive(Clone, Copy, Debug)]
pub(crate) enum TopicRef<'a> {
    Name(&'a str),
    Id(Uuid),
}

/// Looks topics up for one request.
pub(crate) struct Resolver<'a> {
    broker: &'a Broker,
    context: &'a RequestContext,
    operation: Operation,
    /// How the look into the metastore ended, if there was one.
    refreshed: Option<Result<(), ErrorCode>>,
}

impl<'a> Resolver<'a> {
    pub(crate) fn new(broker: &'a Broker, context: &'a RequestContext, operation: Operation) -> Self {
        Self {
            broker,
            context,
            operation,
            refreshed: None,
        }
    }

    /// A topic that the client may see.
    pub(crate) async fn topic(&mut self, wanted: TopicRef<'_>) -> Result<Arc<TopicState>, ErrorCode> {
        if let TopicRef::Name(name) = wanted {
            // Who may not see a topic is not told whether it exists.
            self.authorize(name)?;
        }
        let topic = match self.known(wanted) {
            Some(topic) => topic,
            None => {
                self.refresh().await?;
                self.known(wanted)
                    .ok_or(errors::unknown_topic(matches!(wanted, TopicRef::Id(_))))?
            }
        };
        self.authorize(&topic.topic.name)?;
        Ok(topic)
    }

    /// A topic that was found before, if the client may still see it.
    pub(crate) fn still_allowed(&self, topic: Arc<TopicState>) -> Result<Arc<TopicState>, ErrorCode> {
        self.authorize(&topic.topic.name)?;
        Ok(topic)
    }

    /// A partition of a topic.
    pub(crate) async fn partition(
        &mut self,
        topic: &TopicState,
        index: i32,
    ) -> Result<PartitionKey, ErrorCode> {
        if let Some(partition) = topic.partition(index) {
            return Ok(partition);
        }
        self.refresh().await?;
        let now = self.broker.catalog.by_key(topic.topic.key);
        now.and_then(|topic| topic.partition(index))
            .ok_or(ErrorCode::UnknownTopicOrPartition)
    }

    fn known(&self, wanted: TopicRef<'_>) -> Option<Arc<TopicState>> {
        match wanted {
            TopicRef::Name(name) => self.broker.catalog.by_name(name),
            TopicRef::Id(id) => self.broker.catalog.by_uuid(TopicUuid(id)),
        }
    }

    async fn refresh(&mut self) -> Result<(), ErrorCode> {
        if self.refreshed.is_none() {
            let outcome = self.broker.catalog.refresh_paced().await;
            self.refreshed = Some(outcome.map_err(|err| errors::of_metastore(&err)));
        }
        self.refreshed.unwrap_or(Ok(()))
    }

    fn authorize(&self, topic: &str) -> Result<(), ErrorCode> {
        let allowed = self
            .broker
            .authorizer
            .allows(self.context, self.operation, Resource::Topic(topic));
        if allowed {
            Ok(())
        } else {
            Err(ErrorCode::TopicAuthorizationFailed)
        }
    }
}

/// Compares the leader epoch that a client knows with ours (KIP-320). Below 0: it knows none.
pub(super) fn check_leader_epoch(broker: &Broker, theirs: i32) -> Result<(), ErrorCode> {
    let ours = broker.member.epoch().0;
    match theirs {
        ..=-1 => Ok(()),
        _ if theirs > ours => Err(ErrorCode::UnknownLeaderEpoch),
        _ if theirs < ours => Err(ErrorCode::FencedLeaderEpoch),
        _ => Ok(()),
    }
}

/// Whether answers that must be current may be given, after what they rest on was read. A zombie gives
/// none, and nothing is shown that the epoch gate has not let through.
pub(super) fn may_answer_currently(broker: &Broker) -> Result<(), ErrorCode> {
    if !broker.member.is_current() {
        // Another agent can answer: the client refreshes its metadata and goes there.
        Err(ErrorCode::NotLeaderOrFollower)
    } else if !broker.gate.is_open() {
        Err(ErrorCode::KafkaStorageError)
    } else {
        Ok(())
    }
}
