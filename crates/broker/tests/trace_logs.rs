//! Log lines about a traced request. A program of its own: what is logged belongs to the whole process.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a failure here is a failed test"
)]

mod support;

use std::sync::{Arc, Mutex};

use esker_broker::trace::{Finished, TraceSink, Tracer};
use support::faults::Fault;
use support::{World, plain_batch};

/// Keeps the ids of the traces of produce requests.
#[derive(Default)]
struct Ids(Mutex<Vec<String>>);

impl TraceSink for Ids {
    fn take(&self, trace: Finished) {
        if trace.request.name == "Produce" {
            self.0.lock().unwrap().push(trace.id.to_string());
        }
    }
}

/// Keeps what is logged.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn log_lines_about_a_traced_request_carry_its_id() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .json()
        .with_span_list(false)
        .with_writer(move || writer.clone())
        .finish();
    let _logging = tracing::subscriber::set_default(subscriber);
    let ids = Arc::new(Ids::default());
    let mut world = World::new();
    world.tracer = Tracer::new(1.0, world.seams.clone(), Arc::clone(&ids) as Arc<dyn TraceSink>);
    let agent = world.agent("a").await;
    let mut client = agent.connect();
    client.create_topic("t", 1).await;
    agent.faults.queue(&[Fault::Unavailable]);
    client.produce("t", 0, plain_batch(1)).await;
    while ids.0.lock().unwrap().is_empty() {
        tokio::task::yield_now().await;
    }
    let id = ids.0.lock().unwrap().remove(0);
    let text = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    let line = text
        .lines()
        .find(|line| line.contains("commit failed: trying again"));
    let line = line.unwrap_or_else(|| panic!("nothing was logged: {text}"));
    assert!(line.contains(&format!("\"trace_id\":\"{id}\"")), "{line}");
}
