//! Archives what plans showed, mostly as it should be, and has segments go.

use esker_metastore::*;
use esker_model::seams::{Rng, SeededRng};
use esker_model::{ClusterEpoch, IncarnationId, ObjectId, PartitionKey, SegmentId, SegmentKind};

use super::commands::{Command, Reply};
use crate::world::{EPOCH, LONG_MS, plan_from};

const JOBS: [&str; 2] = ["archive", "clean"];

#[derive(Default)]
pub struct Archiving {
    /// Partitions whose plans were asked for, to be archived from.
    asked: Vec<PartitionKey>,
    /// What their plans showed, the archived extents, too; perhaps some time ago.
    planned: Vec<(PartitionKey, Head, Vec<Extent>)>,
    /// Archive segments so far, of all incarnations.
    archive_seqs: u64,
    /// What waits or went, and archive segments.
    segments: Vec<SegmentId>,
    unneeded: Vec<ObjectId>,
    /// What lies in archive segments, to be moved.
    inside: Vec<(PartitionKey, Extent)>,
}

impl Archiving {
    pub fn draw(&mut self, rng: &SeededRng, partition: PartitionKey, incarnation: IncarnationId) -> Command {
        if !self.inside.is_empty() && rng.below(3) > 0 {
            return self.shift(rng, incarnation);
        }
        if !self.planned.is_empty() && rng.below(10) > 0 {
            return self.archive(rng, incarnation);
        }
        match rng.below(32) {
            20 => Command::MostlyDead(rng.below(3) << 20),
            21..32 => Command::ArchivedIn(self.some_archives(rng)),
            0..8 => self.ask(rng, partition),
            8..10 => Command::WaitingSegments,
            10..12 => Command::Unarchived(self.some(rng, &self.segments)),
            12..15 => Command::Release(self.some(rng, &self.segments)),
            15..17 => Command::Unneeded(if rng.below(4) > 0 { 0 } else { LONG_MS }),
            17 => self.forget(rng),
            18 => Command::EmptyBuckets,
            _ => {
                // One that lasts, or one that is over at once.
                let lease_ms = if rng.below(2) == 0 { LONG_MS } else { -LONG_MS };
                Command::ClaimJob(JOBS[rng.below(2) as usize], incarnation, lease_ms)
            }
        }
    }

    fn some(&self, rng: &SeededRng, of: &[SegmentId]) -> Vec<SegmentId> {
        if of.is_empty() {
            return Vec::new();
        }
        let one = |_| of[rng.below(of.len() as u64) as usize];
        (0..rng.below(7)).map(one).collect()
    }

    /// The latest archive segments, of which the least is gone.
    fn some_archives(&self, rng: &SeededRng) -> Vec<SegmentId> {
        let archives = self.segments.iter().filter(|id| id.kind == SegmentKind::Archive);
        let mut latest: Vec<_> = archives.copied().collect();
        latest.sort_unstable_by_key(|id| std::cmp::Reverse(id.seq));
        latest.truncate(1 + rng.below(6) as usize);
        latest
    }

    fn forget(&self, rng: &SeededRng) -> Command {
        let segments = self.some(rng, &self.segments).into_iter().map(ObjectId::Segment);
        let asked: Vec<_> = if rng.below(4) == 0 || self.unneeded.is_empty() {
            segments.collect()
        } else {
            let one = |_| self.unneeded[rng.below(self.unneeded.len() as u64) as usize];
            (0..rng.below(7)).map(one).collect()
        };
        Command::ForgetObjects(asked)
    }

    /// Moves some of what lies in archive segments to others: what lies end to end, mostly.
    fn shift(&mut self, rng: &SeededRng, incarnation: IncarnationId) -> Command {
        self.archive_seqs += 2;
        let inside = std::mem::take(&mut self.inside);
        let joined = |a: &(PartitionKey, Extent), b: &(PartitionKey, Extent)| {
            a.0 == b.0 && a.1.end_offset == b.1.base_offset
        };
        let mut partitions = Vec::new();
        for part in inside.chunk_by(joined).filter(|_| rng.below(4) > 0) {
            let extents: Vec<_> = part.iter().map(|(_, extent)| *extent).collect();
            let mut extents = self.archived(rng, incarnation, &extents);
            if rng.below(3) == 0 {
                extents[0].base_offset += 1;
            }
            partitions.push(ArchivedPartition {
                partition: part[0].0,
                extents,
            });
        }
        Command::MoveArchived(ArchiveRequest {
            epoch: EPOCH,
            incarnation,
            partitions,
        })
    }

    /// The partition and its neighbours.
    fn ask(&mut self, rng: &SeededRng, partition: PartitionKey) -> Command {
        let partitions = (0..1 + rng.below(2) as i32).map(|next| PartitionKey {
            partition: partition.partition + next,
            ..partition
        });
        self.asked = partitions.collect();
        let plan = |partition: &PartitionKey| plan_from(*partition, 0);
        Command::Plan(self.asked.iter().map(plan).collect())
    }

    fn archive(&mut self, rng: &SeededRng, incarnation: IncarnationId) -> Command {
        self.archive_seqs += 2;
        let mut planned = self.planned.clone();
        // Else they are asked for again, when they are not what they were.
        if rng.below(6) > 0 {
            self.planned.clear();
        }
        let partitions = planned.iter_mut().map(|(partition, head, extents)| {
            // Some are not archived yet; now and then it begins before or behind the first of them.
            let first = extents.partition_point(|extent| extent.end_offset <= head.archived_to);
            let first = match rng.below(12) {
                0 => first.saturating_sub(1),
                1 => (first + 1).min(extents.len()),
                _ => first,
            };
            let left = &extents[first..];
            let count = (1 + rng.below(4) as usize).min(left.len());
            ArchivedPartition {
                partition: *partition,
                extents: self.archived(rng, incarnation, &left[..count]),
            }
        });
        let partitions = partitions.collect();
        Command::Archive(ArchiveRequest {
            epoch: if rng.below(40) == 0 {
                ClusterEpoch(2)
            } else {
                EPOCH
            },
            incarnation,
            partitions,
        })
    }

    /// The same records in one of two archive segments, in as many extents or fewer, or in holes.
    fn archived(&self, rng: &SeededRng, incarnation: IncarnationId, extents: &[Extent]) -> Vec<Extent> {
        let mut archived: Vec<Extent> = Vec::new();
        for extent in extents {
            if let Some(last) = archived.last_mut()
                && last.chunk.is_some()
                && rng.below(4) == 0
            {
                last.end_offset = extent.end_offset;
                last.bytes += extent.bytes;
                last.max_timestamp = last.max_timestamp.max(extent.max_timestamp);
                continue;
            }
            // What was archived before may be asked for once more, by another incarnation.
            let hole = extent.segment.kind == SegmentKind::Ingest && rng.below(8) == 0;
            let seq = self.archive_seqs - rng.below(2);
            archived.push(if hole {
                *extent
            } else {
                Extent {
                    segment: SegmentId {
                        kind: SegmentKind::Archive,
                        epoch: EPOCH,
                        incarnation,
                        seq,
                    },
                    object_bytes: seq << 20,
                    chunk: Some(ChunkRange {
                        position: rng.below(1 << 40),
                        bytes: rng.below(1 << 32) as u32,
                        crc: rng.below(1 << 32) as u32,
                    }),
                    position: rng.below(1 << 40),
                    ..*extent
                }
            });
        }
        archived
    }

    /// Of all times.
    pub fn segments(&self) -> &[SegmentId] {
        &self.segments
    }

    pub fn observe(&mut self, reply: &Reply) {
        match reply {
            Reply::Plan(Ok(plans)) if !self.asked.is_empty() => {
                self.planned = std::mem::take(&mut self.asked)
                    .into_iter()
                    .zip(plans)
                    .filter_map(|(partition, plan)| Some((partition, plan.head?, plan.extents.clone())))
                    .collect();
                for (_, _, extents) in &self.planned {
                    self.segments.extend(extents.iter().map(|extent| extent.segment));
                }
            }
            Reply::WaitingSegments(Ok(waiting)) => self.segments.extend(waiting.iter().map(|(id, _)| *id)),
            Reply::Unneeded(Ok(unneeded)) => self.unneeded.clone_from(unneeded),
            Reply::ArchivedIn(Ok(inside)) => self.inside.clone_from(inside),
            _ => {}
        }
        self.segments.sort_unstable();
        self.segments.dedup();
    }

    /// Everything that can be read; the first is asked last.
    pub fn audit(&self) -> [Command; 9] {
        [
            Command::MostlyDead(0),
            Command::ArchivedIn(self.segments.clone()),
            Command::Orphans(self.segments.clone()),
            Command::Unneeded(0),
            Command::Release(self.segments.clone()),
            Command::Unneeded(0),
            Command::Unarchived(self.segments.clone()),
            Command::WaitingSegments,
            Command::EmptyBuckets,
        ]
    }
}
