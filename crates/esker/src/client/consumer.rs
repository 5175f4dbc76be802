//! Reading: records of some partitions. Which ones, and from where, others decide.
//!
//! [`Consumer::fetch`] asks all leaders side by side, once, and returns what came. Order is kept within a
//! partition. A leader that cannot be reached, or that answers with a retriable code, is asked again with
//! fresh metadata until the deadline; so is one that does not know a partition: see [`Consumer::has_unknown`].

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use esker_model::seams::{Instant, Seams};
use esker_protocol::ErrorCode;
use esker_protocol::batch::{Batch, Batches};
use esker_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use esker_protocol::messages::{BrokerId, FetchRequest, FetchResponse};

use super::cluster::topic_name;
use super::{ClientError, Cluster, Connection, Result, TopicPartition, is_retriable};

/// How long the broker may wait for new records.
const FETCH_WAIT: Duration = Duration::from_millis(500);
/// Most bytes of one response, and of one partition in it.
const FETCH_BYTES: i32 = 16 * 1024 * 1024;
const PARTITION_BYTES: i32 = 4 * 1024 * 1024;
const BACKOFF: Duration = Duration::from_millis(100);

/// Reads from some partitions.
pub(crate) struct Consumer {
    cluster: Cluster,
    seams: Seams,
    /// Next offset by partition; a partition that is finished is taken out.
    positions: BTreeMap<TopicPartition, i64>,
    leaders: BTreeMap<TopicPartition, i32>,
    connections: BTreeMap<i32, Connection>,
    failing_since: Option<Instant>,
    backoff: Duration,
    /// A partition was unknown to its leader in the last round.
    unknown: bool,
}

/// Whole batches of one partition, from a fetch.
pub(crate) struct Fetched {
    pub(crate) of: TopicPartition,
    pub(crate) batches: Vec<Batch>,
    /// The first offset that was asked for: batches may begin before it.
    pub(crate) from: i64,
}

impl Consumer {
    /// A consumer that reads each partition from its position.
    pub(crate) fn new(
        cluster: Cluster,
        seams: Seams,
        leaders: BTreeMap<TopicPartition, i32>,
        positions: BTreeMap<TopicPartition, i64>,
    ) -> Self {
        Self {
            cluster,
            seams,
            positions,
            leaders,
            connections: BTreeMap::new(),
            failing_since: None,
            backoff: BACKOFF,
            unknown: false,
        }
    }

    /// Whether the last fetch asked for a partition that its leader does not know: perhaps its topic is gone.
    pub(crate) fn has_unknown(&self) -> bool {
        self.unknown
    }

    /// Stops reading a topic.
    pub(crate) fn finish_topic(&mut self, topic: &str) {
        self.positions.retain(|(name, _), _| name != topic);
    }

    /// Stops reading a partition.
    pub(crate) fn finish(&mut self, partition: &TopicPartition) {
        self.positions.remove(partition);
    }

    /// The next offset of a partition that is still read.
    pub(crate) fn position(&self, partition: &TopicPartition) -> Option<i64> {
        self.positions.get(partition).copied()
    }

    /// Whether no partition is left.
    pub(crate) fn is_finished(&self) -> bool {
        self.positions.is_empty()
    }

    /// Asks every leader once and returns what came; nothing if nothing is new.
    pub(crate) async fn fetch(&mut self) -> Result<Vec<Fetched>> {
        match self.round().await {
            Ok(fetched) => {
                self.failing_since = None;
                self.backoff = BACKOFF;
                Ok(fetched)
            }
            Err(error) if error.is_retriable() => {
                let now = self.seams.clock.now();
                let since = *self.failing_since.get_or_insert(now);
                if now - since >= self.cluster.deadline() {
                    return Err(error);
                }
                tokio::time::sleep(self.seams.rng.jitter(self.backoff)).await;
                self.backoff = (self.backoff * 2).min(Duration::from_secs(1));
                self.learn_leaders().await;
                Ok(Vec::new())
            }
            Err(error) => Err(error),
        }
    }

    /// Asks for the leaders again; what cannot be learned stays as it was.
    async fn learn_leaders(&mut self) {
        let mut names: Vec<_> = self.positions.keys().map(|(topic, _)| topic.clone()).collect();
        names.dedup();
        let share = self.cluster.share();
        let Ok(topics) = self.cluster.look(Some(&names), share).await else {
            return;
        };
        for topic in topics.into_iter().filter_map(|(_, topic)| topic.ok()) {
            for partition in topic.partitions {
                self.leaders
                    .insert((topic.name.clone(), partition.index), partition.leader);
            }
        }
    }

    async fn round(&mut self) -> Result<Vec<Fetched>> {
        self.unknown = false;
        let mut by_leader: BTreeMap<i32, Places> = BTreeMap::new();
        for (of, offset) in &self.positions {
            let leader = self.leaders.get(of).copied().unwrap_or(-1);
            let topics = by_leader.entry(leader).or_default();
            topics.entry(&of.0).or_default().push((of.1, *offset));
        }
        // With several leaders, waiting at one would hold back what another has: each waits its part.
        let wait = FETCH_WAIT / u32::try_from(by_leader.len().max(1)).unwrap_or(1);
        let share = self.cluster.share();
        let asks = by_leader.into_iter().map(|(leader, partitions)| {
            let kept = self.connections.remove(&leader);
            let request = request(&partitions, wait);
            let cluster = &self.cluster;
            async move {
                let mut connection = match kept {
                    Some(connection) => connection,
                    None => cluster.connect(leader).await?,
                };
                let response = connection.call_within(&request, share + wait).await?;
                Ok::<_, ClientError>((leader, connection, response))
            }
        });
        let mut fetched = Vec::new();
        let mut failed = None;
        for answer in futures::future::join_all(asks).await {
            match answer {
                Ok((leader, connection, response)) => {
                    self.connections.insert(leader, connection);
                    if let Err(error) = self.take(&response, &mut fetched) {
                        failed = Some(error);
                    }
                }
                Err(error) => failed = Some(error),
            }
        }
        match failed {
            // What came is not lost: positions of what failed did not move.
            Some(error) if fetched.is_empty() || !error.is_retriable() => Err(error),
            _ => Ok(fetched),
        }
    }

    fn take(&mut self, response: &FetchResponse, fetched: &mut Vec<Fetched>) -> Result<()> {
        ClientError::check(response.error_code, || "cannot read".to_owned(), None)?;
        let mut failed = None;
        let topics = response.responses.iter();
        for (topic, data) in topics.flat_map(|topic| topic.partitions.iter().map(move |data| (topic, data))) {
            let of = (topic.topic.to_string(), data.partition_index);
            let Some(position) = self.positions.get_mut(&of) else {
                continue;
            };
            if data.error_code != ErrorCode::None.code() {
                self.unknown |= data.error_code == ErrorCode::UnknownTopicOrPartition.code();
                let what = || match ErrorCode::from_code(data.error_code) {
                    Some(ErrorCode::OffsetOutOfRange) => {
                        format!("cannot read {}/{} at offset {position}", of.0, of.1)
                    }
                    _ => format!("cannot read {}/{}", of.0, of.1),
                };
                let error = ClientError::check(data.error_code, what, None);
                if !is_retriable(data.error_code) || failed.is_none() {
                    failed = error.err();
                }
                continue;
            }
            let batches = whole_batches(data.records.clone().unwrap_or_default())?;
            let from = *position;
            if let Some(last) = batches.last() {
                *position = last.header.next_offset().max(from);
                fetched.push(Fetched { of, batches, from });
            }
        }
        failed.map_or(Ok(()), Err)
    }
}

/// The whole batches of a fetch; a last one that is cut off comes again with the next fetch.
fn whole_batches(records: Bytes) -> Result<Vec<Batch>> {
    use esker_protocol::batch::BatchError;
    let mut batches = Vec::new();
    for batch in Batches::new(records) {
        match batch {
            Ok(batch) => {
                batch
                    .check_crc()
                    .map_err(|error| ClientError::Input(format!("damaged batch: {error}")))?;
                batches.push(batch);
            }
            Err(BatchError::CutOff { .. }) => break,
            Err(error) => return Err(ClientError::Input(format!("a batch does not read: {error}"))),
        }
    }
    Ok(batches)
}

/// Partitions and the offsets to read from, by topic.
type Places<'a> = BTreeMap<&'a str, Vec<(i32, i64)>>;

fn request(places: &Places<'_>, wait: Duration) -> FetchRequest {
    let partition = |(partition, offset): &(i32, i64)| {
        FetchPartition::default()
            .with_partition(*partition)
            .with_fetch_offset(*offset)
            .with_partition_max_bytes(PARTITION_BYTES)
    };
    let topics = places.iter().map(|(topic, partitions)| {
        FetchTopic::default()
            .with_topic(topic_name(topic))
            .with_partitions(partitions.iter().map(partition).collect())
    });
    FetchRequest::default()
        .with_replica_id(BrokerId(-1))
        .with_max_wait_ms(i32::try_from(wait.as_millis()).unwrap_or(i32::MAX))
        .with_min_bytes(1)
        .with_max_bytes(FETCH_BYTES)
        .with_topics(topics.collect())
}
