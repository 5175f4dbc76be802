//! Agents in this process on one metastore and one bucket in memory, and clients that speak real frames.

use std::sync::Arc;

use bytes::Bytes;
use esker_broker::authorizer::{AllowAll, Authorizer, Operation, Resource};
use esker_broker::context::RequestContext;
use esker_broker::metrics::BrokerMetrics;
use esker_broker::{Broker, BrokerConfig, Dependencies, ListenerConfig, StartError};
use esker_metastore::sqlite::SqliteMetastore;
use esker_metastore::{Metastore, MetastoreMetrics};
use esker_model::seams::Seams;
use esker_protocol::client::{self, ClientRequest};
use esker_protocol::messages::create_topics_request::CreatableTopic;
use esker_protocol::messages::create_topics_response::CreatableTopicResult;
use esker_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use esker_protocol::messages::{BrokerId, CreateTopicsRequest, ProduceRequest, TopicName};
use esker_protocol::{StrBytes, versions};
use esker_storage::Bucket;
use esker_storage::cache::LruCache;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

use crate::watched::Watched;

/// The stores that agents share.
pub(crate) struct World {
    pub(crate) seams: Seams,
    pub(crate) metastore: Arc<Watched>,
    pub(crate) bucket: Bucket,
}

/// One agent, with a connection to it.
pub(crate) struct Agent {
    pub(crate) broker: Arc<Broker>,
    listener: Arc<ListenerConfig>,
}

impl World {
    pub(crate) fn new() -> Self {
        let seams = Seams::real();
        let metastore =
            SqliteMetastore::in_memory(Arc::clone(&seams.clock), MetastoreMetrics::default()).unwrap();
        Self {
            bucket: Bucket::memory(seams.clone()),
            metastore: Arc::new(Watched::new(Arc::new(metastore))),
            seams,
        }
    }

    /// One agent with the usual settings, and a client of it.
    pub(crate) async fn one() -> (Self, Agent, Client) {
        let world = Self::new();
        let agent = world.agent(config("a", None)).await;
        let client = agent.connect("test");
        (world, agent, client)
    }

    pub(crate) async fn agent(&self, config: BrokerConfig) -> Agent {
        self.try_agent(config, Arc::new(AllowAll)).await.unwrap()
    }

    pub(crate) async fn try_agent(
        &self,
        config: BrokerConfig,
        authorizer: Arc<dyn Authorizer>,
    ) -> Result<Agent, StartError> {
        let listener = Arc::clone(&config.listeners[0]);
        let on = Dependencies {
            seams: self.seams.clone(),
            metastore: Arc::clone(&self.metastore) as Arc<dyn Metastore>,
            bucket: self.bucket.clone(),
            cache: Arc::new(LruCache::new(1 << 20)),
            authorizer,
            metrics: BrokerMetrics::default(),
            tracer: esker_broker::trace::Tracer::off(),
        };
        let broker = Broker::start(config, on).await?;
        Ok(Agent { broker, listener })
    }
}

pub(crate) fn listener(name: &str, host: &str) -> Arc<ListenerConfig> {
    Arc::new(ListenerConfig {
        name: name.into(),
        security_protocol: "PLAINTEXT".into(),
        bound: "0.0.0.0:9092".into(),
        advertised_host: host.into(),
        advertised_port: 9092,
        zone: None,
    })
}

pub(crate) fn config(name: &str, zone: Option<&str>) -> BrokerConfig {
    BrokerConfig {
        node_name: name.into(),
        listeners: vec![listener("PLAINTEXT", name)],
        zone: zone.map(str::to_owned),
        flush_interval: std::time::Duration::ZERO,
        ..BrokerConfig::default()
    }
}

impl Agent {
    pub(crate) fn id(&self) -> BrokerId {
        BrokerId(self.broker.membership().node_id().0)
    }

    pub(crate) fn connect(&self, client_id: &str) -> Client {
        self.connect_through(Arc::clone(&self.listener), client_id)
    }

    pub(crate) fn connect_through(&self, listener: Arc<ListenerConfig>, client_id: &str) -> Client {
        let (near, far) = tokio::io::duplex(1 << 20);
        let broker = Arc::clone(&self.broker);
        tokio::task::spawn(async move { broker.serve(far, listener, "test".into()).await });
        Client {
            stream: near,
            id: client_id.to_owned(),
            correlation: 0,
        }
    }
}

/// A connection as a client sees it.
pub(crate) struct Client {
    stream: DuplexStream,
    id: String,
    correlation: i32,
}

impl Client {
    pub(crate) async fn call<R: ClientRequest>(&mut self, version: i16, request: &R) -> R::Response {
        self.correlation += 1;
        let header = client::request_header::<R>(version, self.correlation, &self.id);
        let frame = client::encode_request(&header, request).unwrap();
        self.stream.write_all(&frame).await.unwrap();
        let size = self.stream.read_i32().await.expect("the connection was closed");
        let mut frame = vec![0; size as usize];
        self.stream.read_exact(&mut frame).await.unwrap();
        let (correlation, response) = client::decode_response::<R>(version, frame.into()).unwrap();
        assert_eq!(correlation, self.correlation);
        response
    }

    /// Creates one topic and returns what became of it.
    pub(crate) async fn create(&mut self, topic: CreatableTopic) -> CreatableTopicResult {
        let request = CreateTopicsRequest::default().with_topics(vec![topic]);
        self.call(7, &request).await.topics.remove(0)
    }

    /// Creates a topic that nothing is special about.
    pub(crate) async fn topic(&mut self, name: &str, partitions: i32) -> uuid::Uuid {
        let result = self.create(topic(name).with_num_partitions(partitions)).await;
        assert_eq!(result.error_code, 0, "{:?}", result.error_message);
        result.topic_id
    }

    /// Appends a batch.
    pub(crate) async fn produce(&mut self, name: &str, partition: i32, batch: &Bytes) {
        let data = PartitionProduceData::default()
            .with_index(partition)
            .with_records(Some(batch.clone()));
        let topic = TopicProduceData::default()
            .with_name(name_of(name))
            .with_partition_data(vec![data]);
        let request = ProduceRequest::default()
            .with_acks(-1)
            .with_timeout_ms(30_000)
            .with_topic_data(vec![topic]);
        let response = self.call(9, &request).await;
        assert_eq!(response.responses[0].partition_responses[0].error_code, 0);
    }
}

pub(crate) fn topic(name: &str) -> CreatableTopic {
    CreatableTopic::default()
        .with_name(name_of(name))
        .with_num_partitions(1)
        .with_replication_factor(1)
}

pub(crate) fn name_of(name: &str) -> TopicName {
    TopicName(text(name))
}

pub(crate) fn text(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}

/// All versions that are advertised of an API.
pub(crate) fn all_versions<R: ClientRequest>() -> std::ops::RangeInclusive<i16> {
    let range = versions::range(R::KEY).unwrap();
    range.min..=range.max
}

/// Nobody may do this one thing.
pub(crate) struct Deny(pub(crate) Operation);

impl Authorizer for Deny {
    fn allows(&self, _: &RequestContext, operation: Operation, _: Resource<'_>) -> bool {
        operation != self.0
    }
}
