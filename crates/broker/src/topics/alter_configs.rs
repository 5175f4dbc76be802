//! AlterConfigs 0-2: sets all configs of a topic or a group at once; what is not named goes back to its default.

use std::collections::BTreeMap;

use esker_metastore::ConfigChange;
use esker_protocol::StrBytes;
use esker_protocol::messages::alter_configs_request::AlterConfigsResource;
use esker_protocol::messages::alter_configs_response::AlterConfigsResourceResponse;
use esker_protocol::messages::{AlterConfigsRequest, AlterConfigsResponse};

use super::config_changes::{self, Change, ResourceId, Subject, invalid};
use super::config_subject::Kept;
use super::fixed_configs;
use crate::Broker;
use crate::context::RequestContext;
use crate::errors::Failure;

/// Replaces configs, or only says whether it could.
pub(crate) async fn handle(
    broker: &Broker,
    context: &RequestContext,
    request: AlterConfigsRequest,
) -> AlterConfigsResponse {
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
    AlterConfigsResponse::default().with_responses(responses.collect())
}

fn change(subject: &Subject, resource: &AlterConfigsResource, fresh: bool) -> Change {
    let kept = match subject {
        Subject::Kept(kept) => kept,
        Subject::Fixed(target) => {
            // With nothing set all are at their defaults, as wanted.
            return resource.configs.first().map_or(Ok(None), |config| {
                let value = config.value.as_ref().map(StrBytes::as_str);
                Err(fixed_configs::refuse(*target, &config.name, value))
            });
        }
    };
    let change = ConfigChange {
        subject: kept.subject(),
        replace_all: true,
        changes: values(kept, resource)?,
    };
    config_changes::judged(kept, change, fresh)
}

fn values(kept: &Kept, resource: &AlterConfigsResource) -> Result<BTreeMap<String, Option<String>>, Failure> {
    let mut values = BTreeMap::new();
    for config in &resource.configs {
        let name = config.name.as_str();
        let Some(value) = config.value.as_ref().map(StrBytes::as_str) else {
            return invalid(format!("config {name} has no value"));
        };
        kept.check(name, value)?;
        values.insert(name.to_owned(), Some(value.to_owned()));
    }
    Ok(values)
}
