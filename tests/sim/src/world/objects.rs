//! What became of single objects in the bucket: when they landed, who deleted them, what referred to them once.

use std::collections::{BTreeMap, BTreeSet};

use esker_metastore::{Extent, ManifestRef, Sweeps};
use esker_model::{ClusterEpoch, ManifestId, ObjectId, SegmentKind};
use esker_storage::keys;
use esker_storage::manifest::{Entry, Manifest};
use object_store::ObjectStoreExt;
use object_store::path::Path;
use parking_lot::Mutex;

use super::World;

/// The fates of objects.
#[derive(Default)]
pub(super) struct Fates {
    /// When each key was last written.
    landed_us: Mutex<BTreeMap<String, u64>>,
    /// Keys that were deleted: a put that was under way may bring one back.
    deleted: Mutex<BTreeSet<String>>,
    /// Keys that were written when their writer did not live any more.
    posthumous: Mutex<BTreeSet<String>>,
    /// Objects that something referred to at some time.
    referred_once: Mutex<BTreeSet<ObjectId>>,
    /// Objects that were removed or damaged on purpose.
    lost: Mutex<BTreeSet<ObjectId>>,
}

impl World {
    /// A put took effect.
    pub(super) async fn landed(&self, key: &str) {
        let now_us = self.record.now_us();
        self.fates.landed_us.lock().insert(key.to_owned(), now_us);
        let Some(id) = keys::parse_key(key) else { return };
        if self.writer_ended(&id).await {
            self.tally.count("puts", "landed after their writer's end", 1);
            self.fates.posthumous.lock().insert(key.to_owned());
        }
    }

    /// Whether the incarnation that wrote an object is known not to live.
    async fn writer_ended(&self, id: &ObjectId) -> bool {
        let writer = [id.incarnation()];
        let answer = self.database.references(ClusterEpoch(1), &writer, &[]).await;
        answer.is_ok_and(|answer| answer.live == [false])
    }

    /// When an object landed; 0 if nobody put it.
    pub fn landed_us(&self, key: &str) -> u64 {
        self.fates.landed_us.lock().get(key).copied().unwrap_or(0)
    }

    /// A delete took effect.
    pub(super) async fn deleted(&self, key: &str) {
        if let Some(id) = keys::parse_key(key) {
            let orphan = id.log().is_some() && !self.was_referred_to(&id) && self.writer_ended(&id).await;
            let orphan = u64::from(orphan);
            self.tally.count("swept", "objects of one partition", orphan);
        }
        self.fates.deleted.lock().insert(key.to_owned());
        if self.fates.posthumous.lock().remove(key) {
            self.tally
                .count("puts", "landed after their writer's end and swept", 1);
        }
    }

    /// Whether an object was deleted at some time.
    pub fn was_deleted(&self, key: &str) -> bool {
        self.fates.deleted.lock().contains(key)
    }

    /// Whether something referred to an object at some time.
    pub fn was_referred_to(&self, id: &ObjectId) -> bool {
        self.fates.referred_once.lock().contains(id)
    }

    /// An object is removed or damaged on purpose.
    pub(super) fn lose(&self, id: ObjectId) {
        self.fates.lost.lock().insert(id);
    }

    /// Objects that were removed or damaged on purpose.
    pub fn lost_objects(&self) -> BTreeSet<ObjectId> {
        self.fates.lost.lock().clone()
    }

    /// Extents were registered that lie in archive segments.
    pub(super) fn refers_to_extents<'a>(&self, extents: impl Iterator<Item = &'a Extent>) {
        let archived = extents.filter(|extent| extent.segment.kind == SegmentKind::Archive);
        let segments = archived.map(|extent| ObjectId::Segment(extent.segment));
        self.fates.referred_once.lock().extend(segments);
    }

    /// A manifest became the present one of its partition. Also counts what it is like.
    pub(super) async fn refers_to_manifest(&self, manifest: ManifestRef) {
        let Some(root) = self.manifest(&manifest.id).await else {
            return;
        };
        let mut listed = vec![ObjectId::Manifest(manifest.id)];
        listed.extend(segments(&root));
        for leaf in &root.leaves {
            let id = ObjectId::Manifest(leaf.id);
            if !self.was_referred_to(&id) {
                self.tally.count("merged", "leaves", 1);
                let leaf = self.manifest(&leaf.id).await;
                listed.extend(leaf.iter().flat_map(segments));
            }
            listed.push(id);
        }
        self.tally.count("merged", "manifests", 1);
        let has_leaves = !root.leaves.is_empty();
        self.tally
            .count("merged", "manifests with leaves", u64::from(has_leaves));
        let holes = root
            .entries
            .iter()
            .filter(|entry| matches!(entry, Entry::Hole(_)));
        self.tally
            .count("merged", "holes listed", u64::from(holes.count() > 0));
        self.fates.referred_once.lock().extend(listed);
    }

    async fn manifest(&self, id: &ManifestId) -> Option<Manifest> {
        let path = Path::from(keys::manifest_key(id));
        let bytes = self.objects().get(&path).await.ok()?.bytes().await.ok()?;
        Manifest::decode(&bytes).ok()
    }
}

fn segments(manifest: &Manifest) -> impl Iterator<Item = ObjectId> + '_ {
    manifest.entries.iter().filter_map(|entry| match entry {
        Entry::Segment(segment) => Some(ObjectId::Segment(segment.id)),
        Entry::Hole(_) => None,
    })
}
