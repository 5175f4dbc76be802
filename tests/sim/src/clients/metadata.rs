//! Where topics are: connections by host, and Metadata asked of any agent that answers.
//!
//! What holds: at most one connection to a host at a time; every topic that an answer names is known to the
//! history. A question that gets no answer goes to another host after a short wait, for as long as it takes;
//! who cannot wait drops the future.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use esker_history::event::Topic;
use esker_model::seams::Rng;
use esker_protocol::StrBytes;
use esker_protocol::client::ClientRequest;
use esker_protocol::messages::metadata_request::MetadataRequestTopic;
use esker_protocol::messages::{MetadataRequest, MetadataResponse, TopicName};
use parking_lot::Mutex;
use uuid::Uuid;

use super::ClientContext;
use super::connection::{Link, Lost};

/// How long a connection may take to be made.
const CONNECT_PATIENCE: Duration = Duration::from_secs(10);
/// The wait before a question goes to another host.
pub const RETRY_BACKOFF: Duration = Duration::from_millis(100);
const UNKNOWN_TOPIC: i16 = 3;

/// Topic names as they travel.
pub fn topic_name(name: &str) -> TopicName {
    TopicName(StrBytes::from_string(name.to_owned()))
}

/// What Metadata says of a topic.
#[derive(Clone, Debug)]
pub enum Found {
    /// It exists.
    Here(TopicView),
    /// There is no topic of this name.
    Gone,
    /// Nobody can say at the moment.
    Unsure(i16),
}

/// A topic that exists.
#[derive(Clone, Debug)]
pub struct TopicView {
    /// Its id.
    pub uuid: Uuid,
    /// Its name in the history.
    pub topic: Topic,
    /// The host that leads each partition, where there is one.
    pub leaders: BTreeMap<i32, Option<String>>,
}

/// One answer of Metadata.
#[derive(Clone, Default, Debug)]
pub struct View {
    /// What was asked about, by name.
    pub topics: BTreeMap<String, Found>,
}

impl View {
    /// The topic of this name, if it exists.
    pub fn topic(&self, name: &str) -> Option<&TopicView> {
        match self.topics.get(name) {
            Some(Found::Here(topic)) => Some(topic),
            _ => None,
        }
    }

    /// Takes over a later answer. Where that is unsure, what was known stays.
    pub fn update(&mut self, later: View) {
        for (name, found) in later.topics {
            match (&found, self.topics.get(&name)) {
                (Found::Unsure(_), Some(_)) => {}
                _ => drop(self.topics.insert(name, found)),
            }
        }
    }

    /// The host that leads a partition.
    pub fn leader(&self, name: &str, index: i32) -> Option<&str> {
        self.topic(name)?.leaders.get(&index)?.as_deref()
    }
}

type Slot = Arc<tokio::sync::Mutex<Option<Link>>>;

/// The agents, as one client knows and reaches them.
pub struct Cluster {
    /// Whose connections these are.
    pub ctx: ClientContext,
    /// How long a request may take.
    pub patience: Duration,
    links: Mutex<BTreeMap<String, Slot>>,
    /// Hosts of the last answer.
    known: Mutex<Vec<String>>,
}

impl Cluster {
    /// Knows the bootstrap hosts only, and has no connections yet.
    pub fn new(ctx: ClientContext, patience: Duration) -> Arc<Self> {
        Arc::new(Self {
            ctx,
            patience,
            links: Mutex::default(),
            known: Mutex::default(),
        })
    }

    fn slot(&self, host: &str) -> Slot {
        Arc::clone(self.links.lock().entry(host.to_owned()).or_default())
    }

    /// The open connection to a host, if there is one.
    pub fn open_link(&self, host: &str) -> Option<Link> {
        let slot = self.slot(host);
        let link = slot.try_lock().ok()?.clone();
        link.filter(Link::is_open)
    }

    /// The connection to a host; made if there is none.
    pub async fn link(&self, host: &str) -> Result<Link, Lost> {
        let slot = self.slot(host);
        let mut slot = slot.lock().await;
        if let Some(link) = slot.as_ref().filter(|link| link.is_open()) {
            return Ok(link.clone());
        }
        let connecting = self.ctx.network.connect(self.ctx.me, host);
        let connection = tokio::time::timeout(CONNECT_PATIENCE, connecting).await;
        let connection = connection.map_err(|_| Lost)?.map_err(|_| Lost)?;
        let link = Link::new(&self.ctx, connection);
        *slot = Some(link.clone());
        Ok(link)
    }

    /// Asks one host once.
    pub async fn call<R>(&self, host: &str, version: i16, request: &R) -> Result<(Link, R::Response), Lost>
    where
        R: ClientRequest + Sync + 'static,
        R::Response: Send,
    {
        let link = self.link(host).await?;
        let response = link.send(version, request, self.patience).await?;
        Ok((link, response))
    }

    /// A host that is connected, if there is one; now and then any other.
    fn likely_host(&self) -> String {
        let links: Vec<(String, Slot)> = {
            let links = self.links.lock();
            links
                .iter()
                .map(|(host, slot)| (host.clone(), Arc::clone(slot)))
                .collect()
        };
        let is_open = |slot: &Slot| {
            let link = slot.try_lock();
            link.is_ok_and(|link| link.as_ref().is_some_and(Link::is_open))
        };
        let mut open: Vec<String> = links
            .into_iter()
            .filter_map(|(host, slot)| is_open(&slot).then_some(host))
            .collect();
        let rng = &self.ctx.rng;
        if open.is_empty() || rng.below(4) == 0 {
            return self.any_host();
        }
        open.swap_remove(rng.below(open.len() as u64) as usize)
    }

    /// Any host: those of the last answer, now and then one of the bootstrap hosts.
    pub fn any_host(&self) -> String {
        let known = self.known.lock();
        let rng = &self.ctx.rng;
        let hosts = if known.is_empty() || rng.below(8) == 0 {
            &self.ctx.bootstrap
        } else {
            &*known
        };
        let at = rng.below(hosts.len() as u64) as usize;
        hosts.get(at).cloned().unwrap_or_default()
    }

    /// Where these topics are. Asks until somebody answers.
    pub async fn find(&self, names: &[String]) -> View {
        let mut backoff = RETRY_BACKOFF;
        loop {
            let host = self.likely_host();
            if let Ok(view) = self.find_through(&host, names).await {
                return view;
            }
            tokio::time::sleep(self.ctx.rng.jitter(backoff)).await;
            backoff = (backoff * 2).min(Duration::from_secs(1));
        }
    }

    /// Where these topics are, as one host says.
    pub async fn find_through(&self, host: &str, names: &[String]) -> Result<View, Lost> {
        let topics = names
            .iter()
            .map(|name| MetadataRequestTopic::default().with_name(Some(topic_name(name))));
        let request = MetadataRequest::default()
            .with_topics(Some(topics.collect()))
            .with_allow_auto_topic_creation(false);
        let (_, response) = self.call(host, 12, &request).await?;
        Ok(self.read(response))
    }

    fn read(&self, response: MetadataResponse) -> View {
        let brokers: BTreeMap<i32, String> = response
            .brokers
            .iter()
            .map(|broker| (broker.node_id.0, broker.host.to_string()))
            .collect();
        if !brokers.is_empty() {
            *self.known.lock() = brokers.values().cloned().collect();
        }
        let mut view = View::default();
        for topic in response.topics {
            let Some(name) = topic.name.map(|name| name.0.to_string()) else {
                continue;
            };
            let found = match topic.error_code {
                0 => Found::Here(TopicView {
                    uuid: topic.topic_id,
                    topic: self.ctx.record.topic(&name, topic.topic_id),
                    leaders: topic
                        .partitions
                        .iter()
                        .map(|partition| {
                            let leader = brokers.get(&partition.leader_id.0).cloned();
                            (partition.partition_index, leader)
                        })
                        .collect(),
                }),
                UNKNOWN_TOPIC => Found::Gone,
                error => Found::Unsure(error),
            };
            view.topics.insert(name, found);
        }
        view
    }
}
