//! The topic configs: Kafka's, by Kafka's names and defaults, and our own.
//!
//! A config is *honoured*, or *stored* (shown again as it was set, without effect: tools expect to find it),
//! or *refused* (a feature that this broker does not have). Names that are not in the table are refused.
//! `esker docs configs` prints the table for people, as it stands in `docs/reference/configs.md`.

use std::collections::BTreeMap;

use super::config_values::{Kind, Rule, parts};

/// What setting a config does here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    /// It is obeyed.
    Honoured,
    /// It is kept and shown.
    Stored,
    /// Only its default is accepted.
    Refused,
}

/// One topic config.
#[derive(Debug)]
pub(crate) struct Definition {
    pub(crate) name: &'static str,
    pub(crate) default: &'static str,
    /// The broker config whose value a topic inherits in Kafka; shown as synonym. Empty: there is none.
    pub(crate) synonym: &'static str,
    pub(crate) rule: Rule,
    pub(crate) effect: Effect,
    pub(crate) documentation: &'static str,
}

impl Definition {
    pub(crate) fn kind(&self) -> Kind {
        self.rule.kind()
    }
}

macro_rules! table {
    ($($effect:ident $name:literal = $default:literal, $synonym:literal, $rule:expr, $documentation:literal;)*) => {
        /// All topic configs, ascending by name.
        pub(crate) static TABLE: &[Definition] = &[$(Definition {
            name: $name,
            default: $default,
            synonym: $synonym,
            rule: $rule,
            effect: Effect::$effect,
            documentation: $documentation,
        },)*];
    };
}

const INT_MAX: i32 = i32::MAX;

table! {
    Honoured "cleanup.policy" = "delete", "log.cleanup.policy", Rule::ListOf(&["delete", "compact"]),
        "How old records go: delete drops them by age and size, compact keeps the last value of each key. With compact every record needs a key.";
    Stored "compression.gzip.level" = "-1", "compression.gzip.level", Rule::GzipLevel,
        "Level of gzip when a broker compresses. Batches are kept as the producer compressed them, so it has no effect.";
    Stored "compression.lz4.level" = "9", "compression.lz4.level", Rule::Int(1, 17),
        "Level of lz4 when a broker compresses. Batches are kept as the producer compressed them, so it has no effect.";
    Stored "compression.type" = "producer", "compression.type",
        Rule::OneOf(&["uncompressed", "zstd", "lz4", "snappy", "gzip", "producer"]),
        "Codec of the topic. Batches are always kept as the producer compressed them, whatever is set here.";
    Stored "compression.zstd.level" = "3", "compression.zstd.level", Rule::Int(-131_072, 22),
        "Level of zstd when a broker compresses. Batches are kept as the producer compressed them, so it has no effect.";
    Honoured "delete.retention.ms" = "86400000", "log.cleaner.delete.retention.ms", Rule::Long(0),
        "Milliseconds for which the deletion of a key stays readable in a compacted topic.";
    Honoured "esker.validate.compressed" = "header", "", Rule::OneOf(&["header", "full"]),
        "How compressed batches are checked: header trusts the counts and timestamps of the batch header, full opens every batch and checks each record.";
    Stored "file.delete.delay.ms" = "60000", "log.segment.delete.delay.ms", Rule::Long(0),
        "Milliseconds before a deleted log file leaves the disk. There are no log files here, so it has no effect.";
    Stored "flush.messages" = "9223372036854775807", "log.flush.interval.messages", Rule::Long(1),
        "Records between two syncs to disk. Every acknowledged record is durable here, so it has no effect.";
    Stored "flush.ms" = "9223372036854775807", "log.flush.interval.ms", Rule::Long(0),
        "Milliseconds between two syncs to disk. Every acknowledged record is durable here, so it has no effect.";
    Stored "follower.replication.throttled.replicas" = "", "", Rule::ThrottledReplicas,
        "Followers whose copying is throttled. There are no followers here, so it has no effect.";
    Stored "index.interval.bytes" = "4096", "log.index.interval.bytes", Rule::Int(0, INT_MAX),
        "Bytes between two entries of a log's index. There are no log files here, so it has no effect.";
    Stored "leader.replication.throttled.replicas" = "", "", Rule::ThrottledReplicas,
        "Leaders whose copying is throttled. There are no followers here, so it has no effect.";
    Stored "local.retention.bytes" = "-2", "log.local.retention.bytes", Rule::Long(-2),
        "Bytes kept on local disks beside remote storage. Nothing is kept on local disks here, so it has no effect.";
    Stored "local.retention.ms" = "-2", "log.local.retention.ms", Rule::Long(-2),
        "Milliseconds kept on local disks beside remote storage. Nothing is kept on local disks here, so it has no effect.";
    Honoured "max.compaction.lag.ms" = "9223372036854775807", "log.cleaner.max.compaction.lag.ms", Rule::Long(1),
        "Milliseconds after which a record of a compacted topic must have been looked at by log cleaning.";
    Honoured "max.message.bytes" = "1048588", "message.max.bytes", Rule::Int(0, INT_MAX),
        "Largest record batch in bytes, as it is sent (after compression).";
    Honoured "message.timestamp.after.max.ms" = "3600000", "log.message.timestamp.after.max.ms", Rule::Long(0),
        "Milliseconds by which a record's timestamp may lie in the future. Without effect for LogAppendTime.";
    Honoured "message.timestamp.before.max.ms" = "9223372036854775807", "log.message.timestamp.before.max.ms",
        Rule::Long(0),
        "Milliseconds by which a record's timestamp may lie in the past. Without effect for LogAppendTime.";
    Honoured "message.timestamp.type" = "CreateTime", "log.message.timestamp.type",
        Rule::OneOf(&["CreateTime", "LogAppendTime"]),
        "Whether records carry the time at which they were made or the time at which they were appended.";
    Honoured "min.cleanable.dirty.ratio" = "0.5", "log.cleaner.min.cleanable.ratio", Rule::Ratio,
        "Share of a compacted log that must be new before it is cleaned.";
    Honoured "min.compaction.lag.ms" = "0", "log.cleaner.min.compaction.lag.ms", Rule::Long(0),
        "Milliseconds for which a record of a compacted topic is left alone by log cleaning.";
    Stored "min.insync.replicas" = "1", "min.insync.replicas", Rule::Int(1, INT_MAX),
        "Replicas that must have a record before it is acknowledged. The bucket replicates, so it is always satisfied.";
    Stored "preallocate" = "false", "log.preallocate", Rule::Boolean,
        "Whether log files are created at full size. There are no log files here, so it has no effect.";
    Stored "remote.log.copy.disable" = "false", "", Rule::Boolean,
        "Stops copying to remote storage. Without remote.storage.enable it has no effect.";
    Stored "remote.log.delete.on.disable" = "false", "", Rule::Boolean,
        "Drops remote data when remote storage is switched off. Without remote.storage.enable it has no effect.";
    Refused "remote.storage.enable" = "false", "", Rule::Boolean,
        "Kafka's tiered storage. Here every topic lives in the bucket, and there is no second tier to switch on.";
    Honoured "retention.bytes" = "-1", "log.retention.bytes", Rule::Long(-1),
        "Bytes of a partition beyond which its oldest records go; -1 is no limit.";
    Honoured "retention.ms" = "604800000", "log.retention.ms", Rule::Long(-1),
        "Milliseconds after which records go; -1 keeps them for ever.";
    Stored "segment.bytes" = "1073741824", "log.segment.bytes", Rule::Int(1_048_576, INT_MAX),
        "Size of a log file. Segments here hold many partitions and have sizes of their own, so it has no effect.";
    Stored "segment.index.bytes" = "10485760", "log.index.size.max.bytes", Rule::Int(4, INT_MAX),
        "Size of a log's index file. There are no log files here, so it has no effect.";
    Stored "segment.jitter.ms" = "0", "log.roll.jitter.ms", Rule::Long(0),
        "Random part of segment.ms. There are no log files here, so it has no effect.";
    Stored "segment.ms" = "604800000", "log.roll.ms", Rule::Long(1),
        "Milliseconds after which a new log file is begun. There are no log files here, so it has no effect.";
    Stored "unclean.leader.election.enable" = "false", "unclean.leader.election.enable", Rule::Boolean,
        "Whether a replica that lags behind may lead. No replica lags here, so it has no effect.";
}

/// The config of this name.
pub(crate) fn find(name: &str) -> Option<&'static Definition> {
    let at = TABLE.binary_search_by(|config| config.name.cmp(name)).ok()?;
    TABLE.get(at)
}

/// Why a config cannot be set to a value.
pub(crate) fn check(name: &str, value: &str) -> Result<(), String> {
    let Some(config) = find(name) else {
        return Err(format!("unknown topic config {}", shown(name)));
    };
    check_rule(config.rule, name, value)?;
    if config.effect == Effect::Refused && !value.trim().eq_ignore_ascii_case(config.default) {
        return Err(format!(
            "{name} can only be {}: this broker does not have the feature",
            config.default
        ));
    }
    Ok(())
}

/// Why a config of that rule cannot be set to a value.
pub(super) fn check_rule(rule: Rule, name: &str, value: &str) -> Result<(), String> {
    let wrong = |expected| format!("{} is no value of {name}: expected {expected}", shown(value));
    rule.check(value).map_err(wrong)
}

/// Why configs that are right by themselves cannot stand together.
pub(crate) fn check_together(set: &BTreeMap<String, String>) -> Result<(), String> {
    let number = |name: &str| -> i64 {
        let value = set
            .get(name)
            .map_or_else(|| find(name).map_or("0", |config| config.default), String::as_str);
        value.trim().parse().unwrap_or(0)
    };
    let (min, max) = (number("min.compaction.lag.ms"), number("max.compaction.lag.ms"));
    if min > max {
        return Err(format!(
            "min.compaction.lag.ms ({min}) is larger than max.compaction.lag.ms ({max})"
        ));
    }
    Ok(())
}

/// The value that a topic has when nothing is set, as parts of a list.
pub(crate) fn default_parts(config: &Definition) -> Vec<&'static str> {
    parts(config.default).collect()
}

/// A client's text, cut to what fits into a message.
pub(super) fn shown(text: &str) -> String {
    const CHARS: usize = 100;
    if text.chars().count() <= CHARS {
        return format!("'{text}'");
    }
    let start: String = text.chars().take(CHARS).collect();
    format!("'{start}…'")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn has_all_of_kafka_in_order() {
        assert!(TABLE.is_sorted_by(|a, b| a.name < b.name));
        let ours = TABLE
            .iter()
            .filter(|config| config.name.starts_with("esker."))
            .count();
        assert_eq!((TABLE.len() - ours, ours), (33, 1));
        let honoured = TABLE.iter().filter(|config| config.effect == Effect::Honoured);
        assert_eq!(honoured.count() - ours, 11);
    }

    #[test]
    fn every_default_is_a_value_and_every_config_is_explained() {
        for config in TABLE {
            assert_eq!(check(config.name, config.default), Ok(()));
            assert!(config.documentation.ends_with('.'), "{}", config.name);
        }
    }

    #[test]
    fn names_that_are_gone_or_never_were_are_refused() {
        for name in [
            "message.format.version",
            "message.downconversion.enable",
            "message.timestamp.difference.max.ms",
            "retention.MS",
            "",
        ] {
            assert!(check(name, "1").is_err(), "{name}");
        }
        assert!(check("remote.storage.enable", "true").is_err());
    }

    #[test]
    fn a_message_does_not_repeat_a_long_value() {
        let message = check("retention.ms", &"9".repeat(4000)).unwrap_err();
        assert!(message.len() < 250, "{message}");
    }

    #[test]
    fn compaction_lags_must_fit() {
        let set = |min: &str, max: &str| {
            BTreeMap::from([
                ("min.compaction.lag.ms".to_owned(), min.to_owned()),
                ("max.compaction.lag.ms".to_owned(), max.to_owned()),
            ])
        };
        assert!(check_together(&set("5", "5")).is_ok());
        assert!(check_together(&set("6", "5")).is_err());
        assert!(check_together(&BTreeMap::new()).is_ok());
    }
}
