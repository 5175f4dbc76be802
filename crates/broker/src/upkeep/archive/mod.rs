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
//! What turns out damaged in memory is asked for in the bucket. Records that cannot be read there either, although they
//! were asked for again, are registered as a hole: readers are told, and the rest goes on. Bounded: a round holds
//! [`Upkeep::round_bytes`] in memory, and rounds that follow each other leave as much time as they took.

pub(in crate::upkeep) mod gather;
pub(in crate::upkeep) mod pack;
#[cfg(test)]
mod tests;
mod undecided;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use esker_metastore::{ArchiveRequest, ArchivedPartition, Extent, JobReport, MetastoreError};
use esker_model::{PartitionKey, SegmentId};
use esker_storage::StoreError;
use esker_storage::cache::CacheKey;
use esker_storage::segment::InvalidRun;
use esker_storage::segment::archive::ArchivedBatch;
use futures::{StreamExt, stream};
use tracing::{debug, error, info, warn};

use super::Upkeep;
use super::job::{Lease, Work};
use gather::{Gathered, NoBytes};
use pack::Packed;
use undecided::Undecided;

/// Segments of one round.
const ROUND_SEGMENTS_MAX: usize = 2_000;

/// Objects that are read at a time.
const READS_MAX: usize = 4;

/// Bytes that are looked through until others have their turn.
const TURN_BYTES: u64 = 1024 * 1024;

/// The longest time between two looks at what waits.
const LOOK_MAX: Duration = Duration::from_secs(30);

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
            if round.segments == 0 && round.bytes == 0 {
                return;
            }
            let took = clock.now().since(began);
            self.rounds += 1;
            self.segments += round.segments;
            self.bytes += round.bytes;
            self.upkeep.metrics.archive.seconds.observe(took.as_secs_f64());
            info!(segments = round.segments, bytes = round.bytes, ?took, "archived");
            if !round.more {
                return;
            }
            self.upkeep.rest(began).await;
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
            upkeep,
            undecided: Undecided::default(),
            rounds: 0,
            segments: 0,
            bytes: 0,
            failures: 0,
        }
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
        if !self.upkeep.all_read_history() {
            return Ok(Round::default());
        }
        let waiting = metastore
            .waiting_segments(round_bytes, ROUND_SEGMENTS_MAX)
            .await?;
        let age_ms = waiting.first().map_or(0, |oldest| oldest.age_ms);
        metrics.archive.backlog_seconds.set(age_ms / 1000);
        let bytes: u64 = waiting.iter().map(|segment| segment.object_bytes).sum();
        let full = bytes >= round_bytes || waiting.len() == ROUND_SEGMENTS_MAX;
        if waiting.is_empty() || (!full && u128::from(age_ms.unsigned_abs()) < interval.as_millis()) {
            return Ok(Round::default());
        }
        let ids: Vec<SegmentId> = waiting.iter().map(|segment| segment.id).collect();
        let turn = Arc::clone(&self.upkeep.turn);
        let _turn = turn.acquire().await;
        let found = metastore.unarchived(&ids).await?;
        let gathered = self.read(found).await;
        let catalog = Arc::clone(&self.upkeep.catalog);
        let chains = gather::chains(gathered, |key| Some(catalog.by_key(key)?.topic.uuid));
        let name = || self.upkeep.new_archive_segment();
        let packed = pack::pack(chains, pack::OBJECT_BYTES_MAX, name).map_err(RoundError::Batches)?;
        let mut round = Round {
            more: full,
            ..Round::default()
        };
        for one in packed {
            round.bytes += self.write(one).await?;
        }
        let released = metastore.release(&ids).await?;
        round.segments = released.iter().filter(|released| **released).count() as u64;
        // What could not be archived now would be found again at once.
        round.more &= round.segments > 0;
        metrics.archive.segments.inc_by(round.segments);
        Ok(round)
    }

    /// The batches of extents, or why there are none.
    async fn read(&self, found: Vec<(PartitionKey, Extent)>) -> Vec<Gathered> {
        let wanted: BTreeSet<SegmentId> = found.iter().map(|(_, extent)| extent.segment).collect();
        let mut objects: BTreeMap<SegmentId, Object> = stream::iter(wanted)
            .filter(|id| std::future::ready(!self.upkeep.recent.contains(id)))
            .map(|id| async move { (id, self.copy(id).await) })
            .buffered(READS_MAX)
            .collect()
            .await;
        let mut gathered = Vec::with_capacity(found.len());
        let mut turn_bytes = 0;
        for (partition, extent) in found {
            let batches = self.batches(&extent, &mut objects).await;
            gathered.push(Gathered {
                partition,
                extent,
                batches,
            });
            turn_bytes += extent.bytes;
            if turn_bytes >= TURN_BYTES {
                turn_bytes = 0;
                tokio::task::yield_now().await;
            }
        }
        gathered
    }

    /// An object that is not among the recent ones.
    async fn copy(&self, id: SegmentId) -> Object {
        // What only archiving reads does not displace what readers want.
        match self.upkeep.cache.peek(&CacheKey::whole(id)) {
            Some(bytes) => Object::Kept(bytes),
            None => self.fetch(id).await,
        }
    }

    async fn fetch(&self, id: SegmentId) -> Object {
        match self.upkeep.bucket.get_segment(&id).await {
            Ok(bytes) => Object::Fetched(bytes),
            Err(err @ (StoreError::NotFound { .. } | StoreError::Corrupt { .. })) => {
                error!(segment = %id, %err, "records cannot be archived");
                Object::None(NoBytes::Never)
            }
            Err(err) => {
                debug!(segment = %id, %err, "records are archived later");
                Object::None(NoBytes::Later)
            }
        }
    }

    /// The batches of one extent, from memory if they are right there, else from the bucket.
    async fn batches(
        &self,
        extent: &Extent,
        objects: &mut BTreeMap<SegmentId, Object>,
    ) -> Result<Vec<ArchivedBatch>, NoBytes> {
        let id = extent.segment;
        let in_memory = match objects.get(&id) {
            None => self.upkeep.recent.slices(&id, extent.position, extent.bytes),
            Some(Object::Kept(bytes)) => cut(bytes, extent).map(|slice| vec![slice]),
            Some(Object::Fetched(_) | Object::None(_)) => None,
        };
        if let Some(slices) = in_memory {
            match gather::batches(extent, &slices) {
                Ok(batches) => return Ok(batches),
                Err(damage) => {
                    error!(segment = %id, %damage, "records in memory are damaged: asking the bucket")
                }
            }
        }
        if !matches!(objects.get(&id), Some(Object::Fetched(_) | Object::None(_))) {
            objects.insert(id, self.fetch(id).await);
        }
        let bytes = match objects.get(&id) {
            Some(Object::Fetched(bytes)) => bytes,
            Some(Object::None(why)) => return Err(*why),
            Some(Object::Kept(_)) | None => return Err(NoBytes::Later),
        };
        let Some(slice) = cut(bytes, extent) else {
            error!(segment = %id, "an extent reaches beyond its segment");
            return Err(NoBytes::Never);
        };
        gather::batches(extent, &[slice]).map_err(|damage| {
            error!(segment = %id, %damage, "records cannot be archived");
            NoBytes::Never
        })
    }

    /// Puts and registers one archive segment; returns the bytes that are archived by it.
    async fn write(&mut self, packed: Packed) -> Result<u64, RoundError> {
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
            (Err(err @ MetastoreError::Unavailable(_)), Some(_)) => {
                // It had no effect, and will have none.
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
        Ok(bytes)
    }
}

/// A whole ingest segment.
enum Object {
    /// From the cache.
    Kept(Bytes),
    /// From the bucket, verified.
    Fetched(Bytes),
    None(NoBytes),
}

fn cut(object: &Bytes, extent: &Extent) -> Option<Bytes> {
    let end = extent.position.checked_add(extent.bytes)?;
    (end <= object.len() as u64).then(|| object.slice(extent.position as usize..end as usize))
}
