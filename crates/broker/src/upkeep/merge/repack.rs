//! Archive segments that are mostly dead: what is left in them moves together into new ones.
//!
//! What holds: as of archiving. Extents of one partition that do not follow on each other go to different segments,
//! because a part has no gaps.
//!
//! A move whose outcome is unknown is asked for again until there is an answer, and nothing else moves meanwhile: records
//! never come back to where they lay, so it is right to do it twice. A call that surely had no effect says nothing of the
//! one before. Nor does a refusal: the first call may have taken effect, and retention or merging have taken extents from
//! where it put them. But after a refusal neither call can take effect any more, so the segment may go if it has no row.
//! One that has a row is the metastore's to let go.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use esker_metastore::{ArchiveRequest, Extent, MetastoreError};
use esker_model::{ObjectId, PartitionKey, SegmentId};
use tracing::{debug, info};

use super::{Merge, MergeError, had_no_effect, read};
use crate::upkeep::archive::gather::{self, Chain, Gathered};
use crate::upkeep::archive::pack::{self, OBJECT_BYTES_MAX, Packed};
use crate::upkeep::job::Lease;
use crate::upkeep::pace::Pace;

/// Archive segments that are looked at together.
const SEGMENTS_AT_ONCE: usize = 64;

/// Segments that a pass looks at in vain.
const PASSED_OVER_MAX: usize = 1_024;

/// Extents that are to lie in a segment.
pub(super) struct Move {
    /// The segment.
    id: SegmentId,
    request: ArchiveRequest,
    /// It was asked for before, and perhaps it was done.
    asked_before: bool,
}

impl Merge {
    /// Moves what is left in archive segments that are mostly dead.
    pub(super) async fn repack(&mut self, lease: &Lease) -> Result<(), MergeError> {
        if let Some(undecided) = self.undecided_move.take() {
            self.register(undecided).await?;
        }
        // What cannot be moved now would be found again at once, before all others.
        let mut passed_over = BTreeSet::new();
        while passed_over.len() < PASSED_OVER_MAX {
            let limit = SEGMENTS_AT_ONCE + passed_over.len();
            let bytes_min = self.upkeep.merge.repack_bytes;
            let mut dead = self.upkeep.metastore.mostly_dead(bytes_min, limit).await?;
            dead.retain(|id| !passed_over.contains(id));
            dead.truncate(SEGMENTS_AT_ONCE);
            if dead.is_empty() || !lease.renew().await {
                break;
            }
            let began = self.upkeep.seams.clock.now();
            let turn = Arc::clone(&self.upkeep.turn);
            let turn = turn.acquire().await;
            let (moved, looked_at) = self.repack_some(&dead).await?;
            drop(turn);
            if moved == 0 {
                passed_over.extend(looked_at);
                self.upkeep.rest(began).await;
                continue;
            }
            self.moved_bytes += moved;
            self.upkeep.metrics.merge.moved_bytes.inc_by(moved);
            info!(
                segments = dead.len(),
                bytes = moved,
                "moved what was left in archive segments"
            );
            self.upkeep.rest(began).await;
        }
        Ok(())
    }

    /// Moves what is left in some of these, as much as there is memory for; returns its bytes, and which ones it was.
    async fn repack_some(&mut self, dead: &[SegmentId]) -> Result<(u64, BTreeSet<SegmentId>), MergeError> {
        let found = self.upkeep.metastore.archived_in(dead).await?;
        let used: BTreeSet<SegmentId> = found.iter().map(|(_, extent)| extent.segment).collect();
        let unused: Vec<SegmentId> = dead.iter().filter(|id| !used.contains(id)).copied().collect();
        if !unused.is_empty() {
            // An agent of an earlier release may have left them. Or all that is in them lies below the log start: then
            // they stay until it is dropped.
            self.upkeep.metastore.release(&unused).await?;
        }
        let found = within(found, self.upkeep.round_bytes);
        let mut looked_at: BTreeSet<SegmentId> = found.iter().map(|(_, extent)| extent.segment).collect();
        looked_at.extend(unused);
        let mut pace = Pace::new(&self.upkeep, false);
        let chunks = read::chunks(&self.upkeep, found.iter().map(|(_, extent)| extent), &mut pace).await;
        let mut gathered = Vec::with_capacity(found.len());
        for (partition, extent) in found {
            let batches = chunks.batches(&extent);
            // What cannot be read is left where it is.
            if batches.is_ok() {
                gathered.push(Gathered {
                    partition,
                    extent,
                    batches,
                });
            }
            tokio::task::yield_now().await;
        }
        drop(chunks);
        let catalog = Arc::clone(&self.upkeep.catalog);
        let chains = layers(gathered)
            .into_iter()
            .flat_map(|layer| gather::chains(layer, |key| Some(catalog.by_key(key)?.topic.uuid)))
            .collect::<Vec<Chain>>();
        let name = || self.upkeep.new_archive_segment();
        let packed = pack::pack(chains, OBJECT_BYTES_MAX, name).map_err(MergeError::Records)?;
        let mut moved = 0;
        for one in packed {
            moved += self.move_into(one).await?;
        }
        Ok((moved, looked_at))
    }

    /// Puts an archive segment and moves extents into it; returns their bytes.
    async fn move_into(&mut self, packed: Packed) -> Result<u64, MergeError> {
        let Some(object) = packed.object else {
            return Ok(0);
        };
        let id = object.id;
        let object = self.upkeep.put_archive(object).await?;
        let member = Arc::clone(&self.upkeep.member);
        let request = ArchiveRequest {
            epoch: member.epoch(),
            incarnation: member.incarnation(),
            partitions: packed.partitions,
        };
        object.offer();
        let moving = Move {
            id,
            request,
            asked_before: false,
        };
        self.register(moving).await
    }

    /// Has extents lie in a segment that was put; returns their bytes.
    async fn register(&mut self, moving: Move) -> Result<u64, MergeError> {
        let accepted = match self.upkeep.metastore.move_archived(&moving.request).await {
            Ok(accepted) => accepted,
            Err(err) => {
                match &err {
                    MetastoreError::UnknownOutcome(_) => self.ask_again(moving),
                    // This call had no effect, which says nothing of one before.
                    err if had_no_effect(err) && moving.asked_before => self.ask_again(moving),
                    err if had_no_effect(err) => self.let_go(moving.id),
                    _ => {}
                }
                return Err(err.into());
            }
        };
        if !accepted.contains(&true) {
            if moving.asked_before {
                self.find_out(moving).await?;
            } else {
                self.let_go(moving.id);
            }
            return Ok(0);
        }
        let request = &moving.request;
        let moved = request.partitions.iter().zip(accepted);
        let moved = moved.filter_map(|(one, accepted)| accepted.then_some(one));
        Ok(moved
            .flat_map(|one| &one.extents)
            .map(|extent| extent.bytes)
            .sum())
    }

    fn ask_again(&mut self, moving: Move) {
        self.undecided_move = Some(Move {
            asked_before: true,
            ..moving
        });
    }

    fn let_go(&self, id: SegmentId) {
        self.upkeep.leftovers.add([ObjectId::Segment(id)]);
    }

    /// Has the segment of a move go that was refused when it was asked for again, unless it was done the first time.
    async fn find_out(&mut self, moving: Move) -> Result<(), MergeError> {
        let id = moving.id;
        match self.upkeep.metastore.registered(&[id]).await {
            Ok(registered) if registered == [false] => self.let_go(id),
            Ok(_) => {}
            Err(err) => {
                self.ask_again(moving);
                return Err(err.into());
            }
        }
        debug!(segment = %id, "found out what became of a move");
        Ok(())
    }
}

/// The first of them that have so many bytes together; one at least.
fn within(mut found: Vec<(PartitionKey, Extent)>, bytes_max: u64) -> Vec<(PartitionKey, Extent)> {
    let mut bytes = 0;
    let fits = |(_, extent): &&(PartitionKey, Extent)| {
        let is_first = bytes == 0;
        bytes += extent.bytes;
        is_first || bytes <= bytes_max
    };
    let count = found.iter().take_while(fits).count();
    found.truncate(count);
    found
}

/// The first stretches of all partitions, then their second ones, and so on.
pub(super) fn layers(gathered: Vec<Gathered>) -> Vec<Vec<Gathered>> {
    let mut layers: Vec<Vec<Gathered>> = Vec::new();
    let mut ends: BTreeMap<PartitionKey, (usize, i64)> = BTreeMap::new();
    for one in gathered {
        let place = ends.entry(one.partition).or_insert((0, one.extent.base_offset));
        if place.1 != one.extent.base_offset {
            place.0 += 1;
        }
        place.1 = one.extent.end_offset;
        if layers.len() <= place.0 {
            layers.resize_with(place.0 + 1, Vec::new);
        }
        layers[place.0].push(one);
    }
    layers
}
