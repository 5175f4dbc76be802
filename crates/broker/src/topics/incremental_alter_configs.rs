//! IncrementalAlterConfigs 0-1 (KIP-339): sets, deletes, extends or shortens single configs.
//!
//! Extending and shortening start from the value that this agent knows, which it refreshes first; of two
//! such changes to one list that come through two agents at the same moment the later one stands.

use std::collections::BTreeMap;

use esker_metastore::ConfigChange;
use esker_protocol::messages::incremental_alter_configs_request::{AlterConfigsResource, AlterableConfig};
use esker_protocol::messages::incremental_alter_configs_response::AlterConfigsResourceResponse;
use esker_protocol::messages::{IncrementalAlterConfigsRequest, IncrementalAlterConfigsResponse};
use esker_protocol::{ErrorCode, StrBytes};

use super::config_changes::{self, Change, ResourceId, Subject, invalid};
use super::config_subject::Kept;
use super::config_values::parts;
use super::fixed_configs;
use crate::Broker;
use crate::context::RequestContext;
use crate::errors::Failure;

const SET: i8 = 0;
const DELETE: i8 = 1;
const APPEND: i8 = 2;
const SUBTRACT: i8 = 3;

/// Changes configs, or only says whether it could.
pub(crate) async fn handle(
    broker: &Broker,
    context: &RequestContext,
    request: IncrementalAlterConfigsRequest,
) -> IncrementalAlterConfigsResponse {
    // What was made or changed through another agent; if this fails, making the change says so.
    let fresh = broker.catalog.refresh_paced().await.is_ok();
    let all = request.resources.iter();
    let repeated = config_changes::repeated(all.map(|one| (one.resource_type, &one.resource_name)));
    let mut changes: Vec<(ResourceId, Change)> = Vec::with_capacity(request.resources.len());
    for resource in request.resources {
        let id = (resource.resource_type, resource.resource_name.clone());
        let keys: Vec<&str> = resource
            .configs
            .iter()
            .map(|config| config.name.as_str())
            .collect();
        let subject = config_changes::subject(broker, context, &id, &repeated, &keys);
        let change = subject.and_then(|subject| change(&subject, &resource, fresh));
        changes.push((id, change));
    }
    if !request.validate_only {
        config_changes::apply(broker, &mut changes).await;
    }
    let responses = changes.into_iter().map(|((resource_type, name), change)| {
        let response = AlterConfigsResourceResponse::default()
            .with_resource_type(resource_type)
            .with_resource_name(name);
        match change {
            Ok(_) => response.with_error_message(None),
            Err(failure) => response
                .with_error_code(failure.code.code())
                .with_error_message(failure.text()),
        }
    });
    IncrementalAlterConfigsResponse::default().with_responses(responses.collect())
}

fn change(subject: &Subject, resource: &AlterConfigsResource, fresh: bool) -> Change {
    let kept = match subject {
        Subject::Kept(kept) => kept,
        Subject::Fixed(target) => {
            let mut set = resource.configs.iter();
            // Deleting what was never set is done already.
            return match set.find(|config| config.config_operation != DELETE) {
                None => Ok(None),
                Some(config) => {
                    let value = config.value.as_ref().map(StrBytes::as_str);
                    Err(fixed_configs::refuse(*target, &config.name, value))
                }
            };
        }
    };
    let change = ConfigChange {
        subject: kept.subject(),
        replace_all: false,
        changes: values(kept, resource)?,
    };
    config_changes::judged(kept, change, fresh)
}

fn values(kept: &Kept, resource: &AlterConfigsResource) -> Result<BTreeMap<String, Option<String>>, Failure> {
    let mut values = BTreeMap::new();
    for config in &resource.configs {
        let name = config.name.as_str();
        if config.config_operation == DELETE {
            // Deleting what does not exist is done already.
            if kept.has(name) {
                values.insert(name.to_owned(), None);
            }
            continue;
        }
        let value = changed(kept, config)?;
        kept.check(name, &value)?;
        values.insert(name.to_owned(), Some(value));
    }
    Ok(values)
}

/// The value that a config shall have.
fn changed(kept: &Kept, config: &AlterableConfig) -> Result<String, Failure> {
    let name = config.name.as_str();
    let Some(value) = config.value.as_ref().map(StrBytes::as_str) else {
        return invalid(format!("config {name} has no value"));
    };
    match config.config_operation {
        SET => Ok(value.to_owned()),
        APPEND | SUBTRACT => {
            let Some(default) = kept.default_of_list(name) else {
                let message =
                    format!("config {name} is not a list: nothing can be added to it or taken away");
                return Err(Failure::new(ErrorCode::InvalidConfig, message));
            };
            let mut all: Vec<&str> = match kept.set().get(name) {
                Some(value) => parts(value).collect(),
                None => default,
            };
            for part in parts(value) {
                if config.config_operation == SUBTRACT {
                    all.retain(|known| *known != part);
                } else if !all.contains(&part) {
                    all.push(part);
                }
            }
            Ok(all.join(","))
        }
        operation => invalid(format!("unknown operation {operation} on config {name}")),
    }
}
