//! Configs that are shown and cannot be changed over the protocol: of groups, of client metrics, of loggers.
//!
//! Nothing keeps them, so all have their defaults. A change is judged as Kafka judges it first, so that a wrong name or
//! value is told apart from one that would be right; then it is refused. Taking away what was never set is done
//! already: tools tidy up like that.

use esker_protocol::messages::describe_configs_response::DescribeConfigsResourceResult;
use esker_protocol::{ErrorCode, StrBytes};
use tracing::level_filters::LevelFilter;

use super::config_entries::{Source, synonym};
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

/// Of a group, ascending by name. The bounds are those of Kafka's `group.consumer.min.…` and `group.consumer.max.…`.
const GROUP: &[Fixed] = &[
    Fixed {
        name: "consumer.heartbeat.interval.ms",
        value: "5000",
        rule: Rule::Int(5000, 15_000),
        documentation: "Milliseconds between two heartbeats of a member of a consumer group.",
    },
    Fixed {
        name: "consumer.session.timeout.ms",
        value: "45000",
        rule: Rule::Int(45_000, 60_000),
        documentation: "Milliseconds without a heartbeat after which a member of a consumer group is taken out of it.",
    },
];

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

/// The configs of a group or of a client metrics subscription that are wanted. No others are known here.
pub(super) fn describe(
    target: Target,
    wanted: impl Fn(&str) -> bool,
    synonyms: bool,
    documentation: bool,
) -> Vec<DescribeConfigsResourceResult> {
    let all = table(target).iter().filter(|config| wanted(config.name));
    all.map(|config| {
        let name = StrBytes::from_static_str(config.name);
        let value = StrBytes::from_static_str(config.value);
        let mut entry = DescribeConfigsResourceResult::default()
            .with_name(name.clone())
            .with_value(Some(value.clone()))
            .with_read_only(true)
            .with_config_source(Source::Default as i8)
            .with_config_type(config.rule.kind() as i8)
            .with_documentation(documentation.then(|| StrBytes::from_static_str(config.documentation)));
        // Subscriptions inherit nothing: Kafka names no synonyms of theirs.
        if synonyms && target == Target::Group {
            entry.synonyms.push(synonym(name, value, Source::Default));
        }
        entry
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
    let wrong = match table(target).iter().find(|config| config.name == name) {
        None => Err("there is no config of this name".to_owned()),
        Some(config) => config
            .rule
            .check(value)
            .map_err(|expected| format!("expected {expected}")),
    };
    match (target, wrong) {
        (Target::Group, Err(reason)) => {
            let message = format!("group config {name_shown}: {reason}");
            Failure::new(ErrorCode::InvalidConfig, message)
        }
        (Target::Group, Ok(())) => invalid("the configs of groups cannot be changed yet".into()),
        // Kafka has this code for them, where groups and topics have 40.
        (Target::ClientMetrics, Err(reason)) => {
            invalid(format!("client metrics config {name_shown}: {reason}"))
        }
        (Target::ClientMetrics, Ok(())) => {
            invalid("no metrics of clients are collected here: there is nothing to subscribe to".into())
        }
        (Target::Loggers, _) => invalid("log levels cannot be changed over the protocol".into()),
        (Target::Topic | Target::ThisBroker | Target::AllBrokers, _) => invalid(format!(
            "an agent's settings are given when it starts and cannot be changed: {name_shown}"
        )),
    }
}

fn table(target: Target) -> &'static [Fixed] {
    match target {
        Target::Group => GROUP,
        Target::ClientMetrics => CLIENT_METRICS,
        Target::Topic | Target::ThisBroker | Target::AllBrokers | Target::Loggers => &[],
    }
}

#[cfg(test)]
mod tests {
    use esker_model::groups::GroupLimits;

    use super::super::config_values::Kind;
    use super::*;

    #[test]
    fn tables_are_in_order_and_defaults_are_values() {
        for table in [GROUP, CLIENT_METRICS] {
            assert!(table.is_sorted_by(|a, b| a.name < b.name));
            for config in table {
                assert_eq!(config.rule.check(config.value), Ok(()), "{}", config.name);
                assert!(config.documentation.ends_with('.'), "{}", config.name);
            }
        }
        assert_eq!(CLIENT_METRICS[0].rule.kind(), Kind::Int);
        assert_eq!(CLIENT_METRICS[1].rule.kind(), Kind::List);
    }

    #[test]
    fn the_defaults_of_groups_are_those_that_hold() {
        let limits = GroupLimits::default();
        let holds = [
            limits.consumer_heartbeat_interval.as_millis(),
            limits.consumer_session_timeout.as_millis(),
        ];
        let shown = [GROUP[0].value, GROUP[1].value].map(|value| value.parse::<u128>().unwrap());
        assert_eq!(shown, holds);
    }

    #[test]
    fn wrong_changes_are_told_from_those_that_cannot_be_made() {
        let code = |target, name, value| refuse(target, name, value).code.code();
        let timeout = "consumer.session.timeout.ms";
        for (value, expected) in [
            ("45000", 42),
            ("60000", 42),
            ("44999", 40),
            ("60001", 40),
            ("x", 40),
        ] {
            assert_eq!(code(Target::Group, timeout, Some(value)), expected, "{value}");
        }
        assert_eq!(code(Target::Group, "nothing", Some("1")), 40);
        assert_eq!(code(Target::Group, timeout, None), 42);
        for name in ["interval.ms", "nothing"] {
            assert_eq!(code(Target::ClientMetrics, name, Some("1000")), 42);
        }
        let message = |value| refuse(Target::ClientMetrics, "interval.ms", Some(value)).message;
        assert_ne!(message("1000"), message("5"));
        assert_eq!(code(Target::Loggers, ROOT, Some("DEBUG")), 42);
        assert_eq!(code(Target::ThisBroker, "num.partitions", Some("2")), 42);
    }
}
