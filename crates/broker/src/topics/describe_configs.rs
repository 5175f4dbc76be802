//! DescribeConfigs 1-4: configs of topics and groups, the settings of this agent, and what is fixed, with where each value
//! comes from.
//!
//! What was changed through another agent is asked of the metastore first; while that does not answer, what
//! this agent knows is shown. A resource that a request names again is described once: a few bytes must not
//! become many pages of configs.

use std::collections::BTreeSet;

use esker_protocol::ErrorCode;
use esker_protocol::messages::describe_configs_request::DescribeConfigsResource;
use esker_protocol::messages::describe_configs_response::{
    DescribeConfigsResourceResult, DescribeConfigsResult,
};
use esker_protocol::messages::{DescribeConfigsRequest, DescribeConfigsResponse};

use super::resources::{self, Target};
use super::{broker_configs, config_entries, config_table, fixed_configs, group_configs, names};
use crate::Broker;
use crate::authorizer::Operation;
use crate::context::RequestContext;
use crate::errors::Failure;

/// First version that carries types and documentation.
const DOCUMENTATION_VERSION: i16 = 3;

/// Shows configs.
pub(crate) async fn handle(
    broker: &Broker,
    context: &RequestContext,
    request: DescribeConfigsRequest,
) -> DescribeConfigsResponse {
    let fresh = broker.catalog.refresh_paced().await.is_ok();
    let asked = Asked {
        broker,
        context,
        fresh,
        synonyms: request.include_synonyms,
        documentation: request.include_documentation && context.api_version >= DOCUMENTATION_VERSION,
    };
    let mut seen = BTreeSet::new();
    let resources = request
        .resources
        .into_iter()
        .filter(|resource| seen.insert((resource.resource_type, resource.resource_name.clone())));
    let results = resources.map(|resource| {
        let outcome = asked.describe(&resource);
        let result = DescribeConfigsResult::default()
            .with_resource_type(resource.resource_type)
            .with_resource_name(resource.resource_name);
        match outcome {
            Ok(configs) => result.with_error_message(None).with_configs(configs),
            Err(failure) => result
                .with_error_code(failure.code.code())
                .with_error_message(failure.text()),
        }
    });
    DescribeConfigsResponse::default().with_results(results.collect())
}

struct Asked<'a> {
    broker: &'a Broker,
    context: &'a RequestContext,
    /// The catalog was refreshed for this request.
    fresh: bool,
    synonyms: bool,
    documentation: bool,
}

impl Asked<'_> {
    fn describe(
        &self,
        resource: &DescribeConfigsResource,
    ) -> Result<Vec<DescribeConfigsResourceResult>, Failure> {
        let name = resource.resource_name.as_str();
        let target = resources::target(self.broker, resource.resource_type, name)?;
        resources::allow(
            self.broker,
            self.context,
            Operation::DescribeConfigs,
            target,
            name,
        )?;
        let keys = resource.configuration_keys.as_deref().unwrap_or_default();
        let wanted = |config: &str| keys.is_empty() || keys.iter().any(|key| key.as_str() == config);
        match target {
            Target::Topic => self.describe_topic(name, wanted),
            Target::ThisBroker => {
                let (synonyms, documentation) = (self.synonyms, self.documentation);
                Ok(broker_configs::describe(
                    self.broker,
                    wanted,
                    synonyms,
                    documentation,
                ))
            }
            // Defaults of all agents cannot be set, so none are.
            Target::AllBrokers => Ok(Vec::new()),
            Target::Loggers => Ok(fixed_configs::describe_loggers(wanted)),
            Target::ClientMetrics => Ok(fixed_configs::describe_client_metrics(wanted, self.documentation)),
            Target::Group => {
                let state = self.broker.catalog.group(name);
                let set = group_configs::set(state.as_ref());
                let of_agent = &self.broker.config.groups;
                let (synonyms, documentation) = (self.synonyms, self.documentation);
                Ok(group_configs::describe(
                    of_agent,
                    set,
                    wanted,
                    synonyms,
                    documentation,
                ))
            }
        }
    }

    fn describe_topic(
        &self,
        name: &str,
        wanted: impl Fn(&str) -> bool,
    ) -> Result<Vec<DescribeConfigsResourceResult>, Failure> {
        names::check(name).map_err(|message| Failure::new(ErrorCode::InvalidTopicException, message))?;
        let Some(state) = self.broker.catalog.by_name(name) else {
            if self.fresh {
                return Err(resources::unknown_topic());
            }
            let message = "the metastore cannot be asked whether this topic exists";
            return Err(Failure::new(ErrorCode::LeaderNotAvailable, message));
        };
        let configs = config_table::TABLE.iter().filter(|config| wanted(config.name));
        let set = &state.topic.configs;
        let entries =
            configs.map(|config| config_entries::of_topic(config, set, self.synonyms, self.documentation));
        Ok(entries.collect())
    }
}
