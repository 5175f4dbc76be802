//! What a collector receives by OTLP, and what `/metrics` says of topics and of the agent.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods
)]

mod support;

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;
use support::{Background, Dev, PATIENCE, esker, get};

/// A collector of our own: it takes everything, or refuses everything.
#[derive(Clone, Default)]
struct Collector {
    traces: Arc<Mutex<Vec<ExportTraceServiceRequest>>>,
    metrics: Arc<Mutex<Vec<ExportMetricsServiceRequest>>>,
    tokens: Arc<Mutex<Vec<String>>>,
    refuses: Arc<AtomicBool>,
}

impl Collector {
    fn start() -> (Self, String) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let collector = Self::default();
        let serving = collector.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (serving, stream) = (serving.clone(), stream.unwrap());
                std::thread::spawn(move || serving.serve(stream));
            }
        });
        (collector, format!("http://{address}"))
    }

    fn serve(&self, stream: std::net::TcpStream) {
        let mut reader = BufReader::new(stream.try_clone().unwrap());
        let mut stream = stream;
        loop {
            let mut first = String::new();
            if reader.read_line(&mut first).unwrap_or(0) == 0 {
                return;
            }
            let mut bytes = 0;
            loop {
                let mut line = String::new();
                reader.read_line(&mut line).unwrap();
                let line = line.trim().to_ascii_lowercase();
                if line.is_empty() {
                    break;
                }
                match line.split_once(": ") {
                    Some(("content-length", count)) => bytes = count.parse().unwrap(),
                    Some(("x-token", token)) => self.tokens.lock().unwrap().push(token.to_owned()),
                    _ => {}
                }
            }
            let mut body = vec![0; bytes];
            reader.read_exact(&mut body).unwrap();
            let status = if self.refuses.load(Ordering::Relaxed) {
                "503 Service Unavailable"
            } else if first.starts_with("POST /v1/traces ") {
                let request = ExportTraceServiceRequest::decode(body.as_slice()).unwrap();
                self.traces.lock().unwrap().push(request);
                "200 OK"
            } else {
                assert!(first.starts_with("POST /v1/metrics "), "{first}");
                let request = ExportMetricsServiceRequest::decode(body.as_slice()).unwrap();
                self.metrics.lock().unwrap().push(request);
                "200 OK"
            };
            write!(stream, "HTTP/1.1 {status}\r\ncontent-length: 0\r\n\r\n").unwrap();
        }
    }

    fn spans(&self) -> Vec<Span> {
        let requests = self.traces.lock().unwrap();
        let resources = requests.iter().flat_map(|request| &request.resource_spans);
        let scopes = resources.flat_map(|resource| &resource.scope_spans);
        scopes.flat_map(|scope| scope.spans.clone()).collect()
    }
}

fn dev(directory: &std::path::Path, endpoint: &str) -> Background {
    let data = directory.to_str().unwrap();
    let mut command = esker(&[
        "dev",
        "--data-dir",
        data,
        "--kafka-addr",
        "127.0.0.1:0",
        "--admin-addr",
        "127.0.0.1:0",
        "--otel-endpoint",
        endpoint,
        "--otel-traces-sample-ratio",
        "1",
    ]);
    command
        .env("OTEL_METRIC_EXPORT_INTERVAL", "100")
        .env("OTEL_EXPORTER_OTLP_HEADERS", "x-token=abc%3D")
        .env("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=trial")
        .env("RUST_LOG", "info");
    Background::start(command)
}

fn attribute(resource: &Resource, name: &str) -> Option<String> {
    let found = resource
        .attributes
        .iter()
        .find(|attribute| attribute.key == name)?;
    match found.value.clone()?.value? {
        Value::StringValue(text) => Some(text),
        _ => None,
    }
}

fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "{what} did not come");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// The addresses that an agent says it listens on.
fn addresses(agent: &mut Background) -> (String, String) {
    let lines: Vec<String> = (0..4).map(|_| agent.out_line()).collect();
    let address = |start: &str| {
        let text = lines
            .iter()
            .find_map(|line| line.split_once(start))
            .unwrap_or_else(|| panic!("{lines:?}"))
            .1;
        text.split(|c: char| c.is_whitespace() || c == '/')
            .next()
            .unwrap()
            .to_owned()
    };
    (address(" -b "), address("http://"))
}

#[test]
fn a_collector_receives_traces_and_the_metrics_of_the_page() {
    let directory = tempfile::tempdir().unwrap();
    let (collector, endpoint) = Collector::start();
    let mut agent = dev(directory.path(), &endpoint);
    let (kafka, admin) = addresses(&mut agent);
    support::run_command(esker(&["produce", "t", "-q", "-b", &kafka]), b"x\n").ok();

    let spans = until("the trace of a produce request", || {
        let spans = collector.spans();
        spans.iter().any(|span| span.name == "Produce").then_some(spans)
    });
    let root = spans.iter().find(|span| span.name == "Produce").unwrap();
    let stages: Vec<_> = spans
        .iter()
        .filter(|span| span.trace_id == root.trace_id && span.parent_span_id == root.span_id)
        .collect();
    let names: Vec<_> = stages.iter().map(|span| span.name.as_str()).collect();
    assert_eq!(
        names,
        [
            "hot segment",
            "upload",
            "wait for commit",
            "commit",
            "acknowledge"
        ]
    );
    for stage in stages {
        assert!(root.start_time_unix_nano <= stage.start_time_unix_nano);
        assert!(stage.end_time_unix_nano <= root.end_time_unix_nano);
    }
    let resource = collector.traces.lock().unwrap()[0].resource_spans[0]
        .resource
        .clone()
        .unwrap();
    assert_eq!(attribute(&resource, "service.name").as_deref(), Some("esker"));
    assert_eq!(
        attribute(&resource, "service.instance.id").as_deref(),
        Some("dev")
    );
    assert_eq!(
        attribute(&resource, "deployment.environment.name").as_deref(),
        Some("trial")
    );
    assert!(
        collector
            .tokens
            .lock()
            .unwrap()
            .iter()
            .all(|token| token == "abc=")
    );

    let (_, page) = get(&admin, "/metrics").unwrap();
    let names: BTreeMap<String, ()> = page
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE "))
        .map(|line| match line.split_once(' ').unwrap() {
            (name, "counter") => format!("{name}_total"),
            (name, "info") => format!("{name}_info"),
            (name, _) => name.to_owned(),
        })
        .filter(|name| {
            page.lines()
                .any(|line| !line.starts_with('#') && line.starts_with(name.as_str()))
        })
        .map(|name| (name, ()))
        .collect();
    until("all metrics of the page", || {
        let requests = collector.metrics.lock().unwrap();
        let last = requests.last()?;
        let told: Vec<_> = last.resource_metrics[0].scope_metrics[0]
            .metrics
            .iter()
            .map(|metric| metric.name.clone())
            .collect();
        names.keys().all(|name| told.contains(name)).then_some(())
    });
}

#[test]
fn what_is_left_is_sent_when_the_agent_ends() {
    let directory = tempfile::tempdir().unwrap();
    let (collector, endpoint) = Collector::start();
    let mut agent = dev(directory.path(), &endpoint);
    let (kafka, _) = addresses(&mut agent);
    support::run_command(esker(&["produce", "t", "-q", "-b", &kafka]), b"x\n").ok();
    agent.signal("TERM");
    assert_eq!(agent.wait().code(), Some(0));
    assert!(collector.spans().iter().any(|span| span.name == "Produce"));
}

#[test]
fn a_collector_that_refuses_disturbs_nobody_and_is_said_once() {
    let directory = tempfile::tempdir().unwrap();
    let (collector, endpoint) = Collector::start();
    collector.refuses.store(true, Ordering::Relaxed);
    let mut agent = dev(directory.path(), &endpoint);
    let (kafka, admin) = addresses(&mut agent);
    agent.err_line("does not take metrics, which are dropped: HTTP 503");
    support::run_command(esker(&["produce", "t", "-q", "-b", &kafka]), b"x\n").ok();
    until("dropped traces", || {
        let (_, page) = get(&admin, "/metrics").unwrap();
        let dropped = page
            .lines()
            .find_map(|line| line.strip_prefix("esker_traces_dropped_total "))?;
        (dropped != "0").then_some(())
    });
    collector.refuses.store(false, Ordering::Relaxed);
    let said = agent.err_line("takes metrics again");
    assert!(!said.contains("503"));
    agent.signal("TERM");
    assert_eq!(agent.wait().code(), Some(0));
}

#[test]
fn a_collector_that_is_not_there_does_not_delay_the_end() {
    let directory = tempfile::tempdir().unwrap();
    let mut agent = dev(
        directory.path(),
        &format!("http://127.0.0.1:{}", support::free_port()),
    );
    addresses(&mut agent);
    agent.err_line("does not take metrics");
    let asked = Instant::now();
    agent.signal("TERM");
    assert_eq!(agent.wait().code(), Some(0));
    assert!(asked.elapsed() < Duration::from_secs(10));
}

#[test]
fn wrong_settings_are_said() {
    for (flag, value, part) in [
        ("--otel-endpoint", "collector:4317", "write http://host:4318"),
        ("--otel-traces-sample-ratio", "2", "a number from 0 to 1"),
        ("--metrics-topics-max", "many", "not a whole number"),
        (
            "--prices-file",
            "/nowhere/prices.toml",
            "cannot read the prices file",
        ),
    ] {
        support::run(&["dev", flag, value]).says(2, part);
    }
}

#[test]
fn few_topics_have_metrics_of_their_own() {
    let directory = tempfile::tempdir().unwrap();
    let dev: Dev = Background::dev(directory.path(), &["--metrics-topics-max", "2"]);
    for topic in ["a", "b", "c", "d"] {
        dev.client_with(&["produce", topic, "-q"], b"x\n").ok();
    }
    let (_, page) = get(&dev.admin, "/metrics").unwrap();
    let topics: Vec<_> = page
        .lines()
        .filter_map(|line| line.strip_prefix("esker_produce_bytes_total{topic=\""))
        .map(|line| line.split('"').next().unwrap())
        .collect();
    assert_eq!(topics.len(), 3, "{topics:?}");
    assert!(topics.contains(&"_other"));
    for sample in [
        "esker_ready 1",
        "esker_dependency_up{dependency=\"metastore\"} 1",
        "esker_dependency_up{dependency=\"bucket\"} 1",
        "esker_live_agents 1",
        "esker_agent_info{node_name=\"dev\",",
        "esker_upkeep_held{work=\"archive\"} ",
        "esker_memory_max_bytes{use=\"produce\"} ",
        "esker_metastore_seconds_count ",
        "esker_epoch_reads_total{outcome=\"foreign\"} 0",
        "esker_zone_bytes_total{direction=\"in\",zone=\"unknown\"} ",
        "esker_price_dollars{item=\"put\"} 0.000005",
        "esker_price_dollars{item=\"agent_hour\"} ",
        "esker_prices_timestamp_seconds 17",
        "process_cpu_seconds_total ",
        "process_resident_memory_bytes ",
    ] {
        assert!(
            page.lines().any(|line| line.starts_with(sample)),
            "{sample} is not in\n{page}"
        );
    }
}
