//! Agents in this process, on one metastore and one bucket in memory, spoken to in real Kafka frames over
//! in-memory streams.

#![allow(
    dead_code,
    unreachable_pub,
    reason = "each test program uses its own part of this"
)]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a failure here is a failed test"
)]
#![allow(clippy::disallowed_methods, reason = "tests have a runtime of their own")]

pub mod faults;
pub mod pass_on;

use std::sync::Arc;

use bytes::Bytes;
use esker_broker::authorizer::AllowAll;
use esker_broker::metrics::BrokerMetrics;
use esker_broker::trace::Tracer;
use esker_broker::{Broker, BrokerConfig, Dependencies, ListenerConfig};
use esker_metastore::sqlite::SqliteMetastore;
use esker_metastore::{Metastore, MetastoreMetrics};
use esker_model::seams::{Clock, Seams};
use esker_protocol::StrBytes;
use esker_protocol::client::{self, ClientRequest};
use esker_protocol::messages::create_partitions_request::CreatePartitionsTopic;
use esker_protocol::messages::create_topics_request::CreatableTopic;
use esker_protocol::messages::delete_records_request::{DeleteRecordsPartition, DeleteRecordsTopic};
use esker_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use esker_protocol::messages::fetch_response::PartitionData;
use esker_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use esker_protocol::messages::produce_response::PartitionProduceResponse;
use esker_protocol::messages::{
    BrokerId, CreatePartitionsRequest, CreateTopicsRequest, DeleteRecordsRequest, DeleteTopicsRequest,
    FetchRequest, InitProducerIdRequest, ProduceRequest, ProduceResponse, TopicName,
};
use esker_protocol::records::BatchBuilder;
use esker_storage::cache::LruCache;
use esker_storage::{Bucket, BucketOptions, StoreMetrics};
use faults::Faulty;
use object_store::ObjectStore;
use object_store::memory::InMemory;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

/// The stores that agents share.
pub struct World {
    pub seams: Seams,
    pub metastore: Arc<dyn Metastore>,
    objects: Arc<dyn ObjectStore>,
    /// The bucket as nobody in particular sees it.
    pub bucket: Bucket,
    /// What agents trace.
    pub tracer: Tracer,
}

/// One agent.
pub struct Agent {
    pub broker: Arc<Broker>,
    pub faults: Arc<Faulty>,
    pub metrics: BrokerMetrics,
    /// What it asks of the bucket.
    pub requests: StoreMetrics,
    pub cache: Arc<LruCache>,
    listener: Arc<ListenerConfig>,
}

impl World {
    pub fn new() -> Self {
        Self::on(Arc::new(InMemory::new()))
    }

    /// On this object store.
    pub fn on(objects: Arc<dyn ObjectStore>) -> Self {
        let seams = Seams::real();
        let clock = Arc::clone(&seams.clock);
        Self::of(objects, clock, seams)
    }

    /// With a metastore that has a clock of its own.
    pub fn with_clock(clock: Arc<dyn Clock>) -> Self {
        Self::of(Arc::new(InMemory::new()), clock, Seams::real())
    }

    fn of(objects: Arc<dyn ObjectStore>, clock: Arc<dyn Clock>, seams: Seams) -> Self {
        let metastore = SqliteMetastore::in_memory(clock, MetastoreMetrics::default()).unwrap();
        Self {
            bucket: bucket(&objects, &seams, StoreMetrics::default()),
            objects,
            metastore: Arc::new(metastore),
            seams,
            tracer: Tracer::off(),
        }
    }

    /// Starts an agent under a name of its own.
    pub async fn agent(&self, name: &str) -> Agent {
        self.agent_with(name, |config| config).await
    }

    /// Starts an agent with other settings.
    pub async fn agent_with(&self, name: &str, settings: impl FnOnce(BrokerConfig) -> BrokerConfig) -> Agent {
        self.agent_on(name, settings, Arc::new(LruCache::new(1 << 26)))
            .await
    }

    /// Starts an agent with other settings and this cache.
    pub async fn agent_on(
        &self,
        name: &str,
        settings: impl FnOnce(BrokerConfig) -> BrokerConfig,
        cache: Arc<LruCache>,
    ) -> Agent {
        let listener = Arc::new(ListenerConfig {
            name: "PLAINTEXT".into(),
            security_protocol: "PLAINTEXT".into(),
            bound: "0.0.0.0:9092".into(),
            advertised_host: name.into(),
            advertised_port: 9092,
            zone: None,
        });
        let config = settings(BrokerConfig {
            node_name: name.into(),
            listeners: vec![Arc::clone(&listener)],
            flush_interval: std::time::Duration::ZERO,
            auto_create_topics: true,
            ..BrokerConfig::default()
        });
        let faults = Arc::new(Faulty::new(Arc::clone(&self.metastore)));
        let metrics = BrokerMetrics::default();
        let requests = StoreMetrics::default();
        let on = Dependencies {
            seams: self.seams.clone(),
            metastore: Arc::clone(&faults) as Arc<dyn Metastore>,
            bucket: bucket(&self.objects, &self.seams, requests.clone()),
            cache: Arc::clone(&cache) as _,
            authorizer: Arc::new(AllowAll),
            metrics: metrics.clone(),
            tracer: self.tracer.clone(),
        };
        Agent {
            broker: Broker::start(config, on).await.unwrap(),
            faults,
            metrics,
            requests,
            cache,
            listener,
        }
    }
}

fn bucket(objects: &Arc<dyn ObjectStore>, seams: &Seams, metrics: StoreMetrics) -> Bucket {
    let options = BucketOptions::new(seams.clone(), metrics);
    Bucket::new(Arc::clone(objects), "", "the bucket in memory", options)
}

impl Agent {
    /// Opens a connection.
    pub fn connect(&self) -> Client {
        let (near, far) = tokio::io::duplex(1 << 20);
        let (broker, listener) = (Arc::clone(&self.broker), Arc::clone(&self.listener));
        tokio::task::spawn(async move { broker.serve(far, listener, "test".into()).await });
        Client {
            stream: near,
            correlation: 0,
        }
    }
}

/// A connection as a client sees it.
pub struct Client {
    pub stream: DuplexStream,
    correlation: i32,
}

impl Client {
    /// Sends a request; returns its correlation id.
    pub async fn send<R: ClientRequest>(&mut self, version: i16, request: &R) -> i32 {
        self.correlation += 1;
        let header = client::request_header::<R>(version, self.correlation, "test");
        let frame = client::encode_request(&header, request).unwrap();
        self.stream.write_all(&frame).await.unwrap();
        self.correlation
    }

    /// Receives the next frame; `None` if the connection was closed.
    pub async fn receive_frame(&mut self) -> Option<Bytes> {
        let size = self.stream.read_i32().await.ok()?;
        let mut frame = vec![0; size as usize];
        self.stream.read_exact(&mut frame).await.ok()?;
        Some(Bytes::from(frame))
    }

    /// Receives the answer to a request of type `R`.
    pub async fn receive<R: ClientRequest>(&mut self, version: i16) -> (i32, R::Response) {
        let frame = self.receive_frame().await.expect("the connection was closed");
        client::decode_response::<R>(version, frame).unwrap()
    }

    pub async fn call<R: ClientRequest>(&mut self, version: i16, request: &R) -> R::Response {
        let sent = self.send(version, request).await;
        let (correlation, response) = self.receive::<R>(version).await;
        assert_eq!(correlation, sent);
        response
    }

    pub async fn create_topic(&mut self, name: &str, partitions: i32) {
        let topic = CreatableTopic::default()
            .with_name(topic_name(name))
            .with_num_partitions(partitions)
            .with_replication_factor(1);
        let request = CreateTopicsRequest::default()
            .with_topics(vec![topic])
            .with_timeout_ms(5000);
        let response = self.call(7, &request).await;
        assert_eq!(response.topics[0].error_code, 0);
    }

    pub async fn delete_topic(&mut self, name: &str) {
        let request = DeleteTopicsRequest::default().with_topic_names(vec![topic_name(name)]);
        assert_eq!(self.call(5, &request).await.responses[0].error_code, 0);
    }

    /// Raises the number of a topic's partitions.
    pub async fn add_partitions(&mut self, name: &str, count: i32) {
        let topic = CreatePartitionsTopic::default()
            .with_name(topic_name(name))
            .with_count(count)
            .with_assignments(None);
        let request = CreatePartitionsRequest::default().with_topics(vec![topic]);
        assert_eq!(self.call(3, &request).await.results[0].error_code, 0);
    }

    pub async fn producer_id(&mut self) -> i64 {
        let request = InitProducerIdRequest::default()
            .with_transactional_id(None)
            .with_transaction_timeout_ms(60_000);
        let response = self.call(4, &request).await;
        assert_eq!(response.error_code, 0);
        response.producer_id.0
    }

    /// Sends one batch and waits for its answer.
    pub async fn produce(&mut self, topic: &str, partition: i32, batch: Bytes) -> PartitionProduceResponse {
        let response = self
            .call(PRODUCE_VERSION, &produce_request(topic, partition, batch))
            .await;
        only_partition(response)
    }

    /// What a Fetch of one partition from an offset on gives.
    pub async fn fetch(&mut self, topic: &str, partition: i32, from: i64) -> PartitionData {
        let part = FetchPartition::default()
            .with_partition(partition)
            .with_fetch_offset(from)
            .with_partition_max_bytes(1 << 20);
        let topic = FetchTopic::default()
            .with_topic(topic_name(topic))
            .with_partitions(vec![part]);
        let request = FetchRequest::default()
            .with_replica_id(BrokerId(-1))
            .with_max_bytes(1 << 20)
            .with_session_epoch(-1)
            .with_topics(vec![topic]);
        let answer = self.call(12, &request).await;
        answer.responses[0].partitions[0].clone()
    }

    /// Error code and low watermark of each partition.
    pub async fn delete_records(&mut self, topic: &str, offsets: &[(i32, i64)]) -> Vec<(i16, i64)> {
        let partitions = offsets.iter().map(|(partition, offset)| {
            DeleteRecordsPartition::default()
                .with_partition_index(*partition)
                .with_offset(*offset)
        });
        let topic = DeleteRecordsTopic::default()
            .with_name(topic_name(topic))
            .with_partitions(partitions.collect());
        let request = DeleteRecordsRequest::default().with_topics(vec![topic]);
        let answer = self.call(2, &request).await;
        let partitions = answer.topics[0].partitions.iter();
        partitions
            .map(|one| (one.error_code, one.low_watermark))
            .collect()
    }

    pub async fn receive_produced(&mut self) -> PartitionProduceResponse {
        only_partition(self.receive::<ProduceRequest>(PRODUCE_VERSION).await.1)
    }
}

pub const PRODUCE_VERSION: i16 = 9;

pub fn topic_name(name: &str) -> TopicName {
    TopicName(StrBytes::from_string(name.to_owned()))
}

pub fn only_partition(response: ProduceResponse) -> PartitionProduceResponse {
    response.responses[0].partition_responses[0].clone()
}

pub fn produce_request(topic: &str, partition: i32, batch: Bytes) -> ProduceRequest {
    let data = PartitionProduceData::default()
        .with_index(partition)
        .with_records(Some(batch));
    let topic = TopicProduceData::default()
        .with_name(topic_name(topic))
        .with_partition_data(vec![data]);
    ProduceRequest::default()
        .with_acks(-1)
        .with_timeout_ms(30_000)
        .with_topic_data(vec![topic])
}

/// A batch of `records` records without a producer.
pub fn plain_batch(records: i32) -> Bytes {
    fill(BatchBuilder::new(), records)
}

/// A batch of an idempotent producer.
pub fn batch(producer: i64, epoch: i16, first_sequence: i32, records: i32) -> Bytes {
    fill(
        BatchBuilder::new().producer(producer, epoch, first_sequence),
        records,
    )
}

fn fill(builder: BatchBuilder, records: i32) -> Bytes {
    (0..records)
        .fold(builder, |builder, n| {
            builder.record(1_000 + i64::from(n), Some(b"k"), Some(b"value"), &[])
        })
        .build()
        .unwrap()
}
