//! DeleteTopics 1-6.
//!
//! Ids are never used again: a topic made later under the same name is another topic, and clients that
//! knew the old one are told so. What is deleted is gone from the metastore when the answer is given.

use std::collections::BTreeMap;

use esker_model::TopicUuid;
use esker_protocol::messages::delete_topics_response::DeletableTopicResult;
use esker_protocol::messages::{DeleteTopicsRequest, DeleteTopicsResponse, TopicName};
use esker_protocol::{ErrorCode, StrBytes};
use tracing::warn;
use uuid::Uuid;

use super::repeat;
use crate::Broker;
use crate::authorizer::{Operation, Resource};
use crate::context::RequestContext;
use crate::errors::{self, Failure};

/// First version in which topics may be named by id.
const ID_VERSION: i16 = 6;

/// One topic of the request and what became of it.
struct Item {
    name: Option<TopicName>,
    id: Uuid,
    by_id: bool,
    outcome: Result<TopicUuid, Failure>,
}

/// Deletes topics.
pub(crate) async fn handle(
    broker: &Broker,
    context: &RequestContext,
    request: DeleteTopicsRequest,
) -> DeleteTopicsResponse {
    let named: Vec<(Option<TopicName>, Uuid)> = if context.api_version >= ID_VERSION {
        request
            .topics
            .into_iter()
            .map(|topic| (topic.name, topic.topic_id))
            .collect()
    } else {
        request
            .topic_names
            .into_iter()
            .map(|name| (Some(name), Uuid::nil()))
            .collect()
    };
    let known = broker.catalog.refresh_paced().await;
    let mut items: Vec<Item> = Vec::with_capacity(named.len());
    for (name, id, count) in distinct(named) {
        let by_id = name.is_none();
        let mut item = Item {
            name,
            id,
            by_id,
            outcome: Err(errors::Failure::new(ErrorCode::InvalidRequest, "")),
        };
        item.outcome = resolve(broker, context, &mut item, count).map_err(|failure| match &known {
            // Whether it exists is not known, then.
            Err(err) if is_unknown(failure.code) => Failure::from(err),
            _ => failure,
        });
        items.push(item);
    }
    refuse_aliases(&mut items);
    delete(broker, &mut items).await;
    DeleteTopicsResponse::default().with_responses(items.into_iter().map(result).collect())
}

/// What the request names, once each, in its order, with how often.
fn distinct(named: Vec<(Option<TopicName>, Uuid)>) -> Vec<(Option<TopicName>, Uuid, usize)> {
    let mut places: BTreeMap<(Option<StrBytes>, Uuid), usize> = BTreeMap::new();
    let mut items: Vec<(Option<TopicName>, Uuid, usize)> = Vec::with_capacity(named.len());
    for (name, id) in named {
        let key = (name.as_ref().map(|name| name.0.clone()), id);
        match places.get(&key).and_then(|at| items.get_mut(*at)) {
            Some(item) => item.2 += 1,
            None => {
                places.insert(key, items.len());
                items.push((name, id, 1));
            }
        }
    }
    items
}

/// Finds the topic and fills in the half of its identity that the request left out.
fn resolve(
    broker: &Broker,
    context: &RequestContext,
    item: &mut Item,
    count: usize,
) -> Result<TopicUuid, Failure> {
    let invalid = |message| Err(Failure::new(ErrorCode::InvalidRequest, message));
    match (&item.name, item.id.is_nil()) {
        (None, true) => return invalid("neither a name nor an id was given"),
        (Some(_), false) => return invalid("both a name and an id were given"),
        _ if count > 1 => return invalid("the request names this topic twice"),
        _ => {}
    }
    let found = match &item.name {
        Some(name) => broker.catalog.by_name(name),
        None => broker.catalog.by_uuid(TopicUuid(item.id)),
    };
    let allowed = |name: &str| {
        broker
            .authorizer
            .allows(context, Operation::Delete, Resource::Topic(name))
    };
    let denied = || Failure::new(ErrorCode::TopicAuthorizationFailed, "not authorized");
    let Some(state) = found else {
        return match &item.name {
            Some(name) if !allowed(name) => Err(denied()),
            _ => Err(unknown(item.by_id)),
        };
    };
    if !allowed(&state.topic.name) {
        return Err(denied());
    }
    item.id = state.topic.uuid.0;
    item.name = Some(TopicName(StrBytes::from_string(state.topic.name.clone())));
    Ok(state.topic.uuid)
}

/// A topic named both by name and by id: only its first mention counts.
fn refuse_aliases(items: &mut [Item]) {
    let mut seen = std::collections::BTreeSet::new();
    for item in items {
        if let Ok(uuid) = item.outcome
            && !seen.insert(uuid)
        {
            let message = "the request names this topic twice, by name and by id";
            item.outcome = Err(Failure::new(ErrorCode::InvalidRequest, message));
        }
    }
}

async fn delete(broker: &Broker, items: &mut [Item]) {
    let wanted: Vec<TopicUuid> = items
        .iter()
        .filter_map(|item| item.outcome.as_ref().ok().copied())
        .collect();
    if wanted.is_empty() {
        return;
    }
    let found = items.iter_mut().filter(|item| item.outcome.is_ok());
    match repeat::until_known(|| broker.metastore.delete_topics(&wanted)).await {
        Ok(deleted) => {
            for (item, done) in found.zip(deleted.answer) {
                if !done && !deleted.may_be_done {
                    item.outcome = Err(unknown(item.by_id));
                }
            }
            // They are gone; should this fail, the next heartbeat says so.
            let _ = broker.catalog.refresh().await;
        }
        Err(err) => {
            warn!(%err, "could not delete topics");
            for item in found {
                item.outcome = Err(Failure::from(&err));
            }
        }
    }
}

fn unknown(by_id: bool) -> Failure {
    Failure::new(errors::unknown_topic(by_id), "this topic does not exist")
}

fn is_unknown(code: ErrorCode) -> bool {
    matches!(
        code,
        ErrorCode::UnknownTopicOrPartition | ErrorCode::UnknownTopicId
    )
}

fn result(item: Item) -> DeletableTopicResult {
    let result = DeletableTopicResult::default()
        .with_name(item.name)
        .with_topic_id(item.id);
    match item.outcome {
        Ok(_) => result,
        Err(failure) => result
            .with_error_code(failure.code.code())
            .with_error_message(failure.text()),
    }
}
