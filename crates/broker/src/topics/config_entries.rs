//! A topic's configs as responses show them: value, source, synonyms, documentation.

use std::collections::BTreeMap;

use esker_protocol::StrBytes;
use esker_protocol::messages::create_topics_response::CreatableTopicConfigs;
use esker_protocol::messages::describe_configs_response::{
    DescribeConfigsResourceResult, DescribeConfigsSynonym,
};

use super::config_table::{Definition, TABLE};

/// Where a value comes from, by Kafka's numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i8)]
pub(super) enum Source {
    /// Set for the topic.
    Topic = 1,
    /// Given to this agent when it started.
    Static = 4,
    /// Nobody set it.
    Default = 5,
    /// The level of a logger.
    Logger = 6,
    /// Set for the group.
    Group = 8,
}

/// All configs of a new topic.
pub(super) fn of_created(set: &BTreeMap<String, String>) -> Vec<CreatableTopicConfigs> {
    TABLE
        .iter()
        .map(|config| {
            let (value, source) = effective(config, set);
            CreatableTopicConfigs::default()
                .with_name(StrBytes::from_static_str(config.name))
                .with_value(Some(value))
                .with_config_source(source as i8)
        })
        .collect()
}

/// One config of a topic.
pub(super) fn of_topic(
    config: &'static Definition,
    set: &BTreeMap<String, String>,
    synonyms: bool,
    documentation: bool,
) -> DescribeConfigsResourceResult {
    let (value, source) = effective(config, set);
    let name = StrBytes::from_static_str(config.name);
    let mut entry = DescribeConfigsResourceResult::default()
        .with_name(name.clone())
        .with_value(Some(value.clone()))
        .with_config_source(source as i8)
        .with_config_type(config.kind() as i8)
        .with_documentation(documentation.then(|| StrBytes::from_static_str(config.documentation)));
    if synonyms {
        if source == Source::Topic {
            entry.synonyms.push(synonym(name, value, source));
        }
        if !config.synonym.is_empty() {
            let (name, value) = (config.synonym, config.default);
            let (name, value) = (StrBytes::from_static_str(name), StrBytes::from_static_str(value));
            entry.synonyms.push(synonym(name, value, Source::Default));
        }
    }
    entry
}

fn effective(config: &'static Definition, set: &BTreeMap<String, String>) -> (StrBytes, Source) {
    match set.get(config.name) {
        Some(value) => (StrBytes::from_string(value.clone()), Source::Topic),
        None => (StrBytes::from_static_str(config.default), Source::Default),
    }
}

/// Another name under which a value can be set.
pub(super) fn synonym(name: StrBytes, value: StrBytes, source: Source) -> DescribeConfigsSynonym {
    DescribeConfigsSynonym::default()
        .with_name(name)
        .with_value(Some(value))
        .with_source(source as i8)
}
