//! What idempotent producers offer: mostly what comes next, often what was offered before, sometimes
//! nonsense.

use std::collections::{BTreeMap, VecDeque};

use esker_metastore::{RunBatch, RunCommit, RunProducer};
use esker_model::seams::{Rng, SeededRng};
use esker_model::sequence::advance;
use esker_model::{PartitionKey, ProducerEpoch, ProducerId};

/// Offered runs that a producer may repeat.
const REPEATABLE: usize = 9;

/// What a producer believes of one partition.
#[derive(Clone, Default)]
pub struct Track {
    epoch: i16,
    next: i32,
    offered: VecDeque<(i32, Vec<i32>)>,
}

pub type Tracks = BTreeMap<(PartitionKey, i64), Track>;

impl Track {
    /// Takes note of a run that was appended to its end.
    pub fn appended(&mut self, run: &RunCommit, producer: RunProducer) {
        if producer.epoch.0 != self.epoch {
            self.offered.clear();
            self.epoch = producer.epoch.0;
        }
        let records = records(run);
        let total: i64 = records.iter().map(|records| i64::from(*records)).sum();
        self.next = advance(producer.first_sequence, total);
        self.offered.push_back((producer.first_sequence, records));
        if self.offered.len() > REPEATABLE {
            self.offered.pop_front();
        }
    }
}

fn records(run: &RunCommit) -> Vec<i32> {
    run.batches.iter().map(|batch| batch.records).collect()
}

/// A run of some producer, or of none.
pub fn run(rng: &SeededRng, tracks: &mut Tracks, partition: PartitionKey) -> RunCommit {
    let idempotent = rng.below(4) > 0;
    let id = rng.below(4) as i64;
    let (producer, records) = if idempotent {
        let track = tracks.entry((partition, id)).or_default();
        let (epoch, first_sequence, records) = offer(rng, track);
        let producer = RunProducer {
            id: ProducerId(id),
            epoch: ProducerEpoch(epoch),
            first_sequence,
        };
        (Some(producer), records)
    } else {
        (None, fresh(rng))
    };
    let run = RunCommit {
        partition,
        producer,
        position: rng.below(1 << 23),
        batches: records
            .into_iter()
            .map(|records| RunBatch {
                records,
                bytes: 61 + rng.below(1000) as u32,
            })
            .collect(),
        // Few different ones, so that queries by time meet equal ones.
        max_timestamp: rng.below(40) as i64 - 1,
        transactional: rng.below(10) == 0,
    };
    if let Some(producer) = producer {
        // Believed for the rest of this call; what the metastore said counts after it.
        let track = tracks.entry((partition, id)).or_default();
        if producer.epoch.0 >= track.epoch && producer.first_sequence == track.next {
            track.appended(&run, producer);
        }
    }
    run
}

fn offer(rng: &SeededRng, track: &Track) -> (i16, i32, Vec<i32>) {
    let repeat = |rng: &SeededRng| {
        let index = rng.below(track.offered.len() as u64) as usize;
        track.offered.get(index).cloned()
    };
    let next = track.next;
    let back = |by: u64| (i64::from(next) - by as i64).rem_euclid(1 << 31) as i32;
    match rng.below(100) {
        // Again, as it was.
        0..15 => match repeat(rng) {
            Some((first, records)) => (track.epoch, first, records),
            None => (track.epoch, 0, fresh(rng)),
        },
        // Again, with something after it.
        15..25 => match repeat(rng) {
            Some((first, mut records)) => {
                records.push(1 + rng.below(3) as i32);
                (track.epoch, first, bounded(records))
            }
            None => (track.epoch, 0, fresh(rng)),
        },
        // Part of it, cut into other batches.
        25..35 => match repeat(rng) {
            Some((first, _)) => (track.epoch, advance(first, rng.below(4) as i64), fresh(rng)),
            None => (track.epoch, next, fresh(rng)),
        },
        35..43 => (track.epoch, advance(next, 1 + rng.below(8) as i64), fresh(rng)),
        43..48 => (track.epoch, back(rng.below(40)), fresh(rng)),
        48..50 => (track.epoch, rng.below(1 << 31) as i32, fresh(rng)),
        50..53 => (track.epoch + 1, 0, fresh(rng)),
        53..55 => (track.epoch + 1, next, fresh(rng)),
        55..58 => ((track.epoch - 1).max(0), next, fresh(rng)),
        _ => (track.epoch, next, fresh(rng)),
    }
}

/// Batches; now and then as large as a run can be, so that sequences wrap.
fn fresh(rng: &SeededRng) -> Vec<i32> {
    let mut records: Vec<_> = (0..1 + rng.below(4)).map(|_| 1 + rng.below(5) as i32).collect();
    if rng.below(12) == 0 {
        let huge = [1 << 30, (1 << 30) - 3, i32::MAX, i32::MAX - 25, 3 << 29];
        let at = rng.below(records.len() as u64) as usize;
        records[at] = huge[rng.below(huge.len() as u64) as usize];
    }
    bounded(records)
}

/// The records of one run add up to at most `i32::MAX`.
fn bounded(mut records: Vec<i32>) -> Vec<i32> {
    while records.iter().map(|records| i64::from(*records)).sum::<i64>() > i64::from(i32::MAX) {
        records.remove(0);
    }
    if records.is_empty() { vec![1] } else { records }
}
