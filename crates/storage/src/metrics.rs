//! What the bucket costs: every attempt on the wire is counted, retries too.

use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

/// A kind of request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op {
    /// Write an object.
    Put,
    /// Read an object or a range of it.
    Get,
    /// Ask for an object's size.
    Head,
    /// Read one page of a listing.
    List,
    /// Remove an object.
    Delete,
}

impl Op {
    /// The label's value.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Put => "put",
            Self::Get => "get",
            Self::Head => "head",
            Self::List => "list",
            Self::Delete => "delete",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    op: &'static str,
    outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OpLabels {
    op: &'static str,
}

type Seconds = Family<OpLabels, Histogram, fn() -> Histogram>;

/// Counters of a bucket. Cheap to clone; clones count together.
#[derive(Clone)]
pub struct StoreMetrics {
    requests: Family<RequestLabels, Counter>,
    bytes: Family<OpLabels, Counter>,
    seconds: Seconds,
}

impl Default for StoreMetrics {
    fn default() -> Self {
        Self {
            requests: Family::default(),
            bytes: Family::default(),
            seconds: Family::new_with_constructor(seconds_histogram),
        }
    }
}

/// 1 ms to 33 s, doubling.
fn seconds_histogram() -> Histogram {
    Histogram::new((0..16).map(|power| 0.001 * f64::from(1 << power)))
}

impl StoreMetrics {
    /// Makes the counters visible under their public names.
    pub fn register(&self, registry: &mut Registry) {
        registry.register(
            "esker_store_requests",
            "Requests sent to the bucket, each attempt counted, by kind and outcome",
            self.requests.clone(),
        );
        registry.register(
            "esker_store_bytes",
            "Bytes of objects that the bucket accepted (put) or sent (get)",
            self.bytes.clone(),
        );
        registry.register(
            "esker_store_seconds",
            "Seconds of each attempt, by kind",
            self.seconds.clone(),
        );
    }

    /// Attempts of a kind that ended in `outcome` so far. The outcomes: `ok`, `not_found`, `exists`,
    /// `range`, `throttled`, `timeout`, `unavailable`, `denied`, `misconfigured`.
    pub fn requests(&self, op: Op, outcome: &'static str) -> u64 {
        self.requests
            .get_or_create(&RequestLabels {
                op: op.as_str(),
                outcome,
            })
            .get()
    }

    /// Bytes moved by a kind of request so far.
    pub fn bytes(&self, op: Op) -> u64 {
        self.bytes.get_or_create(&OpLabels { op: op.as_str() }).get()
    }

    pub(crate) fn attempt(&self, op: Op, outcome: &'static str, took: Duration) {
        self.requests
            .get_or_create(&RequestLabels {
                op: op.as_str(),
                outcome,
            })
            .inc();
        self.seconds
            .get_or_create(&OpLabels { op: op.as_str() })
            .observe(took.as_secs_f64());
    }

    pub(crate) fn moved(&self, op: Op, bytes: u64) {
        self.bytes
            .get_or_create(&OpLabels { op: op.as_str() })
            .inc_by(bytes);
    }
}
