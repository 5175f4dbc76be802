//! Configs that are shown and cannot be changed over the protocol: of client metrics, of loggers.
//!
//! Nothing keeps them, so all have their defaults. A change is judged as Kafka judges it first, so that a wrong name or
//! value is told apart from one that would be right; then it is refused. Taking away what was never set is done
//! already: tools tidy up like that.

use esker_protocol::messages::describe_configs_response::DescribeConfigsResourceResult;
use esker_protocol::{ErrorCode, StrBytes};
use tracing::level_filters::LevelFilter;

use super::config_entries::Source;
use super::config_table::shown;
use super::config_values::Rule;
use super::resources::Target;
use crate::errors::Failure;

/// One config.
struct Fixed {
    name: &'static str,
    value: &'static str,
    rule: Rule,
    documentation: &'static str,
}

/// Of a client metrics subscription, ascending by name.
const CLIENT_METRICS: &[Fixed] = &[
    Fixed {
        name: "interval.ms",
        value: "300000",
        rule: Rule::Int(100, 3_600_000),
        documentation: "Milliseconds between two reports of a client. No client is asked for metrics here.",
    },
    Fixed {
        name: "match",
        value: "",
        rule: Rule::AnyList,
        documentation: "Which clients report. No client is asked for metrics here.",
    },
    Fixed {
        name: "metrics",
        value: "",
        rule: Rule::AnyList,
        documentation: "Which metrics are reported. No client is asked for metrics here.",
    },
];

/// The one logger: what an agent logs is set for all of it.
const ROOT: &str = "root";

/// The configs of a client metrics subscription that are wanted. They inherit nothing: Kafka names no synonyms of theirs.
pub(super) fn describe_client_metrics(
    wanted: impl Fn(&str) -> bool,
    documentation: bool,
) -> Vec<DescribeConfigsResourceResult> {
    let all = CLIENT_METRICS.iter().filter(|config| wanted(config.name));
    all.map(|config| {
        DescribeConfigsResourceResult::default()
            .with_name(StrBytes::from_static_str(config.name))
            .with_value(Some(StrBytes::from_static_str(config.value)))
            .with_read_only(true)
            .with_config_source(Source::Default as i8)
            .with_config_type(config.rule.kind() as i8)
            .with_documentation(documentation.then(|| StrBytes::from_static_str(config.documentation)))
    })
    .collect()
}

/// The level up to which this agent logs anything, by Kafka's words.
pub(super) fn describe_loggers(wanted: impl Fn(&str) -> bool) -> Vec<DescribeConfigsResourceResult> {
    if !wanted(ROOT) {
        return Vec::new();
    }
    let level = LevelFilter::current().to_string().to_ascii_uppercase();
    let entry = DescribeConfigsResourceResult::default()
        .with_name(StrBytes::from_static_str(ROOT))
        .with_value(Some(StrBytes::from_string(level)))
        .with_read_only(true)
        .with_config_source(Source::Logger as i8)
        .with_documentation(None);
    vec![entry]
}

/// Why a config cannot be set, or extended, or shortened: there always is a reason.
pub(super) fn refuse(target: Target, name: &str, value: Option<&str>) -> Failure {
    let name_shown = shown(name);
    let invalid = |message: String| Failure::new(ErrorCode::InvalidRequest, message);
    let Some(value) = value else {
        return invalid(format!("config {name_shown} has no value"));
    };
    match target {
        // Kafka has this code for them, where groups and topics have 40.
        Target::ClientMetrics => match check_client_metrics(name, value) {
            Err(reason) => invalid(format!("client metrics config {name_shown}: {reason}")),
            Ok(()) => {
                invalid("no metrics of clients are collected here: there is nothing to subscribe to".into())
            }
        },
        Target::Loggers => invalid("log levels cannot be changed over the protocol".into()),
        Target::Topic | Target::Group | Target::ThisBroker | Target::AllBrokers => invalid(format!(
            "an agent's settings are given when it starts and cannot be changed: {name_shown}"
        )),
    }
}

fn check_client_metrics(name: &str, value: &str) -> Result<(), String> {
    let Some(config) = CLIENT_METRICS.iter().find(|config| config.name == name) else {
        return Err("there is no config of this name".to_owned());
    };
    let right = config.rule.check(value);
    right.map_err(|expected| format!("expected {expected}"))
}

#[cfg(test)]
mod tests {
    use super::super::config_values::Kind;
    use super::*;

    #[test]
    fn the_table_is_in_order_and_defaults_are_values() {
        assert!(CLIENT_METRICS.is_sorted_by(|a, b| a.name < b.name));
        for config in CLIENT_METRICS {
            assert_eq!(config.rule.check(config.value), Ok(()), "{}", config.name);
            assert!(config.documentation.ends_with('.'), "{}", config.name);
        }
        assert_eq!(CLIENT_METRICS[0].rule.kind(), Kind::Int);
        assert_eq!(CLIENT_METRICS[1].rule.kind(), Kind::List);
    }

    #[test]
    fn wrong_changes_are_told_from_those_that_cannot_be_made() {
        let code = |target, name, value| refuse(target, name, value).code.code();
        for name in ["interval.ms", "nothing"] {
            assert_eq!(code(Target::ClientMetrics, name, Some("1000")), 42);
        }
        let message = |value| refuse(Target::ClientMetrics, "interval.ms", Some(value)).message;
        assert_ne!(message("1000"), message("5"));
        assert_eq!(code(Target::Loggers, ROOT, Some("DEBUG")), 42);
        assert_eq!(code(Target::ThisBroker, "num.partitions", Some("2")), 42);
    }
}
