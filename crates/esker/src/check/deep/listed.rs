//! Archived records that a manifest lists: the manifest, its leaves, and what those say of each other.

use esker_broker::fetch::listed_extent;
use esker_metastore::{Extent, ManifestRef};
use esker_model::{ManifestId, ObjectId};
use esker_storage::manifest::{Leaf, Manifest};

use super::chunk::what_of;
use super::doubt::{Doubts, Problem};
use super::finding::Kind;
use super::ingest::Tail;
use super::{Deep, Log};
use crate::failure::Outcome;

/// Extents that are looked at before what is wrong with them is looked at again.
const EXTENTS_AT_ONCE: usize = 512;

/// A part of a log that a manifest lists.
struct Part<'a> {
    log: &'a Log,
    from: i64,
    to: i64,
    doubts: &'a Doubts,
    tail: &'a Tail,
}

impl Part<'_> {
    /// A problem with a manifest that lists these records.
    fn problem(&self, id: ManifestId, first: i64, end: i64, kind: Kind, what: String) -> Problem {
        Problem {
            log: self.log.clone(),
            first: first.max(self.from),
            end: end.min(self.to),
            object: ObjectId::Manifest(id),
            kind,
            what,
        }
    }
}

impl Deep {
    /// Looks at what a manifest lists of a part of a log.
    pub(super) async fn walk_listed(
        &self,
        log: &Log,
        manifest: ManifestRef,
        (from, to): (i64, i64),
        doubts: &Doubts,
        tail: &Tail,
    ) -> Outcome {
        let part = Part {
            log,
            from,
            to,
            doubts,
            tail,
        };
        let ManifestRef {
            id,
            object_bytes,
            base_offset,
            end_offset,
        } = manifest;
        let wrong = |kind, what| part.problem(id, base_offset, end_offset, kind, what);
        let (root, size) = match self.manifest(id, object_bytes).await? {
            Ok(read) => read,
            Err((kind, what)) => {
                self.judge(vec![wrong(kind, what)], doubts, tail).await?;
                return Ok(());
            }
        };
        if doubts.is_first_look() {
            self.progress.listed(root.objects());
        }
        let mut problems = Vec::new();
        if size != object_bytes {
            let what = format!("it has {size} bytes, and should have {object_bytes}");
            problems.push(wrong(Kind::Size, what));
        }
        let (lists_from, lists_to) = (root.base_offset, root.end_offset());
        if (lists_from, lists_to) != (base_offset, end_offset) {
            let what = format!(
                "it lists offsets {lists_from} to before {lists_to}, and should list {base_offset} to before {end_offset}"
            );
            problems.push(wrong(Kind::Inconsistent, what));
        }
        if self.judge(problems, doubts, tail).await? {
            // All of it was looked at again, by another plan.
            return Ok(());
        }
        if root.leaves.is_empty() && self.compare(&part, &root, None).await? {
            return Ok(());
        }
        for (index, leaf) in root.leaves.iter().enumerate() {
            let first_of = (index == 0).then_some(&root);
            let is_part = from < leaf.end_offset && leaf.base_offset < to;
            if is_part && self.walk_leaf(&part, leaf, first_of).await? {
                return Ok(());
            }
        }
        self.walk_places(&part, &root).await
    }

    /// Compares a manifest with what the metastore knows of it; `true`: all that it lists was looked at again.
    async fn compare(
        &self,
        part: &Part<'_>,
        root: &Manifest,
        first_leaf: Option<&Manifest>,
    ) -> Outcome<bool> {
        let Some(what) = self.summary(part.log, root, first_leaf).await? else {
            return Ok(false);
        };
        let (first, end) = (root.base_offset, root.end_offset());
        let wrong = part.problem(root.id, first, end, Kind::Inconsistent, what);
        self.judge(vec![wrong], part.doubts, part.tail).await
    }

    /// Looks at what a leaf lists, and, if it is the first one of this root, at what the metastore knows of both; `true`: all
    /// that the root lists was looked at again.
    async fn walk_leaf(&self, part: &Part<'_>, leaf: &Leaf, first_of: Option<&Manifest>) -> Outcome<bool> {
        let wrong = |kind, what| part.problem(leaf.id, leaf.base_offset, leaf.end_offset, kind, what);
        let problem = match self.manifest(leaf.id, leaf.object_bytes).await? {
            Ok((manifest, size)) if Leaf::of(&manifest, size).as_ref() == Some(leaf) => {
                if let Some(root) = first_of
                    && self.compare(part, root, Some(&manifest)).await?
                {
                    return Ok(true);
                }
                self.walk_places(part, &manifest).await?;
                return Ok(false);
            }
            Ok(_) => wrong(
                Kind::Inconsistent,
                "it is not what the manifest that lists it says".to_owned(),
            ),
            Err((kind, what)) => wrong(kind, what),
        };
        self.judge(vec![problem], part.doubts, part.tail).await?;
        Ok(false)
    }

    /// Looks at what the entries of a manifest list.
    async fn walk_places(&self, part: &Part<'_>, manifest: &Manifest) -> Outcome {
        let places = manifest.places(part.from);
        let mut places = places
            .take_while(|place| place.base_offset < part.to)
            .map(|place| listed_extent(&place))
            .peekable();
        while places.peek().is_some() {
            let extents: Vec<Extent> = places.by_ref().take(EXTENTS_AT_ONCE).collect();
            // All of it is archived: what is in no chunk is a hole.
            self.verify(part.log, extents, i64::MAX, part.doubts, part.tail)
                .await?;
        }
        Ok(())
    }

    /// A manifest and the size of its object; or what is wrong with it.
    async fn manifest(
        &self,
        id: ManifestId,
        object_bytes: u64,
    ) -> Outcome<Result<(Manifest, u64), (Kind, String)>> {
        let key = esker_storage::keys::manifest_key(&id);
        let object = match self.reader.manifest(&id, object_bytes).await? {
            Ok(object) => object,
            Err(error) if error.is_not_found() => {
                return Ok(Err((Kind::Missing, "it is not in the bucket".to_owned())));
            }
            Err(error) => {
                if let Some(why) = self.reader.cannot_be_read(&error) {
                    return Ok(Err((Kind::Unreadable, why)));
                }
                let size = self.reader.size(&key).await?.unwrap_or(object_bytes);
                return Ok(Err(if size < object_bytes {
                    let what = format!("only {size} of its {object_bytes} bytes are left");
                    (Kind::Truncated, what)
                } else {
                    (Kind::Corrupt, what_of(&error))
                }));
            }
        };
        self.progress.object();
        let decoded = Manifest::decode(&object).map_err(|error| (Kind::Corrupt, error.to_string()));
        Ok(decoded.map(|manifest| (manifest, object.len() as u64)))
    }
}
