//! Traces: which requests are chosen, and what is told of each.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a failure here is a failed test"
)]

mod support;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use esker_broker::trace::{Finished, Note, SPANS_MAX, Span, TraceSink, Tracer};
use esker_protocol::messages::{ApiVersionsRequest, ProduceRequest};
use support::faults::{Fault, Slow};
use support::{World, plain_batch, produce_request};

/// Keeps all that it takes.
#[derive(Default)]
struct Kept(Mutex<Vec<Finished>>);

impl TraceSink for Kept {
    fn take(&self, trace: Finished) {
        self.0.lock().unwrap().push(trace);
    }
}

impl Kept {
    fn of(&self, api: &str) -> Vec<Finished> {
        let kept = self.0.lock().unwrap();
        kept.iter()
            .filter(|trace| trace.request.name == api)
            .cloned()
            .collect()
    }

    /// Waits until so many traces of an API were handed over: the last stage may end after the answer is read.
    async fn wait_for(&self, api: &str, count: usize) -> Vec<Finished> {
        for _ in 0..500 {
            let found = self.of(api);
            if found.len() >= count {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("{count} traces of {api} did not come: {:?}", self.of(api));
    }
}

fn world(ratio: f64) -> (World, Arc<Kept>) {
    let mut world = World::new();
    let kept = Arc::new(Kept::default());
    world.tracer = Tracer::new(
        ratio,
        world.seams.clone(),
        Arc::clone(&kept) as Arc<dyn TraceSink>,
    );
    (world, kept)
}

fn note<'a>(span: &'a Span, name: &str) -> &'a Note {
    &span.notes.iter().find(|(known, _)| *known == name).unwrap().1
}

fn names(trace: &Finished) -> Vec<&'static str> {
    trace.spans.iter().map(|span| span.name).collect()
}

const STAGES: [&str; 5] = [
    "hot segment",
    "upload",
    "wait for commit",
    "commit",
    "acknowledge",
];

#[tokio::test]
async fn a_produce_request_is_followed_to_its_acknowledgement() {
    let (world, kept) = world(1.0);
    let agent = world.agent("a").await;
    let mut client = agent.connect();
    client.create_topic("t", 1).await;
    let slow = Duration::from_millis(60);
    agent.faults.slow(Slow {
        commits: slow,
        ..Slow::default()
    });
    client.produce("t", 0, plain_batch(3)).await;
    let trace = kept.wait_for("Produce", 1).await.remove(0);
    assert_eq!(names(&trace), STAGES);
    for (earlier, later) in trace.spans.iter().zip(&trace.spans[1..]) {
        assert_eq!(earlier.ended, later.began, "{} and {}", earlier.name, later.name);
    }
    assert!(trace.request.began <= trace.spans[0].began);
    assert!(trace.spans[4].ended <= trace.request.ended);
    assert!(trace.spans[3].ended - trace.spans[3].began >= slow);
    assert_eq!(trace.error, None);
    assert_eq!(trace.left_out, 0);
    assert_eq!(
        note(&trace.request, "messaging.client.id"),
        &Note::Text("test".into())
    );
    let wall = Duration::from_millis(world.seams.clock.wall_ms() as u64);
    assert!(wall.abs_diff(trace.request.ended) < Duration::from_secs(60));

    let text = text_of(&agent.metrics);
    let exemplar = format!("# {{trace_id=\"{}\"}}", trace.id);
    let line = text
        .lines()
        .find(|line| line.contains(&exemplar) && line.contains("esker_ack_seconds_bucket"));
    assert!(line.is_some(), "{exemplar} is in no bucket:\n{text}");
}

fn text_of(metrics: &esker_broker::metrics::BrokerMetrics) -> String {
    let mut registry = prometheus_client::registry::Registry::default();
    metrics.register(&mut registry);
    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
    text
}

#[tokio::test]
async fn requests_that_share_a_segment_are_each_told_of_it() {
    let (world, kept) = world(1.0);
    let agent = world.agent("a").await;
    let mut client = agent.connect();
    client.create_topic("t", 1).await;
    agent.faults.slow(Slow {
        commits: Duration::from_millis(20),
        ..Slow::default()
    });
    for _ in 0..40 {
        client.send(9, &produce_request("t", 0, plain_batch(1))).await;
    }
    for _ in 0..40 {
        client.receive::<ProduceRequest>(9).await;
    }
    let traces = kept.wait_for("Produce", 40).await;
    let mut segments: Vec<_> = traces
        .iter()
        .map(|trace| format!("{:?}", note(&trace.spans[1], "esker.segment")))
        .collect();
    segments.sort_unstable();
    segments.dedup();
    assert!(segments.len() < 40, "no two requests shared a segment");
    assert!(traces.iter().all(|trace| names(trace) == STAGES));
}

#[tokio::test]
async fn a_failed_request_names_its_error() {
    let (world, kept) = world(1.0);
    let agent = world.agent("a").await;
    let mut client = agent.connect();
    client.create_topic("t", 1).await;
    let answer = client.produce("t", 7, plain_batch(1)).await;
    assert_eq!(answer.error_code, 3);
    let refused = kept.wait_for("Produce", 1).await.remove(0);
    assert_eq!(refused.error, Some("UNKNOWN_TOPIC_OR_PARTITION"));
    assert!(refused.spans.is_empty());

    // It is tombstoned: it was uploaded, and the call that was lost is a stage.
    agent.faults.queue(&[Fault::Lost]);
    assert_ne!(client.produce("t", 0, plain_batch(1)).await.error_code, 0);
    let lost = kept.wait_for("Produce", 2).await.remove(1);
    assert!(lost.error.is_some());
    assert_eq!(names(&lost), STAGES);
}

#[tokio::test]
async fn a_client_that_leaves_ends_its_traces_all_the_same() {
    let (world, kept) = world(1.0);
    let agent = world.agent("a").await;
    let mut client = agent.connect();
    client.create_topic("t", 1).await;
    agent.faults.slow(Slow {
        commits: Duration::from_millis(100),
        ..Slow::default()
    });
    client.send(9, &produce_request("t", 0, plain_batch(1))).await;
    // Until its batch lies in the hot segment.
    tokio::time::sleep(Duration::from_millis(30)).await;
    drop(client);
    let trace = kept.wait_for("Produce", 1).await.remove(0);
    assert_eq!(names(&trace), STAGES);
    assert!(trace.request.ended >= trace.spans[4].ended);
}

#[tokio::test]
async fn a_fetch_has_its_stages() {
    let (world, kept) = world(1.0);
    let agent = world.agent("a").await;
    let mut client = agent.connect();
    client.create_topic("t", 1).await;
    client.produce("t", 0, plain_batch(3)).await;
    client.fetch("t", 0, 0).await;
    let trace = kept.wait_for("Fetch", 1).await.remove(0);
    assert_eq!(names(&trace), ["find records, or wait", "read", "assemble"]);
}

#[tokio::test]
async fn so_many_requests_are_chosen_as_the_ratio_says() {
    for (ratio, least, most) in [(0.0, 0, 0), (0.25, 180, 330), (1.0, 1000, 1000)] {
        let (world, kept) = world(ratio);
        let agent = world.agent("a").await;
        let mut client = agent.connect();
        client.create_topic("t", 1).await;
        for _ in 0..1000 {
            client.call(0, &ApiVersionsRequest::default()).await;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
        let chosen = kept.of("ApiVersions").len();
        assert!((least..=most).contains(&chosen), "{ratio}: {chosen}");
    }
}

#[tokio::test]
async fn a_trace_has_a_bounded_number_of_spans() {
    let (world, kept) = world(1.0);
    let agent = world
        .agent_with("a", |mut config| {
            config.segment_bytes = 1;
            config
        })
        .await;
    let mut client = agent.connect();
    let partitions = 40;
    client.create_topic("t", partitions).await;
    let mut request = produce_request("t", 0, plain_batch(1));
    let first = request.topic_data[0].partition_data[0].clone();
    request.topic_data[0].partition_data = (0..partitions)
        .map(|index| first.clone().with_index(index))
        .collect();
    client.call(9, &request).await;
    let trace = kept.wait_for("Produce", 1).await.remove(0);
    assert_eq!(trace.spans.len(), SPANS_MAX);
    assert_eq!(trace.spans.len() as u64 + trace.left_out, 5 * partitions as u64);
}
