//! Uploading one sealed segment.
//!
//! The key and the bytes never change between attempts. An upload ends in one of three ways; when it gave
//! up, the object may still land later, so the segment has to be settled before anybody is answered.

use std::sync::Arc;

use esker_model::SegmentId;
use esker_model::limits::PRODUCE_AGE_MAX;
use esker_model::planted::{Mistake, planted};
use esker_model::seams::Instant;
use esker_storage::StoreError;
use esker_storage::keys;
use esker_storage::segment::Sealed;
use tokio::sync::{OwnedSemaphorePermit, oneshot};
use tracing::warn;

use super::Stages;

/// How an upload ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Uploaded {
    /// The object is in the bucket.
    Done,
    /// It is not known to be there, and no longer tried.
    GaveUp,
    /// Other bytes stand under its key.
    Conflict,
}

/// Uploads and reports. `slot` is free again when this ends.
pub(super) async fn upload(
    stages: Arc<Stages>,
    id: SegmentId,
    object: Sealed,
    slot: OwnedSemaphorePermit,
    done: oneshot::Sender<(Uploaded, Instant)>,
) {
    let deadline = stages.seams.clock.now().plus(PRODUCE_AGE_MAX);
    let key = keys::object_key(&id);
    let leaked = planted(Mistake::LeakBudget).then(|| object.payload.clone());
    let uploaded = match stages
        .bucket
        .put_new(&key, object.payload, object.tail, deadline)
        .await
    {
        Ok(()) => Uploaded::Done,
        Err(StoreError::Conflict { .. }) => Uploaded::Conflict,
        Err(err) => {
            warn!(segment = %id, %err, "an upload gave up");
            Uploaded::GaveUp
        }
    };
    if planted(Mistake::LeakBudget) && uploaded == Uploaded::GaveUp {
        std::mem::forget(leaked);
    }
    drop(slot);
    // Nobody listens when the incarnation has ended.
    let _ = done.send((uploaded, stages.seams.clock.now()));
}
