//! What consumer groups may do: Kafka's broker configs, with underscores.

use std::time::Duration;

use esker_model::groups::GroupLimits;

use super::{Layers, SettingsError, number};

/// Longest session timeout, heartbeat interval and delay: a day.
const MS_MAX: u64 = 86_400_000;

/// Most members that can be said.
const MEMBERS_MAX: u64 = i32::MAX.unsigned_abs() as u64;

/// Longest retention of offsets in minutes: what Kafka's own number can say.
const MINUTES_MAX: u64 = i32::MAX.unsigned_abs() as u64;

/// Longest metadata of an offset in UTF-16 code units.
const METADATA_UNITS_MAX: u64 = 1024 * 1024;

pub(super) fn resolve(layers: &Layers) -> Result<GroupLimits, SettingsError> {
    let default = GroupLimits::default();
    let millis = |name, least, default: Duration| -> Result<Duration, SettingsError> {
        let told = layers.parse(name, |value| number(value, least, MS_MAX))?;
        Ok(told.map_or(default, Duration::from_millis))
    };
    let count = |name, most, default: usize| -> Result<usize, SettingsError> {
        let told = layers.parse(name, |value| number(value, 1, most))?;
        Ok(told.map_or(default, |count| usize::try_from(count).unwrap_or(usize::MAX)))
    };
    let limits = GroupLimits {
        min_session_timeout: millis("group_min_session_timeout_ms", 1, default.min_session_timeout)?,
        max_session_timeout: millis("group_max_session_timeout_ms", 1, default.max_session_timeout)?,
        initial_rebalance_delay: millis(
            "group_initial_rebalance_delay_ms",
            0,
            default.initial_rebalance_delay,
        )?,
        max_size: count("group_max_size", MEMBERS_MAX, default.max_size)?,
        consumer_max_size: count("group_consumer_max_size", MEMBERS_MAX, default.consumer_max_size)?,
        consumer_session_timeout: millis(
            "group_consumer_session_timeout_ms",
            1,
            default.consumer_session_timeout,
        )?,
        consumer_heartbeat_interval: millis(
            "group_consumer_heartbeat_interval_ms",
            1,
            default.consumer_heartbeat_interval,
        )?,
        offset_metadata_units: count(
            "offset_metadata_max_bytes",
            METADATA_UNITS_MAX,
            default.offset_metadata_units,
        )?,
        offsets_retention: layers
            .parse("offsets_retention_minutes", |value| number(value, 1, MINUTES_MAX))?
            .map_or(default.offsets_retention, |minutes| {
                Duration::from_secs(minutes * 60)
            }),
    };
    let conflict = |text: &str| Err(SettingsError::Conflict(text.to_owned()));
    if limits.min_session_timeout > limits.max_session_timeout {
        return conflict(
            "group_min_session_timeout_ms is longer than group_max_session_timeout_ms: make it shorter",
        );
    }
    if limits.consumer_heartbeat_interval >= limits.consumer_session_timeout {
        return conflict(
            "group_consumer_heartbeat_interval_ms is not shorter than group_consumer_session_timeout_ms: make it shorter",
        );
    }
    Ok(limits)
}
