//! Manifests, read from the bucket.

use bytes::Bytes;
use esker_model::ManifestId;
use esker_storage::StoreError;
use esker_storage::bucket::Bucket;
use esker_storage::cache::{CacheKey, SegmentCache};
use esker_storage::keys::manifest_key;
use esker_storage::manifest::Manifest;

/// Reads a manifest for readers: it stays in the cache.
pub(crate) async fn read(
    cache: &dyn SegmentCache,
    bucket: &Bucket,
    id: ManifestId,
) -> Result<Manifest, StoreError> {
    let load = {
        let bucket = bucket.clone();
        Box::pin(async move { bucket.get_manifest(&id).await })
    };
    decode(&id, &cache.get(CacheKey::manifest(id), load).await?)
}

/// Reads a manifest for background work: what readers keep in the cache is used, and not displaced.
pub(crate) async fn read_once(
    cache: &dyn SegmentCache,
    bucket: &Bucket,
    id: ManifestId,
) -> Result<Manifest, StoreError> {
    match cache.peek(&CacheKey::manifest(id)) {
        Some(object) => decode(&id, &object),
        None => decode(&id, &bucket.get_manifest(&id).await?),
    }
}

fn decode(id: &ManifestId, object: &Bytes) -> Result<Manifest, StoreError> {
    Manifest::decode(object).map_err(|err| StoreError::Corrupt {
        key: manifest_key(id),
        what: err.to_string(),
    })
}
