//! CreatePartitions 0-3: topics only grow.

use std::collections::BTreeSet;

use esker_metastore::{CreatePartitionsRefusal, NewPartitions};
use esker_model::limits::TOPIC_PARTITIONS_MAX;
use esker_protocol::ErrorCode;
use esker_protocol::messages::create_partitions_request::CreatePartitionsTopic;
use esker_protocol::messages::create_partitions_response::CreatePartitionsTopicResult;
use esker_protocol::messages::{CreatePartitionsRequest, CreatePartitionsResponse, TopicName};
use tracing::warn;

use super::{assignments, repeat, resources};
use crate::Broker;
use crate::authorizer::{Operation, Resource};
use crate::cluster::Brokers;
use crate::context::RequestContext;
use crate::errors::Failure;

type Outcome = Result<NewPartitions, Failure>;

/// Adds partitions, or only says whether it could.
pub(crate) async fn handle(
    broker: &Broker,
    context: &RequestContext,
    request: CreatePartitionsRequest,
) -> CreatePartitionsResponse {
    let mut seen = BTreeSet::new();
    let mut repeated = BTreeSet::new();
    for topic in &request.topics {
        if !seen.insert(topic.name.clone()) {
            repeated.insert(topic.name.clone());
        }
    }
    let known = broker.catalog.refresh_paced().await;
    let brokers = Brokers::known_to(broker, context);
    let mut outcomes: Vec<(TopicName, Outcome)> = Vec::with_capacity(request.topics.len());
    let mut room = TOPIC_PARTITIONS_MAX;
    for topic in request.topics {
        if !seen.remove(&topic.name) {
            continue;
        }
        let outcome = if repeated.contains(&topic.name) {
            invalid(ErrorCode::InvalidRequest, "the request names this topic twice")
        } else {
            check(broker, context, &brokers, &topic, &mut room)
        };
        let outcome = outcome.map_err(|failure| match &known {
            // Whether it exists is not known, then.
            Err(err) if failure.code == ErrorCode::UnknownTopicOrPartition => Failure::from(err),
            _ => failure,
        });
        outcomes.push((topic.name, outcome));
    }
    if !request.validate_only {
        create(broker, &mut outcomes).await;
    }
    let results = outcomes.into_iter().map(|(name, outcome)| {
        let result = CreatePartitionsTopicResult::default().with_name(name);
        match outcome {
            Ok(_) => result,
            Err(failure) => result
                .with_error_code(failure.code.code())
                .with_error_message(failure.text()),
        }
    });
    CreatePartitionsResponse::default().with_results(results.collect())
}

/// `room` is how many more partitions the request may add.
fn check(
    broker: &Broker,
    context: &RequestContext,
    brokers: &Brokers,
    topic: &CreatePartitionsTopic,
    room: &mut i32,
) -> Outcome {
    let allowed = broker
        .authorizer
        .allows(context, Operation::Alter, Resource::Topic(&topic.name));
    if !allowed {
        return invalid(ErrorCode::TopicAuthorizationFailed, "not authorized");
    }
    let Some(state) = broker.catalog.by_name(&topic.name) else {
        return Err(resources::unknown_topic());
    };
    let has = state.topic.partitions;
    if topic.count <= has {
        return Err(not_more(has, topic.count));
    }
    let added = topic.count - has;
    if topic.count > TOPIC_PARTITIONS_MAX || added > *room {
        let message = format!("a topic, and a request, has at most {TOPIC_PARTITIONS_MAX} partitions");
        return invalid(ErrorCode::PolicyViolation, message);
    }
    if let Some(assigned) = &topic.assignments {
        if assigned.len() != added as usize {
            let message = format!(
                "{added} partitions are added, but {} are assigned",
                assigned.len()
            );
            return invalid(ErrorCode::InvalidReplicaAssignment, message);
        }
        let mut factor = Some(state.topic.replication_factor);
        for partition in assigned {
            factor = Some(assignments::check(&partition.broker_ids, factor, brokers)?);
        }
    }
    *room -= added;
    Ok(NewPartitions {
        topic: state.topic.uuid,
        partitions: topic.count,
    })
}

async fn create(broker: &Broker, outcomes: &mut [(TopicName, Outcome)]) {
    let wanted: Vec<NewPartitions> = outcomes
        .iter()
        .filter_map(|(_, outcome)| outcome.as_ref().ok().copied())
        .collect();
    if wanted.is_empty() {
        return;
    }
    let slots = outcomes
        .iter_mut()
        .map(|(_, outcome)| outcome)
        .filter(|outcome| outcome.is_ok());
    match repeat::until_known(|| broker.metastore.create_partitions(&wanted)).await {
        Ok(answers) => {
            for ((slot, wanted), answer) in slots.zip(&wanted).zip(answers.answer) {
                match answer {
                    Ok(_) => {}
                    Err(CreatePartitionsRefusal::NotMore(has))
                        if answers.may_be_done && has == wanted.partitions => {}
                    Err(CreatePartitionsRefusal::UnknownTopic) => *slot = Err(resources::unknown_topic()),
                    Err(CreatePartitionsRefusal::NotMore(has)) => {
                        *slot = Err(not_more(has, wanted.partitions))
                    }
                }
            }
            // They are there; the next heartbeat says so if this fails.
            let _ = broker.catalog.refresh().await;
        }
        Err(err) => {
            warn!(%err, "could not add partitions");
            for slot in slots {
                *slot = Err(Failure::from(&err));
            }
        }
    }
}

fn not_more(has: i32, asked: i32) -> Failure {
    let message = format!("the topic has {has} partitions; {asked} would not be more");
    Failure::new(ErrorCode::InvalidPartitions, message)
}

fn invalid<T>(code: ErrorCode, message: impl Into<String>) -> Result<T, Failure> {
    Err(Failure::new(code, message))
}
