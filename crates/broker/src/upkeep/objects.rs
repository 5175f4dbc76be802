//! The objects that upkeep writes.
//!
//! What holds: within an incarnation a name is given once, so a key never stands for other bytes. A put that gave up may
//! still land: nothing refers to it then, and the sweep finds it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use esker_model::{LogId, ManifestId, SegmentId, SegmentKind};
use esker_storage::StoreError;
use esker_storage::keys;
use esker_storage::manifest::EncodedManifest;
use esker_storage::segment::archive::SealedArchive;
use tracing::debug;

use super::Upkeep;

/// How long one object is put.
const PUT_PATIENCE: Duration = Duration::from_secs(60);

/// How many objects of each kind this incarnation has named.
#[derive(Default)]
pub(crate) struct Seqs {
    archive: AtomicU64,
    merged: AtomicU64,
    manifest: AtomicU64,
}

fn next(of: &AtomicU64) -> u64 {
    of.fetch_add(1, Ordering::Relaxed) + 1
}

impl Upkeep {
    /// The name of a new archive segment.
    pub(super) fn new_archive_segment(&self) -> SegmentId {
        self.new_segment(SegmentKind::Archive, &self.seqs.archive)
    }

    /// The name of a new merged segment.
    pub(super) fn new_merged_segment(&self, log: LogId) -> SegmentId {
        self.new_segment(SegmentKind::Merged(log), &self.seqs.merged)
    }

    fn new_segment(&self, kind: SegmentKind, seq: &AtomicU64) -> SegmentId {
        SegmentId {
            kind,
            epoch: self.member.epoch(),
            incarnation: self.member.incarnation(),
            seq: next(seq),
        }
    }

    /// The name of a new manifest.
    pub(super) fn new_manifest(&self, log: LogId) -> ManifestId {
        ManifestId {
            log,
            epoch: self.member.epoch(),
            incarnation: self.member.incarnation(),
            seq: next(&self.seqs.manifest),
        }
    }

    /// Puts an archive segment or a merged one.
    pub(super) async fn put_archive(&self, object: SealedArchive) -> Result<(), StoreError> {
        let key = keys::object_key(&object.id);
        self.put(&key, object.payload, object.tail).await
    }

    /// Puts a manifest.
    pub(super) async fn put_manifest(
        &self,
        id: &ManifestId,
        manifest: EncodedManifest,
    ) -> Result<(), StoreError> {
        let key = keys::manifest_key(id);
        self.put(&key, vec![manifest.payload], manifest.tail).await
    }

    async fn put(&self, key: &str, payload: Vec<Bytes>, tail: [u8; 32]) -> Result<(), StoreError> {
        let deadline = self.seams.clock.now().plus(PUT_PATIENCE);
        self.bucket.put_new(key, payload, tail, deadline).await?;
        self.metrics.archive.objects.inc();
        Ok(())
    }

    /// Deletes an object that this incarnation wrote, and that nothing will ever refer to.
    pub(super) async fn delete_own(&self, key: &str) {
        if let Err(err) = self.bucket.delete(key).await {
            debug!(%key, %err, "an object that is not needed stays until it is swept");
        }
    }
}
