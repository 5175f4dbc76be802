//! The archive job: ingest segments become archive segments, clustered by partition.
//!
//! `waiting segments → their extents → bytes → chains → archive segments → put → registered → released`
//!
//! What holds: an ingest segment is read once for all of its partitions, from memory where it is there. Records have the
//! same bytes at the same offset before and after. What was registered is compare-and-set in the metastore, so that of
//! two agents that archive the same records one wins, and a round that stopped at any point is done again by the next
//! without harm: it leaves at most objects that nothing refers to. An object whose registration has an unknown outcome is
//! not deleted by its writer.
//!
//! Records that cannot be read although their object was asked for again are registered as a hole: readers are told, and
//! the rest goes on. Bounded: a round holds [`Upkeep::round_bytes`] in memory, and rounds that follow each other leave
//! as much time as they took.

mod gather;
mod pack;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use esker_metastore::{ArchiveRequest, Extent, MetastoreError};
use esker_model::{SegmentId, SegmentKind};
use esker_storage::StoreError;
use esker_storage::cache::CacheKey;
use esker_storage::keys::object_key;
use esker_storage::segment::InvalidRun;
use futures::{StreamExt, stream};
use tracing::{debug, error, info, warn};

use super::{Upkeep, remove};
use gather::NoBytes;
use pack::Packed;

/// Segments of one round.
const ROUND_SEGMENTS_MAX: usize = 2_000;

/// Objects that are read at a time.
const READS_MAX: usize = 4;

/// How long one archive segment is put.
const PUT_PATIENCE: Duration = Duration::from_secs(60);

/// The longest time between two looks at what waits.
const LOOK_MAX: Duration = Duration::from_secs(30);

/// Why a round stopped.
#[derive(Debug, thiserror::Error)]
enum RoundError {
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

/// Archives and removes until the incarnation ends.
pub(super) async fn run(upkeep: Upkeep) {
    let mut job = Archive::new(upkeep);
    let look = (job.upkeep.interval / 4).min(LOOK_MAX);
    while job.upkeep.pause(look).await {
        if !job.upkeep.may_work("archive").await {
            job.upkeep.metrics.backlog_seconds.set(0);
            continue;
        }
        while job.round_and_pause().await {}
        match remove::round(
            job.upkeep.metastore.as_ref(),
            &job.upkeep.bucket,
            job.upkeep.grace,
        )
        .await
        {
            Ok(removed) => {
                job.upkeep.metrics.removed.inc_by(removed);
            }
            Err(err) => warn!(%err, "segments that nobody needs stay until the next round"),
        }
    }
}

/// The job of one incarnation.
struct Archive {
    upkeep: Upkeep,
    /// Number of the next archive segment.
    next_seq: u64,
}

impl Archive {
    fn new(upkeep: Upkeep) -> Self {
        Self { upkeep, next_seq: 1 }
    }

    /// One round, and as long a pause; whether another one should follow at once.
    async fn round_and_pause(&mut self) -> bool {
        let clock = Arc::clone(&self.upkeep.seams.clock);
        let began = clock.now();
        let round = match self.round().await {
            Ok(round) => round,
            Err(err) => {
                self.upkeep.metrics.failures.inc();
                warn!(%err, "archiving is left to the next round");
                return false;
            }
        };
        if round.segments == 0 && round.bytes == 0 {
            return false;
        }
        let took = clock.now().since(began);
        self.upkeep.metrics.seconds.observe(took.as_secs_f64());
        info!(segments = round.segments, bytes = round.bytes, ?took, "archived");
        round.more && self.upkeep.pause(took).await && self.upkeep.may_work("archive").await
    }

    async fn round(&mut self) -> Result<Round, RoundError> {
        let Upkeep {
            metastore,
            metrics,
            interval,
            round_bytes,
            ..
        } = self.upkeep.clone();
        let waiting = metastore
            .waiting_segments(round_bytes, ROUND_SEGMENTS_MAX)
            .await?;
        let age_ms = waiting.first().map_or(0, |oldest| oldest.age_ms);
        metrics.backlog_seconds.set(age_ms / 1000);
        let bytes: u64 = waiting.iter().map(|segment| segment.object_bytes).sum();
        let full = bytes >= round_bytes || waiting.len() == ROUND_SEGMENTS_MAX;
        if waiting.is_empty() || (!full && u128::from(age_ms.unsigned_abs()) < interval.as_millis()) {
            return Ok(Round::default());
        }
        let ids: Vec<SegmentId> = waiting.iter().map(|segment| segment.id).collect();
        let found = metastore.unarchived(&ids).await?;
        let objects = self.read(found.iter().map(|(_, extent)| extent)).await;
        let recent = Arc::clone(&self.upkeep.recent);
        let chains = gather::chains(
            &found,
            |key| Some(self.upkeep.catalog.by_key(key)?.topic.uuid),
            |extent| match recent.slices(&extent.segment, extent.position, extent.bytes) {
                Some(slices) => Ok(slices),
                None => cut(&objects, extent).map(|slice| vec![slice]),
            },
        );
        drop(objects);
        let (member, next_seq) = (&self.upkeep.member, &mut self.next_seq);
        let name = || {
            let id = SegmentId {
                kind: SegmentKind::Archive,
                epoch: member.epoch(),
                incarnation: member.incarnation(),
                seq: *next_seq,
            };
            *next_seq += 1;
            id
        };
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
        metrics.segments.inc_by(round.segments);
        Ok(round)
    }

    /// The objects of extents that are not in memory, or why there are none.
    async fn read(
        &self,
        extents: impl Iterator<Item = &Extent>,
    ) -> BTreeMap<SegmentId, Result<Bytes, NoBytes>> {
        let Upkeep {
            recent,
            cache,
            bucket,
            ..
        } = &self.upkeep;
        let wanted: BTreeSet<SegmentId> = extents.map(|extent| extent.segment).collect();
        stream::iter(wanted.into_iter().filter(|id| !recent.contains(id)))
            .map(|id| async move {
                // What only archiving reads does not displace what readers want.
                let bytes = match cache.peek(&CacheKey::whole(id)) {
                    Some(bytes) => Ok(bytes),
                    None => bucket.get_segment(&id).await,
                };
                let bytes = bytes.map_err(|err| match err {
                    StoreError::NotFound { .. } | StoreError::Corrupt { .. } => {
                        error!(segment = %id, %err, "records cannot be archived");
                        NoBytes::Never
                    }
                    err => {
                        debug!(segment = %id, %err, "records are archived later");
                        NoBytes::Later
                    }
                });
                (id, bytes)
            })
            .buffered(READS_MAX)
            .collect()
            .await
    }

    /// Puts and registers one archive segment; returns the bytes that are archived by it.
    async fn write(&self, packed: Packed) -> Result<u64, RoundError> {
        let Upkeep {
            metastore,
            bucket,
            member,
            metrics,
            seams,
            ..
        } = &self.upkeep;
        let key = packed.object.as_ref().map(|object| object_key(&object.id));
        if let (Some(object), Some(key)) = (packed.object, &key) {
            let deadline = seams.clock.now().plus(PUT_PATIENCE);
            bucket.put_new(key, object.payload, object.tail, deadline).await?;
            metrics.objects.inc();
        }
        let request = ArchiveRequest {
            epoch: member.epoch(),
            incarnation: member.incarnation(),
            partitions: packed.partitions,
        };
        let accepted = metastore.archive(&request).await;
        let none = accepted.as_ref().is_ok_and(|accepted| !accepted.contains(&true));
        if let (true, Some(key)) = (none, &key) {
            // Another agent was first, or the topics are gone. Nothing refers to it, and nothing will.
            if let Err(err) = bucket.delete(key).await {
                debug!(%key, %err, "an archive segment that is not needed stays until it is swept");
            }
        }
        if !accepted?.contains(&true) {
            return Ok(0);
        }
        metrics.bytes.inc_by(packed.bytes);
        metrics.holes.inc_by(packed.holes as u64);
        Ok(packed.bytes)
    }
}

fn cut(objects: &BTreeMap<SegmentId, Result<Bytes, NoBytes>>, extent: &Extent) -> Result<Bytes, NoBytes> {
    let object = objects.get(&extent.segment).unwrap_or(&Err(NoBytes::Later));
    let object = object.as_ref().map_err(|why| *why)?;
    let end = extent.position.checked_add(extent.bytes);
    match end.filter(|end| *end <= object.len() as u64) {
        Some(end) => Ok(object.slice(extent.position as usize..end as usize)),
        None => {
            error!(segment = %extent.segment, "an extent reaches beyond its segment");
            Err(NoBytes::Never)
        }
    }
}
