//! What the metastore knows of a manifest's contents: background work decides by it when records are removed, and how many
//! objects may be looked for.

use esker_metastore::ManifestSummary;
use esker_model::ManifestId;
use esker_storage::manifest::{Entry, Manifest};

use super::{Deep, Log};
use crate::failure::Outcome;

impl Deep {
    /// How the metastore's summary of a manifest differs from what it lists, if it does. `first_leaf` is its first leaf.
    pub(super) async fn summary(
        &self,
        log: &Log,
        root: &Manifest,
        first_leaf: Option<&Manifest>,
    ) -> Outcome<Option<String>> {
        Ok(match self.known(log, root.id).await? {
            Some(known) => difference(&known, &of(root, first_leaf)),
            // It was replaced since it was read.
            None => None,
        })
    }

    async fn known(&self, log: &Log, id: ManifestId) -> Outcome<Option<ManifestSummary>> {
        let asked = [log.key];
        let known = self.ask(|| self.metastore.known_manifests(&asked)).await?;
        let known = known.into_iter().flatten().find(|known| known.id == id);
        Ok(known.map(|known| known.summary))
    }
}

/// What there is to know. What lies below the base offset as a whole is still in the first leaf, and does not count.
fn of(root: &Manifest, first_leaf: Option<&Manifest>) -> ManifestSummary {
    let from = root.base_offset;
    let oldest = first_leaf.map_or(&root.entries, |leaf| &leaf.entries);
    let gone = oldest.iter().filter(|entry| entry.end_offset() <= from);
    let (mut objects, mut bytes) = (root.objects(), root.bytes());
    for entry in gone {
        bytes = bytes.saturating_sub(entry.bytes());
        objects = objects.saturating_sub(u64::from(matches!(entry, Entry::Segment(_))));
    }
    let first = oldest.iter().find(|entry| entry.end_offset() > from);
    ManifestSummary {
        objects,
        bytes,
        first_end_offset: first.map_or(from, Entry::end_offset),
        first_bytes: first.map_or(0, Entry::bytes),
        first_timestamp: first.map_or(0, |entry| match entry.max_timestamp() {
            -1 => entry.archived_ms(),
            timestamp => timestamp,
        }),
    }
}

fn difference(known: &ManifestSummary, listed: &ManifestSummary) -> Option<String> {
    if known == listed {
        return None;
    }
    let all = |one: &ManifestSummary| (one.objects, one.bytes);
    if all(known) == all(listed) {
        return Some(format!(
            "its first entry ends before offset {}, has {} bytes and is of the time {}; the metastore says {}, {} and {}",
            listed.first_end_offset,
            listed.first_bytes,
            listed.first_timestamp,
            known.first_end_offset,
            known.first_bytes,
            known.first_timestamp,
        ));
    }
    Some(format!(
        "it lists {} objects with {} bytes of batches; the metastore says {} and {}",
        listed.objects, listed.bytes, known.objects, known.bytes
    ))
}
