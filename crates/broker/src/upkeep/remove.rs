//! Objects that nobody needs any more go, then their rows.
//!
//! What holds: a segment that was released is never needed again, so deleting it twice, or late, does no harm. Its row
//! goes after its object: what a failure leaves is found again.

use std::time::Duration;

use esker_metastore::{Archives, MetastoreError};
use esker_model::SegmentId;
use esker_storage::StoreError;
use esker_storage::bucket::Bucket;
use esker_storage::keys::object_key;
use futures::{StreamExt, stream};

/// Segments of one call; a full call is followed by another.
const REMOVE_AT_ONCE: usize = 500;

/// Deletes at a time.
const DELETES_MAX: usize = 4;

/// Why a round of removing stopped.
#[derive(Debug, thiserror::Error)]
pub(super) enum RemoveError {
    #[error(transparent)]
    Metastore(#[from] MetastoreError),
    #[error(transparent)]
    Bucket(#[from] StoreError),
}

/// Removes what was released so long ago; returns how many segments.
pub(super) async fn round(
    metastore: &dyn Archives,
    bucket: &Bucket,
    grace: Duration,
) -> Result<u64, RemoveError> {
    let grace_ms = i64::try_from(grace.as_millis()).unwrap_or(i64::MAX);
    let mut removed = 0;
    loop {
        let unneeded = metastore.unneeded(grace_ms, REMOVE_AT_ONCE).await?;
        let outcomes: Vec<(SegmentId, Result<(), StoreError>)> = stream::iter(unneeded.clone())
            .map(|id| async move { (id, bucket.delete(&object_key(&id)).await) })
            .buffered(DELETES_MAX)
            .collect()
            .await;
        let mut gone = Vec::with_capacity(outcomes.len());
        let mut failure = None;
        for (id, outcome) in outcomes {
            match outcome {
                Ok(()) => gone.push(id),
                Err(err) => failure = Some(err),
            }
        }
        if !gone.is_empty() {
            metastore.forget_segments(&gone).await?;
            removed += gone.len() as u64;
        }
        if let Some(err) = failure {
            return Err(err.into());
        }
        if unneeded.len() < REMOVE_AT_ONCE {
            break;
        }
    }
    metastore.empty_buckets().await?;
    Ok(removed)
}
