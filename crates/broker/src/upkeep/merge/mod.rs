//! The merge job: archived extents of a partition move out of the metastore into its manifest, and their records into
//! merged segments of that partition alone.
//!
//! `candidates → what waits → chunks → merged segments → put → manifest → put → replaced in the metastore`
//!
//! What holds: records have the same bytes at the same offset before and after. A manifest is replaced by
//! compare-and-set, so that of two agents that merge the same records one wins; a round that stopped at any point leaves
//! at most objects that nothing refers to, and those that are not needed any more go after the grace. Objects whose
//! registration has an unknown outcome are not deleted until that is known.
//!
//! The metastore has at most about [`MergeLimits::extents`] archived extents of each partition, however long records are
//! kept. A merged segment that is small is written again with what follows it, as long as that is at least as much: each
//! record is written a logarithmic number of times. What lies below the log start goes from the manifest's beginning.
//!
//! Bounded: a round holds [`Upkeep::round_bytes`] in memory, and rounds that follow each other leave as much time as they
//! took. A call holds heads for a moment: it takes a bounded number of extents ([`Size`]).

mod build;
mod edit;
mod put;
pub(in crate::upkeep) mod read;
mod repack;
mod rewrite;
mod size;
mod suspects;
#[cfg(test)]
mod tests;
mod undecided;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use esker_metastore::{JobReport, MergeCandidate, MergeDue, MergeRequest, MetastoreError, ToMerge};
use esker_model::LogId;
use esker_storage::StoreError;
use esker_storage::manifest::InvalidManifest;
use esker_storage::segment::InvalidRun;
use futures::future::try_join_all;
use tracing::{info, warn};

use super::Upkeep;
use super::job::{Lease, Work};
use super::pace::Pace;
use crate::config::MergeLimits;
use put::{Offered, Put, put};
use repack::Move;
use rewrite::Rewrite;
use size::Size;
use suspects::Suspects;
use undecided::Undecided;

/// Partitions that one call replaces the manifests of: their heads are locked together for a moment.
const PARTITIONS_AT_ONCE: usize = 64;

/// Objects that are put at a time, and manifests that are read.
const OBJECTS_AT_ONCE: usize = 4;

/// The longest time between two passes.
const EVERY_MAX: Duration = Duration::from_secs(60);

/// Why a round stopped.
#[derive(Debug, thiserror::Error)]
pub(super) enum MergeError {
    #[error(transparent)]
    Metastore(#[from] MetastoreError),
    #[error(transparent)]
    Bucket(#[from] StoreError),
    #[error("records that do not fit into a merged segment: {}", .0.0)]
    Records(InvalidRun),
    #[error("a manifest that cannot be written: {}", .0.0)]
    Manifest(InvalidManifest),
}

/// The job of one incarnation.
pub(super) struct Merge {
    upkeep: Upkeep,
    suspects: Suspects,
    undecided: Undecided,
    undecided_move: Option<Move>,
    size: Size,
    unreadable: Unreadable,
    partitions: u64,
    bytes: u64,
    moved_bytes: u64,
    failures: u64,
}

#[async_trait]
impl Work for Merge {
    const NAME: &'static str = "merge";

    fn every(&self) -> Duration {
        self.upkeep.interval.min(EVERY_MAX)
    }

    async fn round(&mut self, lease: &Lease) {
        if !self.upkeep.all_read_history() {
            return;
        }
        let pass = self.pass(lease).await;
        self.unreadable.tell();
        for done in [pass, self.repack(lease).await] {
            if let Err(err) = done {
                self.failures += 1;
                self.upkeep.metrics.merge.failures.inc();
                warn!(%err, "merging is left to the next round");
            }
        }
    }

    fn report(&self) -> JobReport {
        [
            ("partitions", self.partitions),
            ("bytes", self.bytes),
            ("moved_bytes", self.moved_bytes),
            ("failures", self.failures),
        ]
        .map(|(name, number)| (name.to_owned(), number as i64))
        .into()
    }
}

/// Whether a call that failed like this changed nothing, and will not.
fn had_no_effect(err: &MetastoreError) -> bool {
    matches!(
        err,
        MetastoreError::Unavailable(_)
            | MetastoreError::DifferentPast { .. }
            | MetastoreError::WrongEpoch { .. }
    )
}

impl Merge {
    pub(super) fn new(upkeep: Upkeep) -> Self {
        Self {
            upkeep,
            suspects: Suspects::default(),
            undecided: Undecided::default(),
            undecided_move: None,
            size: Size::default(),
            unreadable: Unreadable::default(),
            partitions: 0,
            bytes: 0,
            moved_bytes: 0,
            failures: 0,
        }
    }

    /// Goes over all partitions that are due.
    async fn pass(&mut self, lease: &Lease) -> Result<(), MergeError> {
        let metastore = Arc::clone(&self.upkeep.metastore);
        self.undecided.decide(&self.upkeep).await?;
        self.suspects.next_pass();
        let MergeLimits {
            bytes, extents, age, ..
        } = self.upkeep.merge;
        let due = MergeDue {
            bytes,
            extents,
            age_ms: i64::try_from(age.as_millis()).unwrap_or(i64::MAX),
        };
        let mut after: Option<LogId> = None;
        loop {
            let candidates = metastore
                .merge_candidates(&due, after, PARTITIONS_AT_ONCE)
                .await?;
            let Some(last) = candidates.last() else {
                return Ok(());
            };
            after = Some(last.log);
            let mut candidates = VecDeque::from(candidates);
            while !candidates.is_empty() {
                if !lease.renew().await {
                    return Ok(());
                }
                let began = self.upkeep.seams.clock.now();
                self.merge_some(&mut candidates).await?;
                let took = self.upkeep.seams.clock.now().since(began);
                self.upkeep.metrics.merge.seconds.observe(took.as_secs_f64());
            }
        }
    }

    /// Merges the first candidates: as many as there is memory for, and one at least.
    async fn merge_some(&mut self, candidates: &mut VecDeque<MergeCandidate>) -> Result<(), MergeError> {
        let turn = Arc::clone(&self.upkeep.turn);
        let _turn = turn.acquire().await;
        let chosen = self.size.take(candidates, self.upkeep.round_bytes);
        let mut pace = Pace::new(&self.upkeep, false);
        let rewrites = self.begin(&chosen).await?;
        pace.step().await;
        let sources = rewrites.iter().flat_map(Rewrite::sources);
        let chunks = read::chunks(&self.upkeep, sources, &mut pace).await;
        let mut rewritten = Vec::new();
        for rewrite in rewrites {
            let built = rewrite.build(&self.upkeep, &chunks, &mut self.suspects);
            rewritten.extend(built.map_err(MergeError::Records)?);
            // Building looks at every batch.
            pace.step().await;
        }
        drop(chunks);
        if rewritten.is_empty() {
            return Ok(());
        }
        let upkeep = &self.upkeep;
        let mut all: Vec<Put> = Vec::with_capacity(rewritten.len());
        let mut rewritten = rewritten.into_iter();
        while !rewritten.as_slice().is_empty() {
            let some = rewritten.by_ref().take(OBJECTS_AT_ONCE);
            all.extend(try_join_all(some.map(|one| put(upkeep, one))).await?);
            pace.step().await;
        }
        self.replace(all).await?;
        pace.step().await;
        Ok(())
    }

    /// Reads what the chosen partitions have now.
    async fn begin(&mut self, chosen: &[MergeCandidate]) -> Result<Vec<Rewrite>, MergeError> {
        let (due, others): (Vec<_>, Vec<_>) = chosen.iter().partition(|one| one.is_due);
        let of_one = usize::try_from(self.size.of_one()).unwrap_or(usize::MAX);
        let mut rewrites = Vec::new();
        let (mut bytes, mut extents) = (self.upkeep.round_bytes, self.size.extents());
        // Of those that are not due no extent is wanted.
        for (part, extents_max) in [(due, of_one), (others, 0)] {
            if part.is_empty() {
                continue;
            }
            let keys: Vec<_> = part.iter().map(|one: &&MergeCandidate| one.partition).collect();
            let found = self.upkeep.metastore.to_merge(&keys, extents_max).await?;
            for (candidate, from) in part.into_iter().zip(found) {
                let Some(from) = from else { continue };
                let count = from.extents.len() as u64;
                if !rewrites.is_empty() && count > extents {
                    // More came meanwhile: it has its turn in the next pass.
                    continue;
                }
                if let Some(rewrite) = self.begin_one(candidate, from, bytes).await {
                    extents = extents.saturating_sub(count);
                    bytes = bytes.saturating_sub(rewrite.bytes());
                    rewrites.push(rewrite);
                }
            }
        }
        Ok(rewrites)
    }

    /// One of them, if something of it can be merged now.
    async fn begin_one(
        &mut self,
        candidate: &MergeCandidate,
        from: ToMerge,
        bytes_max: u64,
    ) -> Option<Rewrite> {
        let config = self.upkeep.catalog.by_key(candidate.partition.topic);
        let retention_ms = config
            .filter(|topic| topic.config.delete)
            .and_then(|topic| topic.config.retention_ms);
        let begun = Rewrite::begin(
            &self.upkeep,
            &self.suspects,
            from,
            candidate.is_due,
            bytes_max,
            retention_ms,
        )
        .await;
        begun.unwrap_or_else(|err| {
            self.upkeep.metrics.merge.failures.inc();
            self.unreadable.add(candidate.log, err);
            None
        })
    }

    /// Replaces the manifests in the metastore.
    async fn replace(&mut self, mut put: Vec<Put>) -> Result<(), MergeError> {
        put.sort_by_key(|one| one.merged.partition);
        let member = Arc::clone(&self.upkeep.member);
        let request = MergeRequest {
            epoch: member.epoch(),
            incarnation: member.incarnation(),
            partitions: put.iter().map(|one| one.merged.clone()).collect(),
        };
        let offered: Vec<Offered> = put.into_iter().map(Put::offer).collect();
        let leftovers = &self.upkeep.leftovers;
        let accepted = match self.upkeep.metastore.merge(&request).await {
            Ok(accepted) => accepted,
            Err(err) => {
                if err.is_transient() {
                    self.size.failed();
                }
                match &err {
                    MetastoreError::UnknownOutcome(_) => self.undecided.add(offered),
                    err if had_no_effect(err) => {
                        leftovers.add(offered.into_iter().flat_map(|one| one.objects));
                    }
                    _ => {}
                }
                return Err(err.into());
            }
        };
        self.size.succeeded();
        let metrics = &self.upkeep.metrics;
        let (mut partitions, mut bytes) = (0, 0);
        for (one, accepted) in offered.into_iter().zip(accepted) {
            if !accepted {
                leftovers.add(one.objects);
                continue;
            }
            partitions += 1;
            bytes += one.bytes;
            metrics.archive.holes.inc_by(one.merged.lost.len() as u64);
        }
        metrics.merge.partitions.inc_by(partitions);
        metrics.merge.bytes.inc_by(bytes);
        self.partitions += partitions;
        self.bytes += bytes;
        if bytes > 0 {
            info!(partitions, bytes, "merged");
        }
        Ok(())
    }
}

/// Manifests that could not be read in a pass.
#[derive(Default)]
struct Unreadable {
    first: Option<(LogId, StoreError)>,
    partitions: u64,
}

impl Unreadable {
    fn add(&mut self, log: LogId, err: StoreError) {
        self.first.get_or_insert((log, err));
        self.partitions += 1;
    }

    /// Tells people of the first one. The error names the object.
    fn tell(&mut self) {
        let Self { first, partitions } = std::mem::take(self);
        if let Some((partition, err)) = first {
            warn!(
                %partition,
                %err,
                partitions,
                "manifests cannot be read: these partitions are not merged, and keep their records, until the objects \
                 are back; if this stays, `esker check --deep` lists what is gone or damaged"
            );
        }
    }
}
