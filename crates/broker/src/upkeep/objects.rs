//! The objects that upkeep writes.
//!
//! What holds: within an incarnation a name is given once, so a key never stands for other bytes. A put that gave up may
//! still land: nothing refers to it then, and it is a leftover.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use esker_model::{LogId, ManifestId, ObjectId, SegmentId, SegmentKind};
use esker_storage::StoreError;
use esker_storage::keys::key_of;
use esker_storage::manifest::EncodedManifest;
use esker_storage::segment::archive::SealedArchive;

use super::Upkeep;
use super::leftovers::Unoffered;

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
    pub(super) async fn put_archive(&self, object: SealedArchive) -> Result<Unoffered, StoreError> {
        let id = ObjectId::Segment(object.id);
        self.put(id, object.payload, object.tail).await
    }

    /// Puts a manifest.
    pub(super) async fn put_manifest(
        &self,
        id: &ManifestId,
        manifest: EncodedManifest,
    ) -> Result<Unoffered, StoreError> {
        let id = ObjectId::Manifest(*id);
        self.put(id, vec![manifest.payload], manifest.tail).await
    }

    async fn put(
        &self,
        object: ObjectId,
        payload: Vec<Bytes>,
        tail: [u8; 32],
    ) -> Result<Unoffered, StoreError> {
        let unoffered = Unoffered::new(object, &self.leftovers);
        let deadline = self.seams.clock.now().plus(PUT_PATIENCE);
        self.bucket
            .put_new(&key_of(&object), payload, tail, deadline)
            .await?;
        self.metrics.archive.objects.inc();
        Ok(unoffered.landed())
    }
}
