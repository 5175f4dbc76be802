//! The cluster as a client sees it: its brokers, and who leads which partition.

use std::collections::BTreeMap;
use std::time::Duration;

use esker_protocol::StrBytes;
use esker_protocol::messages::metadata_request::MetadataRequestTopic;
use esker_protocol::messages::metadata_response::{MetadataResponse, MetadataResponseTopic};
use esker_protocol::messages::{MetadataRequest, TopicName};
use uuid::Uuid;

use super::{ClientError, Connection, Result};

/// The way into a cluster.
pub(crate) struct Cluster {
    bootstrap: Vec<String>,
    deadline: Duration,
    /// Addresses by node id, as the last metadata had them.
    brokers: BTreeMap<i32, String>,
    /// One connection for questions that any broker answers.
    any: Option<Connection>,
}

/// A topic.
#[derive(Clone, Debug)]
pub(crate) struct Topic {
    pub(crate) name: String,
    /// Nil where the broker does not tell ids.
    pub(crate) id: Uuid,
    pub(crate) internal: bool,
    /// Ascending by index.
    pub(crate) partitions: Vec<Partition>,
}

/// A partition of a topic.
#[derive(Clone, Debug)]
pub(crate) struct Partition {
    pub(crate) index: i32,
    /// Node id of its leader, -1 if it has none.
    pub(crate) leader: i32,
    pub(crate) replicas: Vec<i32>,
    pub(crate) in_sync: Vec<i32>,
}

impl Cluster {
    /// A cluster that can be asked at any of `bootstrap`, addresses `host:port`.
    pub(crate) fn new(bootstrap: Vec<String>, deadline: Duration) -> Self {
        Self {
            bootstrap,
            deadline,
            brokers: BTreeMap::new(),
            any: None,
        }
    }

    /// The same cluster for somebody who works beside: nothing is connected yet, the brokers are known.
    pub(crate) fn another(&self) -> Self {
        Self {
            bootstrap: self.bootstrap.clone(),
            deadline: self.deadline,
            brokers: self.brokers.clone(),
            any: None,
        }
    }

    /// Node ids of the brokers, as the last metadata had them.
    pub(crate) fn nodes(&self) -> Vec<i32> {
        self.brokers.keys().copied().collect()
    }

    /// Deadline of every request.
    pub(crate) fn deadline(&self) -> Duration {
        self.deadline
    }

    /// A connection to some broker: the first of the bootstrap list that answers. Kept until [`Self::lose`].
    pub(crate) async fn any(&mut self) -> Result<&mut Connection> {
        if self.any.is_none() {
            self.any = Some(self.connect_any().await?);
        }
        self.any
            .as_mut()
            .ok_or_else(|| ClientError::Input("there is no address to connect to".to_owned()))
    }

    /// Forgets the shared connection, after an error on it.
    pub(crate) fn lose(&mut self) {
        self.any = None;
    }

    async fn connect_any(&self) -> Result<Connection> {
        let known = self.brokers.values();
        let mut last = ClientError::Input("there is no address to connect to".to_owned());
        for address in self.bootstrap.iter().chain(known) {
            match Connection::open(address, self.deadline).await {
                Ok(connection) => return Ok(connection),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    /// A new connection to a broker that metadata named.
    pub(crate) async fn connect(&self, node: i32) -> Result<Connection> {
        match self.brokers.get(&node) {
            Some(address) => Connection::open(address, self.deadline).await,
            None => Err(ClientError::Connect {
                address: format!("broker {node}"),
                reason: "the cluster does not say where it is".to_owned(),
            }),
        }
    }

    /// The address that metadata gave for a broker.
    pub(crate) fn address_of(&self, node: i32) -> Option<&str> {
        self.brokers.get(&node).map(String::as_str)
    }

    /// Topics by name, or all of them. A topic that does not exist is an error of its own; `create` lets
    /// the broker create it if it is set to.
    pub(crate) async fn topics(
        &mut self,
        names: Option<&[String]>,
        create: bool,
    ) -> Result<Vec<(String, Result<Topic>)>> {
        let topics = names.map(|names| {
            names
                .iter()
                .map(|name| MetadataRequestTopic::default().with_name(Some(topic_name(name))))
                .collect()
        });
        let request = MetadataRequest::default()
            .with_topics(topics)
            .with_allow_auto_topic_creation(create);
        let response = match self.any().await?.call(&request).await {
            Ok(response) => response,
            Err(error) => {
                self.lose();
                return Err(error);
            }
        };
        self.remember(&response);
        Ok(response.topics.iter().map(topic).collect())
    }

    /// One topic that must exist.
    pub(crate) async fn topic(&mut self, name: &str, create: bool) -> Result<Topic> {
        let found = self.topics(Some(&[name.to_owned()]), create).await?;
        match found.into_iter().next() {
            Some((_, topic)) => topic,
            None => Err(ClientError::Input(format!(
                "the broker says nothing about topic {name}"
            ))),
        }
    }

    fn remember(&mut self, response: &MetadataResponse) {
        self.brokers = response
            .brokers
            .iter()
            .map(|broker| (broker.node_id.0, host_port(&broker.host, broker.port)))
            .collect();
    }
}

/// Text as messages have it.
pub(crate) fn text(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}

/// A topic name as messages have it.
pub(crate) fn topic_name(name: &str) -> TopicName {
    TopicName(text(name))
}

/// `host:port` with brackets around IPv6.
pub(crate) fn host_port(host: &str, port: i32) -> String {
    if host.contains(':') {
        format!("[{host}]:{port}")
    } else {
        format!("{host}:{port}")
    }
}

fn topic(topic: &MetadataResponseTopic) -> (String, Result<Topic>) {
    let name = topic
        .name
        .as_ref()
        .map_or_else(String::new, |name| name.0.to_string());
    let checked = ClientError::check(topic.error_code, || format!("topic {name}"), None);
    let result = checked.map(|()| {
        let mut partitions: Vec<_> = topic
            .partitions
            .iter()
            .map(|partition| Partition {
                index: partition.partition_index,
                leader: partition.leader_id.0,
                replicas: partition.replica_nodes.iter().map(|node| node.0).collect(),
                in_sync: partition.isr_nodes.iter().map(|node| node.0).collect(),
            })
            .collect();
        partitions.sort_by_key(|partition| partition.index);
        Topic {
            name: name.clone(),
            id: topic.topic_id,
            internal: topic.is_internal,
            partitions,
        }
    });
    (name, result)
}
