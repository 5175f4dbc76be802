//! How many bytes of batches partitions have stored.
//!
//! The metastore sums up what a manifest lists; what is not in a manifest yet is summed here, extent by extent. That is
//! bounded: a partition with more than [`PLAN_EXTENTS_MAX`] extents outside its manifest has no size, and no more is
//! in memory than [`EXTENTS_AT_ONCE`] extents. Bytes below the log start count until they are dropped.

use esker_metastore::{KnownManifest, MetastoreError, Plan, PlanRequest};
use esker_model::PartitionKey;
use esker_model::limits::PLAN_EXTENTS_MAX;

use crate::Broker;

/// Extents that one question may bring.
const EXTENTS_AT_ONCE: usize = 65_536;

/// Partitions that one question is for.
const PARTITIONS_AT_ONCE: usize = EXTENTS_AT_ONCE / PLAN_EXTENTS_MAX;

const _: () = assert!(PARTITIONS_AT_ONCE > 0);

/// The sizes of partitions in bytes, in their order; `None` where it cannot be told: the partition is gone, it has too
/// many extents, or what it has was rearranged between two questions.
pub(super) async fn of(
    broker: &Broker,
    partitions: &[PartitionKey],
) -> Result<Vec<Option<u64>>, MetastoreError> {
    let mut sizes = Vec::with_capacity(partitions.len());
    for part in partitions.chunks(PARTITIONS_AT_ONCE) {
        let requests: Vec<PlanRequest> = part
            .iter()
            .map(|partition| PlanRequest {
                partition: *partition,
                from: 0,
                bytes_max: u64::MAX,
                extents_max: PLAN_EXTENTS_MAX,
            })
            .collect();
        let plans = broker.metastore.plan(&requests).await?;
        let manifests = if plans.iter().any(|plan| plan.manifest.is_some()) {
            broker.metastore.known_manifests(part).await?
        } else {
            vec![None; part.len()]
        };
        let both = plans.iter().zip(&manifests);
        sizes.extend(both.map(|(plan, manifest)| size(plan, manifest.as_ref())));
    }
    Ok(sizes)
}

/// The size of one partition, if the plan shows everything beside the manifest.
fn size(plan: &Plan, known: Option<&KnownManifest>) -> Option<u64> {
    let head = plan.head?;
    let mut bytes = 0;
    let mut shown_to = head.log_start;
    if let Some(manifest) = plan.manifest {
        let known = known.filter(|known| known.id == manifest.id)?;
        bytes = known.summary.bytes;
        shown_to = shown_to.max(manifest.end_offset);
    }
    for extent in &plan.extents {
        if extent.base_offset > shown_to {
            return None;
        }
        bytes += extent.bytes;
        shown_to = shown_to.max(extent.end_offset);
    }
    (shown_to >= head.next_offset).then_some(bytes)
}

#[cfg(test)]
mod tests;
