//! Somebody who does ordinary work: a producer of a small batch every few milliseconds, and a consumer at the
//! end of the log, who checks that it gets all of them in order.

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use esker_protocol::StrBytes;
use esker_protocol::batch::Batches;
use esker_protocol::messages::create_topics_request::{CreatableTopic, CreatableTopicConfig};
use esker_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use esker_protocol::messages::{BrokerId, CreateTopicsRequest, FetchRequest, TopicName};
use esker_protocol::records::OpenBatch;

use crate::frames;
use esker_e2e::wire::Wire;

pub(crate) const TOPIC: &str = "bystander";
/// Pause between two batches.
const PAUSE: Duration = Duration::from_millis(10);
const FETCH_VERSION: i16 = 12;

/// What it saw since it was last asked.
#[derive(Default)]
struct Seen {
    acks_ms: Vec<f64>,
    errors: Vec<String>,
}

/// Figures of one phase.
#[derive(Debug)]
pub(crate) struct Figures {
    pub(crate) acks: usize,
    pub(crate) p50_ms: f64,
    pub(crate) p99_ms: f64,
    pub(crate) max_ms: f64,
    pub(crate) consumed: u64,
    pub(crate) errors: Vec<String>,
}

#[derive(Default)]
struct Shared {
    stop: AtomicBool,
    acked: AtomicU64,
    consumed: AtomicU64,
    seen: Mutex<Seen>,
}

/// Both threads.
pub(crate) struct Bystander {
    shared: Arc<Shared>,
    consumed_before: u64,
    threads: Vec<JoinHandle<()>>,
}

impl Bystander {
    /// Creates its topic and begins.
    pub(crate) fn start(at: SocketAddr) -> Self {
        create_topic(at, TOPIC, 1);
        let shared = Arc::new(Shared::default());
        let run = |work: fn(SocketAddr, &Shared) -> io::Result<()>| {
            let shared = Arc::clone(&shared);
            std::thread::spawn(move || {
                // A connection that is lost is an error that counts, and is opened again.
                while !shared.stop.load(Ordering::Relaxed) {
                    if let Err(err) = work(at, &shared) {
                        shared.seen.lock().unwrap().errors.push(err.to_string());
                        std::thread::sleep(Duration::from_millis(200));
                    }
                }
            })
        };
        let threads = vec![run(produce), run(consume)];
        Self {
            shared,
            consumed_before: 0,
            threads,
        }
    }

    /// The figures since the last call.
    pub(crate) fn figures(&mut self) -> Figures {
        let mut seen = std::mem::take(&mut *self.shared.seen.lock().unwrap());
        seen.acks_ms.sort_by(f64::total_cmp);
        let at = |part: f64| {
            let place = (seen.acks_ms.len() as f64 * part) as usize;
            seen.acks_ms
                .get(place)
                .or(seen.acks_ms.last())
                .copied()
                .unwrap_or(f64::INFINITY)
        };
        let consumed = self.shared.consumed.load(Ordering::Relaxed);
        let figures = Figures {
            acks: seen.acks_ms.len(),
            p50_ms: at(0.5),
            p99_ms: at(0.99),
            max_ms: at(1.0),
            consumed: consumed - self.consumed_before,
            errors: seen.errors,
        };
        self.consumed_before = consumed;
        figures
    }

    /// Ends both, when all that was acknowledged was read.
    pub(crate) fn finish(mut self) {
        let caught_up = esker_harness::wait_until(Duration::from_secs(30), || {
            self.shared.consumed.load(Ordering::Relaxed) >= self.shared.acked.load(Ordering::Relaxed)
        });
        self.stop();
        assert!(
            caught_up,
            "{} batches were acknowledged, {} read",
            self.shared.acked.load(Ordering::Relaxed),
            self.shared.consumed.load(Ordering::Relaxed)
        );
    }

    fn stop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

impl Drop for Bystander {
    fn drop(&mut self) {
        self.stop();
    }
}

pub(crate) fn create_topic(at: SocketAddr, name: &str, partitions: i32) {
    // Records that were old when they were sent stay.
    let text = StrBytes::from_static_str;
    let config = CreatableTopicConfig::default()
        .with_name(text("retention.ms"))
        .with_value(Some(text("-1")));
    let topic = CreatableTopic::default()
        .with_name(TopicName(StrBytes::from_string(name.to_owned())))
        .with_configs(vec![config])
        .with_num_partitions(partitions)
        .with_replication_factor(1);
    let request = CreateTopicsRequest::default()
        .with_topics(vec![topic])
        .with_timeout_ms(30_000);
    let answer = Wire::connect(at).unwrap().call(7, &request).unwrap();
    assert!(matches!(answer.topics[0].error_code, 0 | 36), "{answer:?}");
}

/// Creates a topic of one partition with so many batches of 900 kB.
pub(crate) fn fill(at: SocketAddr, topic: &str, batches: u64) {
    create_topic(at, topic, 1);
    let mut wire = Wire::connect(at).unwrap();
    for number in 0..batches {
        let batch = frames::batch(&number.to_be_bytes(), 900_000);
        let answer = wire.call(9, &frames::produce(topic, 0, batch)).unwrap();
        assert_eq!(answer.responses[0].partition_responses[0].error_code, 0);
    }
}

fn produce(at: SocketAddr, shared: &Shared) -> io::Result<()> {
    let mut wire = Wire::connect(at)?;
    while !shared.stop.load(Ordering::Relaxed) {
        let number = shared.acked.load(Ordering::Relaxed);
        let batch = frames::batch(&number.to_be_bytes(), 200);
        let began = Instant::now();
        let answer = wire.call(9, &frames::produce(TOPIC, 0, batch))?;
        let partition = &answer.responses[0].partition_responses[0];
        if partition.error_code != 0 {
            return Err(io::Error::other(format!(
                "produce: error {}",
                partition.error_code
            )));
        }
        shared.acked.fetch_add(1, Ordering::Relaxed);
        let took = began.elapsed().as_secs_f64() * 1e3;
        shared.seen.lock().unwrap().acks_ms.push(took);
        std::thread::sleep(PAUSE);
    }
    Ok(())
}

fn consume(at: SocketAddr, shared: &Shared) -> io::Result<()> {
    let mut wire = Wire::connect(at)?;
    let mut from = shared.consumed.load(Ordering::Relaxed) as i64;
    while !shared.stop.load(Ordering::Relaxed) {
        let records = fetch(&mut wire, TOPIC, 0, from, 1 << 20)?;
        for (offset, value) in records {
            if offset < from {
                continue;
            }
            // One that was not acknowledged may have been sent again: order holds, numbers repeat.
            assert_eq!(offset, from, "an offset was skipped: {value:?}");
            from += 1;
            shared.consumed.store(from as u64, Ordering::Relaxed);
        }
    }
    Ok(())
}

/// Offsets of the records of one partition from an offset on, with the first 8 bytes of their values.
pub(crate) fn fetch(
    wire: &mut Wire,
    topic: &str,
    partition: i32,
    from: i64,
    bytes_max: i32,
) -> io::Result<Vec<(i64, u64)>> {
    let answer = wire.call(FETCH_VERSION, &fetch_request(topic, partition, from, bytes_max))?;
    let Some(part) = answer
        .responses
        .first()
        .and_then(|topic| topic.partitions.first())
    else {
        return Err(io::Error::other(format!("fetch: error {}", answer.error_code)));
    };
    if part.error_code != 0 {
        return Err(io::Error::other(format!("fetch: error {}", part.error_code)));
    }
    let mut found = Vec::new();
    for batch in Batches::new(part.records.clone().unwrap_or_default()) {
        let batch = batch.map_err(io::Error::other)?;
        let base = batch.header.base_offset;
        let open = OpenBatch::open(&batch, 1 << 26).map_err(io::Error::other)?;
        for record in open.records() {
            let record = record.map_err(io::Error::other)?;
            let value = record.value.unwrap_or_default();
            let number = value.first_chunk().map_or(0, |first| u64::from_be_bytes(*first));
            found.push((base + i64::from(record.offset_delta), number));
        }
    }
    Ok(found)
}

pub(crate) fn fetch_request(topic: &str, partition: i32, from: i64, bytes_max: i32) -> FetchRequest {
    let part = FetchPartition::default()
        .with_partition(partition)
        .with_fetch_offset(from)
        .with_partition_max_bytes(bytes_max);
    let topic = FetchTopic::default()
        .with_topic(TopicName(StrBytes::from_string(topic.to_owned())))
        .with_partitions(vec![part]);
    FetchRequest::default()
        .with_replica_id(BrokerId(-1))
        .with_max_wait_ms(500)
        .with_min_bytes(1)
        .with_max_bytes(bytes_max)
        .with_session_epoch(-1)
        .with_topics(vec![topic])
}
