//! Manifests in words.

use std::fmt::Write;

use bytes::Bytes;
use esker_model::{ManifestId, ObjectId, SegmentId};

use super::{Description, Fault, Known, describe_skipped, describe_whole, latest, line};
use crate::keys::ObjectKind;
use crate::manifest::{Entry, Leaf, Manifest, Place};
use crate::segment::Tail;

pub(super) fn describe_manifest(known: &Known<'_>, tail: &Tail, object: &Bytes, out: &mut Description) {
    let manifest = match Manifest::decode(object) {
        Ok(manifest) => manifest,
        Err(err) => {
            line(out, &format!("a damaged manifest: {err}"));
            return out.wrong(Fault::of(&err));
        }
    };
    describe_whole(known, &ObjectId::Manifest(manifest.id), tail, None, out);
    let log = manifest.id.log;
    line(
        out,
        &format!(
            "topic {} partition {}, offsets {}..{}, {} bytes in {} objects",
            log.topic,
            log.partition,
            manifest.base_offset,
            manifest.end_offset(),
            manifest.bytes(),
            manifest.objects(),
        ),
    );
    line(out, &format!("{} leaves:", manifest.leaves.len()));
    for leaf in &manifest.leaves {
        line(out, &describe_leaf(leaf));
    }
    line(out, &format!("{} entries:", manifest.entries.len()));
    for entry in &manifest.entries {
        line(out, &describe_entry(entry));
        for place in entry.places() {
            line(out, &describe_place(&place));
        }
    }
    describe_skipped(&manifest.skipped, out);
}

fn describe_leaf(leaf: &Leaf) -> String {
    let ManifestId {
        epoch,
        incarnation,
        seq,
        ..
    } = leaf.id;
    let mut text = format!(
        "  offsets {}..{}: manifest {seq} of incarnation {incarnation}, cluster epoch {epoch}, {} bytes; \
         {} bytes of batches in {} merged segments",
        leaf.base_offset, leaf.end_offset, leaf.object_bytes, leaf.bytes, leaf.segments,
    );
    latest(leaf.max_timestamp, &mut text);
    text
}

fn describe_entry(entry: &Entry) -> String {
    let (what, id, object_bytes) = match entry {
        Entry::Segment(segment) => ("", segment.id, segment.object_bytes),
        Entry::Hole(hole) => ("HOLE, could not be read in ", hole.segment, hole.object_bytes),
    };
    let SegmentId {
        epoch,
        incarnation,
        seq,
        kind,
    } = id;
    format!(
        "  offsets {}..{}: {what}{} {seq} of incarnation {incarnation}, cluster epoch {epoch}, \
         {object_bytes} bytes, archived at {}",
        entry.base_offset(),
        entry.end_offset(),
        ObjectKind::from(kind),
        entry.archived_ms(),
    )
}

fn describe_place(place: &Place) -> String {
    let mut text = format!(
        "    offset {} at bytes {}..{}",
        place.base_offset,
        place.position,
        place.position + place.bytes,
    );
    if let Some(crc) = place.crc {
        let _ = write!(text, ", CRC-32C {crc:08x}");
    }
    latest(place.max_timestamp, &mut text);
    text
}
