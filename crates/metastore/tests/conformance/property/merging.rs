//! Merges what is archived, moves log starts, and sweeps.

use esker_metastore::*;
use esker_model::seams::{Rng, SeededRng};
use esker_model::{
    ClusterEpoch, IncarnationId, LogId, ManifestId, ObjectId, PartitionKey, SegmentId, SegmentKind, TopicUuid,
};

use super::commands::{Command, Reply};
use crate::world::{EPOCH, LONG_MS};

#[derive(Default)]
pub struct Merging {
    /// What manifests are to be made of, as it was told some time ago.
    told: Vec<ToMerge>,
    candidates: Vec<MergeCandidate>,
    logs: Vec<LogId>,
    to_empty: Vec<TopicUuid>,
    ended: Vec<IncarnationId>,
    /// What was offered last.
    merged: Vec<PartitionKey>,
    seqs: u64,
}

impl Merging {
    pub fn draw(
        &mut self,
        rng: &SeededRng,
        partition: PartitionKey,
        incarnation: IncarnationId,
        segments: &[SegmentId],
    ) -> Command {
        if !self.told.is_empty() && rng.below(4) > 0 {
            return self.merge(rng, incarnation);
        }
        if let Some(partition) = self.merged.pop()
            && rng.below(3) > 0
        {
            return self.retain(rng, partition);
        }
        if !self.ended.is_empty() && rng.below(4) == 0 {
            return Command::Swept(self.ended.drain(..).collect());
        }
        match rng.below(26) {
            20..26 => self.retain(rng, partition),
            0..4 => Command::MergeCandidates(
                due(rng),
                self.candidates
                    .first()
                    .map(|one| one.log)
                    .filter(|_| rng.below(2) > 0),
            ),
            4..8 => self.ask(rng, partition),
            8..10 => self.retain(rng, partition),
            10..12 => Command::AdvanceLogStart(vec![(partition, rng.below(12) as i64 * 3)]),
            12 => Command::DropArchived,
            13 => Command::TopicsToEmpty(if rng.below(3) > 0 { 0 } else { LONG_MS }),
            14 => Command::TopicsEmptied(self.to_empty.iter().take(1).copied().collect()),
            15 => Command::Orphans(strangers(rng, segments, incarnation)),
            16 => Command::References(vec![incarnation], self.logs.clone()),
            17 => Command::ToSweep,
            18 => Command::Swept(vec![incarnation]),
            _ => Command::UpkeepStatus,
        }
    }

    /// The partition, its neighbour, and some that are due.
    fn ask(&self, rng: &SeededRng, partition: PartitionKey) -> Command {
        let neighbour = PartitionKey {
            partition: partition.partition + 1,
            ..partition
        };
        let due = self.candidates.iter().map(|one| one.partition);
        let mut partitions: Vec<_> = due.chain([partition, neighbour]).collect();
        partitions.sort_unstable();
        partitions.dedup();
        partitions.retain(|_| rng.below(4) > 0);
        Command::ToMerge(partitions)
    }

    fn retain(&self, rng: &SeededRng, partition: PartitionKey) -> Command {
        let request = RetainRequest {
            partition,
            // All timestamps are from long ago, and everything was archived before now.
            ms: [None, Some(0), Some(LONG_MS)][rng.below(3) as usize],
            bytes: [None, Some(0), Some(100 * rng.below(20))][rng.below(3) as usize],
        };
        Command::Retain(vec![request])
    }

    fn merge(&mut self, rng: &SeededRng, incarnation: IncarnationId) -> Command {
        let told = self.told.clone();
        self.merged = told.iter().map(|one| one.partition).collect();
        // Else they are replaced again, when they are not what they were.
        if rng.below(6) > 0 {
            self.told.clear();
        }
        Command::Merge(MergeRequest {
            epoch: if rng.below(40) == 0 {
                ClusterEpoch(2)
            } else {
                EPOCH
            },
            incarnation,
            partitions: told
                .iter()
                .map(|one| self.merged(rng, incarnation, one))
                .collect(),
        })
    }

    /// A manifest with some of the extents; now and then it does not fit.
    fn merged(&mut self, rng: &SeededRng, incarnation: IncarnationId, from: &ToMerge) -> MergedPartition {
        self.seqs += 1;
        let count = rng.below(from.extents.len() as u64 + 1) as usize;
        let taken = &from.extents[..count];
        let old = from.manifest.filter(|old| old.end_offset > from.log_start);
        let first = old
            .map(|old| old.base_offset)
            .or(taken.first().map(|first| first.base_offset));
        let last = taken
            .last()
            .map(|last| last.end_offset)
            .or(old.map(|old| old.end_offset));
        let base_offset = first.unwrap_or(from.log_start).min(from.log_start);
        let wrong = i64::from(rng.below(12) == 0);
        MergedPartition {
            partition: from.partition,
            replaces: from.version + u64::from(rng.below(15) == 0),
            extents: count as u64 + u64::from(rng.below(15) == 0),
            manifest: ManifestRef {
                id: ManifestId {
                    log: from.log,
                    epoch: EPOCH,
                    incarnation,
                    seq: self.seqs,
                },
                object_bytes: rng.below(1 << 20),
                base_offset: base_offset + wrong,
                end_offset: last.unwrap_or(base_offset) + i64::from(rng.below(15) == 0),
            },
            summary: ManifestSummary {
                objects: rng.below(9),
                bytes: 1_000 + rng.below(1_000),
                first_end_offset: base_offset + rng.below(9) as i64,
                first_bytes: rng.below(1_000),
                // Long ago, or in the far future.
                first_timestamp: [1, 1 << 50][rng.below(2) as usize],
            },
            unneeded: (0..rng.below(3))
                .map(|_| self.unneeded(rng, incarnation, from.log))
                .collect(),
            lost: taken
                .iter()
                .map(|extent| extent.segment)
                .filter(|segment| segment.kind == SegmentKind::Archive && rng.below(20) == 0)
                .collect(),
        }
    }

    fn unneeded(&self, rng: &SeededRng, incarnation: IncarnationId, log: LogId) -> ObjectId {
        let seq = rng.below(9);
        if rng.below(2) == 0 {
            return ObjectId::Manifest(ManifestId {
                log,
                epoch: EPOCH,
                incarnation,
                seq: 1_000_000 + seq,
            });
        }
        ObjectId::Segment(SegmentId {
            kind: SegmentKind::Merged(log),
            epoch: EPOCH,
            incarnation,
            seq,
        })
    }

    pub fn observe(&mut self, reply: &Reply) {
        match reply {
            Reply::ToMerge(Ok(told)) => {
                self.told = told.iter().flatten().cloned().collect();
                self.logs.extend(self.told.iter().map(|one| one.log));
                self.logs.sort_unstable();
                self.logs.dedup();
            }
            Reply::MergeCandidates(Ok(candidates)) => self.candidates.clone_from(candidates),
            Reply::TopicsToEmpty(Ok(topics)) => self.to_empty.clone_from(topics),
            Reply::ToSweep(Ok(ended)) => self.ended.clone_from(ended),
            _ => {}
        }
    }

    /// Everything that can be read; the first is asked last.
    pub fn audit(&self, partitions: Vec<PartitionKey>) -> [Command; 6] {
        [
            Command::UpkeepStatus,
            Command::References(Vec::new(), self.logs.clone()),
            Command::ToSweep,
            Command::TopicsToEmpty(0),
            Command::ToMerge(partitions),
            Command::MergeCandidates(due_all(), None),
        ]
    }
}

fn due_all() -> MergeDue {
    MergeDue {
        bytes: 1,
        extents: 1,
        age_ms: 0,
    }
}

/// Whatever the clock says.
fn due(rng: &SeededRng) -> MergeDue {
    let all = due_all();
    match rng.below(4) {
        0 => MergeDue {
            bytes: 100 * rng.below(9),
            extents: 1 + rng.below(5),
            age_ms: LONG_MS,
        },
        1 => MergeDue {
            bytes: 1 << 40,
            extents: 1 << 40,
            age_ms: LONG_MS,
        },
        _ => all,
    }
}

/// Segments that are known, and some with numbers that nobody took.
fn strangers(rng: &SeededRng, segments: &[SegmentId], incarnation: IncarnationId) -> Vec<SegmentId> {
    let unknown = [SegmentKind::Ingest, SegmentKind::Archive].map(|kind| SegmentId {
        kind,
        epoch: EPOCH,
        incarnation,
        seq: 900 + rng.below(9),
    });
    segments
        .iter()
        .copied()
        .filter(|_| rng.below(3) == 0)
        .chain(unknown)
        .collect()
}
