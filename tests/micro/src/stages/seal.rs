//! Seal: what lies in the hot segment becomes runs and an object, footer included. Each segment carries the receipt
//! of the one before it.

use std::sync::Arc;

use bytes::Bytes;
use esker_broker::benching::{self, SealedBatches, Taken};
use esker_broker::topics::TopicState;

use crate::agent::Agent;
use crate::inputs::{MIB, NOW_MS, OF_1_MB, OF_5_KIB, OF_16_KIB, PARTITIONS, RUNS, batch, batch_of, topic};
use crate::{Stage, Work};

const SEGMENT_BYTES: u64 = 8 * MIB;
/// The least: one segment stays in memory for readers, and makes way for the next.
const MEMORY_BYTES: u64 = 64 * MIB;
/// Partitions that the large and the middle-sized batches are spread over.
const SPREAD: usize = 16;

struct Seal {
    agent: Agent,
    topic: Arc<TopicState>,
    /// In the order of their arrival, with their partitions.
    batches: Vec<(usize, Bytes)>,
    bytes: u64,
    runs: u64,
    seq: u64,
    taken: Option<Taken>,
    sealed: Option<SealedBatches>,
}

/// 8 batches of 1 MB: 8 runs.
pub(super) fn of_1_mb() -> Box<dyn Stage> {
    spread(OF_1_MB)
}

/// Some 500 batches of 16 KiB over 16 partitions: 16 runs.
pub(super) fn of_16_kib() -> Box<dyn Stage> {
    spread(OF_16_KIB)
}

fn spread(records: i32) -> Box<dyn Stage> {
    let one = batch(records);
    let count = (SEGMENT_BYTES / one.len() as u64) as usize;
    let batches = (0..count).map(|at| (at % SPREAD, Bytes::copy_from_slice(&one)));
    seal(batches.collect(), count.min(SPREAD))
}

/// A batch for each partition: 640 runs.
pub(super) fn of_640_runs() -> Box<dyn Stage> {
    let one = batch(OF_5_KIB);
    let partitions = PARTITIONS as usize;
    let batches = (0..partitions).map(|at| (at, Bytes::copy_from_slice(&one)));
    seal(batches.collect(), partitions)
}

/// Batches of 1,600 producers over 640 partitions: 1,600 runs.
pub(super) fn of_1600_runs() -> Box<dyn Stage> {
    let batches = (0..RUNS).map(|at| (at % PARTITIONS as usize, batch_of(at, OF_5_KIB)));
    seal(batches.collect(), RUNS)
}

fn seal(batches: Vec<(usize, Bytes)>, runs: usize) -> Box<dyn Stage> {
    Box::new(Seal {
        agent: Agent::start(MEMORY_BYTES),
        topic: benching::topic_state(topic()),
        bytes: batches.iter().map(|(_, batch)| batch.len() as u64).sum(),
        batches,
        runs: runs as u64,
        seq: 0,
        taken: None,
        sealed: None,
    })
}

impl Stage for Seal {
    fn work(&self) -> Work {
        Work {
            bytes: self.bytes,
            items: self.runs,
            item: "run",
            comes_out: self.runs,
        }
    }

    fn prepare(&mut self) {
        let broker = &self.agent.broker;
        if let Some(sealed) = self.sealed.take() {
            benching::commit_sealed(broker, &sealed);
        }
        self.seq += 1;
        let valid = self.batches.iter().map(|(partition, records)| {
            let valid = benching::validate(&self.topic, *partition as i32, records.clone(), NOW_MS);
            valid.expect("a valid batch")
        });
        self.taken = Some(benching::take(broker, valid));
    }

    fn run(&mut self) -> u64 {
        let taken = self.taken.take().expect("prepared");
        self.sealed = benching::seal(&self.agent.broker, self.seq, taken);
        self.sealed.as_ref().map_or(0, |sealed| sealed.runs() as u64)
    }
}
