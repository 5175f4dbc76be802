//! Reading: records of some partitions. Which ones, and from where, others decide.
//!
//! [`Consumer::fetch`] has every leader asked, each by itself, and returns what the next one of them answers: a leader that is
//! slow, frozen or dead holds up its own partitions only. Order is kept within a partition.
//!
//! A leader that cannot be reached, or that answers with a retriable code, is asked again after a rest, and all leaders are
//! looked up anew meanwhile. A partition that nobody gave anything of for as long as the deadline, not even that there is
//! nothing new, is an error. What an answer says of a position that was asked for is heeded only while that still is the
//! position: of two answers from a former leader and the new one, the first counts.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use bytes::Bytes;
use esker_model::seams::{Instant, Seams};
use esker_protocol::ErrorCode;
use esker_protocol::batch::{Batch, Batches};
use esker_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use esker_protocol::messages::{BrokerId, FetchRequest, FetchResponse};
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use futures::{FutureExt, StreamExt};

use super::cluster::{Topic, topic_name};
use super::{ClientError, Cluster, Connection, Result, TopicPartition};

/// How long the broker may wait for new records.
const FETCH_WAIT: Duration = Duration::from_millis(500);
/// Most bytes of one response, and of one partition in it.
const FETCH_BYTES: i32 = 16 * 1024 * 1024;
const PARTITION_BYTES: i32 = 4 * 1024 * 1024;
/// The rest of a leader that failed, which doubles each time up to a second; and between two looks for leaders.
const BACKOFF: Duration = Duration::from_millis(100);
const BACKOFF_MAX: Duration = Duration::from_secs(1);

/// Reads from some partitions.
pub(crate) struct Consumer {
    cluster: Cluster,
    seams: Seams,
    /// Next offset by partition; a partition that is finished is taken out.
    positions: BTreeMap<TopicPartition, i64>,
    leaders: BTreeMap<TopicPartition, i32>,
    /// To leaders that are not being asked.
    connections: BTreeMap<i32, Connection>,
    /// Everything that is being asked: each leader once at a time, and the cluster for its leaders.
    asks: FuturesUnordered<BoxFuture<'static, Answer>>,
    asked: BTreeSet<i32>,
    resting: BTreeMap<i32, Rest>,
    /// Partitions of which nothing is given, and since when.
    failing: BTreeMap<TopicPartition, Instant>,
    /// Partitions that were unknown to their leaders when these were asked last.
    unknown: BTreeSet<TopicPartition>,
    look: Look,
}

/// A leader that failed is not asked before then.
struct Rest {
    until: Instant,
    next: Duration,
}

/// Whether leaders are to be looked up.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Look {
    /// They are known.
    Done,
    /// Not before then.
    Wanted(Instant),
    /// That is being asked.
    UnderWay,
}

/// What was asked for: partitions, and the offsets to read from.
type Places = BTreeMap<TopicPartition, i64>;

enum Answer {
    Fetched {
        leader: i32,
        places: Places,
        answer: Result<(Connection, FetchResponse)>,
    },
    Leaders(Result<Vec<(String, Result<Topic>)>>, Cluster),
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
            asks: FuturesUnordered::new(),
            asked: BTreeSet::new(),
            resting: BTreeMap::new(),
            failing: BTreeMap::new(),
            unknown: BTreeSet::new(),
            look: Look::Done,
        }
    }

    /// Whether a partition is not known to its leader: perhaps its topic is gone.
    pub(crate) fn has_unknown(&self) -> bool {
        !self.unknown.is_empty()
    }

    /// Stops reading a topic.
    pub(crate) fn finish_topic(&mut self, topic: &str) {
        self.positions.retain(|(name, _), _| name != topic);
        self.failing.retain(|(name, _), _| name != topic);
        self.unknown.retain(|(name, _)| name != topic);
    }

    /// Stops reading a partition.
    pub(crate) fn finish(&mut self, partition: &TopicPartition) {
        self.positions.remove(partition);
        self.failing.remove(partition);
        self.unknown.remove(partition);
    }

    /// The next offset of a partition that is still read.
    pub(crate) fn position(&self, partition: &TopicPartition) -> Option<i64> {
        self.positions.get(partition).copied()
    }

    /// Whether no partition is left.
    pub(crate) fn is_finished(&self) -> bool {
        self.positions.is_empty()
    }

    /// Has every leader asked that is not being asked, and returns what came next: nothing if that is not new, or if
    /// nothing came for a while. Nothing is lost when this is given up.
    pub(crate) async fn fetch(&mut self) -> Result<Vec<Fetched>> {
        let now = self.seams.clock.now();
        self.ask(now);
        self.look_for_leaders(now);
        let wakes = self.resting.values().map(|rest| rest.until - now);
        let until_wake = wakes.filter(|wait| !wait.is_zero()).min();
        let mut fetched = Vec::new();
        tokio::select! {
            biased;
            Some(answer) = self.asks.next() => self.heed(answer, &mut fetched)?,
            () = tokio::time::sleep(until_wake.unwrap_or(FETCH_WAIT).min(FETCH_WAIT)) => {}
        }
        while let Some(Some(answer)) = self.asks.next().now_or_never() {
            self.heed(answer, &mut fetched)?;
        }
        Ok(fetched)
    }

    fn ask(&mut self, now: Instant) {
        let mut by_leader: BTreeMap<i32, Places> = BTreeMap::new();
        for (of, offset) in &self.positions {
            let leader = self.leaders.get(of).copied().unwrap_or(-1);
            let rests = self.resting.get(&leader).is_some_and(|rest| rest.until > now);
            if !rests && !self.asked.contains(&leader) {
                by_leader.entry(leader).or_default().insert(of.clone(), *offset);
            }
        }
        for (leader, places) in by_leader {
            self.asked.insert(leader);
            let kept = self.connections.remove(&leader);
            let cluster = self.cluster.another();
            self.asks.push(Box::pin(async move {
                let answer = read(&cluster, leader, kept, &places).await;
                Answer::Fetched {
                    leader,
                    places,
                    answer,
                }
            }));
        }
    }

    /// Has the cluster asked for the leaders if that is due.
    fn look_for_leaders(&mut self, now: Instant) {
        if !matches!(self.look, Look::Wanted(at) if at <= now) {
            return;
        }
        self.look = Look::UnderWay;
        let mut names: Vec<_> = self.positions.keys().map(|(topic, _)| topic.clone()).collect();
        names.dedup();
        let (mut cluster, share) = (self.cluster.another(), self.cluster.share());
        self.asks.push(Box::pin(async move {
            let topics = cluster.look(Some(&names), share).await;
            Answer::Leaders(topics, cluster)
        }));
    }

    fn heed(&mut self, answer: Answer, fetched: &mut Vec<Fetched>) -> Result<()> {
        match answer {
            Answer::Fetched {
                leader,
                places,
                answer,
            } => {
                self.asked.remove(&leader);
                let taken = answer.and_then(|(connection, response)| {
                    self.connections.insert(leader, connection);
                    self.take(&places, &response, fetched)
                });
                let failed = match taken {
                    Ok(failed) => failed,
                    Err(error) => Some((error, places.into_keys().collect())),
                };
                match failed {
                    None => drop(self.resting.remove(&leader)),
                    Some((error, partitions)) => self.fail(leader, &partitions, error)?,
                }
            }
            // What cannot be learned stays as it was: whoever still fails has it looked up again.
            Answer::Leaders(topics, cluster) => {
                self.look = Look::Done;
                if let Ok(topics) = topics {
                    self.cluster = cluster;
                    self.learn(topics);
                }
            }
        }
        Ok(())
    }

    fn learn(&mut self, topics: Vec<(String, Result<Topic>)>) {
        for topic in topics.into_iter().filter_map(|(_, topic)| topic.ok()) {
            for partition in topic.partitions {
                let of = (topic.name.clone(), partition.index);
                self.leaders.insert(of, partition.leader);
            }
        }
    }

    /// A leader gave nothing of some partitions.
    fn fail(&mut self, leader: i32, partitions: &[TopicPartition], error: ClientError) -> Result<()> {
        if !error.is_retriable() {
            return Err(error);
        }
        let now = self.seams.clock.now();
        let rest = self.resting.entry(leader).or_insert(Rest {
            until: now,
            next: BACKOFF,
        });
        rest.until = now.plus(self.seams.rng.jitter(rest.next));
        rest.next = (rest.next * 2).min(BACKOFF_MAX);
        if self.look == Look::Done {
            self.look = Look::Wanted(now.plus(BACKOFF / 2));
        }
        for of in partitions {
            // Somebody else may lead it by now, and somebody else may have read it to its end.
            if self.leaders.get(of).is_some_and(|known| *known != leader) || !self.positions.contains_key(of)
            {
                continue;
            }
            let since = *self.failing.entry(of.clone()).or_insert(now);
            if now - since >= self.cluster.deadline() {
                return Err(error);
            }
        }
        Ok(())
    }

    /// Takes what a response gives. Answers: the partitions of which it gives nothing, and why, if there are any.
    fn take(
        &mut self,
        places: &Places,
        response: &FetchResponse,
        fetched: &mut Vec<Fetched>,
    ) -> Result<Option<(ClientError, Vec<TopicPartition>)>> {
        ClientError::check(response.error_code, || "cannot read".to_owned(), None)?;
        let mut failed: Option<(ClientError, Vec<TopicPartition>)> = None;
        let topics = response.responses.iter();
        for (topic, data) in topics.flat_map(|topic| topic.partitions.iter().map(move |data| (topic, data))) {
            let of = (topic.topic.to_string(), data.partition_index);
            let Some(position) = self.positions.get_mut(&of) else {
                continue;
            };
            if places.get(&of) != Some(position) {
                continue;
            }
            let what = || match ErrorCode::from_code(data.error_code) {
                Some(ErrorCode::OffsetOutOfRange) => {
                    format!("cannot read {}/{} at offset {position}", of.0, of.1)
                }
                _ => format!("cannot read {}/{}", of.0, of.1),
            };
            if let Err(error) = ClientError::check(data.error_code, what, None) {
                if !error.is_retriable() {
                    return Err(error);
                }
                let (_, partitions) = failed.get_or_insert((error, Vec::new()));
                partitions.push(of.clone());
                if data.error_code == ErrorCode::UnknownTopicOrPartition.code() {
                    self.unknown.insert(of);
                }
                continue;
            }
            self.failing.remove(&of);
            self.unknown.remove(&of);
            let batches = whole_batches(data.records.clone().unwrap_or_default())?;
            let from = *position;
            if let Some(last) = batches.last() {
                *position = last.header.next_offset().max(from);
                fetched.push(Fetched { of, batches, from });
            }
        }
        Ok(failed)
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

/// Asks a leader, over a connection that was kept or a new one.
async fn read(
    cluster: &Cluster,
    leader: i32,
    kept: Option<Connection>,
    places: &Places,
) -> Result<(Connection, FetchResponse)> {
    let mut connection = match kept {
        Some(connection) => connection,
        None => cluster.connect(leader).await?,
    };
    let within = cluster.share() + FETCH_WAIT;
    let response = connection.call_within(&request(places), within).await?;
    Ok((connection, response))
}

fn request(places: &Places) -> FetchRequest {
    let mut topics: BTreeMap<&str, Vec<FetchPartition>> = BTreeMap::new();
    for ((topic, partition), offset) in places {
        let partition = FetchPartition::default()
            .with_partition(*partition)
            .with_fetch_offset(*offset)
            .with_partition_max_bytes(PARTITION_BYTES);
        topics.entry(topic).or_default().push(partition);
    }
    let topics = topics.into_iter().map(|(topic, partitions)| {
        FetchTopic::default()
            .with_topic(topic_name(topic))
            .with_partitions(partitions)
    });
    FetchRequest::default()
        .with_replica_id(BrokerId(-1))
        .with_max_wait_ms(i32::try_from(FETCH_WAIT.as_millis()).unwrap_or(i32::MAX))
        .with_min_bytes(1)
        .with_max_bytes(FETCH_BYTES)
        .with_topics(topics.collect())
}
