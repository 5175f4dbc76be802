//! Read and assemble: one Fetch of 50 partitions out of recent segments in memory, about 1 MB of each partition.
//!
//! `read` finds the slices of the planned extents. `assemble` cuts them into batches, gives those their offsets, and
//! writes the response around them: the slices that go to the socket. Nothing is copied but some 100 bytes a batch.

use bytes::Bytes;
use esker_broker::benching::{self, Gathering, Plans, Question};
use esker_protocol::{RequestHeader, api_key};

use super::plan::{FETCHED, extent, publish, question};
use crate::agent::Agent;
use crate::inputs::{MIB, OF_1_MB, OF_16_KIB, batch, partition};
use crate::{Stage, Work};

/// Recent segments may weigh some 120 MB.
const MEMORY_BYTES: u64 = 512 * MIB;
const FETCH_VERSION: i16 = 17;

/// Segments in memory, and a Fetch of what is in them.
struct Loaded {
    agent: Agent,
    question: Question,
    extents: usize,
    batches: usize,
    bytes: u64,
}

impl Loaded {
    /// In each of `segments`, every partition has one run of `batches`.
    fn new(segments: usize, batches: usize, records: i32) -> Self {
        let agent = Agent::start(MEMORY_BYTES);
        // One batch for all: its offset is patched on the way out, so that nobody can tell.
        let batch = batch(records);
        let run_bytes = (batches * batch.len()) as u64;
        let run_records = batches as i64 * i64::from(records);
        for segment in 0..segments {
            let payload: Vec<Bytes> = vec![batch.clone(); FETCHED * batches];
            let first = extent(
                segment as i64 * run_records,
                run_records,
                segment as u64,
                run_bytes,
            );
            benching::recent(&agent.broker).insert(first.segment, payload, run_bytes * FETCHED as u64);
            for index in 0..FETCHED {
                let mut extent = first;
                extent.position = index as u64 * run_bytes;
                publish(&agent, partition(index), &[extent]);
            }
        }
        Self {
            agent,
            question: question(),
            extents: FETCHED * segments,
            batches: FETCHED * segments * batches,
            bytes: (FETCHED * segments) as u64 * run_bytes,
        }
    }

    fn plan(&self) -> Plans {
        let plans = self.agent.now(benching::plan(&self.agent.broker, &self.question));
        assert_eq!(plans.extents(), self.extents);
        plans
    }

    fn read(&self, plans: &mut Plans) -> Gathering {
        let Self { agent, question, .. } = self;
        agent.now(benching::read(&agent.broker, question, plans))
    }
}

fn one_batch_each() -> Loaded {
    Loaded::new(1, 1, OF_1_MB)
}

/// 8 segments with 8 batches of each partition.
fn small_batches() -> Loaded {
    Loaded::new(8, 8, OF_16_KIB)
}

struct Read {
    loaded: Loaded,
    plans: Option<Plans>,
    read: Option<Gathering>,
}

pub(super) fn read_1_mb() -> Box<dyn Stage> {
    read(one_batch_each())
}

pub(super) fn read_16_kib() -> Box<dyn Stage> {
    read(small_batches())
}

fn read(loaded: Loaded) -> Box<dyn Stage> {
    Box::new(Read {
        loaded,
        plans: None,
        read: None,
    })
}

impl Stage for Read {
    fn work(&self) -> Work {
        Work {
            bytes: 0,
            items: self.loaded.extents as u64,
            item: "extent",
            comes_out: self.loaded.extents as u64,
        }
    }

    fn prepare(&mut self) {
        self.read = None;
        self.plans = Some(self.loaded.plan());
    }

    fn run(&mut self) -> u64 {
        let plans = self.plans.as_mut().expect("prepared");
        let read = self.loaded.read(plans);
        self.read.insert(read).extents() as u64
    }
}

struct Assemble {
    loaded: Loaded,
    header: RequestHeader,
    input: Option<(Plans, Gathering)>,
    plans: Option<Plans>,
    slices: Vec<Bytes>,
}

pub(super) fn of_1_mb() -> Box<dyn Stage> {
    assemble(one_batch_each())
}

pub(super) fn of_16_kib() -> Box<dyn Stage> {
    assemble(small_batches())
}

fn assemble(loaded: Loaded) -> Box<dyn Stage> {
    Box::new(Assemble {
        loaded,
        header: RequestHeader {
            api_key: api_key::FETCH,
            api_version: FETCH_VERSION,
            correlation_id: 1,
            client_id: Some("micro".into()),
        },
        input: None,
        plans: None,
        slices: Vec::new(),
    })
}

impl Stage for Assemble {
    fn work(&self) -> Work {
        Work {
            bytes: 0,
            items: self.loaded.batches as u64,
            item: "batch",
            // What stands around the records is rounded off.
            comes_out: self.loaded.bytes / MIB,
        }
    }

    fn prepare(&mut self) {
        self.plans = None;
        self.slices = Vec::new();
        let mut plans = self.loaded.plan();
        let read = self.loaded.read(&mut plans);
        self.input = Some((plans, read));
    }

    fn run(&mut self) -> u64 {
        let (plans, read) = self.input.take().expect("prepared");
        let response = benching::assemble(&self.loaded.agent.broker, &self.loaded.question, &plans, read);
        self.slices = response.encode(&self.header).expect("a response");
        self.plans = Some(plans);
        self.slices.iter().map(|slice| slice.len() as u64).sum::<u64>() / MIB
    }
}
