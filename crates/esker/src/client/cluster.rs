//! The cluster as a client sees it: its brokers, and who leads which partition.
//!
//! Questions that any broker answers are asked again, perhaps of another one, until the deadline.

use std::collections::BTreeMap;
use std::time::Duration;

use esker_model::seams::Seams;
use esker_protocol::StrBytes;
use esker_protocol::client::ClientRequest;
use esker_protocol::messages::metadata_request::MetadataRequestTopic;
use esker_protocol::messages::metadata_response::{MetadataResponse, MetadataResponseTopic};
use esker_protocol::messages::{MetadataRequest, TopicName};
use uuid::Uuid;

use super::attempts::Attempts;
use super::{ClientError, Connection, Result};

/// An attempt has this part of the deadline, and a second at least: after it there is time for two others.
const SHARES: u32 = 3;
const SHARE_MIN: Duration = Duration::from_secs(1);

/// The way into a cluster.
pub(crate) struct Cluster {
    bootstrap: Vec<String>,
    deadline: Duration,
    seams: Seams,
    /// Addresses by node id, as the last metadata had them.
    brokers: BTreeMap<i32, String>,
    /// One connection for questions that any broker answers.
    any: Option<Connection>,
    /// Some broker was connected to.
    answered: bool,
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
    pub(crate) fn new(bootstrap: Vec<String>, deadline: Duration, seams: Seams) -> Self {
        Self {
            bootstrap,
            deadline,
            seams,
            brokers: BTreeMap::new(),
            any: None,
            answered: false,
        }
    }

    /// The same cluster for somebody who works beside: nothing is connected yet, the brokers are known.
    pub(crate) fn another(&self) -> Self {
        Self {
            bootstrap: self.bootstrap.clone(),
            deadline: self.deadline,
            seams: self.seams.clone(),
            brokers: self.brokers.clone(),
            any: None,
            answered: self.answered,
        }
    }

    /// Node ids of the brokers, as the last metadata had them.
    pub(crate) fn nodes(&self) -> Vec<i32> {
        self.brokers.keys().copied().collect()
    }

    /// Deadline of every request, and of all attempts at one thing.
    pub(crate) fn deadline(&self) -> Duration {
        self.deadline
    }

    /// How long one attempt of several may take.
    pub(crate) fn share(&self) -> Duration {
        let tenths = u64::try_from((self.deadline / SHARES).as_millis()).unwrap_or(u64::MAX) / 100;
        Duration::from_millis(tenths * 100).max(SHARE_MIN)
    }

    pub(super) fn seams(&self) -> &Seams {
        &self.seams
    }

    /// Whether some broker could be connected to so far.
    pub(super) fn has_answered(&self) -> bool {
        self.answered
    }

    /// A connection to some broker: the first of the bootstrap list that answers. Kept until [`Self::lose`].
    pub(crate) async fn any(&mut self) -> Result<&mut Connection> {
        if self.any.is_none() {
            self.any = Some(self.connect_any().await?);
            self.answered = true;
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
            match Connection::open(address, self.share(), self.deadline).await {
                Ok(connection) => return Ok(connection),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    /// A new connection to a broker that metadata named.
    pub(crate) async fn connect(&self, node: i32) -> Result<Connection> {
        match self.brokers.get(&node) {
            Some(address) => Connection::open(address, self.share(), self.deadline).await,
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

    /// Asks any broker what may be asked twice, until one answers.
    pub(crate) async fn ask_any<R: ClientRequest>(&mut self, request: &R) -> Result<R::Response> {
        let mut attempts = Attempts::new(self);
        loop {
            let share = attempts.share(self);
            match self.try_any(request, share).await {
                Ok(response) => return Ok(response),
                Err(error) => attempts.pause(self, error).await?,
            }
        }
    }

    /// Tells any broker to do something: once, for nobody knows whether it was done if there is no answer.
    pub(crate) async fn tell_any<R: ClientRequest>(&mut self, request: &R) -> Result<R::Response> {
        self.try_any(request, self.deadline).await
    }

    async fn try_any<R: ClientRequest>(&mut self, request: &R, deadline: Duration) -> Result<R::Response> {
        let answer = self.any().await?.call_within(request, deadline).await;
        if answer.is_err() {
            self.lose();
        }
        answer
    }

    /// Topics by name, or all of them. A topic that does not exist is an error of its own; `create` lets
    /// the broker create it if it is set to.
    pub(crate) async fn topics(
        &mut self,
        names: Option<&[String]>,
        create: bool,
    ) -> Result<Vec<(String, Result<Topic>)>> {
        let response = self.ask_any(&metadata_request(names, create)).await?;
        self.remember(&response);
        Ok(response.topics.iter().map(topic).collect())
    }

    /// The same in one attempt of so long, for those who go on with what they know if nobody answers.
    pub(crate) async fn look(
        &mut self,
        names: Option<&[String]>,
        share: Duration,
    ) -> Result<Vec<(String, Result<Topic>)>> {
        let response = self.try_any(&metadata_request(names, false), share).await?;
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

fn metadata_request(names: Option<&[String]>, create: bool) -> MetadataRequest {
    let topics = names.map(|names| {
        names
            .iter()
            .map(|name| MetadataRequestTopic::default().with_name(Some(topic_name(name))))
            .collect()
    });
    MetadataRequest::default()
        .with_topics(topics)
        .with_allow_auto_topic_creation(create)
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
