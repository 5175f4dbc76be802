//! DescribeConfigs 1-4, AlterConfigs 0-2, IncrementalAlterConfigs 0-1.

mod alter;
mod describe;
mod fixed;
mod groups;

use std::sync::Arc;

use esker_broker::authorizer::{Authorizer, Operation, Resource};
use esker_broker::context::RequestContext;
use esker_protocol::messages::describe_configs_request::DescribeConfigsResource;
use esker_protocol::messages::describe_configs_response::{
    DescribeConfigsResourceResult, DescribeConfigsResult,
};
use esker_protocol::messages::{
    AlterConfigsRequest, DescribeConfigsRequest, IncrementalAlterConfigsRequest,
    alter_configs_request as replace, incremental_alter_configs_request as change,
};

use crate::watched::Fault;
use crate::world::{Client, Deny, World, all_versions, config, text};

const TOPIC: i8 = 2;
const BROKER: i8 = 4;

const SET: i8 = 0;
const DELETE: i8 = 1;
const APPEND: i8 = 2;
const SUBTRACT: i8 = 3;

fn describe(resource_type: i8, name: &str, keys: Option<&[&str]>) -> DescribeConfigsRequest {
    let resource = DescribeConfigsResource::default()
        .with_resource_type(resource_type)
        .with_resource_name(text(name))
        .with_configuration_keys(keys.map(|keys| keys.iter().map(|key| text(key)).collect()));
    DescribeConfigsRequest::default().with_resources(vec![resource])
}

async fn described(client: &mut Client, resource_type: i8, name: &str) -> DescribeConfigsResult {
    let response = client.call(4, &describe(resource_type, name, None)).await;
    response.results[0].clone()
}

/// One config of topic `t`: value and source.
async fn value(client: &mut Client, name: &str) -> (String, i8) {
    let response = client.call(4, &describe(TOPIC, "t", Some(&[name]))).await;
    let config = &response.results[0].configs[0];
    (config.value.as_ref().unwrap().to_string(), config.config_source)
}

fn find<'a>(result: &'a DescribeConfigsResult, name: &str) -> &'a DescribeConfigsResourceResult {
    result
        .configs
        .iter()
        .find(|config| config.name.as_str() == name)
        .unwrap()
}

fn operation(name: &str, operation: i8, value: Option<&str>) -> change::AlterableConfig {
    change::AlterableConfig::default()
        .with_name(text(name))
        .with_config_operation(operation)
        .with_value(value.map(text))
}

fn changes(
    resource_type: i8,
    name: &str,
    configs: Vec<change::AlterableConfig>,
) -> IncrementalAlterConfigsRequest {
    let resource = change::AlterConfigsResource::default()
        .with_resource_type(resource_type)
        .with_resource_name(text(name))
        .with_configs(configs);
    IncrementalAlterConfigsRequest::default().with_resources(vec![resource])
}

/// The error of changing configs of topic `t`.
async fn altered(client: &mut Client, configs: Vec<change::AlterableConfig>) -> i16 {
    let response = client.call(1, &changes(TOPIC, "t", configs)).await;
    let answer = &response.responses[0];
    assert_eq!(answer.error_code == 0, answer.error_message.is_none());
    answer.error_code
}

fn replacing(resource_type: i8, name: &str, configs: &[(&str, Option<&str>)]) -> AlterConfigsRequest {
    let configs = configs.iter().map(|(name, value)| {
        replace::AlterableConfig::default()
            .with_name(text(name))
            .with_value(value.map(text))
    });
    let resource = replace::AlterConfigsResource::default()
        .with_resource_type(resource_type)
        .with_resource_name(text(name))
        .with_configs(configs.collect());
    AlterConfigsRequest::default().with_resources(vec![resource])
}
