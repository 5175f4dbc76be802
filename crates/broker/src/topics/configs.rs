//! What a topic's configs mean to the data path.
//!
//! Which configs exist is [`super::config_table`]'s business, which values they take
//! [`super::config_values`]'s.

use std::collections::BTreeMap;

/// The configs of a topic that the data path obeys, with defaults filled in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicConfig {
    /// `max.message.bytes`: largest record batch, in bytes with its 12 bytes of overhead.
    pub max_message_bytes: u32,
    /// `message.timestamp.type` is `LogAppendTime`.
    pub log_append_time: bool,
    /// `message.timestamp.before.max.ms`.
    pub timestamp_before_max_ms: i64,
    /// `message.timestamp.after.max.ms`.
    pub timestamp_after_max_ms: i64,
    /// `cleanup.policy` includes `compact`: records need keys.
    pub compact: bool,
    /// `cleanup.policy` includes `delete`: old records go.
    pub delete: bool,
    /// `retention.ms`; `None`: records stay however old they are.
    pub retention_ms: Option<i64>,
    /// `retention.bytes` of each partition; `None`: records stay however many there are.
    pub retention_bytes: Option<u64>,
    /// `esker.validate.compressed` is `full`: compressed batches are opened and checked.
    pub validate_compressed: bool,
}

impl TopicConfig {
    /// Reads the configs that are set; a value that does not parse counts as its default (values are
    /// checked before they are stored).
    pub fn of(set: &BTreeMap<String, String>) -> Self {
        fn number<T: std::str::FromStr>(set: &BTreeMap<String, String>, name: &str, default: T) -> T {
            set.get(name)
                .and_then(|value| value.trim().parse().ok())
                .unwrap_or(default)
        }
        let policy = |policy: &str| {
            let set = set.get("cleanup.policy").map_or("delete", String::as_str);
            set.split(',').any(|part| part.trim() == policy)
        };
        let retention_ms = number(set, "retention.ms", 604_800_000_i64);
        let retention_bytes = number(set, "retention.bytes", -1_i64);
        let is = |name: &str, value: &str| set.get(name).is_some_and(|set| set.trim() == value);
        Self {
            max_message_bytes: number(set, "max.message.bytes", 1_048_588),
            log_append_time: is("message.timestamp.type", "LogAppendTime"),
            timestamp_before_max_ms: number(set, "message.timestamp.before.max.ms", i64::MAX),
            timestamp_after_max_ms: number(set, "message.timestamp.after.max.ms", 3_600_000),
            compact: policy("compact"),
            delete: policy("delete"),
            // Below 0: without limit.
            retention_ms: (retention_ms >= 0).then_some(retention_ms),
            retention_bytes: u64::try_from(retention_bytes).ok(),
            validate_compressed: is("esker.validate.compressed", "full"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::config_table;
    use super::*;

    #[test]
    fn defaults_are_those_of_the_table() {
        let all: BTreeMap<String, String> = config_table::TABLE
            .iter()
            .map(|config| (config.name.to_owned(), config.default.to_owned()))
            .collect();
        assert_eq!(TopicConfig::of(&all), TopicConfig::of(&BTreeMap::new()));
    }

    #[test]
    fn reads_what_is_set() {
        let set = [
            ("max.message.bytes", " 100 "),
            ("message.timestamp.type", "LogAppendTime"),
            ("message.timestamp.before.max.ms", "5"),
            ("message.timestamp.after.max.ms", "6"),
            ("cleanup.policy", "delete, compact"),
            ("retention.ms", "7"),
            ("retention.bytes", "8"),
            ("esker.validate.compressed", "full"),
        ];
        let set = set.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let expected = TopicConfig {
            max_message_bytes: 100,
            log_append_time: true,
            timestamp_before_max_ms: 5,
            timestamp_after_max_ms: 6,
            compact: true,
            delete: true,
            retention_ms: Some(7),
            retention_bytes: Some(8),
            validate_compressed: true,
        };
        assert_eq!(TopicConfig::of(&set.into()), expected);
    }
}
