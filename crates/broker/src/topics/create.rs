//! CreateTopics 2-7.
//!
//! Every topic is checked by itself, in Kafka's order: repeated in the request, name, existing, configs,
//! partitions and replicas. What passes is created in one call; the metastore has the last word on whether
//! a name is free. The answer is given when this agent knows the new topics. A call whose outcome stays
//! unknown is answered with 7; repeating the request then says 36 for what was created.

use std::collections::{BTreeMap, BTreeSet};

use esker_metastore::{CreateTopicRefusal, NewTopic};
use esker_model::TopicUuid;
use esker_model::limits::TOPIC_PARTITIONS_MAX;
use esker_model::seams::Seams;
use esker_protocol::ErrorCode;
use esker_protocol::messages::create_topics_request::{
    CreatableReplicaAssignment, CreatableTopic, CreatableTopicConfig,
};
use esker_protocol::messages::create_topics_response::CreatableTopicResult;
use esker_protocol::messages::{CreateTopicsRequest, CreateTopicsResponse, TopicName};
use tracing::warn;

use super::{assignments, config_entries, config_table, names, repeat};
use crate::Broker;
use crate::authorizer::{Operation, Resource};
use crate::cluster::Brokers;
use crate::context::RequestContext;
use crate::errors::Failure;

/// Replication factors that are accepted and shown, whatever the number of agents.
const REPLICATION_MAX: i16 = 3;

/// Creates topics, or only says whether it could.
pub(crate) async fn handle(
    broker: &Broker,
    context: &RequestContext,
    request: CreateTopicsRequest,
) -> CreateTopicsResponse {
    let mut wanted: BTreeMap<TopicName, CreatableTopic> = BTreeMap::new();
    let mut repeated = BTreeSet::new();
    let mut order = Vec::with_capacity(request.topics.len());
    for topic in request.topics {
        if wanted.contains_key(&topic.name) {
            repeated.insert(topic.name);
        } else {
            order.push(topic.name.clone());
            wanted.insert(topic.name.clone(), topic);
        }
    }
    // What exists is checked before configs and partitions are, as in Kafka. If the metastore does not
    // answer now, the creation itself will say so.
    let _ = broker.catalog.refresh_paced().await;
    let checker = Checker {
        broker,
        context,
        brokers: Brokers::known_to(broker, context),
        too_many: too_many(wanted.values(), broker.config.num_partitions),
    };
    let mut checked: BTreeMap<TopicName, Result<NewTopic, Failure>> = BTreeMap::new();
    for (name, topic) in wanted {
        let outcome = if repeated.contains(&name) {
            Err(Failure::new(
                ErrorCode::InvalidRequest,
                "the request names this topic twice",
            ))
        } else {
            checker.check(topic)
        };
        checked.insert(name, outcome);
    }
    refuse_collisions(&mut checked);
    if !request.validate_only {
        create(broker, &mut checked).await;
    }
    let topics = order.into_iter().filter_map(|name| {
        let outcome = checked.remove(&name)?;
        Some(result(name, outcome, request.validate_only))
    });
    CreateTopicsResponse::default().with_topics(topics.collect())
}

/// A random id. None whose text form begins with '-', which tools would take for an option.
pub(super) fn draw_topic_id(seams: &Seams) -> TopicUuid {
    loop {
        let id = seams.rng.uuid();
        if id.as_bytes()[0] >> 2 != 0b11_1110 {
            return TopicUuid(id);
        }
    }
}

struct Checker<'a> {
    broker: &'a Broker,
    context: &'a RequestContext,
    brokers: Brokers,
    /// The request asks for more partitions than one request may.
    too_many: bool,
}

impl Checker<'_> {
    fn check(&self, topic: CreatableTopic) -> Result<NewTopic, Failure> {
        let name = topic.name.0.as_str();
        let authorizer = &self.broker.authorizer;
        if !authorizer.allows(self.context, Operation::Create, Resource::Cluster)
            && !authorizer.allows(self.context, Operation::Create, Resource::Topic(name))
        {
            return fail(
                ErrorCode::TopicAuthorizationFailed,
                "not authorized to create this topic",
            );
        }
        if self.too_many {
            let message =
                format!("the request asks for more than {TOPIC_PARTITIONS_MAX} partitions in total");
            return fail(ErrorCode::PolicyViolation, message);
        }
        names::check(name).map_err(|message| Failure::new(ErrorCode::InvalidTopicException, message))?;
        if name == names::CLUSTER_METADATA {
            let message = "the log of Kafka's controllers cannot be created";
            return fail(ErrorCode::InvalidRequest, message);
        }
        if self.broker.catalog.by_name(name).is_some() {
            return exists(name);
        }
        if let Some(other) = self.broker.catalog.colliding(name) {
            return collides(name, &other.topic.name);
        }
        let configs = configs(&topic.configs)?;
        let (partitions, replication_factor) = self.size(&topic)?;
        Ok(NewTopic {
            uuid: draw_topic_id(&self.broker.seams),
            name: name.to_owned(),
            partitions,
            replication_factor,
            configs,
        })
    }

    /// Partitions and replication factor.
    fn size(&self, topic: &CreatableTopic) -> Result<(i32, i16), Failure> {
        if !topic.assignments.is_empty() {
            if topic.replication_factor != -1 {
                let message = "with a manual assignment the replication factor must be -1";
                return fail(ErrorCode::InvalidRequest, message);
            }
            if topic.num_partitions != -1 {
                let message = "with a manual assignment the number of partitions must be -1";
                return fail(ErrorCode::InvalidRequest, message);
            }
            return self.assigned(&topic.assignments);
        }
        let replication_factor = match topic.replication_factor {
            -1 => 1,
            factor @ 1..=REPLICATION_MAX => factor,
            factor => {
                let message = format!(
                    "the replication factor is {factor}: it must be 1 to {REPLICATION_MAX}, or -1 for the default"
                );
                return fail(ErrorCode::InvalidReplicationFactor, message);
            }
        };
        let partitions = match topic.num_partitions {
            -1 => self.broker.config.num_partitions,
            partitions if partitions > 0 => partitions,
            partitions => {
                let message = format!(
                    "the number of partitions is {partitions}: it must be positive, or -1 for the default"
                );
                return fail(ErrorCode::InvalidPartitions, message);
            }
        };
        Ok((partitions, replication_factor))
    }

    fn assigned(&self, assigned: &[CreatableReplicaAssignment]) -> Result<(i32, i16), Failure> {
        let mut factor = None;
        let mut indexes = BTreeSet::new();
        for partition in assigned {
            if !indexes.insert(partition.partition_index) {
                let message = format!("partition {} is assigned twice", partition.partition_index);
                return fail(ErrorCode::InvalidReplicaAssignment, message);
            }
            factor = Some(assignments::check(&partition.broker_ids, factor, &self.brokers)?);
        }
        if !indexes.iter().copied().eq(0..indexes.len() as i32) {
            let message = "the assigned partitions are not numbered 0, 1, 2 and so on";
            return fail(ErrorCode::InvalidReplicaAssignment, message);
        }
        Ok((indexes.len() as i32, factor.unwrap_or(1)))
    }
}

/// The configs to set, or what is wrong with them.
fn configs(wanted: &[CreatableTopicConfig]) -> Result<BTreeMap<String, String>, Failure> {
    let invalid = |message| Failure::new(ErrorCode::InvalidConfig, message);
    let mut set = BTreeMap::new();
    for config in wanted {
        let Some(value) = &config.value else {
            return Err(invalid(format!("config {} has no value", config.name.as_str())));
        };
        config_table::check(&config.name, value).map_err(invalid)?;
        set.insert(config.name.to_string(), value.to_string());
    }
    config_table::check_together(&set).map_err(invalid)?;
    Ok(set)
}

/// Whether a request asks for more partitions than one may. What is refused anyway counts as well.
fn too_many<'a>(topics: impl Iterator<Item = &'a CreatableTopic>, default: i32) -> bool {
    let asked = topics.map(|topic| match topic.num_partitions {
        _ if !topic.assignments.is_empty() => topic.assignments.len() as i64,
        partitions if partitions > 0 => i64::from(partitions),
        _ => i64::from(default),
    });
    asked.sum::<i64>() > i64::from(TOPIC_PARTITIONS_MAX)
}

/// Of topics of one request whose names collide, only the first (by name) is created.
fn refuse_collisions(checked: &mut BTreeMap<TopicName, Result<NewTopic, Failure>>) {
    let mut taken: BTreeMap<String, String> = BTreeMap::new();
    for outcome in checked.values_mut() {
        let Ok(new) = outcome else { continue };
        let collision = names::collision_name(&new.name);
        match taken.get(&collision) {
            Some(other) => *outcome = collides(&new.name, other),
            None => {
                taken.insert(collision, new.name.clone());
            }
        }
    }
}

/// Creates what was found right, and puts the metastore's refusals in its place.
async fn create(broker: &Broker, checked: &mut BTreeMap<TopicName, Result<NewTopic, Failure>>) {
    let new: Vec<NewTopic> = checked
        .values()
        .filter_map(|new| new.as_ref().ok().cloned())
        .collect();
    if new.is_empty() {
        return;
    }
    let slots = checked.values_mut().filter(|outcome| outcome.is_ok());
    // A repeated call recognises its own topics by their ids.
    match repeat::until_known(|| broker.metastore.create_topics(&new)).await {
        Ok(outcomes) => {
            for ((slot, new), outcome) in slots.zip(&new).zip(outcomes.answer) {
                match outcome {
                    // Somebody deleted it between two attempts to create it: both did as they were told.
                    Ok(_) | Err(CreateTopicRefusal::Deleted) => {}
                    Err(CreateTopicRefusal::Exists) => *slot = exists(&new.name),
                    Err(CreateTopicRefusal::Collides(other)) => *slot = collides(&new.name, &other),
                }
            }
            // The topics are there; should this fail, the first question for them asks again.
            let _ = broker.catalog.refresh().await;
        }
        Err(err) => {
            warn!(%err, "could not create topics");
            for slot in slots {
                *slot = Err(Failure::from(&err));
            }
        }
    }
}

fn result(name: TopicName, outcome: Result<NewTopic, Failure>, validate_only: bool) -> CreatableTopicResult {
    let result = CreatableTopicResult::default().with_name(name);
    match outcome {
        Ok(new) => {
            let result = result
                .with_error_message(None)
                .with_num_partitions(new.partitions)
                .with_replication_factor(new.replication_factor)
                .with_configs(Some(config_entries::of_created(&new.configs)));
            if validate_only {
                result
            } else {
                result.with_topic_id(new.uuid.0)
            }
        }
        Err(failure) => result
            .with_error_code(failure.code.code())
            .with_error_message(failure.text())
            .with_num_partitions(-1)
            .with_replication_factor(-1),
    }
}

fn fail<T>(code: ErrorCode, message: impl Into<String>) -> Result<T, Failure> {
    Err(Failure::new(code, message))
}

fn exists<T>(name: &str) -> Result<T, Failure> {
    fail(
        ErrorCode::TopicAlreadyExists,
        format!("topic '{name}' already exists"),
    )
}

fn collides<T>(name: &str, other: &str) -> Result<T, Failure> {
    let message = format!("topic '{name}' collides with '{other}': '.' and '_' count as the same");
    fail(ErrorCode::InvalidTopicException, message)
}
