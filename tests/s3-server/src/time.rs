//! Wall-clock time in the two forms that S3 writes it in. Kept in milliseconds since 1970.

use std::time::{SystemTime, UNIX_EPOCH};

use chrono::{DateTime, Utc};

/// Milliseconds since 1970.
pub(crate) fn now_ms() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_millis() as u64)
}

fn utc(ms: u64) -> DateTime<Utc> {
    DateTime::from_timestamp_millis(ms as i64).unwrap_or_default()
}

/// As HTTP headers have it (RFC 9110 §5.6.7).
pub(crate) fn http(ms: u64) -> String {
    utc(ms).format("%a, %d %b %Y %H:%M:%S GMT").to_string()
}

/// As S3's XML has it (ISO 8601).
pub(crate) fn iso(ms: u64) -> String {
    utc(ms).format("%Y-%m-%dT%H:%M:%S%.3fZ").to_string()
}

/// Whole seconds since 1970 of an HTTP date; `None` if it is none.
pub(crate) fn parse_http_s(text: &str) -> Option<u64> {
    let date = DateTime::parse_from_rfc2822(text).ok()?;
    u64::try_from(date.timestamp()).ok()
}
