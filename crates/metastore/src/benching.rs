//! Group commits as busy agents make them, for benchmarks.
//!
//! Only with the feature `benching`. What holds: each call has segments with one run for each of their partitions,
//! sequences go on from run to run and from call to call, and nothing of it is ever refused.

use std::ops::Range;

use esker_model::sequence::Outcome;
use esker_model::{ClusterEpoch, IncarnationId, PartitionKey, ProducerEpoch, ProducerId, TopicKey};

use crate::{CommitReply, CommitRequest, RunBatch, RunCommit, RunProducer, SegmentCommit};

/// Records of each run, which is one batch.
const RECORDS: i32 = 10;

/// What one incarnation commits.
pub struct GroupCommits {
    /// Who commits, in cluster epoch 1.
    pub incarnation: IncarnationId,
    /// Where to.
    pub topic: TopicKey,
    /// Partitions of the topic: as many runs has a segment, the last one fewer.
    pub partitions: i32,
    /// Extents of each call.
    pub extents: usize,
    /// The idempotent producer of partition 0, and so on; without, batches have no producer.
    pub first_producer: Option<i64>,
    /// Bytes of each batch.
    pub batch_bytes: u32,
    /// What each batch says of its records.
    pub max_timestamp: i64,
    /// Segments so far: 0 to begin with.
    pub segments: u64,
    /// Calls so far: 0 to begin with.
    pub calls: usize,
}

impl GroupCommits {
    /// The next call.
    pub fn request(&mut self) -> CommitRequest {
        let settled_through = self.segments;
        let mut extents = 0..self.extents;
        let mut segments = Vec::new();
        while !extents.is_empty() {
            segments.push(self.segment(&mut extents));
        }
        self.calls += 1;
        CommitRequest {
            epoch: ClusterEpoch(1),
            incarnation: self.incarnation,
            settled_through,
            segments,
        }
    }

    fn segment(&mut self, extents: &mut Range<usize>) -> SegmentCommit {
        let runs = extents.by_ref().take(self.partitions as usize);
        let runs = runs.map(|at| self.run(at)).collect();
        self.segments += 1;
        SegmentCommit {
            seq: self.segments,
            object_bytes: 8 << 20,
            runs,
        }
    }

    fn run(&self, at: usize) -> RunCommit {
        let partitions = self.partitions as usize;
        let (round, partition) = (at / partitions, at % partitions);
        let rounds = (self.extents - partition).div_ceil(partitions);
        let runs_before = self.calls * rounds + round;
        RunCommit {
            partition: PartitionKey {
                topic: self.topic,
                partition: partition as i32,
            },
            producer: self.first_producer.map(|first| RunProducer {
                id: ProducerId(first + partition as i64),
                epoch: ProducerEpoch(0),
                first_sequence: (runs_before * RECORDS as usize) as i32,
            }),
            position: partition as u64 * u64::from(self.batch_bytes),
            batches: vec![RunBatch {
                records: RECORDS,
                bytes: self.batch_bytes,
            }],
            max_timestamp: self.max_timestamp,
            transactional: false,
        }
    }
}

/// How many runs were appended whole: one that was refused would look fast.
pub fn appended(reply: &CommitReply) -> usize {
    let runs = reply.segments.iter().flat_map(|segment| &segment.runs);
    runs.filter(
        |pieces| matches!(pieces[..], [ref piece] if matches!(piece.outcome, Outcome::Appended { .. })),
    )
    .count()
}
