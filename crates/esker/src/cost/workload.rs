//! What is asked of a cluster: rates, how often records are read, how long they are kept, and the few settings that decide
//! how many requests that makes. Bytes are as they are on the wire and in the bucket unless a name says otherwise.

use crate::failure::{Failure, Outcome};
use crate::settings::size;

/// A workload.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Workload {
    /// Bytes a second that producers send, compressed as they send them.
    pub(super) write: f64,
    /// Record batches a second.
    pub(super) batches: f64,
    /// How often each byte is read while it is new.
    pub(super) fan_out: f64,
    /// Bytes a second that are read from history.
    pub(super) history: f64,
    /// How long records are kept, in seconds.
    pub(super) retention: f64,
    /// How much of a partition is kept at most.
    pub(super) retention_bytes: Option<f64>,
    /// Bytes that are kept, where that was measured instead.
    pub(super) kept: Option<f64>,
    /// Partitions that are written to, evenly.
    pub(super) partitions: f64,
    /// Availability zones, with producers, consumers and machines spread evenly over them.
    pub(super) zones: f64,
    /// `segment_bytes`.
    pub(super) segment_bytes: f64,
    /// `flush_interval_ms`, in seconds.
    pub(super) flush_interval: f64,
    /// Agents, where somebody said how many.
    pub(super) agents: Option<f64>,
    /// Replicas that Kafka keeps of each partition.
    pub(super) replication: f64,
    /// How long Kafka keeps records on its disks, in seconds; the rest is in tiered storage.
    pub(super) kafka_local: f64,
}

impl Workload {
    /// Bytes that retention keeps, once.
    pub(super) fn kept(&self) -> f64 {
        self.kept.unwrap_or_else(|| {
            let by_time = self.write * self.retention;
            let most = self.retention_bytes.map(|bytes| bytes * self.partitions);
            most.map_or(by_time, |most| by_time.min(most))
        })
    }

    /// Share of the traffic of clients that know no zones which crosses from one into another.
    pub(super) fn crossing(&self) -> f64 {
        (self.zones - 1.0) / self.zones
    }
}

/// `50MiB/s`, or without `/s`.
pub(super) fn rate(text: &str) -> Result<u64, String> {
    let trimmed = text.trim();
    let bytes = trimmed.strip_suffix("/s").unwrap_or(trimmed);
    size::parse(bytes).map_err(|_| format!("{text:?} is not a rate: write bytes a second, e.g. 50MiB/s"))
}

/// The longest time that a bill is made for: a century, in seconds.
const SPAN_MAX: f64 = 100.0 * 365.0 * 86_400.0;

/// `30d`, `12h`, `90min` or `45s`, in seconds.
pub(super) fn span(text: &str) -> Result<f64, String> {
    const UNITS: [(&str, f64); 5] = [
        ("ms", 0.001),
        ("min", 60.0),
        ("d", 86_400.0),
        ("h", 3_600.0),
        ("s", 1.0),
    ];
    let wrong = || format!("{text:?} is not a time: write a number and a unit, e.g. 30d, 12h, 90min or 45s");
    let text = text.trim();
    let (unit, seconds) = UNITS
        .into_iter()
        .find(|(unit, _)| text.ends_with(unit))
        .ok_or_else(wrong)?;
    let number: f64 = text
        .strip_suffix(unit)
        .and_then(|number| number.trim().parse().ok())
        .ok_or_else(wrong)?;
    let total = number * seconds;
    if total > 0.0 && total <= SPAN_MAX {
        Ok(total)
    } else {
        Err(wrong())
    }
}

/// A number of at least `least`.
pub(super) fn at_least(flag: &str, value: f64, least: f64) -> Outcome<f64> {
    if value.is_finite() && value >= least {
        Ok(value)
    } else {
        Err(Failure::Usage(format!(
            "--{flag} is {value}: write a number from {least} up"
        )))
    }
}
