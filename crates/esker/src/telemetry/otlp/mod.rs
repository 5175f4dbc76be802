//! Metrics and traces by OTLP: protobuf over HTTP, to `otel_endpoint` + `/v1/metrics` and `/v1/traces`.
//!
//! Source: the OpenTelemetry protocol, version 1. Beside the endpoint, OpenTelemetry's own environment variables hold:
//! `OTEL_SERVICE_NAME`, `OTEL_RESOURCE_ATTRIBUTES`, `OTEL_EXPORTER_OTLP_HEADERS` and `OTEL_METRIC_EXPORT_INTERVAL`.
//!
//! What holds: traces wait in a queue of [`TRACES_MAX`]; what does not fit, and what the collector does not take at the first
//! attempt, is dropped and counted. A collector that does not answer costs an agent a request every few seconds and one line
//! in its log, and nothing else.

mod metrics;
mod resource;
mod traces;

use std::sync::Arc;
use std::time::Duration;

use esker_broker::trace::{Finished, TraceSink, Tracer};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;
use prost::Message;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::failure::{Failure, Outcome};
use crate::run::State;
use crate::settings::secret::SecretUrl;

/// Traces that wait to be sent.
const TRACES_MAX: usize = 2_048;
/// Traces of one request to the collector.
const TRACES_AT_ONCE: usize = 256;
/// How long a trace waits for others to be sent with.
const TRACES_EVERY: Duration = Duration::from_secs(5);
/// Between two reports of the metrics, if `OTEL_METRIC_EXPORT_INTERVAL` says nothing.
const METRICS_EVERY: Duration = Duration::from_secs(60);
/// How long a collector may take.
const ANSWER_MAX: Duration = Duration::from_secs(10);
/// How long the last ones may take when the agent ends.
const LAST_MAX: Duration = Duration::from_secs(2);

/// Label of what is sent.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct SignalLabels {
    signal: &'static str,
}

/// What becomes of what is sent.
#[derive(Clone, Default)]
pub(crate) struct OtlpMetrics {
    failures: Family<SignalLabels, Counter>,
    dropped: Counter,
}

impl OtlpMetrics {
    /// Makes the counters visible under their public names.
    pub(crate) fn register(&self, registry: &mut Registry) {
        registry.register(
            "esker_otlp_failures",
            "Requests that the collector did not take",
            self.failures.clone(),
        );
        registry.register(
            "esker_traces_dropped",
            "Traces that were not sent: too many waited, or the collector did not take them",
            self.dropped.clone(),
        );
    }
}

/// What is sent to a collector.
pub(crate) struct Otlp {
    to: Collector,
    traces: Queue,
    waiting: parking_lot::Mutex<Option<mpsc::Receiver<Finished>>>,
}

/// The end of the queue that requests see.
#[derive(Clone)]
struct Queue {
    sender: mpsc::Sender<Finished>,
    metrics: OtlpMetrics,
}

impl TraceSink for Queue {
    fn take(&self, trace: Finished) {
        if self.sender.try_send(trace).is_err() {
            self.metrics.dropped.inc();
        }
    }
}

/// Where things are sent.
#[derive(Clone)]
struct Collector {
    client: reqwest::Client,
    endpoint: SecretUrl,
    headers: reqwest::header::HeaderMap,
    metrics: OtlpMetrics,
}

impl Otlp {
    /// Prepares for a collector; nothing is asked of it yet.
    pub(crate) fn new(endpoint: &SecretUrl, metrics: OtlpMetrics) -> Outcome<Self> {
        let mut client = reqwest::Client::builder()
            .connect_timeout(Duration::from_secs(3))
            .timeout(ANSWER_MAX)
            // What is in the headers is for the collector alone.
            .redirect(reqwest::redirect::Policy::none());
        if endpoint.expose().starts_with("http://") {
            // Without TLS nobody needs the certificates of the system, which a small image may not have.
            client = client.tls_certs_only([]);
        }
        let client = client.build().map_err(|error| {
            Failure::Failed(format!(
                "otel_endpoint cannot be reached from here: {}",
                chain(&error)
            ))
        })?;
        let (sender, waiting) = mpsc::channel(TRACES_MAX);
        Ok(Self {
            to: Collector {
                client,
                endpoint: endpoint.clone(),
                headers: resource::headers()?,
                metrics: metrics.clone(),
            },
            traces: Queue { sender, metrics },
            waiting: parking_lot::Mutex::new(Some(waiting)),
        })
    }

    /// Chooses the requests whose traces are sent.
    pub(crate) fn tracer(&self, ratio: f64, seams: &esker_model::seams::Seams) -> Tracer {
        Tracer::new(ratio, seams.clone(), Arc::new(self.traces.clone()))
    }

    /// Sends until `ended`; then what is left.
    pub(crate) async fn run(&self, state: Arc<State>, ended: CancellationToken) {
        let Some(waiting) = self.waiting.lock().take() else {
            return;
        };
        let end = End {
            ended,
            over: CancellationToken::new(),
        };
        let clock = async {
            end.ended.cancelled().await;
            tokio::time::sleep(LAST_MAX).await;
            end.over.cancel();
        };
        let sending = async {
            tokio::join!(
                send_traces(&self.to, &state, waiting, &end),
                send_metrics(&self.to, &state, &end),
            )
        };
        // Whoever sends ends by itself once the clock has run out.
        let beside = async {
            clock.await;
            std::future::pending::<()>().await;
        };
        tokio::select! {
            _ = sending => {}
            () = beside => {}
        }
    }
}

/// The agent's end as those see it who send.
struct End {
    /// What is left is sent now.
    ended: CancellationToken,
    /// [`LAST_MAX`] after that nothing is sent any more.
    over: CancellationToken,
}

async fn send_traces(to: &Collector, state: &State, mut waiting: mpsc::Receiver<Finished>, end: &End) {
    let ended = &end.ended;
    let mut health = Health::new("traces");
    let mut batch = Vec::with_capacity(TRACES_AT_ONCE);
    loop {
        let more = tokio::select! {
            biased;
            count = waiting.recv_many(&mut batch, TRACES_AT_ONCE) => count > 0,
            () = ended.cancelled() => false,
        };
        if more && batch.len() < TRACES_AT_ONCE {
            // Others that are answered in the same seconds go with it.
            let gather = async {
                while batch.len() < TRACES_AT_ONCE {
                    let left = TRACES_AT_ONCE - batch.len();
                    if waiting.recv_many(&mut batch, left).await == 0 {
                        return;
                    }
                }
            };
            tokio::select! {
                () = gather => {}
                () = tokio::time::sleep(TRACES_EVERY) => {}
                () = ended.cancelled() => {}
            }
        }
        if !batch.is_empty() {
            let count = batch.len() as u64;
            let request = traces::request(&resource::of(state), std::mem::take(&mut batch));
            let sent = to.send("v1/traces", request.encode_to_vec(), end).await;
            if !health.note(to, sent) {
                to.metrics.dropped.inc_by(count);
                if ended.is_cancelled() {
                    return;
                }
            }
        }
        if ended.is_cancelled() && waiting.is_empty() {
            return;
        }
        if !more {
            return;
        }
    }
}

async fn send_metrics(to: &Collector, state: &State, end: &End) {
    let ended = &end.ended;
    let mut health = Health::new("metrics");
    let every = resource::interval("OTEL_METRIC_EXPORT_INTERVAL").unwrap_or(METRICS_EVERY);
    loop {
        tokio::select! {
            biased;
            () = ended.cancelled() => {}
            () = tokio::time::sleep(every) => {}
        }
        let request = state
            .metrics()
            .map_err(|error| error.to_string())
            .and_then(|text| {
                metrics::request(
                    &resource::of(state),
                    &text,
                    state.started_ms(),
                    state.seams().clock.wall_ms(),
                )
            });
        let sent = match request {
            Ok(request) => to.send("v1/metrics", request.encode_to_vec(), end).await,
            Err(error) => Err(error),
        };
        health.note(to, sent);
        if ended.is_cancelled() {
            return;
        }
    }
}

impl Collector {
    /// Sends one request. The error is what to tell people; it does not repeat the address.
    async fn send(&self, path: &str, body: Vec<u8>, end: &End) -> Result<(), String> {
        let request = self
            .client
            .post(format!("{}/{path}", self.endpoint.expose()))
            .headers(self.headers.clone())
            .header(reqwest::header::CONTENT_TYPE, "application/x-protobuf")
            .body(body);
        let answer = tokio::select! {
            answer = request.send() => answer,
            () = end.over.cancelled() => return Err("the agent ends".to_owned()),
        };
        match answer {
            Ok(answer) if answer.status().is_success() => Ok(()),
            Ok(answer) => Err(format!("HTTP {}", answer.status())),
            Err(error) => Err(chain(&error.without_url())),
        }
    }
}

/// An error with its causes: the outer one says only that something could not be sent.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text = format!("{text}: {error}");
        source = error.source();
    }
    text
}

/// Says once that a collector does not take something, and once that it does again.
struct Health {
    signal: &'static str,
    failing: bool,
}

impl Health {
    fn new(signal: &'static str) -> Self {
        Self {
            signal,
            failing: false,
        }
    }

    /// Whether it was taken.
    fn note(&mut self, to: &Collector, sent: Result<(), String>) -> bool {
        let (signal, endpoint) = (self.signal, &to.endpoint);
        match sent {
            Ok(()) => {
                if self.failing {
                    info!("the collector at {endpoint} takes {signal} again");
                }
                self.failing = false;
                true
            }
            Err(why) => {
                to.metrics.failures.get_or_create(&SignalLabels { signal }).inc();
                if !self.failing {
                    let why = endpoint.scrub(&why);
                    warn!("the collector at {endpoint} does not take {signal}, which are dropped: {why}");
                }
                self.failing = true;
                false
            }
        }
    }
}
