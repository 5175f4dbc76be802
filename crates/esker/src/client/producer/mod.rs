//! Writing: an idempotent producer with acks=all, for one topic.
//!
//! Records gather in one batch per partition; [`Producer::flush`] sends all batches, those of one leader
//! in one request, the leaders side by side, and returns when every record is acknowledged. A batch that
//! gets a retriable answer, or none, is sent again with the same sequence until the deadline: the broker
//! recognises what it has. So one batch per partition is under way, and order is kept.

mod start;

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use esker_model::seams::Seams;
use esker_protocol::batch::Codec;
use esker_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use esker_protocol::messages::{ProduceRequest, ProduceResponse};
use esker_protocol::records::BatchBuilder;
use futures::future::join_all;

use super::cluster::topic_name;
use super::{ClientError, Cluster, Connection, Result, partitioner};

/// A batch is full at this many bytes before compression; a topic's default limit is 1,048,588.
const BATCH_BYTES: usize = 1_000_000;
/// All open batches together: what one round sends, and what is in memory.
const OPEN_BYTES: usize = 8_000_000;
/// A larger record cannot be sent at all.
pub(crate) const RECORD_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Wait before a retry; doubles up to the second.
const BACKOFF: Duration = Duration::from_millis(50);
const BACKOFF_MAX: Duration = Duration::from_secs(1);

/// A record to write.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct NewRecord {
    pub(crate) key: Option<Vec<u8>>,
    pub(crate) value: Option<Vec<u8>>,
    pub(crate) headers: Vec<(Vec<u8>, Vec<u8>)>,
}

impl NewRecord {
    fn bytes(&self) -> usize {
        let length = |part: &Option<Vec<u8>>| part.as_ref().map_or(0, Vec::len);
        let headers: usize = self
            .headers
            .iter()
            .map(|(key, value)| key.len() + value.len() + 10)
            .sum();
        length(&self.key) + length(&self.value) + headers + 32
    }
}

/// What was written so far.
#[derive(Clone, Debug, Default)]
pub(crate) struct Written {
    pub(crate) records: u64,
    /// Keys and values.
    pub(crate) bytes: u64,
    /// First and last offset per partition.
    pub(crate) offsets: BTreeMap<i32, (i64, i64)>,
}

struct Batch {
    partition: i32,
    records: i32,
    bytes: Bytes,
}

/// Writes to one topic.
pub(crate) struct Producer {
    cluster: Cluster,
    seams: Seams,
    topic: String,
    codec: Codec,
    /// Leaders by partition.
    leaders: Vec<i32>,
    only: Option<i32>,
    id: (i64, i16),
    next_sequence: BTreeMap<i32, i32>,
    connections: BTreeMap<i32, Connection>,
    open: BTreeMap<i32, BatchBuilder>,
    /// Bytes of the open batches, about.
    open_bytes: usize,
    /// Bytes of keys and values in them.
    open_payload: u64,
    /// Where records without a key go until its batch is full or sent.
    sticky: usize,
    written: Written,
}

impl Producer {
    /// A producer for `topic`, which the broker may create. `only` sends everything to one partition.
    pub(crate) async fn start(
        mut cluster: Cluster,
        seams: Seams,
        topic: &str,
        codec: Codec,
        only: Option<i32>,
    ) -> Result<Self> {
        let leaders = start::leaders(&mut cluster, &seams, topic).await?;
        if let Some(partition) = only
            && usize::try_from(partition).map_or(true, |index| index >= leaders.len())
        {
            return Err(ClientError::Input(format!(
                "topic {topic} has no partition {partition}: it has {}",
                leaders.len()
            )));
        }
        let id = start::init_producer_id(&mut cluster, &seams).await?;
        Ok(Self {
            sticky: seams.rng.below(leaders.len() as u64) as usize,
            cluster,
            seams,
            topic: topic.to_owned(),
            codec,
            leaders,
            only,
            id,
            next_sequence: BTreeMap::new(),
            connections: BTreeMap::new(),
            open: BTreeMap::new(),
            open_bytes: 0,
            open_payload: 0,
            written: Written::default(),
        })
    }

    /// What is acknowledged.
    pub(crate) fn written(&self) -> &Written {
        &self.written
    }

    /// Takes a record; sends what was gathered first if its batch is full.
    pub(crate) async fn add(&mut self, record: &NewRecord) -> Result<()> {
        let bytes = record.bytes();
        if bytes > RECORD_BYTES_MAX {
            return Err(ClientError::Input(format!(
                "a record of {bytes} bytes is too large to send"
            )));
        }
        if self.open_bytes + bytes > OPEN_BYTES && !self.open.is_empty() {
            self.flush().await?;
        }
        let mut partition = self.partition_of(record);
        if self.is_full(partition, bytes) && self.only.is_none() && record.key.is_none() {
            self.sticky = (self.sticky + 1) % self.leaders.len().max(1);
            partition = self.partition_of(record);
        }
        if self.is_full(partition, bytes) {
            self.flush().await?;
        }
        let headers: Vec<_> = record
            .headers
            .iter()
            .map(|(key, value)| (key.as_slice(), Some(value.as_slice())))
            .collect();
        let now = self.seams.clock.wall_ms();
        let batch = self.open.remove(&partition).unwrap_or_default();
        let batch = batch.record(now, record.key.as_deref(), record.value.as_deref(), &headers);
        self.open.insert(partition, batch);
        self.open_bytes += bytes;
        let payload = |part: &Option<Vec<u8>>| part.as_ref().map_or(0, |part| part.len() as u64);
        self.open_payload += payload(&record.key) + payload(&record.value);
        Ok(())
    }

    fn is_full(&self, partition: i32, more: usize) -> bool {
        self.open
            .get(&partition)
            .is_some_and(|batch| batch.plain_bytes() + more > BATCH_BYTES)
    }

    fn partition_of(&self, record: &NewRecord) -> i32 {
        let index = match (&self.only, &record.key) {
            (Some(partition), _) => return *partition,
            (None, Some(key)) => partitioner::of_key(key, self.leaders.len()),
            (None, None) => self.sticky,
        };
        i32::try_from(index).unwrap_or_default()
    }

    /// Sends everything and waits for every acknowledgement.
    pub(crate) async fn flush(&mut self) -> Result<()> {
        self.open_bytes = 0;
        let mut batches = Vec::new();
        for (partition, builder) in std::mem::take(&mut self.open) {
            batches.push(self.seal(partition, builder)?);
        }
        let deadline = self.seams.clock.now().plus(self.cluster.deadline());
        let mut backoff = BACKOFF;
        while !batches.is_empty() {
            let (left, error) = self.send(batches).await?;
            batches = left;
            let Some(error) = error else { continue };
            if self.seams.clock.now() >= deadline {
                return Err(error);
            }
            tokio::time::sleep(self.seams.rng.jitter(backoff)).await;
            backoff = (backoff * 2).min(BACKOFF_MAX);
            // A failed refresh leaves the old leaders: the next round tries again.
            let name = [self.topic.clone()];
            let share = self.cluster.share();
            if let Ok(found) = self.cluster.look(Some(&name), share).await
                && let Some((_, Ok(topic))) = found.into_iter().next()
                && topic.partitions.len() >= self.leaders.len()
            {
                self.leaders = topic
                    .partitions
                    .iter()
                    .map(|partition| partition.leader)
                    .collect();
            }
        }
        self.written.bytes += std::mem::take(&mut self.open_payload);
        self.sticky = (self.sticky + 1) % self.leaders.len().max(1);
        Ok(())
    }

    fn seal(&mut self, partition: i32, builder: BatchBuilder) -> Result<Batch> {
        let records = builder.record_count();
        let sequence = self.next_sequence.entry(partition).or_insert(0);
        let (id, epoch) = self.id;
        let bytes = builder
            .codec(self.codec)
            .producer(id, epoch, *sequence)
            .build()
            .map_err(|error| ClientError::Input(error.to_string()))?;
        // Sequences wrap to 0 after i32::MAX.
        *sequence = ((i64::from(*sequence) + i64::from(records)) % (i64::from(i32::MAX) + 1)) as i32;
        Ok(Batch {
            partition,
            records,
            bytes,
        })
    }

    /// One round: returns what has to be sent again and why; fails on what no retry mends.
    async fn send(&mut self, batches: Vec<Batch>) -> Result<(Vec<Batch>, Option<ClientError>)> {
        let mut by_leader: BTreeMap<i32, Vec<Batch>> = BTreeMap::new();
        for batch in batches {
            let leader = usize::try_from(batch.partition)
                .ok()
                .and_then(|index| self.leaders.get(index));
            by_leader
                .entry(leader.copied().unwrap_or(-1))
                .or_default()
                .push(batch);
        }
        let timeout = self.cluster.deadline();
        let sends = by_leader.into_iter().map(|(leader, batches)| {
            let kept = self.connections.remove(&leader);
            let request = request(&self.topic, &batches, timeout);
            let cluster = &self.cluster;
            async move {
                let connection = match kept {
                    Some(connection) => Ok(connection),
                    None => cluster.connect(leader).await,
                };
                match connection {
                    Ok(mut connection) => {
                        let answer = connection.call(&request).await;
                        (leader, batches, answer, Some(connection))
                    }
                    Err(error) => (leader, batches, Err(error), None),
                }
            }
        });
        let mut again = Vec::new();
        let mut reason = None;
        for (leader, batches, answer, connection) in join_all(sends).await {
            match answer {
                Ok(response) => {
                    self.connections
                        .extend(connection.map(|connection| (leader, connection)));
                    for batch in batches {
                        match self.judge(&batch, &response) {
                            Ok(()) => {}
                            Err(error) if error.is_retriable() => {
                                reason = Some(error);
                                again.push(batch);
                            }
                            Err(error) => return Err(error),
                        }
                    }
                }
                Err(error) if error.is_retriable() => {
                    reason = Some(error);
                    again.extend(batches);
                }
                Err(error) => return Err(error),
            }
        }
        Ok((again, reason))
    }

    fn judge(&mut self, batch: &Batch, response: &ProduceResponse) -> Result<()> {
        let answers = response
            .responses
            .iter()
            .flat_map(|topic| &topic.partition_responses);
        let Some(answer) = answers.into_iter().find(|answer| answer.index == batch.partition) else {
            return Err(ClientError::Input(format!(
                "no answer about {}/{}",
                self.topic, batch.partition
            )));
        };
        let what = || format!("cannot write to {}/{}", self.topic, batch.partition);
        ClientError::check(answer.error_code, what, answer.error_message.as_deref())?;
        self.written.records += u64::from(batch.records.unsigned_abs());
        let last = answer.base_offset + i64::from(batch.records) - 1;
        let span = self
            .written
            .offsets
            .entry(batch.partition)
            .or_insert((answer.base_offset, last));
        span.1 = span.1.max(last);
        Ok(())
    }
}

fn request(topic: &str, batches: &[Batch], timeout: Duration) -> ProduceRequest {
    let partitions = batches
        .iter()
        .map(|batch| {
            PartitionProduceData::default()
                .with_index(batch.partition)
                .with_records(Some(batch.bytes.clone()))
        })
        .collect();
    ProduceRequest::default()
        .with_acks(-1)
        .with_timeout_ms(i32::try_from(timeout.as_millis()).unwrap_or(i32::MAX))
        .with_topic_data(vec![
            TopicProduceData::default()
                .with_name(topic_name(topic))
                .with_partition_data(partitions),
        ])
}
