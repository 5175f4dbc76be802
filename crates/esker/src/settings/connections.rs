//! How many connections an agent takes if nobody says: as many as its memory allows, and from one address
//! never all of them.

use super::{Layers, SettingsError, number};

/// Memory in bytes beside the budget that a connection may cost: twice what was measured of an idle one
/// (10 KiB), and what waits on it without a charge.
const CONNECTION_BYTES: u64 = 32 * 1024;

/// The most that is taken by default.
const DEFAULT_MAX: u64 = 20_000;

/// The most that can be said.
const SETTING_MAX: u64 = 1_000_000;

/// `max_connections` and `max_connections_per_ip`.
pub(super) fn resolve(layers: &Layers, memory_bytes: u64) -> Result<(usize, usize), SettingsError> {
    let count = |value: &str| number(value, 1, SETTING_MAX);
    let max = layers
        .parse("max_connections", count)?
        .unwrap_or_else(|| (memory_bytes / CONNECTION_BYTES).clamp(1, DEFAULT_MAX));
    let per_ip = layers
        .parse("max_connections_per_ip", count)?
        .unwrap_or_else(|| (max * 3 / 4).max(1));
    let of = |count: u64| usize::try_from(count).unwrap_or(usize::MAX);
    Ok((of(max), of(per_ip)))
}
