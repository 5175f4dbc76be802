//! What is known without asking the metastore.

use esker_metastore::{Extent, Head, ManifestRef};
use esker_model::seams::Instant;
use tracing::debug;

use super::{Found, HISTORY_EXTENTS_MIN, HISTORY_PLAN_BYTES, Wanted};
use crate::Broker;
use crate::fetch::hot_index::{Known, bytes_from};
use crate::fetch::listed;
use crate::fetch::read::ReadError;

/// What is known now; `None`: the metastore has to be asked. With `fresh_only`, that nothing is there is
/// believed only if it was the metastore's word a moment ago.
pub(in crate::fetch) fn in_index(
    broker: &Broker,
    wanted: &Wanted,
    fresh_only: bool,
    extents_max: usize,
) -> Option<Found> {
    let mut known = broker
        .hot_index
        .lookup(wanted.partition, wanted.from, wanted.bytes_max, extents_max)?;
    if known.extents.is_none() {
        known.extents = in_history(broker, wanted, known.head, extents_max);
    }
    let fresh = !fresh_only || broker.heads.is_fresh(known.confirmed);
    covered(wanted, known, fresh)
}

/// What earlier plans said of archived records, and where those end what the index knows behind them. `None` if
/// that is less than the reader wants, though there is more: it might wait for it.
fn in_history(broker: &Broker, wanted: &Wanted, head: Head, extents_max: usize) -> Option<Vec<Extent>> {
    let end = wanted.end(head);
    if wanted.from >= end {
        return None;
    }
    let Wanted {
        partition,
        from,
        bytes_max,
        ..
    } = *wanted;
    let mut extents = broker.history.lookup(partition, from, bytes_max, extents_max)?;
    let so_far = extents.last()?.end_offset;
    let bytes: u64 = extents.iter().map(|extent| bytes_from(extent, from)).sum();
    if bytes < bytes_max && extents.len() < extents_max && so_far < end {
        let (bytes_left, extents_left) = (bytes_max - bytes, extents_max - extents.len());
        let recent = broker
            .hot_index
            .lookup(partition, so_far, bytes_left, extents_left)?
            .extents?;
        if recent.first()?.base_offset != so_far {
            return None;
        }
        extents.extend(recent);
    }
    Some(extents)
}

pub(super) fn covered(wanted: &Wanted, known: Known, fresh: bool) -> Option<Found> {
    let Known { head, extents, .. } = known;
    if wanted.from < head.log_start || wanted.from > head.next_offset {
        return None;
    }
    let end = wanted.end(head);
    if wanted.from >= end {
        return fresh.then_some(Found {
            head,
            end,
            extents: Vec::new(),
        });
    }
    let mut extents = extents?;
    extents.truncate(extents.partition_point(|extent| extent.base_offset < end));
    Some(Found { head, end, extents })
}

/// The manifest that an earlier plan named, if it lists what a reader wants and more than is remembered of it.
pub(super) fn manifest_with_more(
    broker: &Broker,
    wanted: &Wanted,
    extents_max: usize,
) -> Option<ManifestRef> {
    let Wanted {
        partition,
        from,
        bytes_max,
        ..
    } = *wanted;
    if extents_max < HISTORY_EXTENTS_MIN {
        return None;
    }
    let (head, _) = broker.hot_index.head(partition)?;
    let manifest = broker.history.manifest(partition)?;
    let known = broker.history.lookup(partition, from, bytes_max, extents_max);
    let known_to = known.and_then(|extents| Some(extents.last()?.end_offset));
    let begin = manifest.base_offset.max(head.log_start);
    let lists = from >= begin && known_to.unwrap_or(from) < manifest.end_offset;
    lists.then_some(manifest)
}

/// Looks into a manifest from where a reader is, and remembers what it lists.
pub(super) async fn read_on(
    broker: &Broker,
    wanted: &Wanted,
    manifest: ManifestRef,
    extents_max: usize,
    deadline: Instant,
) -> Result<(), ReadError> {
    let limits = (wanted.bytes_max.max(HISTORY_PLAN_BYTES), extents_max);
    match listed::extents(broker, manifest, wanted.from, limits, deadline).await {
        Ok(extents) => broker.history.remember(wanted.partition, &extents, None),
        Err(err) => {
            debug!(manifest = %manifest.id, ?err, "cannot go on in a manifest");
            if err != ReadError::Unavailable {
                // It was replaced, most likely: the metastore knows.
                broker.history.forget(wanted.partition);
            }
            return Err(err);
        }
    }
    Ok(())
}
