//! How fast Postgres commits: extents per second and the time of one commit call.
//!
//! `cargo run --release -p esker-metastore --example commit_rate -- [url] [seconds]`
//! Without a URL (or with `-`) it starts a throwaway server that does not sync to disk. The database
//! must be empty. Prints one line per shape; it judges nothing.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::disallowed_methods)]

use esker_harness::throwaway_postgres as server;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use esker_metastore::postgres::{self, PostgresConfig, PostgresMetastore};
use esker_metastore::{
    AgentProfile, Agents, Clusters, CommitRequest, Commits, NewTopic, Producers, Registration, RunBatch,
    RunCommit, RunProducer, SegmentCommit, Topics,
};
use esker_model::sequence::Outcome;
use esker_model::{
    ClusterEpoch, ClusterId, IncarnationId, PartitionKey, ProducerEpoch, ProducerId, TopicKey, TopicUuid,
};
use uuid::Uuid;

/// One way to commit.
struct Shape {
    name: &'static str,
    writers: usize,
    /// All writers write to the same partitions.
    shared: bool,
    partitions: i32,
    segments: usize,
    /// Extents of one call.
    extents: usize,
    idempotent: bool,
}

const SHAPES: &[Shape] = &[
    Shape {
        name: "1 writer, idempotent",
        writers: 1,
        shared: false,
        partitions: 640,
        segments: 4,
        extents: 1600,
        idempotent: true,
    },
    Shape {
        name: "1 writer, no producer ids",
        writers: 1,
        shared: false,
        partitions: 640,
        segments: 4,
        extents: 1600,
        idempotent: false,
    },
    Shape {
        name: "2 writers, own partitions",
        writers: 2,
        shared: false,
        partitions: 640,
        segments: 4,
        extents: 1600,
        idempotent: true,
    },
    Shape {
        name: "3 writers, same partitions",
        writers: 3,
        shared: true,
        partitions: 640,
        segments: 4,
        extents: 1600,
        idempotent: true,
    },
    Shape {
        name: "1 writer, one small segment",
        writers: 1,
        shared: false,
        partitions: 8,
        segments: 1,
        extents: 8,
        idempotent: true,
    },
];

#[tokio::main]
async fn main() {
    let mut arguments = std::env::args().skip(1);
    let url = arguments
        .next()
        .filter(|url| url != "-")
        .or_else(server::start_or_reuse)
        .expect("a URL, or Postgres' programs");
    let seconds = arguments.next().map_or(5, |text| text.parse().expect("seconds"));
    postgres::migrate(&url).await.unwrap();
    let store = connect(&url).await;
    store.init_cluster(&ClusterId("rate".into())).await.unwrap();
    println!(
        "{:<30} {:>12} {:>10} {:>9} {:>9}",
        "shape", "extents/s", "calls/s", "p50 ms", "p99 ms"
    );
    for (number, shape) in SHAPES.iter().enumerate() {
        let mut topics = Vec::new();
        for writer in 0..shape.writers {
            if writer == 0 || !shape.shared {
                topics.push(create_topic(&store, number * 100 + writer, shape.partitions).await);
            }
        }
        let mut tasks = Vec::new();
        for writer in 0..shape.writers {
            let topic = topics[if shape.shared { 0 } else { writer }];
            let id = Uuid::from_u128((number * 100 + writer + 1) as u128);
            tasks.push(tokio::spawn(write(
                connect(&url).await,
                shape,
                id,
                topic,
                seconds,
            )));
        }
        let mut times = Vec::new();
        for task in tasks {
            times.extend(task.await.unwrap());
        }
        times.sort();
        let calls = times.len() as f64 / seconds as f64;
        let ms = |part: f64| times[((times.len() - 1) as f64 * part) as usize].as_secs_f64() * 1e3;
        println!(
            "{:<30} {:>12.0} {:>10.1} {:>9.2} {:>9.2}",
            shape.name,
            calls * shape.extents as f64,
            calls,
            ms(0.5),
            ms(0.99)
        );
    }
}

async fn connect(url: &str) -> PostgresMetastore {
    PostgresMetastore::connect(PostgresConfig::new(url))
        .await
        .unwrap()
}

async fn create_topic(store: &PostgresMetastore, number: usize, partitions: i32) -> TopicKey {
    let topic = NewTopic {
        uuid: TopicUuid(Uuid::from_u128(number as u128)),
        name: format!("topic-{number}"),
        partitions,
        replication_factor: 1,
        configs: BTreeMap::new(),
    };
    store.create_topics(&[topic]).await.unwrap()[0]
        .as_ref()
        .unwrap()
        .key
}

async fn write(
    store: PostgresMetastore,
    shape: &'static Shape,
    id: Uuid,
    topic: TopicKey,
    seconds: u64,
) -> Vec<Duration> {
    let incarnation = IncarnationId(id);
    let registration = Registration {
        node_name: format!("node-{id}"),
        incarnation,
        epoch: ClusterEpoch(1),
        profile: AgentProfile::default(),
    };
    store.register(&registration).await.unwrap();
    let producer = store.allocate_producer_ids(1).await.unwrap();
    let mut next_sequence = vec![0; shape.partitions as usize];
    let mut seq = 0;
    let mut times = Vec::new();
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(seconds) {
        let mut segments = Vec::new();
        for segment in 0..shape.segments {
            seq += 1;
            let mut runs = Vec::new();
            for index in 0..shape.extents / shape.segments {
                let at = (segment * shape.extents / shape.segments + index) % shape.partitions as usize;
                runs.push(run(
                    topic,
                    at,
                    producer,
                    next_sequence[at],
                    index as u64,
                    shape.idempotent,
                ));
                next_sequence[at] += 20;
            }
            segments.push(SegmentCommit {
                seq,
                object_bytes: 8 << 20,
                runs,
            });
        }
        let request = CommitRequest {
            epoch: ClusterEpoch(1),
            incarnation,
            settled_through: seq - shape.segments as u64,
            segments,
        };
        let began = Instant::now();
        let reply = store.commit(request).await.unwrap();
        times.push(began.elapsed());
        for pieces in reply.segments.iter().flat_map(|segment| &segment.runs) {
            assert!(matches!(pieces[..], [piece] if matches!(piece.outcome, Outcome::Appended { .. })));
        }
    }
    times
}

fn run(topic: TopicKey, partition: usize, id: i64, first: i32, index: u64, idempotent: bool) -> RunCommit {
    RunCommit {
        partition: PartitionKey {
            topic,
            partition: partition as i32,
        },
        producer: idempotent.then_some(RunProducer {
            id: ProducerId(id),
            epoch: ProducerEpoch(0),
            first_sequence: first,
        }),
        position: index * 5000,
        batches: vec![RunBatch {
            records: 20,
            bytes: 5000,
        }],
        max_timestamp: 1_700_000_000_000,
        transactional: false,
    }
}
