//! This agent's settings under Kafka's names, for tools that look there. Only what is true for this agent
//! is shown, and nothing can be changed over the protocol: an agent's settings are given when it starts.

use std::time::Duration;

use esker_model::groups::GroupLimits;
use esker_protocol::messages::describe_configs_response::DescribeConfigsResourceResult;
use esker_protocol::{StrBytes, limits};

use super::config_entries::{Source, synonym};
use super::config_table;
use super::config_values::Kind;
use super::reference::BrokerConfigReference;
use crate::connection::limits::IDLE_MAX;
use crate::fetch::{RESPONSE_BYTES_MAX, SESSIONS_MAX};
use crate::{Broker, BrokerConfig};

/// How long a partition remembers an idle producer.
const PRODUCER_IDLE_MS: u32 = 86_400_000;

/// One setting.
struct Setting {
    name: &'static str,
    value: Option<String>,
    kind: Kind,
    source: Source,
    documentation: &'static str,
}

/// All settings shown, ascending by name.
fn settings(config: &BrokerConfig, node_id: i32) -> Vec<Setting> {
    let given = |name, value: Option<String>, kind, documentation| Setting {
        name,
        value,
        kind,
        source: Source::Static,
        documentation,
    };
    let fixed = |name, value: String, kind, documentation| Setting {
        name,
        value: Some(value),
        kind,
        source: Source::Default,
        documentation,
    };
    let id = || Some(node_id.to_string());
    let listeners = |text: fn(&crate::ListenerConfig) -> String| {
        let all: Vec<_> = config.listeners.iter().map(|listener| text(listener)).collect();
        Some(all.join(","))
    };
    let mut settings = vec![
        given(
            "advertised.listeners",
            listeners(|listener| {
                let (host, port) = (&listener.advertised_host, listener.advertised_port);
                format!("{}://{host}:{port}", listener.name)
            }),
            Kind::List,
            "The addresses that clients of each listener are told.",
        ),
        given(
            "listeners",
            listeners(|listener| format!("{}://{}", listener.name, listener.bound)),
            Kind::List,
            "The addresses that this agent listens on.",
        ),
        given(
            "listener.security.protocol.map",
            listeners(|listener| format!("{}:{}", listener.name, listener.security_protocol)),
            Kind::String,
            "The security protocol of each listener.",
        ),
        given("broker.id", id(), Kind::Int, "The same as node.id."),
        given(
            "node.id",
            id(),
            Kind::Int,
            "The id of this agent; it belongs to its name and outlives restarts.",
        ),
        given(
            "broker.rack",
            config.zone.clone(),
            Kind::String,
            "The availability zone of this agent.",
        ),
        given(
            "num.partitions",
            Some(config.num_partitions.to_string()),
            Kind::Int,
            "Partitions of a topic that is created without saying how many.",
        ),
        given(
            "auto.create.topics.enable",
            Some(config.auto_create_topics.to_string()),
            Kind::Boolean,
            "Whether a topic is created when a client first asks for it.",
        ),
        given(
            "max.connections",
            Some(config.connections_max.to_string()),
            Kind::Int,
            "Most connections of clients at a time.",
        ),
        given(
            "max.connections.per.ip",
            Some(config.connections_per_ip_max.to_string()),
            Kind::Int,
            "Most connections of clients from one address.",
        ),
        fixed(
            "connections.max.idle.ms",
            IDLE_MAX.as_millis().to_string(),
            Kind::Long,
            "Milliseconds after which a connection without a request is closed.",
        ),
        fixed(
            "default.replication.factor",
            "1".into(),
            Kind::Int,
            "Replicas that are shown of a topic created without saying how many; the bucket does the replicating.",
        ),
        fixed(
            "delete.topic.enable",
            "true".into(),
            Kind::Boolean,
            "Whether topics can be deleted.",
        ),
        fixed(
            "fetch.max.bytes",
            RESPONSE_BYTES_MAX.to_string(),
            Kind::Int,
            "Largest answer to a Fetch in bytes; one larger batch may exceed it.",
        ),
        fixed(
            "log.retention.hours",
            "168".into(),
            Kind::Int,
            "The default of retention.ms in hours.",
        ),
        fixed(
            "max.incremental.fetch.session.cache.slots",
            SESSIONS_MAX.to_string(),
            Kind::Int,
            "Most fetch sessions that are kept.",
        ),
        fixed(
            "producer.id.expiration.ms",
            PRODUCER_IDLE_MS.to_string(),
            Kind::Int,
            "Milliseconds for which a partition remembers a producer that sends nothing.",
        ),
        fixed(
            "sasl.enabled.mechanisms",
            String::new(),
            Kind::List,
            "The ways in which clients can say who they are: none yet.",
        ),
        fixed(
            "socket.request.max.bytes",
            limits::REQUEST_BYTES_MAX.to_string(),
            Kind::Int,
            "Largest request in bytes.",
        ),
    ];
    // The defaults that topics inherit, by the names they have on a broker.
    let inherited = [
        "cleanup.policy",
        "compression.type",
        "max.message.bytes",
        "message.timestamp.after.max.ms",
        "message.timestamp.before.max.ms",
        "message.timestamp.type",
        "min.insync.replicas",
        "retention.bytes",
        "retention.ms",
        "segment.bytes",
    ];
    for config in inherited.into_iter().filter_map(config_table::find) {
        let value = config.default.to_owned();
        settings.push(fixed(config.synonym, value, config.kind(), config.documentation));
    }
    settings.extend(of_groups(&config.groups));
    settings.sort_unstable_by_key(|setting| setting.name);
    settings
}

/// What groups may do.
fn of_groups(limits: &GroupLimits) -> impl Iterator<Item = Setting> {
    let ms = |time: Duration| time.as_millis().to_string();
    let settings = [
        (
            "group.initial.rebalance.delay.ms",
            ms(limits.initial_rebalance_delay),
            "Milliseconds for which the first rebalance of a group waits for more members.",
        ),
        (
            "group.min.session.timeout.ms",
            ms(limits.min_session_timeout),
            "Shortest session timeout that a member may ask for.",
        ),
        (
            "group.max.session.timeout.ms",
            ms(limits.max_session_timeout),
            "Longest session timeout that a member may ask for.",
        ),
        (
            "group.max.size",
            limits.max_size.to_string(),
            "Most members of a group of the classic protocol.",
        ),
        (
            "group.consumer.session.timeout.ms",
            ms(limits.consumer_session_timeout),
            "A member of the consumer protocol is gone when nothing is heard of it for so long.",
        ),
        (
            "group.consumer.heartbeat.interval.ms",
            ms(limits.consumer_heartbeat_interval),
            "How often a member of the consumer protocol is to send a heartbeat.",
        ),
        (
            "group.consumer.max.size",
            limits.consumer_max_size.to_string(),
            "Most members of a group of the consumer protocol.",
        ),
        (
            "offset.metadata.max.bytes",
            limits.offset_metadata_units.to_string(),
            "Most characters (UTF-16 code units) that a client may keep with a committed offset.",
        ),
        (
            "offsets.retention.minutes",
            (limits.offsets_retention.as_secs() / 60).to_string(),
            "Committed offsets are forgotten when their group has had no members, or has not read their topic, for so long.",
        ),
    ];
    settings.into_iter().map(|(name, value, documentation)| Setting {
        name,
        value: Some(value),
        kind: Kind::Int,
        source: Source::Static,
        documentation,
    })
}

/// All of them for people.
pub(super) fn reference() -> impl Iterator<Item = BrokerConfigReference> {
    let all = settings(&BrokerConfig::default(), 0).into_iter();
    all.map(|setting| BrokerConfigReference {
        name: setting.name,
        fixed: (setting.source == Source::Default).then(|| setting.value.unwrap_or_default()),
        documentation: setting.documentation,
    })
}

/// The settings that `wanted` asks for, as a response shows them.
pub(super) fn describe(
    broker: &Broker,
    wanted: impl Fn(&str) -> bool,
    synonyms: bool,
    documentation: bool,
) -> Vec<DescribeConfigsResourceResult> {
    settings(&broker.config, broker.member.node_id().0)
        .into_iter()
        .filter(|setting| wanted(setting.name))
        .map(|setting| {
            let name = StrBytes::from_static_str(setting.name);
            let value = setting.value.map(StrBytes::from_string);
            let mut entry = DescribeConfigsResourceResult::default()
                .with_name(name.clone())
                .with_value(value.clone())
                .with_read_only(true)
                .with_config_source(setting.source as i8)
                .with_config_type(setting.kind as i8)
                .with_documentation(documentation.then(|| StrBytes::from_static_str(setting.documentation)));
            if synonyms && let Some(value) = value {
                entry.synonyms.push(synonym(name, value, setting.source));
            }
            entry
        })
        .collect()
}
