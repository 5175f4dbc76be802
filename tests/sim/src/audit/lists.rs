//! The lists in which records stand: extents of the metastore, manifests and their leaves. What they name has to be there,
//! they cover each log from its start to its end, and what is counted of them is so.

use std::collections::{BTreeMap, BTreeSet};

use esker_history::event::Flaw;
use esker_metastore::auditing::{Contents, LogContents};
use esker_metastore::{ChunkRange, Extent, ManifestRef, ManifestSummary};
use esker_model::{LogId, ObjectId, SegmentId};
use esker_storage::keys::key_of;
use esker_storage::manifest::{Entry, Leaf, Manifest, Place};

use super::Found;
use super::bucket::{Bucket, Decoded, Held};
use crate::clients::payload;

/// What the lists of one moment say, and what is wrong with them.
#[derive(Default)]
pub struct Lists {
    /// Every object that something refers to.
    pub referred: BTreeSet<ObjectId>,
    /// Which records lie in which object, as far as they are above the log start.
    pub places: BTreeMap<SegmentId, Vec<(LogId, i64, i64)>>,
    /// What is wrong.
    pub found: Vec<Found>,
}

/// Some consecutive records, and where they lie.
struct Stretch {
    segment: SegmentId,
    object_bytes: u64,
    position: u64,
    bytes: u64,
    base_offset: i64,
    end_offset: i64,
    chunk: Option<ChunkRange>,
}

impl From<&Extent> for Stretch {
    fn from(extent: &Extent) -> Self {
        Self {
            segment: extent.segment,
            object_bytes: extent.object_bytes,
            position: extent.position,
            bytes: extent.bytes,
            base_offset: extent.base_offset,
            end_offset: extent.end_offset,
            chunk: extent.chunk,
        }
    }
}

impl From<&Place> for Stretch {
    fn from(place: &Place) -> Self {
        let chunk = |crc| ChunkRange {
            position: place.position,
            bytes: place.bytes as u32,
            crc,
        };
        Self {
            segment: place.segment,
            object_bytes: place.object_bytes,
            position: place.position,
            bytes: place.bytes,
            base_offset: place.base_offset,
            end_offset: place.end_offset,
            chunk: place.crc.map(chunk),
        }
    }
}

impl Lists {
    /// Follows all lists. Objects that are `lost` may be missing.
    pub fn follow(contents: &Contents, bucket: &Bucket, lost: &BTreeSet<ObjectId>) -> Self {
        let mut walk = Walk {
            bucket,
            lost,
            decoded: BTreeMap::new(),
            lists: Self::default(),
        };
        for log in &contents.logs {
            walk.log(log);
        }
        walk.lists
    }
}

struct Walk<'a> {
    bucket: &'a Bucket,
    lost: &'a BTreeSet<ObjectId>,
    /// Each object is looked at once; `None`: it is missing or wrong, and that was said.
    decoded: BTreeMap<ObjectId, Option<(&'a Held, Decoded)>>,
    lists: Lists,
}

impl Walk<'_> {
    fn say(&mut self, flaw: Flaw, what: String) {
        self.lists.found.push((flaw, what));
    }

    fn log(&mut self, log: &LogContents) {
        let name = format!("{}-{}", log.log.topic, log.log.partition);
        let head = log.head;
        let mut covered = Covered {
            name: &name,
            next: head.log_start,
            end: None,
        };
        if let Some((manifest, summary)) = &log.manifest {
            self.manifest(log, &name, manifest, summary);
            if manifest.base_offset < manifest.end_offset {
                covered.take((manifest.base_offset, manifest.end_offset), &mut self.lists.found);
            }
        }
        for (extent, _) in &log.archived {
            covered.take((extent.base_offset, extent.end_offset), &mut self.lists.found);
            // A hole stays in an ingest segment that may go.
            if extent.chunk.is_some() {
                self.stretch(log, &name, &extent.into());
            }
        }
        covered.reaches(head.archived_to, &mut self.lists.found);
        for extent in &log.recent {
            covered.take((extent.base_offset, extent.end_offset), &mut self.lists.found);
            self.stretch(log, &name, &extent.into());
        }
        covered.reaches(head.next_offset, &mut self.lists.found);
    }

    /// Follows a manifest with its leaves, and compares it with what the metastore says of it.
    fn manifest(&mut self, log: &LogContents, name: &str, told: &ManifestRef, summary: &ManifestSummary) {
        let Some((bytes, root)) = self.read_manifest(ObjectId::Manifest(told.id), name) else {
            return;
        };
        let stands = (bytes, root.base_offset, root.end_offset());
        let said = (told.object_bytes, told.base_offset, told.end_offset);
        if stands != said {
            let what = format!(
                "the manifest of {name} has (bytes, first, end) {stands:?}, and is said to have {said:?}"
            );
            self.say(Flaw::Miscounted, what);
        }
        let mut entries = Vec::new();
        for line in &root.leaves {
            let Some((bytes, leaf)) = self.read_manifest(ObjectId::Manifest(line.id), name) else {
                return;
            };
            if Leaf::of(&leaf, bytes) != Some(*line) {
                let what = format!("a leaf of {name} is another than its line says: {line:?}");
                self.say(Flaw::Miscounted, what);
            }
            entries.extend(leaf.entries);
        }
        let leaves = root.leaves.len() as u64;
        entries.extend(root.entries);
        entries.retain(|entry| entry.end_offset() > root.base_offset);
        let counted = count(&entries, leaves, root.base_offset);
        if counted != *summary {
            let what = format!("the manifest of {name} lists {counted:?}, and is said to list {summary:?}");
            self.say(Flaw::Miscounted, what);
        }
        for entry in &entries {
            if let Entry::Segment(segment) = entry {
                self.lists.referred.insert(ObjectId::Segment(segment.id));
                for place in segment.places() {
                    self.stretch(log, name, &(&place).into());
                }
            }
        }
    }

    fn read_manifest(&mut self, id: ObjectId, name: &str) -> Option<(u64, Manifest)> {
        self.lists.referred.insert(id);
        match self.object(&id, name)? {
            (held, Decoded::Manifest(manifest)) => Some((held.bytes.len() as u64, manifest.clone())),
            _ => None,
        }
    }

    /// An object that something of a partition refers to.
    fn object(&mut self, id: &ObjectId, name: &str) -> Option<&(&Held, Decoded)> {
        if !self.decoded.contains_key(id) {
            let decoded = match self.bucket.decode(id) {
                Ok(decoded) => Some(decoded),
                Err(why) => {
                    if !self.lost.contains(id) {
                        let what = format!("{}, which holds records of {name}: {why}", key_of(id));
                        self.say(Flaw::Missing, what);
                    }
                    None
                }
            };
            self.decoded.insert(*id, decoded);
        }
        self.decoded.get(id)?.as_ref()
    }

    /// Looks at the records of one stretch.
    fn stretch(&mut self, log: &LogContents, name: &str, stretch: &Stretch) {
        let id = ObjectId::Segment(stretch.segment);
        self.lists.referred.insert(id);
        if stretch.end_offset > log.head.log_start {
            let place = (log.log, stretch.base_offset, stretch.end_offset);
            self.lists.places.entry(stretch.segment).or_default().push(place);
        }
        let Some(object) = self.object(&id, name) else {
            return;
        };
        if let Err(why) = look_at(object, stretch) {
            let what = format!(
                "{} does not hold offsets {} to {} of {name} as it should: {why}",
                key_of(&id),
                stretch.base_offset,
                stretch.end_offset - 1
            );
            self.say(Flaw::Missing, what);
        }
    }
}

/// Whether a stretch lies in an object as it is said.
fn look_at((held, decoded): &(&Held, Decoded), stretch: &Stretch) -> Result<(), String> {
    let bytes = held.bytes.len() as u64;
    if bytes != stretch.object_bytes {
        return Err(format!(
            "the object has {bytes} bytes, not {}",
            stretch.object_bytes
        ));
    }
    if let (Some(chunk), Decoded::Archive(footer)) = (stretch.chunk, decoded) {
        let same = |one: &esker_storage::segment::archive::Chunk| {
            (one.position, one.bytes, one.crc) == (chunk.position, u64::from(chunk.bytes), chunk.crc)
        };
        if !footer.chunks.iter().any(same) {
            return Err(format!("it has no chunk {chunk:?}"));
        }
    }
    let end = stretch.position.saturating_add(stretch.bytes);
    if end > bytes {
        return Err("it lies beyond the object's end".to_owned());
    }
    let slice = held.bytes.slice(stretch.position as usize..end as usize);
    let read = payload::read(slice, 0);
    if let Some(damage) = read.damage {
        return Err(damage.why);
    }
    let archived = stretch.chunk.is_some();
    let mut next = stretch.base_offset;
    for seen in &read.seen {
        // What was not archived has the offsets that its client gave it.
        if archived && seen.base_offset != next {
            return Err(format!("offset {} stands where {next} belongs", seen.base_offset));
        }
        next += i64::from(seen.records.count);
    }
    if next == stretch.end_offset {
        Ok(())
    } else {
        Err(format!("the records end at {next}"))
    }
}

/// What a manifest lists from its base offset on, counted once more.
fn count(entries: &[Entry], leaves: u64, base_offset: i64) -> ManifestSummary {
    let segments = entries.iter().filter(|entry| matches!(entry, Entry::Segment(_)));
    let first = entries.first();
    ManifestSummary {
        objects: leaves + segments.count() as u64,
        bytes: entries.iter().map(Entry::bytes).sum(),
        first_end_offset: first.map_or(base_offset, Entry::end_offset),
        first_bytes: first.map_or(0, Entry::bytes),
        first_timestamp: first.map_or(0, |entry| match entry.max_timestamp() {
            -1 => entry.archived_ms(),
            timestamp => timestamp,
        }),
    }
}

/// How far a log is covered by its lists.
struct Covered<'a> {
    name: &'a str,
    next: i64,
    /// Where the last list ended.
    end: Option<i64>,
}

impl Covered<'_> {
    fn take(&mut self, (base, end): (i64, i64), found: &mut Vec<Found>) {
        if self.end.is_some_and(|before| base < before) {
            let what = format!("offset {base} of {} is in two lists", self.name);
            found.push((Flaw::Uncovered, what));
        }
        self.end = Some(end);
        if base > self.next {
            let what = format!("offset {} of {} is in no list, {base} is", self.next, self.name);
            found.push((Flaw::Uncovered, what));
        }
        self.next = self.next.max(end);
    }

    fn reaches(&self, end: i64, found: &mut Vec<Found>) {
        if self.next < end {
            let what = format!(
                "offset {} of {} is in no list, and the log goes on to {end}",
                self.next, self.name
            );
            found.push((Flaw::Uncovered, what));
        }
    }
}
