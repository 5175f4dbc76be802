//! Objects of one partition: merged segments and manifests, which only the partition's manifest refers to.
//!
//! First everything is counted, partition by partition. Where there are as many objects as the metastore says there
//! should be, all of them are needed; only where the numbers differ is the manifest read, and compared object by object.
//! A reading that meets a merge counts wrong, and finds nothing. Where an object is missing from the bucket that is needed, an
//! orphan of the same partition makes up for it in the count, and stays until another one lands, or the topic is deleted.

use std::collections::{BTreeMap, BTreeSet};

use esker_metastore::{LogReferences, ManifestRef};
use esker_model::planted::{Mistake, planted};
use esker_model::{ClusterEpoch, IncarnationId, LogId, ManifestId, ObjectId};
use esker_storage::StoreError;
use esker_storage::keys::{self, ObjectKind};
use esker_storage::manifest::{Entry, Manifest};
use tracing::warn;

use super::{Sweep, SweepError};
use crate::manifests;
use crate::upkeep::Upkeep;
use crate::upkeep::job::Lease;

/// Partitions that one call asks about.
const LOGS_AT_ONCE: usize = 500;

/// What a manifest refers to, the manifest itself included.
struct Referred {
    by: ManifestId,
    objects: BTreeSet<ObjectId>,
}

impl Sweep {
    pub(super) async fn sweep_logs(&mut self, lease: &Lease) -> Result<(), SweepError> {
        // A number for each partition that there is: as many as the catalog holds anyway.
        let mut counts: BTreeMap<LogId, u64> = BTreeMap::new();
        for kind in [ObjectKind::Merged, ObjectKind::Manifest] {
            let mut pages = self.pages(&keys::kind_prefix(kind));
            while let Some(page) = self.next_page(&mut pages, lease).await? {
                for log in page.iter().filter_map(ObjectId::log) {
                    *counts.entry(log).or_default() += 1;
                }
            }
        }
        let counts: Vec<(LogId, u64)> = counts.into_iter().collect();
        for part in counts.chunks(LOGS_AT_ONCE) {
            if !lease.renew().await {
                return Err(SweepError::Stopped);
            }
            let logs: Vec<LogId> = part.iter().map(|(log, _)| *log).collect();
            let epoch = self.upkeep.member.epoch();
            let references = self.upkeep.metastore.references(epoch, &[], &logs).await?;
            for ((log, count), expected) in part.iter().zip(&references.logs) {
                if *count != expected_objects(expected) {
                    self.examine(*log, lease).await?;
                }
            }
        }
        Ok(())
    }

    /// Compares a partition's objects with its manifest.
    async fn examine(&mut self, log: LogId, lease: &Lease) -> Result<(), SweepError> {
        let mut referred: Option<Referred> = None;
        for kind in [ObjectKind::Merged, ObjectKind::Manifest] {
            for epoch in 1..=self.upkeep.member.epoch().0 {
                let mut pages = self.pages(&keys::log_prefix(kind, ClusterEpoch(epoch), log));
                while let Some(page) = self.next_page(&mut pages, lease).await? {
                    let orphans = self.orphans_of(log, &page, &mut referred).await?;
                    self.delete(&orphans).await?;
                }
            }
        }
        Ok(())
    }

    /// The orphans among objects of one partition that were listed.
    async fn orphans_of(
        &mut self,
        log: LogId,
        listed: &[ObjectId],
        referred: &mut Option<Referred>,
    ) -> Result<Vec<ObjectId>, SweepError> {
        let writers: BTreeSet<IncarnationId> = listed.iter().map(ObjectId::incarnation).collect();
        let writers: Vec<IncarnationId> = writers.into_iter().collect();
        let epoch = self.upkeep.member.epoch();
        let mut answer = self.upkeep.metastore.references(epoch, &writers, &[log]).await?;
        let of_log = answer.logs.pop().unwrap_or_default();
        let live: BTreeSet<IncarnationId> = writers
            .into_iter()
            .zip(answer.live)
            .filter_map(|(id, live)| live.then_some(id))
            .collect();
        let unneeded: BTreeSet<ObjectId> = of_log.unneeded.into_iter().collect();
        let mut suspects: Vec<ObjectId> = listed
            .iter()
            .filter(|id| !live.contains(&id.incarnation()) && !unneeded.contains(*id))
            .copied()
            .collect();
        let Some(manifest) = of_log.manifest.filter(|_| !suspects.is_empty()) else {
            // Without a manifest nothing is referred to; without suspects nothing matters.
            return Ok(suspects);
        };
        if referred.as_ref().is_none_or(|known| known.by != manifest.id) {
            *referred = match all_referred(&self.upkeep, manifest).await {
                Ok(objects) => Some(Referred {
                    by: manifest.id,
                    objects,
                }),
                Err(err) => {
                    self.failures += 1;
                    self.upkeep.metrics.sweep.failures.inc();
                    warn!(%log, %err, "a manifest cannot be read: its partition is swept next time");
                    return Ok(Vec::new());
                }
            };
        }
        let is_asked = !planted(Mistake::SweepListed);
        suspects.retain(|id| {
            referred
                .as_ref()
                .is_some_and(|known| !(is_asked && known.objects.contains(id)))
        });
        Ok(suspects)
    }
}

/// How many objects of a partition there are if there is no orphan.
fn expected_objects(references: &LogReferences) -> u64 {
    let manifest = u64::from(references.manifest.is_some());
    references.objects + manifest + references.unneeded.len() as u64
}

async fn all_referred(upkeep: &Upkeep, manifest: ManifestRef) -> Result<BTreeSet<ObjectId>, StoreError> {
    let (cache, bucket) = (upkeep.cache.as_ref(), &upkeep.bucket);
    let root = manifests::read_once(cache, bucket, manifest.id).await?;
    let mut objects = BTreeSet::from([ObjectId::Manifest(manifest.id)]);
    for leaf in &root.leaves {
        objects.insert(ObjectId::Manifest(leaf.id));
        let leaf = manifests::read_once(cache, bucket, leaf.id).await?;
        objects.extend(segments(&leaf, root.base_offset));
    }
    objects.extend(segments(&root, root.base_offset));
    Ok(objects)
}

/// The merged segments with records from an offset on.
fn segments(manifest: &Manifest, from: i64) -> impl Iterator<Item = ObjectId> {
    let entries = manifest.entries.iter();
    let listed = entries.filter(move |entry| entry.end_offset() > from);
    listed.filter_map(|entry| match entry {
        Entry::Segment(segment) => Some(ObjectId::Segment(segment.id)),
        Entry::Hole(_) => None,
    })
}
