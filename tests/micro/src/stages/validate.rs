//! Validate: about 1 MiB of batches, one after the other.

use std::sync::Arc;

use bytes::Bytes;
use esker_broker::benching::{self, Validated};
use esker_broker::topics::TopicState;

use crate::inputs::{MIB, NOW_MS, OF_1_MB, OF_16_KIB, batch, topic};
use crate::{Stage, Work};

struct Validate {
    topic: Arc<TopicState>,
    batches: Vec<Bytes>,
    bytes: u64,
    offered: Vec<Bytes>,
    valid: Vec<Validated>,
}

pub(super) fn of_1_mb() -> Box<dyn Stage> {
    validate(OF_1_MB)
}

pub(super) fn of_16_kib() -> Box<dyn Stage> {
    validate(OF_16_KIB)
}

fn validate(records: i32) -> Box<dyn Stage> {
    let one = batch(records);
    // Each in memory of its own, as each frame is.
    let batches: Vec<_> = (0..MIB / one.len() as u64)
        .map(|_| Bytes::copy_from_slice(&one))
        .collect();
    Box::new(Validate {
        topic: benching::topic_state(topic()),
        bytes: batches.iter().map(|batch| batch.len() as u64).sum(),
        batches,
        offered: Vec::new(),
        valid: Vec::new(),
    })
}

impl Stage for Validate {
    fn work(&self) -> Work {
        Work {
            bytes: self.bytes,
            items: self.batches.len() as u64,
            item: "batch",
            comes_out: self.batches.len() as u64,
        }
    }

    fn prepare(&mut self) {
        self.offered.clone_from(&self.batches);
        self.valid = Vec::with_capacity(self.batches.len());
    }

    fn run(&mut self) -> u64 {
        for (index, records) in self.offered.drain(..).enumerate() {
            let valid = benching::validate(&self.topic, index as i32, records, NOW_MS);
            self.valid.push(valid.expect("a valid batch"));
        }
        self.valid.len() as u64
    }
}
