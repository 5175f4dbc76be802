//! Topic configs: the names that Kafka knows, their defaults and what they mean here.

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
    /// `esker.validate.compressed` is `full`: compressed batches are opened and checked.
    pub validate_compressed: bool,
}

impl TopicConfig {
    /// Reads the configs that are set; a value that does not parse counts as its default (values are
    /// checked before they are stored).
    pub fn of(set: &BTreeMap<String, String>) -> Self {
        fn number<T: std::str::FromStr>(set: &BTreeMap<String, String>, name: &str, default: T) -> T {
            set.get(name).and_then(|value| value.trim().parse().ok()).unwrap_or(default)
        }
        let is = |name: &str, value: &str| set.get(name).is_some_and(|set| set.trim() == value);
        Self {
            max_message_bytes: number(set, "max.message.bytes", 1_048_588),
            log_append_time: is("message.timestamp.type", "LogAppendTime"),
            timestamp_before_max_ms: number(set, "message.timestamp.before.max.ms", i64::MAX),
            timestamp_after_max_ms: number(set, "message.timestamp.after.max.ms", 3_600_000),
            compact: set
                .get("cleanup.policy")
                .is_some_and(|policy| policy.split(',').any(|part| part.trim() == "compact")),
            validate_compressed: is("esker.validate.compressed", "full"),
        }
    }
}
