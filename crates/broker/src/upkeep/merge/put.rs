//! The new objects of a partition: merged segments, then leaves, then the manifest that lists them.
//!
//! What holds: nothing refers to them until the metastore is asked to; what was put before a failure is a leftover.

use esker_metastore::{ManifestRef, MergedPartition};
use esker_model::ObjectId;
use esker_storage::manifest::Leaf;

use super::MergeError;
use super::build::Built;
use super::rewrite::Rewritten;
use crate::upkeep::Upkeep;
use crate::upkeep::leftovers::Unoffered;

/// A partition whose new objects are in the bucket.
pub(super) struct Put {
    pub merged: MergedPartition,
    /// The new objects.
    objects: Vec<Unoffered>,
    bytes: u64,
}

/// The same when the metastore was asked.
pub(super) struct Offered {
    pub merged: MergedPartition,
    pub objects: Vec<ObjectId>,
    pub bytes: u64,
}

impl Put {
    /// Somebody is asked to refer to them.
    pub(super) fn offer(self) -> Offered {
        Offered {
            merged: self.merged,
            objects: self.objects.into_iter().map(Unoffered::offer).collect(),
            bytes: self.bytes,
        }
    }
}

/// Puts what was built for a partition, then the manifest that lists it.
pub(super) async fn put(upkeep: &Upkeep, rewritten: Rewritten) -> Result<Put, MergeError> {
    let Rewritten {
        from,
        mut edit,
        built,
        extents,
        bytes,
        lost,
    } = rewritten;
    let mut objects = Vec::new();
    for Built { entry, object } in built {
        if let Some(object) = object {
            objects.push(upkeep.put_archive(object).await?);
        }
        edit.append(entry);
    }
    while let Some(leaf) = edit.split_leaf(&upkeep.merge, || upkeep.new_manifest(from.log)) {
        let encoded = leaf.encode().map_err(MergeError::Manifest)?;
        let Some(line) = Leaf::of(&leaf, encoded.object_bytes()) else {
            break;
        };
        objects.push(upkeep.put_manifest(&leaf.id, encoded).await?);
        edit.list_leaf(line, leaf);
    }
    edit.manifest.id = upkeep.new_manifest(from.log);
    let encoded = edit.manifest.encode().map_err(MergeError::Manifest)?;
    let manifest = ManifestRef {
        id: edit.manifest.id,
        object_bytes: encoded.object_bytes(),
        base_offset: edit.manifest.base_offset,
        end_offset: edit.manifest.end_offset(),
    };
    objects.push(upkeep.put_manifest(&manifest.id, encoded).await?);
    let summary = edit.summary();
    Ok(Put {
        merged: MergedPartition {
            partition: from.partition,
            replaces: from.version,
            extents,
            manifest,
            summary,
            unneeded: edit.unneeded,
            lost,
        },
        objects,
        bytes,
    })
}
