//! A cluster in one test: brokers over one metastore in memory and one bucket in memory, a client that
//! speaks Kafka's protocol to any of them, and a writer that commits segments by hand, as an agent that
//! nobody else talks to.

#![allow(
    dead_code,
    unreachable_pub,
    missing_docs,
    clippy::unwrap_used,
    clippy::disallowed_methods
)]

pub mod archive;
pub mod manifest;
mod metastore;
#[path = "../support/pass_on.rs"]
mod pass_on;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use esker_broker::authorizer::AllowAll;
use esker_broker::budget::Budget;
use esker_broker::fetch::HistoryApart;
use esker_broker::metrics::BrokerMetrics;
use esker_broker::{Broker, BrokerConfig, Dependencies, ListenerConfig};
use esker_metastore::sqlite::SqliteMetastore;
use esker_metastore::{
    AgentProfile, Agents, CommitRequest, Commits, MetastoreMetrics, NewTopic, Registration, RunBatch,
    RunCommit, SegmentCommit, Topic, Topics,
};
use esker_model::seams::{Seams, SeededRng, SystemClock, TokioSpawner};
use esker_model::{ClusterEpoch, IncarnationId, PartitionKey, SegmentId, SegmentKind, TopicUuid};
use esker_protocol::StrBytes;
use esker_protocol::batch::{BatchHeader, Batches};
use esker_protocol::client::{self, ClientRequest};
use esker_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use esker_protocol::messages::fetch_response::PartitionData;
use esker_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use esker_protocol::messages::{FetchRequest, FetchResponse, ProduceRequest, TopicName};
use esker_protocol::records::{BatchBuilder, OpenBatch};
use esker_storage::bucket::Bucket;
use esker_storage::cache::LruCache;
use esker_storage::keys::object_key;
use esker_storage::metrics::Op;
use esker_storage::segment::{Batch, Receipts, Run, Sealed, SegmentWriter};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

pub use metastore::MoodyMetastore;

/// What brokers are built on.
pub struct Cluster {
    pub seams: Seams,
    pub metastore: Arc<MoodyMetastore>,
    pub bucket: Bucket,
}

/// One broker with counters of its own.
pub struct Agent {
    pub broker: Arc<Broker>,
    pub metrics: BrokerMetrics,
}

impl Cluster {
    pub fn new() -> Self {
        let seams = Seams {
            clock: Arc::new(SystemClock::new()),
            rng: Arc::new(SeededRng::new(7)),
            spawner: Arc::new(TokioSpawner::current()),
        };
        let metastore =
            SqliteMetastore::in_memory(Arc::clone(&seams.clock), MetastoreMetrics::default()).unwrap();
        Self {
            metastore: Arc::new(MoodyMetastore::new(metastore)),
            bucket: Bucket::memory(seams.clone()),
            seams,
        }
    }

    pub async fn agent(&self, name: &str) -> Agent {
        self.agent_with(name, 256 << 20).await
    }

    pub async fn agent_with(&self, name: &str, memory_bytes: u64) -> Agent {
        let metrics = BrokerMetrics::default();
        let history = Budget::history_cache_bytes(memory_bytes);
        let recent = Budget::cache_bytes(memory_bytes) - history;
        let on = Dependencies {
            seams: self.seams.clone(),
            metastore: self.metastore.clone(),
            bucket: self.bucket.clone(),
            cache: Arc::new(HistoryApart::new(LruCache::new(recent), LruCache::new(history))),
            authorizer: Arc::new(AllowAll),
            metrics: metrics.clone(),
            tracer: esker_broker::trace::Tracer::off(),
        };
        let config = BrokerConfig {
            node_name: name.into(),
            memory_bytes,
            flush_interval: Duration::ZERO,
            ..BrokerConfig::default()
        };
        Agent {
            broker: Broker::start(config, on).await.unwrap(),
            metrics,
        }
    }

    pub async fn topic(&self, name: &str, partitions: i32) -> Topic {
        let new = NewTopic {
            uuid: TopicUuid(self.seams.rng.uuid()),
            name: name.into(),
            partitions,
            replication_factor: 1,
            configs: BTreeMap::new(),
        };
        self.metastore
            .create_topics(&[new])
            .await
            .unwrap()
            .remove(0)
            .unwrap()
    }

    pub async fn put(&self, sealed: Sealed) {
        let deadline = self.seams.clock.now().plus(Duration::from_secs(10));
        let key = object_key(&sealed.id);
        self.bucket
            .put_new(&key, sealed.payload, sealed.tail, deadline)
            .await
            .unwrap();
    }

    /// GETs that found an object so far.
    pub fn gets(&self) -> u64 {
        self.bucket.metrics().requests(Op::Get, "ok")
    }

    /// An agent without a broker, whose commits the brokers only learn of from the metastore.
    pub async fn writer(&self, name: &str) -> Writer<'_> {
        let incarnation = IncarnationId(self.seams.rng.uuid());
        let registration = Registration {
            node_name: name.into(),
            incarnation,
            epoch: ClusterEpoch(1),
            profile: AgentProfile::default(),
        };
        self.metastore.register(&registration).await.unwrap();
        Writer {
            cluster: self,
            incarnation,
            next_seq: 1,
        }
    }
}

impl Agent {
    /// Bytes sent to consumers of a topic from a source.
    pub fn fetched(&self, topic: &str, source: &'static str) -> u64 {
        self.metrics.topics.fetched(topic, source)
    }

    pub fn client(&self) -> Client {
        let (ours, theirs) = tokio::io::duplex(1 << 20);
        let listener = Arc::new(ListenerConfig {
            name: "PLAINTEXT".into(),
            security_protocol: "PLAINTEXT".into(),
            bound: "0.0.0.0:9092".into(),
            advertised_host: "localhost".into(),
            advertised_port: 9092,
            zone: None,
        });
        let broker = Arc::clone(&self.broker);
        tokio::spawn(async move { broker.serve(theirs, listener, "test".into()).await });
        Client {
            stream: ours,
            correlation: 0,
        }
    }
}

/// Commits segments by hand.
pub struct Writer<'a> {
    cluster: &'a Cluster,
    incarnation: IncarnationId,
    next_seq: u64,
}

/// A run to write: partition and batches.
pub type RunOf<'t> = (&'t Topic, i32, Vec<Bytes>);

impl Writer<'_> {
    /// Uploads and commits one segment.
    pub async fn write(&mut self, runs: &[RunOf<'_>]) -> SegmentId {
        let (sealed, commit) = self.seal(runs);
        let id = sealed.id;
        self.cluster.put(sealed).await;
        self.commit(commit).await;
        id
    }

    /// Commits a segment whose object is not in the bucket.
    pub async fn commit_lost(&mut self, runs: &[RunOf<'_>]) -> SegmentId {
        let (sealed, commit) = self.seal(runs);
        self.commit(commit).await;
        sealed.id
    }

    fn seal(&mut self, runs: &[RunOf<'_>]) -> (Sealed, SegmentCommit) {
        let seq = self.next_seq;
        self.next_seq += 1;
        let id = SegmentId {
            kind: SegmentKind::Ingest,
            epoch: ClusterEpoch(1),
            incarnation: self.incarnation,
            seq,
        };
        let mut writer = SegmentWriter::new(id, Receipts::default());
        let mut commits = Vec::new();
        for (topic, partition, batches) in runs {
            let headers: Vec<BatchHeader> = batches
                .iter()
                .map(|batch| BatchHeader::parse(batch).unwrap())
                .collect();
            let max_timestamp = headers.iter().map(|header| header.max_timestamp).max().unwrap();
            let position = writer
                .push(Run {
                    topic: topic.uuid,
                    partition: *partition,
                    producer: None,
                    transactional: false,
                    control: false,
                    max_timestamp,
                    batches: headers
                        .iter()
                        .zip(batches)
                        .map(|(header, bytes)| Batch::whole(header.record_count, bytes.clone()))
                        .collect(),
                })
                .unwrap();
            commits.push(RunCommit {
                partition: PartitionKey {
                    topic: topic.key,
                    partition: *partition,
                },
                producer: None,
                position: position.position,
                batches: headers
                    .iter()
                    .zip(batches)
                    .map(|(header, bytes)| RunBatch {
                        records: header.record_count,
                        bytes: bytes.len() as u32,
                    })
                    .collect(),
                max_timestamp,
                transactional: false,
            });
        }
        let sealed = writer.seal();
        let commit = SegmentCommit {
            seq,
            object_bytes: sealed.object_bytes,
            runs: commits,
        };
        (sealed, commit)
    }

    async fn commit(&self, segment: SegmentCommit) {
        self.cluster
            .metastore
            .heartbeat(self.incarnation, 6_000)
            .await
            .unwrap();
        let request = CommitRequest {
            epoch: ClusterEpoch(1),
            incarnation: self.incarnation,
            settled_through: 0,
            segments: vec![segment],
        };
        self.cluster.metastore.commit(request).await.unwrap();
    }
}

/// A batch of records with these timestamps; values are `size` bytes each.
pub fn batch(timestamps: &[i64], size: usize) -> Bytes {
    let value = vec![b'x'; size];
    timestamps
        .iter()
        .fold(BatchBuilder::new(), |batch, at| {
            batch.record(*at, Some(b"k"), Some(&value), &[])
        })
        .build()
        .unwrap()
}

/// A topic that does not exist.
pub fn unknown_topic(like: &Topic) -> Topic {
    Topic {
        name: "nowhere".into(),
        uuid: TopicUuid(uuid::Uuid::from_u128(99)),
        ..like.clone()
    }
}

/// One connection.
pub struct Client {
    stream: DuplexStream,
    correlation: i32,
}

impl Client {
    pub async fn ask<R: ClientRequest>(&mut self, version: i16, request: &R) -> R::Response {
        self.send(version, request).await;
        self.receive::<R>(version).await
    }

    /// Sends a request without waiting for its answer.
    pub async fn send<R: ClientRequest>(&mut self, version: i16, request: &R) {
        self.correlation += 1;
        let header = client::request_header::<R>(version, self.correlation, "test");
        let frame = client::encode_request(&header, request).unwrap();
        self.stream.write_all(&frame).await.unwrap();
    }

    /// Takes the answer to the last request.
    pub async fn receive<R: ClientRequest>(&mut self, version: i16) -> R::Response {
        let size = self.stream.read_u32().await.unwrap();
        let mut frame = vec![0; size as usize];
        self.stream.read_exact(&mut frame).await.unwrap();
        let (correlation, response) = client::decode_response::<R>(version, frame.into()).unwrap();
        assert_eq!(correlation, self.correlation);
        response
    }

    pub async fn fetch(&mut self, fetch: &Fetch<'_>) -> FetchResponse {
        self.ask(fetch.version, &fetch.request()).await
    }

    /// Produces one batch; its base offset.
    pub async fn produce(&mut self, topic: &Topic, partition: i32, batch: Bytes) -> i64 {
        let data = PartitionProduceData::default()
            .with_index(partition)
            .with_records(Some(batch));
        let topic = TopicProduceData::default()
            .with_name(TopicName(StrBytes::from_string(topic.name.clone())))
            .with_partition_data(vec![data]);
        let request = ProduceRequest::default()
            .with_acks(-1)
            .with_timeout_ms(10_000)
            .with_topic_data(vec![topic]);
        let response = self.ask(9, &request).await;
        let placed = &response.responses[0].partition_responses[0];
        assert_eq!(placed.error_code, 0);
        placed.base_offset
    }

    /// The only partition of a fetch.
    pub async fn fetch_one(&mut self, fetch: &Fetch<'_>) -> PartitionData {
        let mut response = self.fetch(fetch).await;
        assert_eq!(response.error_code, 0);
        assert_eq!(response.responses.len(), 1);
        assert_eq!(response.responses[0].partitions.len(), 1);
        response.responses.remove(0).partitions.remove(0)
    }
}

/// A Fetch request in few words.
#[derive(Clone)]
pub struct Fetch<'t> {
    pub version: i16,
    pub topic: &'t Topic,
    /// Partition, offset.
    pub partitions: Vec<(i32, i64)>,
    pub partition_max_bytes: i32,
    pub max_bytes: i32,
    pub min_bytes: i32,
    pub max_wait_ms: i32,
    pub isolation: i8,
    pub session: (i32, i32),
    pub leader_epoch: i32,
    pub replica: i32,
}

impl<'t> Fetch<'t> {
    pub fn of(topic: &'t Topic, partition: i32, offset: i64) -> Self {
        Self {
            version: 12,
            topic,
            partitions: vec![(partition, offset)],
            partition_max_bytes: 1 << 20,
            max_bytes: 50 << 20,
            min_bytes: 1,
            max_wait_ms: 0,
            isolation: 0,
            session: (0, -1),
            leader_epoch: -1,
            replica: -1,
        }
    }

    pub fn request(&self) -> FetchRequest {
        let partitions = self
            .partitions
            .iter()
            .map(|(partition, offset)| {
                let asked = FetchPartition::default()
                    .with_partition(*partition)
                    .with_fetch_offset(*offset)
                    .with_partition_max_bytes(self.partition_max_bytes);
                if self.version >= 9 {
                    asked.with_current_leader_epoch(self.leader_epoch)
                } else {
                    asked
                }
            })
            .collect();
        let topic = if self.version >= 13 {
            FetchTopic::default().with_topic_id(self.topic.uuid.0)
        } else {
            FetchTopic::default().with_topic(TopicName(StrBytes::from_string(self.topic.name.clone())))
        };
        let mut request = FetchRequest::default()
            .with_max_wait_ms(self.max_wait_ms)
            .with_min_bytes(self.min_bytes)
            .with_max_bytes(self.max_bytes)
            .with_isolation_level(self.isolation)
            .with_topics(vec![topic.with_partitions(partitions)]);
        if self.version >= 7 {
            request = request
                .with_session_id(self.session.0)
                .with_session_epoch(self.session.1);
        }
        if self.version >= 15 {
            request.replica_state.replica_id = self.replica.into();
        } else {
            request.replica_id = self.replica.into();
        }
        request
    }
}

/// Offsets of all records of a response's partition, after checking every batch.
pub fn offsets(partition: &PartitionData) -> Vec<i64> {
    let records = partition.records.clone().unwrap_or_default();
    let mut offsets = Vec::new();
    for batch in Batches::new(records) {
        let batch = batch.unwrap();
        batch.check_crc().unwrap();
        assert_eq!(batch.header.partition_leader_epoch, 1);
        for record in OpenBatch::open(&batch, 1 << 20).unwrap().records() {
            offsets.push(record.unwrap().offset);
        }
    }
    offsets
}
