//! Plan: one Fetch of 50 partitions that is answered from the hot index, which knows the last ten commits of 1,600
//! runs over 640 partitions. The reader lags by all ten: it is shown 30 extents of each partition.

use esker_broker::benching::{self, Plans, Question};
use esker_metastore::{Extent, Head};
use esker_model::{ClusterEpoch, IncarnationId, PartitionKey, SegmentId, SegmentKind};
use uuid::Uuid;

use crate::agent::Agent;
use crate::inputs::{MIB, NOW_MS, PARTITIONS, RUNS, partition};
use crate::{Stage, Work};

const COMMITS: u64 = 10;
const RECORDS: i64 = 5;
const RUN_BYTES: u64 = 5200;
/// Partitions of the Fetch.
pub(super) const FETCHED: usize = 50;
/// Kafka's defaults: `max.partition.fetch.bytes` and `fetch.max.bytes`.
pub(super) const PARTITION_BYTES_MAX: u64 = MIB;
pub(super) const BYTES_MAX: u64 = 50 * MIB;

struct Plan {
    agent: Agent,
    question: Question,
    extents: usize,
    found: Option<Plans>,
}

pub(super) fn of_50() -> Box<dyn Stage> {
    let agent = Agent::start(512 * MIB);
    let runs_of = |index: usize| (RUNS - index).div_ceil(PARTITIONS as usize) as u64;
    for commit in 0..COMMITS {
        for index in 0..PARTITIONS as usize {
            let runs = runs_of(index);
            let extents: Vec<Extent> = (0..runs)
                .map(|run| {
                    let base_offset = (commit * runs + run) as i64 * RECORDS;
                    Extent {
                        position: index as u64 * RUN_BYTES,
                        ..extent(base_offset, RECORDS, commit * runs + run, RUN_BYTES)
                    }
                })
                .collect();
            publish(&agent, partition(index), &extents);
        }
    }
    Box::new(Plan {
        agent,
        question: question(),
        extents: (0..FETCHED)
            .map(|index| (COMMITS * runs_of(index)) as usize)
            .sum(),
        found: None,
    })
}

/// All 50 partitions from their beginning.
pub(super) fn question() -> Question {
    let from: Vec<(PartitionKey, i64)> = (0..FETCHED).map(|index| (partition(index), 0)).collect();
    Question::new(&from, PARTITION_BYTES_MAX, BYTES_MAX)
}

/// An extent at the beginning of segment number `seq`.
pub(super) fn extent(base_offset: i64, records: i64, seq: u64, bytes: u64) -> Extent {
    Extent {
        base_offset,
        end_offset: base_offset + records,
        segment: SegmentId {
            kind: SegmentKind::Ingest,
            epoch: ClusterEpoch(1),
            incarnation: IncarnationId(Uuid::from_u128(1)),
            seq,
        },
        object_bytes: 8 * MIB,
        chunk: None,
        position: 0,
        bytes,
        max_timestamp: NOW_MS,
        producer: None,
        transactional: false,
    }
}

/// Makes extents visible, as the commit stage does.
pub(super) fn publish(agent: &Agent, partition: PartitionKey, extents: &[Extent]) {
    let end = extents.last().expect("an extent").end_offset;
    let head = Head {
        log_start: 0,
        next_offset: end,
        last_stable_offset: end,
        archived_to: 0,
    };
    benching::hot_index(&agent.broker).publish(partition, extents, head);
}

impl Stage for Plan {
    fn work(&self) -> Work {
        Work {
            bytes: 0,
            items: FETCHED as u64,
            item: "partition",
            comes_out: self.extents as u64,
        }
    }

    fn prepare(&mut self) {
        self.found = None;
    }

    fn run(&mut self) -> u64 {
        let found = self.agent.now(benching::plan(&self.agent.broker, &self.question));
        self.found.insert(found).extents() as u64
    }
}
