//! Commit requests, and the record of what became of them.

use esker_metastore::{
    CommitReply, CommitRequest, RunBatch, RunCommit, RunProducer, SegmentCommit, SegmentReply, Settled,
};
use esker_model::{IncarnationId, PartitionKey, ProducerEpoch, ProducerId};

use crate::world::EPOCH;

/// A run of one batch each of `records`; with a producer if `first` is given.
pub(crate) fn run(partition: PartitionKey, producer: Option<(i64, i32)>, records: &[i32]) -> RunCommit {
    let batches = records.iter().map(|records| RunBatch {
        records: *records,
        bytes: 100,
    });
    RunCommit {
        partition,
        producer: producer.map(|(id, first_sequence)| RunProducer {
            id: ProducerId(id),
            epoch: ProducerEpoch(0),
            first_sequence,
        }),
        position: 1000,
        batches: batches.collect(),
        max_timestamp: 7,
        transactional: false,
    }
}

pub(crate) fn request(incarnation: IncarnationId, seq: u64, runs: Vec<RunCommit>) -> CommitRequest {
    CommitRequest {
        epoch: EPOCH,
        incarnation,
        settled_through: 0,
        segments: vec![SegmentCommit {
            seq,
            object_bytes: 1 << 20,
            runs,
        }],
    }
}

/// A segment that was offered, and every answer about it.
pub(crate) struct Offered {
    pub(crate) incarnation: IncarnationId,
    pub(crate) segment: SegmentCommit,
    /// The reply of the commit, if there was one.
    pub(crate) committed: Option<SegmentReply>,
    pub(crate) settled: Vec<Settled>,
}

impl Offered {
    pub(crate) fn new(request: &CommitRequest, reply: Option<&CommitReply>) -> Self {
        Self {
            incarnation: request.incarnation,
            segment: request.segments[0].clone(),
            committed: reply.map(|reply| reply.segments[0].clone()),
            settled: Vec::new(),
        }
    }

    /// The one reply that everybody was given, if it was committed as far as anybody heard.
    pub(crate) fn reply(&self) -> Option<&SegmentReply> {
        let settled = self.settled.iter().find_map(|settled| match settled {
            Settled::Committed(reply) => Some(reply),
            Settled::Tombstoned => None,
        });
        self.committed.as_ref().or(settled)
    }
}
