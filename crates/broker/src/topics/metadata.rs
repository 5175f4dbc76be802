//! Metadata 0-13: the brokers, and where topics are.
//!
//! Which topics a client means depends on the version: in version 0 an empty list is all topics, later a
//! null list is and an empty one is none. From version 12 on a topic may be named by its id; as soon as one
//! is, names are ignored, as in Kafka. Listing all and asking for unknown topics ask the metastore, paced.
//!
//! While the metastore does not answer, known topics are answered from memory; whether an unknown one
//! exists cannot be said then, and the client is told 5, to ask again.
//!
//! The leader epoch of every partition is the cluster epoch: Fetch checks a client's epoch against the same.

use std::collections::BTreeSet;

use esker_metastore::{CreateTopicRefusal, NewTopic};
use esker_model::TopicUuid;
use esker_model::limits::TOPIC_PARTITIONS_MAX;
use esker_protocol::messages::metadata_response::{
    MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic,
};
use esker_protocol::messages::{BrokerId, MetadataRequest, MetadataResponse, TopicName};
use esker_protocol::{ErrorCode, StrBytes};
use tracing::warn;

use super::{TopicState, create, names};
use crate::Broker;
use crate::authorizer::{Operation, Resource};
use crate::cluster::{Brokers, operations};
use crate::context::RequestContext;

/// First version in which topics may be named by id.
const ID_VERSION: i16 = 12;
/// Versions that may ask what the client may do with the cluster.
const CLUSTER_OPERATIONS: std::ops::RangeInclusive<i16> = 8..=10;

/// What a client asks for.
enum Wanted {
    All,
    Names(Vec<StrBytes>),
    Ids(Vec<TopicUuid>),
}

/// Answers with the brokers and the topics asked for.
pub(crate) async fn handle(
    broker: &Broker,
    context: &RequestContext,
    request: MetadataRequest,
) -> MetadataResponse {
    let view = View {
        broker,
        context,
        brokers: Brokers::known_to(broker, context),
        operations: request.include_topic_authorized_operations,
    };
    let may_create = broker.config.auto_create_topics && request.allow_auto_topic_creation;
    let cluster_operations =
        request.include_cluster_authorized_operations && CLUSTER_OPERATIONS.contains(&context.api_version);
    let topics = match wanted(context.api_version, request) {
        Ok(Wanted::All) => view.all().await,
        Ok(Wanted::Names(names)) => view.named(names, may_create).await,
        Ok(Wanted::Ids(ids)) => view.identified(ids).await,
        Err(refused) => refused,
    };
    let mut response = MetadataResponse::default()
        .with_cluster_id(Some(StrBytes::from_string(broker.member.cluster_id().0.clone())))
        .with_controller_id(BrokerId(view.brokers.controller.0))
        .with_topics(topics);
    if cluster_operations {
        response.cluster_authorized_operations = operations::of_cluster(broker, context);
    }
    response.brokers = view
        .brokers
        .all
        .into_iter()
        .map(|known| {
            MetadataResponseBroker::default()
                .with_node_id(BrokerId(known.id.0))
                .with_host(known.host)
                .with_port(known.port)
                .with_rack(known.rack)
        })
        .collect();
    response
}

/// Reads the list of topics, each at most once; or the answer to one that no client may send.
fn wanted(version: i16, request: MetadataRequest) -> Result<Wanted, Vec<MetadataResponseTopic>> {
    let Some(topics) = request.topics else {
        return Ok(Wanted::All);
    };
    if version == 0 && topics.is_empty() {
        return Ok(Wanted::All);
    }
    let by_id = topics.iter().any(|topic| !topic.topic_id.is_nil());
    let nameless = topics.iter().any(|topic| topic.name.is_none());
    if (by_id && version < ID_VERSION) || (nameless && !by_id) {
        let refused = topics.into_iter().map(|topic| {
            let name = topic.name.unwrap_or_default();
            failed(ErrorCode::InvalidRequest, Some(name.0)).with_topic_id(topic.topic_id)
        });
        return Err(refused.collect());
    }
    if by_id {
        let mut seen = BTreeSet::new();
        let ids = topics.iter().map(|topic| topic.topic_id);
        let ids = ids.filter(|id| !id.is_nil() && seen.insert(*id)).map(TopicUuid);
        return Ok(Wanted::Ids(ids.collect()));
    }
    let mut seen = BTreeSet::new();
    let names = topics
        .into_iter()
        .filter_map(|topic| topic.name.map(|name| name.0));
    Ok(Wanted::Names(
        names.filter(|name| seen.insert(name.clone())).collect(),
    ))
}

fn failed(code: ErrorCode, name: Option<StrBytes>) -> MetadataResponseTopic {
    MetadataResponseTopic::default()
        .with_error_code(code.code())
        .with_is_internal(name.as_deref().is_some_and(names::is_internal))
        .with_name(name.map(TopicName))
}

/// What one client is shown.
struct View<'a> {
    broker: &'a Broker,
    context: &'a RequestContext,
    brokers: Brokers,
    operations: bool,
}

impl View<'_> {
    async fn all(&self) -> Vec<MetadataResponseTopic> {
        // Without the metastore the list is as old as its last answer, which is better than none.
        let _ = self.broker.catalog.refresh_paced().await;
        let topics = self.broker.catalog.all();
        let visible = topics
            .iter()
            .filter(|topic| self.may(Operation::Describe, &topic.topic.name));
        visible.map(|topic| self.describe(topic)).collect()
    }

    async fn identified(&self, ids: Vec<TopicUuid>) -> Vec<MetadataResponseTopic> {
        let catalog = &self.broker.catalog;
        let unknown = ids.iter().any(|id| catalog.by_uuid(*id).is_none());
        let asked = if unknown {
            catalog.refresh_paced().await
        } else {
            Ok(())
        };
        ids.into_iter()
            .map(|id| match catalog.by_uuid(id) {
                Some(topic) if self.may(Operation::Describe, &topic.topic.name) => self.describe(&topic),
                Some(_) => failed(ErrorCode::TopicAuthorizationFailed, None).with_topic_id(id.0),
                None if asked.is_err() => failed(ErrorCode::LeaderNotAvailable, None).with_topic_id(id.0),
                None => failed(ErrorCode::UnknownTopicId, None).with_topic_id(id.0),
            })
            .collect()
    }

    async fn named(&self, wanted: Vec<StrBytes>, may_create: bool) -> Vec<MetadataResponseTopic> {
        let catalog = &self.broker.catalog;
        let unknown = wanted
            .iter()
            .any(|name| catalog.by_name(name).is_none() && names::is_valid(name));
        let asked = if unknown {
            catalog.refresh_paced().await
        } else {
            Ok(())
        };
        let mut missing = Vec::new();
        let mut topics: Vec<_> = wanted
            .into_iter()
            .enumerate()
            .map(|(at, name)| {
                if !self.may(Operation::Describe, &name) {
                    return failed(ErrorCode::TopicAuthorizationFailed, Some(name));
                }
                if let Some(topic) = catalog.by_name(&name) {
                    return self.describe(&topic);
                }
                if !names::is_valid(&name) {
                    return failed(ErrorCode::InvalidTopicException, Some(name));
                }
                if asked.is_err() {
                    return failed(ErrorCode::LeaderNotAvailable, Some(name));
                }
                missing.push((at, name.clone()));
                failed(ErrorCode::UnknownTopicOrPartition, Some(name))
            })
            .collect();
        if may_create {
            for (at, code) in self.create(missing).await {
                if let Some(topic) = topics.get_mut(at) {
                    topic.error_code = code.code();
                }
            }
        }
        topics
    }

    /// Creates topics that were asked for. Even one that is there now is answered with 3, as Kafka does:
    /// the client asks again. Returns the answers that differ.
    async fn create(&self, missing: Vec<(usize, StrBytes)>) -> Vec<(usize, ErrorCode)> {
        let partitions = self.broker.config.num_partitions.clamp(1, TOPIC_PARTITIONS_MAX);
        // As many as one CreateTopics could; the rest is created when the client asks again.
        let limit = usize::try_from(TOPIC_PARTITIONS_MAX / partitions).unwrap_or(1);
        let mut answers = Vec::new();
        let mut new = Vec::new();
        let mut places = Vec::new();
        for (at, name) in missing {
            if !self.may(Operation::Create, &name) {
                answers.push((at, ErrorCode::TopicAuthorizationFailed));
            } else if new.len() < limit {
                places.push(at);
                new.push(NewTopic {
                    uuid: create::draw_topic_id(&self.broker.seams),
                    name: name.to_string(),
                    partitions,
                    replication_factor: 1,
                    configs: Default::default(),
                });
            }
        }
        if new.is_empty() {
            return answers;
        }
        match self.broker.metastore.create_topics(&new).await {
            Ok(outcomes) => {
                for (at, outcome) in places.into_iter().zip(outcomes) {
                    if let Err(CreateTopicRefusal::Collides(_)) = outcome {
                        answers.push((at, ErrorCode::InvalidTopicException));
                    }
                }
                // If this fails, the client's next question refreshes.
                let _ = self.broker.catalog.refresh().await;
            }
            // 3 stands: clients ask again, which tries again.
            Err(err) => warn!(%err, "could not create topics on first use"),
        }
        answers
    }

    fn describe(&self, state: &TopicState) -> MetadataResponseTopic {
        let topic = &state.topic;
        let epoch = self.broker.member.epoch().0;
        let partitions = (0..topic.partitions).map(|index| {
            let place = self.brokers.place(topic.uuid, index, topic.replication_factor);
            MetadataResponsePartition::default()
                .with_partition_index(index)
                .with_leader_id(place.leader)
                .with_leader_epoch(epoch)
                .with_isr_nodes(place.replicas.clone())
                .with_replica_nodes(place.replicas)
        });
        let response = MetadataResponseTopic::default()
            .with_name(Some(TopicName(StrBytes::from_string(topic.name.clone()))))
            .with_topic_id(topic.uuid.0)
            .with_is_internal(names::is_internal(&topic.name))
            .with_partitions(partitions.collect());
        if self.operations {
            return response.with_topic_authorized_operations(operations::of_topic(
                self.broker,
                self.context,
                &topic.name,
            ));
        }
        response
    }

    fn may(&self, operation: Operation, topic: &str) -> bool {
        self.broker
            .authorizer
            .allows(self.context, operation, Resource::Topic(topic))
    }
}
