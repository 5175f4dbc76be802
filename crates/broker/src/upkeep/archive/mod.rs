//! The archive job: ingest segments become archive segments, clustered by partition.
//!
//! `waiting segments → their extents → bytes → chains → archive segments → put → registered → released`
//!
//! What holds: an ingest segment is read once for all of its partitions, from memory where it is there. Records have the
//! same bytes at the same offset before and after. What was registered is compare-and-set in the metastore, so that of
//! two agents that archive the same records one wins, and a round that stopped at any point is done again by the next
//! without harm: it leaves at most objects that nothing refers to. An object whose registration has an unknown outcome is
//! not deleted until that is known.
//!
//! What turns out damaged in memory is asked for in the bucket. Records that cannot be read there either, for minutes (an
//! hour, if it does not answer for them) and from a bucket that is known to be ours, are registered as a hole: readers are
//! told. Until then their partitions are
//! archived up to them, and the rest goes on. Bounded: a round holds [`Upkeep::round_bytes`] in memory, and leaves others
//! their turn ([`Pace`]) unless it is far behind.

pub(in crate::upkeep) mod gather;
mod lost;
pub(in crate::upkeep) mod pack;
mod read;
#[cfg(test)]
mod tests;
mod undecided;
mod window;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use esker_metastore::{ArchiveRequest, ArchivedPartition, Extent, JobReport, MetastoreError, WaitingSegment};
use esker_model::{PartitionKey, SegmentId};
use esker_storage::StoreError;
use esker_storage::segment::InvalidRun;
use tracing::{info, warn};

use super::Upkeep;
use super::job::{Lease, Work};
use super::pace::Pace;
use lost::Lost;
use pack::{Packed, Packer};
use undecided::Undecided;
use window::Window;

/// Segments of one round.
const ROUND_SEGMENTS_MAX: usize = 2_000;

/// The longest time between two looks at what waits.
const LOOK_MAX: Duration = Duration::from_secs(30);

/// Nobody is far behind whose oldest segment is younger.
const HURRY_FROM: Duration = Duration::from_secs(10 * 60);

/// Why a round stopped.
#[derive(Debug, thiserror::Error)]
pub(in crate::upkeep) enum RoundError {
    #[error(transparent)]
    Metastore(#[from] MetastoreError),
    #[error(transparent)]
    Bucket(#[from] StoreError),
    #[error("batches that do not fit into an archive segment: {}", .0.0)]
    Batches(InvalidRun),
}

/// What a round did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Round {
    /// Ingest segments that are not needed any more.
    segments: u64,
    /// Bytes of batches that were archived.
    bytes: u64,
    /// More waits that may be archived now.
    more: bool,
}

/// The job of one incarnation.
pub(super) struct Archive {
    upkeep: Upkeep,
    undecided: Undecided,
    missing: Lost,
    silent: Lost,
    window: Window,
    rounds: u64,
    segments: u64,
    bytes: u64,
    failures: u64,
}

#[async_trait]
impl Work for Archive {
    const NAME: &'static str = "archive";

    fn every(&self) -> Duration {
        (self.upkeep.interval / 4).min(LOOK_MAX)
    }

    async fn round(&mut self, lease: &Lease) {
        let clock = Arc::clone(&self.upkeep.seams.clock);
        loop {
            let began = clock.now();
            let round = match self.one_round().await {
                Ok(round) => round,
                Err(err) => {
                    self.failures += 1;
                    self.upkeep.metrics.archive.failures.inc();
                    warn!(%err, "archiving is left to the next round");
                    return;
                }
            };
            if round.segments > 0 || round.bytes > 0 {
                let took = clock.now().since(began);
                self.rounds += 1;
                self.segments += round.segments;
                self.bytes += round.bytes;
                self.upkeep.metrics.archive.seconds.observe(took.as_secs_f64());
                info!(segments = round.segments, bytes = round.bytes, ?took, "archived");
            }
            if !round.more {
                return;
            }
            if !lease.renew().await {
                return;
            }
        }
    }

    fn is_done_elsewhere(&mut self) {
        // Who does it says how much waits.
        self.upkeep.metrics.archive.backlog_seconds.set(0);
    }

    fn report(&self) -> JobReport {
        [
            ("rounds", self.rounds),
            ("segments", self.segments),
            ("bytes", self.bytes),
            ("failures", self.failures),
        ]
        .map(|(name, number)| (name.to_owned(), number as i64))
        .into()
    }
}

impl Archive {
    pub(super) fn new(upkeep: Upkeep) -> Self {
        Self {
            missing: Lost::missing(Arc::clone(&upkeep.seams.clock), upkeep.interval),
            silent: Lost::silent(Arc::clone(&upkeep.seams.clock), upkeep.interval),
            window: Window::new(Arc::clone(&upkeep.seams.clock)),
            upkeep,
            undecided: Undecided::default(),
            rounds: 0,
            segments: 0,
            bytes: 0,
            failures: 0,
        }
    }

    /// How long the first of these has waited that can be read as far as we know: those that cannot do not set the pace.
    fn age_ms(&self, waiting: &[WaitingSegment]) -> i64 {
        let suspects = |segment: &&WaitingSegment| {
            self.missing.suspects(&segment.id) || self.silent.suspects(&segment.id)
        };
        let first = waiting.iter().find(|segment| !suspects(segment));
        first.or(waiting.first()).map_or(0, |first| first.age_ms)
    }

    /// Whether more comes than is archived at an easy pace.
    fn is_far_behind(&self, age_ms: i64) -> bool {
        let age = u128::from(age_ms.max(0).unsigned_abs());
        age > 3 * self.upkeep.interval.as_millis() && age > HURRY_FROM.as_millis()
    }

    async fn one_round(&mut self) -> Result<Round, RoundError> {
        let Upkeep {
            metastore,
            metrics,
            interval,
            round_bytes,
            ..
        } = self.upkeep.clone();
        self.undecided.decide(&self.upkeep).await?;
        let waiting = metastore
            .waiting_segments(self.window.skip(), round_bytes, ROUND_SEGMENTS_MAX)
            .await?;
        let at_first = self.window.skip() == 0;
        if at_first {
            let oldest = waiting.first().map_or(0, |oldest| oldest.age_ms);
            metrics.archive.backlog_seconds.set(oldest.max(0) / 1000);
        }
        let age_ms = self.age_ms(&waiting);
        let bytes: u64 = waiting.iter().map(|segment| segment.object_bytes).sum();
        let full = bytes >= round_bytes || waiting.len() == ROUND_SEGMENTS_MAX;
        if !self.upkeep.all_read_history() {
            return Ok(Round::default());
        }
        let is_young = at_first && !full && u128::from(age_ms.unsigned_abs()) < interval.as_millis();
        if waiting.is_empty() || is_young {
            let more = self.window.looked(0, false, false);
            return Ok(Round {
                more,
                ..Round::default()
            });
        }
        let ids: Vec<SegmentId> = waiting.iter().map(|segment| segment.id).collect();
        let turn = Arc::clone(&self.upkeep.turn);
        let _turn = turn.acquire().await;
        let mut pace = Pace::new(&self.upkeep, self.is_far_behind(age_ms));
        let found = metastore.unarchived(&ids).await?;
        let archived_to = self.archived_to(&found).await?;
        pace.step().await;
        let found = gather::reachable(found, archived_to.clone());
        let (mut gathered, complete) = self.read(found, &mut pace).await;
        gather::trim(&mut gathered, &archived_to);
        let catalog = Arc::clone(&self.upkeep.catalog);
        let chains = gather::chains(gathered, |key| Some(catalog.by_key(key)?.topic.uuid));
        let name = || self.upkeep.new_archive_segment();
        let mut packer = Packer::new(pack::OBJECT_BYTES_MAX, name);
        for chain in chains {
            let bytes = chain.batches.iter().map(|batch| batch.bytes.len() as u64).sum();
            packer.push(chain).map_err(RoundError::Batches)?;
            pace.looked_through(bytes).await;
        }
        let packed = packer.end();
        let mut round = Round::default();
        let mut moved = false;
        for one in packed {
            let (partitions, bytes) = self.write(one).await?;
            pace.step().await;
            moved |= partitions > 0;
            round.bytes += bytes;
        }
        let released = metastore.release(&ids).await?;
        pace.step().await;
        round.segments = released.iter().filter(|released| **released).count() as u64;
        moved |= round.segments > 0;
        // A bucket that does not answer is not asked for more at once.
        round.more = self.window.looked(ids.len(), full, moved) && (moved || complete);
        metrics.archive.segments.inc_by(round.segments);
        Ok(round)
    }

    /// Up to where partitions with extents that were found are archived.
    async fn archived_to(
        &self,
        found: &[(PartitionKey, Extent)],
    ) -> Result<BTreeMap<PartitionKey, i64>, MetastoreError> {
        let mut partitions: Vec<PartitionKey> = found.iter().map(|(partition, _)| *partition).collect();
        partitions.dedup();
        let heads = self.upkeep.metastore.heads(&partitions).await?;
        let known = partitions.into_iter().zip(heads);
        Ok(known
            .filter_map(|(partition, head)| Some((partition, head?.archived_to)))
            .collect())
    }

    /// Puts and registers one archive segment; returns how many partitions it moved, and the bytes that are archived by
    /// it.
    async fn write(&mut self, packed: Packed) -> Result<(usize, u64), RoundError> {
        let Upkeep {
            metastore,
            member,
            metrics,
            ..
        } = self.upkeep.clone();
        let id = packed.object.as_ref().map(|object| object.id);
        let object = match packed.object {
            Some(object) => Some(self.upkeep.put_archive(object).await?.offer()),
            None => None,
        };
        let request = ArchiveRequest {
            epoch: member.epoch(),
            incarnation: member.incarnation(),
            partitions: packed.partitions,
        };
        let accepted = match (metastore.archive(&request).await, id) {
            (Ok(accepted), _) => accepted,
            (Err(err @ MetastoreError::UnknownOutcome(_)), Some(id)) => {
                self.undecided.add(id, &request.partitions);
                return Err(err.into());
            }
            (
                Err(
                    err @ (MetastoreError::Unavailable(_)
                    | MetastoreError::DifferentPast { .. }
                    | MetastoreError::WrongEpoch { .. }),
                ),
                Some(_),
            ) => {
                // It is named in this call only, which had no effect, and will have none.
                self.upkeep.leftovers.add(object);
                return Err(err.into());
            }
            (Err(err), _) => return Err(err.into()),
        };
        if !accepted.contains(&true) {
            // Another agent was first, or the topics are gone. Nothing refers to it, and nothing will.
            self.upkeep.leftovers.add(object);
        }
        let moved = request.partitions.iter().zip(accepted);
        let moved: Vec<&ArchivedPartition> = moved
            .filter_map(|(one, accepted)| accepted.then_some(one))
            .collect();
        let extents = moved.iter().flat_map(|one| &one.extents);
        let (archived, holes): (Vec<&Extent>, Vec<&Extent>) =
            extents.partition(|extent| extent.chunk.is_some());
        let bytes = archived.iter().map(|extent| extent.bytes).sum();
        metrics.archive.bytes.inc_by(bytes);
        metrics.archive.holes.inc_by(holes.len() as u64);
        Ok((moved.len(), bytes))
    }
}
