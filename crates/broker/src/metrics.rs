//! What an agent counts. Names are part of the interface; times are in seconds, sizes in bytes.

mod groups;
mod topics;
mod upkeep;

pub use groups::{GroupLabels, GroupMetrics, ProtocolLabels};
pub use topics::{FetchLabels, OTHER_TOPICS, TOPICS_MAX_DEFAULT, TopicLabels, TopicMeter, TopicMeters};
pub use upkeep::{ArchiveMetrics, JobLabels, MergeMetrics, RemoveMetrics, SweepMetrics, UpkeepMetrics};

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::exemplar::HistogramWithExemplars;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use crate::trace::Trace;

/// Label of Fetch requests.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct SessionLabels {
    /// What it had to do with sessions: `none`, `new`, `no_room` for a new one, `incremental`, or `refused` if it named one
    /// that is not there.
    pub session: &'static str,
}

/// Labels of requests.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct RequestLabels {
    /// The API's name.
    pub api: &'static str,
    /// `NONE`, or the name of the request's first error.
    pub error: &'static str,
}

/// Label of request times.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct ApiLabels {
    /// The API's name.
    pub api: &'static str,
}

/// Labels of an exemplar: one request of those in a bucket of a histogram, whose trace can be looked at.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct TraceLabels {
    /// Id of its trace, 32 hexadecimal digits.
    pub trace_id: String,
}

impl TraceLabels {
    pub(crate) fn of(trace: &Trace) -> Self {
        Self {
            trace_id: trace.id().to_string(),
        }
    }
}

/// A histogram whose buckets name a traced request, if there was one.
pub type TracedHistogram = HistogramWithExemplars<TraceLabels>;

/// Label of connections that were not taken.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct RefusedLabels {
    /// The setting whose limit was reached.
    pub limit: &'static str,
}

/// Label of connections that were closed because of what their client did.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct ClosedLabels {
    /// What it did: `malformed`, `no_request`, `slow_sender` or `slow_reader`.
    pub reason: &'static str,
}

/// Label of reads of `cluster.json`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct SeenLabels {
    /// One of [`SEEN`].
    pub outcome: &'static str,
}

/// What a read of `cluster.json` shows: our cluster and epoch, a later epoch, another cluster or an earlier epoch or no file,
/// or nothing, because the bucket did not answer.
pub(crate) const SEEN: [&str; 4] = ["ours", "higher_epoch", "foreign", "nothing"];

fn seen_at_start() -> Family<SeenLabels, Counter> {
    let reads = Family::default();
    for outcome in SEEN {
        drop(reads.get_or_create(&SeenLabels { outcome }));
    }
    reads
}

/// Labels of bytes that may cross a zone.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct ZoneLabels {
    /// `in` or `out`.
    pub direction: &'static str,
    /// `same`, `other`, or `unknown` if the client or the agent says none.
    pub zone: &'static str,
}

impl ZoneLabels {
    pub(crate) fn of(direction: &'static str, client: Option<&str>, agent: Option<&str>) -> Self {
        let zone = match (client, agent) {
            (Some(client), Some(agent)) if client == agent => "same",
            (Some(_), Some(_)) => "other",
            _ => "unknown",
        };
        Self { direction, zone }
    }
}

/// Label of memory.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct MemoryLabels {
    /// `control`, `decoded`, `produce`, `fetch` or `cache`.
    pub r#use: &'static str,
}

/// The counters of one process. Cheap to clone; clones count together.
#[derive(Clone)]
pub struct BrokerMetrics {
    /// What is counted for each topic.
    pub topics: TopicMeters,
    /// Fetch requests, by what they had to do with sessions.
    pub fetches: Family<SessionLabels, Counter>,
    /// Fetch sessions.
    pub fetch_sessions: Gauge,
    /// Partitions of all fetch sessions.
    pub fetch_session_partitions: Gauge,
    /// Fetch sessions that had to make room for others.
    pub fetch_sessions_evicted: Counter,
    /// Requests answered.
    pub requests: Family<RequestLabels, Counter>,
    /// Time from a request's last byte to its reply.
    pub request_seconds: Family<ApiLabels, TracedHistogram>,
    /// Time of commit calls.
    pub commit_seconds: Histogram,
    /// Time from append to acknowledgement.
    pub ack_seconds: TracedHistogram,
    /// Bytes in the hot segment.
    pub hot_segment_bytes: Gauge,
    /// Bytes reserved.
    pub memory_bytes: Family<MemoryLabels, Gauge>,
    /// Open client connections.
    pub connections: Gauge,
    /// New connections that were closed at once.
    pub connections_refused: Family<RefusedLabels, Counter>,
    /// Connections closed because of what their client sent, or did not.
    pub connections_closed: Family<ClosedLabels, Counter>,
    /// Segments sealed.
    pub segments: Counter,
    /// Bytes of the batches in each.
    pub segment_bytes: Histogram,
    /// Reads of `cluster.json`, by what they showed.
    pub epoch_reads: Family<SeenLabels, Counter>,
    /// Bytes of records from and to clients, by where they are.
    pub zone_bytes: Family<ZoneLabels, Counter>,
    /// Groups.
    pub groups: GroupMetrics,
    /// Background work.
    pub upkeep: UpkeepMetrics,
}

/// Upper bounds of the buckets of times, in seconds.
const SECONDS: [f64; 18] = [
    0.001, 0.0025, 0.005, 0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0,
];

fn seconds() -> Histogram {
    Histogram::new(SECONDS)
}

fn traced_seconds() -> TracedHistogram {
    TracedHistogram::new(SECONDS.into_iter())
}

impl Default for BrokerMetrics {
    fn default() -> Self {
        Self {
            topics: TopicMeters::new(TOPICS_MAX_DEFAULT),
            fetches: Family::default(),
            fetch_sessions: Gauge::default(),
            fetch_session_partitions: Gauge::default(),
            fetch_sessions_evicted: Counter::default(),
            requests: Family::default(),
            request_seconds: Family::new_with_constructor(traced_seconds),
            commit_seconds: seconds(),
            ack_seconds: traced_seconds(),
            hot_segment_bytes: Gauge::default(),
            memory_bytes: Family::default(),
            connections: Gauge::default(),
            connections_refused: Family::default(),
            connections_closed: Family::default(),
            segments: Counter::default(),
            segment_bytes: Histogram::new((0..13).map(|power| 16_384.0 * f64::from(1 << power))),
            epoch_reads: seen_at_start(),
            zone_bytes: Family::default(),
            groups: GroupMetrics::default(),
            upkeep: UpkeepMetrics::default(),
        }
    }
}

impl BrokerMetrics {
    /// With labels for so many topics.
    pub fn with_topics_max(topics_max: usize) -> Self {
        Self {
            topics: TopicMeters::new(topics_max),
            ..Self::default()
        }
    }

    /// Makes the counters visible under their public names.
    pub fn register(&self, registry: &mut Registry) {
        self.topics.register(registry);
        registry.register(
            "esker_fetches",
            "Fetch requests, by what they had to do with sessions",
            self.fetches.clone(),
        );
        registry.register(
            "esker_fetch_sessions",
            "Fetch sessions",
            self.fetch_sessions.clone(),
        );
        registry.register(
            "esker_fetch_session_partitions",
            "Partitions of all fetch sessions",
            self.fetch_session_partitions.clone(),
        );
        registry.register(
            "esker_fetch_sessions_evicted",
            "Fetch sessions that had to make room for others",
            self.fetch_sessions_evicted.clone(),
        );
        registry.register(
            "esker_requests",
            "Requests answered, by API and first error",
            self.requests.clone(),
        );
        registry.register(
            "esker_request_seconds",
            "Time from request to reply",
            self.request_seconds.clone(),
        );
        registry.register(
            "esker_commit_seconds",
            "Time of commit calls",
            self.commit_seconds.clone(),
        );
        registry.register(
            "esker_ack_seconds",
            "Time from append to acknowledgement",
            self.ack_seconds.clone(),
        );
        registry.register(
            "esker_hot_segment_bytes",
            "Bytes in the hot segment",
            self.hot_segment_bytes.clone(),
        );
        registry.register(
            "esker_memory_bytes",
            "Bytes of the memory budget in use",
            self.memory_bytes.clone(),
        );
        registry.register(
            "esker_connections",
            "Open client connections",
            self.connections.clone(),
        );
        registry.register(
            "esker_connections_refused",
            "New connections closed at once, by the limit that was reached",
            self.connections_refused.clone(),
        );
        registry.register(
            "esker_connections_closed",
            "Connections closed because of what their client did",
            self.connections_closed.clone(),
        );
        registry.register("esker_segments", "Segments sealed", self.segments.clone());
        registry.register(
            "esker_segment_bytes",
            "Bytes of the record batches of each segment",
            self.segment_bytes.clone(),
        );
        registry.register(
            "esker_epoch_reads",
            "Reads of cluster.json, by what they showed",
            self.epoch_reads.clone(),
        );
        registry.register(
            "esker_zone_bytes",
            "Bytes of records from clients (in) and to them (out), by whether their zone is the agent's",
            self.zone_bytes.clone(),
        );
        self.groups.register(registry);
        self.upkeep.register(registry);
    }
}
