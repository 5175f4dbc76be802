//! ListConfigResources 0-1 (KIP-1142): the names of what can be asked for its configs.
//!
//! Version 0 knows client metrics only. Of groups those are named that have configs of their own. What was made through
//! another agent is asked of the metastore first; while that does not answer, what this agent knows is listed.

use std::collections::BTreeSet;

use esker_protocol::messages::list_config_resources_response::ConfigResource;
use esker_protocol::messages::{ListConfigResourcesRequest, ListConfigResourcesResponse};
use esker_protocol::{ErrorCode, StrBytes};

use super::resources::{BROKER, BROKER_LOGGER, CLIENT_METRICS, GROUP, TOPIC};
use crate::Broker;
use crate::authorizer::{Operation, Resource};
use crate::cluster::Brokers;
use crate::context::RequestContext;

const ALL: [i8; 5] = [TOPIC, BROKER, BROKER_LOGGER, CLIENT_METRICS, GROUP];

/// Lists names.
pub(crate) async fn handle(
    broker: &Broker,
    context: &RequestContext,
    request: ListConfigResourcesRequest,
) -> ListConfigResourcesResponse {
    let refuse = |code: ErrorCode| ListConfigResourcesResponse::default().with_error_code(code.code());
    if !broker
        .authorizer
        .allows(context, Operation::DescribeConfigs, Resource::Cluster)
    {
        return refuse(ErrorCode::ClusterAuthorizationFailed);
    }
    let wanted: BTreeSet<i8> = match context.api_version {
        0 => BTreeSet::from([CLIENT_METRICS]),
        _ if request.resource_types.is_empty() => BTreeSet::from(ALL),
        _ => request.resource_types.into_iter().collect(),
    };
    if !wanted.iter().all(|kind| ALL.contains(kind)) {
        return refuse(ErrorCode::UnsupportedVersion);
    }
    if wanted.contains(&TOPIC) || wanted.contains(&GROUP) {
        let _ = broker.catalog.refresh_paced().await;
    }
    let mut found = Vec::new();
    for kind in wanted {
        let names: Vec<StrBytes> = match kind {
            TOPIC => topics(broker),
            BROKER | BROKER_LOGGER => {
                let known = Brokers::known_to(broker, context);
                let ids = known.all.iter().map(|known| known.id.0.to_string());
                ids.map(StrBytes::from_string).collect()
            }
            GROUP => groups(broker),
            // No client metrics subscription has configs of its own.
            _ => Vec::new(),
        };
        found.extend(names.into_iter().map(|name| {
            ConfigResource::default()
                .with_resource_name(name)
                .with_resource_type(kind)
        }));
    }
    ListConfigResourcesResponse::default().with_config_resources(found)
}

fn topics(broker: &Broker) -> Vec<StrBytes> {
    let all = broker.catalog.all().into_iter();
    all.map(|state| StrBytes::from_string(state.topic.name.clone()))
        .collect()
}

fn groups(broker: &Broker) -> Vec<StrBytes> {
    let all = broker.catalog.groups().into_iter();
    all.map(|id| StrBytes::from_string(id.to_string())).collect()
}
