//! What manifests list: from a partition's manifest in the bucket to extents.
//!
//! What holds: a manifest is read at most once from the bucket however many ask, stays in the cache, and is charged
//! while it is looked into. What it lists lies end to end. A manifest that is not there was replaced: whoever named it
//! is asked again. One that cannot be read hides what it lists, and nothing before that.

use std::cmp::Reverse;
use std::sync::Arc;

use esker_metastore::{ChunkRange, Extent, ManifestRef};
use esker_model::ManifestId;
use esker_model::seams::Instant;
use esker_storage::StoreError;
use esker_storage::cache::CacheKey;
use esker_storage::manifest::{Manifest, Place};
use tracing::{error, warn};

use super::hot_index::bytes_from;
use super::read::ReadError;
use crate::budget::Reservation;
use crate::{Broker, manifests};

/// What a manifest takes while it is looked into, of the bytes of its object: the object, and its decoded form.
const CHARGE_FACTOR: u64 = 4;

/// A place that a manifest lists, as an extent.
pub fn extent(place: &Place) -> Extent {
    Extent {
        base_offset: place.base_offset,
        end_offset: place.end_offset,
        segment: place.segment,
        object_bytes: place.object_bytes,
        chunk: place.crc.map(|crc| ChunkRange {
            position: place.position,
            // One batch may be larger than a chunk should be, but no frame is larger than 100 MiB.
            bytes: u32::try_from(place.bytes).unwrap_or(u32::MAX),
            crc,
        }),
        position: place.position,
        bytes: place.bytes,
        max_timestamp: place.max_timestamp,
        producer: None,
        transactional: false,
    }
}

/// Extents from the one that holds `from` on, until they have `bytes_max` or are `extents_max`, or to the manifest's end.
/// No manifest is read from `deadline` on.
pub(super) async fn extents(
    broker: &Broker,
    manifest: ManifestRef,
    from: i64,
    (bytes_max, extents_max): (u64, usize),
    deadline: Instant,
) -> Result<Vec<Extent>, ReadError> {
    let load_in_time = async |id, object_bytes| {
        if broker.seams.clock.now() >= deadline {
            return Err(ReadError::Unavailable);
        }
        load(broker, id, object_bytes).await
    };
    let root = load_in_time(manifest.id, manifest.object_bytes).await?;
    let mut found = Found {
        from,
        bytes_left: bytes_max,
        extents_max,
        extents: Vec::new(),
    };
    while let Some(leaf) = root.manifest.leaf_for(found.next()) {
        let listed = match load_in_time(leaf.id, leaf.object_bytes).await {
            Ok(listed) => listed,
            Err(_) if !found.extents.is_empty() => return Ok(found.extents),
            Err(err) => return Err(err),
        };
        if !found.take(&listed.manifest) {
            return Ok(found.extents);
        }
        if found.next() < leaf.end_offset {
            error!(manifest = %leaf.id, "a manifest does not list what it should");
            return Err(ReadError::Corrupt);
        }
    }
    found.take(&root.manifest);
    Ok(found.extents)
}

struct Found {
    from: i64,
    bytes_left: u64,
    extents_max: usize,
    extents: Vec<Extent>,
}

impl Found {
    /// The offset from which on extents are wanted.
    fn next(&self) -> i64 {
        self.extents.last().map_or(self.from, |last| last.end_offset)
    }

    /// Takes what a manifest's entries list; `false`: there is enough.
    fn take(&mut self, manifest: &Manifest) -> bool {
        for place in manifest.places(self.next()) {
            if !self.extents.is_empty() && (self.bytes_left == 0 || self.extents.len() >= self.extents_max) {
                return false;
            }
            let extent = extent(&place);
            self.bytes_left = self.bytes_left.saturating_sub(bytes_from(&extent, self.from));
            self.extents.push(extent);
        }
        true
    }
}

/// The first extent, from an offset on, that may hold a record of this time or a later one.
pub(super) async fn find_time(
    broker: &Broker,
    manifest: ManifestRef,
    timestamp: i64,
    from: i64,
) -> Result<Option<Extent>, ReadError> {
    let loaded = load(broker, manifest.id, manifest.object_bytes).await?;
    let root = &loaded.manifest;
    let mut from = from;
    while let Some(leaf) = root.leaf_for_time(timestamp, from) {
        let loaded = load(broker, leaf.id, leaf.object_bytes).await?;
        let listed = &loaded.manifest;
        if let Some(place) = listed.find_time(timestamp, from.max(root.base_offset)) {
            return Ok(Some(extent(&place)));
        }
        from = leaf.end_offset;
    }
    Ok(root.find_time(timestamp, from).map(|place| extent(&place)))
}

/// The first of the extents, from an offset on, with the largest timestamp that the manifest lists.
pub(super) async fn find_largest(
    broker: &Broker,
    manifest: ManifestRef,
    from: i64,
) -> Result<Option<Extent>, ReadError> {
    let loaded = load(broker, manifest.id, manifest.object_bytes).await?;
    let root = &loaded.manifest;
    let from = from.max(root.base_offset);
    let rank = |place: &Place| (Reverse(place.max_timestamp), place.base_offset);
    let mut best = root.places(from).min_by_key(rank);
    let mut leaves: Vec<_> = root.leaves.iter().filter(|leaf| leaf.end_offset > from).collect();
    leaves.sort_by_key(|leaf| (Reverse(leaf.max_timestamp), leaf.base_offset));
    for leaf in leaves {
        // What it lists begins at its base offset or behind: none of it, and none of the next leaves, comes before `best`.
        if best.is_some_and(|best| rank(&best) <= (Reverse(leaf.max_timestamp), leaf.base_offset)) {
            break;
        }
        let loaded = load(broker, leaf.id, leaf.object_bytes).await?;
        best = loaded.manifest.places(from).chain(best).min_by_key(rank);
    }
    Ok(best.map(|place| extent(&place)))
}

/// A manifest, charged.
struct Loaded {
    manifest: Manifest,
    _pin: Arc<Reservation>,
}

async fn load(broker: &Broker, id: ManifestId, object_bytes: u64) -> Result<Loaded, ReadError> {
    let key = CacheKey::manifest(id);
    let now = broker.seams.clock.now();
    if broker.damaged.contains(&key, now) {
        return Err(ReadError::Corrupt);
    }
    let bytes = object_bytes.saturating_mul(CHARGE_FACTOR);
    let pin = broker.pins.pin(key, bytes).await;
    let pin = pin.map_err(|_| ReadError::Unavailable)?;
    match manifests::read(broker.cache.as_ref(), &broker.bucket, id).await {
        Ok(manifest) => Ok(Loaded { manifest, _pin: pin }),
        Err(StoreError::NotFound { .. }) => Err(ReadError::Missing),
        Err(err @ StoreError::Corrupt { .. }) => {
            error!(manifest = %id, %err, "a manifest is corrupt");
            broker.damaged.note(key, now);
            Err(ReadError::Corrupt)
        }
        Err(err) => {
            warn!(manifest = %id, %err, "cannot read a manifest");
            Err(ReadError::Unavailable)
        }
    }
}
