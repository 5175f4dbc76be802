//! The configs of groups: Kafka's, by Kafka's names and bounds (KIP-848). What is not set is as the agent is set.
//!
//! Groups that share records and those of Kafka Streams are kinds of their own, which do not exist here: their configs
//! are unknown names. A config is there whether its group is or not.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use esker_model::groups::GroupLimits;
use esker_protocol::StrBytes;
use esker_protocol::messages::describe_configs_response::DescribeConfigsResourceResult;

use super::config_entries::{Source, synonym};
use super::config_table::{check_rule, shown};
use super::config_values::Rule;
use super::reference::ConfigReference;

/// One config of a group: milliseconds.
struct Definition {
    name: &'static str,
    /// The agent's setting that holds for groups which do not set it, by Kafka's name.
    synonym: &'static str,
    rule: Rule,
    documentation: &'static str,
    /// What it sets.
    limit: fn(&mut GroupLimits) -> &mut Duration,
}

const HEARTBEAT_INTERVAL: &str = "consumer.heartbeat.interval.ms";
const SESSION_TIMEOUT: &str = "consumer.session.timeout.ms";

/// Ascending by name. The bounds are those of Kafka's `group.consumer.min.…` and `group.consumer.max.…`.
const TABLE: &[Definition] = &[
    Definition {
        name: HEARTBEAT_INTERVAL,
        synonym: "group.consumer.heartbeat.interval.ms",
        rule: Rule::Int(5000, 15_000),
        documentation: "Milliseconds between two heartbeats of a member of a consumer group.",
        limit: |limits| &mut limits.consumer_heartbeat_interval,
    },
    Definition {
        name: SESSION_TIMEOUT,
        synonym: "group.consumer.session.timeout.ms",
        rule: Rule::Int(45_000, 60_000),
        documentation: "Milliseconds without a heartbeat after which a member of a consumer group is taken out of it.",
        limit: |limits| &mut limits.consumer_session_timeout,
    },
];

/// A group that has configs, as the catalog knows it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct GroupState {
    /// Configs that were set.
    pub(crate) set: BTreeMap<String, String>,
}

/// What is set for a group; `None` if it has no configs.
pub(super) fn set(group: Option<&Arc<GroupState>>) -> &BTreeMap<String, String> {
    static NOTHING: BTreeMap<String, String> = BTreeMap::new();
    group.map_or(&NOTHING, |group| &group.set)
}

/// The limits of a group, by those of the agent and what is set for the group.
pub(crate) fn limits<'a>(of_agent: &'a GroupLimits, group: Option<Arc<GroupState>>) -> Cow<'a, GroupLimits> {
    match group {
        None => Cow::Borrowed(of_agent),
        Some(group) => Cow::Owned(with(of_agent, &group.set)),
    }
}

fn with(of_agent: &GroupLimits, set: &BTreeMap<String, String>) -> GroupLimits {
    let mut limits = of_agent.clone();
    for config in TABLE {
        let value = set.get(config.name).and_then(|value| value.trim().parse().ok());
        // What a later release lets be set, and this one cannot read, is not set here.
        if let Some(ms) = value {
            *(config.limit)(&mut limits) = Duration::from_millis(ms);
        }
    }
    limits
}

/// Whether there is a config of this name.
pub(super) fn exists(name: &str) -> bool {
    find(name).is_some()
}

/// The table for people.
pub(super) fn reference() -> impl Iterator<Item = ConfigReference> {
    TABLE.iter().map(|config| ConfigReference {
        name: config.name,
        default: config.synonym,
        values: config.rule.expected(),
        effect: "honoured",
        documentation: config.documentation,
    })
}

/// Why a config cannot be set to a value.
pub(super) fn check(name: &str, value: &str) -> Result<(), String> {
    let Some(config) = find(name) else {
        return Err(format!("unknown group config {}", shown(name)));
    };
    check_rule(config.rule, name, value)
}

/// Why configs that are right by themselves cannot stand together.
pub(super) fn check_together(of_agent: &GroupLimits, set: &BTreeMap<String, String>) -> Result<(), String> {
    // Where nothing is set, nothing can be wrong that was not wrong before.
    if set.is_empty() {
        return Ok(());
    }
    let limits = with(of_agent, set);
    let (session, interval) = (
        limits.consumer_session_timeout.as_millis(),
        limits.consumer_heartbeat_interval.as_millis(),
    );
    if session > interval {
        return Ok(());
    }
    Err(format!(
        "{SESSION_TIMEOUT} ({session}) must be larger than {HEARTBEAT_INTERVAL} ({interval})"
    ))
}

/// The configs of a group that are wanted.
pub(super) fn describe(
    of_agent: &GroupLimits,
    set: &BTreeMap<String, String>,
    wanted: impl Fn(&str) -> bool,
    synonyms: bool,
    documentation: bool,
) -> Vec<DescribeConfigsResourceResult> {
    let wanted = TABLE.iter().filter(|config| wanted(config.name));
    let entries = wanted.map(|config| {
        let name = StrBytes::from_static_str(config.name);
        let own = set.get(config.name).cloned().map(StrBytes::from_string);
        let (inherited, inherited_from) = inherited(config, of_agent);
        let source = own.as_ref().map_or(inherited_from, |_| Source::Group);
        let mut entry = DescribeConfigsResourceResult::default()
            .with_name(name.clone())
            .with_value(Some(own.clone().unwrap_or_else(|| inherited.clone())))
            .with_config_source(source as i8)
            .with_config_type(config.rule.kind() as i8)
            .with_documentation(documentation.then(|| StrBytes::from_static_str(config.documentation)));
        if synonyms {
            entry
                .synonyms
                .extend(own.map(|value| synonym(name, value, Source::Group)));
            let name = StrBytes::from_static_str(config.synonym);
            entry.synonyms.push(synonym(name, inherited, inherited_from));
        }
        entry
    });
    entries.collect()
}

/// What a group has that does not set a config, and whether somebody chose that.
fn inherited(config: &Definition, of_agent: &GroupLimits) -> (StrBytes, Source) {
    let of = |limits: &GroupLimits| *(config.limit)(&mut limits.clone());
    let value = of(of_agent);
    let source = if value == of(&GroupLimits::default()) {
        Source::Default
    } else {
        Source::Static
    };
    (StrBytes::from_string(value.as_millis().to_string()), source)
}

fn find(name: &str) -> Option<&'static Definition> {
    TABLE.iter().find(|config| config.name == name)
}

#[cfg(test)]
mod tests {
    use super::super::config_values::Kind;
    use super::*;

    fn set(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        let pairs = pairs.iter();
        pairs
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect()
    }

    #[test]
    fn the_table_is_in_order_and_defaults_are_values() {
        assert!(TABLE.is_sorted_by(|a, b| a.name < b.name));
        for config in TABLE {
            let (default, source) = inherited(config, &GroupLimits::default());
            assert_eq!(check(config.name, &default), Ok(()));
            assert_eq!((source, config.rule.kind()), (Source::Default, Kind::Int));
            assert!(config.documentation.ends_with('.'), "{}", config.name);
        }
    }

    #[test]
    fn values_lie_in_kafkas_bounds_and_other_names_are_unknown() {
        for (name, value, right) in [
            (SESSION_TIMEOUT, "45000", true),
            (SESSION_TIMEOUT, " 60000 ", true),
            (SESSION_TIMEOUT, "44999", false),
            (SESSION_TIMEOUT, "60001", false),
            (SESSION_TIMEOUT, "x", false),
            (HEARTBEAT_INTERVAL, "5000", true),
            (HEARTBEAT_INTERVAL, "4999", false),
            (HEARTBEAT_INTERVAL, "15001", false),
            ("share.session.timeout.ms", "45000", false),
            ("streams.session.timeout.ms", "45000", false),
            ("", "1", false),
        ] {
            assert_eq!(check(name, value).is_ok(), right, "{name} {value}");
        }
    }

    #[test]
    fn what_is_set_holds_and_the_rest_is_the_agents() {
        let of_agent = GroupLimits {
            consumer_session_timeout: Duration::from_secs(50),
            ..GroupLimits::default()
        };
        assert_eq!(*limits(&of_agent, None), of_agent);
        let state = |pairs| Some(Arc::new(GroupState { set: set(pairs) }));
        let one = limits(&of_agent, state(&[(HEARTBEAT_INTERVAL, " 7000 ")])).into_owned();
        let expected = GroupLimits {
            consumer_heartbeat_interval: Duration::from_secs(7),
            ..of_agent.clone()
        };
        assert_eq!(one, expected);
        let strange = state(&[(SESSION_TIMEOUT, "soon"), ("later.than.this", "1")]);
        assert_eq!(*limits(&of_agent, strange), of_agent);
    }

    #[test]
    fn a_session_outlasts_a_heartbeat() {
        let of_agent = GroupLimits {
            consumer_session_timeout: Duration::from_secs(10),
            ..GroupLimits::default()
        };
        let check = |pairs| check_together(&of_agent, &set(pairs)).is_ok();
        assert!(check(&[(HEARTBEAT_INTERVAL, "9999")]));
        assert!(!check(&[(HEARTBEAT_INTERVAL, "10000")]));
        assert!(check(&[
            (HEARTBEAT_INTERVAL, "10000"),
            (SESSION_TIMEOUT, "45000")
        ]));
        let never = GroupLimits {
            consumer_session_timeout: Duration::from_secs(1),
            ..GroupLimits::default()
        };
        assert!(check_together(&never, &BTreeMap::new()).is_ok());
    }

    #[test]
    fn shown_are_the_groups_own_value_and_the_agents() {
        let of_agent = GroupLimits {
            consumer_heartbeat_interval: Duration::from_secs(6),
            ..GroupLimits::default()
        };
        let set = set(&[(SESSION_TIMEOUT, "50000")]);
        let entries = describe(&of_agent, &set, |_| true, true, false);
        let shown: Vec<_> = entries
            .iter()
            .map(|entry| {
                assert!(!entry.read_only);
                let synonyms = entry.synonyms.iter();
                let synonyms: Vec<_> = synonyms.map(|one| (one.value.as_deref(), one.source)).collect();
                (entry.value.as_deref(), entry.config_source, synonyms)
            })
            .collect();
        let expected = [
            (Some("6000"), 4, vec![(Some("6000"), 4)]),
            (Some("50000"), 8, vec![(Some("50000"), 8), (Some("45000"), 5)]),
        ];
        assert_eq!(shown, expected);
        assert!(
            describe(&of_agent, &set, |_| true, false, false)[1]
                .synonyms
                .is_empty()
        );
    }
}
