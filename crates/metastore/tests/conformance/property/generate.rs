//! Draws commands that mostly make sense, and learns from the reference's replies.

use std::collections::{BTreeMap, BTreeSet};

use esker_metastore::*;
use esker_model::seams::{Rng, SeededRng};
use esker_model::sequence::{Outcome, Piece};
use esker_model::{ClusterEpoch, ClusterId, IncarnationId, PartitionKey, TopicKey, TopicUuid};
use uuid::Uuid;

use super::archiving::Archiving;
use super::commands::{Command, Reply};
use super::grouping::Grouping;
use super::merging::Merging;
use super::offers::{self, Tracks};
use crate::world::{EPOCH, LONG_MS, registration};

const NAMES: [&str; 5] = ["a.b", "a_b", "c", "d", "e"];
const NODES: [&str; 3] = ["n1", "n2", "n3"];

struct Writer {
    incarnation: IncarnationId,
    next_seq: u64,
    /// Nobody has told it yet that it was fenced.
    hopeful: bool,
}

pub struct Generator {
    rng: SeededRng,
    ids: u128,
    /// Of all times: deleted ones are asked for, too.
    topics: Vec<Topic>,
    /// Of all times: fenced ones try, too.
    writers: Vec<Writer>,
    tracks: Tracks,
    /// A name that was deleted just now.
    deleted: Option<String>,
    /// Producers of a deleted topic that go on in the one with its name.
    going_on: BTreeSet<(PartitionKey, i64)>,
    /// How many of them were taken up.
    pub taken_up: usize,
    archiving: Archiving,
    merging: Merging,
    grouping: Grouping,
    /// Asked at the end of the case.
    audit: Vec<Command>,
}

impl Generator {
    pub fn new(seed: u64) -> Self {
        Self {
            rng: SeededRng::new(seed),
            ids: 0,
            topics: Vec::new(),
            writers: Vec::new(),
            tracks: Tracks::new(),
            deleted: None,
            going_on: BTreeSet::new(),
            taken_up: 0,
            archiving: Archiving::default(),
            merging: Merging::default(),
            grouping: Grouping::default(),
            audit: Vec::new(),
        }
    }

    /// The next command; `None` at the end.
    pub fn next(&mut self, step: u64, steps: u64) -> Option<Command> {
        match step {
            0 => Some(Command::Cluster),
            1 => Some(Command::InitCluster(ClusterId("first".to_owned()))),
            2..5 => Some(self.register(NODES[step as usize - 2])),
            5 => Some(self.create_topics(3)),
            6 => Some(Command::AllocateProducerIds(1 + self.below(4) as u32)),
            _ if step < steps => Some(self.draw()),
            _ => {
                if step == steps {
                    self.audit = self.audit();
                }
                self.audit.pop()
            }
        }
    }

    fn below(&self, bound: usize) -> usize {
        self.rng.below(bound as u64) as usize
    }

    fn id(&mut self) -> Uuid {
        self.ids += 1;
        Uuid::from_u128(self.ids)
    }

    fn draw(&mut self) -> Command {
        if let Some(name) = self.deleted.take()
            && self.below(3) > 0
        {
            let topic = self.new_topic(name);
            return Command::CreateTopics(vec![topic]);
        }
        if self.below(8) == 0 {
            let (partition, incarnation) = (self.partition(), self.incarnation());
            return self.grouping.draw(&self.rng, partition, incarnation);
        }
        if self.below(2) == 0 {
            let (partition, incarnation) = (self.partition(), self.incarnation());
            if self.below(5) < 3 {
                return self.archiving.draw(&self.rng, partition, incarnation);
            }
            let segments = self.archiving.segments();
            return self.merging.draw(&self.rng, partition, incarnation, segments);
        }
        match self.below(100) {
            0..52 => self.commit(),
            52..57 => self.settle(),
            57..64 => Command::Plan((0..1 + self.below(3)).map(|_| self.plan()).collect()),
            64..70 => Command::FindByTime((0..1 + self.below(3)).map(|_| self.find()).collect()),
            70..71 => Command::Heads((0..4).map(|_| self.partition()).collect()),
            71..73 => {
                let partitions = (0..4).map(|_| self.partition()).collect();
                Command::StoredBytes(partitions, [0, 2, 8, 512][self.below(4)])
            }
            73..76 => self.create_topics(1 + self.below(2)),
            76..80 => Command::DeleteTopics(vec![self.topic_uuid()]),
            80..83 => Command::CreatePartitions(vec![NewPartitions {
                topic: self.topic_uuid(),
                partitions: 1 + self.below(4) as i32,
            }]),
            83..85 => self.alter_configs(),
            85..88 => Command::Catalog(self.rng.below(12) as i64),
            88..91 => {
                let node = self.below(NODES.len());
                self.register(NODES[node])
            }
            91..94 => Command::Heartbeat(self.incarnation(), self.liveness()),
            94..95 => {
                let incarnation = self.incarnation();
                Command::FenceExpired(vec![incarnation], self.liveness())
            }
            95..96 if self.below(3) == 0 => Command::Leave(self.incarnation()),
            95..96 if self.below(2) == 0 => Command::AnnounceLeave(self.incarnation()),
            95..98 => Command::ForgetIdleProducers(if self.below(3) > 0 { 0 } else { LONG_MS }),
            // Few, so that the producers' ids are given out one after the other.
            98 => Command::AllocateProducerIds(1 + self.below(2) as u32),
            _ => match self.below(3) {
                0 => Command::Cluster,
                1 => Command::BucketBound,
                _ => Command::InitCluster(ClusterId("second".to_owned())),
            },
        }
    }

    /// Everybody is silent for too long, or nobody is.
    fn liveness(&self) -> i64 {
        if self.below(4) == 0 { 0 } else { LONG_MS }
    }

    fn writer(&self) -> usize {
        let hopeful: Vec<_> = (0..self.writers.len())
            .filter(|index| self.writers[*index].hopeful)
            .collect();
        if hopeful.is_empty() || self.below(10) == 0 {
            return self.below(self.writers.len());
        }
        hopeful[self.below(hopeful.len())]
    }

    fn incarnation(&self) -> IncarnationId {
        self.writers[self.writer()].incarnation
    }

    fn topic(&self) -> Option<&Topic> {
        let back = self.below(self.topics.len().clamp(1, 5));
        self.topics.iter().rev().nth(back)
    }

    fn topic_uuid(&mut self) -> TopicUuid {
        match self.topic() {
            Some(topic) if self.below(10) > 0 => topic.uuid,
            _ => TopicUuid(self.id()),
        }
    }

    fn partition(&self) -> PartitionKey {
        let (topic, partitions) = self
            .topic()
            .map_or((TopicKey(77), 1), |topic| (topic.key, topic.partitions));
        let beyond = usize::from(self.below(12) == 0);
        PartitionKey {
            topic,
            partition: self.below(partitions as usize + beyond) as i32,
        }
    }

    fn commit(&mut self) -> Command {
        let mut tracks = self.tracks.clone();
        let partitions: Vec<_> = (0..1 + self.below(3)).map(|_| self.partition()).collect();
        let writer = self.writer();
        let mut seq = self.writers[writer].next_seq;
        if self.below(15) == 0 {
            seq = 1 + self.rng.below(seq);
        }
        let mut segments = Vec::new();
        for _ in 0..1 + self.below(3) {
            let runs = (0..self.below(6))
                .map(|_| offers::run(&self.rng, &mut tracks, partitions[self.below(partitions.len())]))
                .collect();
            segments.push(SegmentCommit {
                seq,
                object_bytes: self.rng.below(1 << 23),
                runs,
            });
            // Seqs whose upload gave up are left out.
            seq += 1 + u64::from(self.below(10) == 0);
        }
        Command::Commit(CommitRequest {
            epoch: if self.below(40) == 0 {
                ClusterEpoch(2)
            } else {
                EPOCH
            },
            incarnation: self.writers[writer].incarnation,
            settled_through: seq.saturating_sub(5),
            segments,
        })
    }

    fn settle(&mut self) -> Command {
        let writer = &self.writers[self.writer()];
        let around = |_| (writer.next_seq + 2).saturating_sub(1 + self.rng.below(8)).max(1);
        Command::Settle(writer.incarnation, (0..self.below(4)).map(around).collect())
    }

    fn offset(&self) -> i64 {
        match self.below(4) {
            0 => self.rng.below(1 << 33) as i64,
            1 => 0,
            _ => self.rng.below(60) as i64,
        }
    }

    fn plan(&self) -> PlanRequest {
        PlanRequest {
            partition: self.partition(),
            from: self.offset(),
            bytes_max: [0, 1000, 4000, u64::MAX][self.below(4)],
            extents_max: [0, 1, 3, 512][self.below(4)],
        }
    }

    fn find(&self) -> TimeRequest {
        let query = match self.below(3) {
            0 => TimeQuery::Max,
            _ => TimeQuery::AtOrAfter {
                timestamp: self.rng.below(42) as i64 - 1,
                from: self.offset(),
            },
        };
        TimeRequest {
            partition: self.partition(),
            query,
        }
    }

    fn create_topics(&mut self, count: usize) -> Command {
        let topic = |_| match self.below(6) {
            0 if !self.topics.is_empty() => self.topic_again(),
            _ => self.new_topic(NAMES[self.below(NAMES.len())].to_owned()),
        };
        Command::CreateTopics((0..count).map(topic).collect())
    }

    /// One that was created before: its caller did not hear of it.
    fn topic_again(&mut self) -> NewTopic {
        let topic = self.topics[self.below(self.topics.len())].clone();
        NewTopic {
            uuid: topic.uuid,
            ..self.new_topic(topic.name)
        }
    }

    fn new_topic(&mut self, name: String) -> NewTopic {
        NewTopic {
            uuid: TopicUuid(self.id()),
            name,
            partitions: 1 + self.below(3) as i32,
            replication_factor: self.below(4) as i16,
            configs: BTreeMap::from([("retention.ms".to_owned(), self.below(100).to_string())]),
        }
    }

    fn alter_configs(&mut self) -> Command {
        let count = 1 + self.below(2);
        let change = |_| {
            let name = ["retention.ms", "cleanup.policy", "x"][self.below(3)];
            let value = (self.below(3) > 0).then(|| format!("v'\"\\{}", self.below(10)));
            let group = ["g", "h", "\u{0}i"][self.below(3)];
            ConfigChange {
                subject: match self.below(2) {
                    0 => ConfigSubject::Topic(self.topic_uuid()),
                    _ => ConfigSubject::Group(group.into()),
                },
                replace_all: self.below(3) == 0,
                changes: BTreeMap::from([(name.to_owned(), value)]),
            }
        };
        Command::AlterConfigs((0..count).map(change).collect())
    }

    fn register(&mut self, node: &str) -> Command {
        let again = self.writers.len() >= NODES.len() && self.below(10) == 0;
        let incarnation = if again {
            self.incarnation()
        } else {
            IncarnationId(self.id())
        };
        let mut registration = registration(node, incarnation);
        if self.below(12) == 0 && self.writers.len() >= NODES.len() {
            registration.epoch = ClusterEpoch(3);
        }
        Command::Register(registration)
    }

    /// Everything that can be read, of every topic and writer there ever was.
    fn audit(&self) -> Vec<Command> {
        let keys = self.topics.iter().flat_map(|topic| {
            (0..4).map(|partition| PartitionKey {
                topic: topic.key,
                partition,
            })
        });
        let keys: Vec<_> = keys.collect();
        let plans = keys.iter().map(|key| crate::world::plan_from(*key, 0)).collect();
        let settle =
            |writer: &Writer| Command::Settle(writer.incarnation, (1..writer.next_seq + 3).collect());
        let mut audit: Vec<_> = self.writers.iter().map(settle).collect();
        audit.extend(self.archiving.audit());
        audit.extend(self.grouping.audit());
        audit.extend(self.merging.audit(keys));
        audit.extend([Command::Plan(plans), Command::Catalog(0), Command::Cluster]);
        audit
    }

    pub fn observe(&mut self, command: &Command, reply: &Reply) {
        self.archiving.observe(reply);
        self.merging.observe(reply);
        self.grouping.observe(reply);
        let fenced = match (command, reply) {
            (Command::Commit(request), Reply::Commit(Err(MetastoreError::Fenced))) => {
                Some(request.incarnation)
            }
            (Command::Settle(id, _), Reply::Settle(Err(MetastoreError::Fenced))) => Some(*id),
            (Command::Heartbeat(id, _), Reply::Heartbeat(Err(MetastoreError::Fenced))) => Some(*id),
            _ => None,
        };
        for writer in &mut self.writers {
            writer.hopeful &= fenced != Some(writer.incarnation);
        }
        match (command, reply) {
            (Command::Commit(request), Reply::Commit(reply)) => self.observe_commit(request, reply),
            (Command::CreateTopics(_), Reply::CreateTopics(Ok(created))) => {
                for topic in created.iter().flatten() {
                    self.go_on(topic);
                    self.topics.retain(|known| known.uuid != topic.uuid);
                    self.topics.push(topic.clone());
                }
            }
            (Command::DeleteTopics(uuids), Reply::DeleteTopics(Ok(deleted))) if deleted[0] => {
                let topic = self.topics.iter().find(|topic| topic.uuid == uuids[0]);
                self.deleted = topic.map(|topic| topic.name.clone());
            }
            (_, Reply::CreatePartitions(Ok(replies))) => {
                for grown in replies.iter().flatten() {
                    self.topics.retain(|topic| topic.uuid != grown.uuid);
                    self.topics.push(grown.clone());
                }
            }
            (Command::Register(registration), Reply::Register(Ok(_))) => {
                let known = |writer: &Writer| writer.incarnation == registration.incarnation;
                if !self.writers.iter().any(known) {
                    self.writers.push(Writer {
                        incarnation: registration.incarnation,
                        next_seq: 1,
                        hopeful: true,
                    });
                }
            }
            _ => {}
        }
    }

    /// Some producers of the deleted topic of this name do not notice, also where there is no partition
    /// yet (or never was one).
    fn go_on(&mut self, topic: &Topic) {
        let Some(old) = self.topics.iter().rev().find(|old| old.name == topic.name) else {
            return;
        };
        let old = old.key;
        let mut known = self.tracks.clone();
        known.retain(|(at, _), _| at.topic == old);
        for ((at, id), track) in known {
            if self.below(4) > 0 {
                let at = PartitionKey {
                    topic: topic.key,
                    partition: at.partition,
                };
                self.going_on.insert((at, id));
                self.tracks.insert((at, id), track);
            }
        }
    }

    fn observe_commit(&mut self, request: &CommitRequest, reply: &Result<CommitReply>) {
        let last = request.segments.iter().map(|segment| segment.seq).max();
        for writer in &mut self.writers {
            // What was refused as a whole may be tried again, unless some of it is settled.
            let over = matches!(reply, Ok(_) | Err(MetastoreError::AlreadySettled));
            if writer.incarnation == request.incarnation && over {
                writer.next_seq = writer.next_seq.max(last.unwrap_or(0) + 1);
            }
        }
        let Ok(reply) = reply else { return };
        for (segment, replied) in request.segments.iter().zip(&reply.segments) {
            for (run, pieces) in segment.runs.iter().zip(&replied.runs) {
                let appended = |piece: &Piece| matches!(piece.outcome, Outcome::Appended { .. });
                if let (Some(producer), Some(true)) = (run.producer, pieces.last().map(appended)) {
                    let key = (run.partition, producer.id.0);
                    if self.going_on.remove(&key) && producer.first_sequence > 0 {
                        self.taken_up += 1;
                    }
                    self.tracks.entry(key).or_default().appended(run, producer);
                }
            }
        }
    }
}
